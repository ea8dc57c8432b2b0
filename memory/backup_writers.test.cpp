// Backups beside threads that write: what is restored was really there.
#include "memory/backup_fixture.test.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <charconv>
#include <thread>
#include <vector>

using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;
using neuroplex::errc;

namespace {

constexpr std::size_t writer_count = 2;
constexpr std::size_t keys_a_writer = 100;

std::string written_key(std::size_t number) {
  return "key" + std::to_string(number);
}

// What a key holds in its version; long ones every seventh time, so that
// values of both kinds take one another's place.
std::string written_value(std::size_t key, std::uint64_t version) {
  auto text = std::to_string(version) + ":" + std::to_string(key) + ":";
  auto repeats = version % 7 == 0 ? 1'000U : 10U;
  for (unsigned i = 0; i < repeats; ++i)
    text += static_cast<char>('a' + (version + i) % 26);
  return text;
}

std::uint64_t version_in(const std::string& value) {
  std::uint64_t version = 0;
  std::from_chars(value.data(), value.data() + value.size(), version);
  return version;
}

/// Threads that write versions of keys, each its own, until stopped.
class writers {
public:
  explicit writers(store& db) : begun_(key_count), done_(key_count) {
    for (std::size_t i = 0; i < writer_count; ++i)
      threads_.emplace_back([this, &db, i] { write(db, i * keys_a_writer); });
  }

  ~writers() {
    stop_.store(true);
    for (auto& each : threads_)
      each.join();
  }

  static constexpr std::size_t key_count = writer_count * keys_a_writer;
  using versions = std::vector<std::uint64_t>;

  // The latest version whose write had ended, of each key.
  [[nodiscard]] versions done() const {
    return read(done_);
  }

  // The latest version whose write had begun.
  [[nodiscard]] versions begun() const {
    return read(begun_);
  }

  [[nodiscard]] std::uint64_t refused() const {
    return refused_.load();
  }

private:
  using counters = std::vector<std::atomic<std::uint64_t>>;

  static versions read(const counters& from) {
    versions result;
    for (const auto& each : from)
      result.push_back(each.load());
    return result;
  }

  void write(store& db, std::size_t first) {
    for (std::uint64_t version = 1; !stop_.load(); ++version)
      for (auto key = first; key < first + keys_a_writer; ++key) {
        begun_[key].store(version);
        if (db.set(default_ns, written_key(key), written_value(key, version))
            != errc::ok)
          refused_.fetch_add(1);
        done_[key].store(version);
      }
  }

  counters begun_;
  counters done_;
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

} // namespace

TEST_CASE("a backup beside writers holds, of each key, a value that was there "
          "while it was made",
          "[backup][threads]") {
  segment from{{.segment_bytes = 16 * mebibyte}};
  faulty_disk disk;
  auto backup = open_writer(from.db, disk);
  writers busy{from.db};
  auto first_round_done = [&] {
    for (auto version : busy.done())
      if (version == 0)
        return false;
    return true;
  };
  while (!first_round_done())
    std::this_thread::yield();
  for (int generation = 0; generation < 6; ++generation) {
    auto oldest = busy.done();
    must_run(backup);
    auto newest = busy.begun();
    auto back = restore_from(disk);
    REQUIRE(back.report.intact());
    REQUIRE(back.entries.size() == writers::key_count);
    for (std::size_t key = 0; key < writers::key_count; ++key) {
      const auto& value = back.entries.at({"default", written_key(key)});
      auto version = version_in(value);
      REQUIRE(version >= oldest[key]);
      REQUIRE(version <= newest[key]);
      REQUIRE(value == written_value(key, version));
    }
  }
  CHECK(busy.refused() == 0);
}
