#include "actors/resp/command.hpp"

#include "actors/resp/session.hpp"
#include "actors/resp/text.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace neuroplex::resp {

namespace {

constexpr std::uint16_t read_fast = flag_readonly | flag_fast;
constexpr std::uint16_t write_fast = flag_write | flag_fast;
constexpr std::uint16_t write_more = flag_write | flag_denyoom;
constexpr std::uint16_t write_more_fast = write_more | flag_fast;
constexpr std::uint16_t free_fast = flag_no_auth | flag_fast;
constexpr std::uint16_t read_everywhere = flag_readonly | flag_everywhere;
constexpr std::uint16_t write_everywhere = flag_write | flag_everywhere;
constexpr auto one = merge_rule::none;

// clang-format off
constexpr std::array client_subcommands{
  command_row{"client|getname", 2, 0, 0, 0, 0, one, handle_client_getname, "connection", "2.6.9", "Get the current connection name"},
  command_row{"client|help", 2, 0, 0, 0, 0, one, handle_client_help, "connection", "5.0.0", "Show helpful text about the different subcommands"},
  command_row{"client|id", 2, 0, 0, 0, 0, one, handle_client_id, "connection", "5.0.0", "Returns the client ID for the current connection"},
  command_row{"client|info", 2, 0, 0, 0, 0, one, handle_client_info, "connection", "6.2.0", "Returns information about the current client connection."},
  command_row{"client|kill", -3, flag_admin, 0, 0, 0, one, handle_client_kill, "connection", "2.4.0", "Kill the connection of a client"},
  command_row{"client|list", -2, flag_admin, 0, 0, 0, one, handle_client_list, "connection", "2.4.0", "Get the list of client connections"},
  command_row{"client|no-evict", 3, flag_admin, 0, 0, 0, one, handle_client_no_evict, "connection", "7.0.0", "Set client eviction mode for the current connection"},
  command_row{"client|reply", 3, 0, 0, 0, 0, one, handle_client_reply, "connection", "3.2.0", "Instruct the server whether to reply to commands"},
  command_row{"client|setinfo", 4, 0, 0, 0, 0, one, handle_client_setinfo, "connection", "7.2.0", "Set client or connection specific info"},
  command_row{"client|setname", 3, 0, 0, 0, 0, one, handle_client_setname, "connection", "2.6.9", "Set the current connection name"},
};

constexpr std::array command_subcommands{
  command_row{"command|count", 2, 0, 0, 0, 0, one, handle_command_count, "server", "2.8.13", "Get total number of Redis commands"},
  command_row{"command|docs", -2, 0, 0, 0, 0, one, handle_command_docs, "server", "7.0.0", "Get array of specific Redis command documentation"},
  command_row{"command|getkeys", -3, 0, 0, 0, 0, one, handle_command_getkeys, "server", "2.8.13", "Extract keys given a full Redis command"},
  command_row{"command|help", 2, 0, 0, 0, 0, one, handle_command_help, "server", "5.0.0", "Show helpful text about the different subcommands"},
  command_row{"command|info", -2, 0, 0, 0, 0, one, handle_command_info, "server", "2.8.13", "Get array of specific Redis command details, or all when no argument is given."},
  command_row{"command|list", -2, 0, 0, 0, 0, one, handle_command_list, "server", "7.0.0", "Get an array of Redis command names"},
};

constexpr std::array config_subcommands{
  command_row{"config|get", -3, flag_admin, 0, 0, 0, one, handle_config_get, "server", "2.0.0", "Get the values of configuration parameters"},
  command_row{"config|help", 2, 0, 0, 0, 0, one, handle_config_help, "server", "5.0.0", "Show helpful text about the different subcommands"},
  command_row{"config|resetstat", 2, flag_admin, 0, 0, 0, one, handle_config_resetstat, "server", "2.0.0", "Reset the stats returned by INFO"},
  command_row{"config|set", -4, flag_admin, 0, 0, 0, one, handle_config_set, "server", "2.0.0", "Set configuration parameters to the given values"},
};

constexpr std::array memory_subcommands{
  command_row{"memory|help", 2, 0, 0, 0, 0, one, handle_memory_help, "server", "4.0.0", "Show helpful text about the different subcommands"},
  command_row{"memory|stats", 2, 0, 0, 0, 0, one, handle_memory_stats, "server", "4.0.0", "Show memory usage details"},
  command_row{"memory|usage", -3, flag_readonly, 2, 2, 1, one, handle_memory_usage, "server", "4.0.0", "Estimate the memory usage of a key"},
};

constexpr std::array commands{
  command_row{"append", 3, write_more_fast, 1, 1, 1, one, handle_append, "string", "2.0.0", "Append a value to a key"},
  command_row{"auth", -2, free_fast, 0, 0, 0, one, handle_auth, "connection", "1.0.0", "Authenticate to the server"},
  command_row{"client", -2, 0, 0, 0, 0, one, nullptr, "connection", "2.4.0", "A container for client connection commands", client_subcommands},
  command_row{"command", -1, 0, 0, 0, 0, one, handle_command, "server", "2.8.13", "Get array of Redis command details", command_subcommands},
  command_row{"config", -2, 0, 0, 0, 0, one, nullptr, "server", "2.0.0", "A container for server configuration commands", config_subcommands},
  command_row{"dbsize", 1, read_everywhere | flag_fast, 0, 0, 0, merge_rule::sum, handle_dbsize, "server", "1.0.0", "Return the number of keys in the selected database"},
  command_row{"decr", 2, write_more_fast, 1, 1, 1, one, handle_decr, "string", "1.0.0", "Decrement the integer value of a key by one"},
  command_row{"decrby", 3, write_more_fast, 1, 1, 1, one, handle_decrby, "string", "1.0.0", "Decrement the integer value of a key by the given number"},
  command_row{"del", -2, flag_write, 1, -1, 1, merge_rule::sum, handle_del, "generic", "1.0.0", "Delete a key"},
  command_row{"discard", 1, flag_fast, 0, 0, 0, one, handle_discard, "transactions", "2.0.0", "Discard all commands issued after MULTI"},
  command_row{"echo", 2, flag_fast, 0, 0, 0, one, handle_echo, "connection", "1.0.0", "Echo the given string"},
  command_row{"exec", 1, 0, 0, 0, 0, one, handle_exec, "transactions", "1.2.0", "Execute all commands issued after MULTI"},
  command_row{"exists", -2, read_fast, 1, -1, 1, merge_rule::sum, handle_exists, "generic", "1.0.0", "Determine if a key exists"},
  command_row{"expire", -3, write_fast, 1, 1, 1, one, handle_expire, "generic", "1.0.0", "Set a key's time to live in seconds"},
  command_row{"expireat", -3, write_fast, 1, 1, 1, one, handle_expireat, "generic", "1.2.0", "Set the expiration for a key as a UNIX timestamp"},
  command_row{"expiretime", 2, read_fast, 1, 1, 1, one, handle_expiretime, "generic", "7.0.0", "Get the expiration Unix timestamp for a key"},
  command_row{"flushall", -1, write_everywhere, 0, 0, 0, merge_rule::all_ok, handle_flushall, "server", "1.0.0", "Remove all keys from all databases"},
  command_row{"flushdb", -1, write_everywhere, 0, 0, 0, merge_rule::all_ok, handle_flushdb, "server", "1.0.0", "Remove all keys from the current database"},
  command_row{"get", 2, read_fast, 1, 1, 1, one, handle_get, "string", "1.0.0", "Get the value of a key"},
  command_row{"getdel", 2, write_fast, 1, 1, 1, one, handle_getdel, "string", "6.2.0", "Get the value of a key and delete the key"},
  command_row{"getex", -2, write_fast, 1, 1, 1, one, handle_getex, "string", "6.2.0", "Get the value of a key and optionally set its expiration"},
  command_row{"getrange", 4, flag_readonly, 1, 1, 1, one, handle_getrange, "string", "2.4.0", "Get a substring of the string stored at a key"},
  command_row{"getset", 3, write_more_fast, 1, 1, 1, one, handle_getset, "string", "1.0.0", "Set the string value of a key and return its old value"},
  command_row{"hdel", -3, write_fast, 1, 1, 1, one, handle_for_replicas, "hash", "2.0.0", "Delete one or more hash fields"},
  command_row{"hello", -1, free_fast, 0, 0, 0, one, handle_hello, "connection", "6.0.0", "Handshake with Redis"},
  command_row{"hexists", 3, read_fast, 1, 1, 1, one, handle_for_replicas, "hash", "2.0.0", "Determine if a hash field exists"},
  command_row{"hget", 3, read_fast, 1, 1, 1, one, handle_for_replicas, "hash", "2.0.0", "Get the value of a hash field"},
  command_row{"hgetall", 2, flag_readonly, 1, 1, 1, one, handle_for_replicas, "hash", "2.0.0", "Get all the fields and values in a hash"},
  command_row{"hincrby", 4, write_more_fast, 1, 1, 1, one, handle_for_replicas, "hash", "2.0.0", "Increment the integer value of a hash field by the given number"},
  command_row{"hkeys", 2, flag_readonly, 1, 1, 1, one, handle_for_replicas, "hash", "2.0.0", "Get all the fields in a hash"},
  command_row{"hlen", 2, read_fast, 1, 1, 1, one, handle_for_replicas, "hash", "2.0.0", "Get the number of fields in a hash"},
  command_row{"hmget", -3, read_fast, 1, 1, 1, one, handle_for_replicas, "hash", "2.0.0", "Get the values of all the given hash fields"},
  command_row{"hset", -4, write_more_fast, 1, 1, 1, one, handle_for_replicas, "hash", "2.0.0", "Set the string value of a hash field"},
  command_row{"hvals", 2, flag_readonly, 1, 1, 1, one, handle_for_replicas, "hash", "2.0.0", "Get all the values in a hash"},
  command_row{"incr", 2, write_more_fast, 1, 1, 1, one, handle_incr, "string", "1.0.0", "Increment the integer value of a key by one"},
  command_row{"incrby", 3, write_more_fast, 1, 1, 1, one, handle_incrby, "string", "1.0.0", "Increment the integer value of a key by the given amount"},
  command_row{"info", -1, 0, 0, 0, 0, one, handle_info, "server", "1.0.0", "Get information and statistics about the server"},
  command_row{"keys", 2, read_everywhere, 0, 0, 0, merge_rule::concat, handle_keys, "generic", "1.0.0", "Find all keys matching the given pattern"},
  command_row{"memory", -2, 0, 0, 0, 0, one, nullptr, "server", "4.0.0", "A container for memory diagnostics commands", memory_subcommands},
  command_row{"mget", -2, read_fast, 1, -1, 1, merge_rule::in_order, handle_mget, "string", "1.0.0", "Get the values of all the given keys"},
  command_row{"mset", -3, write_more, 1, -1, 2, merge_rule::all_ok, handle_mset, "string", "1.0.1", "Set multiple keys to multiple values"},
  command_row{"multi", 1, flag_fast, 0, 0, 0, one, handle_multi, "transactions", "1.2.0", "Mark the start of a transaction block"},
  command_row{"persist", 2, write_fast, 1, 1, 1, one, handle_persist, "generic", "2.2.0", "Remove the expiration from a key"},
  command_row{"pexpire", -3, write_fast, 1, 1, 1, one, handle_pexpire, "generic", "2.6.0", "Set a key's time to live in milliseconds"},
  command_row{"pexpireat", -3, write_fast, 1, 1, 1, one, handle_pexpireat, "generic", "2.6.0", "Set the expiration for a key as a UNIX timestamp specified in milliseconds"},
  command_row{"pexpiretime", 2, read_fast, 1, 1, 1, one, handle_pexpiretime, "generic", "7.0.0", "Get the expiration Unix timestamp for a key in milliseconds"},
  command_row{"ping", -1, flag_fast, 0, 0, 0, one, handle_ping, "connection", "1.0.0", "Ping the server"},
  command_row{"psetex", 4, write_more, 1, 1, 1, one, handle_psetex, "string", "2.6.0", "Set the value and expiration in milliseconds of a key"},
  command_row{"pttl", 2, read_fast, 1, 1, 1, one, handle_pttl, "generic", "2.6.0", "Get the time to live for a key in milliseconds"},
  command_row{"quit", -1, free_fast, 0, 0, 0, one, handle_quit, "connection", "1.0.0", "Close the connection"},
  command_row{"randomkey", 1, read_everywhere, 0, 0, 0, merge_rule::any, handle_randomkey, "generic", "1.0.0", "Return a random key from the keyspace"},
  command_row{"reset", 1, free_fast, 0, 0, 0, one, handle_reset, "connection", "6.2.0", "Reset the connection"},
  command_row{"sadd", -3, write_more_fast, 1, 1, 1, one, handle_for_replicas, "set", "1.0.0", "Add one or more members to a set"},
  command_row{"scan", -2, read_everywhere, 0, 0, 0, one, handle_scan, "generic", "2.8.0", "Incrementally iterate the keys space"},
  command_row{"scard", 2, read_fast, 1, 1, 1, one, handle_for_replicas, "set", "1.0.0", "Get the number of members in a set"},
  command_row{"sdiff", -2, flag_readonly, 1, -1, 1, one, handle_for_replicas, "set", "1.0.0", "Subtract multiple sets"},
  command_row{"select", 2, flag_fast, 0, 0, 0, one, handle_select, "connection", "1.0.0", "Change the selected database for the current connection"},
  command_row{"session.after", 2, flag_everywhere, 0, 0, 0, merge_rule::all_ok, handle_for_replicas, "replicas", "0.1.0", "Wait until this node has all that a token of SESSION.TOKEN stands for"},
  command_row{"session.token", 1, flag_everywhere, 0, 0, 0, merge_rule::all_ok, handle_for_replicas, "replicas", "0.1.0", "Get a token of all that this connection has seen"},
  command_row{"set", -3, write_more, 1, 1, 1, one, handle_set, "string", "1.0.0", "Set the string value of a key"},
  command_row{"setex", 4, write_more, 1, 1, 1, one, handle_setex, "string", "2.0.0", "Set the value and expiration of a key"},
  command_row{"setnx", 3, write_more_fast, 1, 1, 1, one, handle_setnx, "string", "1.0.0", "Set the value of a key, only if the key does not exist"},
  command_row{"setrange", 4, write_more, 1, 1, 1, one, handle_setrange, "string", "2.2.0", "Overwrite part of a string at key starting at the specified offset"},
  command_row{"sinter", -2, flag_readonly, 1, -1, 1, one, handle_for_replicas, "set", "1.0.0", "Intersect multiple sets"},
  command_row{"sismember", 3, read_fast, 1, 1, 1, one, handle_for_replicas, "set", "1.0.0", "Determine if a given value is a member of a set"},
  command_row{"smembers", 2, flag_readonly, 1, 1, 1, one, handle_for_replicas, "set", "1.0.0", "Get all the members in a set"},
  command_row{"smismember", -3, read_fast, 1, 1, 1, one, handle_for_replicas, "set", "6.2.0", "Returns the membership associated with the given elements for a set"},
  command_row{"srem", -3, write_fast, 1, 1, 1, one, handle_for_replicas, "set", "1.0.0", "Remove one or more members from a set"},
  command_row{"strlen", 2, read_fast, 1, 1, 1, one, handle_strlen, "string", "2.2.0", "Get the length of the value stored in a key"},
  command_row{"substr", 4, flag_readonly, 1, 1, 1, one, handle_getrange, "string", "1.0.0", "Get a substring of the string stored at a key"},
  command_row{"sunion", -2, flag_readonly, 1, -1, 1, one, handle_for_replicas, "set", "1.0.0", "Add multiple sets"},
  command_row{"time", 1, flag_fast, 0, 0, 0, one, handle_time, "server", "2.6.0", "Return the current server time"},
  command_row{"touch", -2, read_fast, 1, -1, 1, merge_rule::sum, handle_exists, "generic", "3.2.1", "Counts the keys that exist"},
  command_row{"ttl", 2, read_fast, 1, 1, 1, one, handle_ttl, "generic", "1.0.0", "Get the time to live for a key in seconds"},
  command_row{"type", 2, read_fast, 1, 1, 1, one, handle_type, "generic", "1.0.0", "Determine the type stored at key"},
  command_row{"unlink", -2, write_fast, 1, -1, 1, merge_rule::sum, handle_del, "generic", "4.0.0", "Delete a key"},
  command_row{"wait", 3, 0, 0, 0, 0, one, handle_wait, "generic", "3.0.0", "Wait for the synchronous replication of all the write commands sent in the context of the current connection"},
};
// clang-format on

// Names padded with zeros, so that one comparison of two words finds a command.
constexpr std::size_t longest_name = 16;

struct padded_name {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  bool operator==(const padded_name&) const = default;
};

padded_name pad(std::string_view name) noexcept {
  char bytes[longest_name] = {};
  for (std::size_t i = 0; i < name.size(); ++i)
    bytes[i] = to_lower(name[i]);
  padded_name result;
  std::memcpy(&result.low, bytes, sizeof result.low);
  std::memcpy(&result.high, bytes + sizeof result.low, sizeof result.high);
  return result;
}

// Open addressing over a power of two, at most a quarter full.
class name_index {
public:
  name_index() {
    for (const auto& row : commands) {
      NEUROPLEX_ENSURE(row.name.size() <= longest_name);
      auto name = pad(row.name);
      auto at = place(name);
      while (cells_[at].row != nullptr)
        at = (at + 1) % cells_.size();
      cells_[at] = {name, &row};
    }
  }

  [[nodiscard]] const command_row* find(std::string_view name) const noexcept {
    if (name.empty() || name.size() > longest_name)
      return nullptr;
    auto wanted = pad(name);
    for (auto at = place(wanted);; at = (at + 1) % cells_.size()) {
      if (cells_[at].row == nullptr)
        return nullptr;
      if (cells_[at].name == wanted)
        // A name with a zero byte behind it pads to the same words.
        return cells_[at].row->name.size() == name.size() ? cells_[at].row
                                                          : nullptr;
    }
  }

private:
  struct cell {
    padded_name name;
    const command_row* row = nullptr;
  };

  static constexpr std::size_t cell_count = 512;
  static_assert(commands.size() * 4 <= cell_count);

  static std::size_t place(const padded_name& name) noexcept {
    constexpr int top_bits = 9;
    static_assert(cell_count == 1U << top_bits);
    auto mixed = (name.low ^ (name.high * 31)) * 0x9e3779b97f4a7c15;
    return mixed >> (64 - top_bits);
  }

  std::array<cell, cell_count> cells_{};
};

const name_index& names() noexcept {
  static const name_index index;
  return index;
}

} // namespace

std::span<const command_row> all_commands() noexcept {
  return commands;
}

const command_row* find_command(std::string_view name) noexcept {
  return names().find(name);
}

const command_row* find_subcommand(const command_row& command,
                                   std::string_view name) noexcept {
  for (const auto& row : command.subcommands)
    if (same_word(name, row.name.substr(command.name.size() + 1)))
      return &row;
  return nullptr;
}

bool context::too_much_output() {
  auto bytes = reply.output().size() + shared.collected.size();
  if (bytes + self.held_bytes() <= shared.max_reply_bytes())
    return false;
  self.cut_off_now();
  return true;
}

void reply_lines(context& ctx, std::initializer_list<std::string_view> lines) {
  ctx.reply.array(lines.size());
  for (auto line : lines)
    ctx.reply.status(line);
}

void reply_bad_expiry(context& ctx, std::string_view command) {
  ctx.reply.error("ERR invalid expire time in '" + std::string{command}
                  + "' command");
}

std::string failure_text(errc code) {
  switch (code) {
    case errc::not_integer:
      return std::string{not_an_integer};
    case errc::overflow:
      return "ERR increment or decrement would overflow";
    case errc::value_size:
      return std::string{string_too_long};
    case errc::no_space:
      return "OOM command not allowed when used memory > 'maxmemory'.";
    case errc::read_only:
      return "READONLY You can't write against a read only replica.";
    case errc::wrong_type:
      return "WRONGTYPE Operation against a key holding the wrong kind of "
             "value";
    case errc::busy:
      return "TRYAGAIN " + std::string{describe(code)};
    case errc::unavailable:
      return "UNAVAILABLE " + std::string{describe(code)};
    case errc::unknown_outcome:
      return "UNKNOWN " + std::string{describe(code)};
    default:
      return "ERR " + std::string{describe(code)};
  }
}

void handle_for_replicas(context& ctx) {
  ctx.reply.error("ERR '" + lower_copy(ctx.args[0])
                  + "' needs a namespace of replicas: give it "
                    "consistency=eventual");
}

void reply_failure(context& ctx, errc code) {
  ctx.reply.error(failure_text(code));
}

} // namespace neuroplex::resp
