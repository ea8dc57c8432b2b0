// What eviction remembers of an entry: 32 bits in its block, where a block that
// is not live has the link of its list.
//
//   bit  31     set: this is a stamp. No granule has it, so who expects a stamp
//               in a compare-and-swap never changes a link.
//   bit  30     pinned: eviction passes over the entry
//   bit  29     newcomer: nobody has used it enough to settle
//   bits 23-28  uses that the hand has seen, fewer when it saw none
//   bits 0-22   eviction's clock when the entry was made or last seen used; the
//               clock wraps, so that ages above half its range count as none
//
// Threads: plain values.
#pragma once

#include <cstdint>

namespace neuroplex::memory::stamp {

inline constexpr std::uint32_t mark = 0x8000'0000U;
inline constexpr std::uint32_t pinned = 0x4000'0000U;
inline constexpr std::uint32_t newcomer = 0x2000'0000U;
inline constexpr unsigned uses_shift = 23;
inline constexpr std::uint32_t most_uses = 0x3F;
inline constexpr std::uint32_t clock_mask = (1U << uses_shift) - 1;

constexpr bool is_stamp(std::uint32_t link) noexcept {
  return (link & mark) != 0;
}

/// The stamp of a new entry.
constexpr std::uint32_t fresh(std::uint32_t clock) noexcept {
  return mark | newcomer | (clock & clock_mask);
}

constexpr bool is_newcomer(std::uint32_t stamp) noexcept {
  return (stamp & newcomer) != 0;
}

constexpr std::uint32_t settled(std::uint32_t stamp) noexcept {
  return stamp & ~newcomer;
}

constexpr std::uint32_t uses(std::uint32_t stamp) noexcept {
  return stamp >> uses_shift & most_uses;
}

constexpr std::uint32_t with_uses(std::uint32_t stamp,
                                  std::uint32_t uses) noexcept {
  return (stamp & ~(most_uses << uses_shift)) | (uses << uses_shift);
}

constexpr std::uint32_t with_clock(std::uint32_t stamp,
                                   std::uint32_t clock) noexcept {
  return (stamp & ~clock_mask) | (clock & clock_mask);
}

/// What a replacement does with the pin of an entry.
enum class pinning : std::uint8_t { as_before, pin, unpin };

constexpr std::uint32_t with(pinning pins, std::uint32_t stamp) noexcept {
  if (pins == pinning::as_before)
    return stamp;
  return pins == pinning::pin ? stamp | pinned : stamp & ~pinned;
}

/// Ticks since the stamp's clock.
constexpr std::uint32_t age(std::uint32_t stamp, std::uint32_t clock) noexcept {
  auto ticks = (clock - stamp) & clock_mask;
  return ticks <= clock_mask / 2 ? ticks : 0;
}

} // namespace neuroplex::memory::stamp
