// All Raft groups of a node: one thread with its sockets, one for the disk.
//
// Purpose: the driver of the groups, each of which has a range of hash slots.
// Requests, messages of peers, what the disk has done and time come together in
// one loop; each round of it is one turn of the groups that have something to
// do, with one write to the log and one sending a peer for all of them. The
// data path between peers is its own: framed TCP on loopback, to other hosts
// through the tunnel, one connection in each direction.
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
//  4. A group in which nothing happens costs its heartbeats alone, and those of
//     all groups share a message. Leaders are spread over the nodes.
//
// Failure behaviour: `open` says what is wrong with directory, log or options.
// Later, a group whose disk fails takes no further part, which `report` tells.
#pragma once

#include "actors/agreement/group.hpp"
#include "actors/agreement/log_writer.hpp"
#include "actors/agreement/service.hpp"
#include "actors/tunnel/stream_origins.hpp"

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
  /// As mesh_options::origins.
  std::shared_ptr<const tunnel::stream_origins> origins{};
  std::vector<std::string> spaces{};
  std::uint64_t groups = 1; ///< that keys are spread over; 1 to max_groups

  std::chrono::milliseconds election_timeout{300};
  std::chrono::milliseconds heartbeat{50};
  bool lease_reads = false;
  std::uint64_t snapshot_after_bytes = std::uint64_t{64} << 20;
  std::uint64_t segment_bytes = std::uint64_t{64} << 20;
  std::uint64_t seed = 0; ///< of election timeouts and of the log's salts
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

class host final : public service {
public:
  /// `config`, `locked`, `bad_path`, `corrupt` or any code of the log.
  static expected<std::unique_ptr<host>> open(const host_options& options,
                                              memory::store& store);

  ~host() override;

  void start() override;
  void stop() noexcept override;
  [[nodiscard]] std::uint16_t port() const noexcept override;
  void set_peer(raft::node_id peer, const std::string& address,
                std::uint16_t port) override;
  [[nodiscard]] group_id group_of(std::string_view key) const noexcept override;
  using service::submit;
  void submit(std::vector<wish> what) override;
  [[nodiscard]] std::size_t other_copies() const override;

  /// "add", "remove", "transfer" or "snapshot", as below.
  void operate(const std::string& wish, raft::node_id node, group_id group,
               operator_answer done) override;

  /// Tells what changes in the keys of a namespace, as this node applies it:
  /// it may lag behind the leader, and goes on while there is none.
  void watch(watch_wish what);

  // -- an operator's wishes, for one group or `all_groups`
  // ---------------------

  static constexpr group_id all_groups = 0;

  /// Has whoever leads carry it out. What was done in some of the groups only
  /// is a failure that says so; it may be asked again. `unknown_outcome` when
  /// no answer came.
  void order(group_id group, order_kind kind, raft::node_id node,
             operator_answer done);

  /// Of this node's copy.
  void take_snapshot(group_id group, operator_answer done);

  /// At most a few milliseconds old.
  [[nodiscard]] host_report report() const;

private:
  class implementation;

  explicit host(std::unique_ptr<implementation> inside);

  std::unique_ptr<implementation> inside_;
};

} // namespace neuroplex::agreement
