#include "crdt/handover.hpp"

namespace neuroplex::crdt {

expected<void> ownership::check(std::uint64_t epoch) const {
  if (owns_ && epoch == epoch_)
    return {};
  return failure{errc::unavailable,
                 "range of keys in epoch " + std::to_string(epoch)
                   + ": this node "
                   + (owns_ ? "owns it in epoch " : "does not own it in epoch ")
                   + std::to_string(epoch_)
                   + ": nothing was applied; ask for the table of owners"};
}

expected<std::uint64_t> ownership::release(const state_digest& moved,
                                           const state_digest& current) {
  if (!owns_)
    return failure{errc::bad_argument,
                   "range of keys: this node does not own it in epoch "
                     + std::to_string(epoch_) + ": only its owner gives it up"};
  if (moved != current)
    return failure{errc::mismatch,
                   "range of keys: it changed after it was sent: send it "
                   "again"};
  owns_ = false;
  ++epoch_;
  return epoch_;
}

expected<void> ownership::take(std::uint64_t epoch) {
  if (owns_ || epoch <= epoch_)
    return failure{errc::bad_argument,
                   "range of keys in epoch " + std::to_string(epoch)
                     + ": this node knows of epoch " + std::to_string(epoch_)
                     + ": expected a later one, and not to own it yet"};
  epoch_ = epoch;
  owns_ = true;
  return {};
}

} // namespace neuroplex::crdt
