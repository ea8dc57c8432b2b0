#include "tests/sim/raft/world.hpp"

#include "tests/sim/agreement_world.hpp"
#include "tests/sim/raft/client.hpp"
#include "tests/sim/raft/describe.hpp"
#include "tests/sim/raft/host.hpp"
#include "tests/sim/raft/operator.hpp"

#include <algorithm>
#include <array>

namespace neuroplex::sim {

using namespace std::chrono_literals;

namespace {

/// How long after all was mended a new write may take at most, in longest
/// election timeouts: several elections in a row may be split by chance. The
/// campaign asks for 2 of all runs but one in a hundred.
constexpr std::int64_t recovery_bound = 5;

struct setup {
  std::size_t founders = 3;
  std::size_t spares = 0;
  std::size_t clients = 3;
  nanoseconds chaos{};
  strike_style strikes = strike_style::mixed;
  group_settings group;
  client_settings client;
};

mistake mistake_named(std::string_view name) {
  for (unsigned number = 0; number < mistake_count; ++number) {
    if (name_of(static_cast<mistake>(number)) == name) {
      return static_cast<mistake>(number);
    }
  }
  return mistake::none;
}

/// Small limits, so that a run of seconds meets them.
void draw_limits(dice& thrown, raft::options& core) {
  constexpr std::array<std::size_t, 4> entries{1, 3, 16, 4'096};
  constexpr std::array<std::size_t, 4> bytes{1, 200, 4'096, 1U << 20};
  constexpr std::array<std::size_t, 4> windows{1, 2, 8, 256};
  constexpr std::array<std::size_t, 4> kept{0, 3, 20, 1'024};
  constexpr std::array<std::size_t, 3> pieces{16, 100, 4'096};
  core.max_append_entries = entries[thrown.below(entries.size())];
  core.max_append_bytes = bytes[thrown.below(bytes.size())];
  core.max_inflight_messages = windows[thrown.below(windows.size())];
  core.max_inflight_bytes =
    std::max(core.max_append_bytes, bytes[thrown.below(bytes.size())]);
  core.max_unapplied_entries = entries[thrown.between(1, std::uint64_t{3})];
  core.kept_entries = kept[thrown.below(kept.size())];
  core.chunk_bytes = pieces[thrown.below(pieces.size())];
  core.promotion_lag_entries = entries[thrown.below(entries.size())];
}

/// What lets a style of strikes meet what it is after.
void fit_strikes(dice& thrown, setup& result) {
  auto& core = result.group.core;
  if (result.strikes == strike_style::short_offices) {
    // One entry after the other, so that a leader fails between two.
    result.founders = 3;
    core.max_append_entries = 1;
    core.max_inflight_messages = 1;
    core.check_quorum = false;
    core.lease_reads = false;
  } else if (result.strikes == strike_style::hasty_changes) {
    // Half of four is no majority, but half of four less one is.
    result.founders = thrown.between(4, std::uint64_t{5});
  } else if (result.strikes == strike_style::stale_reads) {
    core.check_quorum = thrown.coin();
    core.lease_reads = core.check_quorum;
    core.pre_vote = false;
  }
}

setup draw_setup(dice thrown, const plan& faults, const run_request& asked) {
  setup result;
  constexpr std::array<std::size_t, 8> sizes{3, 3, 3, 5, 5, 4, 7, 1};
  result.founders = sizes[thrown.below(sizes.size())];
  result.spares = thrown.between(1, std::uint64_t{2});
  if (!faults.kinds.has(fault::membership)) {
    result.spares = 0;
  }
  result.clients = thrown.between(2, std::uint64_t{4});
  result.chaos = thrown.between(2s, 6s) / 1000 * asked.length_ppt;
  auto& core = result.group.core;
  core.election_timeout = thrown.between(100ms, 250ms);
  core.heartbeat_interval = core.election_timeout / 5;
  core.pre_vote = thrown.below(8) != 0;
  core.check_quorum = thrown.below(8) != 0;
  core.lease_reads = core.check_quorum && thrown.coin();
  core.max_clock_drift_ppm =
    static_cast<std::uint32_t>(std::max(faults.most_drift_ppm, 1'000));
  core.voters_begin_as_learners = thrown.below(4) != 0;
  draw_limits(thrown, core);
  const auto often = thrown.between(3, std::uint64_t{40});
  const auto seldom = thrown.between(100, std::uint64_t{1'000});
  result.group.snapshot_every =
    faults.kinds.has(fault::snapshot) ? often : seldom;
  constexpr std::array<std::uint64_t, 3> segments{4'096, 4'096, 16'384};
  result.group.segment_bytes = segments[thrown.below(segments.size())];
  result.group.batches = thrown.coin();
  result.group.messages_first = thrown.coin();
  result.group.through_codec = thrown.below(8) == 0;
  result.strikes = static_cast<strike_style>(thrown.below(strike_style_count));
  if (faults.kinds.has(fault::new_leader)) {
    fit_strikes(thrown, result);
  }
  result.group.rare_branches = faults.kinds.has(fault::rare_branch);
  result.group.wrong = mistake_named(asked.mistake);
  result.client.keys = agreement_keys;
  result.client.patience =
    thrown.between(1, std::uint64_t{3}) * core.election_timeout;
  result.client.longest_thought = thrown.between(20ms, 150ms);
  result.client.requests_may_repeat = faults.kinds.has(fault::duplication);
  return result;
}

class raft_world final : public agreement_world {
public:
  explicit raft_world(const run_request& asked)
    : agreement_world{asked}, setup_{draw_setup(world_.stream("setup"), faults_,
                                                asked)},
      invariants_{
        world_,
        [this](raft::member who, raft::log_index index,
               raft::term_number term) { return holds(who, index, term); }},
      operator_{world_, links_, nodes_} {
    build_nodes();
    build_clients();
    auto& bad = add_nemesis();
    operator_.add_deeds_to(bad);
    if (faults_.kinds.has(fault::new_leader))
      operator_.strike_new_leaders(setup_.strikes,
                                   faults_.kinds.has(fault::membership));
  }

private:
  void build_nodes();
  void build_clients();
  [[nodiscard]] bool holds(raft::member who, raft::log_index index,
                           raft::term_number term) const;

  [[nodiscard]] agreement_pace pace() const override {
    return {setup_.chaos, 2 * setup_.group.core.election_timeout,
            recovery_bound, 2};
  }

  [[nodiscard]] std::string describe() const override {
    return "founders " + std::to_string(setup_.founders) + ", spares "
           + std::to_string(setup_.spares);
  }

  void crash_stopped() override {
    for (const auto& one : nodes_)
      one->crash_if_stopped();
  }

  void end_more() override {
    operator_.end();
  }

  // Some of what the disks did was to fail.
  void after_mending() override {
    crash_stopped();
    for (const auto& box : machines_)
      box->start();
  }

  void probe() override;
  [[nodiscard]] std::string disagreement() const override;
  void count_more(counters& counts) const override;

  setup setup_;
  raft_invariants invariants_;
  std::vector<std::unique_ptr<raft_host>> nodes_;
  group_operator operator_;
};

void raft_world::build_nodes() {
  for (auto left = setup_.founders + setup_.spares; left > 0; --left)
    add_machine();
  raft::configuration founders;
  for (raft::node_id id = 1; id <= setup_.founders; ++id)
    founders.voters.push_back({id, 0});
  for (const auto& box : machines_) {
    nodes_.push_back(std::make_unique<raft_host>(
      world_, *box, links_, invariants_, setup_.group, nodes_));
    if (box->number() < setup_.founders)
      nodes_.back()->found_group(founders);
  }
}

void raft_world::build_clients() {
  auto settings = setup_.client;
  for (std::uint32_t number = 0; number <= setup_.clients; ++number) {
    settings.number = number;
    if (number == setup_.clients) {
      settings.patience = setup_.group.core.election_timeout / 4;
      settings.most_tries = 1'000;
    }
    clients_.push_back(std::make_unique<raft_client>(world_, links_, history_,
                                                     settings, nodes_));
  }
}

bool raft_world::holds(raft::member who, raft::log_index index,
                       raft::term_number term) const {
  return nodes_[who.id - 1]->holds_durably(who.incarnation, index, term);
}

void raft_world::probe() {
  prober().ask(verb::put, 0, [this](bool good) {
    if (good)
      recovered();
    else
      probe();
  });
}

std::string raft_world::disagreement() const {
  const raft_host* leader = nullptr;
  for (const auto& one : nodes_) {
    if (one->leads()
        && (leader == nullptr
            || one->node()->state().term > leader->node()->state().term)) {
      leader = one.get();
    }
  }
  if (leader == nullptr) {
    return "nobody leads";
  }
  const auto last = leader->node()->state().last_index;
  for (const auto id : raft::member_ids(leader->members())) {
    const auto& one = *nodes_[id - 1];
    const auto* state = one.state();
    const auto belongs =
      raft::newest_incarnation(leader->members(), id) == one.self().incarnation;
    if (state != nullptr && belongs && state->index() != last) {
      return node_name(id) + " has applied " + std::to_string(state->index())
             + " of " + std::to_string(last);
    }
  }
  return "";
}

void raft_world::count_more(counters& counts) const {
  // Other groups make no files while they run.
  for (const auto& box : machines_)
    counts["names lost"] += box->storage().seen().names_lost;
  counts["terms with a leader"] = invariants_.terms_with_leader();
  counts["entries committed"] = invariants_.committed();
  counts["membership changes asked for"] = operator_.seen().changes;
  counts["transfers asked for"] = operator_.seen().transfers;
  counts["new leaders struck"] = operator_.seen().strikes;
  counts["bits rotten"] = operator_.seen().rotten;
  counts["writes misdirected"] = operator_.seen().misdirected;
  for (const auto& one : nodes_) {
    counts["snapshots taken"] += one->seen().snapshots_taken;
    counts["snapshots installed"] += one->seen().snapshots_installed;
    counts["damage found"] += one->seen().damage_found;
    counts["disks replaced"] += one->seen().disks_replaced;
    counts["nodes stopped by their disk"] += one->seen().stopped_by_disk;
    counts["batches logged"] += one->seen().batches_logged;
  }
}

} // namespace

run_result run_raft(const run_request& asked) {
  raft_world world{asked};
  return world.run();
}

std::string_view raft_mistakes() noexcept {
  return "answer_before_sync, install_before_sync, snapshot_lacks_session, "
         "forget_vote, keep_incarnation";
}

} // namespace neuroplex::sim
