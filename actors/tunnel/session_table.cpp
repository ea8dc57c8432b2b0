#include "actors/tunnel/session_table.hpp"

#include <algorithm>

namespace neuroplex::tunnel {

bool session_table::known(replica_id id) const {
  if (id == rules_.self)
    return false;
  return rules_.any_peer_of_authority
         || std::binary_search(rules_.peers.begin(), rules_.peers.end(), id);
}

reason session_table::admit(replica_id id, std::uint64_t incarnation) {
  auto [position, fresh] = sessions_.try_emplace(id, session{incarnation, 0});
  auto& found = position->second;
  if (found.incarnation != incarnation) {
    if (std::find(probes_.begin(), probes_.end(), id) == probes_.end())
      probes_.push_back(id);
    return reason::duplicate_session;
  }
  if (found.stream_count >= rules_.max_streams_per_peer) {
    if (fresh)
      sessions_.erase(position);
    return reason::too_many_streams;
  }
  ++found.stream_count;
  return reason::none;
}

void session_table::release(replica_id id) {
  auto position = sessions_.find(id);
  if (position == sessions_.end())
    return;
  if (--position->second.stream_count == 0)
    sessions_.erase(position);
}

} // namespace neuroplex::tunnel
