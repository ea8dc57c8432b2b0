#include "actors/flight_table.hpp"

#include <utility>

namespace neuroplex::actors {

std::optional<flight_id> flight_table::take_off(flight what) {
  auto& peer = peers_[what.peer];
  if (peer.flights >= credit_.per_peer)
    return std::nullopt;
  // One request larger than the whole credit may fly alone.
  if (peer.flights > 0 && peer.bytes + what.bytes > credit_.bytes_per_peer)
    return std::nullopt;
  if (what.client != 0) {
    auto& client = clients_[what.client];
    if (client >= credit_.per_client)
      return std::nullopt;
    ++client;
  }
  ++peer.flights;
  peer.bytes += what.bytes;
  flights_.emplace(++last_id_, std::move(what));
  return last_id_;
}

bool flight_table::land(flight_id id) {
  auto found = flights_.find(id);
  if (found == flights_.end())
    return false;
  give_back(found->second);
  flights_.erase(found);
  return true;
}

std::vector<flight> flight_table::lose(placement::replica_id peer) {
  std::vector<flight> lost;
  for (auto i = flights_.begin(); i != flights_.end();) {
    if (i->second.peer != peer) {
      ++i;
      continue;
    }
    give_back(i->second);
    lost.push_back(std::move(i->second));
    i = flights_.erase(i);
  }
  return lost;
}

std::size_t flight_table::in_flight(placement::replica_id peer) const {
  auto found = peers_.find(peer);
  return found == peers_.end() ? 0 : found->second.flights;
}

void flight_table::give_back(const flight& what) {
  auto& peer = peers_[what.peer];
  --peer.flights;
  peer.bytes -= what.bytes;
  if (what.client == 0)
    return;
  auto client = clients_.find(what.client);
  if (--client->second == 0)
    clients_.erase(client);
}

} // namespace neuroplex::actors
