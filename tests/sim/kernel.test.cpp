#include "tests/sim/kernel.hpp"

#include "tests/sim/plan.hpp"

#include <vector>

#include <catch2/catch.hpp>

using namespace neuroplex::sim;
using namespace std::chrono_literals;

TEST_CASE("events run in the order of their times, then of scheduling") {
  kernel world{1};
  std::vector<int> seen;
  world.at(2ms, [&] { seen.push_back(3); });
  world.at(1ms, [&] { seen.push_back(1); });
  world.at(1ms, [&] {
    seen.push_back(2);
    world.after(0ns, [&] { seen.push_back(20); });
  });
  world.at(5ms, [&] { seen.push_back(4); });
  REQUIRE(world.run_until(2ms));
  REQUIRE(seen == std::vector<int>{1, 2, 20, 3});
  REQUIRE(world.now() == 2ms);
  REQUIRE(world.run_until(1h));
  REQUIRE(seen.back() == 4);
}

TEST_CASE("a failure stops the run and the first one is kept") {
  kernel world{1};
  bool reached = false;
  world.at(1ms, [&] {
    world.fail("one");
    world.fail("two");
  });
  world.at(2ms, [&] { reached = true; });
  REQUIRE_FALSE(world.run_until(1s));
  REQUIRE(world.failure() == "one");
  REQUIRE_FALSE(reached);
}

TEST_CASE("the trace hash tells order, time and content apart") {
  const auto hash = [](auto&& notes) {
    trace log;
    notes(log);
    return log.hash();
  };
  const auto base = hash([](trace& log) {
    log.note(1ns, "a", 1);
    log.note(2ns, "b", 2);
  });
  REQUIRE(base == hash([](trace& log) {
            log.note(1ns, "a", 1);
            log.note(2ns, "b", 2);
          }));
  REQUIRE(base != hash([](trace& log) {
            log.note(2ns, "b", 2);
            log.note(1ns, "a", 1);
          }));
  REQUIRE(base != hash([](trace& log) {
            log.note(1ns, "a", 1);
            log.note(3ns, "b", 2);
          }));
  REQUIRE(base != hash([](trace& log) {
            log.note(1ns, "a", 1);
            log.note(2ns, "c", 2);
          }));
}

TEST_CASE("streams of chance do not disturb one another") {
  const kernel world{7};
  auto first = world.stream("network");
  auto other = world.stream("disk");
  auto again = world.stream("network");
  REQUIRE(other.next() != again.next());
  again = world.stream("network");
  for (int count = 0; count < 100; ++count) {
    REQUIRE(first.next() == again.next());
  }
  REQUIRE(world.stream("disk", 1).next() != world.stream("disk", 2).next());
}

TEST_CASE("dice stay within their bounds and reach them") {
  dice thrown{3};
  std::vector<int> counts(6);
  for (int count = 0; count < 6000; ++count) {
    const auto value = thrown.between(std::uint64_t{10}, std::uint64_t{15});
    REQUIRE(value >= 10);
    REQUIRE(value <= 15);
    ++counts[value - 10];
    const auto delay = thrown.mostly_low(1ms, 9ms);
    REQUIRE(delay >= 1ms);
    REQUIRE(delay <= 9ms);
  }
  for (const auto count : counts) {
    REQUIRE(count > 800);
  }
  REQUIRE_FALSE(thrown.chance_ppm(0));
}

TEST_CASE("a forbidden fault changes no other strength of the plan") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto whole = draw_plan(dice{seed}, fault_set::all());
    auto fewer = fault_set::all();
    fewer.remove(fault::loss);
    const auto part = draw_plan(dice{seed}, fewer);
    REQUIRE_FALSE(part.kinds.has(fault::loss));
    REQUIRE(part.loss_ppm == 0);
    REQUIRE(part.duplication_ppm == whole.duplication_ppm);
    REQUIRE(part.nemesis_pace == whole.nemesis_pace);
    REQUIRE(part.most_sync == whole.most_sync);
    auto with_loss = part.kinds;
    with_loss.add(fault::loss);
    REQUIRE((whole.kinds == part.kinds || whole.kinds == with_loss));
  }
}

TEST_CASE("names of faults can be read back") {
  REQUIRE(parse_faults(to_string(fault_set::all())) == fault_set::all());
  REQUIRE(parse_faults("none") == fault_set{});
  REQUIRE(parse_faults("") == fault_set{});
  REQUIRE_FALSE(parse_faults("loss,flood"));
}

TEST_CASE("a rare branch sleeps in most runs and is taken in some") {
  int awake = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    rarities rare{dice{seed}, true};
    rarities off{dice{seed}, false};
    int taken = 0;
    for (int visit = 0; visit < 100; ++visit) {
      taken += rare.strikes("here") ? 1 : 0;
      REQUIRE_FALSE(off.strikes("here"));
    }
    REQUIRE(taken < 60);
    awake += taken != 0 ? 1 : 0;
  }
  REQUIRE(awake > 60);
  REQUIRE(awake < 140);
}
