// All Raft groups of a node: one thread with its sockets, one for the disk.
//
// Purpose: the driver of the groups. Requests, messages of peers, what the disk
// has done and time come together in one loop; each round of it is one turn of
// a group. The data path between peers is its own: framed TCP on loopback, one
// connection in each direction.
//
// Ownership and threads: owns its threads, log, snapshots and connections;
// refers to a store that outlives it. `submit`, `set_peer`, the operator's
// wishes and `report` may be called by any thread; completions run in the
// loop's thread and must not block.
//
// Invariants:
//  1. It listens on loopback only, and talks to processes of the same user that
//     name the cluster, themselves and us.
//  2. Every wish is completed once.
//  3. Nothing is answered before the disk of a majority has it.
//
// Failure behaviour: `open` says what is wrong with directory, log or options.
// Later, a group whose disk fails takes no further part, which `report` tells.
#pragma once

#include "actors/agreement/group.hpp"
#include "actors/agreement/log_writer.hpp"
#include "actors/agreement/requester.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace neuroplex::agreement {

struct host_options {
  std::string cluster = "local";
  raft::node_id self = raft::nobody;
  std::vector<raft::node_id> members{}; ///< of the first configuration
  std::vector<raft::node_id> peers{};   ///< others that may become members
  std::string directory{};              ///< of log and snapshots
  std::string listen_host = "127.0.0.1";
  std::uint16_t port = 0; ///< 0: any
  std::vector<std::string> spaces{};

  std::chrono::milliseconds election_timeout{300};
  std::chrono::milliseconds heartbeat{50};
  bool lease_reads = false;
  std::uint64_t snapshot_after_bytes = std::uint64_t{64} << 20;
  std::uint64_t segment_bytes = std::uint64_t{64} << 20;
  std::uint64_t seed = 0; ///< of election timeouts and of the log's salts
};

struct peer_connection {
  raft::node_id id = raft::nobody;
  bool to_it = false;   ///< our connection stands
  bool from_it = false; ///< its connection to us stands
  raft::incarnation_number incarnation = 0;
};

struct host_report {
  bool formed = false; ///< false until all first members have met
  raft::incarnation_number incarnation = 0;
  std::vector<group_status> groups{};
  std::vector<peer_connection> peers{};
  log_writer::report log{};
  std::uint64_t refused_connections = 0;
  std::vector<std::string> problems{}; ///< met at the start
};

class host {
public:
  /// `config`, `locked`, `bad_path`, `corrupt` or any code of the log.
  static expected<std::unique_ptr<host>> open(const host_options& options,
                                              memory::store& store);

  ~host();
  host(const host&) = delete;
  host& operator=(const host&) = delete;

  void start();
  void stop() noexcept;

  [[nodiscard]] std::uint16_t port() const noexcept;

  /// Where a peer listens, on a loopback address; may change.
  void set_peer(raft::node_id peer, const std::string& address,
                std::uint16_t port);

  void submit(group_id group, wish what);

  /// The same for many, which costs hardly more than one.
  void submit(group_id group, std::vector<wish> what);

  // -- an operator's wishes, to be asked of the node that leads ---------------

  /// A node that is no member becomes a learner; a learner becomes a voter.
  void add_member(group_id group, raft::node_id who, operator_answer done);
  void remove_member(group_id group, raft::node_id who, operator_answer done);
  void transfer(group_id group, raft::node_id to, operator_answer done);
  void take_snapshot(group_id group, operator_answer done);

  /// At most a few milliseconds old.
  [[nodiscard]] host_report report() const;

private:
  class implementation;

  explicit host(std::unique_ptr<implementation> inside);

  std::unique_ptr<implementation> inside_;
};

/// The one group there is at present.
inline constexpr group_id first_group = 1;

} // namespace neuroplex::agreement
