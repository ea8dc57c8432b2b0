// Exactly once: which requests of which clients were executed, with what
// answer.
//
// Purpose: a client that hears nothing sends its request again, perhaps to
// another leader; the log then holds it twice. The state machine asks this
// table before it executes. It is a part of the replicated state: it changes
// only by entries of the log, the same on every node, and is in every snapshot.
//
// A session is opened by an entry (its number is that entry's index, so nobody
// needs to invent unique ones). A client numbers its requests 1, 2, 3, ... and
// may have up to `window` of them under way; each request says below which
// number all answers have arrived, so that these can be forgotten.
//
// Threads: one at a time.
//
// Invariants:
//  1. A request (session, sequence) is executed once at most.
//  2. Whoever asks again within the window gets the first answer, byte for
//  byte.
//  3. The table holds at most `max_sessions`; the one that was used longest ago
//     (by the log, not by a clock) makes room, and is then unknown: its client
//     learns that the outcome is not known rather than being executed twice.
//
// Failure behaviour: an unknown session or a sequence that was forgotten is
// answered as such; a snapshot that is not one is `errc::corrupt`.
#pragma once

#include "consensus/raft/limits.hpp"
#include "consensus/raft/types.hpp"
#include "memory/status.hpp"

#include <list>
#include <map>
#include <unordered_map>

namespace neuroplex::raft {

using session_id = std::uint64_t;

enum class session_verdict : std::uint8_t {
  execute,   ///< not seen before: execute, then `remember`
  repeated,  ///< executed before; here is the answer
  forgotten, ///< executed before, and its answer was acknowledged
  too_far,   ///< beyond the window: not executed
  unknown,   ///< no such session any more: the outcome is not known
};

class session_table {
public:
  struct lookup {
    session_verdict verdict = session_verdict::unknown;
    std::string_view answer{}; ///< of `repeated`; until the next change
  };

  session_table(std::size_t max_sessions, std::size_t window)
    : max_sessions_{max_sessions}, window_{window} {
  }

  /// Opens the session of the entry at `index`.
  session_id open(log_index index);

  /// Ends a session. Answers whether there was one.
  bool close(session_id session);

  /// What is to be done with a request. `acknowledged`: the client has the
  /// answers to all requests below this number.
  lookup begin(session_id session, std::uint64_t sequence,
               std::uint64_t acknowledged);

  /// Keeps the answer to a request that `begin` had executed.
  void remember(session_id session, std::uint64_t sequence,
                std::string_view answer);

  [[nodiscard]] std::size_t size() const noexcept {
    return sessions_.size();
  }

  /// Appends the whole table to `out`, the same bytes on every node.
  void save(std::string& out) const;

  /// The table that `save` wrote. `errc::corrupt`: it did not write this.
  [[nodiscard]] static expected<session_table> load(std::string_view bytes);

private:
  struct session {
    std::uint64_t forgotten_below = 1;
    std::map<std::uint64_t, std::string> answers{};
    std::list<session_id>::iterator place{};
  };

  std::size_t max_sessions_;
  std::size_t window_;
  std::unordered_map<session_id, session> sessions_;
  std::list<session_id> by_use_; ///< used longest ago first
};

} // namespace neuroplex::raft
