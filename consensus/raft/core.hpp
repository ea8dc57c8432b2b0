// One node of one Raft group, without any input or output of its own.
//
// Purpose: leader election (pre-vote, check-quorum), log replication (batched,
// pipelined, the leader's disk in parallel), membership by joint consensus,
// snapshots, ReadIndex and lease reads, transfer of leadership. The driver
// tells what happened (`input`), and carries out what is wanted (`effects`).
//
// Ownership and threads: one thread at a time. No clock, randomness, thread,
// socket or file: time comes with each step, chance from options::seed.
//
// Batching: `step` takes in one input and says what to do. `absorb` as many as
// there are, then one `flush`, does the same with one write, and one append a
// peer, for all of them.
//
// Invariants:
//  1. A message leaves only when the term it names is durable, and the vote or
//     the entries that it promises. Requests for pre-votes and their grants
//     promise nothing.
//  2. The vote of a term changes once at most, from nobody, whatever the role.
//  3. An entry is committed when a majority of its configuration (both, when it
//     is joint) has it on disk and it is of the leader's own term, or precedes
//     such an entry. Committed entries are never truncated.
//  4. A voter is counted only under the incarnation that the configuration
//     names: who lost his disk has not voted and has no log, as a voter.
//  5. After a failed write the node says and does nothing any more.
//
// Failure behaviour: messages that no correct peer sends are dropped and
// counted. A durable state that contradicts itself is refused by `create`.
#pragma once

#include "consensus/raft/durability.hpp"
#include "consensus/raft/effects.hpp"
#include "consensus/raft/input.hpp"
#include "consensus/raft/log.hpp"
#include "consensus/raft/membership_log.hpp"
#include "consensus/raft/options.hpp"
#include "consensus/raft/progress.hpp"
#include "consensus/raft/quorum.hpp"

#include <deque>
#include <memory>
#include <optional>

namespace neuroplex::raft {

struct peer_status {
  node_id id = nobody;
  incarnation_number incarnation = 0;
  progress_state state = progress_state::probe;
  log_index match = 0;
  log_index next = 0;
  std::size_t inflight_messages = 0;
  std::size_t inflight_bytes = 0;
  bool recently_active = false;
};

struct status {
  node_id id = nobody;
  incarnation_number incarnation = 0;
  raft::role role = raft::role::follower;
  bool voter = false; ///< counted as one, under its own incarnation
  term_number term = 0;
  node_id vote = nobody;
  node_id leader = nobody;
  node_id transfer_to = nobody;
  log_index commit = 0;
  log_index applied = 0;
  log_index first_index = 0;
  log_index last_index = 0;
  term_number last_term = 0;
  log_index durable_index = 0;
  log_index snapshot_index = 0;
  std::size_t log_bytes = 0;
  configuration members{};
  log_index members_index = 0;
  bool lease = false;             ///< a lease read would be answered now
  std::uint64_t odd_messages = 0; ///< dropped: no correct peer sends such
  std::vector<peer_status> peers{};
};

class core {
public:
  /// A node as its disk remembers it. `errc::config`: options out of range;
  /// `errc::corrupt`: the durable state contradicts itself.
  static expected<core> create(const options& settings, durable_state state,
                               time now);

  /// Takes one input in and says what to do. `out` is cleared first; its memory
  /// is used again.
  void step(const input& what, time now, effects& out);

  /// Takes one input in. Follow with `flush`.
  void absorb(const input& what, time now);

  /// Says what to do about all that was absorbed.
  void flush(time now, effects& out);

  /// Whether `flush` may have anything to say. A driver of many groups need not
  /// ask those that have not.
  [[nodiscard]] bool wants_flush() const noexcept;

  /// When `tick` must come at the latest.
  [[nodiscard]] time next_deadline() const noexcept;

  [[nodiscard]] status state() const;

  [[nodiscard]] const options& settings() const noexcept {
    return options_;
  }

  /// For checkers and tests: the log as it is in memory.
  [[nodiscard]] const raft_log& log() const noexcept {
    return log_;
  }

  /// What a snapshot of the state machine at `index` must say; the driver adds
  /// bytes and checksum. Nothing unless `index` is applied and above the last
  /// snapshot.
  [[nodiscard]] std::optional<snapshot_meta>
  snapshot_meta_at(log_index index) const;

private:
  enum class election : std::uint8_t { pre, real, transfer };

  struct held_message {
    write_id after = 0;
    message what{};
  };

  struct voted {
    node_id id = nobody;
    bool granted = false;
  };

  struct open_proposal {
    request_id request = 0;
    log_index last = 0;
  };

  struct open_transfer {
    request_id request = 0;
    node_id to = nobody;
    time deadline{};
    bool told = false;
  };

  struct open_round {
    std::uint64_t round = 0;
    time sent_at{};
  };

  struct incoming_snapshot {
    snapshot_meta meta{};
    node_id from = nobody;
    std::uint64_t stored = 0;
    std::uint64_t asked = 0; ///< what our driver was given
    bool complete = false;
    bool installing = false;
  };

  core(const options& settings, durable_state state, time now);

  // Inputs.
  void on(const tick& what);
  void on(const received& what);
  void on(const propose& what);
  void on(const read& what);
  void on(const change_membership& what);
  void on(const transfer_leadership& what);
  void on(const persisted& what);
  void on(const persist_failed& what);
  void on(const applied& what);
  void on(const snapshot_taken& what);
  void on(const chunk_read& what);
  void on(const chunk_unavailable& what);
  void on(const chunk_stored& what);
  void on(const snapshot_installed& what);
  void on(const snapshot_failed& what);
  void on(const peer_unreachable& what);
  void on(const campaign& what);
  void on(const forget_leader& what);

  // Messages, in a term that is not above ours.
  void receive(const message& head, const vote_request& body);
  void receive(const message& head, const vote_reply& body);
  void receive(const message& head, const append_request& body);
  void receive(const message& head, const append_reply& body);
  void receive(const message& head, const heartbeat& body);
  void receive(const message& head, const heartbeat_reply& body);
  void receive(const message& head, const snapshot_chunk& body);
  void receive(const message& head, const snapshot_reply& body);
  void receive(const message& head, const timeout_now& body);

  // Elections and offices (core_election.cpp).
  [[nodiscard]] bool admit_term(const message& what);
  void answer_older_term(const message& what);
  [[nodiscard]] bool promised_to_leader() const noexcept;
  [[nodiscard]] bool may_vote_for(const message& head,
                                  const vote_request& body) const noexcept;
  [[nodiscard]] bool up_to_date(const vote_request& body) const noexcept;
  [[nodiscard]] bool may_campaign() const noexcept;
  void start_election(election kind);
  void start_real_election(bool transfer);
  void count_vote(node_id id, bool granted);
  void conclude_election();
  void count_own_durable_vote();
  void enter_term(term_number term);
  void become_follower(term_number term, node_id leader);
  void become_leader();
  void leave_office();
  void follow(const message& head);
  void restart_election_timer();
  void check_quorum();
  [[nodiscard]] time next_beat() const noexcept;
  [[nodiscard]] std::uint64_t next_random() noexcept;

  // Replication (core_replication.cpp).
  log_index append_own(entry_kind kind, slice data);
  void truncate_log(log_index from);
  void note_entry(const entry& what);
  void learn_commit(log_index index);
  void advance_commit();
  [[nodiscard]] log_index counted_match(member who) const noexcept;
  [[nodiscard]] bool committed_own_term() const noexcept;
  void broadcast_heartbeat();
  void send_appends();
  bool send_append(progress& peer, bool wanted);
  [[nodiscard]] bool window_open(const progress& peer) const noexcept;
  void hand_out_committed();
  void settle_proposals();

  // Reads, leases and transfer (core_reads.cpp).
  [[nodiscard]] bool lease_holds() const noexcept;
  void serve_reads();
  void confirm_rounds();
  void forget_rounds();
  void refuse_reads(refusal why);
  void advance_transfer();
  void end_transfer(answer_kind kind, refusal why);

  // Membership (core_membership.cpp).
  [[nodiscard]] refusal
  check_change(const std::vector<member_change>& changes) const;
  [[nodiscard]] std::vector<member_change>
  with_incarnations(std::vector<member_change> changes) const;
  void make_early_change();
  void membership_changed();
  void renew_peers();
  void retire_peers();
  void after_commit_of_membership();

  // Snapshots (core_snapshot.cpp).
  void begin_snapshot(progress& peer);
  void ask_chunk(progress& peer);
  void answer_chunk(node_id to, log_index index, bool installed, bool refused,
                    std::uint64_t next_offset, write_id after);
  [[nodiscard]] bool installing() const noexcept;
  [[nodiscard]] bool
  has_snapshot_point(const snapshot_meta& meta) const noexcept;

  // What leaves (core.cpp).
  void refuse_when_stopped(const input& what);
  void send(node_id to, message_body body, write_id after);
  void send_unbound(node_id to, term_number term, message_body body);
  void release_held();
  void reply(request_id request, answer_kind kind, refusal why);
  void compose_write();
  void compose_notices();
  void mark_hard_dirty() noexcept;
  [[nodiscard]] bool write_needed() const noexcept;
  [[nodiscard]] write_id promise_of_entries(log_index index) const noexcept;
  [[nodiscard]] progress* find_peer(node_id id) noexcept;
  [[nodiscard]] const progress* find_peer(node_id id) const noexcept;
  [[nodiscard]] progress* known_peer(const message& head);
  [[nodiscard]] member self() const noexcept {
    return {options_.id, options_.incarnation};
  }
  [[nodiscard]] bool leads() const noexcept {
    return role_ == role::leader;
  }

  options options_;
  time now_{};

  // What is, or is about to be, durable.
  term_number term_ = 0;
  node_id vote_ = nobody;
  write_id hard_write_ = 0; ///< makes the present term and vote durable
  raft_log log_;
  membership_log members_;
  write_tracker tracker_;
  snapshot_meta own_snapshot_;

  // What the next write carries.
  bool hard_dirty_ = false;
  log_index unwritten_from_ = 1;
  std::optional<log_index> truncate_from_;
  std::optional<log_index> reset_to_;
  std::optional<log_index> compact_to_;

  log_index commit_ = 0;
  log_index handed_out_ = 0;
  log_index applied_ = 0;

  role role_ = role::follower;
  node_id leader_ = nobody;
  std::vector<voted> votes_;
  bool own_vote_counted_ = false;
  std::uint64_t random_ = 0;
  time election_deadline_{};
  /// Until then a promise to the last leader heard of stands.
  time promised_until_{time::min()};

  // As a leader.
  std::vector<progress> peers_;
  time heartbeat_deadline_{};
  time quorum_deadline_{};
  std::deque<open_proposal> proposals_;
  std::size_t uncommitted_bytes_ = 0;
  std::optional<open_transfer> transfer_;
  /// Asked for before anything of this term was committed.
  std::optional<change_membership> early_change_;
  /// Somebody was told to campaign in spite of the lease: none in this term.
  bool lease_given_up_ = false;
  time lease_until_{time::min()};
  std::uint64_t round_ = 0;
  std::uint64_t confirmed_round_ = 0;
  std::uint64_t round_floor_ = 0; ///< rounds up to here count no more
  std::deque<open_round> rounds_;
  std::vector<request_id> waiting_reads_;
  std::vector<request_id> round_reads_;
  std::uint64_t reads_round_ = 0;
  log_index reads_index_ = 0;

  std::optional<incoming_snapshot> incoming_;

  std::deque<held_message> held_;
  effects pending_;
  role_notice told_role_;
  log_index told_members_index_ = 0;
  bool told_members_committed_ = true;
  std::uint64_t odd_messages_ = 0;
};

} // namespace neuroplex::raft
