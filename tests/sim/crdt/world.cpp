#include "tests/sim/crdt/world.hpp"

#include "tests/sim/crdt/operations.hpp"
#include "tests/sim/crdt/replica_host.hpp"
#include "tests/sim/nemesis.hpp"

#include <algorithm>
#include <array>

namespace neuroplex::sim {

namespace {

using namespace std::chrono_literals;

/// From when all is mended: enough rounds for the largest group to be told of
/// everything by everyone, in turn.
constexpr nanoseconds longest_settling = 60s;

template <class Subject>
class crdt_run {
public:
  using host = replica_host<Subject>;
  using state_type = typename Subject::state;

  explicit crdt_run(const run_request& asked)
    : asked_{asked}, world_{asked.seed}, faults_{draw_crdt_plan(world_, asked)},
      links_{world_, faults_}, around_{world_, links_, mistakes(), {}, {}, {}} {
    world_.log().listen(asked.listener);
    auto count = draw_group_size(world_.stream("size"));
    std::set<crdt::replica_id> ids;
    for (std::uint32_t i = 0; i < count; ++i) {
      around_.all.push_back(std::make_unique<host>(around_, faults_, i));
      ids.insert(around_.all.back()->id());
      auto& computer = around_.all.back()->computer();
      machines_.push_back(&computer);
      links_.add([&computer](network::delivery arrive) {
        computer.deliver(std::move(arrive));
      });
    }
    around_.group.members = crdt::membership{std::move(ids)};
    for (auto& one : around_.all)
      one->join_first(around_.group.members);
  }

  run_result run() {
    nemesis bad{world_, faults_, links_, machines_};
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
    for (auto* one : machines_)
      one->start();
    bad.begin();
    auto length =
      world_.stream("length").between(1s, 6s) * asked_.length_ppt / 1000;
    // What a replica told last must be safe though nothing follows it.
    auto ends = world_.stream("ends");
    for (auto& one : around_.all)
      one->change_until(ends.between(0ns, length));
    world_.run_until(length);
    bad.end();
    settle();
    if (!world_.failed() && retire())
      settle();
    if (!world_.failed())
      if (auto wrong = around_.ledger.judge(any_member().state());
          !wrong.empty())
        world_.fail(std::move(wrong));
    return result(bad);
  }

private:
  [[nodiscard]] crdt_mistakes_made mistakes() const {
    const auto& name = asked_.mistake;
    return {name == "send_before_save", name == "acknowledge_before_save",
            name == "keep_incarnation", name == "ignore_epoch",
            name == "forget_clock"};
  }

  [[nodiscard]] const host& any_member() const {
    return **std::find_if(around_.all.begin(), around_.all.end(),
                          [](const auto& one) { return one->is_member(); });
  }

  /// Whether a machine can be done without: all that its disk has is on disks
  /// of other members, and all of them agree who they are.
  [[nodiscard]] bool is_spare(const host& victim) const {
    state_type rest;
    std::size_t others = 0;
    for (const auto& one : around_.all) {
      if (!one->is_member() || one.get() == &victim)
        continue;
      if (one->epoch() != around_.group.members.epoch()
          || !rest.merge(one->saved()))
        return false;
      ++others;
    }
    return others >= 2 && victim.is_member()
           && victim.epoch() == around_.group.members.epoch()
           && includes(std::move(rest), victim.saved());
  }

  void leave(host& victim) {
    if (!is_spare(victim))
      return;
    world_.note("leaves", victim.computer().number());
    ++around_.ledger.counts.left;
    NEUROPLEX_ENSURE(around_.group.members.remove(victim.id()));
    victim.leave();
  }

  void come_back(host& victim) {
    world_.note("comes back", victim.computer().number());
    auto id = victim.id();
    ++id.incarnation;
    NEUROPLEX_ENSURE(around_.group.members.add(id));
    victim.come_back(id);
  }

  void replace_disk(host& victim) {
    if (!is_spare(victim))
      return;
    ++around_.ledger.counts.disks_replaced;
    if (around_.mistakes.keep_incarnation) {
      victim.come_back(victim.id());
      return;
    }
    leave(victim);
    come_back(victim);
  }

  /// Forgets who left, where all members have the same of it.
  bool retire() {
    auto any = false;
    if constexpr (forgets_replicas<state_type>) {
      auto& group = around_.group.members;
      auto leaving = group.leaving();
      for (const auto& gone : leaving) {
        for (const auto& one : around_.all)
          if (one->is_member() && one->epoch() == group.epoch())
            if (auto held = one->saved().held_of(gone))
              NEUROPLEX_ENSURE(group.confirm(one->id(), gone, *held));
        if (!group.is_stable(gone))
          continue;
        crdt_retirement what{gone, *group.members().begin()};
        NEUROPLEX_ENSURE(group.retire(gone));
        around_.ledger.forgotten(what, any_member().saved());
        around_.group.retired.push_back(what);
        ++around_.ledger.counts.forgotten;
        world_.note("forgotten", gone.node, gone.incarnation);
        any = true;
      }
    }
    return any;
  }

  [[nodiscard]] bool is_settled() const {
    const auto& first = any_member();
    return std::all_of(
      around_.all.begin(), around_.all.end(), [&](const auto& one) {
        return !one->is_member()
               || (one->buffered() == 0
                   && one->epoch() == around_.group.members.epoch()
                   && one->state() == first.state());
      });
  }

  void settle() {
    auto mended = world_.now();
    while (!world_.failed() && !is_settled()
           && world_.now() < mended + longest_settling)
      world_.run_until(world_.now() + gossip_period);
    if (!world_.failed() && !is_settled())
      world_.fail("replicas do not come to one state with empty buffers");
  }

  [[nodiscard]] run_result result(const nemesis& bad) const {
    run_result result;
    result.failure = world_.failure();
    if (!result.failure.empty())
      result.failure += " (" + std::string{Subject::name} + ")";
    result.events = world_.events();
    result.simulated = world_.now();
    result.drawn = faults_.kinds;
    std::uint64_t crashes = 0;
    for (const auto* one : machines_)
      crashes += one->crashes();
    const auto& counts = around_.ledger.counts;
    result.counts = {
      {"changes acknowledged", counts.acknowledged},
      {"deltas sent", counts.deltas},
      {"digests and acknowledgements sent", counts.digests},
      {"messages of another epoch refused", counts.refused},
      {"members that left", counts.left},
      {"disks replaced", counts.disks_replaced},
      {"replicas forgotten", counts.forgotten},
      {"crashes", crashes},
      {"messages lost", links_.seen().lost},
      {"messages duplicated", links_.seen().duplicated},
      {"deeds of the nemesis", bad.deeds()},
      {"runs of " + std::string{Subject::name}, 1},
    };
    return result;
  }

  run_request asked_;
  kernel world_;
  plan faults_;
  network links_;
  typename host::surroundings around_;
  std::vector<machine*> machines_;

public:
  [[nodiscard]] std::uint64_t hash() {
    return world_.log().hash();
  }
};

template <class Subject>
run_result run_subject(const run_request& asked) {
  crdt_run<Subject> run{asked};
  auto result = run.run();
  result.hash = run.hash();
  return result;
}

constexpr std::array all_subjects{
  run_subject<or_sets>,
  run_subject<remove_wins_sets>,
  run_subject<two_phase_sets>,
  run_subject<grow_sets>,
  run_subject<grow_counters>,
  run_subject<two_way_counters>,
  run_subject<bounded_counters>,
  run_subject<last_writers>,
  run_subject<last_writer_sets>,
  run_subject<largest_values>,
  run_subject<smallest_values>,
  run_subject<registers>,
  run_subject<flags>,
  run_subject<maps_of_sets>,
  run_subject<texts>,
  run_operation_counters,
  run_operation_sets,
};

} // namespace

std::uint32_t draw_group_size(dice from) {
  // Large ones are slow, and seldom tell more.
  return static_cast<std::uint32_t>(from.below(50) == 0 ? from.between(17, 64)
                                                        : from.between(3, 8));
}

plan draw_crdt_plan(const kernel& world, const run_request& asked) {
  auto faults = draw_plan(world.stream("plan"), asked.allowed);
  faults.loss_ppm = faults.loss_ppm * 5 / 3; // at most one half
  return faults;
}

std::string_view crdt_mistakes() noexcept {
  return "send_before_save,acknowledge_before_save,keep_incarnation,"
         "ignore_epoch,forget_clock";
}

run_result run_crdt(const run_request& asked) {
  auto drawn = dice{mix(asked.seed)}.fork("type").below(all_subjects.size());
  return all_subjects[drawn](asked);
}

} // namespace neuroplex::sim
