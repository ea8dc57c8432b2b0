#include "consensus/hybrid/history.hpp"

#include <algorithm>
#include <set>

namespace neuroplex::hybrid {

digest chain_start(const crypto& keys, group_id group, const epoch_info& where,
                   const digest& root) {
  return keys.hash(begun_statement(group, where, root));
}

digest chain_after(const crypto& keys, const digest& before,
                   const entry& next) {
  return keys.hash(link_bytes(before, next));
}

bool is_vouched(const epoch_rules& rules, const head& what,
                const signature& by_leader) {
  if (what.index == 0)
    return what.chain == rules.start;
  return rules.keys.is_signed(
    rules.where.leader,
    head_statement(rules.group.group, rules.where.epoch, what), by_leader);
}

bool is_valid(const epoch_rules& rules, const stop& what) {
  return what.epoch == rules.where.epoch
         && rules.group.index_of(what.replica).has_value()
         && rules.keys.is_signed(
           what.replica, stop_statement(rules.group.group, what), what.by)
         && is_vouched(rules, what.last, what.by_leader);
}

bool is_valid(const epoch_rules& rules, const holding& what) {
  return what.epoch == rules.where.epoch
         && rules.group.index_of(what.replica).has_value()
         && rules.keys.is_signed(
           what.replica, holding_statement(rules.group.group, what), what.by);
}

std::optional<head> choose_history(const epoch_rules& rules,
                                   const close_order& what) {
  if (what.epoch != rules.where.epoch)
    return std::nullopt;
  std::set<node_id> stopped;
  head longest{0, rules.start};
  for (const auto& one : what.stops) {
    if (!is_valid(rules, one))
      return std::nullopt;
    stopped.insert(one.replica);
    longest = std::max(longest, one.last);
  }
  if (stopped.size() < rules.group.quorum())
    return std::nullopt;
  if (longest.index == 0)
    return longest;
  std::set<node_id> holders;
  for (const auto& one : what.holdings)
    if (one.what == longest && is_valid(rules, one))
      holders.insert(one.replica);
  if (holders.size() < rules.group.weak_quorum())
    return std::nullopt;
  return longest;
}

std::optional<close_order> compose_order(const epoch_rules& rules,
                                         std::vector<stop> stops,
                                         const std::vector<holding>& holdings) {
  std::sort(stops.begin(), stops.end(),
            [](const stop& x, const stop& y) { return x.last < y.last; });
  for (; stops.size() >= rules.group.quorum(); stops.pop_back()) {
    close_order result{rules.where.epoch, stops, {}};
    for (const auto& one : holdings)
      if (one.what == stops.back().last
          && result.holdings.size() < rules.group.weak_quorum())
        result.holdings.push_back(one);
    if (stops.back().last.index == 0
        || result.holdings.size() == rules.group.weak_quorum())
      return result;
  }
  return std::nullopt;
}

} // namespace neuroplex::hybrid
