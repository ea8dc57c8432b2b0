#include "consensus/hybrid/trust.hpp"

#include <algorithm>
#include <cmath>

namespace neuroplex::hybrid {

namespace {

/// So that whoever did a thousand bad things is not distrusted for ever.
constexpr double largest_penalty = 8;

struct fault_facts {
  std::string_view name;
  double weight;
};

constexpr fault_facts facts[fault_kind_count] = {
  {"equivocation", 1.0}, {"divergent_digest", 0.5}, {"false_proof", 0.15},
  {"malformed", 0.1},    {"bad_mac", 0.05},
};

} // namespace

std::string_view fault_kind_name(fault_kind what) noexcept {
  return facts[static_cast<std::size_t>(what)].name;
}

double weight_of(fault_kind what) noexcept {
  return facts[static_cast<std::size_t>(what)].weight;
}

expected<void> trust_options::validate() const {
  if (!(distrusted_below > 0 && distrusted_below < trusted_from
        && trusted_from < 1))
    return failure{errc::config,
                   "hybrid: distrusted_below, trusted_from: must be between 0 "
                   "and 1, the first below the second"};
  if (!(silence_cost >= 0 && 1 - silence_cost >= trusted_from))
    return failure{errc::config,
                   "hybrid: silence_cost: must not bring a silent replica "
                   "below trusted_from"};
  if (half_life <= time::zero() || silent_after <= time::zero())
    return failure{errc::config,
                   "hybrid: half_life, silent_after: must be above zero"};
  return {};
}

trust_book::trust_book(const trust_options& settings,
                       const std::vector<node_id>& replicas, time now)
  : settings_{settings} {
  for (auto id : replicas)
    opinions_[id] = {0, now, now, true};
}

double trust_book::penalty_at(const opinion& of, time now) const {
  auto passed = std::max(now - of.since, time::zero());
  auto half_lives = static_cast<double>(passed.count())
                    / static_cast<double>(settings_.half_life.count());
  return of.penalty * std::exp2(-half_lives);
}

double trust_book::score_of(const opinion& of, time now) const {
  auto silent = now - of.heard > settings_.silent_after;
  return std::exp(-penalty_at(of, now))
         * (silent ? 1 - settings_.silence_cost : 1);
}

void trust_book::saw(node_id who, fault_kind what, time now) {
  auto found = opinions_.find(who);
  if (found == opinions_.end())
    return;
  auto& one = found->second;
  one.penalty =
    std::min(penalty_at(one, now) + weight_of(what), largest_penalty);
  one.since = std::max(one.since, now);
  ++cases_;
}

void trust_book::heard(node_id who, time now) {
  auto found = opinions_.find(who);
  if (found != opinions_.end())
    found->second.heard = std::max(found->second.heard, now);
}

double trust_book::score(node_id who, time now) const {
  auto found = opinions_.find(who);
  return found == opinions_.end() ? 0 : score_of(found->second, now);
}

double trust_book::lowest_score(time now) const {
  double lowest = 1;
  for (const auto& [id, one] : opinions_)
    lowest = std::min(lowest, score_of(one, now));
  return lowest;
}

bool trust_book::trusts(node_id who, time now) {
  auto found = opinions_.find(who);
  if (found == opinions_.end())
    return false;
  auto& one = found->second;
  auto score = score_of(one, now);
  one.trusted = score >= (one.trusted ? settings_.distrusted_below
                                      : settings_.trusted_from);
  return one.trusted;
}

bool trust_book::trusts_all(time now) {
  bool all = true;
  for (const auto& [id, one] : opinions_)
    all = trusts(id, now) && all;
  return all;
}

bool trust_book::hears(node_id who, time now) const {
  auto found = opinions_.find(who);
  return found != opinions_.end()
         && now - found->second.heard <= settings_.silent_after;
}

} // namespace neuroplex::hybrid
