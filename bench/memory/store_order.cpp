// Why single overwriting sets do not overlap: can a processor start the loads
// of the next operation while a store of this one waits for its address?
//
// Each round is independent of the others: load a random line, follow it to a
// second random line (two dependent misses), then store somewhere. Rounds
// without a store overlap many deep. What a round costs with a store whose
// address is known, and with one whose address hangs on a miss, shows what the
// machine does. The table is made twice: as the process was started, and with
// speculative store bypass switched off by prctl; equal tables mean that it was
// off from the start.
#include "bench/memory/chase.hpp"
#include "bench/memory/clock.hpp"

#include <CLI/CLI.hpp>

#include <array>
#include <atomic>
#include <bit>
#include <cstdio>
#include <string>
#include <vector>

#include <linux/prctl.h>
#include <sys/prctl.h>

namespace {

using namespace neuroplex::bench;

struct alignas(64) order_line {
  std::uint64_t next;
  std::uint64_t word;
};

enum class tail {
  none,
  known_address,
  first_miss_address,
  second_miss_address,
  locked_known_address,
  locked_first_miss_address,
};

struct variant {
  tail kind;
  const char* name;
};

constexpr std::array variants{
  variant{tail::none, "no store"},
  variant{tail::known_address, "store, address known"},
  variant{tail::first_miss_address, "store, address from the first miss"},
  variant{tail::second_miss_address, "store, address from the second miss"},
  variant{tail::locked_known_address, "locked add, address known"},
  variant{tail::locked_first_miss_address,
          "locked add, address from the first miss"},
};

std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 31;
  x *= 0xD6E8FEB86659FD93ULL;
  x ^= x >> 32;
  return x * 0x9E3779B97F4A7C15ULL >> 16;
}

class two_misses {
public:
  explicit two_misses(std::size_t bytes)
    : memory_{std::bit_floor(bytes)}, lines_{reinterpret_cast<order_line*>(
                                        memory_.data())},
      mask_{memory_.bytes() / sizeof(order_line) - 1} {
    for (std::uint64_t i = 0; i <= mask_; ++i)
      lines_[i] = {mix(i * 3 + 1) & mask_, i};
  }

  template <tail Kind>
  double measure_ns(double seconds) {
    constexpr std::uint64_t rounds_a_look = 10'000;
    std::uint64_t rounds = 0;
    std::uint64_t sum = 0;
    double elapsed = 0;
    auto begin = thread_cpu_ns();
    do {
      for (std::uint64_t i = 0; i < rounds_a_look; ++i)
        sum += round<Kind>(counter_++);
      asm volatile("" : "+r"(sum));
      rounds += rounds_a_look;
      elapsed = thread_cpu_ns() - begin;
    } while (elapsed < seconds * 1e9);
    return elapsed / static_cast<double>(rounds);
  }

private:
  template <tail Kind>
  std::uint64_t round(std::uint64_t i) {
    auto first = mix(i) & mask_;
    auto second = lines_[first].next;
    auto value = lines_[second].word;
    if constexpr (Kind == tail::known_address) {
      near_[i % near_.size()].word = value;
    } else if constexpr (Kind == tail::first_miss_address) {
      std::atomic_ref{lines_[second].word}.store(value,
                                                 std::memory_order_relaxed);
    } else if constexpr (Kind == tail::second_miss_address) {
      near_[value % near_.size()].word = i;
    } else if constexpr (Kind == tail::locked_known_address) {
      std::atomic_ref{near_[i % near_.size()].word}.fetch_add(1);
    } else if constexpr (Kind == tail::locked_first_miss_address) {
      std::atomic_ref{lines_[second].word}.fetch_add(0);
    }
    return value;
  }

  huge_memory memory_;
  order_line* lines_;
  std::uint64_t mask_;
  std::uint64_t counter_ = 1;
  std::array<order_line, 16> near_{};
};

double measure(two_misses& subject, tail kind, double seconds) {
  switch (kind) {
    case tail::none:
      return subject.measure_ns<tail::none>(seconds);
    case tail::known_address:
      return subject.measure_ns<tail::known_address>(seconds);
    case tail::first_miss_address:
      return subject.measure_ns<tail::first_miss_address>(seconds);
    case tail::second_miss_address:
      return subject.measure_ns<tail::second_miss_address>(seconds);
    case tail::locked_known_address:
      return subject.measure_ns<tail::locked_known_address>(seconds);
    case tail::locked_first_miss_address:
      return subject.measure_ns<tail::locked_first_miss_address>(seconds);
  }
  return 0;
}

void print_table(pointer_chase& chase, two_misses& subject, double seconds,
                 const char* title) {
  constexpr int repetitions = 5;
  std::vector<double> yardstick;
  std::array<std::vector<double>, variants.size()> times;
  std::array<std::vector<double>, variants.size()> multiples;
  for (int i = 0; i < repetitions; ++i) {
    auto d = chase.measure_ns(seconds);
    yardstick.push_back(d);
    for (std::size_t v = 0; v < variants.size(); ++v) {
      auto ns = measure(subject, variants[v].kind, seconds);
      times[v].push_back(ns);
      multiples[v].push_back(ns / d);
    }
  }
  std::printf("\n%s (Speculation_Store_Bypass: %s)\n", title,
              describe_machine().store_bypass.c_str());
  std::printf("%-44s %8s %8s\n", "two dependent misses a round, then", "x D",
              "ns");
  for (std::size_t v = 0; v < variants.size(); ++v)
    std::printf("%-44s %8.2f %8.1f\n", variants[v].name, median(multiples[v]),
                median(times[v]));
  std::printf("%-44s %8.2f %8.1f\n", "D: one dependent miss", 1.0,
              median(yardstick));
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app{"Shows whether loads pass stores whose address is not known."};
  double seconds = 0.3;
  std::size_t mebibytes = 2048;
  app.add_option("--seconds", seconds, "Time for one repetition of one row");
  app.add_option("--mebibytes", mebibytes, "Memory to miss in, in MiB")
    ->check(CLI::Range(1, 16'384));
  CLI11_PARSE(app, argc, argv);
  auto cpus = usable_cpus();
  if (!cpus.empty())
    pin_to_cpu(cpus.front());
  auto about = describe_machine();
  std::printf("%s, %s, %s, load %.2f\n", about.cpu.c_str(),
              about.kernel.c_str(), about.date.c_str(), load_average());
  pointer_chase chase{mebibytes << 20};
  two_misses subject{mebibytes << 20};
  print_table(chase, subject, seconds, "As started");
  if (::prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_DISABLE, 0,
              0)
      == 0)
    print_table(chase, subject, seconds, "Store bypass switched off");
  else
    std::printf("\nThis machine does not let store bypass be switched off.\n");
  return 0;
}
