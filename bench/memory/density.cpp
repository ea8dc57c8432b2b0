// How much of a segment mixed sizes can use, and what a get costs while
// compaction moves entries.
//
//   bench_density [segment MiB [volumes]]
//
// Sizes are log-normal from 16 bytes to 64 KiB, median 1 KiB. Filled until the
// first write is refused; then on, for so many segment volumes, with 128 random
// entries erased at each refusal. Prints one JSON object.
#include "memory/store.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

namespace {

using namespace neuroplex;         // NOLINT(google-build-using-namespace)
using namespace neuroplex::memory; // NOLINT(google-build-using-namespace)

constexpr auto ns = namespace_id::default_namespace;

struct entry {
  std::uint64_t number;
  std::uint64_t bytes; ///< key and value
};

std::string key_of(std::uint64_t number) {
  auto digits = std::to_string(number);
  return "k" + std::string(11 - digits.size(), '0') + digits;
}

class filler {
public:
  explicit filler(store& db) : db_{db} {
  }

  /// One entry more; false when it was refused.
  bool write() {
    std::lognormal_distribution<double> sizes{6.93, 1.39};
    auto size =
      static_cast<std::size_t>(std::clamp(sizes(random_), 16.0, 65536.0));
    auto key = key_of(++last_);
    if (db_.set(ns, key, std::string_view{value_.data(), size}) != errc::ok)
      return false;
    entries_.push_back({last_, key.size() + size});
    live_ += key.size() + size;
    written_ += key.size() + size;
    return true;
  }

  void erase_some() {
    for (unsigned i = 0; i < 128 && !entries_.empty(); ++i) {
      auto& gone = entries_[random_() % entries_.size()];
      (void)db_.erase(ns, key_of(gone.number));
      live_ -= gone.bytes;
      gone = entries_.back();
      entries_.pop_back();
    }
  }

  [[nodiscard]] std::uint64_t live() const {
    return live_;
  }

  [[nodiscard]] std::uint64_t written() const {
    return written_;
  }

  [[nodiscard]] const std::vector<entry>& entries() const {
    return entries_;
  }

private:
  store& db_;
  std::mt19937_64 random_{11};
  std::uint64_t last_ = 0;
  std::uint64_t live_ = 0;
  std::uint64_t written_ = 0;
  std::vector<entry> entries_;
  std::string value_ = std::string(65536, 'v');
};

void print_share(const char* name, const store& db, const filler& work) {
  auto now = db.stats();
  auto of = [&](std::uint64_t bytes) {
    return 100.0 * static_cast<double>(bytes)
           / static_cast<double>(now.segment_bytes);
  };
  std::printf("  \"%s\": {\"payload_percent\": %.1f, \"block_percent\": %.1f, "
              "\"entries\": %llu},\n",
              name, of(work.live()), of(now.live_block_bytes),
              static_cast<unsigned long long>(now.entries));
}

/// Nanoseconds below which 99 of 100 gets stay, while `beside` runs on another
/// thread.
template <class Beside>
std::uint64_t p99_of_gets(const store& db, const std::vector<entry>& entries,
                          Beside&& beside) {
  std::atomic<bool> stop{false};
  std::thread other{[&] {
    while (!stop.load(std::memory_order_relaxed))
      beside();
  }};
  constexpr unsigned count = 50'000;
  std::vector<std::uint64_t> took;
  took.reserve(count);
  std::mt19937_64 random{5};
  std::string value;
  for (unsigned i = 0; i < count; ++i) {
    auto key = key_of(entries[random() % entries.size()].number);
    auto begin = std::chrono::steady_clock::now();
    (void)db.get(ns, key, value);
    took.push_back(static_cast<std::uint64_t>(
      (std::chrono::steady_clock::now() - begin).count()));
  }
  stop = true;
  other.join();
  auto place = took.begin() + count / 100 * 99;
  std::nth_element(took.begin(), place, took.end());
  return *place;
}

} // namespace

int main(int argc, char** argv) {
  auto mebibytes = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 64ULL;
  auto volumes = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 10ULL;
  auto path = "/dev/shm/neuroplex-bench-density-" + std::to_string(::getpid());
  auto made = store::create(path, {.segment_bytes = mebibytes << 20});
  if (!made) {
    std::fprintf(stderr, "%s\n", made.error().to_string().c_str());
    return 1;
  }
  auto& db = *made;
  filler work{db};
  std::printf("{\n");
  while (work.write())
    ;
  print_share("first_refusal", db, work);
  while (work.written() < (volumes + 1) * (mebibytes << 20))
    if (!work.write())
      work.erase_some();
  while (work.write())
    ;
  print_share("after_churn", db, work);
  std::vector<std::uint64_t> still;
  std::vector<std::uint64_t> moving;
  std::uint64_t moved = 0;
  for (unsigned round = 0; round < 5; ++round) {
    // Half of it free and in pieces, so that compaction has much to do.
    while (work.write())
      ;
    for (auto half = work.entries().size() / 2; work.entries().size() > half;)
      work.erase_some();
    std::atomic<std::uint64_t> spins{0};
    still.push_back(p99_of_gets(db, work.entries(), [&] {
      spins.fetch_add(1, std::memory_order_relaxed);
    }));
    moving.push_back(p99_of_gets(db, work.entries(), [&] {
      if (auto step = db.compact())
        moved += step->moved_bytes;
    }));
  }
  std::sort(still.begin(), still.end());
  std::sort(moving.begin(), moving.end());
  std::printf("  \"get_p99_ns\": {\"still\": %llu, \"compacting\": %llu, "
              "\"moved_bytes\": %llu}\n}\n",
              static_cast<unsigned long long>(still[2]),
              static_cast<unsigned long long>(moving[2]),
              static_cast<unsigned long long>(moved));
  (void)store::remove(path);
  return 0;
}
