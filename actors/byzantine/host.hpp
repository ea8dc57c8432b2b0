// The Byzantine group of a node: one thread with its sockets, one for the disk.
//
// Purpose: the driver of `member`. Wishes, packets of peers, what the disk has
// done and time come together in one loop; each round of it is one turn, with
// one sending a peer. What turns want written while the disk is busy is written
// with its next flush. The connections are those of `actors/agreement`; what
// travels on them is believed by its MACs and signatures alone.
//
// Ownership and threads: owns its threads, log, keys and connections; refers to
// a store that outlives it. As agreement::service.
//
// Invariants:
//  1. No connection is kept to or from a node that does not say the key which
//     is written down for it, once the nodes have met.
//  2. Nothing leaves that rests on what is not durable yet: the core holds it
//     back, and is told of a write when its flush is done.
//
// Failure behaviour: `open` says what is wrong with directory, log or options.
// Later, a replica whose disk fails takes no further part, which `report`
// tells; its node's clients go on with the others.
#pragma once

#include "actors/agreement/service.hpp"
#include "actors/byzantine/member.hpp"
#include "actors/byzantine/replica_log.hpp"
#include "actors/tunnel/stream_origins.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace neuroplex::byzantine {

struct host_options {
  std::string cluster = "local";
  hybrid::node_id self = 0;
  std::vector<hybrid::node_id> members{}; ///< us included; 3 f + 1 of them
  agreement::protocol how = agreement::protocol::pbft; ///< or hybrid
  std::string directory{};                             ///< of log and keys
  std::string listen_host = "127.0.0.1";
  std::uint16_t port = 0; ///< 0: any
  /// As mesh_options::origins.
  std::shared_ptr<const tunnel::stream_origins> origins{};
  std::vector<std::string> spaces{};

  /// Who is to act and does not for so long is replaced.
  std::chrono::milliseconds patience{300};
  /// How often each says where it is.
  std::chrono::milliseconds heartbeat{50};
  /// How long all must have been trusted before Raft is voted for.
  std::chrono::milliseconds calm{5'000};
  std::uint64_t segment_bytes = std::uint64_t{64} << 20;
  std::uint64_t seed = 0; ///< of the log's salts
};

struct host_report {
  bool formed = false; ///< false until all members have met
  member_status member{};
  std::vector<agreement::peer_connection> peers{};
  std::string fingerprint{}; ///< of this node's key
  std::size_t faults = 0;    ///< that the group bears
  replica_log::report log{};
  bool log_full = false;
  std::uint64_t refused_connections = 0;
  std::vector<std::string> problems{};
};

class host final : public agreement::service {
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
  [[nodiscard]] agreement::group_id
  group_of(std::string_view key) const noexcept override;
  using service::submit;
  void submit(std::vector<agreement::wish> what) override;
  [[nodiscard]] std::size_t other_copies() const override;

  /// "pbft" has this replica want the present epoch by Raft to end; it does
  /// when f + 1 replicas were told so.
  void operate(const std::string& wish, raft::node_id node,
               agreement::group_id group,
               agreement::operator_answer done) override;

  /// At most a few milliseconds old.
  [[nodiscard]] host_report report() const;

private:
  class implementation;

  explicit host(std::unique_ptr<implementation> inside);

  std::unique_ptr<implementation> inside_;
};

} // namespace neuroplex::byzantine
