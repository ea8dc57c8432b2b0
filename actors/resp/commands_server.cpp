// Commands on the server: INFO, MEMORY, TIME.

#include "actors/resp/command.hpp"
#include "actors/resp/policy_names.hpp"
#include "actors/resp/session.hpp"
#include "actors/resp/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include <sys/utsname.h>
#include <unistd.h>

namespace neuroplex::resp {

namespace {

constexpr std::int64_t seconds_a_day = 86'400;

class info_text {
public:
  void section(std::string_view title) {
    if (!text_.empty())
      text_ += "\r\n";
    text_ += "# ";
    text_ += title;
    text_ += "\r\n";
  }

  void line(std::string_view name, std::string_view value) {
    text_ += name;
    text_ += ':';
    text_ += value;
    text_ += "\r\n";
  }

  void line(std::string_view name, std::uint64_t value) {
    line(name, std::to_string(value));
  }

  [[nodiscard]] const std::string& text() const {
    return text_;
  }

private:
  std::string text_;
};

void info_server(context& ctx, info_text& text) {
  utsname system{};
  uname(&system);
  auto uptime_s = static_cast<std::uint64_t>(
    (ctx.shared.now_ms() - ctx.shared.started_ms()) / ms_a_second);
  text.section("Server");
  text.line("redis_version", "7.0.15");
  text.line("redis_mode", "standalone");
  text.line("server_name", "neuroplex");
  text.line("node_name", ctx.shared.options().node_name);
  text.line("os", std::string{system.sysname} + " " + system.release + " "
                    + system.machine);
  text.line("arch_bits", 64);
  text.line("process_id", static_cast<std::uint64_t>(getpid()));
  text.line("tcp_port", ctx.shared.port);
  text.line("uptime_in_seconds", uptime_s);
  text.line("uptime_in_days", uptime_s / seconds_a_day);
}

void info_clients(context& ctx, info_text& text) {
  const auto& counters = ctx.shared.counters;
  text.section("Clients");
  text.line("connected_clients", counters.connections_open.get());
  text.line("maxclients", ctx.shared.options().max_clients);
  text.line("blocked_clients", std::uint64_t{0});
}

// A share of 0 to 1 in whole percent.
std::uint64_t percent(double share) {
  return static_cast<std::uint64_t>(std::llround(share * 100));
}

void info_memory(context& ctx, info_text& text) {
  auto stats = ctx.data.segment().stats();
  text.section("Memory");
  text.line("used_memory", stats.live_block_bytes);
  text.line("used_memory_human", human_size(stats.live_block_bytes));
  text.line("used_memory_pool", stats.pool_used_bytes);
  text.line("used_memory_index", stats.index_bytes);
  text.line("shared_keys", stats.shared_entries);
  text.line("shared_bytes", stats.shared_bytes);
  text.line("shared_contents", stats.contents);
  text.line("shared_contents_bytes", stats.content_block_bytes);
  text.line("total_segment_bytes", stats.segment_bytes);
  text.line("reserved_segment_bytes", stats.reserved_bytes);
  text.line("maxmemory", stats.pool_bytes);
  text.line("maxmemory_human", human_size(stats.pool_bytes));
  text.line("maxmemory_policy", policy_in_use(ctx.data.segment(), ctx.space));
  text.line("eviction_order", ctx.data.segment().order(ctx.space));
  text.line("eviction_percent", stats.eviction_percent);
  text.line("pressure_percent", percent(ctx.data.segment().pressure()));
  text.line("max_value_bytes", stats.max_value_bytes);
  text.line("segment_path", stats.path);
}

void info_persistence(context&, info_text& text) {
  text.section("Persistence");
  text.line("loading", std::uint64_t{0});
  text.line("rdb_bgsave_in_progress", std::uint64_t{0});
  text.line("aof_enabled", std::uint64_t{0});
}

void info_stats(context& ctx, info_text& text) {
  const auto& counters = ctx.shared.counters;
  auto stats = ctx.data.segment().stats();
  text.section("Stats");
  text.line("total_connections_received", counters.connections_accepted.get());
  text.line("rejected_connections", counters.connections_refused.get());
  text.line("accept_pauses", counters.accept_pauses.get());
  text.line("total_commands_processed", counters.commands.get());
  text.line("failed_commands", counters.failed_commands.get());
  text.line("remote_commands", counters.remote_commands.get());
  text.line("protocol_errors", counters.protocol_errors.get());
  text.line("auth_failures", counters.auth_failures.get());
  text.line("slow_readers_closed", counters.slow_readers_closed.get());
  text.line("oversized_replies_closed",
            counters.oversized_replies_closed.get());
  text.line("oversized_queries_closed",
            counters.oversized_queries_closed.get());
  text.line("idle_connections_closed", counters.idle_closed.get());
  text.line("total_net_input_bytes", counters.bytes_in.get());
  text.line("total_net_output_bytes", counters.bytes_out.get());
  text.line("keyspace_hits", counters.keyspace_hits.get());
  text.line("keyspace_misses", counters.keyspace_misses.get());
  text.line("expired_keys", stats.expired);
  text.line("evicted_keys", stats.evicted);
  text.line("store_reads", stats.reads);
  text.line("store_writes", stats.writes);
  text.line("store_retries", stats.retries);
  text.line("store_recoveries", stats.recoveries);
  text.line("store_corrupt_reads", stats.corrupt_reads);
  text.line("store_damage", stats.damage);
}

void info_replication(context&, info_text& text) {
  text.section("Replication");
  text.line("role", "master");
  text.line("connected_slaves", std::uint64_t{0});
}

void info_keyspace(context& ctx, info_text& text) {
  text.section("Keyspace");
  auto spaces = ctx.data.segment().namespaces();
  for (std::uint32_t database = 0; database < bounds::databases; ++database) {
    auto name = database_name(database);
    for (const auto& space : spaces)
      if (space.name == name && space.entries != 0)
        text.line("db" + std::to_string(database),
                  "keys=" + std::to_string(space.entries)
                    + ",expires=0,avg_ttl=0");
  }
}

void info_upkeep(context& ctx, info_text& text) {
  const auto& lines = ctx.shared.options().upkeep_lines;
  if (!lines)
    return;
  text.section("Upkeep");
  for (const auto& [name, value] : lines())
    text.line(name, value);
}

struct info_section {
  std::string_view name;
  void (*write)(context&, info_text&);
};

constexpr std::array<info_section, 8> info_sections{{
  {"server", info_server},
  {"clients", info_clients},
  {"memory", info_memory},
  {"persistence", info_persistence},
  {"stats", info_stats},
  {"replication", info_replication},
  {"upkeep", info_upkeep},
  {"keyspace", info_keyspace},
}};

} // namespace

void handle_info(context& ctx) {
  auto everything = ctx.args.size() == 1;
  for (auto word : ctx.args.subspan(1))
    everything = everything || same_word(word, "all")
                 || same_word(word, "default") || same_word(word, "everything");
  info_text text;
  for (const auto& section : info_sections) {
    auto wanted = everything;
    for (auto word : ctx.args.subspan(1))
      wanted = wanted || same_word(word, section.name);
    if (wanted)
      section.write(ctx, text);
  }
  ctx.reply.verbatim(text.text());
}

void handle_time(context& ctx) {
  auto now_ms = ctx.shared.now_ms();
  ctx.reply.array(2);
  ctx.reply.bulk(std::to_string(now_ms / ms_a_second));
  ctx.reply.bulk(std::to_string(now_ms % ms_a_second * ms_a_second));
}

void handle_memory_usage(context& ctx) {
  for (std::size_t i = 3; i < ctx.args.size(); i += 2) {
    if (!same_word(ctx.args[i], "samples") || i + 1 == ctx.args.size())
      return ctx.reply.error(syntax_error);
    auto samples = parse_integer(ctx.args[i + 1]);
    if (!samples)
      return ctx.reply.error(not_an_integer);
    if (*samples < 0)
      return ctx.reply.error(syntax_error);
  }
  memory::entry_info info;
  auto code = ctx.data.info(ctx.space, ctx.args[2], info);
  if (code == errc::not_found)
    return ctx.reply.null();
  if (code != errc::ok)
    return reply_failure(ctx, code);
  ctx.reply.integer(info.block_bytes);
}

void handle_memory_stats(context& ctx) {
  auto stats = ctx.data.segment().stats();
  const std::array<std::pair<std::string_view, std::uint64_t>, 17> numbers{{
    {"total.allocated", stats.live_block_bytes},
    {"pool.bytes", stats.pool_bytes},
    {"pool.used", stats.pool_used_bytes},
    {"segment.bytes", stats.segment_bytes},
    {"segment.reserved", stats.reserved_bytes},
    {"index.bytes", stats.index_bytes},
    {"huge.page.bytes", ctx.data.segment().huge_page_bytes()},
    {"keys.count", stats.entries},
    {"keys.bytes-per-key",
     stats.entries == 0 ? 0 : stats.live_block_bytes / stats.entries},
    {"shared.keys", stats.shared_entries},
    {"shared.bytes", stats.shared_bytes},
    {"shared.contents", stats.contents},
    {"shared.contents.bytes", stats.content_block_bytes},
    {"keys.evicted", stats.evicted},
    {"keys.expired", stats.expired},
    {"eviction.percent", stats.eviction_percent},
    {"pressure.percent", percent(ctx.data.segment().pressure())},
  }};
  ctx.reply.map(numbers.size() + 2);
  for (const auto& [name, value] : numbers) {
    ctx.reply.bulk(name);
    ctx.reply.integer(static_cast<std::int64_t>(value));
  }
  ctx.reply.bulk("eviction.order");
  ctx.reply.bulk(ctx.data.segment().order(ctx.space));
  ctx.reply.bulk("fragmentation");
  ctx.reply.number(stats.live_block_bytes == 0
                     ? 1.0
                     : static_cast<double>(stats.pool_used_bytes)
                         / static_cast<double>(stats.live_block_bytes));
}

void handle_memory_help(context& ctx) {
  reply_lines(
    ctx, {"MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
          "STATS", "    Return the memory figures of the segment.",
          "USAGE <key> [SAMPLES <count>]",
          "    Return the bytes a key and its value take in the pool.", "HELP",
          "    Print this help."});
}

} // namespace neuroplex::resp
