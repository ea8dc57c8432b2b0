// What the sessions of one server share: the store, the options, the counters
// and the scratch memory.
//
// Purpose: everything a command handler needs beside its own connection.
//
// Ownership: refers to a store (and a cluster, when there is one) that must
// outlive it. Threads: owned by the server's loop thread; only `counters` may
// be read by others at the same time.
//
// Invariants:
//  1. Database 0 is the namespace "default", database n is "db<n>".
//  2. Scratch members are empty of meaning between two commands.
#pragma once

#include "actors/resp/auth.hpp"
#include "actors/resp/bounds.hpp"
#include "actors/resp/byte_buffer.hpp"
#include "actors/resp/key_space.hpp"
#include "actors/resp/remote.hpp"
#include "memory/store.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace neuroplex::resp {

/// Milliseconds since 1970 by the system's clock.
[[nodiscard]] std::int64_t system_clock_ms() noexcept;

/// A name and what stands behind it in INFO.
using info_line = std::pair<std::string, std::string>;

struct service_options {
  /// Password of the user "default"; empty lets everybody in.
  std::string password;
  std::size_t max_output_bytes = bounds::default_output_bytes;
  std::size_t max_reply_bytes = bounds::default_reply_bytes;
  std::int64_t output_stall_ms = bounds::default_output_stall_ms;

  /// Connections without a command for so long are closed; 0 keeps them.
  std::int64_t idle_timeout_ms = 0;
  std::size_t max_clients = bounds::default_clients;

  /// Name shown by INFO and CLIENT; the node sets its own.
  std::string node_name = "neuroplex";

  /// What INFO shows in its section "Upkeep", which is missing without it.
  /// Called by the server's thread.
  std::function<std::vector<info_line>()> upkeep_lines;

  /// The clock of expiry times and delays; tests replace it.
  std::int64_t (*clock_ms)() noexcept = &system_clock_ms;

  /// `errc::config` with the field named when a value is out of range.
  [[nodiscard]] expected<void> validate() const;
};

/// A number that one thread counts up and any thread may read.
class counter {
public:
  void add(std::uint64_t amount = 1) noexcept {
    // One writer: a plain store saves the locked instruction. Relaxed: the
    // number says nothing about other memory.
    value_.store(get() + amount, std::memory_order_relaxed);
  }

  void subtract(std::uint64_t amount) noexcept {
    value_.store(get() - amount, std::memory_order_relaxed);
  }

  void reset() noexcept {
    value_.store(0, std::memory_order_relaxed);
  }

  [[nodiscard]] std::uint64_t get() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }

private:
  std::atomic<std::uint64_t> value_{0};
};

struct service_counters {
  counter connections_accepted;
  counter connections_open;
  counter connections_refused; ///< above max_clients
  counter accept_pauses;       ///< out of file descriptors
  counter commands;
  counter failed_commands; ///< unknown, wrong arity, or refused before AUTH
  counter remote_commands; ///< executed by another node for us
  counter protocol_errors;
  counter auth_failures;
  counter slow_readers_closed;
  counter oversized_replies_closed;
  counter oversized_queries_closed;
  counter idle_closed;
  counter bytes_in;
  counter bytes_out;
  counter keyspace_hits;
  counter keyspace_misses;
};

/// The connections of a server, as CLIENT sees them.
class client_directory {
public:
  virtual ~client_directory() = default;

  /// Appends one line a connection, as CLIENT LIST shows them.
  virtual void list(std::string& lines) const = 0;

  /// Closes the connections with this id or this peer address; answers how
  /// many. `except` is left open.
  virtual std::size_t kill(std::uint64_t id, std::string_view address,
                           std::uint64_t except) = 0;
};

class service {
public:
  service(memory::store& data, service_options options,
          remote* cluster = nullptr, client_directory* clients = nullptr,
          routed_keys* routed = nullptr);

  [[nodiscard]] key_space& data() noexcept {
    return data_;
  }

  [[nodiscard]] const service_options& options() const noexcept {
    return options_;
  }

  /// The cluster, or nullptr when every key is local.
  [[nodiscard]] remote* cluster() const noexcept {
    return cluster_;
  }

  /// The server's connections, or nullptr when there is no server.
  [[nodiscard]] client_directory* clients() const noexcept {
    return clients_;
  }

  [[nodiscard]] std::int64_t now_ms() const noexcept {
    return options_.clock_ms();
  }

  [[nodiscard]] std::int64_t started_ms() const noexcept {
    return started_ms_;
  }

  /// Longest value the store takes, and so the longest bulk string.
  [[nodiscard]] std::size_t max_value_bytes() const noexcept {
    return max_value_bytes_;
  }

  /// Bytes of output at which a session is cut off.
  [[nodiscard]] std::size_t max_reply_bytes() const noexcept {
    return max_reply_bytes_;
  }

  /// Namespace of a database, made if there is none.
  expected<memory::namespace_id> open_database(std::uint32_t database);

  /// Namespace of a database, if there is one.
  [[nodiscard]] std::optional<memory::namespace_id>
  find_database(std::uint32_t database);

  /// Changes what may change while the server runs.
  void set_password(std::string_view password);

  /// Called with a session's id when an outstanding reply of it has arrived.
  std::function<void(std::uint64_t)> reply_ready;

  service_counters counters;
  auth_guard guard;
  std::uint16_t port = 0;

  // Scratch memory of command handlers.
  std::string scratch;
  std::string second_scratch;
  byte_buffer collected;
  std::vector<memory::get_request> gets;
  std::vector<memory::set_request> sets;
  std::size_t value_offset = 0; ///< length of the last bulk header
  std::array<memory::scan_cursor, bounds::databases> random_cursors{};
  std::uint64_t random_state;

  /// A pseudo-random number; not for secrets.
  std::uint64_t random() noexcept;

private:
  key_space data_;
  service_options options_;
  remote* cluster_;
  client_directory* clients_;
  std::int64_t started_ms_;
  std::size_t max_value_bytes_;
  std::size_t max_reply_bytes_;
};

/// Name of the namespace that SELECT `database` uses.
[[nodiscard]] std::string database_name(std::uint32_t database);

} // namespace neuroplex::resp
