// The only source of chance in a simulated run.
//
// Purpose: a small generator (xoshiro256**, seeded by splitmix64) that gives
// the same numbers on every machine. A part of the world takes a stream of its
// own with `fork`, so that switching one kind of fault off leaves the choices
// of the others as they were: that is what lets a failing run shrink.
//
// Threads: plain value, one at a time.
//
// Invariants: no floating-point function of the C library is involved, so that
// a seed means one run everywhere.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace neuroplex::sim {

using nanoseconds = std::chrono::nanoseconds;

/// One step of splitmix64.
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t value) noexcept {
  value += 0x9E3779B97F4A7C15U;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9U;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBU;
  return value ^ (value >> 31);
}

class dice {
public:
  explicit constexpr dice(std::uint64_t seed) noexcept {
    for (auto& word : state_) {
      seed = mix(seed);
      word = seed;
    }
  }

  /// An independent stream named `label`; leaves this one where it is.
  [[nodiscard]] constexpr dice fork(std::string_view label,
                                    std::uint64_t number = 0) const noexcept {
    auto seed = mix(state_[0] ^ mix(number));
    for (const auto letter : label) {
      seed = mix(seed ^ static_cast<unsigned char>(letter));
    }
    return dice{seed};
  }

  constexpr std::uint64_t next() noexcept {
    const auto result = rotate(state_[1] * 5, 7) * 9;
    const auto shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = rotate(state_[3], 45);
    return result;
  }

  /// In [0, bound); 0 for a bound of 0.
  constexpr std::uint64_t below(std::uint64_t bound) noexcept {
    __extension__ using wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<wide>(next()) * bound)
                                      >> 64);
  }

  /// In [low, high].
  constexpr std::uint64_t between(std::uint64_t low,
                                  std::uint64_t high) noexcept {
    return low + below(high - low + 1);
  }

  constexpr nanoseconds between(nanoseconds low, nanoseconds high) noexcept {
    return low
           + nanoseconds{static_cast<std::int64_t>(
             below(static_cast<std::uint64_t>((high - low).count()) + 1))};
  }

  /// Mostly near `low`, seldom near `high`: a latency.
  constexpr nanoseconds mostly_low(nanoseconds low, nanoseconds high) noexcept {
    // The cube of a fraction of 2^16, taken step by step.
    const auto fraction = below(1U << 16);
    const auto cubed = ((fraction * fraction) >> 16) * fraction >> 16;
    return low
           + nanoseconds{static_cast<std::int64_t>(
             static_cast<std::uint64_t>((high - low).count()) / 65536 * cubed)};
  }

  /// True `share` times in a million.
  constexpr bool chance_ppm(std::uint64_t share) noexcept {
    return share != 0 && below(1'000'000) < share;
  }

  constexpr bool coin() noexcept {
    return (next() >> 63) != 0;
  }

private:
  static constexpr std::uint64_t rotate(std::uint64_t value,
                                        unsigned by) noexcept {
    return (value << by) | (value >> (64 - by));
  }

  std::array<std::uint64_t, 4> state_{};
};

/// Rare branches (FoundationDB's BUGGIFY): a site is awake in a quarter of the
/// runs, and then taken at `share_ppm` of its visits. Where it is asleep, the
/// run goes on as in production.
class rarities {
public:
  rarities(const dice& from, bool enabled) noexcept
    : dice_{from.fork("rarities")}, salt_{dice_.next()}, enabled_{enabled} {
  }

  [[nodiscard]] bool strikes(std::string_view site,
                             std::uint64_t share_ppm = 250'000) noexcept {
    if (!enabled_) {
      return false;
    }
    auto awake = salt_;
    for (const auto letter : site) {
      awake = mix(awake ^ static_cast<unsigned char>(letter));
    }
    return awake % 4 == 0 && dice_.chance_ppm(share_ppm);
  }

private:
  dice dice_;
  std::uint64_t salt_;
  bool enabled_;
};

} // namespace neuroplex::sim
