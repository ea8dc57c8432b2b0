#include "consensus/hybrid/durable.hpp"

#include "consensus/hybrid/limits.hpp"

#include <utility>

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

std::vector<record> records_of(const durable_state& state,
                               std::size_t max_bytes) {
  std::vector<record> all;
  for (auto& one : pbft::records_of(state.agreement))
    all.emplace_back(std::move(one));
  for (const auto& [number, log] : state.epochs) {
    all.emplace_back(began_record{number, log.start});
    raft_record part{number, log.hard, {}};
    std::size_t bytes = 0;
    for (const auto& one : log.entries) {
      if (!part.entries.empty()
          && (bytes + one.data.size() > max_bytes
              || part.entries.size() == limits::max_entries)) {
        all.emplace_back(std::exchange(part, {number, std::nullopt, {}}));
        bytes = 0;
      }
      part.entries.push_back(one);
      bytes += one.data.size();
    }
    all.emplace_back(std::move(part));
    all.emplace_back(head_record{number, log.vouched, log.by_leader});
    for (const auto& one : log.branches)
      all.emplace_back(branch_record{number, one.after, one.entries});
    if (log.stopped)
      all.emplace_back(stopped_record{number});
    if (log.closed_at)
      all.emplace_back(closed_record{number, *log.closed_at});
  }
  return all;
}

void durable_state::apply(const record& what) {
  std::visit(folder{*this}, what);
}

} // namespace neuroplex::hybrid
