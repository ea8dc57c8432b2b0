// The table of commands: name, arity, flags, key positions and handler.
//
// Purpose: one row says all there is to say about a command; dispatch, COMMAND,
// routing to other nodes and the arity check read the same row.
//
// Threads: the table is constant; handlers run on the thread of their session.
//
// Invariants:
//  1. A positive arity is exact, a negative one a minimum; both count the name.
//  2. `first_key` 0 means that the command has no keys.
//
// Failure behaviour: a handler answers every failure as a reply.
#pragma once

#include "actors/resp/service.hpp"
#include "actors/resp/writer.hpp"
#include "memory/status.hpp"
#include "memory/store.hpp"

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <string_view>

namespace neuroplex::resp {

class session;

using arguments = std::span<const std::string_view>;

/// What a handler works with; valid during the call.
struct context {
  session& self;
  service& shared;
  key_space& data;
  memory::namespace_id space;
  writer& reply;
  arguments args;

  /// True, and the connection is marked, when the reply has grown too long.
  [[nodiscard]] bool too_much_output();
};

using command_handler = void (*)(context&);

enum command_flags : std::uint16_t {
  flag_write = 1,
  flag_readonly = 2,
  flag_denyoom = 4,
  flag_fast = 8,
  flag_no_auth = 16, ///< works before AUTH
  flag_admin = 32,
  flag_everywhere = 64, ///< concerns the keys of all nodes
};

/// How replies of several owners become one.
enum class merge_rule : std::uint8_t {
  none,     ///< has one key, or no keys at all
  sum,      ///< add the integers
  all_ok,   ///< OK when all are, else the first error
  in_order, ///< put array elements back at the places of their keys
  concat,   ///< append the arrays
  any,      ///< a reply that holds a value, if there is one
};

struct command_row {
  std::string_view name; ///< lower-case
  int arity;
  std::uint16_t flags;
  std::int8_t first_key;
  std::int8_t last_key;
  std::int8_t key_step;
  merge_rule merge;
  command_handler handler;
  std::string_view group;
  std::string_view since;
  std::string_view summary;
  std::span<const command_row> subcommands{}; ///< names as "client|id"
};

/// All commands, sorted by name.
[[nodiscard]] std::span<const command_row> all_commands() noexcept;

/// The command of that name in any case, or nullptr.
[[nodiscard]] const command_row* find_command(std::string_view name) noexcept;

/// The subcommand of that name in any case, or nullptr.
[[nodiscard]] const command_row*
find_subcommand(const command_row& command, std::string_view name) noexcept;

[[nodiscard]] constexpr bool arity_fits(int arity, std::size_t count) noexcept {
  return arity >= 0 ? count == static_cast<std::size_t>(arity)
                    : count >= static_cast<std::size_t>(-arity);
}

// -- what many handlers share ------------------------------------------------

inline constexpr auto max_int64 = std::numeric_limits<std::int64_t>::max();
inline constexpr auto min_int64 = std::numeric_limits<std::int64_t>::min();
inline constexpr std::int64_t ms_a_second = 1'000;

inline constexpr std::string_view not_an_integer =
  "ERR value is not an integer or out of range";
inline constexpr std::string_view syntax_error = "ERR syntax error";
inline constexpr std::string_view string_too_long =
  "ERR string exceeds maximum allowed size (proto-max-bulk-len)";

/// Replies with an array of lines, as the HELP of a command.
void reply_lines(context& ctx, std::initializer_list<std::string_view> lines);

/// "ERR invalid expire time in 'set' command".
void reply_bad_expiry(context& ctx, std::string_view command);

/// The error that stands for a refusal by the store.
void reply_failure(context& ctx, errc code);

/// The text of that error.
[[nodiscard]] std::string failure_text(errc code);

/// Replies with the value of `key` straight from the store, or answers why not
/// and replies nothing.
errc reply_value(context& ctx, std::string_view key);

// -- handlers, by file --------------------------------------------------------

// commands_string.cpp
void handle_get(context& ctx);
void handle_set(context& ctx);
void handle_setnx(context& ctx);
void handle_setex(context& ctx);
void handle_psetex(context& ctx);
void handle_getset(context& ctx);
void handle_getdel(context& ctx);
void handle_getex(context& ctx);
void handle_mget(context& ctx);
void handle_mset(context& ctx);
void handle_strlen(context& ctx);
void handle_append(context& ctx);
void handle_getrange(context& ctx);
void handle_setrange(context& ctx);
void handle_incr(context& ctx);
void handle_decr(context& ctx);
void handle_incrby(context& ctx);
void handle_decrby(context& ctx);

// commands_key.cpp
void handle_del(context& ctx);
void handle_exists(context& ctx);
void handle_type(context& ctx);
void handle_expire(context& ctx);
void handle_pexpire(context& ctx);
void handle_expireat(context& ctx);
void handle_pexpireat(context& ctx);
void handle_ttl(context& ctx);
void handle_pttl(context& ctx);
void handle_expiretime(context& ctx);
void handle_pexpiretime(context& ctx);
void handle_persist(context& ctx);
void handle_scan(context& ctx);
void handle_keys(context& ctx);
void handle_randomkey(context& ctx);
void handle_dbsize(context& ctx);
void handle_flushdb(context& ctx);
void handle_flushall(context& ctx);

// commands_connection.cpp
void handle_ping(context& ctx);
void handle_echo(context& ctx);
void handle_hello(context& ctx);
void handle_auth(context& ctx);
void handle_select(context& ctx);
void handle_quit(context& ctx);
void handle_reset(context& ctx);
void handle_client_id(context& ctx);
void handle_client_info(context& ctx);
void handle_client_list(context& ctx);
void handle_client_getname(context& ctx);
void handle_client_setname(context& ctx);
void handle_client_setinfo(context& ctx);
void handle_client_reply(context& ctx);
void handle_client_no_evict(context& ctx);
void handle_client_kill(context& ctx);
void handle_client_help(context& ctx);

// commands_transaction.cpp
void handle_multi(context& ctx);
void handle_exec(context& ctx);
void handle_discard(context& ctx);
void handle_wait(context& ctx);

/// Of commands that only namespaces of replicas have; says so.
void handle_for_replicas(context& ctx);

// commands_server.cpp
void handle_info(context& ctx);
void handle_time(context& ctx);
void handle_config_get(context& ctx);
void handle_config_set(context& ctx);
void handle_config_resetstat(context& ctx);
void handle_config_help(context& ctx);
void handle_memory_usage(context& ctx);
void handle_memory_stats(context& ctx);
void handle_memory_help(context& ctx);

// commands_command.cpp
void handle_command(context& ctx);
void handle_command_count(context& ctx);
void handle_command_docs(context& ctx);
void handle_command_info(context& ctx);
void handle_command_list(context& ctx);
void handle_command_getkeys(context& ctx);
void handle_command_help(context& ctx);

} // namespace neuroplex::resp
