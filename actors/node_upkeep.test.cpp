#include "actors/node_fixture.test.hpp"
#include "memory/raw_blocks.hpp"

#include <cstring>

using namespace neuroplex;
using namespace neuroplex::actors;
using namespace neuroplex::actors::testing;

namespace {

constexpr auto everywhere = memory::namespace_id::default_namespace;

/// Asks actors of a node from a thread.
class asker {
public:
  explicit asker(node& here) : here_{here}, self_{here.system()} {
  }

  /// The child of this name, started again if it was killed.
  template <class Handle>
  Handle find(const std::string& name) {
    Handle result;
    REQUIRE(eventually([&] {
      ask(&*self_, here_.handle(), milliseconds{patience_ms}, child_atom_v,
          name)
        .receive(
          [&](const caf::strong_actor_ptr& child) {
            result = caf::actor_cast<Handle>(child);
          },
          [](const caf::error&) {});
      return static_cast<bool>(result);
    }));
    return result;
  }

  /// What the actor answers; the code of its refusal.
  template <class Answer, class Handle, class... Ts>
  expected<Answer> get(const Handle& whom, Ts&&... what) {
    expected<Answer> result{errc::unknown_outcome};
    ask(&*self_, whom, milliseconds{patience_ms}, std::forward<Ts>(what)...)
      .receive([&](Answer& answer) { result = std::move(answer); },
               [&](const caf::error& why) { result = code_of(why); });
    return result;
  }

  caf::scoped_actor& self() {
    return self_;
  }

private:
  node& here_;
  caf::scoped_actor self_;
};

using upkeep::task_report;

} // namespace

TEST_CASE("every upkeep actor that is killed is started again, and keeps its "
          "settings and figures") {
  directory room;
  auto options = options_in(room);
  options.upkeep.backup_dir = (room.path() / "backup").string();
  auto here = start(options);
  asker asks{*here};
  for (const auto* name : {"recovery", "expiry", "compaction", "pressure",
                           "backup", "gc", "optimizer", "pool"}) {
    INFO(name);
    auto before = asks.find<caf::actor>(name);
    REQUIRE(end_child(*here, name));
    REQUIRE(eventually([&] {
      return asks.find<caf::actor>(name).address() != before.address();
    }));
  }
  auto expiry = asks.find<expiry_actor>("expiry");
  REQUIRE(asks.get<task_report>(expiry, tune_atom_v, std::uint32_t{500},
                                std::uint64_t{64}));
  REQUIRE(end_child(*here, "expiry"));
  REQUIRE(eventually([&] {
    return asks.find<expiry_actor>("expiry").address() != expiry.address();
  }));
  auto report = here->report();
  REQUIRE(report);
  CHECK(report->restarts == 9);
  auto found =
    std::find_if(report->upkeep.tasks.begin(), report->upkeep.tasks.end(),
                 [](auto& each) { return each.task == "expiry"; });
  REQUIRE(found != report->upkeep.tasks.end());
  CHECK(found->interval_ms == 500);
  CHECK(found->step == 64);
  // And it goes on working.
  auto runs = found->runs;
  CHECK(eventually([&] {
    auto now = here->report();
    if (!now)
      return false;
    for (auto& each : now->upkeep.tasks)
      if (each.task == "expiry")
        return each.runs > runs;
    return false;
  }));
}

TEST_CASE("expired entries go by themselves, by the strategy that was chosen") {
  directory room;
  auto options = options_in(room);
  options.upkeep.gc = config::gc_strategy::manual;
  auto here = start(options);
  asker asks{*here};
  REQUIRE(here->store().set(everywhere, "short", "v", {.ttl_ms = 1})
          == errc::ok);
  auto gc = asks.find<gc_actor>("gc");
  CHECK(asks.get<upkeep::gc_report>(gc, stats_atom_v)->strategy == "manual");
  CHECK(
    asks.get<upkeep::gc_report>(gc, tune_atom_v, std::string{"eager"}).code()
    == errc::bad_argument);
  CHECK(asks.get<task_report>(gc, run_atom_v, std::string{"laundry"}).code()
        == errc::not_found);
  // Asked, it is done at once.
  CHECK(eventually([&] {
    auto done = asks.get<task_report>(gc, run_atom_v, std::string{"expiry"});
    return done && done->found == 1;
  }));
  CHECK(here->store().stats().entries == 0);
  REQUIRE(here->store().set(everywhere, "next", "v", {.ttl_ms = 1})
          == errc::ok);
  REQUIRE(
    asks.get<upkeep::gc_report>(gc, tune_atom_v, std::string{"incremental"}));
  CHECK(eventually([&] { return here->store().stats().entries == 0; }));
}

TEST_CASE("namespaces are set up as the configuration says, and pressure is "
          "relieved and told") {
  directory room;
  auto options = options_in(room);
  options.segment.segment_bytes = 4U << 20;
  options.upkeep.pressure_interval_ms = 10;
  options.upkeep.eviction_percent = 100;
  options.namespaces.push_back(
    {"cache",
     {.policy = memory::policy_kind::lru,
      .priority = memory::priority_class::training}});
  auto here = start(options);
  asker asks{*here};
  auto id = here->store().find_namespace("cache");
  REQUIRE(id);
  CHECK(here->store().settings(*id)->policy == memory::policy_kind::lru);
  CHECK(here->store().settings(*id)->priority
        == memory::priority_class::training);

  auto pressure = asks.find<pressure_actor>("pressure");
  CHECK(asks.get<upkeep::pressure_report>(pressure, level_atom_v)->level
        == upkeep::pressure_level::low);
  auto& self = asks.self();
  self->send(pressure, join_atom_v,
             caf::actor_cast<caf::strong_actor_ptr>(self));
  auto heard = upkeep::pressure_level::critical;
  self->receive(
    [&](level_atom, const upkeep::pressure_report& now) { heard = now.level; });
  CHECK(heard == upkeep::pressure_level::low);

  std::string value(1'000, 'v');
  for (int i = 0; i < 1'000; ++i)
    REQUIRE(here->store().set(*id, "key" + std::to_string(i), value)
            == errc::ok);
  auto full = here->store().pressure();
  REQUIRE(here->store().set_eviction_percent(10));
  CHECK(eventually([&] { return here->store().pressure() <= 0.10; }));
  CHECK(full > 0.10);
  auto report = here->report();
  REQUIRE(report);
  CHECK(report->segment.evicted > 0);
  CHECK(report->upkeep.pressure.threshold_percent == 10);
  auto space =
    std::find_if(report->upkeep.spaces.begin(), report->upkeep.spaces.end(),
                 [](auto& each) { return each.name == "cache"; });
  REQUIRE(space != report->upkeep.spaces.end());
  CHECK(space->policy == "lru");
  CHECK(space->priority == "training");
}

TEST_CASE("raw memory is lent, shared, and taken back with its holder") {
  directory room;
  auto options = options_in(room);
  auto here = start(options);
  asker asks{*here};
  auto pool = asks.find<pool_actor>("pool");
  auto nobody = caf::strong_actor_ptr{};
  auto lent =
    asks.get<upkeep::lease>(pool, allocate_atom_v, std::uint64_t{1'000},
                            std::int64_t{3'600'000}, nobody);
  REQUIRE(lent);
  // Another attachment sees the same bytes.
  auto other = memory::store::open(here->store().path());
  REQUIRE(other);
  std::span<std::byte> ours;
  std::span<std::byte> theirs;
  REQUIRE(map_raw_block(here->store(), lent->block, ours) == errc::ok);
  REQUIRE(map_raw_block(*other, lent->block, theirs) == errc::ok);
  std::memset(ours.data(), 7, ours.size());
  CHECK(theirs.size() == 1'000);
  CHECK(theirs[999] == std::byte{7});

  CHECK(asks
          .get<upkeep::lease>(pool, allocate_atom_v, std::uint64_t{8},
                              std::int64_t{0}, nobody)
          .code()
        == errc::bad_argument);
  auto usage = asks.get<upkeep::pool_report>(pool, deallocate_atom_v, lent->id);
  REQUIRE(usage);
  CHECK(usage->blocks == 0);
  CHECK(map_raw_block(*other, lent->block, theirs) == errc::not_found);
  CHECK(asks.get<upkeep::pool_report>(pool, deallocate_atom_v, lent->id).code()
        == errc::not_found);

  // By its holder's death, though the pool's actor died in between.
  upkeep::lease held;
  {
    caf::scoped_actor holder{here->system()};
    auto made = asks.get<upkeep::lease>(
      pool, allocate_atom_v, std::uint64_t{64}, std::int64_t{0},
      caf::actor_cast<caf::strong_actor_ptr>(holder));
    REQUIRE(made);
    held = *made;
    REQUIRE(end_child(*here, "pool"));
    REQUIRE(eventually([&] {
      return asks.find<pool_actor>("pool").address() != pool.address();
    }));
    CHECK(map_raw_block(*other, held.block, theirs) == errc::ok);
  }
  CHECK(eventually([&] {
    return map_raw_block(*other, held.block, theirs) == errc::not_found;
  }));
  // And by time.
  pool = asks.find<pool_actor>("pool");
  auto short_one = asks.get<upkeep::lease>(
    pool, allocate_atom_v, std::uint64_t{64}, std::int64_t{1}, nobody);
  REQUIRE(short_one);
  CHECK(eventually([&] {
    return map_raw_block(*other, short_one->block, theirs) == errc::not_found;
  }));
  auto now = asks.get<upkeep::pool_report>(pool, usage_atom_v);
  REQUIRE(now);
  CHECK(now->orphaned == 1);
  CHECK(now->expired == 1);
  CHECK(now->returned == 1);
  auto times = asks.get<upkeep::performance_report>(pool, metrics_atom_v);
  REQUIRE(times);
  CHECK(times->allocate.samples == 3);
  CHECK(times->deallocate.samples == 3);
}

TEST_CASE("a node backs its segment up, and the optimizer's mode is changed "
          "while it runs") {
  directory room;
  auto options = options_in(room);
  options.upkeep.backup_dir = (room.path() / "backup").string();
  options.upkeep.backup_interval_ms = 100;
  auto here = start(options);
  asker asks{*here};
  REQUIRE(here->store().set(everywhere, "key", "value") == errc::ok);
  auto backup = asks.find<backup_actor>("backup");
  CHECK(eventually([&] {
    auto report = asks.get<task_report>(backup, stats_atom_v);
    return report && report->found > 0;
  }));
  auto optimizer = asks.find<optimizer_actor>("optimizer");
  auto looked = asks.get<upkeep::optimizer_report>(optimizer, run_atom_v);
  REQUIRE(looked);
  CHECK(looked->mode == "advise");
  CHECK(looked->looks == 1);
  REQUIRE(asks.get<upkeep::optimizer_report>(optimizer, tune_atom_v,
                                             std::string{"off"}));
  CHECK(asks.get<upkeep::optimizer_report>(optimizer, run_atom_v)->looks == 1);
  CHECK(asks
          .get<upkeep::optimizer_report>(optimizer, tune_atom_v,
                                         std::string{"guess"})
          .code()
        == errc::bad_argument);
}
