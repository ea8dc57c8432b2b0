#include "consensus/hybrid/durable.hpp"

namespace neuroplex::hybrid {

namespace {

struct folder {
  durable_state& state;

  void operator()(const pbft::record& what) const {
    state.agreement.apply(what);
    std::erase_if(state.epochs, [this](const auto& one) {
      return one.second.closed_at
             && *one.second.closed_at <= state.agreement.stable.sequence;
    });
  }

  void operator()(const began_record& what) const {
    state.epochs[what.epoch].start = what.start;
  }

  void operator()(const raft_record& what) const {
    auto& log = state.epochs[what.epoch];
    if (what.hard)
      log.hard = *what.hard;
    log.entries.insert(log.entries.end(), what.entries.begin(),
                       what.entries.end());
  }

  void operator()(const head_record& what) const {
    auto& log = state.epochs[what.epoch];
    log.vouched = what.what;
    log.by_leader = what.by_leader;
  }

  void operator()(const branch_record& what) const {
    state.epochs[what.epoch].branches.push_back({what.after, what.entries});
  }

  void operator()(const stopped_record& what) const {
    state.epochs[what.epoch].stopped = true;
  }

  void operator()(const closed_record& what) const {
    // Executed again after a restart, it may be gone already.
    auto found = state.epochs.find(what.epoch);
    if (found != state.epochs.end())
      found->second.closed_at = what.sequence;
  }
};

} // namespace

void durable_state::apply(const record& what) {
  std::visit(folder{*this}, what);
}

} // namespace neuroplex::hybrid
