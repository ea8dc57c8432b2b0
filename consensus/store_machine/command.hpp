// What clients ask of a replicated store, as bytes in the log.
//
// Purpose: the one place that knows how a command, an entry of the log and an
// answer are written. Little-endian, versioned, every length checked.
//
//   entry      = version u8, log time i64 (Unix ms), count u32, then commands
//   command    = kind u8, session u64, sequence u64, acknowledged u64,
//                body: 32-bit length, then a batch (of `execute` only)
//   batch      = count u32, then operations
//   operation  = kind u8, keeps expiry u8, namespace, key, value, expected
//                (32-bit lengths), ttl i64, delta i64
//   answer     = count u32, then results
//   result     = status u8, found u8, number i64, expiry i64, value
//
// Threads: plain values and pure functions.
//
// Invariants: what encode wrote, decode reads as the same.
//
// Failure behaviour: `errc::version` for another version, `errc::protocol` for
// everything else that is not exactly one of them.
#pragma once

#include "consensus/raft/session_table.hpp"
#include "memory/status.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::store_machine {

namespace limits {

/// Operations of one batch, and commands of one entry of the log.
inline constexpr std::size_t max_operations = 65'536;
inline constexpr std::size_t max_commands = 65'536;

/// Longest value, however it came to be. Fixed, since what a segment holds
/// depends on its size and replicas must answer alike.
inline constexpr std::size_t max_value_bytes = std::size_t{1} << 20;

/// Longest encoded batch of operations: an entry of the log holds one.
inline constexpr std::size_t max_batch_bytes = std::size_t{4} << 20;

/// What a command takes in an entry beside its batch, at the most.
inline constexpr std::size_t command_overhead_bytes = 32;

} // namespace limits

/// What one operation does, and which codes it answers, as memory::store does;
/// `value_size` above limits::max_value_bytes.
enum class operation_kind : std::uint8_t {
  get,
  set,              ///< value, ttl_ms or keep_ttl
  set_if_absent,    ///< value, ttl_ms; `exists`
  set_if_present,   ///< value, ttl_ms or keep_ttl; `not_found`
  exchange,         ///< as set; answers the previous value (found tells)
  compare_and_swap, ///< expected, value, ttl_ms or keep_ttl; `mismatch` with
                    ///< the actual value
  increment,        ///< delta; answers the sum in number
  append,           ///< value; answers the new length in number
  erase,            ///< `not_found`
  take,             ///< erase that answers the value
  expire,           ///< ttl_ms; `not_found`, `bad_ttl`
  persist,          ///< `not_found`; `mismatch` when there was no expiry
};

inline constexpr std::uint8_t operation_kind_count =
  static_cast<std::uint8_t>(operation_kind::persist) + 1;

[[nodiscard]] constexpr bool changes(operation_kind kind) noexcept {
  return kind != operation_kind::get;
}

/// Whether an entry may take more memory after it than before.
[[nodiscard]] constexpr bool may_grow(operation_kind kind) noexcept {
  switch (kind) {
    case operation_kind::get:
    case operation_kind::erase:
    case operation_kind::take:
    case operation_kind::expire:
    case operation_kind::persist:
      return false;
    default:
      return true;
  }
}

/// Its texts belong to whoever made it, or to the bytes it was decoded from.
struct operation {
  operation_kind kind = operation_kind::get;
  bool keep_ttl = false;
  std::string_view space = "default"; ///< name of the namespace
  std::string_view key{};
  std::string_view value{};
  std::string_view expected{};
  std::int64_t ttl_ms = 0; ///< 0: none
  std::int64_t delta = 0;

  friend bool operator==(const operation&, const operation&) = default;
};

struct result {
  errc status = errc::ok;
  bool found = false;
  std::int64_t number = 0;
  std::int64_t expires_at_ms = 0; ///< in log time; 0: never
  std::string value{};

  friend bool operator==(const result&, const result&) = default;
};

enum class command_kind : std::uint8_t {
  open_session,  ///< alone in its entry, whose index names the session
  close_session, ///< session
  execute,       ///< session, sequence, acknowledged, batch
};

inline constexpr std::uint8_t command_kind_count =
  static_cast<std::uint8_t>(command_kind::execute) + 1;

/// One wish of one client. `batch` is an encoded batch, executed as a whole.
struct command {
  command_kind kind = command_kind::execute;
  raft::session_id session = 0;
  std::uint64_t sequence = 0;
  std::uint64_t acknowledged = 0;
  std::string_view batch{};

  friend bool operator==(const command&, const command&) = default;
};

struct log_entry {
  std::int64_t time_ms = 0; ///< of the leader's clock
  std::vector<command> commands{};
};

[[nodiscard]] std::string
encode_batch(const std::vector<operation>& operations);

/// The operations share the bytes.
[[nodiscard]] expected<std::vector<operation>>
decode_batch(std::string_view bytes);

[[nodiscard]] std::string encode_entry(const log_entry& what);

/// The commands share the bytes. Their batches are not looked at.
[[nodiscard]] expected<log_entry> decode_entry(std::string_view bytes);

[[nodiscard]] std::string encode_answer(const std::vector<result>& results);

[[nodiscard]] expected<std::vector<result>>
decode_answer(std::string_view bytes);

} // namespace neuroplex::store_machine
