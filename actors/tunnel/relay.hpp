// The thread that moves a tunnel's bytes.
//
// Purpose: one epoll loop over a listener and the two sockets of each stream.
// It accepts, connects, reads, writes and ticks; what any of it means is the
// stream's business (stream.hpp).
//
// Ownership and threads: `start` makes the thread; it owns all streams. The
// public functions may be called from any thread.
//
// Invariants:
//  1. A socket is watched only for what can be acted on now, and not at all
//     when that is nothing, so that no state of a peer makes the loop spin.
//  2. At the cap on unauthenticated connections, or without descriptors, the
//  listener is not watched.
//  3. A stream's end is counted once, when its connection is removed.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "actors/tunnel/session_table.hpp"
#include "actors/tunnel/sockets.hpp"
#include "actors/tunnel/stats.hpp"
#include "actors/tunnel/stream.hpp"
#include "actors/tunnel/stream_origins.hpp"
#include "memory/status.hpp"

namespace neuroplex::tunnel {

/// When each of the three files was last written.
using credential_times = std::array<std::filesystem::file_time_type, 3>;

struct relay_settings {
  stream_settings streams;
  /// Server only; `streams.sessions` is set from it.
  session_table::rules rules;
  socket_address listen_address;
  /// Where each accepted connection is relayed to; tried in turn. Empty when
  /// only a name and a port are known.
  std::vector<socket_address> targets;
  std::pair<std::string, std::uint16_t> target_name;
  /// Server only: where streams for agreement are relayed to, and where their
  /// peers are written down. None: null.
  std::optional<socket_address> agreement_target;
  std::shared_ptr<stream_origins> origins;
  /// Looked at for changes; a rotation needs no restart.
  credentials files;
  std::size_t max_connections = 0;
  std::size_t max_pending = 0;
  std::size_t max_pending_per_address = 0;
};

class relay {
public:
  /// Reads `settings.files` and begins; `config` or `io` when it cannot.
  static expected<std::unique_ptr<relay>> start(relay_settings settings);

  relay(const relay&) = delete;
  relay& operator=(const relay&) = delete;
  ~relay();

  [[nodiscard]] std::uint16_t port() const noexcept {
    return port_;
  }

  [[nodiscard]] tunnel::stats stats() const noexcept {
    return counters_.snapshot();
  }

  [[nodiscard]] std::string last_failure() const;

  /// Reads the credential files again; connections made from now on use them.
  /// After a failure the old ones stay in use.
  expected<void> reload_credentials();

  void stop() noexcept;

private:
  struct connection;
  enum class side : std::uint8_t { network, local };

  relay(relay_settings settings, std::shared_ptr<const tls_context> context);

  void run();
  void wait(std::int64_t now_ms);
  void accept_some(std::int64_t now_ms);
  void pause_accepting(std::int64_t retry_ms);
  void resume_accepting();
  void add(socket_handle accepted, const socket_address& from,
           std::int64_t now_ms);
  void on_event(connection& c, side which, std::uint32_t events,
                std::int64_t now_ms);
  void read_from(connection& c, side which, std::int64_t now_ms);
  /// The address to try next. A name is looked up in this thread: that happens
  /// only while no connection to the peer works.
  expected<socket_address> next_target();
  void connect_target(connection& c, side which, std::int64_t now_ms);
  /// A local connection stands; whose it is must be known before any byte.
  void local_opened(connection& c, std::int64_t now_ms);
  void flush(connection& c, side which, std::int64_t now_ms);
  /// Carries out what the last event left to do; false when `c` was removed.
  bool settle(connection& c, std::int64_t now_ms);
  bool finished(connection& c, std::int64_t now_ms);
  void watch(connection& c, side which);
  void account(connection& c);
  /// Reads the credentials again when their files changed.
  void check_credentials(std::int64_t now_ms);
  void leave_pending(connection& c);
  void remove(connection& c);
  void tick(std::int64_t now_ms);
  void probe_sessions(std::int64_t now_ms);

  relay_settings settings_;
  session_table sessions_;
  socket_handle epoll_;
  socket_handle wake_;
  socket_handle listener_;
  std::uint16_t port_ = 0;
  bool accepting_ = false;
  std::int64_t accept_retry_ms_ = 0;
  std::int64_t next_tick_ms_ = 0;
  std::size_t target_index_ = 0;
  std::uint64_t next_id_ = 1;
  std::size_t pending_count_ = 0;
  std::int64_t next_credential_check_ms_ = 0;
  credential_times known_times_;
  std::unordered_map<std::uint64_t, std::unique_ptr<connection>> connections_;
  std::map<std::string, std::size_t> pending_by_address_;
  std::vector<std::byte> buffer_;
  counters counters_;

  mutable std::mutex mutex_; ///< of the two below
  std::shared_ptr<const tls_context> context_;
  std::string last_failure_;

  std::atomic<bool> stopping_{false};
  std::mutex stop_mutex_; ///< of the join; never held by the thread itself
  std::thread thread_;
};

} // namespace neuroplex::tunnel
