// Full mailboxes, under CAF's deterministic scheduler: nothing runs until told.
#include "actors/clock.hpp"
#include "actors/message_types.hpp"
#include "actors/shard_actor.hpp"
#include "actors/test_segment.test.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include <catch2/catch.hpp>

using namespace neuroplex;
using namespace neuroplex::actors;

TEST_CASE("a full mailbox answers busy at once and serves what it took") {
  test_segment segment;
  system_config config{{.worker_threads = 1, .network = false}};
  config.set("scheduler.policy", caf::atom("testing"));
  caf::actor_system system{config};
  auto& scheduler =
    dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  constexpr std::size_t limit = 16;
  auto shard =
    spawn_shard(system, std::make_shared<shard_core>(segment.store()), limit);
  scheduler.run();
  int served = 0;
  int busy = 0;
  auto flood = [&](int requests) {
    system.spawn([&, requests](caf::event_based_actor* self) {
      for (int i = 0; i < requests; ++i) {
        request what;
        what.header.deadline_ms = unix_ms() + 60'000;
        what.key = "key";
        ask(self, shard, milliseconds{60'000}, apply_atom_v, what)
          .then([&](const reply&) { ++served; },
                [&](const caf::error& error) {
                  busy += code_of(error) == errc::busy;
                });
      }
    });
    scheduler.run();
  };
  flood(1'000);
  CHECK(served == limit);
  CHECK(busy == 1'000 - static_cast<int>(limit));
  // What was served gave its place back.
  flood(10);
  CHECK(served == limit + 10);
  stop(shard);
  shard = nullptr;
  scheduler.run();
}
