#include "tests/sim/crdt/replica_world.hpp"

#include <chrono>

namespace neuroplex::sim {

namespace {

using namespace std::chrono_literals;

/// From when all is mended: enough turns for the largest group to be told of
/// everything by everyone, one after the other.
constexpr nanoseconds longest_settling = 60s;

plan draw_replica_plan(const kernel& world, const run_request& asked) {
  auto faults = draw_plan(world.stream("plan"), asked.allowed);
  faults.loss_ppm = faults.loss_ppm * 5 / 3; // at most one half
  return faults;
}

} // namespace

replica_machine::replica_machine(kernel& world, const plan& faults,
                                 std::uint32_t number)
  : world_{world}, machine_{world, faults, number}, dice_{world.stream(
                                                      "client", number)} {
  machine_.on_start = [this] { start(); };
  machine_.on_stop = [this] { ++life_; };
}

void replica_machine::turn_in(nanoseconds delay) {
  machine_.at_local(machine_.local_now() + delay, [this, life = life_] {
    if (life == life_)
      turn();
  });
}

bool replica_machine::is_changed_now() {
  return world_.now() < change_until_ && dice_.below(4) == 0;
}

replica_world::replica_world(const run_request& asked,
                             std::string_view unsettled)
  : asked_{asked}, world_{asked.seed}, faults_{draw_replica_plan(world_,
                                                                 asked)},
    links_{world_, faults_}, unsettled_{unsettled} {
  world_.log().listen(asked.listener);
}

std::uint32_t replica_world::draw_size() const {
  auto from = world_.stream("size");
  // Large ones are slow, and seldom tell more.
  return static_cast<std::uint32_t>(from.below(50) == 0 ? from.between(17, 64)
                                                        : from.between(3, 8));
}

void replica_world::add(replica_machine& one) {
  replicas_.push_back(&one);
  auto& computer = one.computer();
  machines_.push_back(&computer);
  links_.add([&computer](network::delivery arrive) {
    computer.deliver(std::move(arrive));
  });
}

run_result replica_world::run() {
  nemesis bad{world_, faults_, links_, machines_};
  add_deeds(bad);
  for (auto* one : machines_)
    one->start();
  bad.begin();
  auto length =
    world_.stream("length").between(1s, 6s) * asked_.length_ppt / 1000;
  // What a replica told last must be safe though nothing follows it.
  auto ends = world_.stream("ends");
  for (auto* one : replicas_)
    one->change_until(ends.between(0ns, length));
  world_.run_until(length);
  bad.end();
  settle();
  if (!world_.failed())
    judge();
  return result(bad);
}

void replica_world::settle() {
  auto mended = world_.now();
  while (!world_.failed() && !is_settled()
         && world_.now() < mended + longest_settling)
    world_.run_until(world_.now() + turn_period);
  if (!world_.failed() && !is_settled())
    world_.fail(std::string{unsettled_});
}

run_result replica_world::result(const nemesis& bad) {
  run_result result;
  result.failure = world_.failure();
  if (!result.failure.empty())
    result.failure += " (" + std::string{subject()} + ")";
  result.events = world_.events();
  result.simulated = world_.now();
  result.drawn = faults_.kinds;
  std::uint64_t crashes = 0;
  for (const auto* one : machines_)
    crashes += one->crashes();
  result.counts = happened();
  result.counts.merge(counters{
    {"crashes", crashes},
    {"messages lost", links_.seen().lost},
    {"messages duplicated", links_.seen().duplicated},
    {"deeds of the nemesis", bad.deeds()},
    {"runs of " + std::string{subject()}, 1},
  });
  result.hash = world_.log().hash();
  return result;
}

} // namespace neuroplex::sim
