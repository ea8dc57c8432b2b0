#include "actors/cache_actor.hpp"

#include "actors/pulse.hpp"

#include <utility>

namespace neuroplex::actors {

namespace {

// The cache and what it stands on, which goes after it.
struct cache_parts {
  cache_setup setup;
  memory::tiered_cache cache;
};

struct cache_state {
  std::shared_ptr<cache_parts> parts;
  std::uint64_t failures = 0;
  bool adopted = false;    // what others left dirty is ours
  std::uint64_t pulse = 0; // number of the latest that is under way
  static inline const char* name = "cache";
};

using cache_pointer = actor_pointer<cache_actor, cache_state>;

bool writes_back(const cache_setup& setup) {
  return setup.below != nullptr
         && setup.options.writes == memory::write_mode::back;
}

bool in_range(std::uint32_t interval_ms, std::uint64_t entries) {
  return interval_ms >= limits::least_flush_interval_ms
         && interval_ms <= limits::max_flush_interval_ms && entries >= 1
         && entries <= limits::max_flush_entries;
}

reply answer_of(errc status) {
  reply answer;
  answer.status = status;
  return answer;
}

void schedule(cache_pointer self, bool more) {
  auto& state = state_of(self);
  const auto& setup = state.parts->setup;
  if (!writes_back(setup))
    return;
  send_pulse<cache_actor>(self, state.pulse,
                          milliseconds{setup.flush_interval_ms}, more);
}

// One step; the number of the answer tells how many entries it brought down.
reply flush(cache_state& state) {
  auto& [setup, cache] = *state.parts;
  if (!writes_back(setup))
    return {};
  // Until the credit suffices for what others left, flushing makes room.
  if (!state.adopted)
    state.adopted = bool{cache.adopt_dirty()};
  std::size_t flushed = 0;
  auto answer = answer_of(cache.flush(setup.flush_entries, flushed));
  answer.number = static_cast<std::int64_t>(flushed);
  state.failures += answer.status == errc::ok ? 0 : 1;
  return answer;
}

cache_report report(const cache_state& state) {
  const auto& [setup, cache] = *state.parts;
  cache_report result;
  result.space = setup.space;
  result.write_back = writes_back(setup);
  result.flush_interval_ms = setup.flush_interval_ms;
  result.flush_entries = setup.flush_entries;
  result.flush_failures = state.failures;
  result.levels = cache.stats();
  return result;
}

caf::result<cache_report> tune(cache_pointer self, std::uint32_t interval_ms,
                               std::uint64_t entries) {
  auto& state = state_of(self);
  auto& setup = state.parts->setup;
  interval_ms = interval_ms != 0 ? interval_ms : setup.flush_interval_ms;
  entries = entries != 0 ? entries : setup.flush_entries;
  if (!in_range(interval_ms, entries))
    return make_error(errc::bad_argument);
  setup.flush_interval_ms = interval_ms;
  setup.flush_entries = entries;
  schedule(self, false);
  return report(state);
}

cache_actor::behavior_type behavior(cache_pointer self,
                                    std::shared_ptr<cache_parts> parts) {
  state_of(self).parts = std::move(parts);
  drop_unexpected(self);
  schedule(self, true);
  return {
    [self](get_atom, const std::string& key) {
      reply answer;
      answer.status = state_of(self).parts->cache.get(key, answer.value);
      if (answer.value.size() > limits::max_message_value_bytes)
        return answer_of(errc::value_size);
      answer.found = answer.status == errc::ok;
      return answer;
    },
    [self](set_atom, const std::string& key, const std::string& value,
           std::int64_t ttl_ms) {
      return answer_of(
        value.size() > limits::max_message_value_bytes
          ? errc::value_size
          : state_of(self).parts->cache.set(key, value, {.ttl_ms = ttl_ms}));
    },
    [self](erase_atom, const std::string& key) {
      return answer_of(state_of(self).parts->cache.erase(key));
    },
    [self](flush_atom) { return flush(state_of(self)); },
    [self](tune_atom, std::uint32_t interval_ms, std::uint64_t entries) {
      return tune(self, interval_ms, entries);
    },
    [self](stats_atom) { return report(state_of(self)); },
    [self](pulse_atom, std::uint64_t number) {
      auto& state = state_of(self);
      if (number != state.pulse)
        return;
      auto done = flush(state);
      auto full = static_cast<std::uint64_t>(done.number)
                  == state.parts->setup.flush_entries;
      schedule(self, done.status == errc::ok && full);
    },
  };
}

} // namespace

expected<cache_actor> spawn_cache(caf::actor_system& system,
                                  const cache_setup& setup) {
  if (!setup.segment)
    return failure{errc::bad_argument, "cache: there is no segment"};
  if (!in_range(setup.flush_interval_ms, setup.flush_entries))
    return failure{
      errc::bad_argument,
      "cache: flushing every " + std::to_string(setup.flush_interval_ms)
        + " ms by " + std::to_string(setup.flush_entries) + " entries: "
        + std::to_string(limits::least_flush_interval_ms) + " to "
        + std::to_string(limits::max_flush_interval_ms) + " ms and 1 to "
        + std::to_string(limits::max_flush_entries) + " are allowed"};
  auto made = memory::tiered_cache::make(*setup.segment, setup.space,
                                         setup.below.get(), setup.options);
  if (!made)
    return made.error();
  auto parts = std::make_shared<cache_parts>(
    cache_parts{.setup = setup, .cache = std::move(*made)});
  return spawn_bounded_apart<cache_actor, cache_state>(
    system, limits::max_cache_requests,
    [parts = std::move(parts)](cache_pointer self) {
      return behavior(self, parts);
    });
}

} // namespace neuroplex::actors
