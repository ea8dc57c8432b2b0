// Which peers a server has sessions with.
//
// Purpose: one replica id, one life at a time. All streams of a session name
// the same incarnation; a stream of another incarnation is refused while the
// session has a stream left (the first stays), whether it is an impostor with
// a stolen key or the same peer, restarted before its old connections ended.
// The second case heals by itself: the refusal asks for a probe, and a session
// that does not answer it ends, so that the peer's next attempt succeeds.
//
// Ownership and threads: owned by one relay, used by its thread; sans-I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "actors/tunnel/identity.hpp"
#include "actors/tunnel/stats.hpp"

namespace neuroplex::tunnel {

class session_table {
public:
  struct rules {
    replica_id self = 0;
    /// Sorted.
    std::vector<replica_id> peers;
    bool any_peer_of_authority = false;
    std::size_t max_streams_per_peer = 0;
  };

  explicit session_table(rules what) : rules_{std::move(what)} {
  }

  /// Whether a peer of this id may connect at all.
  [[nodiscard]] bool known(replica_id id) const;

  /// Adds a stream to the session of `id`, or answers why not:
  /// duplicate_session or too_many_streams.
  [[nodiscard]] reason admit(replica_id id, std::uint64_t incarnation);

  /// Takes back one admitted stream.
  void release(replica_id id);

  /// Ids whose sessions are to be probed, each once; empty afterwards.
  [[nodiscard]] std::vector<replica_id> take_probes() {
    return std::exchange(probes_, {});
  }

private:
  struct session {
    std::uint64_t incarnation = 0;
    std::size_t stream_count = 0;
  };

  rules rules_;
  std::map<replica_id, session> sessions_;
  std::vector<replica_id> probes_;
};

} // namespace neuroplex::tunnel
