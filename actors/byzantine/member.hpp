// One node's part in a Byzantine group: the replica, the clients that ask on
// behalf of whoever is connected here, and who waits for what.
//
// Purpose: gathers wishes into operations, has them agreed on, and gives each
// its answer; carries out what the core of `consensus/hybrid` wants but for
// sending and writing, which it hands out. A group by PBFT is one whose
// replicas never vote for Raft. It is told everything that happens, and then
// has one `turn`.
//
// Ownership and threads: owns core, clients and state machine; refers to a
// store. One thread at a time. No socket, thread, file or clock.
//
// Invariants:
//  1. Every wish is completed once, within its time. A write that may have been
//     done and has no answer is `unknown_outcome`.
//  2. A result is believed when a quorum of replicas says the same; in an epoch
//     by Raft, when its leader says so.
//  3. Writes take effect in the order in which they came.
//  4. At most `max_waiting` wishes wait; more are refused as `busy`.
//
// Failure behaviour: a disk or a state machine that fails stops this node's
// replica for good; `member_status::problem` says why. Its clients go on with
// the other replicas.
#pragma once

#include "actors/agreement/service.hpp"
#include "actors/byzantine/parties.hpp"
#include "actors/byzantine/store_replica.hpp"
#include "consensus/hybrid/client.hpp"
#include "consensus/hybrid/core.hpp"

#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace neuroplex::byzantine {

struct member_status {
  hybrid::status core{};
  std::uint64_t operations = 0; ///< asked for by this node
  std::uint64_t wishes = 0;     ///< carried by them
  std::uint64_t reads = 0;      ///< wishes that change nothing
  std::uint64_t switches = 0;   ///< of mode, seen here
  std::string problem{};
};

/// What a turn wants done.
struct member_output {
  std::vector<pbft::packet> packets{}; ///< for parties of other nodes
  std::vector<hybrid::disk_write> writes{};

  void clear() {
    packets.clear();
    writes.clear();
  }
};

class member {
public:
  struct options {
    hybrid::options core{};
    std::vector<std::string> spaces{};
    std::size_t max_waiting = 32'768;
  };

  /// As hybrid::core::create. The namespaces must be empty. `first_request` is
  /// above all that this node gave in an earlier life.
  static expected<std::unique_ptr<member>>
  open(const options& settings, memory::store& store,
       const std::shared_ptr<const pbft::crypto>& keys,
       hybrid::durable_state state, pbft::timestamp first_request,
       pbft::time now);

  // -- what happens; each is followed by a turn

  void add(agreement::wish what);
  void receive(const pbft::packet& what, pbft::time now);
  void written(hybrid::write_id write, pbft::time now);
  void disk_failed(const std::string& why, pbft::time now);

  /// The operator wants the present epoch by Raft to end.
  void end_epoch(pbft::time now);

  /// Says what to do about all of it. `unix_ms` is what is said about time.
  void turn(pbft::time now, std::int64_t unix_ms, member_output& out);

  /// When a turn must come at the latest, `unix_ms` being the present.
  [[nodiscard]] pbft::time next_deadline(pbft::time now,
                                         std::int64_t unix_ms) const;

  /// Completes all as if their time were over.
  void give_up();

  [[nodiscard]] member_status status() const;

private:
  struct asking_client {
    hybrid::client asks;
    bool read = false;
    bool carries = false; ///< an operation of wishes, or of none but a time
    std::vector<agreement::wish> wishes{};
  };

  member(const options& settings, std::shared_ptr<store_replica::board> shared,
         const store_replica& settled, hybrid::core core,
         std::vector<asking_client> clients);

  [[nodiscard]] const store_machine::machine& machine() const;
  [[nodiscard]] bool time_is_due(std::int64_t unix_ms) const;
  void drop_late(pbft::time now);
  void ask(pbft::time now, std::int64_t unix_ms);
  void ask_for(asking_client& by, std::deque<agreement::wish>& from, bool read,
               pbft::time now, std::int64_t unix_ms);
  void take(asking_client& by, hybrid::client_effects& wanted);
  void answer(asking_client& by, std::string_view result);
  void deliver(pbft::packet what, pbft::time now, member_output& out);
  void stop(const std::string& why, pbft::time now);

  options options_;
  std::shared_ptr<store_replica::board> board_;
  const store_replica* settled_; ///< owned by the core
  hybrid::core core_;
  hybrid::effects effects_;
  std::vector<asking_client> clients_;
  std::deque<agreement::wish> writes_;
  std::deque<agreement::wish> reads_;
  std::deque<pbft::packet> leaving_; ///< of clients and core, not looked at yet
  bool absorbed_ = true;             ///< something came in for the core
  pbft::time time_told_at_{};
  member_status counters_;
};

} // namespace neuroplex::byzantine
