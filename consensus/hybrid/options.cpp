#include "consensus/hybrid/options.hpp"

namespace neuroplex::hybrid {

expected<void> options::validate() const {
  if (auto good = agreement.validate(); !good)
    return good;
  if (auto good = trust.validate(); !good)
    return good;
  if (auto good = raft_options(0).validate(); !good)
    return good;
  if (raft.lease_reads)
    return failure{errc::config,
                   "hybrid: raft.lease_reads: an epoch may end within a lease: "
                   "leave it off"};
  if (leader_timeout < 2 * agreement.resend_interval)
    return failure{errc::config, "hybrid: leader_timeout: must be at least "
                                 "twice agreement.resend_interval"};
  if (calm <= time::zero() || longest_calm < calm)
    return failure{errc::config, "hybrid: calm: must be above zero and not "
                                 "above longest_calm"};
  if (max_epoch_entries == 0 || max_epoch_entries > limits::max_epoch_entries)
    return failure{errc::config, "hybrid: max_epoch_entries: out of range"};
  return {};
}

raft::options options::raft_options(epoch_number epoch) const {
  auto result = raft;
  result.id = agreement.id;
  result.faults = agreement.faults;
  result.seed = agreement.id ^ epoch << 16;
  return result;
}

} // namespace neuroplex::hybrid
