// How often keys were asked for of late, estimated in 4 bits.
//
// Purpose: TinyLFU (Einziger, Friedman, Manes: "TinyLFU: A Highly Efficient
// Cache Admission Policy", ACM Transactions on Storage 2017): a count-min
// sketch of 4-bit counters with conservative update, all four counters of a key
// in one cache line; all are halved after a period, which forgets the past.
//
// Ownership and threads: owns its memory; one thread.
//
// Invariants: 4 bits a counter; an estimate is never below the true count of
// the period unless that exceeds 15.
//
// Failure behaviour: none.
#pragma once

#include "memory/policy/residents.hpp"

#include <algorithm>

namespace neuroplex::memory::policy {

class frequency_sketch {
public:
  frequency_sketch() : words_(words_a_line), line_mask_{0} {
  }

  /// Sees to counters for `count` residents: 16 a resident, as keys that are
  /// not resident are counted too. What was counted stays.
  void fit(std::size_t count) {
    period_ = std::max<std::uint64_t>(count * additions_a_resident, period_);
    while (words_.size() < count) {
      words_.insert(words_.end(), words_.begin(), words_.end());
      line_mask_ = words_.size() / words_a_line - 1;
    }
  }

  void add(std::uint64_t hash) noexcept {
    auto* line = line_of(hash);
    auto least = estimate(hash);
    if (least < max_count) {
      auto bits = hash >> 32;
      for (unsigned row = 0; row < rows; ++row, bits >>= 5) {
        auto& word = line[2 * row + (bits & 1)];
        auto shift = (bits >> 1 & 15) * 4;
        if ((word >> shift & max_count) == least)
          word += std::uint64_t{1} << shift;
      }
    }
    if (++added_ >= period_)
      age();
  }

  [[nodiscard]] unsigned estimate(std::uint64_t hash) const noexcept {
    const auto* line = &words_[(hash & line_mask_) * words_a_line];
    auto bits = hash >> 32;
    std::uint64_t least = max_count;
    for (unsigned row = 0; row < rows; ++row, bits >>= 5)
      least =
        std::min(least, line[2 * row + (bits & 1)] >> ((bits >> 1 & 15) * 4)
                          & max_count);
    return static_cast<unsigned>(least);
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return words_.capacity() * sizeof(std::uint64_t);
  }

private:
  static constexpr unsigned rows = 4;
  static constexpr std::size_t words_a_line = 8;
  static constexpr std::uint64_t max_count = 15;
  static constexpr std::uint64_t additions_a_resident = 16;

  [[nodiscard]] std::uint64_t* line_of(std::uint64_t hash) noexcept {
    return &words_[(hash & line_mask_) * words_a_line];
  }

  void age() noexcept {
    constexpr std::uint64_t low_three_bits = 0x7777'7777'7777'7777;
    for (auto& word : words_)
      word = word >> 1 & low_three_bits;
    added_ /= 2;
  }

  std::vector<std::uint64_t> words_;
  std::size_t line_mask_;
  std::uint64_t period_ = 64;
  std::uint64_t added_ = 0;
};

} // namespace neuroplex::memory::policy
