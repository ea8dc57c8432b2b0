// One node's part in one Raft group: the core, the state machine, and who waits
// for what.
//
// Purpose: turns requests into entries and applied entries into answers, and
// carries out what the core wants but for sending and writing, which it hands
// out. It is told everything that happens, and then has one `turn`, so that
// whatever came in together shares one entry, one write and one message a peer.
//
// Ownership and threads: owns core and state machine; refers to a store and
// to snapshot files. One thread at a time.
//
// Invariants:
//  1. A request is replied to once, or its requester is told to ask again.
//  2. Whoever was answered `done` finds it done on every later leader.
//
// Failure behaviour: a disk, a snapshot or a state machine that fails stops
// this node's part in the group for good; `problem` says why.
#pragma once

#include "actors/agreement/change_feed.hpp"
#include "actors/agreement/service.hpp"
#include "actors/agreement/snapshot_files.hpp"
#include "consensus/raft/core.hpp"
#include "consensus/store_machine/store_machine.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace neuroplex::agreement {

/// Which of `groups` (1 to max_groups) has a key: one that has its range of
/// hash slots. Keys with the same hash tag are in the same group.
[[nodiscard]] group_id group_of(std::string_view key, std::uint64_t groups);

/// What a turn wants done.
struct group_output {
  struct reply {
    raft::node_id to = raft::nobody;
    reply_frame what{};
  };

  struct snapshot {
    raft::snapshot_meta meta{};
    std::string state{};
  };

  std::vector<raft::message> messages{};
  std::vector<raft::disk_write> writes{};
  std::vector<reply> replies{};
  std::optional<snapshot> to_keep{}; ///< answered with `snapshot_kept`
  bool role_changed = false;

  void clear();
};

struct group_status {
  group_id group = 0;
  raft::status core{};
  std::uint64_t proposals = 0; ///< entries proposed here as the leader
  std::uint64_t commands = 0;  ///< applied
  std::uint64_t reads = 0;
  std::uint64_t snapshots = 0; ///< taken here
  std::uint64_t installed = 0; ///< received from a leader
  std::uint64_t elections = 0; ///< terms in which this node led
  std::size_t sessions = 0;
  std::string problem{};
};

class group {
public:
  struct options {
    group_id id = 0;
    raft::options raft{};
    store_machine::machine_options machine{};
    std::vector<std::string> spaces{}; ///< the namespaces it has keys of
    std::uint64_t groups = 1;          ///< that share them
    change_feed* feed = nullptr;       ///< told of changes; outlives the group

    /// A snapshot is taken when so much was applied since the last one.
    std::uint64_t snapshot_after_bytes = std::uint64_t{64} << 20;
  };

  /// Puts the state machine at the latest snapshot. As machine::restore and
  /// raft::core::create.
  static expected<std::unique_ptr<group>>
  open(const options& settings, memory::store& store, snapshot_files files,
       raft::durable_state state, raft::time now);

  // -- what happens; each is followed by a turn
  // --------------------------------

  /// False when no turn is needed for it.
  bool receive(raft::message what, raft::time now);
  void request(raft::node_id from, request_frame what);
  void written(raft::write_id write, raft::time now);
  void disk_failed(const std::string& why, raft::time now);
  void lost_peer(raft::node_id peer, raft::time now);
  void snapshot_kept(const raft::snapshot_meta& meta, expected<void> how,
                     raft::time now);

  // -- an operator's wishes
  // -----------------------------------------------------

  void change(std::vector<raft::member_change> changes, operator_answer done,
              raft::time now);
  void transfer(raft::node_id to, operator_answer done, raft::time now);
  void take_snapshot(operator_answer done);

  /// Says what to do about all of it. `unix_ms` is what the log's time follows;
  /// `may_keep` whether a snapshot may be begun.
  void turn(raft::time now, std::int64_t unix_ms, bool may_keep,
            group_output& out);

  /// When a turn must come at the latest, `unix_ms` being the present.
  [[nodiscard]] raft::time next_deadline(raft::time now,
                                         std::int64_t unix_ms) const;

  [[nodiscard]] raft::node_id leader() const noexcept {
    return leader_;
  }

  [[nodiscard]] raft::term_number term() const noexcept {
    return term_;
  }

  [[nodiscard]] group_status status() const;

  /// Whether `status` may say something else than at the last call of this. A
  /// heartbeat alone is no news.
  [[nodiscard]] bool take_news() noexcept {
    return std::exchange(news_, false);
  }

  /// Whether this node leads, and `to` is a voter that follows closely.
  [[nodiscard]] bool could_hand_over_to(raft::node_id to) const;

  /// Stands for election at once.
  void campaign(raft::time now);

private:
  struct asker {
    raft::node_id from = raft::nobody;
    std::uint64_t tag = 0;
  };

  struct gathered_command {
    asker who{};
    request_frame what{};
  };

  struct gathered_read {
    asker who{};
    std::string batch{};
  };

  // An entry that this node proposed as the leader.
  struct own_entry {
    raft::term_number term = 0;
    raft::request_id proposal = 0;
    std::vector<asker> askers{};
  };

  group(const options& settings, memory::store& store, snapshot_files files,
        raft::core core);

  [[nodiscard]] bool expiry_due(std::int64_t unix_ms) const;
  void propose_gathered(raft::time now, std::int64_t unix_ms);
  void ask_for_reads(raft::time now);
  void carry_out(raft::time now, group_output& out);
  void take_answer(const raft::answer& what, group_output& out);
  void apply(std::vector<raft::entry>& committed, raft::time now,
             group_output& out);
  void answer_commands(const raft::entry& what,
                       std::vector<store_machine::command_answer> answers,
                       group_output& out);
  void serve_reads(group_output& out);
  void carry_out_snapshots(raft::time now, group_output& out);
  void consider_snapshot(bool may_keep, group_output& out);
  void stop(const std::string& why, raft::time now);
  void tell_lost(const std::vector<asker>& askers, reply_verdict verdict,
                 group_output& out);

  options options_;
  store_machine::machine machine_;
  snapshot_files files_;
  raft::core core_;
  raft::effects effects_;
  raft::node_id leader_ = raft::nobody;
  raft::role role_ = raft::role::follower;
  raft::term_number term_ = 0;
  raft::log_index applied_ = 0;
  bool absorbed_ = false; ///< something came in while a turn was carried out
  bool news_ = true;

  std::vector<gathered_command> commands_;
  std::vector<gathered_read> reads_;
  std::vector<asker> refused_; ///< since this node does not lead
  std::vector<asker> full_;    ///< since the segment is

  raft::request_id last_request_ = 0;
  std::map<raft::request_id, std::vector<std::vector<asker>>> proposals_;
  std::map<raft::log_index, own_entry> own_entries_;
  std::map<raft::request_id, std::vector<gathered_read>> asked_reads_;
  std::multimap<raft::log_index, std::vector<gathered_read>> ready_reads_;
  std::map<raft::request_id, operator_answer> wishes_;

  std::uint64_t applied_bytes_ = 0; ///< since the last snapshot
  bool snapshot_wanted_ = false;
  bool snapshot_under_way_ = false;
  std::vector<operator_answer> snapshot_wishes_;
  group_status counters_;
};

} // namespace neuroplex::agreement
