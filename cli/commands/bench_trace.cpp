#include "cli/commands/bench_trace.hpp"

#include "cli/flags.hpp"
#include "cli/terminal/interrupt.hpp"
#include "cli/terminal/progress.hpp"
#include "cli/terminal/units.hpp"
#include "cli/trace/replay.hpp"
#include "config/nearest.hpp"

#include <CLI/CLI.hpp>
#include <iomanip>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

namespace neuroplex::cli {

namespace {

using memory::policy_kind;
using memory::policy::capacity_unit;
using memory::policy::objective;

constexpr std::uint64_t max_cache_size = std::uint64_t{1} << 50;

struct trace_arguments {
  std::string file;
  policy_kind policy = policy_kind::adaptive;
  std::uint64_t size = 0;
  bool by_bytes = false;
  std::string aim = "objects";
};

// All that can be played: a cache that evicts nothing is no policy.
std::vector<std::string_view> playable_policies() {
  std::vector<std::string_view> names;
  for (std::uint8_t i = 0; i < memory::policy_kind_count; ++i)
    if (auto kind = static_cast<policy_kind>(i);
        kind != policy_kind::noeviction)
      names.push_back(memory::to_string(kind));
  return names;
}

std::string joined(const std::vector<std::string_view>& names) {
  std::string list;
  for (auto name : names)
    list += (list.empty() ? "" : "|") + std::string{name};
  return list;
}

expected<void> take_policy(const std::string& text, policy_kind& target) {
  auto names = playable_policies();
  if (auto kind = memory::parse_policy_kind(text);
      kind && *kind != policy_kind::noeviction) {
    target = *kind;
    return {};
  }
  auto near = config::nearest(text, names);
  return failure{errc::bad_argument,
                 joined(names)
                   + (near.empty() ? std::string{}
                                   : "; the nearest is " + std::string{near})};
}

std::string percent(double ratio) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(2) << ratio * 100 << " %";
  return text.str();
}

std::string size_text(const trace_arguments& given) {
  return given.by_bytes ? human_bytes(given.size)
                        : human_count(given.size, "object", "objects");
}

void print_text(context& ctx, const trace_arguments& given,
                const replay_result& result,
                const memory::policy::cache& cache) {
  ctx.out << given.file << "\n"
          << memory::to_string(given.policy) << ", " << size_text(given)
          << "\n\n"
          << "requests        " << human_count(result.requests) << '\n'
          << "hits            " << human_count(result.hits) << '\n'
          << "misses          " << human_count(result.misses()) << '\n'
          << "hit ratio       " << percent(result.hit_ratio()) << '\n'
          << "byte hit ratio  " << percent(result.byte_hit_ratio()) << '\n'
          << "policy          " << human_nanoseconds(result.ns_per_request())
          << " a request\n"
          << "left at the end " << human_entries(cache.count()) << ", "
          << human_bytes(cache.memory_bytes()) << " of keys and metadata\n";
}

void print_json(context& ctx, const trace_arguments& given,
                const replay_result& result,
                const memory::policy::cache& cache) {
  ctx.out << nlohmann::ordered_json{{"trace", given.file},
                                    {"policy", memory::to_string(given.policy)},
                                    {"size", given.size},
                                    {"unit",
                                     given.by_bytes ? "bytes" : "objects"},
                                    {"aim", given.aim},
                                    {"requests", result.requests},
                                    {"hits", result.hits},
                                    {"misses", result.misses()},
                                    {"hit_ratio", result.hit_ratio()},
                                    {"byte_hit_ratio", result.byte_hit_ratio()},
                                    {"ns_per_request", result.ns_per_request()},
                                    {"resident_entries", cache.count()},
                                    {"memory_bytes", cache.memory_bytes()}}
               .dump(2)
          << '\n';
}

expected<replay_result> play(context& ctx, const trace_arguments& given,
                             trace_file& file, memory::policy::cache& cache) {
  std::ostringstream nowhere;
  auto shown = ctx.terminal.redraw && ctx.output == output_format::text;
  progress bar{shown ? ctx.out : nowhere,
               shown ? ctx.terminal : terminal_traits{}, "trace",
               file.total_bytes(), progress_unit::bytes};
  auto result = replay(file, cache, [&](const replay_result&) {
    bar.update(file.bytes_read());
    return !interrupt_guard::requested();
  });
  if (result && result->requests == 0)
    return failure{errc::corrupt,
                   given.file + ": holds no record: expected a trace"};
  if (result)
    bar.finish(human_count(result->requests, "request", "requests"));
  return result;
}

outcome run_trace(context& ctx, const trace_arguments& given) {
  if (given.size == 0)
    return diagnostic{problem::use,
                      "--size is missing: how much the cache holds"};
  auto file = trace_file::open(given.file);
  if (!file)
    return failed(file.error());
  auto cache = memory::policy::make_cache(
    given.policy,
    {given.size, given.by_bytes ? capacity_unit::bytes : capacity_unit::objects,
     given.aim == "bytes" ? objective::byte_hits : objective::object_hits});
  int signal_number = 0;
  expected<replay_result> result{errc::internal};
  {
    interrupt_guard guard;
    result = play(ctx, given, *file, *cache);
    signal_number = interrupt_guard::signal_number();
  }
  if (!result && signal_number != 0)
    end_by_signal(signal_number);
  if (!result)
    return failed(result.error());
  if (ctx.output == output_format::json)
    print_json(ctx, given, *result, *cache);
  else
    print_text(ctx, given, *result, *cache);
  return std::nullopt;
}

} // namespace

void add_bench_trace(CLI::App& bench, context& ctx) {
  auto given = std::make_shared<trace_arguments>();
  auto& command = add_subcommand(
    bench, ctx, given, "trace",
    "Play a trace of real accesses against a replacement policy", run_trace);
  add_argument(command, "FILE", given->file,
               "Trace: records of 16 bytes (.atr), or packed (.atr.zst)");
  add_flag(command, "--policy",
           "Who leaves when the cache is full [adaptive]: "
             + joined(playable_policies()),
           problem::range,
           [given](const std::string& text) {
             return take_policy(text, given->policy);
           })
    ->type_name("POLICY");
  add_size(command, "--size", given->size, 1, max_cache_size,
           "What the cache holds: objects, or bytes with --bytes");
  add_switch(command, "--bytes", given->by_bytes,
             "The size counts bytes of objects");
  add_word(command, "--aim", given->aim, {"objects", "bytes"},
           "What adaptive shall make many of: hits, or bytes hit [objects]");
  add_examples(
    command,
    {"neuroplex bench trace accesses.atr.zst --policy lru --size 10000",
     "neuroplex bench trace cdn.atr --size 64M --bytes --aim bytes",
     "neuroplex bench trace accesses.atr --size 915 --output json"});
}

} // namespace neuroplex::cli
