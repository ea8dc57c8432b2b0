#include "tests/sim/crdt/world.hpp"

#include "tests/sim/crdt/operations.hpp"
#include "tests/sim/crdt/replica_host.hpp"

#include <algorithm>
#include <set>

namespace neuroplex::sim {

namespace {

class crdt_world final : public replica_world {
public:
  crdt_world(const run_request& asked, const crdt_subject& subject)
    : replica_world{asked,
                    "replicas do not come to one state with empty buffers"},
      around_{world_, links_, subject, mistakes(), subject.make_ledger(),
              {},     {},     {}} {
    auto count = draw_size();
    std::set<crdt::replica_id> ids;
    for (std::uint32_t i = 0; i < count; ++i) {
      around_.all.push_back(
        std::make_unique<replica_host>(around_, faults_, i));
      ids.insert(around_.all.back()->id());
      add(*around_.all.back());
    }
    around_.group.members = crdt::membership{std::move(ids)};
    for (auto& one : around_.all)
      one->join_first(around_.group.members);
  }

private:
  [[nodiscard]] crdt_mistakes_made mistakes() const {
    const auto& name = asked_.mistake;
    return {name == "send_before_save", name == "acknowledge_before_save",
            name == "keep_incarnation", name == "ignore_epoch",
            name == "forget_clock"};
  }

  void add_deeds(nemesis& bad) override {
    bad.add_deed(fault::membership, [this](dice& thrown) {
      auto& victim = *around_.all[thrown.below(around_.all.size())];
      if (victim.is_member())
        leave(victim);
      else
        come_back(victim);
      retire();
    });
    bad.add_deed(fault::rot, [this](dice& thrown) {
      replace_disk(*around_.all[thrown.below(around_.all.size())]);
    });
  }

  [[nodiscard]] const replica_host& any_member() const {
    return **std::find_if(around_.all.begin(), around_.all.end(),
                          [](const auto& one) { return one->is_member(); });
  }

  /// Whether a machine can be done without: all that its disk has is on disks
  /// of other members, and all of them agree who they are.
  [[nodiscard]] bool is_spare(const replica_host& victim) const {
    std::vector<std::string> others;
    for (const auto& one : around_.all) {
      if (!one->is_member() || one.get() == &victim)
        continue;
      if (one->epoch() != around_.group.members.epoch())
        return false;
      others.push_back(one->saved());
    }
    return others.size() >= 2 && victim.is_member()
           && victim.epoch() == around_.group.members.epoch()
           && around_.ledger->is_covered(victim.saved(), others);
  }

  void leave(replica_host& victim) {
    if (!is_spare(victim))
      return;
    world_.note("leaves", victim.computer().number());
    ++around_.counts.left;
    NEUROPLEX_ENSURE(around_.group.members.remove(victim.id()));
    victim.leave();
  }

  void come_back(replica_host& victim) {
    world_.note("comes back", victim.computer().number());
    auto id = victim.id();
    ++id.incarnation;
    NEUROPLEX_ENSURE(around_.group.members.add(id));
    victim.come_back(id);
  }

  void replace_disk(replica_host& victim) {
    if (!is_spare(victim))
      return;
    ++around_.counts.disks_replaced;
    if (around_.mistakes.keep_incarnation) {
      victim.come_back(victim.id());
      return;
    }
    leave(victim);
    come_back(victim);
  }

  /// Forgets who left, where all members have the same of it. Answers whether
  /// anybody was.
  bool retire() {
    auto any = false;
    if (!around_.ledger->forgets_replicas())
      return any;
    auto& group = around_.group.members;
    auto leaving = group.leaving();
    for (const auto& gone : leaving) {
      for (const auto& one : around_.all)
        if (one->is_member() && one->epoch() == group.epoch())
          if (auto held = around_.ledger->held_of(one->saved(), gone))
            NEUROPLEX_ENSURE(group.confirm(one->id(), gone, *held));
      if (!group.is_stable(gone))
        continue;
      crdt_retirement what{gone, *group.members().begin()};
      NEUROPLEX_ENSURE(group.retire(gone));
      around_.ledger->forgotten(what, any_member().saved());
      around_.group.retired.push_back(what);
      ++around_.counts.forgotten;
      world_.note("forgotten", gone.node, gone.incarnation);
      any = true;
    }
    return any;
  }

  [[nodiscard]] bool is_settled() const override {
    const auto& first = any_member();
    return std::all_of(
      around_.all.begin(), around_.all.end(), [&](const auto& one) {
        return !one->is_member()
               || (one->value().buffered() == 0
                   && one->epoch() == around_.group.members.epoch()
                   && one->value().equals(first.value()));
      });
  }

  void judge() override {
    if (retire())
      settle();
    if (world_.failed())
      return;
    if (auto wrong = around_.ledger->judge(any_member().value().encode());
        !wrong.empty())
      world_.fail(std::move(wrong));
  }

  [[nodiscard]] std::string_view subject() const override {
    return around_.subject.name;
  }

  [[nodiscard]] counters happened() const override {
    const auto& counts = around_.counts;
    return {
      {"changes acknowledged", counts.acknowledged},
      {"deltas sent", counts.deltas},
      {"digests and acknowledgements sent", counts.digests},
      {"messages of another epoch refused", counts.refused},
      {"members that left", counts.left},
      {"disks replaced", counts.disks_replaced},
      {"replicas forgotten", counts.forgotten},
    };
  }

  replica_host::surroundings around_;
};

} // namespace

std::string_view crdt_mistakes() noexcept {
  return "send_before_save,acknowledge_before_save,keep_incarnation,"
         "ignore_epoch,forget_clock";
}

run_result run_crdt(const run_request& asked) {
  const auto states = crdt_subjects();
  const auto drawn = dice{mix(asked.seed)}.fork("type").below(
    states.size() + operation_subjects);
  if (drawn < states.size())
    return crdt_world{asked, states[drawn]}.run();
  return run_operations(drawn - states.size(), asked);
}

} // namespace neuroplex::sim
