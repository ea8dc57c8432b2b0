// A cache of three levels behind messages, over a lower tier in memory.
#include "actors/cache_actor.hpp"
#include "actors/test_segment.test.hpp"
#include "memory/eventually.test.hpp"
#include "memory/lower_tiers.test.hpp"

#include <caf/scoped_actor.hpp>

#include <catch2/catch.hpp>

using namespace neuroplex;
using namespace neuroplex::actors;
using memory::testing::eventually;
using memory::testing::faulty_tier;

namespace {

constexpr milliseconds answer_patience{60'000};

/// A system with a segment and a tier, and what is asked of an actor of it.
class cache_bench {
public:
  explicit cache_bench(memory::write_mode writes)
    : setup_{.segment = {std::shared_ptr<void>{}, &room_.store()},
             .below = tier_,
             .options = {.writes = writes, .absence_ttl_ms = 0}} {
  }

  cache_bench(const cache_bench&) = delete;
  cache_bench& operator=(const cache_bench&) = delete;

  ~cache_bench() {
    end();
  }

  /// Starts the actor, in place of one that has ended.
  void begin() {
    auto made = spawn_cache(system_, setup_);
    if (!made)
      FAIL(made.error().to_string());
    cache_ = *made;
  }

  void end() {
    if (!cache_)
      return;
    stop(cache_);
    self_->wait_for(cache_);
    cache_ = nullptr;
  }

  template <class Answer, class... Ts>
  expected<Answer> get(Ts&&... what) {
    expected<Answer> result{errc::unknown_outcome};
    ask(&*self_, cache_, answer_patience, std::forward<Ts>(what)...)
      .receive([&](Answer& answer) { result = std::move(answer); },
               [&](const caf::error& why) { result = code_of(why); });
    return result;
  }

  /// What a key holds, or the code of why not.
  std::string value_of(const std::string& key) {
    auto answer = get<reply>(get_atom_v, key);
    REQUIRE(answer);
    CHECK(answer->found == (answer->status == errc::ok));
    return answer->status == errc::ok ? answer->value
                                      : std::string{code_name(answer->status)};
  }

  errc set(const std::string& key, const std::string& value) {
    auto answer = get<reply>(set_atom_v, key, value, std::int64_t{0});
    return answer ? answer->status : answer.code();
  }

  memory::tiered_stats levels() {
    auto answer = get<cache_report>(stats_atom_v);
    REQUIRE(answer);
    return answer->levels;
  }

  cache_setup& setup() {
    return setup_;
  }

  faulty_tier& tier() {
    return *tier_;
  }

  std::string below(const std::string& key) {
    return tier_->map().value_of(setup_.space, key);
  }

  memory::store& store() {
    return room_.store();
  }

  caf::actor_system& system() {
    return system_;
  }

private:
  test_segment room_;
  std::shared_ptr<faulty_tier> tier_ = std::make_shared<faulty_tier>();
  cache_setup setup_;
  system_config config_{{.worker_threads = 1, .network = false}};
  caf::actor_system system_{config_};
  caf::scoped_actor self_{system_};
  cache_actor cache_;
};

const std::string far_value(2000, 'p');

} // namespace

TEST_CASE("a cache actor answers from the nearest level, and tells which it "
          "was") {
  cache_bench bench{memory::write_mode::through};
  bench.begin();
  CHECK(bench.value_of("k") == "E-NOTFOUND");
  CHECK(bench.levels().misses == 1);
  CHECK(bench.set("k", far_value) == errc::ok);
  CHECK(bench.below("k") == far_value);
  while (bench.levels().near_hits == 0 && bench.levels().segment_hits < 10)
    REQUIRE(bench.value_of("k") == far_value);
  CHECK(bench.levels().segment_hits > 0);
  CHECK(bench.levels().near_hits == 1);
  // A write past the cache makes the copy stale.
  auto space = bench.store().find_namespace(bench.setup().space);
  REQUIRE(space);
  REQUIRE(bench.store().set(*space, "k", "other") == errc::ok);
  CHECK(bench.value_of("k") == "other");
  CHECK(bench.levels().near_stale == 1);
  // What only the tier has comes from there.
  REQUIRE(bench.store().erase(*space, "k") == errc::ok);
  CHECK(bench.value_of("k") == far_value);
  CHECK(bench.levels().tier_hits == 1);
  auto erased = bench.get<reply>(erase_atom_v, std::string{"k"});
  REQUIRE(erased);
  CHECK(erased->status == errc::ok);
  CHECK(bench.below("k") == "(absent)");
  CHECK(bench.value_of("k") == "E-NOTFOUND");
}

TEST_CASE("a failure of the lower tier is an answer of the cache actor") {
  cache_bench bench{memory::write_mode::through};
  bench.tier().on_request(
    [](auto, auto) { return faulty_tier::fate::refused; });
  bench.begin();
  CHECK(bench.set("k", "v") == errc::unavailable);
  CHECK(bench.value_of("k") == code_name(errc::unavailable));
  CHECK(bench.levels().tier_failures == 2);
  CHECK(bench.set("k", std::string(limits::max_message_value_bytes + 1, 'x'))
        == errc::value_size);
  CHECK(bench.set("", "v") == errc::bad_key);
}

TEST_CASE("a cache actor that writes back flushes by itself, and what another "
          "left") {
  cache_bench bench{memory::write_mode::back};
  std::atomic<bool> down{true};
  bench.tier().on_request([&](auto, auto) {
    return down ? faulty_tier::fate::refused : faulty_tier::fate::good;
  });
  bench.setup().flush_interval_ms = limits::least_flush_interval_ms;
  bench.begin();
  CHECK(bench.set("k", "v") == errc::ok);
  CHECK(eventually([&] {
    auto report = bench.get<cache_report>(stats_atom_v);
    return report && report->flush_failures > 0;
  }));
  CHECK(bench.levels().dirty_entries == 1);
  CHECK(bench.below("k") == "(absent)");
  bench.end();
  down = false;
  bench.begin();
  CHECK(eventually([&] { return bench.below("k") == "v"; }));
  CHECK(eventually([&] { return bench.levels().dirty_entries == 0; }));
  // Asked, it flushes at once.
  auto slow = bench.get<cache_report>(
    tune_atom_v, limits::max_flush_interval_ms, std::uint64_t{1});
  REQUIRE(slow);
  CHECK(slow->write_back);
  CHECK(slow->flush_interval_ms == limits::max_flush_interval_ms);
  CHECK(slow->flush_entries == 1);
  CHECK(bench.set("a", "1") == errc::ok);
  CHECK(bench.set("b", "2") == errc::ok);
  for (int i = 0; i < 2; ++i) {
    auto flushed = bench.get<reply>(flush_atom_v);
    REQUIRE(flushed);
    CHECK(flushed->status == errc::ok);
    CHECK(flushed->number == 1);
  }
  CHECK(bench.below("a") == "1");
  CHECK(bench.below("b") == "2");
  CHECK(bench
          .get<cache_report>(tune_atom_v, limits::max_flush_interval_ms + 1,
                             std::uint64_t{0})
          .code()
        == errc::bad_argument);
}

TEST_CASE("a cache that cannot be is refused before an actor is made of it") {
  cache_bench bench{memory::write_mode::through};
  auto setup = bench.setup();
  setup.segment = nullptr;
  CHECK(spawn_cache(bench.system(), setup).code() == errc::bad_argument);
  setup = bench.setup();
  setup.flush_entries = 0;
  CHECK(spawn_cache(bench.system(), setup).code() == errc::bad_argument);
  setup = bench.setup();
  setup.options.tier_batch = 0;
  CHECK(spawn_cache(bench.system(), setup).code() == errc::config);
}
