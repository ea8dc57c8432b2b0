// Bits and the version of their last change, which change together.
//
// Purpose: a set of small flags that writers change by compare-and-swap, where
// a writer may stand still for as long as it likes between its look and its
// change. A version beside the bits in one 64-bit word would come round too
// soon; here it has a word of its own, and both are exchanged at once.
//
// The machine's own is 16 bytes and takes one `cmpxchg16b`, which the baseline
// has (x86-64-v2). On other atomics, of tests, it is one word with a short
// version.
//
// Threads: all. Orderings: `look` loads the version first (acquire), then the
// bits (acquire), so bits that are newer than their version make the exchange
// fail. `change` is sequentially consistent, and pairs with both.
#pragma once

#include "memory/sync.hpp"

namespace neuroplex::memory {

/// What was seen of a wide word.
struct wide_value {
  std::uint64_t bits = 0;
  std::uint64_t version = 0;
};

/// Bits a wide word has, whatever it is made of.
inline constexpr unsigned wide_bit_count = 54;

template <class Sync>
class alignas(16) wide_word {
public:
  void reset() noexcept {
    word_.store(0, std::memory_order_relaxed);
  }

  [[nodiscard]] wide_value look() const noexcept {
    auto word = word_.load(std::memory_order_acquire);
    return {word & bits_mask, word >> wide_bit_count};
  }

  [[nodiscard]] std::uint64_t bits() const noexcept {
    return look().bits;
  }

  [[nodiscard]] std::uint64_t version() const noexcept {
    return look().version;
  }

  /// Puts `bits` and the next version in place of what was seen. If that is no
  /// longer there, `seen` becomes what is.
  bool change(wide_value& seen, std::uint64_t bits) noexcept {
    auto expected = seen.bits | seen.version << wide_bit_count;
    if (word_.compare_exchange_strong(
          expected, bits | (seen.version + 1) << wide_bit_count,
          std::memory_order_seq_cst))
      return true;
    seen = {expected & bits_mask, expected >> wide_bit_count};
    return false;
  }

private:
  static constexpr std::uint64_t bits_mask =
    (std::uint64_t{1} << wide_bit_count) - 1;

  typename Sync::template atomic<std::uint64_t> word_;
  std::uint64_t unused_;
};

template <>
class alignas(16) wide_word<native_sync> {
public:
  void reset() noexcept {
    version_.store(0, std::memory_order_relaxed);
    bits_.store(0, std::memory_order_relaxed);
  }

  [[nodiscard]] NEUROPLEX_INLINE wide_value look() const noexcept {
    wide_value seen;
    seen.version = version_.load(std::memory_order_acquire);
    seen.bits = bits_.load(std::memory_order_acquire);
    return seen;
  }

  [[nodiscard]] NEUROPLEX_INLINE std::uint64_t bits() const noexcept {
    return bits_.load(std::memory_order_acquire);
  }

  [[nodiscard]] NEUROPLEX_INLINE std::uint64_t version() const noexcept {
    return version_.load(std::memory_order_acquire);
  }

  NEUROPLEX_INLINE bool change(wide_value& seen, std::uint64_t bits) noexcept {
#if defined(NEUROPLEX_TSAN)
    show_order();
#endif
    std::uint64_t expected[2] = {seen.bits, seen.version};
    auto done =
      native_sync::exchange_wide(this, expected, {bits, seen.version + 1});
    seen = {expected[0], expected[1]};
#if defined(NEUROPLEX_TSAN)
    show_order();
#endif
    return done;
  }

private:
#if defined(NEUROPLEX_TSAN)
  /// ThreadSanitizer does not see what the instruction orders; this it sees.
  void show_order() noexcept {
    bits_.fetch_add(0, std::memory_order_acq_rel);
    version_.fetch_add(0, std::memory_order_acq_rel);
  }
#endif

  std::atomic<std::uint64_t> bits_;
  std::atomic<std::uint64_t> version_;
};
static_assert(sizeof(wide_word<native_sync>) == 16);

} // namespace neuroplex::memory
