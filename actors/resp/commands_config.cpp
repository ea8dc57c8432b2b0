// CONFIG: the settings that Redis clients ask for, and the one they may change.
//
// The policy is one of the database that the client has selected, since every
// namespace has its own; `maxmemory` is what the pool holds.

#include "actors/resp/command.hpp"
#include "actors/resp/policy_names.hpp"
#include "actors/resp/session.hpp"
#include "actors/resp/text.hpp"
#include "memory/store_policies.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

namespace neuroplex::resp {

namespace {

constexpr std::string_view policy_setting = "maxmemory-policy";

struct policy_row {
  std::string_view name;
  memory::policy_kind kind;
};

// What Redis calls two of ours.
constexpr std::array redis_names{
  policy_row{"allkeys-lru", memory::policy_kind::lru},
  policy_row{"allkeys-lfu", memory::policy_kind::lfu},
};

using setting = std::pair<std::string_view, std::string>;

// The settings that CONFIG GET knows, in alphabetical order.
std::vector<setting> settings(context& ctx) {
  const auto& options = ctx.shared.options();
  auto& segment = ctx.data.segment();
  return {
    {"appendonly", "no"},
    {"databases", std::to_string(bounds::databases)},
    {"maxclients", std::to_string(options.max_clients)},
    {"maxmemory", std::to_string(segment.stats().pool_bytes)},
    {policy_setting, std::string{policy_in_use(segment, ctx.space)}},
    {"port", std::to_string(ctx.shared.port)},
    {"proto-max-bulk-len", std::to_string(ctx.shared.max_value_bytes())},
    {"save", ""},
    {"tcp-keepalive", "300"},
    {"timeout", std::to_string(options.idle_timeout_ms / ms_a_second)},
  };
}

std::string refusal(std::string_view name, std::string_view why) {
  return "ERR CONFIG SET failed (possibly related to argument '"
         + std::string{name} + "') - " + std::string{why};
}

// Why CONFIG SET cannot do what the arguments say; empty when it can.
std::string refusal_of(context& ctx) {
  auto known = settings(ctx);
  for (std::size_t i = 2; i < ctx.args.size(); i += 2) {
    auto name = ctx.args[i];
    if (std::none_of(known.begin(), known.end(), [name](const auto& entry) {
          return same_word(name, entry.first);
        }))
      return "ERR Unknown option or number of arguments for CONFIG SET - '"
             + std::string{name} + "'";
    if (!same_word(name, policy_setting))
      return refusal(name, "can't set immutable config");
    if (i > 2)
      return refusal(name, "duplicate parameter");
    if (!parse_policy(ctx.args[i + 1]))
      return refusal(name, "argument(s) must be one of the following: "
                             + policy_choices());
  }
  return {};
}

} // namespace

std::string_view policy_name(memory::policy_kind kind) noexcept {
  for (const auto& row : redis_names)
    if (row.kind == kind)
      return row.name;
  return to_string(kind);
}

std::optional<memory::policy_kind>
parse_policy(std::string_view name) noexcept {
  for (const auto& row : redis_names)
    if (same_word(name, row.name))
      return row.kind;
  for (auto kind : memory::store_policies)
    if (same_word(name, to_string(kind)))
      return kind;
  return std::nullopt;
}

std::string policy_choices() {
  std::string result;
  for (auto name : memory::store_policy_names)
    result += std::string{name} + ", ";
  for (const auto& row : redis_names)
    result += std::string{row.name} + (&row == &redis_names.back() ? "" : ", ");
  return result;
}

std::string_view policy_in_use(const memory::store& data,
                               memory::namespace_id space) {
  auto settings = data.settings(space);
  return policy_name(settings ? settings->policy
                              : memory::policy_kind::noeviction);
}

void handle_config_get(context& ctx) {
  std::vector<setting> chosen;
  for (auto& entry : settings(ctx))
    for (auto pattern : ctx.args.subspan(2))
      if (glob_match(pattern, entry.first, true)) {
        chosen.push_back(std::move(entry));
        break;
      }
  ctx.reply.map(chosen.size());
  for (const auto& [name, value] : chosen) {
    ctx.reply.bulk(name);
    ctx.reply.bulk(value);
  }
}

void handle_config_set(context& ctx) {
  if (ctx.args.size() % 2 != 0)
    return ctx.reply.error(
      "ERR wrong number of arguments for 'config|set' command");
  if (auto why = refusal_of(ctx); !why.empty())
    return ctx.reply.error(why);
  auto& segment = ctx.data.segment();
  auto changed = segment.settings(ctx.space);
  if (!changed)
    return reply_failure(ctx, changed.code());
  changed->policy = *parse_policy(ctx.args[3]);
  if (auto done = segment.configure(ctx.space, *changed); !done)
    return reply_failure(ctx, done.code());
  ctx.reply.ok();
}

void handle_config_resetstat(context& ctx) {
  auto& counters = ctx.shared.counters;
  for (auto* one :
       {&counters.connections_accepted, &counters.connections_refused,
        &counters.accept_pauses, &counters.commands, &counters.failed_commands,
        &counters.remote_commands, &counters.protocol_errors,
        &counters.auth_failures, &counters.slow_readers_closed,
        &counters.oversized_replies_closed, &counters.oversized_queries_closed,
        &counters.idle_closed, &counters.bytes_in, &counters.bytes_out,
        &counters.keyspace_hits, &counters.keyspace_misses})
    one->reset();
  ctx.reply.ok();
}

void handle_config_help(context& ctx) {
  reply_lines(
    ctx, {"CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
          "GET <pattern> [<pattern> ...]",
          "    Return settings whose name matches a glob pattern.", "RESETSTAT",
          "    Reset the counters that INFO shows.", "SET <name> <value>",
          "    Change maxmemory-policy, for the selected database. Other",
          "    settings come from the node's configuration.", "HELP",
          "    Print this help."});
}

} // namespace neuroplex::resp
