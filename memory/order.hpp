// The orders in which eviction gives entries up: what the hand of eviction
// makes of an entry's stamp when it comes by, and how much the entry deserves
// to go. The store's evictor (evict.hpp) and the shadows that try orders out
// (shadow.hpp) act by the same functions.
//
// Threads: plain values.
#pragma once

#include "memory/policy/kind.hpp"
#include "memory/stamp.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace neuroplex::memory {

enum class eviction_order : std::uint8_t {
  none,        ///< nothing goes
  clock,       ///< what was not used since the last round
  fifo,        ///< the oldest
  lru,         ///< what was not used for longest
  lfu,         ///< what was used least
  s3fifo,      ///< newcomers while they are more than a tenth
  s3fifo_wide, ///< the same with three tenths, and one use settles
  steady,      ///< the newest newcomers, so that who is settled stays
};

constexpr std::string_view to_string(eviction_order order) noexcept {
  constexpr std::array<std::string_view, 8> names{
    "none", "clock", "fifo", "lru", "lfu", "s3fifo", "s3fifo-wide", "steady"};
  return names[static_cast<std::size_t>(order)];
}

/// The orders that `adaptive` chooses from; the first is the one it begins
/// with.
inline constexpr std::array advised_orders{
  eviction_order::s3fifo, eviction_order::s3fifo_wide, eviction_order::lru,
  eviction_order::steady};

/// The order of a policy of the store; `adaptive` has none of its own.
constexpr eviction_order order_of(policy_kind kind) noexcept {
  switch (kind) {
    case policy_kind::clock:
      return eviction_order::clock;
    case policy_kind::fifo:
      return eviction_order::fifo;
    case policy_kind::lru:
      return eviction_order::lru;
    case policy_kind::lfu:
      return eviction_order::lfu;
    case policy_kind::s3fifo:
      return eviction_order::s3fifo;
    default:
      return eviction_order::none;
  }
}

/// Whether a namespace of this policy remembers entries that it gave up.
constexpr bool has_ghosts(policy_kind kind) noexcept {
  return kind == policy_kind::s3fifo || kind == policy_kind::adaptive;
}

/// Whether namespaces of the shared store can have this policy.
constexpr bool evicts_by(policy_kind kind) noexcept {
  return order_of(kind) != eviction_order::none
         || kind == policy_kind::adaptive;
}

/// Whether an order goes by the part that newcomers have of all.
constexpr bool has_turns(eviction_order order) noexcept {
  return order == eviction_order::s3fifo
         || order == eviction_order::s3fifo_wide;
}

/// What the hand has learned of the entries that it saw.
struct learned {
  std::int32_t newcomers = 0;   ///< in 1/65536 of all
  std::int32_t settled_age = 0; ///< mean ticks since the last use, times 256
};
inline constexpr unsigned age_shift = 8;

/// Whether an entry that was given up and comes back is taken for settled, if
/// its last use was so many ticks ago: under `steady` only if that is less than
/// of those who have stayed, in the mean.
constexpr bool comes_settled(eviction_order order, std::uint32_t ticks,
                             std::int32_t settled_age) noexcept {
  return order != eviction_order::steady
         || ticks < static_cast<std::uint32_t>(settled_age) >> age_shift;
}

/// Whether an entry with this stamp leaves a ghost when it is given up.
constexpr bool leaves_ghost(eviction_order order,
                            std::uint32_t stamp) noexcept {
  return order == eviction_order::steady || stamp::is_newcomer(stamp);
}

/// An entry's stamp as it is to be from now on, and its score: the higher, the
/// sooner it goes; 0 for not at all.
struct verdict {
  std::uint32_t stamp = 0;
  std::uint32_t score = 0;
};

// Who has the top bit goes before all who do not, of whom none goes while there
// is one that has it.
inline constexpr std::uint32_t at_turn = std::uint32_t{1} << 31;
inline constexpr std::uint32_t at_once = ~std::uint32_t{0};

/// Ticks for which a newcomer may hope to be looked at under `steady`.
inline constexpr std::uint32_t steady_patience = 8;

/// Of how many entries `steady` keeps one newcomer, and how many at most.
inline constexpr std::uint64_t steady_part = 64;
inline constexpr std::uint64_t most_steady_newcomers = 128;

/// How many newcomers `steady` keeps among so many entries.
constexpr std::uint64_t steady_newcomers(std::uint64_t entries) noexcept {
  return std::clamp<std::uint64_t>(entries / steady_part, 1,
                                   most_steady_newcomers);
}

namespace detail {

/// Moves a mean towards a value, so that it fades over `window` values.
constexpr void fade_into(std::int32_t& mean, std::int32_t value,
                         std::int32_t window) noexcept {
  mean += (value - mean) / window;
}

constexpr verdict judge_by_use(eviction_order order, std::uint32_t link,
                               bool referenced, std::uint32_t now) noexcept {
  if (order == eviction_order::fifo)
    return {link, at_turn + 1 + stamp::age(link, now)};
  auto renewed =
    referenced ? stamp::settled(stamp::with_clock(link, now)) : link;
  auto score = at_turn + 1 + stamp::age(renewed, now);
  if (order == eviction_order::lru)
    return {renewed, score};
  auto uses = stamp::uses(link);
  uses = referenced ? std::min(uses + 1, stamp::most_uses) : uses / 2;
  return {stamp::with_uses(renewed, uses),
          score + ((stamp::most_uses - uses) << stamp::uses_shift)};
}

/// By the two queues of S3-FIFO.
constexpr verdict judge_by_turn(eviction_order order, std::uint32_t link,
                                bool referenced, std::uint32_t now,
                                learned& all, std::int32_t window) noexcept {
  constexpr std::int32_t whole = 0xFFFF;
  constexpr std::uint32_t most_turns = 3;
  auto wide = order == eviction_order::s3fifo_wide;
  auto uses_to_settle = wide ? 1U : 2U;
  auto newcomer = stamp::is_newcomer(link);
  fade_into(all.newcomers, newcomer ? whole : 0, window);
  auto newcomers_turn = all.newcomers > whole / 10 * (wide ? 3 : 1);
  auto uses = std::min(stamp::uses(link) + (referenced ? 1U : 0U), most_turns);
  auto renewed = stamp::with_uses(link, uses);
  auto age = stamp::age(link, now);
  if (newcomer != newcomers_turn)
    return {renewed, 1 + age + (uses == 0 ? stamp::clock_mask : 0)};
  if (newcomer && uses >= uses_to_settle)
    return {stamp::settled(stamp::with_clock(stamp::with_uses(link, 0), now)),
            0};
  // Several uses between two visits count as one: it waits for the next.
  if (newcomer && referenced)
    return {renewed, 0};
  if (!newcomer && uses > 0)
    return {stamp::with_clock(stamp::with_uses(link, uses - 1), now), 0};
  return {renewed, at_turn + 1 + age};
}

/// The hand is for the settled here; newcomers go from a list of their own.
/// What is not on it any more has proved nothing, but stands for those that
/// were here first.
constexpr verdict judge_steadily(std::uint32_t link, bool referenced,
                                 std::uint32_t now, learned& all,
                                 std::int32_t window) noexcept {
  auto renewed =
    referenced ? stamp::settled(stamp::with_clock(link, now)) : link;
  auto age = stamp::age(renewed, now);
  if (stamp::is_newcomer(renewed) && age > steady_patience)
    renewed = stamp::settled(renewed);
  if (stamp::is_newcomer(renewed))
    return {renewed, at_turn + age};
  constexpr std::uint32_t most_age = 1U << 22;
  fade_into(all.settled_age,
            static_cast<std::int32_t>(std::min(age, most_age) << age_shift),
            window);
  return {renewed, at_turn + 1 + age};
}

} // namespace detail

/// What becomes of an entry that the hand meets. What was learned fades over
/// about `window` entries.
constexpr verdict judge(eviction_order order, std::uint32_t link,
                        bool referenced, std::uint32_t now, learned& all,
                        std::int32_t window) noexcept {
  switch (order) {
    case eviction_order::clock:
      return {link, referenced ? 0 : at_once};
    case eviction_order::s3fifo:
    case eviction_order::s3fifo_wide:
      return detail::judge_by_turn(order, link, referenced, now, all, window);
    case eviction_order::steady:
      return detail::judge_steadily(link, referenced, now, all, window);
    default:
      return detail::judge_by_use(order, link, referenced, now);
  }
}

} // namespace neuroplex::memory
