// One replica of one PBFT group, without any input or output of its own.
//
// Purpose: state machine replication among n >= 3f + 1 replicas of which f may
// do anything at all (Castro and Liskov, "Practical Byzantine Fault Tolerance",
// OSDI 99; with MACs: TOCS 2002): ordering in batches with a pipeline, MACs
// with fall-back to signatures, checkpoints with proofs, view changes, state
// transfer, reads without ordering. The driver tells what happened (`input`)
// and carries out what is wanted (`effects`).
//
// Ownership and threads: one thread at a time. No clock, randomness, thread,
// socket or file. Shares the crypto, which holds the keys.
//
// Batching: `absorb` as many inputs as there are, then one `flush`: one write,
// and batches of what has gathered.
//
// Invariants:
//  1. A prepare leaves when the batch is durable, a commit when the prepared
//     digest is, a view-change or a prepare of a new view when the view is, a
//     checkpoint when the state is. Own votes count no earlier.
//  2. In one view, one digest at most is voted for at a sequence number; no
//     view below one that was entered or asked for is ever worked in again.
//  3. A batch is executed when a quorum committed it, or a weak quorum says
//  that
//     it is committed; in order, each request of a client once.
//  4. A request is voted for only if its client's MAC, its client's signature
//  or
//     a weak quorum vouches for it.
//  5. A replica answers neither a request nor a read from what a restart would
//     make it forget without knowing.
//  6. After a failed write the replica says and does nothing any more.
//
// Failure behaviour: what no correct party sends is dropped, counted and kept
// as evidence. A durable state that contradicts itself is refused by `create`.
// A replica whose disk was lost has broken promises that it does not remember:
// it must come back under a new id, or it counts among the f.
#pragma once

#include "consensus/pbft/client_table.hpp"
#include "consensus/pbft/codec.hpp"
#include "consensus/pbft/effects.hpp"
#include "consensus/pbft/evidence.hpp"
#include "consensus/pbft/input.hpp"
#include "consensus/pbft/options.hpp"
#include "consensus/pbft/view_choice.hpp"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>

namespace neuroplex::pbft {

struct status {
  node_id id = nobody;
  view_number view = 0;
  bool active = false;
  node_id primary = nobody;
  sequence_number stable = 0;
  sequence_number executed = 0;
  sequence_number handed_out = 0;
  std::size_t waiting_requests = 0;
  std::size_t slots = 0;
  bool transferring = false;      ///< fetching a state that others have
  bool stopped = false;           ///< its disk failed
  std::uint64_t view_changes = 0; ///< asked for by this replica
  std::uint64_t transfers = 0;
  std::uint64_t misdeeds = 0;
};

class core {
public:
  /// A replica as its disk remembers it. `errc::config`: options out of range;
  /// `errc::corrupt`: the durable state contradicts itself. After a restart the
  /// first effects say which state to install.
  static expected<core> create(const options& settings,
                               std::shared_ptr<const crypto> with,
                               durable_state state, time now);

  /// Takes one input in and says what to do. `out` is cleared first.
  void step(const input& what, time now, effects& out);

  /// Takes one input in. Follow with `flush`.
  void absorb(const input& what, time now);

  /// Says what to do about all that was absorbed.
  void flush(time now, effects& out);

  /// When `tick` must come at the latest.
  [[nodiscard]] time next_deadline() const noexcept;

  [[nodiscard]] status state() const;

  [[nodiscard]] const options& settings() const noexcept {
    return options_;
  }

  [[nodiscard]] const evidence_book& misdeeds() const noexcept {
    return book_;
  }

private:
  /// What each replica voted for, by its place.
  using votes = std::vector<std::optional<digest>>;

  struct slot {
    // Of the present view.
    std::optional<digest> accepted{}; ///< pre-prepared
    std::optional<digest> awaited{}; ///< pre-prepared, but its batch is missing
    shared_batch doubtful{}; ///< not all its requests are authentic here
    digest doubtful_digest{};
    votes prepares{};
    votes commits{};
    bool prepared = false;
    write_id prepare_after = 0;
    write_id commit_after = 0;
    // Of all views.
    std::vector<claim> pre_prepared{};
    std::optional<claim> last_prepared{};
    std::map<digest, shared_batch> batches{};
    std::optional<digest> committed{};
    votes committed_claims{};
  };

  struct waiting_request {
    request what{};
    time since{};
    bool is_signed = false; ///< so that everybody will believe it
  };

  struct arrival {
    node_id client = nobody;
    timestamp number = 0;
  };

  struct client_trust {
    std::uint32_t left = 0; ///< requests that need a signature
    std::uint32_t penalty = 0;
  };

  struct held_packet {
    write_id after = 0;
    node_id to = nobody; ///< nobody: all other replicas
    slice bytes{};
  };

  struct handed_execution {
    execution what{};
    write_id after = 0; ///< the disk knows then that it may be executed
  };

  struct own_vote {
    write_id after = 0;
    view_number view = 0;
    sequence_number sequence = 0;
    digest of{};
    bool commit = false;
  };

  struct own_checkpoint {
    digest root{};
    std::vector<slice> pieces{};
    std::vector<digest> digests{};
    write_id after = 0;
    bool counted = false; ///< as our own vote
  };

  struct state_transfer {
    stable_proof proof{};
    std::size_t source = 0; ///< place of the replica that is asked
    std::vector<digest> digests{};
    std::vector<std::optional<slice>> pieces{}; ///< once there is a manifest
    std::map<digest, slice> known{}; ///< of states that were aimed at before
    std::size_t next = 0;            ///< place of the piece that is asked for
    bool has_manifest = false;
    bool moved = false; ///< since it was asked for again
  };

  core(const options& settings, std::shared_ptr<const crypto> with,
       durable_state state, time now);

  // Inputs.
  void on(const tick& what);
  void on(const received& what);
  void on(const executed& what);
  void on(const read_answered& what);
  void on(const persisted& what);
  void on(const persist_failed& what);
  void on(const installed& what);

  // Messages whose sender is certain.
  void receive(node_id from, const request_message& body);
  void receive(node_id from, const reply& body);
  void receive(node_id from, const pre_prepare& body);
  void receive(node_id from, const prepare& body);
  void receive(node_id from, const commit& body);
  void receive(node_id from, const checkpoint& body);
  void receive(node_id from, const stable_proof& body);
  void receive(node_id from, const view_change& body);
  void receive(node_id from, const new_view& body);
  void receive(node_id from, const status_message& body);
  void receive(node_id from, const committed& body);
  void receive(node_id from, const batch_wanted& body);
  void receive(node_id from, const batch_sent& body);
  void receive(node_id from, const manifest_wanted& body);
  void receive(node_id from, const manifest& body);
  void receive(node_id from, const piece_wanted& body);
  void receive(node_id from, const piece& body);

  // Requests (core_requests.cpp).
  [[nodiscard]] bool vouched_by_mac(const request& what) const;
  [[nodiscard]] bool vouched_by_signature(const request& what) const;
  [[nodiscard]] bool is_authentic(const request& what) const;
  [[nodiscard]] bool is_waiting(const request& what) const;
  void doubt_client(node_id client);
  void believe_client(node_id client);
  void take_read(const request& what);
  void take_request(node_id from, const request& what);
  void answer_again(const request& what);
  void send_reply(node_id client, timestamp number, bool read_only,
                  const slice& result);
  void propose();
  [[nodiscard]] shared_batch gather_batch();
  void requeue_waiting();
  void forget_waiting(node_id client, timestamp up_to);
  [[nodiscard]] bool still_waits(const arrival& one) const;
  void forget_gone_arrivals();
  void doubt_unprepared();
  [[nodiscard]] time request_deadline() const;

  // Ordering (core_agreement.cpp).
  [[nodiscard]] bool is_in_window(sequence_number sequence) const noexcept;
  [[nodiscard]] slot& slot_at(sequence_number sequence);
  [[nodiscard]] slot* find_slot(sequence_number sequence);
  void accept(sequence_number sequence, const digest& of,
              const shared_batch& requests);
  void count_prepare(sequence_number sequence, std::size_t replica,
                     const digest& of);
  void count_commit(sequence_number sequence, std::size_t replica,
                    const digest& of);
  [[nodiscard]] bool vote(votes& all, std::size_t replica, const digest& of,
                          sequence_number sequence);
  [[nodiscard]] static std::size_t count_of(const votes& all,
                                            const digest& of) noexcept;
  void trust_doubtful(sequence_number sequence);
  void advance(sequence_number sequence);
  void settle_committed(sequence_number sequence, const digest& of);
  void hand_out();
  void want_batch(sequence_number sequence, const digest& of);
  void batch_arrived(sequence_number sequence, const shared_batch& requests);
  void send_votes_again(node_id to, sequence_number sequence);
  [[nodiscard]] shared_batch find_batch(const slot& in, const digest& of) const;

  // Checkpoints and state (core_checkpoint.cpp).
  void take_checkpoint(sequence_number sequence, std::vector<slice> pieces);
  void keep_checkpoint(sequence_number sequence, std::vector<slice> pieces);
  void send_checkpoint(sequence_number sequence);
  void count_own_checkpoints();
  [[nodiscard]] bool is_valid(const stable_proof& what) const;
  void learn_stable(const stable_proof& what);
  void adopt_stable(const stable_proof& what);
  void begin_transfer();
  void go_on_with_transfer();
  void ask_for_state();
  void finish_transfer();
  void install_checkpoint(sequence_number sequence);

  // Views (core_view.cpp).
  [[nodiscard]] bool is_valid(const view_change& what) const;
  [[nodiscard]] view_change own_view_change();
  void start_view_change(view_number view);
  void join_others();
  void try_new_view();
  void enter_view(const new_view& what, const view_start& start);
  void arm_view_timer();
  void clear_view_of_slots();
  void resend();
  void choose_again();
  void begin_with(const view_start& start);
  [[nodiscard]] std::size_t replicas_at_least(view_number view) const;

  // What leaves (core.cpp).
  void broadcast(const message_body& body, write_id after);
  void send(node_id to, const message_body& body, write_id after);
  void send_bytes(node_id to, const slice& bytes, write_id after);
  void emit(node_id to, const slice& bytes);
  void release_held();
  void count_own(own_vote what);
  write_id remember(record what);
  [[nodiscard]] bool durable(write_id id) const noexcept {
    return id <= durable_write_;
  }
  void accuse(node_id who, misdeed what, view_number view = 0,
              sequence_number sequence = 0, bool provable = false,
              slice first = {}, slice second = {});
  [[nodiscard]] std::size_t place_of(node_id replica) const;
  [[nodiscard]] bool leads() const noexcept {
    return active_ && options_.primary_of(view_) == options_.id;
  }
  [[nodiscard]] slice encode(message_body body) const;

  options options_;
  std::shared_ptr<const crypto> crypto_;
  std::size_t self_ = 0; ///< own place among the replicas
  digest null_request_{};
  shared_batch null_batch_ = std::make_shared<const batch>();
  time now_{};

  view_number view_ = 0;
  bool active_ = true;
  slice new_view_bytes_{}; ///< how the view began, for those who missed it
  write_id view_after_ = 0;
  std::map<node_id, view_change> view_changes_{}; ///< the latest of each
  time progress_at_{}; ///< something was executed, or the view began
  time timeout_{};
  std::optional<time> view_deadline_{};

  std::map<sequence_number, slot> slots_{};
  /// Batches that are missing here.
  std::set<std::pair<sequence_number, digest>> wanted_{};
  std::map<node_id, sequence_number> told_executed_{}; ///< by others' status
  sequence_number next_sequence_ = 1;                  ///< of the primary
  sequence_number handed_out_ = 0;
  sequence_number executed_ = 0;
  std::deque<handed_execution> executing_{};
  /// The write after which a restart cannot forget what was executed.
  write_id executed_after_ = 0;
  /// Until this is executed again, clients may have seen more than there is.
  sequence_number read_floor_ = 0;
  std::map<node_id, timestamp> ordered_{}; ///< handed out
  client_table clients_{};

  std::map<node_id, waiting_request> waiting_{};
  std::deque<arrival> arrivals_{}; ///< oldest first; some are gone
  std::deque<arrival> queue_{};    ///< of the primary, to be proposed
  std::map<node_id, timestamp> proposed_{};
  std::map<node_id, client_trust> trust_{};
  std::set<std::pair<node_id, timestamp>> reading_{};

  stable_proof stable_{};
  std::map<sequence_number, own_checkpoint> checkpoints_{};
  std::map<sequence_number, std::map<node_id, checkpoint>> checkpoint_votes_{};
  std::optional<stable_proof> ahead_{}; ///< proven, and beyond our state
  time ahead_since_{};                  ///< whichever was proven since
  sequence_number executed_before_ = 0; ///< when we last said where we are
  std::optional<state_transfer> transfer_{};
  std::optional<sequence_number> installing_{};

  std::optional<time> resend_deadline_{};

  std::deque<held_packet> held_{};
  std::deque<own_vote> own_votes_{};
  std::vector<record> records_{};
  write_id last_write_ = 0;
  write_id durable_write_ = 0;
  bool stopped_ = false;
  effects pending_{};
  view_notice told_view_{};
  evidence_book book_{};
  std::uint64_t view_change_count_ = 0;
  std::uint64_t transfer_count_ = 0;
};

} // namespace neuroplex::pbft
