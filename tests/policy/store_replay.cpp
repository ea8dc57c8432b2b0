// Replays traces of real accesses against the shared store itself, under a
// quota, and holds the hit ratios against those of independent simulators.
//
// usage: store_replay --data FOLDER [--max-requests N] [--all]
//
// The policies of the store are exact nowhere, since they choose from samples:
// what is checked is that s3fifo and lru stay near the exact ones, that
// adaptive is nearer to the best than any of them, and that no namespace
// exceeds its quota. `--all` plays every cell of at least 1,000 objects, for
// the figures. Without the data the status is 77.
#include "memory/store.hpp"
#include "tests/policy/reference_data.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <set>

namespace {

using namespace neuroplex;
using namespace neuroplex::policy_test;
using memory::policy_kind;

constexpr std::array kinds = {policy_kind::fifo,   policy_kind::clock,
                              policy_kind::lru,    policy_kind::lfu,
                              policy_kind::s3fifo, policy_kind::adaptive};

// Loops, scans, phases and web requests that are played in some seconds.
const std::set<std::string> quick_cells = {
  "adaptsize_cdn 3682 objects",   "arc_oltp 9344 objects",

  "cloudphysics_io 4897 objects", "corda 4523 objects",
  "lirs_multi2 1421 objects",     "mix_corda_loop 4574 objects",
  "scarab_recs 12918 objects",    "web12 3439 objects"};
constexpr std::uint64_t least_objects = 1000;
// Loops that do not fit, where most policies are far from the best.
const std::set<std::string> loop_cells = {"lirs_loop 253 objects",
                                          "mix_corda_loop 915 objects"};

// As the simulators call them.
const std::map<policy_kind, std::string> exact_names = {
  {policy_kind::fifo, "FIFO"},
  {policy_kind::clock, "CLOCK"},
  {policy_kind::lru, "LRU"},
  {policy_kind::s3fifo, "S3-FIFO"}};

// Points of hit ratio, on average over the cells.
constexpr double most_behind_exact = 1;
constexpr double most_behind_in_loops = 2; // the largest, of adaptive

std::string_view key_text(const std::uint64_t& key) {
  return {reinterpret_cast<const char*>(&key), sizeof key};
}

// A store with a quota of so many entries, in a file of its own.
class bounded_store {
public:
  bounded_store(policy_kind kind, std::uint64_t most)
    : path_{"/dev/shm/neuroplex-replay-" + std::to_string(::getpid())} {
    constexpr std::uint64_t room_an_entry = 64;
    constexpr std::uint64_t mebibyte = 1U << 20;
    memory::segment_options shape;
    shape.segment_bytes = 8 * mebibyte + 2 * most * room_an_entry;
    shape.max_entries = most + most / 8;
    auto made = memory::store::create(path_, shape);
    NEUROPLEX_ENSURE(made);
    data_.emplace(std::move(*made));
    ::unlink(path_.c_str());
    std::uint64_t key = 0;
    NEUROPLEX_ENSURE(data_->set(space, key_text(key), value) == errc::ok);
    block_bytes_ = data_->namespaces().front().block_bytes;
    NEUROPLEX_ENSURE(data_->erase(space, key_text(key)) == errc::ok);
    memory::namespace_settings settings;
    settings.policy = kind;
    settings.quota_bytes = most * block_bytes_;
    NEUROPLEX_ENSURE(data_->configure(space, settings));
  }

  bool request(std::uint64_t key) {
    std::size_t length = 0;
    std::array<char, 8> buffer{};
    if (data_->get(space, key_text(key), buffer, length) == errc::ok)
      return true;
    NEUROPLEX_ENSURE(data_->set(space, key_text(key), value) == errc::ok);
    return false;
  }

  [[nodiscard]] memory::namespace_info info() const {
    return data_->namespaces().front();
  }

private:
  static constexpr memory::namespace_id space{0};
  static constexpr std::string_view value = "v";

  std::string path_;
  std::optional<memory::store> data_;
  std::uint64_t block_bytes_ = 0;
};

struct outcome {
  double hit_ratio = 0;
  bool within_quota = true;
};

outcome play(const std::vector<cli::trace_record>& records, policy_kind kind,
             std::uint64_t most) {
  bounded_store store{kind, most};
  outcome result;
  std::uint64_t requests = 0;
  std::uint64_t hits = 0;
  constexpr std::uint64_t look_every = 1U << 12;
  for (auto& record : records)
    for (std::uint64_t i = 0; i < record.run; ++i) {
      hits += store.request(record.key + i) ? 1 : 0;
      if (++requests % look_every == 0) {
        auto info = store.info();
        result.within_quota =
          result.within_quota && info.block_bytes <= info.settings.quota_bytes;
      }
    }
  result.hit_ratio =
    static_cast<double>(hits)
    / static_cast<double>(std::max<std::uint64_t>(requests, 1));
  return result;
}

struct gap {
  double sum = 0;
  double largest = 0;

  void add(double points) {
    sum += points;
    largest = std::max(largest, points);
  }
};

struct standing {
  gap to_best;
  gap to_exact;
  gap in_loops; ///< to the best, in the cells that are loops
};

} // namespace

int main(int argc, char** argv) {
  auto given = read_arguments(argc, argv);
  auto all = given.others == std::vector<std::string>{"--all"};
  if (given.data.empty() || (!all && !given.others.empty())) {
    std::fputs("usage: store_replay --data FOLDER [--max-requests N] [--all]\n",
               stderr);
    return 2;
  }
  auto rows = read_reference(given.data + "/reference.csv");
  if (rows.empty()) {
    std::printf("skipped: no traces in %s\n", given.data.c_str());
    return status_skipped;
  }
  std::map<std::pair<policy_kind, std::string>, double> exact;
  for (auto& each : rows)
    for (auto& [kind, name] : exact_names)
      if (each.policy == name)
        exact[{kind, cell_name(each)}] = std::stod(each.hit_ratio);
  traces data{given.data};
  std::map<policy_kind, standing> standings;
  int cells = 0;
  int loops = 0;
  int failures = 0;
  for (auto& [name, cell] : best_of_cells(rows)) {
    auto& [at, best] = cell;
    auto is_loop = loop_cells.contains(name);
    auto chosen =
      is_loop || (all ? at.size >= least_objects : quick_cells.contains(name));
    if (at.by_bytes || !chosen || at.requests > given.max_requests)
      continue;
    ++(is_loop ? loops : cells);
    std::printf("%-30s best %.4f", name.c_str(), best);
    for (auto kind : kinds) {
      auto got = play(data.of(at.trace), kind, at.size);
      auto& standing = standings[kind];
      (is_loop ? standing.in_loops : standing.to_best)
        .add((best - got.hit_ratio) * 100);
      if (auto row = exact.find({kind, name}); row != exact.end() && !is_loop)
        standing.to_exact.add((row->second - got.hit_ratio) * 100);
      std::printf(" | %s %.4f", std::string{to_string(kind)}.c_str(),
                  got.hit_ratio);
      if (!got.within_quota) {
        ++failures;
        std::printf(" FAILED: above its quota");
      }
    }
    std::printf("\n");
  }
  if (cells == 0) {
    std::printf("skipped: no trace is short enough\n");
    return status_skipped;
  }
  // A part of the cells says little about the mean.
  auto whole = all
               || (cells == static_cast<int>(quick_cells.size())
                   && loops == static_cast<int>(loop_cells.size()));
  auto& adaptive = standings[policy_kind::adaptive];
  for (auto& [kind, at] : standings) {
    auto good = !whole
                || (kind == policy_kind::adaptive
                      ? at.in_loops.largest <= most_behind_in_loops
                      : at.to_exact.sum / cells <= most_behind_exact
                          && adaptive.to_best.sum < at.to_best.sum);
    failures += good ? 0 : 1;
    std::printf("%s%-8s behind the best known: mean %.2f, largest %.2f, in "
                "loops %.2f; behind the exact one: mean %.2f, largest %.2f\n",
                good ? "" : "FAILED: ", std::string{to_string(kind)}.c_str(),
                at.to_best.sum / cells, at.to_best.largest, at.in_loops.largest,
                at.to_exact.sum / cells, at.to_exact.largest);
  }
  return failures == 0 ? 0 : 1;
}
