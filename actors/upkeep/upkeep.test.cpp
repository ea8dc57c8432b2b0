#include "actors/upkeep/gc_plan.hpp"
#include "actors/upkeep/optimizer.hpp"
#include "actors/upkeep/worker.hpp"
#include "memory/temporary_directory.test.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace neuroplex;
using namespace neuroplex::upkeep;
using config::gc_strategy;

namespace {

memory::store make_store(std::uint64_t segment_bytes = 4U << 20) {
  memory::testing::temporary_directory room;
  memory::segment_options options;
  options.segment_bytes = segment_bytes;
  options.huge_pages = false;
  auto made = memory::store::create(room.path() / "segment", options);
  NEUROPLEX_ENSURE(made);
  return std::move(*made);
}

constexpr auto everywhere = memory::namespace_id::default_namespace;

// A task that answers what it is told.
class puppet final : public task {
public:
  explicit puppet(step_result& answer) : answer_{answer} {
  }

  [[nodiscard]] std::string_view name() const noexcept override {
    return "puppet";
  }

  step_result step(std::uint64_t amount) override {
    last_amount = amount;
    return answer_;
  }

  std::uint64_t last_amount = 0;

private:
  step_result& answer_;
};

gc_plan plan_of(gc_strategy strategy) {
  return gc_plan{strategy};
}

bool holds(const std::vector<chore>& all, chore which) {
  return std::find(all.begin(), all.end(), which) != all.end();
}

} // namespace

TEST_CASE("a worker keeps the books of its task", "[upkeep]") {
  step_result answer{.found = 3, .more = true};
  worker books{std::make_unique<puppet>(answer),
               {.interval_ms = 50, .step = 9}};
  CHECK(books.report().runs == 0);
  auto first = books.run(1'000);
  CHECK(first.runs == 1);
  CHECK(first.full_runs == 1);
  CHECK(first.last_found == 3);
  CHECK(first.last_run_ms == 1'000);
  answer = {.outcome = failure{errc::io, "the disk is full"}};
  auto second = books.run(2'000);
  CHECK(second.runs == 2);
  CHECK(second.failures == 1);
  CHECK(second.found == 3);
  CHECK(second.last_found == 0);
  CHECK(second.problem == "the disk is full");
  answer = {};
  CHECK(books.run(3'000).problem.empty());
}

TEST_CASE("a worker is tuned within bounds only", "[upkeep]") {
  step_result answer;
  worker books{std::make_unique<puppet>(answer),
               {.interval_ms = 50, .step = 9}};
  CHECK(books.tune(100, 0) == errc::ok);
  CHECK(books.how() == settings{.interval_ms = 100, .step = 9});
  CHECK(books.tune(0, 7) == errc::ok);
  CHECK(books.how() == settings{.interval_ms = 100, .step = 7});
  CHECK(books.tune(least_interval_ms - 1, 8) == errc::bad_argument);
  CHECK(books.tune(most_interval_ms + 1, 8) == errc::bad_argument);
  CHECK(books.tune(100, most_step + 1) == errc::bad_argument);
  CHECK(books.how() == settings{.interval_ms = 100, .step = 7});
}

TEST_CASE("expiry removes what has expired, in bounded steps", "[upkeep]") {
  auto store = make_store();
  constexpr int count = 500;
  for (int i = 0; i < count; ++i)
    REQUIRE(
      store.set(everywhere, "short" + std::to_string(i), "v", {.ttl_ms = 1})
      == errc::ok);
  REQUIRE(store.set(everywhere, "long", "v") == errc::ok);
  worker expiry{make_expiry(store), {.step = 64}};
  // Lifetimes are short, and nothing is waited for: rounds go on until all are
  // gone.
  while (store.stats().entries > 1)
    CHECK(expiry.run(0).last_found < count);
  CHECK(expiry.report().found == count);
  CHECK(store.contains(everywhere, "long"));
}

TEST_CASE("pressure is relieved down to the threshold and no further",
          "[upkeep]") {
  auto store = make_store();
  auto how = *store.settings(everywhere);
  REQUIRE(store.set_eviction_percent(100));
  std::string value(1'000, 'v');
  how.policy = memory::policy_kind::lru;
  REQUIRE(store.configure(everywhere, how));
  for (int i = 0; i < 1'500; ++i)
    REQUIRE(store.set(everywhere, "key" + std::to_string(i), value)
            == errc::ok);
  worker pressure{make_pressure(store), {.step = 16}};
  CHECK(pressure.run(0).last_found == 0);
  REQUIRE(store.set_eviction_percent(20));
  auto first = pressure.run(0);
  CHECK(first.last_found == 16);
  CHECK(first.more);
  while (pressure.run(0).more)
    ;
  CHECK(store.pressure() <= 0.20);
  CHECK(store.pressure() > 0.15);
  CHECK(pressure.report().found == store.stats().evicted);
}

TEST_CASE("recovery that finds nobody says so", "[upkeep]") {
  auto store = make_store();
  worker recovery{make_recovery(store), {}};
  auto report = recovery.run(0);
  CHECK(report.last_found == 0);
  CHECK(report.problem.empty());
}

TEST_CASE("levels of pressure follow the threshold", "[upkeep]") {
  CHECK(pressure_of(0.5, 85).level == pressure_level::low);
  CHECK(pressure_of(0.7, 85).level == pressure_level::raised);
  CHECK(pressure_of(0.85, 85).level == pressure_level::high);
  CHECK(pressure_of(0.97, 85).level == pressure_level::critical);
  CHECK(pressure_of(0.98, 99).level == pressure_level::raised);
  CHECK(pressure_of(1.5, 85).permille == 1'000);
}

TEST_CASE("the adaptive strategy hurries while there is work and rests when "
          "there is none",
          "[upkeep]") {
  auto plan = plan_of(gc_strategy::adaptive);
  plan.set_interval(chore::expiry, 800);
  CHECK(holds(plan.begin_due(0, false), chore::expiry));
  CHECK(plan.begin_due(0, false).empty()); // it runs
  plan.finished(chore::expiry, 0, 100, true, false);
  CHECK(plan.delay_ms(0) == 100);
  CHECK(plan.begin_due(99, false).empty());
  CHECK(holds(plan.begin_due(100, false), chore::expiry));
  plan.finished(chore::expiry, 100, 5, true, true);
  CHECK(plan.delay_ms(100) == 1);
  CHECK(holds(plan.begin_due(101, true), chore::expiry));
  std::int64_t now = 101;
  std::int64_t last = 0;
  for (int i = 0; i < 6; ++i) {
    plan.finished(chore::expiry, now, 0, false, false);
    last = plan.report().chores.at(0).due_ms - now;
    now += last;
    CHECK(holds(plan.begin_due(now, false), chore::expiry));
  }
  CHECK(last == 8 * 800);
}

TEST_CASE("the incremental strategy keeps its interval, come what may",
          "[upkeep]") {
  auto plan = plan_of(gc_strategy::incremental);
  plan.set_interval(chore::compaction, 300);
  for (auto more : {true, false}) {
    auto now = plan.report().chores.at(0).due_ms;
    CHECK(holds(plan.begin_due(now, true), chore::compaction));
    plan.finished(chore::compaction, now, 0, more, true);
    CHECK(plan.delay_ms(now) == 300);
  }
}

TEST_CASE("the lazy strategy waits for the threshold, manual for ever; both "
          "recover",
          "[upkeep]") {
  for (auto strategy : {gc_strategy::lazy, gc_strategy::manual}) {
    auto plan = plan_of(strategy);
    plan.set_interval(chore::expiry, 100);
    plan.set_interval(chore::recovery, 200);
    auto first = plan.begin_due(0, false);
    CHECK(first == std::vector{chore::recovery});
    plan.finished(chore::recovery, 0, 0, false, false);
    auto second = plan.begin_due(100, true);
    CHECK(holds(second, chore::expiry) == (strategy == gc_strategy::lazy));
    CHECK_FALSE(holds(second, chore::recovery));
    CHECK(plan.begin_due(200, false) == std::vector{chore::recovery});
  }
}

TEST_CASE("a chore that failed is tried again in its time, and a change of "
          "strategy counts at once",
          "[upkeep]") {
  auto plan = plan_of(gc_strategy::manual);
  plan.set_interval(chore::expiry, 100);
  CHECK(plan.begin_due(0, true).empty());
  plan.set_strategy(gc_strategy::incremental);
  CHECK(holds(plan.begin_due(100, false), chore::expiry));
  plan.failed(chore::expiry, 100);
  CHECK(plan.begin_due(199, false).empty());
  CHECK(holds(plan.begin_due(200, false), chore::expiry));
  CHECK(plan.report().strategy == "incremental");
}

TEST_CASE("names of strategies and chores are read as they are written",
          "[upkeep]") {
  for (auto each : {gc_strategy::adaptive, gc_strategy::incremental,
                    gc_strategy::lazy, gc_strategy::manual})
    CHECK(parse_gc_strategy(config::to_string(each)) == each);
  CHECK_FALSE(parse_gc_strategy("eager"));
  for (auto each : {chore::recovery, chore::expiry, chore::compaction})
    CHECK(parse_chore(to_string(each)) == each);
  CHECK_FALSE(parse_chore("laundry"));
}

namespace {

picture quiet() {
  picture result;
  result.pressure = pressure_of(0.2, 85);
  result.stats.segment_bytes = 64U << 20;
  result.stats.reserved_bytes = 64U << 20;
  result.tasks.push_back({.task = "pressure", .interval_ms = 100, .step = 128});
  result.tasks.push_back({.task = "expiry", .interval_ms = 200, .step = 1'024});
  result.tasks.push_back(
    {.task = "compaction", .interval_ms = 1'000, .step = 4'096});
  memory::namespace_info space;
  space.name = "cache";
  space.entries = 10;
  space.block_bytes = 1'000;
  result.spaces.push_back(space);
  return result;
}

const advice* find(const std::vector<advice>& all, std::string_view setting) {
  auto found = std::find_if(all.begin(), all.end(), [setting](auto& each) {
    return each.setting == setting;
  });
  return found == all.end() ? nullptr : &*found;
}

} // namespace

TEST_CASE("the optimizer leaves alone what is well", "[upkeep]") {
  optimizer looks;
  CHECK(looks.look(quiet()).empty());
  CHECK(looks.look(quiet()).empty());
}

TEST_CASE("the optimizer proposes a policy where a full pool has none, and "
          "never applies it",
          "[upkeep]") {
  optimizer looks;
  auto now = quiet();
  now.pressure = pressure_of(0.9, 85);
  auto all = looks.look(now);
  const auto* policy = find(all, "namespaces.cache.policy");
  REQUIRE(policy != nullptr);
  CHECK(policy->proposed == "lru");
  CHECK_FALSE(policy->safe);
  CHECK(find(all, "segment.reserved_bytes") != nullptr);
  now.spaces[0].settings.policy = memory::policy_kind::clock;
  CHECK(find(looks.look(now), "namespaces.cache.policy") == nullptr);
}

TEST_CASE("the optimizer lets a worker that does not keep up do more a step",
          "[upkeep]") {
  optimizer looks;
  auto now = quiet();
  looks.look(now);
  now.tasks[1].runs = 100;
  now.tasks[1].full_runs = 80;
  auto all = looks.look(now);
  const auto* more = find(all, "upkeep.expiry_batch");
  REQUIRE(more != nullptr);
  CHECK(more->safe);
  CHECK(more->present == "1024");
  CHECK(more->proposed == "2048");
  auto means = task_setting_of(more->setting);
  REQUIRE(means);
  CHECK(means->task == "expiry");
  CHECK_FALSE(means->interval);
  // Nothing has happened since.
  CHECK(looks.look(now).empty());
  now.tasks[1].step = 65'536;
  now.tasks[1].runs = 200;
  now.tasks[1].full_runs = 180;
  CHECK(looks.look(now).empty());
}

TEST_CASE("the optimizer sees scattered memory, full quotas and damage",
          "[upkeep]") {
  optimizer looks;
  auto now = quiet();
  now.stats.pool_used_bytes = 32U << 20;
  now.stats.live_block_bytes = 16U << 20;
  now.spaces[0].settings.quota_bytes = 1'000;
  now.stats.corrupt_reads = 2;
  now.stats.damage = 1;
  auto all = looks.look(now);
  REQUIRE(find(all, "upkeep.compaction_step_bytes") != nullptr);
  CHECK(find(all, "upkeep.compaction_step_bytes")->proposed == "8192");
  REQUIRE(find(all, "namespaces.cache.quota_bytes") != nullptr);
  CHECK_FALSE(find(all, "namespaces.cache.quota_bytes")->safe);
  REQUIRE(find(all, "upkeep.backup_dir") != nullptr);
  CHECK(find(all, "upkeep.backup_dir")->reason.find("3 times") == 0);
}
