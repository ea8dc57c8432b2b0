// What it costs to keep memory usable where most entries die young and some
// live long: bytes that compaction moves for each byte of pages it frees, and
// what is left in fragments.
//
//   bench_generations [volumes [segment MiB]]
//
// New keys are written all the time, of sizes that change with the phase, so
// that pages must go from one size to others. Most are erased in the order of
// their writing; the others stay till they are half of what lives, then leave
// at random. Compaction runs beside, in the steps that `memory_pressure`
// advises, once every so many writes.
#include "memory/store.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include <unistd.h>

namespace {

using namespace neuroplex;         // NOLINT(google-build-using-namespace)
using namespace neuroplex::memory; // NOLINT(google-build-using-namespace)

constexpr auto ns = namespace_id::default_namespace;

struct entry {
  std::uint64_t number;
  std::uint32_t bytes;
};

class churn {
public:
  churn(store& db, unsigned old_percent, std::uint64_t seed)
    : db_{db}, old_percent_{old_percent}, random_{seed},
      limit_{static_cast<std::uint64_t>(
        static_cast<double>(db.stats().pool_bytes) * live_share)} {
  }

  /// Writes about `bytes` of new entries.
  void go(std::uint64_t bytes, unsigned phase) {
    for (std::uint64_t done = 0; done < bytes;) {
      auto size = size_in(phase);
      entry fresh{++last_, size};
      make_room(size + around);
      if (db_.set(ns, key_of(fresh), std::string_view{value_.data(), size})
          != errc::ok)
        ++refused;
      else
        keep(fresh);
      done += size + around;
      if (last_ % writes_a_step == 0)
        clean();
    }
  }

  compaction_result work;
  double cpu_seconds = 0;
  std::uint64_t refused = 0;
  std::uint64_t writes() const {
    return last_;
  }

private:
  static constexpr double live_share = 0.80;
  static constexpr std::uint32_t around = 48; // key, header, rounding
  static constexpr unsigned writes_a_step = 64;

  static std::string key_of(const entry& which) {
    auto digits = std::to_string(which.number);
    return "k" + std::string(11 - digits.size(), '0') + digits;
  }

  std::uint32_t size_in(unsigned phase) {
    std::lognormal_distribution<double> sizes{phase % 2 == 0 ? 5.0 : 6.6, 0.7};
    return static_cast<std::uint32_t>(
      std::clamp(sizes(random_), 16.0, 65536.0));
  }

  void keep(const entry& fresh) {
    if (random_() % 100 < old_percent_) {
      old_.push_back(fresh);
      old_bytes_ += fresh.bytes + around;
    } else {
      young_.push_back(fresh);
    }
    live_bytes_ += fresh.bytes + around;
  }

  void make_room(std::uint32_t bytes) {
    while (live_bytes_ + bytes > limit_) {
      entry gone{};
      if (young_.empty() || old_bytes_ * 2 > live_bytes_) {
        auto& which = old_[random_() % old_.size()];
        gone = which;
        which = old_.back();
        old_.pop_back();
        old_bytes_ -= gone.bytes + around;
      } else {
        gone = young_.front();
        young_.pop_front();
      }
      (void)db_.erase(ns, key_of(gone));
      live_bytes_ -= gone.bytes + around;
    }
  }

  void clean() {
    auto pressure = db_.memory_pressure();
    if (!pressure || pressure->advised_step_bytes == 0)
      return;
    auto begin = cpu();
    auto step = db_.compact(pressure->advised_step_bytes);
    cpu_seconds += cpu() - begin;
    if (!step)
      return;
    work.moved_bytes += step->moved_bytes;
    work.moved_entries += step->moved_entries;
    work.freed_bytes += step->freed_bytes;
  }

  static double cpu() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec)
           + static_cast<double>(now.tv_nsec) / 1e9;
  }

  store& db_;
  unsigned old_percent_;
  std::mt19937_64 random_;
  std::uint64_t limit_;
  std::uint64_t live_bytes_ = 0;
  std::uint64_t old_bytes_ = 0;
  std::uint64_t last_ = 0;
  std::deque<entry> young_;
  std::vector<entry> old_;
  std::string value_ = std::string(65536, 'v');
};

void run(unsigned old_percent, unsigned volumes, std::uint64_t mebibytes) {
  auto path =
    "/dev/shm/neuroplex-bench-generations-" + std::to_string(::getpid());
  auto made = store::create(path, {.segment_bytes = mebibytes << 20});
  if (!made) {
    std::fprintf(stderr, "%s\n", made.error().to_string().c_str());
    std::exit(1);
  }
  auto& db = *made;
  churn work{db, old_percent, 42};
  double fragments = 0;
  unsigned samples = 0;
  constexpr unsigned phases_a_volume = 2;
  for (unsigned phase = 0; phase < volumes * phases_a_volume; ++phase) {
    work.go((mebibytes << 20) / phases_a_volume, phase);
    if (phase < 2 * phases_a_volume)
      continue; // the segment fills
    if (auto use = db.utilization()) {
      fragments += use->fragmentation();
      ++samples;
    }
  }
  auto freed = static_cast<double>(work.work.freed_bytes);
  auto moved = static_cast<double>(work.work.moved_bytes);
  std::printf(
    "| %u %% | %.2f | %.1f | %.1f | %.0f | %.1f %% | %llu of %llu |\n",
    old_percent, freed > 0 ? moved / freed : 0, moved / (1 << 20),
    freed / (1 << 20), work.cpu_seconds * 1e3,
    samples > 0 ? 100 * fragments / samples : 0,
    static_cast<unsigned long long>(work.refused),
    static_cast<unsigned long long>(work.writes()));
  std::fflush(stdout);
  (void)store::remove(path);
}

} // namespace

int main(int argc, char** argv) {
  auto volumes = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 12U;
  auto mebibytes = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 64ULL;
  std::printf("| long-lived | moved / freed | moved MiB | freed MiB | ms of "
              "compaction | fragmentation | refused |\n"
              "|---|---:|---:|---:|---:|---:|---:|\n");
  for (auto percent : {0U, 2U, 10U, 30U})
    run(percent, volumes, mebibytes);
}
