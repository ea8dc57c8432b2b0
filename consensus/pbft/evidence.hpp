// Misbehaviour that was seen: what, by whom, how often.
//
// Purpose: the last `limits::max_evidence` cases with what shows them, and
// counts of all. Where both messages of a contradiction are signed, anybody can
// check the case; else it is this replica's word (`provable`).
//
// Threads: one at a time.
//
// Invariants: memory is bounded.
//
// Failure behaviour: nothing here fails.
#pragma once

#include "consensus/pbft/limits.hpp"
#include "consensus/pbft/types.hpp"

#include <deque>
#include <map>
#include <string_view>
#include <utility>

namespace neuroplex::pbft {

enum class misdeed : std::uint8_t {
  bad_mac,                 ///< somebody, perhaps another, claimed to be it
  malformed,               ///< not a message, or one that it may not send
  wrong_digest,            ///< a batch with the digest of another
  unauthentic_request,     ///< proposed, though the client's MAC is wrong here
  conflicting_pre_prepare, ///< two batches for one place in one view
  conflicting_vote,        ///< two digests for one place in one view
  conflicting_checkpoint,  ///< signed two states after one sequence number
  divergent_state,         ///< signed another state than a quorum
  bad_signature,
  bad_view_change,
  bad_new_view,
  bad_piece, ///< of a checkpoint
};

inline constexpr std::size_t misdeed_count = 12;

[[nodiscard]] std::string_view misdeed_name(misdeed what) noexcept;

struct evidence {
  misdeed what = misdeed::malformed;
  node_id who = nobody;
  view_number view = 0;
  sequence_number sequence = 0;
  bool provable = false;
  slice first{};  ///< what was said, encoded
  slice second{}; ///< and what contradicts it
};

class evidence_book {
public:
  void add(evidence what) {
    ++counts_[{what.who, what.what}];
    ++total_;
    cases_.push_back(std::move(what));
    if (cases_.size() > limits::max_evidence)
      cases_.pop_front();
  }

  [[nodiscard]] const std::deque<evidence>& cases() const noexcept {
    return cases_;
  }

  [[nodiscard]] std::uint64_t count_of(node_id who, misdeed what) const {
    auto found = counts_.find({who, what});
    return found == counts_.end() ? 0 : found->second;
  }

  [[nodiscard]] std::uint64_t total() const noexcept {
    return total_;
  }

private:
  std::deque<evidence> cases_;
  /// Only of replicas and known clients, so that strangers cannot fill it.
  std::map<std::pair<node_id, misdeed>, std::uint64_t> counts_;
  std::uint64_t total_ = 0;
};

} // namespace neuroplex::pbft
