// The replica of one shard of a namespace: what it tells whom, and when.
//
// Purpose: operations are answered from the local state at once. What they
// changed goes to the disk as one record a turn, then to each peer: one message
// under way a peer (that is its credit), which carries the join of all that it
// has not acknowledged. A peer that was away too long is told by digest. Now
// and then one peer is shown the digest anyhow, so that whatever went wrong is
// repaired.
//
// How fresh a replica is, is measured: it asks a peer which of its changes were
// answered for by now, and once it has those, it is as fresh as the moment at
// which it asked, on its own clock.
//
// Sources: `crdt/delta_synchronizer.hpp`.
//
// Threads: one at a time. No clock, disk or network of its own: time comes in
// as `moment`, records and messages are taken out.
//
// Invariants:
//  1. A change is sent to peers, and acknowledged to them, only when it is on
//     the disk here. `written` says so.
//  2. No dot is used twice: counters are reserved on the disk first, and a
//     start begins behind them. Who meets a change of his own that he does not
//     know takes a new incarnation.
//  3. Where causality counts, a change is joined only together with all that
//     its writer had seen.
//  4. At most limits::max_kept_bytes of changes are kept for a peer.
//
// Failure behaviour: a message that is refused has changed nothing, and is
// counted. After `disk_failed` all writes are refused with `io`.
#pragma once

#include "actors/replica/frame.hpp"
#include "actors/replica/limits.hpp"
#include "actors/replica/values.hpp"
#include "crdt/delta_synchronizer.hpp"

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace neuroplex::replica {

using std::chrono::milliseconds;

/// Now, on two clocks: one that never goes back, and that of the world.
struct moment {
  milliseconds steady{};
  milliseconds unix_time{};
};

enum class promise : std::uint8_t {
  eventual,          ///< all converge
  causal,            ///< and what is seen has all that it came from
  bounded_staleness, ///< and a read is at most so old
};

struct core_options {
  std::uint32_t self = 0;
  std::vector<std::uint32_t> peers{}; ///< nodes
  promise gives = promise::eventual;
  milliseconds staleness{}; ///< of bounded_staleness
  milliseconds resend{500};
  milliseconds anti_entropy{5'000};
};

/// What is written to the log.
enum class record_kind : std::uint8_t {
  own = 1, ///< a delta of ours; `number` is that of the delta
  other,   ///< a delta of others
  reserve, ///< counters up to `number` may be used
  renew,   ///< the incarnation is `number` from here on
};

struct record {
  record_kind kind = record_kind::own;
  std::uint64_t sequence = 0; ///< of the record; the first is 1
  std::uint64_t number = 0;
  std::string payload{};
};

/// What a disk says at a start. Also the contents of a snapshot.
struct recovered_state {
  std::uint32_t incarnation = 0; ///< 0: nothing was there
  std::uint64_t sequence = 0;
  std::uint64_t recorded = 0; ///< number of our last delta
  std::uint64_t reserved = 0;
  crdt::hybrid_timestamp clock{};
  shard_state state{};

  /// Takes in a record; those up to `sequence` are known already. `corrupt`.
  [[nodiscard]] expected<void> apply(const record& one);

  [[nodiscard]] static expected<recovered_state>
  from_snapshot(std::string_view bytes);
};

/// A read that travels, or its answer.
struct forwarded_read {
  std::uint32_t node = 0; ///< that asks, or has answered
  std::uint64_t token = 0;
  std::optional<std::string> body{};
};

struct outgoing_message {
  std::uint32_t to = 0;
  std::string bytes{};
};

/// What a comparison with one node found.
struct comparison {
  std::uint32_t node = 0;
  bool answered = false;
  bool same_context = false;       ///< both have seen the same changes
  std::size_t differing = 0;       ///< keys
  std::vector<std::string> keys{}; ///< some of them
};

struct peer_status {
  std::uint32_t node = 0;
  std::uint32_t incarnation = 0; ///< 0: never heard of
  bool connected = false;
  std::uint64_t acknowledged = 0; ///< of our changes
  std::uint64_t kept_bytes = 0;
  std::optional<milliseconds> age{}; ///< of what we have of it, when measured
};

struct core_status {
  crdt::replica_id self{};
  std::size_t keys = 0;
  std::size_t facts = 0;
  std::uint64_t fact_bytes = 0; ///< of shard_state::bytes
  std::uint64_t recorded = 0;
  std::size_t buffered = 0;
  std::uint64_t messages_sent = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_packed = 0; ///< what packing has saved
  std::uint64_t messages_refused = 0;
  std::uint64_t digest_syncs = 0; ///< peers told by digest
  std::string problem{};          ///< the last refusal
  std::vector<peer_status> peers{};
};

class core {
public:
  /// `fresh_incarnation` is used when nothing was recovered; it must be larger
  /// than any that this node had before.
  core(core_options options, recovered_state from,
       std::uint32_t fresh_incarnation);

  // -- operations of clients --------------------------------------------------

  [[nodiscard]] const shard_state& state() const noexcept {
    return state_;
  }

  /// As shard_state::watch.
  void watch(place_watcher* watcher) noexcept {
    state_.watch(watcher);
  }

  /// To write with. `io` when the disk has failed, `overflow` for a clock at
  /// its end.
  [[nodiscard]] expected<write_context> writer(const moment& now);

  /// Sequence of the record that has what was written so far, once `take_turn`
  /// was called.
  [[nodiscard]] std::uint64_t last_sequence() const noexcept {
    return sequence_;
  }

  /// What is on the disk.
  [[nodiscard]] std::uint64_t written_sequence() const noexcept {
    return written_;
  }

  /// How old, at most, what is here of each peer is; nothing while one was
  /// never heard of.
  [[nodiscard]] std::optional<milliseconds> age(const moment& now) const;

  /// Whether a read may be answered now.
  [[nodiscard]] bool fresh(const moment& now) const;

  /// Asks all peers how fresh this replica is, unless that is under way.
  void freshen(const moment& now);

  /// Whether a node can be told something now.
  [[nodiscard]] bool reaches(std::uint32_t node) const;

  /// The next node after `node` that can be told something; 0 is before all.
  [[nodiscard]] std::optional<std::uint32_t>
  reached_after(std::uint32_t node) const;

  /// Sends a read to a node that `reaches`; its answer has the token.
  void put_question(std::uint32_t node, std::uint64_t token,
                    std::string question);

  /// Reads of other nodes, to be answered by `answer_question`.
  [[nodiscard]] std::vector<forwarded_read> take_questions();

  /// Without an `answer`: this replica is too old for it as well, or it is no
  /// read.
  void answer_question(const forwarded_read& what,
                       std::optional<std::string> answer);

  /// What came of `put_question`.
  [[nodiscard]] std::vector<forwarded_read> take_answers();

  /// True when all that a session has seen is here.
  [[nodiscard]] bool has_seen(const crdt::causal_context& session) const {
    return state_.context().includes(session);
  }

  // -- the disk ---------------------------------------------------------------

  /// Ends a turn: what was changed in it becomes a record.
  void take_turn();

  /// Records for the disk, in order.
  [[nodiscard]] std::vector<record> take_records();

  /// All records up to `sequence` are on the disk.
  void written(std::uint64_t sequence, const moment& now);

  void disk_failed(const std::string& why);

  /// Why it takes no writes; empty while it does.
  [[nodiscard]] const std::string& disk_problem() const noexcept {
    return disk_problem_;
  }

  /// All of it, as of `last_sequence`.
  [[nodiscard]] std::string snapshot() const;

  // -- peers ------------------------------------------------------------------

  void peer_met(std::uint32_t node, const moment& now);
  void peer_lost(std::uint32_t node);

  /// A message of `node`, packed. What is refused has changed nothing.
  expected<void> receive(std::uint32_t node, std::string_view bytes,
                         const moment& now);

  /// What is due now.
  void tick(const moment& now);

  /// When `tick` has something to do at the latest.
  [[nodiscard]] milliseconds next_due() const;

  [[nodiscard]] std::vector<outgoing_message> take_messages();

  // -- an operator's wishes ---------------------------------------------------

  /// Asks all connected peers where they differ. `token` names it.
  void compare(std::uint64_t token);

  /// What came of it so far; of nodes that were not asked or have not answered,
  /// `answered` is false.
  [[nodiscard]] std::vector<comparison> compared(std::uint64_t token) const;

  [[nodiscard]] bool comparison_complete(std::uint64_t token) const;

  [[nodiscard]] core_status status(const moment& now) const;

private:
  struct peer {
    std::optional<crdt::replica_id> id{};
    bool connected = false;
    bool under_way = false;   ///< a message with changes waits for its answer
    bool put_off = false;     ///< too much was kept for it: by digest, later
    bool partly_here = false; ///< we have a part of what it told by digest
    milliseconds sent_at{};
    milliseconds patience{}; ///< for an answer; longer each time none came
    std::uint64_t acknowledged = 0;
    std::uint64_t kept_bytes = 0;
    std::uint64_t joined = 0; ///< of its changes, without a gap
    std::optional<milliseconds> fresh_at{};
    std::optional<milliseconds> probe_sent{};
    /// What it answered for, until we have it.
    std::uint64_t probed_number = 0;
    std::optional<milliseconds> probed_at{};
  };

  // What waits for the disk.
  struct unwritten {
    std::uint64_t sequence = 0;
    crdt::causal_context context{};
    std::optional<fact_delta> own{};
    std::uint64_t reserve = 0; ///< counters that may be used then
    std::size_t bytes = 0;
    std::vector<std::pair<std::uint32_t, frame>> answers{};
  };

  struct open_comparison {
    std::uint64_t token = 0;
    std::map<std::uint32_t, comparison> nodes{};
  };

  expected<void> admit(peer& from, const frame& what, const moment& now);
  expected<void> check_facts(const fact_delta& delta, const moment& now) const;
  [[nodiscard]] std::uint32_t
  newest_own(const crdt::causal_context& context) const;
  void renew(std::uint32_t incarnation);
  expected<void> take_deltas(std::uint32_t node, peer& from, const frame& what,
                             const moment& now);
  void note_closed(peer& from, const frame& what);
  bool join_recorded(const fact_delta& delta, const moment& now);
  void answer(std::uint32_t node, frame what);
  expected<void> take_digest(std::uint32_t node, peer& from, const frame& what,
                             const moment& now);
  void take_comparison(std::uint32_t node, const frame& what);
  void settle_probe(peer& from);
  void acknowledged(peer& from, std::uint64_t last);
  void answered(peer& from) const;
  void pump(std::uint32_t node, peer& to, const moment& now);
  void pump_all(const moment& now);
  void send(std::uint32_t to, frame what);
  void add_record(record_kind kind, std::uint64_t number, std::string payload);
  void reserve_ahead();
  [[nodiscard]] std::pair<fact_delta, bool>
  lacking(const crdt::state_digest& theirs) const;
  [[nodiscard]] frame my_digest(frame_kind kind) const;

  core_options options_;
  crdt::replica_id self_;
  shard_state state_;
  crdt::hybrid_clock clock_;
  crdt::delta_synchronizer<shard_state> synchronizer_;
  change_batch changes_;
  crdt::causal_context settled_; ///< what is on the disk
  std::uint64_t counter_ = 0;
  std::uint64_t reserved_ = 0;      ///< on the disk
  std::uint64_t asked_reserve_ = 0; ///< of the disk
  std::uint64_t numbered_ = 0;      ///< deltas of ours
  std::uint64_t sequence_ = 0;
  std::uint64_t written_ = 0;
  std::string disk_problem_;

  std::map<std::uint32_t, peer> peers_;
  std::deque<unwritten> unwritten_;
  std::vector<record> records_;
  std::vector<outgoing_message> messages_;
  std::vector<forwarded_read> questions_;
  std::vector<forwarded_read> answers_;
  std::optional<open_comparison> comparison_;
  frame_packer packer_;
  milliseconds next_digest_{};
  std::uint32_t last_shown_ = 0; ///< peer that saw the digest last
  core_status counters_;
};

} // namespace neuroplex::replica
