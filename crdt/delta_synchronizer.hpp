// Who has been told of which of our changes, and what to tell next.
//
// Purpose: a buffer of numbered deltas of this replica. A peer gets the join of
// those that it has not acknowledged; what all peers acknowledged is dropped. A
// peer that needs deltas that are not there any more, because the buffer was
// full or this replica restarted, gets what its digest says it lacks.
//
// Source: Almeida, Shoker, Baquero, "Delta state replicated data types" (2018),
// algorithm 2, with digests instead of the whole state (Enes, Almeida, Baquero,
// Leitao, "Efficient synchronization of state-based CRDTs", 2019, on what to
// send).
//
// Threads: one at a time. The caller owns the state, makes its changes and its
// deltas durable, and carries the messages; each may be lost, doubled or
// reordered.
//
// Invariants:
//  1. A delta leaves the buffer only when every peer acknowledged it, or for
//     want of room, which is remembered.
//  2. A peer acknowledges a number only when it has all up to it.
//  3. The buffer holds at most `max_deltas`.
//
// Failure behaviour: a message that contradicts itself is refused with
// `errc::protocol`. A peer that acknowledges what was never sent shows that
// this replica lost its memory: `errc::conflict`, it needs a new incarnation.
#pragma once

#include "crdt/digest.hpp"
#include "crdt/replica_id.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <vector>

namespace neuroplex::crdt {

enum class sync_kind : std::uint8_t {
  deltas,      ///< changes first..last, joined
  acknowledge, ///< all up to `last` was joined
  ask,         ///< tell me your digest, then I tell you what you lack
  digest,      ///< mine, as asked or for want of what came before `first`
};

template <class State>
struct sync_message {
  sync_kind kind = sync_kind::deltas;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::optional<typename State::delta_type> delta; ///< of `deltas`
  std::optional<state_digest> digest;              ///< of `digest`
};

template <class State>
class delta_synchronizer {
public:
  using delta_type = typename State::delta_type;
  using message_type = sync_message<State>;

  /// `recorded` is the number of the last delta before a restart, from disk.
  explicit delta_synchronizer(std::uint64_t recorded = 0,
                              std::size_t max_deltas = 1'024)
    : recorded_{recorded}, max_deltas_{max_deltas} {
  }

  /// Takes a delta of this replica and answers its number, which is to be
  /// durable before the delta is sent.
  std::uint64_t record(delta_type delta) {
    buffer_.push_back(std::move(delta));
    ++recorded_;
    collect();
    if (buffer_.size() > max_deltas_)
      buffer_.pop_front();
    return recorded_;
  }

  /// A peer that has all of our changes up to `acknowledged`.
  void add_peer(replica_id peer, std::uint64_t acknowledged = 0) {
    peers_[peer].acknowledged = std::min(acknowledged, recorded_);
  }

  /// What it has not acknowledged is kept for it no longer.
  void remove_peer(replica_id peer) {
    peers_.erase(peer);
    collect();
  }

  /// What to send to `peer` now; nothing when it has everything. Asking again
  /// before it answered gives the same, with what was recorded meanwhile.
  [[nodiscard]] std::optional<message_type> message_for(replica_id peer) const {
    auto at = peers_.find(peer);
    if (at == peers_.end() || at->second.acknowledged >= recorded_)
      return std::nullopt;
    auto first = at->second.acknowledged + 1;
    if (first < first_buffered())
      return message_type{sync_kind::ask, first, recorded_, {}, {}};
    auto begin =
      buffer_.begin() + static_cast<std::ptrdiff_t>(first - first_buffered());
    auto joined = *begin;
    for (auto next = begin + 1; next != buffer_.end(); ++next)
      NEUROPLEX_ENSURE(joined.merge(*next));
    return message_type{
      sync_kind::deltas, first, recorded_, std::move(joined), {}};
  }

  /// Asks any peer for its digest, and so tells it all that it lacks, whoever
  /// it came from: for when somebody left who may not have told everyone.
  [[nodiscard]] message_type ask() const {
    return {
      sync_kind::ask, std::min<std::uint64_t>(recorded_, 1), recorded_, {}, {}};
  }

  /// Takes a message of `peer`, joins what it brings into `state`, and answers
  /// what is to be sent back, if anything.
  [[nodiscard]] expected<std::optional<message_type>>
  receive(replica_id peer, const message_type& message, State& state) {
    if (message.first > message.last)
      return malformed("changes that end before they begin");
    switch (message.kind) {
      case sync_kind::deltas:
        return receive_deltas(peer, message, state);
      case sync_kind::acknowledge:
        return receive_acknowledgement(peer, message.last);
      case sync_kind::ask:
        return std::optional{message_type{
          sync_kind::digest, message.first, message.last, {}, state.digest()}};
      case sync_kind::digest:
        return receive_digest(message, state);
    }
    return malformed("an unknown kind");
  }

  /// Deltas that wait for an acknowledgement.
  [[nodiscard]] std::size_t buffered() const noexcept {
    return buffer_.size();
  }

  [[nodiscard]] std::uint64_t recorded() const noexcept {
    return recorded_;
  }

private:
  struct peer_record {
    std::uint64_t acknowledged = 0; ///< of our changes
    std::uint64_t joined = 0;       ///< of its changes, without a gap
  };

  [[nodiscard]] static failure malformed(const std::string& what) {
    return {errc::protocol, "CRDT synchronisation: " + what
                              + ": nothing was applied; find out who sent it"};
  }

  [[nodiscard]] std::uint64_t first_buffered() const noexcept {
    return recorded_ - buffer_.size() + 1;
  }

  [[nodiscard]] expected<std::optional<message_type>>
  receive_deltas(replica_id peer, const message_type& message, State& state) {
    if (!message.delta || (message.first == 0 && message.last != 0))
      return malformed("changes without a delta");
    auto at = peers_.find(peer);
    if (at == peers_.end())
      return failure{errc::denied,
                     "CRDT synchronisation: replica " + to_string(peer)
                       + ": not a member: it joins as a new replica and takes "
                         "the state first"};
    if (auto merged = state.merge(*message.delta); !merged)
      return merged.error();
    // Of one who made no changes and tells those of others.
    if (message.last == 0)
      return std::optional<message_type>{};
    auto& joined = at->second.joined;
    // With a gap before it, since this replica restarted and forgot what it has
    // of the peer, the delta is safe to join but not to acknowledge: the peer
    // is told all that is here instead.
    if (message.first > joined + 1)
      return std::optional{message_type{
        sync_kind::digest, message.first, message.last, {}, state.digest()}};
    joined = std::max(joined, message.last);
    return std::optional{
      message_type{sync_kind::acknowledge, 0, joined, {}, {}}};
  }

  [[nodiscard]] expected<std::optional<message_type>>
  receive_acknowledgement(replica_id peer, std::uint64_t last) {
    if (last > recorded_)
      return failure{errc::conflict,
                     "CRDT synchronisation: replica " + to_string(peer)
                       + " has change " + std::to_string(last)
                       + " of this replica, which knows of "
                       + std::to_string(recorded_)
                       + ": it lost its memory: give it a new incarnation"};
    auto at = peers_.find(peer);
    if (at != peers_.end())
      at->second.acknowledged = std::max(at->second.acknowledged, last);
    collect();
    return std::optional<message_type>{};
  }

  [[nodiscard]] expected<std::optional<message_type>>
  receive_digest(const message_type& message, const State& state) {
    if (!message.digest || message.last > recorded_)
      return malformed("a digest that was not asked for");
    auto lacking = state.difference(*message.digest);
    return std::optional{
      message_type{sync_kind::deltas,
                   std::min<std::uint64_t>(recorded_, 1),
                   recorded_,
                   lacking ? std::move(*lacking) : delta_type{},
                   {}}};
  }

  void collect() {
    auto least = recorded_;
    for (const auto& [peer, record] : peers_)
      least = std::min(least, record.acknowledged);
    while (!buffer_.empty() && first_buffered() <= least)
      buffer_.pop_front();
  }

  std::deque<delta_type> buffer_; ///< the last is that with number `recorded_`
  std::uint64_t recorded_;
  std::size_t max_deltas_;
  std::map<replica_id, peer_record> peers_;
};

} // namespace neuroplex::crdt
