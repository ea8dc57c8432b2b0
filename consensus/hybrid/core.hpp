// One replica of one hybrid group, without any input or output of its own.
//
// Purpose: Raft while all are trusted, PBFT while they are not, and the switch
// between them. A PBFT group stands behind all the time and decides about
// modes: it opens an epoch by Raft, with one leader, by a quorum of votes, and
// closes it by an order that proves the epoch's history. In between, a Raft
// node of the epoch replicates what its leader signs. How it works and what it
// defends: decision 29 in doc/decisions/.
//
// Ownership and threads: one thread at a time. No clock, randomness, thread,
// socket or file. Shares the keys; owns the state machine.
//
// Invariants:
//  1. What is settled comes from PBFT alone. What an epoch by Raft executes
//     lies in a copy, which is thrown away when the epoch is closed.
//  2. An epoch has one leader, which leads it in one life only and signs one
//     chain. A replica accepts what follows on its own chain, and no entry of
//     an epoch is ever taken back.
//  3. A replica that stopped, which is durable before it says so, accepts
//     nothing in that epoch any more, nor answers its leader.
//  4. A replica stops when a weak quorum wants it to: no single one can end an
//     epoch.
//  5. It takes part in an epoch by Raft only if a quorum signed that it began
//     with the state that it has here.
//  6. After a failed write the replica says and does nothing any more.
//
// Failure behaviour: what no correct party sends is dropped, and lowers the
// trust in whoever sent it. A durable state that contradicts itself is refused
// by `create`. A replica whose disk was lost must come back under a new id, or
// it counts among the f.
#pragma once

#include "consensus/hybrid/effects.hpp"
#include "consensus/hybrid/options.hpp"
#include "consensus/hybrid/settled_state.hpp"
#include "consensus/pbft/client.hpp"
#include "consensus/pbft/core.hpp"
#include "consensus/raft/core.hpp"

#include <deque>
#include <map>
#include <memory>
#include <optional>

namespace neuroplex::hybrid {

struct status {
  epoch_info where{};
  pbft::status agreement{};
  std::uint64_t position = 0; ///< commands settled
  std::uint64_t running = 0;  ///< commands executed, settled or not
  head accepted{};            ///< of the epoch's chain
  double lowest_trust = 1;    ///< of the other replicas
  bool suspects = false;      ///< wants the epoch to end
  bool stopped_epoch = false; ///< takes no part in it any more
  bool certified = false;     ///< a quorum began the epoch with this state
  bool fetching = false;      ///< a history that it has to execute
  bool stopped = false;       ///< its disk failed
  std::uint64_t epochs_by_raft = 0;
  std::uint64_t rolled_back = 0; ///< commands of a leader that lied
  std::uint64_t evidence = 0;
};

/// Keys of one replica: its own, and those of its control client.
struct replica_keys {
  std::shared_ptr<const crypto> own{};
  std::shared_ptr<const crypto> control{};
};

class core {
public:
  /// A replica as its disk remembers it. `errc::config`: options out of range;
  /// `errc::corrupt`: the durable state contradicts itself. `first_request` is
  /// above all that this replica ever gave in an earlier life: the wall clock
  /// in nanoseconds will do.
  static expected<core> create(const options& settings,
                               const replica_keys& keys,
                               std::unique_ptr<state_machine> empty,
                               durable_state state, timestamp first_request,
                               time now);

  /// Takes one input in and says what to do. `out` is cleared first.
  void step(const input& what, time now, effects& out);

  /// Takes one input in. Follow with `flush`.
  void absorb(const input& what, time now);

  /// Says what to do about all that was absorbed.
  void flush(time now, effects& out);

  /// When `tick` must come at the latest.
  [[nodiscard]] time next_deadline() const;

  [[nodiscard]] status state() const;

  /// The state as it is here: in an epoch by Raft, that of its copy. For
  /// operations that need no agreement.
  [[nodiscard]] const hybrid::ledger& local() const noexcept;

private:
  struct link {
    entry what{};
    digest chain{};
  };

  struct kept_branch {
    log_index after = 0;
    std::vector<link> links{};
  };

  /// An epoch by Raft as far as it is known here: the present one, and those
  /// that a restart or somebody else may have to execute again.
  struct known_epoch {
    digest start{};
    raft::hard_state hard{};
    std::vector<link> links{};
    head vouched{};
    signature by_leader{};
    std::vector<kept_branch> branches{};
    bool stopped = false;
    std::optional<sequence_number> closed_at{};
  };

  /// A chain that is here: the own one, or up to where a branch begins.
  struct chain_view {
    const known_epoch* of = nullptr;
    const kept_branch* branch = nullptr;
  };

  struct waiting_read {
    log_index index = 0;
    request what{};
  };

  struct waiting_ask {
    std::uint64_t number = 0;
    time since{};
  };

  struct heard_doubt {
    doubt what{};
    time at{}; ///< when it was last heard, from whomever
  };

  /// The present epoch by Raft.
  struct raft_run {
    explicit raft_run(ledger copy) : running{std::move(copy)} {
    }

    std::unique_ptr<raft::core> node{}; ///< none once it stopped
    ledger running;
    log_index applied = 0;
    time leader_heard{};
    time campaign_at{};
    bool leader_lies = false;
    bool wanted_to_end = false; ///< by the operator
    bool suspects = false;
    raft::request_id last_request = 0;
    std::map<raft::request_id, request> asked_reads{};
    std::deque<waiting_read> ready_reads{};
    std::map<raft::request_id, node_id> proposals{};
    std::map<node_id, std::uint64_t> proposed{}; ///< by the leader
    std::map<node_id, waiting_ask> waiting{};
    std::map<node_id, heard_doubt> doubts{}; ///< of others
    std::map<node_id, stop> stops{};
    std::map<std::pair<head, node_id>, holding> holdings{};
    std::map<head, write_id> held{}; ///< own holdings, and what they wait for
    write_id stopped_after = 0;
  };

  struct held_packet {
    write_id after = 0;
    node_id to = nobody; ///< nobody: all other replicas
    slice bytes{};
  };

  /// A batch of PBFT that is being executed.
  struct pending_execution {
    pbft::execution what{};
    std::size_t next = 0;
    std::vector<slice> results{};
  };

  /// A chain of somebody else, fetched from its end.
  struct chain_wanted {
    head missing{};          ///< the last that is not here yet
    std::vector<link> got{}; ///< behind it, last first
    bool authentic = true;
    bool impossible = false;
    std::size_t asked = 0; ///< how often
  };

  struct written {
    write_id own = 0;
    pbft::write_id agreement = 0;
    epoch_number epoch = 0;
    raft::write_id raft = 0;
  };

  core(const options& settings, const replica_keys& keys,
       std::unique_ptr<state_machine> empty, pbft::core agreement,
       pbft::client control, const std::map<epoch_number, epoch_log>& epochs,
       time now);

  void on(const tick& what);
  void on(const received& what);
  void on(const persisted& what);
  void on(const persist_failed& what);
  void on(const end_epoch& what);

  // PBFT and what it executes (core.cpp).
  void flush_agreement();
  void execute_pending();
  [[nodiscard]] bool execute_next(pending_execution& batch);
  void follow_settled();
  void note_evidence();
  void flush_control();
  void steer();
  [[nodiscard]] std::optional<order> wanted_order();
  void tell_standing();
  void receive(node_id from, const standing& body);
  [[nodiscard]] bool is_certified() const;

  // An epoch by Raft (core_raft.cpp).
  void begin_run();
  void end_run();
  void receive(node_id from, const raft_message& body);
  [[nodiscard]] bool check_append(const raft_message& body,
                                  raft::message& what);
  [[nodiscard]] bool is_authentic(const entry& what) const;
  [[nodiscard]] bool vouched_by_signature(const request& what) const;
  [[nodiscard]] bool vouched(const request& what) const;
  void receive(node_id from, const ask& body);
  void lead(const request& what);
  void receive(node_id from, const answer& body);
  void flush_raft();
  void send_raft(const raft::message& what);
  void apply(const entry& what);
  void answer_reads();
  void reply(const request& to, const slice& bytes);
  void sync_links();
  [[nodiscard]] bool leads() const noexcept {
    return settled_.where().leader == options_.agreement.id;
  }

  // The end of an epoch (core_switch.cpp).
  [[nodiscard]] bool has_cause();
  void consider_stopping();
  void stop_here();
  void tell_stop();
  void receive(node_id from, const doubt& body);
  void receive(node_id from, const stop& body);
  void receive(node_id from, const holding& body);
  void hold(const head& what, write_id after);
  void want_chain(epoch_number epoch, const head& what, node_id from);
  void ask_for_chains();
  void receive(node_id from, const entries_wanted& body);
  void receive(node_id from, const entries_sent& body);
  void complete_chain(epoch_number epoch, const head& last,
                      const chain_wanted& what);
  [[nodiscard]] std::optional<chain_view> locate(epoch_number epoch,
                                                 const head& last) const;
  [[nodiscard]] static const link& link_at(const chain_view& in,
                                           log_index index);
  [[nodiscard]] digest chain_at(const known_epoch& of, log_index index) const;

  // What leaves (core.cpp).
  void broadcast(const message_body& body, write_id after);
  void send(node_id to, const message_body& body, write_id after);
  void emit(node_id to, const slice& bytes);
  void release_held();
  write_id remember(record what);

  options options_;
  replica_keys keys_;
  time now_{};
  settled_state settled_;
  trust_book trust_;
  pbft::core agreement_;
  pbft::client control_;

  std::map<epoch_number, known_epoch> epochs_{};
  std::unique_ptr<raft_run> run_{};
  epoch_info followed_{}; ///< the epoch that this core works in
  time epoch_since_{};
  time calm_{};
  std::map<node_id, standing> standings_{}; ///< of this epoch, valid
  std::deque<pending_execution> executions_{};
  std::map<std::pair<epoch_number, head>, chain_wanted> wanted_{};
  std::optional<std::pair<epoch_number, head>> needed_{}; ///< to execute on

  std::optional<slice> last_order_{};
  time order_at_{}; ///< none before, so that opinions do not fill the log
  std::uint64_t evidence_seen_ = 0;
  time standing_at_{};

  std::deque<held_packet> held_{};
  std::vector<record> records_{};
  written in_write_{};
  std::deque<written> writes_{};
  write_id last_write_ = 0;
  write_id durable_write_ = 0;
  bool stopped_ = false;
  effects pending_{};
  std::uint64_t rolled_back_ = 0;
  std::uint64_t runs_ = 0;
};

} // namespace neuroplex::hybrid
