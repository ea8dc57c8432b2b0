// A copy in the process against a get from the segment, by size of the value
// and by how far away the segment's lines are; with and without compression.
//
//   bench_tiers [repetitions]
//
// Times are nanoseconds of the thread's processor time an operation, medians
// over the repetitions, all subjects by turns in each.
#include "memory/near_cache.hpp"
#include "memory/store_impl.hpp"
#include "memory/tiered_cache.hpp"
#include "memory/witness.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

namespace {

using namespace neuroplex;         // NOLINT(google-build-using-namespace)
using namespace neuroplex::memory; // NOLINT(google-build-using-namespace)

constexpr std::size_t hot_bytes = 192 << 10;

void check(errc answer) {
  if (answer == errc::ok)
    return;
  std::fprintf(stderr, "%s\n", std::string{code_name(answer)}.c_str());
  std::exit(1);
}

/// Text-like bytes that LZ4 can pack about two to one.
std::string value_of(std::size_t bytes, std::size_t seed) {
  std::string result;
  while (result.size() < bytes) {
    result += "field_" + std::to_string(seed * 2654435761U % 1000003) + "=";
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
  }
  result.resize(bytes);
  return result;
}

std::string key_of(std::size_t number) {
  auto digits = std::to_string(number);
  return "key:" + std::string(12 - digits.size(), '0') + digits;
}

struct subject {
  const char* name;
  std::function<void(const std::string& key)> get;
  std::vector<double> ns;
};

/// Evicts what a walk over this much memory evicts.
class other_work {
public:
  void go() {
    for (std::size_t i = 0; i < bytes_.size(); i += 64)
      sum_ = sum_ + static_cast<unsigned char>(bytes_[i]++);
  }

private:
  std::vector<char> bytes_ = std::vector<char>(std::size_t{96} << 20);
  volatile unsigned sum_ = 0;
};

double cpu_ns(const std::function<void()>& work) {
  timespec begin{};
  timespec end{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
  work();
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
  return static_cast<double>(end.tv_sec - begin.tv_sec) * 1e9
         + static_cast<double>(end.tv_nsec - begin.tv_nsec);
}

double median(std::vector<double> all) {
  std::nth_element(all.begin(), all.begin() + all.size() / 2, all.end());
  return all[all.size() / 2];
}

void measure(std::size_t bytes, bool packed, unsigned repetitions) {
  auto path = "/dev/shm/neuroplex-bench-tiers-" + std::to_string(::getpid());
  auto made = store::create(path, {.segment_bytes = std::size_t{256} << 20});
  if (!made)
    std::exit(1);
  auto& db = *made;
  auto space = db.open_namespace("tiers");
  if (!space)
    std::exit(1);
  if (packed)
    (void)db.configure(*space, {.compression = compression_mode::adaptive});
  auto count = std::clamp<std::size_t>(hot_bytes / (bytes + 256), 1, 256);
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < count; ++i) {
    keys.push_back(key_of(i));
    check(db.set(*space, keys.back(), value_of(bytes, i)));
  }
  auto cache = tiered_cache::make(
    db, "tiers", nullptr,
    {.near_bytes = std::size_t{1} << 20, .near_least_value_bytes = 1});
  auto none = tiered_cache::make(db, "tiers", nullptr, {.near_bytes = 0});
  if (!cache || !none)
    std::exit(1);
  // The same copies without the lock and the counters: a cache a thread.
  near_cache_part part{std::size_t{1} << 20};
  auto number = detail::number(*space);
  basic_witness<native_sync> witness{detail::store_impl::of(db).engine()};
  for (auto& key : keys) {
    auto hash = hash_key(number, key);
    auto copy = std::make_shared<std::string>();
    check(db.get(*space, key, *copy));
    auto seen = witness.look(hash, number, key);
    part.put(hash, key, copy, 0, copy_origin{seen.where}, [](std::uint64_t) {});
  }
  std::string value;
  shared_value shared;
  value_view view;
  std::vector<subject> subjects{
    {"store::get", [&](auto& key) { check(db.get(*space, key, value)); }, {}},
    {"store::view", [&](auto& key) { check(db.view(*space, key, view)); }, {}},
    {"no copies", [&](auto& key) { check(none->get(key, value)); }, {}},
    {"copied out", [&](auto& key) { check(cache->get(key, value)); }, {}},
    {"shared", [&](auto& key) { check(cache->get(key, shared)); }, {}},
    {"a thread's own",
     [&](auto& key) {
       if (part.find(hash_key(number, key), key, shared) != near_answer::hit)
         std::exit(1);
     },
     {}},
  };
  for (unsigned i = 0; i < 3; ++i)
    for (auto& key : keys)
      check(cache->get(key, value));
  other_work others;
  for (auto cold : {false, true}) {
    for (auto& each : subjects)
      each.ns.clear();
    auto rounds = cold ? 1 : std::max<std::size_t>(1, 100'000 / count);
    if (!cold && bytes > 4096)
      rounds = std::max<std::size_t>(1, 10'000 / count);
    for (unsigned r = 0; r < repetitions; ++r)
      for (auto& each : subjects) {
        if (cold)
          others.go();
        auto took = cpu_ns([&] {
          for (std::size_t i = 0; i < rounds; ++i)
            for (auto& key : keys)
              each.get(key);
        });
        each.ns.push_back(took / static_cast<double>(rounds * count));
      }
    std::printf("| %zu%s, %s |", bytes, packed ? " packed" : "",
                cold ? "cold" : "hot");
    for (auto& each : subjects)
      std::printf(" %.0f |", median(each.ns));
    std::printf("\n");
    std::fflush(stdout);
  }
  view.release();
  auto stats = cache->stats();
  if (stats.near_hits == 0)
    std::printf("(no copy was ever used)\n");
  (void)store::remove(path);
}

} // namespace

int main(int argc, char** argv) {
  auto repetitions = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 15U;
  std::printf("| bytes | store::get | store::view | cache, no copies | cache, "
              "copied out | cache, shared | a thread's own, shared |\n"
              "|---|---:|---:|---:|---:|---:|---:|\n");
  for (auto bytes : {16, 128, 512, 1024, 2048, 4096, 16384, 65536})
    measure(static_cast<std::size_t>(bytes), false, repetitions);
  for (auto bytes : {512, 4096, 16384})
    measure(static_cast<std::size_t>(bytes), true, repetitions);
}
