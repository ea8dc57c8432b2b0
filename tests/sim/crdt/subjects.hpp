// What clients do to each replicated type in the simulated world.
//
// Purpose: for each type its state and a random change of it. Whether it keeps
// what it was told is judged without knowing the type (`world.hpp`).
//
// Threads: none; belongs to the kernel.
#pragma once

#include "crdt/bounded_counter.hpp"
#include "crdt/causal_types.hpp"
#include "crdt/extremes.hpp"
#include "crdt/g_set.hpp"
#include "crdt/hybrid_clock.hpp"
#include "crdt/lww.hpp"
#include "crdt/or_set.hpp"
#include "crdt/sequence.hpp"
#include "crdt/two_phase_set.hpp"
#include "tests/sim/dice.hpp"

#include <optional>
#include <string_view>

namespace neuroplex::sim {

/// Who changes something, and when.
struct crdt_writer {
  crdt::replica_id id;
  crdt::hybrid_timestamp stamp;
  dice& chance;
};

/// A change, or why there is none.
template <class State>
using crdt_change = expected<typename State::delta_type>;

/// Few elements, so that replicas meet at them.
inline std::uint64_t some_element(dice& chance) {
  return chance.below(24);
}

inline std::int64_t some_amount(dice& chance) {
  return static_cast<std::int64_t>(chance.between(1, 9));
}

/// Sets that have no more than these verbs.
template <class Set>
crdt_change<Set> change_set(Set& set, const crdt_writer& who) {
  auto element = some_element(who.chance);
  return who.chance.below(3) == 0 ? set.remove(who.id, element)
                                  : set.add(who.id, element);
}

struct or_sets {
  using state = crdt::or_set<std::uint64_t>;
  static constexpr std::string_view name = "or_set";

  static crdt_change<state> change(state& set, const crdt_writer& who) {
    return who.chance.below(40) == 0 ? set.clear(who.id) : change_set(set, who);
  }
};

struct remove_wins_sets {
  using state = crdt::remove_wins_set<std::uint64_t>;
  static constexpr std::string_view name = "remove_wins_set";

  static crdt_change<state> change(state& set, const crdt_writer& who) {
    return change_set(set, who);
  }
};

struct two_phase_sets {
  using state = crdt::two_phase_set<std::uint64_t>;
  static constexpr std::string_view name = "two_phase_set";

  static crdt_change<state> change(state& set, const crdt_writer& who) {
    return change_set(set, who);
  }
};

struct grow_sets {
  using state = crdt::g_set<std::uint64_t>;
  static constexpr std::string_view name = "g_set";

  static crdt_change<state> change(state& set, const crdt_writer& who) {
    return set.add(who.id, who.chance.next());
  }
};

struct grow_counters {
  using state = crdt::g_counter;
  static constexpr std::string_view name = "g_counter";

  static crdt_change<state> change(state& counter, const crdt_writer& who) {
    return counter.increment(who.id, some_amount(who.chance));
  }
};

struct two_way_counters {
  using state = crdt::pn_counter;
  static constexpr std::string_view name = "pn_counter";

  static crdt_change<state> change(state& counter, const crdt_writer& who) {
    auto amount = some_amount(who.chance);
    return who.chance.coin() ? counter.increment(who.id, amount)
                             : counter.decrement(who.id, amount);
  }
};

struct bounded_counters {
  using state = crdt::bounded_counter;
  static constexpr std::string_view name = "bounded_counter";

  static crdt_change<state> change(state& counter, const crdt_writer& who) {
    auto amount = some_amount(who.chance);
    auto other =
      crdt::replica_id{static_cast<std::uint32_t>(who.chance.between(1, 3)), 0};
    auto verb = who.chance.below(3);
    if (verb == 0 && other != who.id)
      return counter.transfer(who.id, other, amount);
    return verb == 1 ? counter.decrement(who.id, amount)
                     : counter.increment(who.id, amount);
  }
};

struct last_writers {
  using state = crdt::lww_register<std::uint64_t>;
  static constexpr std::string_view name = "lww_register";

  static crdt_change<state> change(state& value, const crdt_writer& who) {
    auto written = who.chance.next();
    auto delta = value.write(who.id, written, who.stamp.bits);
    // Whatever the clocks did, a write is later than all that was seen.
    if (delta && value.value() != written)
      return failure{errc::mismatch, "a write is older than what it replaces"};
    return delta;
  }
};

struct last_writer_sets {
  using state = crdt::lww_set<std::uint64_t>;
  static constexpr std::string_view name = "lww_set";

  static crdt_change<state> change(state& set, const crdt_writer& who) {
    auto element = some_element(who.chance);
    return who.chance.coin() ? set.add(who.id, element, who.stamp.bits)
                             : set.remove(who.id, element, who.stamp.bits);
  }
};

struct largest_values {
  using state = crdt::max_register<std::uint64_t>;
  static constexpr std::string_view name = "max_register";

  static crdt_change<state> change(state& value, const crdt_writer& who) {
    return value.write(who.id, who.chance.next());
  }
};

struct smallest_values {
  using state = crdt::min_register<std::uint64_t>;
  static constexpr std::string_view name = "min_register";

  static crdt_change<state> change(state& value, const crdt_writer& who) {
    return value.write(who.id, who.chance.next());
  }
};

struct registers {
  using state = crdt::mv_register<std::uint64_t>;
  static constexpr std::string_view name = "mv_register";

  static crdt_change<state> change(state& value, const crdt_writer& who) {
    return value.write(who.id, who.chance.next());
  }
};

struct flags {
  using state = crdt::enable_wins_flag;
  static constexpr std::string_view name = "enable_wins_flag";

  static crdt_change<state> change(state& flag, const crdt_writer& who) {
    return who.chance.coin() ? flag.enable(who.id) : flag.disable(who.id);
  }
};

struct maps_of_sets {
  using state =
    crdt::or_map<std::uint64_t, crdt::add_wins_store<std::uint64_t>>;
  static constexpr std::string_view name = "or_map";

  static crdt_change<state> change(state& map, const crdt_writer& who) {
    auto key = who.chance.below(5);
    if (who.chance.below(6) == 0)
      return map.erase(who.id, key);
    auto element = some_element(who.chance);
    auto removes = who.chance.below(3) == 0;
    return map.apply(who.id, key, [&](const auto& set, const auto& how) {
      return removes ? set.remove(how, element) : set.add(how, element);
    });
  }
};

struct texts {
  using state = crdt::sequence<std::uint64_t>;
  static constexpr std::string_view name = "sequence";

  static crdt_change<state> change(state& text, const crdt_writer& who) {
    auto place = who.chance.below(text.size() + 1);
    if (place < text.size() && who.chance.below(3) == 0)
      return text.remove(who.id, place);
    return text.insert(who.id, place, who.chance.next());
  }
};

} // namespace neuroplex::sim
