// What compression and sharing save on texts, and what they cost:
// bench_texts [--zipf KEYS] DIRECTORY...
//
// Reads all files below the directories (.gz ones unpacked) and stores each
// under its name, links to files included; or, with --zipf, stores KEYS entries
// whose values are drawn from the files, the k-th of them with a frequency of
// 1/k. Each way of storing gets a segment of its own; the ways take turns, and
// the figures are medians over the rounds.
#include "memory/store.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <time.h>
#include <unistd.h>

namespace {

using namespace neuroplex;
using namespace neuroplex::memory;

constexpr auto space = namespace_id::default_namespace;
constexpr int rounds = 5;

[[noreturn]] void stop(const std::string& why) {
  std::fprintf(stderr, "bench_texts: %s\n", why.c_str());
  std::_Exit(1);
}

struct text {
  std::string key;
  std::string value;
};

std::string unpack_file(const std::string& path) {
  std::string quoted;
  for (char c : path)
    quoted += c == '\'' ? std::string{"'\\''"} : std::string{c};
  std::unique_ptr<FILE, int (*)(FILE*)> pipe{
    ::popen(("gzip -dc -- '" + quoted + "'").c_str(), "r"), ::pclose};
  if (pipe == nullptr)
    stop("cannot run gzip");
  std::string result;
  std::array<char, 65'536> piece{};
  while (auto got = std::fread(piece.data(), 1, piece.size(), pipe.get()))
    result.append(piece.data(), got);
  return result;
}

std::string read_file(const std::filesystem::path& path) {
  if (path.extension() == ".gz")
    return unpack_file(path.string());
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

std::vector<text> read_below(const std::vector<std::string>& directories) {
  std::vector<text> result;
  std::map<std::filesystem::path, std::string> known; // by what links name
  for (auto& directory : directories)
    for (auto& each :
         std::filesystem::recursive_directory_iterator{directory}) {
      std::error_code missing;
      auto real = std::filesystem::canonical(each.path(), missing);
      if (missing || !std::filesystem::is_regular_file(real, missing))
        continue;
      auto found = known.find(real);
      if (found == known.end())
        found = known.emplace(real, read_file(real)).first;
      if (!found->second.empty())
        result.push_back({each.path().string(), found->second});
    }
  return result;
}

std::vector<text> draw_by_zipf(const std::vector<text>& from,
                               std::size_t count) {
  std::vector<double> frequencies;
  for (std::size_t k = 1; k <= from.size(); ++k)
    frequencies.push_back(1.0 / static_cast<double>(k));
  std::discrete_distribution<std::size_t> draw{frequencies.begin(),
                                               frequencies.end()};
  std::vector<text> result;
  std::mt19937_64 random{1};
  for (std::size_t i = 0; i < count; ++i)
    result.push_back({"entry " + std::to_string(i), from[draw(random)].value});
  return result;
}

struct way {
  const char* name;
  namespace_settings settings;
  std::vector<double> sets;  ///< ns each
  std::vector<double> again; ///< ns each, of the same value
  std::vector<double> gets;  ///< ns each
  store_stats stats;
};

double median(std::vector<double> all) {
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

double processor_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9
         + static_cast<double>(now.tv_nsec);
}

/// Nanoseconds of processor time that `work(i)` takes, in the mean over all
/// entries.
template <class Work>
double each_ns(const std::vector<std::size_t>& order, Work&& work) {
  auto begin = processor_ns();
  for (auto i : order)
    work(i);
  return (processor_ns() - begin) / static_cast<double>(order.size());
}

void measure(way& how, const std::vector<text>& texts, std::uint64_t bytes,
             std::uint64_t seed) {
  auto path = "/dev/shm/neuroplex-texts-" + std::to_string(::getpid());
  auto made = store::create(
    path, {.segment_bytes = std::max(bytes * 2, limits::min_segment_bytes * 8),
           .bucket_count = texts.size() / 4 + 64});
  if (!made)
    stop(made.error().to_string());
  auto& db = *made;
  ::unlink(path.c_str());
  if (auto set = db.configure(space, how.settings); !set)
    stop(set.error().to_string());
  std::vector<std::size_t> order(texts.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  std::mt19937_64 random{seed};
  std::shuffle(order.begin(), order.end(), random);
  auto store_one = [&](std::size_t i) {
    if (auto answer = db.set(space, texts[i].key, texts[i].value);
        answer != errc::ok)
      stop(std::string{describe(answer)});
  };
  // Memory that nobody touched before is paid for once, and by whoever is
  // first.
  (void)each_ns(order, store_one);
  std::uint64_t removed = 0;
  (void)db.clear(space, removed);
  how.sets.push_back(each_ns(order, store_one));
  how.again.push_back(each_ns(order, store_one));
  std::shuffle(order.begin(), order.end(), random);
  std::string value;
  how.gets.push_back(each_ns(order, [&](std::size_t i) {
    if (db.get(space, texts[i].key, value) != errc::ok
        || value.size() != texts[i].value.size())
      stop("an entry is not what was stored");
  }));
  how.stats = db.stats();
}

} // namespace

int main(int argc, char** argv) {
  std::vector<std::string> directories;
  std::size_t zipf = 0;
  for (int i = 1; i < argc; ++i)
    if (std::string_view{argv[i]} == "--zipf" && i + 1 < argc)
      zipf = std::strtoull(argv[++i], nullptr, 10);
    else
      directories.emplace_back(argv[i]);
  if (directories.empty())
    stop("give directories to read");
  auto texts = read_below(directories);
  if (texts.empty())
    stop("there is nothing to read");
  std::sort(texts.begin(), texts.end(),
            [](auto& a, auto& b) { return a.key < b.key; });
  std::mt19937_64 random{7};
  std::shuffle(texts.begin(), texts.end(), random);
  if (zipf != 0)
    texts = draw_by_zipf(texts, zipf);
  std::uint64_t bytes = 0;
  for (auto& each : texts)
    bytes += each.key.size() + each.value.size();
  std::printf("%zu entries, %.1f MiB of keys and values\n", texts.size(),
              static_cast<double>(bytes) / (1 << 20));
  std::array<way, 4> ways{
    way{"nothing", {}, {}, {}, {}, {}},
    way{"compression",
        {.compression = compression_mode::adaptive},
        {},
        {},
        {},
        {}},
    way{
      "sharing", {.share_from = limits::default_shared_bytes}, {}, {}, {}, {}},
    way{"both",
        {.compression = compression_mode::adaptive,
         .share_from = limits::default_shared_bytes},
        {},
        {},
        {},
        {}}};
  for (int round = 0; round < rounds; ++round)
    for (auto& each : ways)
      measure(each, texts, bytes, static_cast<std::uint64_t>(round) + 1);
  std::printf("%-12s %9s %6s %9s %10s %10s %10s\n", "", "MiB", "ratio",
              "contents", "set ns", "again ns", "get ns");
  for (auto& each : ways)
    std::printf("%-12s %9.1f %6.2f %9llu %10.0f %10.0f %10.0f\n", each.name,
                static_cast<double>(each.stats.live_block_bytes) / (1 << 20),
                static_cast<double>(each.stats.live_block_bytes)
                  / static_cast<double>(ways[0].stats.live_block_bytes),
                static_cast<unsigned long long>(each.stats.contents),
                median(each.sets), median(each.again), median(each.gets));
  return 0;
}
