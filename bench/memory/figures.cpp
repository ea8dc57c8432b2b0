#include "bench/memory/figures.hpp"

#include "bench/memory/bare.hpp"
#include "bench/memory/exchange.hpp"
#include "bench/memory/inline_subject.hpp"
#include "bench/memory/lmdb_subject.hpp"
#include "bench/memory/store_subject.hpp"
#include "bench/memory/tbb_subject.hpp"
#include "bench/memory/views.hpp"

#include <array>
#include <cstdio>
#include <filesystem>
#include <optional>

namespace neuroplex::bench {

namespace {

constexpr target at_most_d(double limit) {
  return {target::kind::at_most_d, limit};
}

std::string count_name(std::uint64_t entries) {
  constexpr std::uint64_t million = 1'000'000;
  return entries >= million && entries % million == 0
           ? std::to_string(entries / million) + " M entries"
           : std::to_string(entries) + " entries";
}

/// A sample that can be trusted, or the end of the program.
const sample& checked(const sample& taken, const std::string& who) {
  if (taken.wrong != 0)
    give_up(who, std::to_string(taken.wrong) + " of "
                   + std::to_string(taken.operations)
                   + " operations failed or answered another key's value");
  return taken;
}

void progress(const std::string& what) {
  std::fprintf(stderr, "bench: %s\n", what.c_str());
}

/// The store and its peers with the same entries, a second process attached.
class contest {
public:
  contest(bench_run& run, std::string group, std::uint64_t entries)
    : run_{run}, group_{std::move(group)}, entries_{entries},
      segment_path_{run.directory + "/segment"}, lmdb_path_{run.directory
                                                            + "/lmdb"} {
    progress(group_ + ": load");
    std::filesystem::create_directories(lmdb_path_);
    store_.emplace(store_subject::make_segment(segment_path_, entries));
    tbb_.emplace(entries);
    lmdb_.emplace(lmdb_path_, entries);
  }

  contest(const contest&) = delete;
  contest& operator=(const contest&) = delete;

  ~contest() {
    if (run_.other != nullptr)
      run_.other->carry_out(make_order(order::kind::detach, ""));
    std::error_code ignored;
    std::filesystem::remove(segment_path_, ignored);
    std::filesystem::remove_all(lmdb_path_, ignored);
  }

  /// Inserts everything, piece by piece, the subjects in turn.
  void load(bool note) {
    constexpr std::uint64_t pieces = 10;
    constexpr std::uint64_t most_transactions = 20'000;
    auto begin = std::uint64_t{0};
    for (std::uint64_t piece = 1; piece <= pieces; ++piece) {
      auto end = entries_ * piece / pieces;
      auto d = run_.yardstick();
      auto ours =
        checked(run_inserts(*store_, begin, end - begin), "store").ns_each();
      auto tbb =
        checked(run_inserts(*tbb_, begin, end - begin), "oneTBB").ns_each();
      auto singly = std::min(most_transactions, end - begin);
      auto lmdb = checked(run_inserts(*lmdb_, begin, singly), "LMDB").ns_each();
      if (!lmdb_->load(begin + singly, end - begin - singly))
        give_up("LMDB", "cannot load");
      begin = end;
      if (!note)
        continue;
      run_.results.add_time(group_, "insert (load)", ours, d);
      run_.results.add_time(group_, "oneTBB insert", tbb, d);
      run_.results.add_time(group_, "LMDB insert", lmdb, d);
    }
    attach_other();
  }

  /// One repetition of a figure; answers nanoseconds.
  double ours(operation what, const char* name, key_order keys, double d,
              target goal) {
    auto ns = time(*store_, what, keys, "store");
    run_.results.add_time(group_, name, ns, d, goal);
    return ns;
  }

  /// What the memory alone asks for a lookup, in the shape of our segment.
  [[nodiscard]] bare_lines bare() const {
    auto now = store_->stats();
    return {now.index_bytes, entries_, now.live_block_bytes / entries_};
  }

  void note(const char* name, double ns, double d) {
    run_.results.add_time(group_, name, ns, d);
  }

  /// The peers in the same repetition, as times and as ratios.
  void peers(operation what, const char* name, key_order keys, double d,
             double our_ns, target tbb_goal, target lmdb_goal) {
    auto tbb = time(*tbb_, what, keys, "oneTBB");
    auto lmdb = time(*lmdb_, what, keys, "LMDB");
    auto& results = run_.results;
    results.add_time(group_, std::string{"oneTBB "} + name, tbb, d);
    results.add_time(group_, std::string{"LMDB "} + name, lmdb, d);
    auto group = group_ + ": peer's time / ours";
    results.add_number(group, std::string{"oneTBB "} + name, "x", tbb / our_ns,
                       tbb_goal);
    results.add_number(group, std::string{"LMDB "} + name, "x", lmdb / our_ns,
                       lmdb_goal);
  }

  /// Both processes at the same operation, each over its own random keys.
  void both(operation what, const char* name, std::uint64_t seed, double d) {
    if (run_.other == nullptr)
      return;
    auto wanted = make_order(order::kind::run_store, "");
    wanted.what = what;
    wanted.count = entries_;
    wanted.seed = seed + 1;
    wanted.seconds = run_.options.seconds;
    run_.other->start(wanted);
    meet(run_.other->page());
    auto here = run(*store_, what, {entries_, seed}, run_.options.seconds);
    auto there = run_.other->finish();
    checked(here, "store");
    checked(there, "store in the second process");
    auto group = group_ + ", two processes at work";
    run_.results.add_time(group, std::string{name} + ", in each process",
                          (here.ns_each() + there.ns_each()) / 2, d);
    // Time apart on the CPU is what a process would take on a quiet machine.
    auto rate = 1 / here.ns_each() + 1 / there.ns_each();
    run_.results.add_time(group, std::string{name} + ", both together",
                          1 / rate, d);
  }

  void note_memory() {
    auto group = group_ + ": memory";
    auto count = static_cast<double>(entries_);
    auto now = store_->stats();
    auto& results = run_.results;
    results.add_number(group, "store, block", "bytes an entry",
                       static_cast<double>(now.live_block_bytes) / count);
    results.add_number(group, "store, index", "bytes an entry",
                       static_cast<double>(now.index_bytes) / count);
    results.add_number(group, "store, in use (with slack)", "bytes an entry",
                       store_->bytes_in_use() / count);
    results.add_number(group, "oneTBB, in use", "bytes an entry",
                       tbb_->bytes_in_use() / count);
    results.add_number(group, "LMDB, file", "bytes an entry",
                       lmdb_->bytes_in_use() / count);
    constexpr double mebibyte = 1 << 20;
    results.add_number(group, "store, mapped by huge pages", "MiB",
                       static_cast<double>(store_->huge_page_bytes())
                         / mebibyte);
    results.add_number(group, "store, committed", "MiB",
                       static_cast<double>(now.segment_bytes) / mebibyte);
    results.add_number(group, "processes attached", "",
                       static_cast<double>(now.participants));
    results.add_number(group, "index doublings", "",
                       static_cast<double>(now.index_doublings));
  }

private:
  void attach_other() {
    if (run_.other == nullptr)
      return;
    progress(group_ + ": the second process attaches");
    auto segment = make_order(order::kind::attach_store, segment_path_);
    segment.count = entries_;
    checked(run_.other->carry_out(segment), "store in the second process");
    auto database = make_order(order::kind::attach_lmdb, lmdb_path_);
    database.count = entries_;
    checked(run_.other->carry_out(database), "LMDB in the second process");
  }

  double time(subject& target, operation what, const key_order& keys,
              const char* who) {
    return checked(run(target, what, keys, run_.options.seconds), who)
      .ns_each();
  }

  bench_run& run_;
  std::string group_;
  std::uint64_t entries_;
  std::string segment_path_;
  std::string lmdb_path_;
  std::optional<store_subject> store_;
  std::optional<tbb_subject> tbb_;
  std::optional<lmdb_subject> lmdb_;
};

} // namespace

void measure_uniform(bench_run& run) {
  auto entries = run.options.entries;
  contest all{run, count_name(entries) + ", uniform", entries};
  all.load(true);
  all.note_memory();
  auto bare = all.bare();
  constexpr target slower{target::kind::more_than, 1};
  for (int i = 0; i < run.options.repetitions; ++i) {
    progress("uniform: repetition " + std::to_string(i + 1));
    auto seed = static_cast<std::uint64_t>(i) * 1000;
    auto keys = [&](std::uint64_t more) {
      return key_order{entries, seed + more};
    };
    auto d = run.yardstick();
    auto get = all.ours(operation::get_independent, "get, independent", keys(1),
                        d, at_most_d(0.8));
    all.ours(operation::get_dependent, "get, dependent", keys(2), d, {});
    all.ours(operation::get_many, "get_many of 32, a key", keys(3), d,
             at_most_d(0.35));
    all.note("bare lines of a get, one by one",
             bare.in_turn(run.options.seconds), d);
    all.note("bare lines of a get_many of 32, a key",
             bare.in_waves(run.options.seconds), d);
    auto set =
      all.ours(operation::set, "set (overwrite)", keys(4), d, at_most_d(0.9));
    all.ours(operation::set_many, "set_many of 32, a key", keys(5), d, {});
    all.peers(operation::get_independent, "get", keys(6), d, get, slower,
              {target::kind::at_least, 8});
    all.peers(operation::set, "set", keys(7), d, set, slower,
              {target::kind::at_least, 30});
    d = run.yardstick();
    all.both(operation::get_independent, "get, independent", seed + 10, d);
    all.both(operation::get_dependent, "get, dependent", seed + 20, d);
    all.both(operation::get_many, "get_many of 32, a key", seed + 30, d);
    all.both(operation::set, "set (overwrite)", seed + 40, d);
    all.both(operation::set_many, "set_many of 32, a key", seed + 50, d);
  }
}

void measure_inline(bench_run& run) {
  auto entries = run.options.entries;
  auto group = count_name(entries) + ", uniform, inline";
  auto path = run.directory + "/inline";
  {
    progress("inline: load");
    inline_subject space{path, entries};
    auto d = run.yardstick();
    auto& results = run.results;
    results.add_time(
      group, "insert (load)",
      checked(run_inserts(space, 0, entries), "inline namespace").ns_each(), d);
    auto count = static_cast<double>(entries);
    auto now = space.stats();
    constexpr double mebibyte = 1 << 20;
    results.add_number(group + ": memory", "in use (with slack)",
                       "bytes an entry", space.bytes_in_use() / count,
                       {target::kind::at_most, 135});
    results.add_number(group + ": memory", "mapped by huge pages", "MiB",
                       static_cast<double>(space.huge_page_bytes()) / mebibyte);
    for (int i = 0; i < run.options.repetitions; ++i) {
      progress("inline: repetition " + std::to_string(i + 1));
      auto seed = static_cast<std::uint64_t>(i) * 1000;
      auto measure = [&](operation what, const char* name, target goal) {
        ++seed;
        d = run.yardstick();
        auto taken = checked(neuroplex::bench::run(space, what, {entries, seed},
                                                   run.options.seconds),
                             "inline namespace");
        results.add_time(group, name, taken.ns_each(), d, goal);
      };
      measure(operation::get_dependent, "get, dependent", at_most_d(1.25));
      measure(operation::get_independent, "get, independent", {});
      measure(operation::get_many, "get_many of 32, a key", {});
      measure(operation::set, "set (overwrite)", {});
      measure(operation::set_many, "set_many of 32, a key", {});
    }
  }
  std::filesystem::remove(path);
}

void measure_zipf(bench_run& run) {
  auto entries = run.options.zipf_entries;
  constexpr double theta = 0.99;
  constexpr std::size_t list_length = std::size_t{1} << 20;
  auto list = zipf_list(entries, theta, list_length);
  contest all{run, count_name(entries) + ", Zipf 0.99", entries};
  all.load(false);
  for (int i = 0; i < run.options.repetitions; ++i) {
    progress("Zipf: repetition " + std::to_string(i + 1));
    auto keys = [&](std::uint64_t more) {
      return key_order{entries, static_cast<std::uint64_t>(i) * 1000 + more,
                       list};
    };
    auto d = run.yardstick();
    constexpr target slower{target::kind::more_than, 1};
    auto get = all.ours(operation::get_independent, "get", keys(1), d,
                        {target::kind::at_most_ns, 100});
    auto set = all.ours(operation::set, "set (overwrite)", keys(2), d,
                        {target::kind::at_most_ns, 150});
    all.peers(operation::get_independent, "get", keys(3), d, get, slower, {});
    all.peers(operation::set, "set", keys(4), d, set, slower, {});
  }
}

void measure_exchange(bench_run& run) {
  if (run.other == nullptr) {
    progress("exchange: needs two CPUs, left out");
    return;
  }
  progress("exchange");
  auto path = run.directory + "/exchange";
  {
    auto segment = store_subject::make_segment(path, 1000);
    const std::string group = "Exchange of 64 bytes between two processes";
    for (int i = 0; i < run.options.repetitions; ++i) {
      auto bare = play_ball(*run.other, run.options.rounds, run.scale);
      auto ours = exchange(*run.other, path, run.options.rounds, run.scale);
      auto& results = run.results;
      results.add_time(group, "bare cache line, round trip p50", bare.p50_ns,
                       0);
      results.add_time(group, "bare cache line, round trip p99", bare.p99_ns,
                       0);
      results.add_time(group, "segment, round trip p50", ours.p50_ns, 0,
                       {target::kind::at_most_ns, 1000});
      results.add_time(group, "segment, round trip p99", ours.p99_ns, 0);
      results.add_number(group, "segment / bare, p50", "x",
                         ours.p50_ns / bare.p50_ns, {target::kind::at_most, 3});
    }
  }
  std::filesystem::remove(path);
}

void measure_sizes(bench_run& run) {
  progress("view and get by size");
  auto path = run.directory + "/views";
  {
    constexpr std::uint64_t entries = 200'000;
    auto segment = store_subject::make_segment(path, entries);
    constexpr std::array<std::size_t, 6> sizes{64,   256,    1024,
                                               4096, 16'384, 65'536};
    for (int i = 0; i < run.options.repetitions; ++i)
      for (auto size : sizes) {
        auto times = measure_views(path, size, run.options.seconds / 10);
        const std::string group = "view against get, warm";
        auto add = [&](const char* name, double ns) {
          run.results.add_time(group, std::to_string(size) + " bytes, " + name,
                               ns, 0);
        };
        add("view, first byte", times.view_ns);
        add("get, first byte", times.get_ns);
        add("view, all bytes", times.view_read_ns);
        add("get, all bytes", times.get_read_ns);
      }
  }
  std::filesystem::remove(path);
}

} // namespace neuroplex::bench
