#include "bench/memory/chase.hpp"

#include "bench/memory/clock.hpp"

#include <algorithm>
#include <bit>

namespace neuroplex::bench {

namespace {

struct alignas(64) chase_line {
  std::uint64_t next;
};

/// A bijection of [0, mask]: multiplications by odd numbers and shifted xors,
/// so that one cycle meets every line in an order no prefetcher follows.
std::uint64_t scatter(std::uint64_t i, std::uint64_t mask) {
  auto half = static_cast<unsigned>(std::popcount(mask)) / 2;
  i = (i * 0x9E3779B97F4A7C15ULL) & mask;
  i ^= i >> half;
  i = (i * 0xD6E8FEB86659FD93ULL) & mask;
  i ^= i >> half;
  i = (i * 0xA0761D6478BD642FULL) & mask;
  return i ^ (i >> half);
}

} // namespace

pointer_chase::pointer_chase(std::size_t bytes)
  : memory_{std::bit_floor(std::max<std::size_t>(bytes, 4096))} {
  auto* lines = reinterpret_cast<chase_line*>(memory_.data());
  auto mask = memory_.bytes() / sizeof(chase_line) - 1;
  auto here = scatter(0, mask);
  for (std::uint64_t i = 1; i <= mask + 1; ++i) {
    auto next = scatter(i & mask, mask);
    lines[here].next = next;
    here = next;
  }
  position_ = here;
}

double pointer_chase::measure_ns(double seconds) {
  constexpr std::uint64_t steps_a_look = 10'000;
  auto* lines = reinterpret_cast<const chase_line*>(memory_.data());
  auto here = position_;
  std::uint64_t steps = 0;
  auto begin = thread_cpu_ns();
  double elapsed = 0;
  do {
    for (std::uint64_t i = 0; i < steps_a_look; ++i)
      here = lines[here].next;
    // The walk is used, so it cannot be left out.
    asm volatile("" : "+r"(here));
    steps += steps_a_look;
    elapsed = thread_cpu_ns() - begin;
  } while (elapsed < seconds * 1e9);
  position_ = here;
  return elapsed / static_cast<double>(steps);
}

} // namespace neuroplex::bench
