// What a node asks of the leader of a group on behalf of its clients.
//
// Purpose: carries each wish to whoever leads, again and again until there is
// an answer or its time is over; a write under one number of one session, so
// that it happens once. It does not know how anything travels: it says what to
// send, and is told what came back and who leads.
//
// Threads: one at a time. Completions run inside the calls below.
//
// Invariants:
//  1. Every wish is completed once, within its time.
//  2. A write that may have been done is completed as `unknown_outcome`, one
//     that was surely not done as `unavailable`, `busy` or why it was refused.
//  3. Wishes are sent in the order they came, also when they are sent again.
//  4. At most `max_outstanding` are under way; more are refused as `busy`.
//
// Failure behaviour: as in the answers; none of its own.
#pragma once

#include "actors/agreement/frames.hpp"
#include "memory/status.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace neuroplex::agreement {

/// What became of a wish. `answer` holds encoded results when code is ok.
struct outcome {
  errc code = errc::ok;
  std::string answer{};
};

using completion = std::function<void(outcome)>;

struct wish {
  group_id group = first_group;
  bool read = false;
  std::string batch{}; ///< encoded operations
  raft::time deadline{};
  completion done{};
};

class requester {
public:
  struct options {
    group_id group = 0;
    raft::node_id self = raft::nobody;
    std::size_t max_outstanding = 32'768;
    raft::time retry_pause = std::chrono::milliseconds{5};
  };

  explicit requester(const options& settings) : options_{settings} {
  }

  /// Takes a wish. Follow with `requests`.
  void add(wish what);

  /// Who leads, as far as is known, and whether it can be reached. `meeting`
  /// changes whenever what was sent before may have been lost.
  void set_leader(raft::node_id leader, bool reachable, std::uint64_t meeting);

  /// What came back. Follow with `requests`.
  void take(reply_frame answer, raft::time now);

  /// Completes what is over its time. Follow with `requests`.
  void tick(raft::time now);

  /// Hands out what is to be sent to `leader` now.
  void requests(std::vector<request_frame>& out, raft::time now);

  /// Who `requests` are for; nobody while none can be reached.
  [[nodiscard]] raft::node_id leader() const noexcept {
    return reachable_ ? leader_ : raft::nobody;
  }

  /// When `tick` or `requests` has something to do at the latest.
  [[nodiscard]] raft::time next_deadline() const noexcept;

  /// Completes all as if their time were over.
  void give_up();

  [[nodiscard]] std::size_t outstanding() const noexcept {
    return waiting_.size();
  }

private:
  struct waiting {
    wish what;
    std::uint64_t sequence = 0; ///< in the session; 0 before it was sent
    raft::session_id session = 0;
    bool perhaps_done = false; ///< was sent
    bool sent_again = false;   ///< more than once
  };

  using table = std::map<std::uint64_t, waiting>; // by tag, in their order

  void send_anew_from(std::uint64_t tag, raft::time when);
  void finish(table::iterator which, outcome what);
  [[nodiscard]] static outcome without_answer(const waiting& one);
  void lose_session();

  options options_;
  raft::node_id leader_ = raft::nobody;
  bool reachable_ = false;
  std::uint64_t meeting_ = 0;

  table waiting_;
  std::uint64_t last_tag_ = 0;
  std::uint64_t unsent_from_ = 1; ///< wishes with tags below are under way
  raft::time send_after_ = raft::time::min();

  raft::session_id session_ = 0;  ///< 0: none
  std::uint64_t opening_tag_ = 0; ///< of the request for one; 0: none
  std::uint64_t last_sequence_ = 0;
  /// Numbers of the session without an answer yet, and their tags.
  std::map<std::uint64_t, std::uint64_t> open_sequences_;
  std::multimap<raft::time, std::uint64_t> by_deadline_;
};

} // namespace neuroplex::agreement
