// The connections between the agreement parts of a node and its peers.
//
// Purpose: one connection in each direction between every two nodes; each node
// opens the one that carries what it sends. Connects and connects again,
// admits who is who it says, cuts bytes into frames and hands them on. What a
// greeting has to say beyond cluster and ids is its owner's business.
//
// Ownership and threads: owns its sockets, refers to an owner that outlives it.
// One thread at a time, but for `wake`, which any thread may call. Calls of the
// owner come from inside `take_arrived`, `connect`, `send_all` and `set_peer`.
//
// Invariants:
//  1. It listens on loopback only, and talks to processes of the same user that
//     name the cluster, themselves and us. With `origins`, who it is was shown
//     by a certificate, and such a process is the tunnel of this node.
//  2. A peer has one connection to us at a time: the latest.
//  3. Connections without a greeting are few, and not for long.
//
// Failure behaviour: `open` says why it cannot listen. Whoever says what is not
// a frame, or what its owner does not agree with, is closed and counted.
#pragma once

#include "actors/agreement/connection.hpp"
#include "actors/tunnel/stream_origins.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <sys/epoll.h>

namespace neuroplex::agreement {

struct mesh_options {
  std::string cluster = "local";
  raft::node_id self = raft::nobody;
  std::vector<raft::node_id> peers{}; ///< may have our own id among them
  std::string listen_host = "127.0.0.1";
  std::uint16_t port = 0; ///< 0: any

  /// Where set, connections to us come through the tunnel, which knows whose
  /// each is; no other is admitted.
  std::shared_ptr<const tunnel::stream_origins> origins{};
};

class mesh {
public:
  class owner {
  public:
    owner() = default;
    owner(const owner&) = delete;
    owner& operator=(const owner&) = delete;
    virtual ~owner() = default;

    /// What we say of ourselves; cluster, from and to are filled in.
    [[nodiscard]] virtual greeting greet() const = 0;

    /// Whether we may work with who says that.
    virtual bool agrees(const greeting& what) = 0;

    /// One that we agree with has said that, perhaps again.
    virtual void heard(const greeting& what) = 0;

    /// A connection to or from it stands.
    virtual void met(raft::node_id peer) = 0;

    /// One of them is gone; `ours` is the one that carries what we send.
    virtual void lost(raft::node_id peer, bool ours) = 0;

    /// Anything but a greeting.
    virtual void take(raft::node_id from, frame what) = 0;
  };

  /// Why it cannot listen.
  static expected<std::unique_ptr<mesh>> open(const mesh_options& options,
                                              owner& whose);

  mesh(const mesh&) = delete;
  mesh& operator=(const mesh&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept {
    return port_;
  }

  /// On the clock that `wait` goes by.
  [[nodiscard]] static raft::time now();

  /// Ends a `wait`, the present one or the next.
  void wake() const noexcept;

  /// Waits until something arrives, it is woken, or `until`. Follow with
  /// `take_arrived`.
  void wait(raft::time until);

  /// Hands on what has arrived.
  void take_arrived(raft::time now);

  /// When `connect` has something to do.
  [[nodiscard]] raft::time next_attempt() const;

  /// Connects to peers that are not.
  void connect(raft::time now);

  /// Sends what stands in outputs.
  void send_all(raft::time now);

  /// Closes who has not said who it is in time.
  void drop_silent(raft::time now);

  /// Where a peer listens, on a loopback address; may change.
  void set_peer(raft::node_id peer, const std::string& address,
                std::uint16_t port, raft::time now);

  /// Says our greeting once more to all, since it has changed.
  void greet_again();

  /// Where frames to a peer are appended; null while none would arrive.
  [[nodiscard]] std::string* output_to(raft::node_id peer);

  /// Our connection to it stands.
  [[nodiscard]] bool reaches(raft::node_id peer) const;

  /// Its connection to us stands.
  [[nodiscard]] bool hears(raft::node_id peer) const;

  /// How often connections to or from it were made.
  [[nodiscard]] std::uint64_t meetings(raft::node_id peer) const;

  /// Connections that were closed for what came on them.
  [[nodiscard]] std::uint64_t refused() const noexcept {
    return refused_;
  }

private:
  // What a readiness event is about.
  enum class source : std::uint32_t { wake, listener, to_peer, from_peer };

  static constexpr std::uint64_t token(source what, std::uint64_t number) {
    return static_cast<std::uint64_t>(what) << 56 | number;
  }

  // Our connection to a peer, and what we know of it.
  struct peer {
    raft::node_id id = raft::nobody;
    std::string address{};
    std::uint16_t port = 0; // 0: not known yet
    connection link{};
    bool connected = false; // the socket
    bool greeted = false;   // and the other side has answered
    bool wants_writable = false;
    raft::time next_attempt{};
    raft::time attempt_ends{};
    std::uint64_t meetings = 0; // of both directions
    std::uint64_t incoming = 0; // number of its connection to us; 0: none
  };

  struct incoming_link {
    connection link{};
    raft::node_id from = raft::nobody; // before its greeting
    std::uint16_t port = 0;            // at its end
    raft::time must_greet_by{};
  };

  mesh(const mesh_options& options, owner& whose);

  expected<void> listen();
  void watch(int descriptor, std::uint64_t what, bool writable);
  void rewatch(int descriptor, std::uint64_t what, bool writable);
  void begin_connect(peer& to, raft::time now);
  void on_peer(peer& to, std::uint32_t events, raft::time now);
  void drop(peer& to, raft::time now);
  void accept_all(raft::time now);
  void on_incoming(std::uint64_t number);
  void drop_incoming(std::uint64_t number);
  void refuse(std::uint64_t number);
  bool admit(const greeting& what, std::uint64_t number);
  void met(peer& who);
  [[nodiscard]] greeting greeting_to(raft::node_id to) const;

  mesh_options options_;
  owner& owner_;
  tunnel::socket_handle epoll_;
  tunnel::socket_handle wake_;
  tunnel::socket_handle listener_;
  std::map<raft::node_id, peer> peers_;
  std::unordered_map<std::uint64_t, incoming_link> incoming_;
  std::uint64_t last_incoming_ = 0;
  std::uint64_t refused_ = 0;
  std::uint16_t port_ = 0;
  std::array<epoll_event, 64> events_{}; // of the last wait
  std::size_t event_count_ = 0;
};

} // namespace neuroplex::agreement
