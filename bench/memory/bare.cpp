#include "bench/memory/bare.hpp"

#include "bench/memory/clock.hpp"
#include "bench/memory/workload.hpp"

#include <array>
#include <cstring>

namespace neuroplex::bench {

namespace {

constexpr std::uint64_t line_bytes = 64;

/// Splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", OOPSLA 2014).
std::uint64_t next_random(std::uint64_t& state) noexcept {
  state += 0x9E3779B97F4A7C15ULL;
  auto mixed = (state ^ state >> 30) * 0xBF58476D1CE4E5B9ULL;
  mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EBULL;
  return mixed ^ mixed >> 31;
}

std::uint64_t below(std::uint64_t random, std::uint64_t limit) noexcept {
  return (random >> 32) * limit >> 32;
}

template <class Batch>
double time_of(double seconds, std::uint64_t batch, Batch&& work) {
  std::uint64_t done = 0;
  auto begin = thread_cpu_ns();
  double elapsed = 0;
  do {
    for (std::uint64_t i = 0; i < 100; ++i, done += batch)
      work();
    elapsed = thread_cpu_ns() - begin;
  } while (elapsed < seconds * 1e9);
  return elapsed / static_cast<double>(done);
}

void prefetch(const std::byte* line) noexcept {
  // Said as an instruction: GCC drops a function that only prefetches.
#if defined(__x86_64__)
  asm volatile("prefetcht0 %0" : : "m"(*line));
#else
  __builtin_prefetch(line);
#endif
}

} // namespace

bare_lines::bare_lines(std::uint64_t index_bytes, std::uint64_t blocks,
                       std::uint64_t block_bytes)
  : index_{index_bytes / line_bytes * line_bytes},
    pool_{blocks * block_bytes + line_bytes}, block_bytes_{block_bytes} {
  for (std::uint64_t at = 0; at < index_.bytes(); at += line_bytes) {
    auto block = below(next_random(state_), blocks);
    std::memcpy(index_.data() + at, &block, sizeof block);
  }
}

const std::byte* bare_lines::next_line() noexcept {
  auto lines = index_.bytes() / line_bytes;
  return index_.data() + below(next_random(state_), lines) * line_bytes;
}

const std::byte* bare_lines::block_of(const std::byte* line) const noexcept {
  std::uint64_t block = 0;
  std::memcpy(&block, line, sizeof block);
  return pool_.data() + block * block_bytes_;
}

void bare_lines::touch(const std::byte* block) noexcept {
  for (std::uint64_t at = 0; at < block_bytes_; at += line_bytes)
    sum_ += static_cast<std::uint64_t>(block[at]);
  // The sum is used, so the reads cannot be left out.
  asm volatile("" : "+r"(sum_));
}

double bare_lines::in_turn(double seconds) {
  return time_of(seconds, 1, [&] { touch(block_of(next_line())); });
}

double bare_lines::in_waves(double seconds) {
  std::array<const std::byte*, batch_size> at{};
  return time_of(seconds, at.size(), [&] {
    for (auto& line : at)
      prefetch(line = next_line());
    for (auto& block : at) {
      block = block_of(block);
      for (std::uint64_t i = 0; i < block_bytes_; i += line_bytes)
        prefetch(block + i);
    }
    for (const auto* block : at)
      touch(block);
  });
}

} // namespace neuroplex::bench
