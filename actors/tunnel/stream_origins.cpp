#include "actors/tunnel/stream_origins.hpp"

#include <utility>

namespace neuroplex::tunnel {

stream_origins::entry::entry(std::shared_ptr<stream_origins> where,
                             std::uint16_t port, replica_id owner)
  : where_{std::move(where)}, port_{port} {
  std::lock_guard guard{where_->mutex_};
  where_->owners_[port] = owner;
}

stream_origins::entry::~entry() {
  std::lock_guard guard{where_->mutex_};
  where_->owners_.erase(port_);
}

std::optional<replica_id> stream_origins::of(std::uint16_t port) const {
  std::lock_guard guard{mutex_};
  const auto found = owners_.find(port);
  return found == owners_.end() ? std::nullopt
                                : std::optional<replica_id>{found->second};
}

} // namespace neuroplex::tunnel
