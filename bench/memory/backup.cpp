// What a backup costs writers, what it costs by itself, and how fast it comes
// back: bench_backup [MiB] [VALUE-BYTES] [DIRECTORY].
#include "memory/backup.hpp"
#include "memory/store.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <time.h>
#include <unistd.h>

namespace {

using namespace neuroplex;
using namespace neuroplex::memory;
using steady = std::chrono::steady_clock;

constexpr auto space = namespace_id::default_namespace;
constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20;

[[noreturn]] void stop(const failure& why) {
  std::fprintf(stderr, "%s\n", why.to_string().c_str());
  std::_Exit(1);
}

double seconds_since(steady::time_point began) {
  return std::chrono::duration<double>(steady::now() - began).count();
}

std::string key_of(std::uint64_t number) {
  std::string key(16, '0');
  std::to_chars(key.data(), key.data() + key.size(), number);
  return key;
}

class random_keys {
public:
  explicit random_keys(std::uint64_t count) : count_{count} {
  }

  std::string next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return key_of(state_ % count_);
  }

private:
  std::uint64_t count_;
  std::uint64_t state_ = 0x9E3779B97F4A7C15ULL;
};

void set(store& db, const std::string& key, const std::string& value) {
  if (auto answer = db.set(space, key, value); answer != errc::ok)
    stop(failure{answer});
}

/// Processor time of the calling thread, or of all of the process.
double own_seconds(clockid_t of = CLOCK_THREAD_CPUTIME_ID) {
  timespec now{};
  ::clock_gettime(of, &now);
  return static_cast<double>(now.tv_sec)
         + static_cast<double>(now.tv_nsec) / 1e9;
}

/// Sets a second of this thread's processor time, so that what else the machine
/// does takes less part in it.
double sets_a_second(store& db, random_keys& keys, const std::string& value,
                     double seconds) {
  auto began = steady::now();
  auto own = own_seconds();
  std::uint64_t count = 0;
  constexpr unsigned between_looks = 1024;
  while (seconds_since(began) < seconds)
    for (unsigned i = 0; i < between_looks; ++i, ++count)
      set(db, keys.next(), value);
  return static_cast<double>(count) / (own_seconds() - own);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// A writer at full load, alone and beside a backup every second, in turns.
void measure_writers(store& db, backup_writer& writer, std::uint64_t count,
                     const std::string& value) {
  random_keys keys{count};
  constexpr int turns = 5;
  constexpr double turn_seconds = 2;
  std::vector<double> ratios;
  std::vector<double> shares;
  for (int turn = 0; turn < turns; ++turn) {
    auto alone = sets_a_second(db, keys, value, turn_seconds);
    std::atomic<bool> done{false};
    double busy = 0;
    std::thread backup{[&] {
      while (!done) {
        auto began = steady::now();
        if (auto report = writer.run_once(); !report)
          stop(report.error());
        while (!done && seconds_since(began) < 1)
          std::this_thread::sleep_for(std::chrono::milliseconds{5});
      }
      busy = own_seconds();
    }};
    auto beside = sets_a_second(db, keys, value, turn_seconds);
    done = true;
    backup.join();
    ratios.push_back(beside / alone);
    shares.push_back(busy / turn_seconds);
  }
  std::printf("writer beside a backup every second: %.1f %% of its sets for a "
              "second of its own processor time alone; the backup took %.0f %% "
              "of a processor\n",
              100 * median(ratios), 100 * median(shares));
}

void measure_changes(store& db, backup_writer& writer, std::uint64_t count,
                     const std::string& value) {
  random_keys keys{count};
  for (std::uint64_t share : {10'000U, 1000U, 100U, 10U}) {
    if (auto report = writer.run_once(); !report)
      stop(report.error());
    auto changes = count / share;
    for (std::uint64_t i = 0; i < changes; ++i)
      set(db, keys.next(), value);
    auto report = writer.run_once();
    if (!report)
      stop(report.error());
    std::printf("%8llu sets: %7.2f MiB in %7.1f ms%s\n",
                static_cast<unsigned long long>(changes),
                static_cast<double>(report->bytes) / mebibyte,
                static_cast<double>(report->took_ns) / 1e6,
                report->base ? " (base)" : "");
  }
}

void measure_restore(const std::string& directory) {
  auto path = "/dev/shm/neuroplex-bench-restored-" + std::to_string(::getpid());
  std::vector<double> seconds;
  std::vector<double> busy;
  restore_report last;
  constexpr int turns = 3;
  for (int turn = 0; turn < turns; ++turn) {
    auto own = own_seconds(CLOCK_PROCESS_CPUTIME_ID);
    auto report = restore_backup(directory, path);
    busy.push_back(own_seconds(CLOCK_PROCESS_CPUTIME_ID) - own);
    (void)store::remove(path);
    if (!report)
      stop(report.error());
    seconds.push_back(static_cast<double>(report->took_ns) / 1e9);
    last = *report;
  }
  std::printf("restore: %.2f s, %.2f s of processor time, for %llu entries, "
              "%.0f MiB of keys and values\n",
              median(seconds), median(busy),
              static_cast<unsigned long long>(last.entries),
              static_cast<double>(last.bytes) / mebibyte);
}

} // namespace

int main(int count, char** arguments) {
  auto number = [&](int index, std::uint64_t otherwise) {
    if (count <= index)
      return otherwise;
    std::from_chars(arguments[index],
                    arguments[index] + std::strlen(arguments[index]),
                    otherwise);
    return otherwise;
  };
  auto data_bytes = number(1, 1024) * mebibyte;
  auto value_bytes = number(2, 1024);
  std::string directory = count > 3 ? arguments[3] : "bench-backup";
  auto path = "/dev/shm/neuroplex-bench-" + std::to_string(::getpid());
  auto entries = data_bytes / (value_bytes + 16);
  std::string value(value_bytes, 'v');
  auto made = store::create(
    path, {.segment_bytes = data_bytes + data_bytes / 2 + 64 * mebibyte,
           .max_entries = entries});
  if (!made)
    stop(made.error());
  for (std::uint64_t i = 0; i < entries; ++i)
    set(*made, key_of(i), value);
  {
    auto writer = backup_writer::open(*made, directory);
    if (!writer)
      stop(writer.error());
    auto base = writer->run_once();
    if (!base)
      stop(base.error());
    std::printf("base: %llu entries, %.0f MiB in %.2f s\n",
                static_cast<unsigned long long>(base->entries),
                static_cast<double>(base->bytes) / mebibyte,
                static_cast<double>(base->took_ns) / 1e9);
    measure_restore(directory);
    measure_changes(*made, *writer, entries, value);
    measure_writers(*made, *writer, entries, value);
  }
  made->close();
  (void)store::remove(path);
  std::filesystem::remove_all(directory);
  return 0;
}
