// Which blocks of a span may be free: a bit for each, in front of the span's
// blocks, or in its page's record where they are few (layout.hpp).
//
// Threads: all; each bit is a hint that may lag behind its block's word.
#pragma once

#include "memory/arena.hpp"

#include <cstdint>

namespace neuroplex::memory {

template <class Sync>
class basic_span_bits {
public:
  explicit basic_span_bits(const basic_arena<Sync>& arena) noexcept
    : arena_{arena} {
  }

  [[nodiscard]] std::uint64_t load_bits(std::uint32_t page, unsigned size_class,
                                        std::uint32_t word) const noexcept {
    return bits_in_record(size_class)
             ? arena_.page(page).bits.load(std::memory_order_relaxed)
             : bitmap(page)[word].load(std::memory_order_relaxed);
  }

  void set_bit(std::uint32_t page, unsigned size_class,
               std::uint32_t number) noexcept {
    if (bits_in_record(size_class))
      arena_.page(page).bits.fetch_or(std::uint32_t{1} << (number % 32),
                                      std::memory_order_relaxed);
    else
      bitmap(page)[number / 64].fetch_or(std::uint64_t{1} << (number % 64),
                                         std::memory_order_relaxed);
  }

  void clear_bit(std::uint32_t page, unsigned size_class,
                 std::uint32_t number) noexcept {
    if (bits_in_record(size_class))
      arena_.page(page).bits.fetch_and(~(std::uint32_t{1} << (number % 32)),
                                       std::memory_order_relaxed);
    else
      bitmap(page)[number / 64].fetch_and(~(std::uint64_t{1} << (number % 64)),
                                          std::memory_order_relaxed);
  }

  void set_all_bits(std::uint32_t page, unsigned size_class) noexcept {
    auto count = arena_.shape().classes.blocks_of(size_class);
    auto lowest = [](std::uint32_t bits) {
      return bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
    };
    if (bits_in_record(size_class)) {
      arena_.page(page).bits.store(static_cast<std::uint32_t>(lowest(count)),
                                   std::memory_order_relaxed);
      return;
    }
    for (std::uint32_t word = 0; word * 64 < count; ++word)
      bitmap(page)[word].store(lowest(count - word * 64),
                               std::memory_order_relaxed);
  }

private:
  using bitmap_word = typename Sync::template atomic<std::uint64_t>;

  [[nodiscard]] bitmap_word* bitmap(std::uint32_t page) const noexcept {
    return reinterpret_cast<bitmap_word*>(arena_.page_address(page));
  }

  [[nodiscard]] bool bits_in_record(unsigned size_class) const noexcept {
    return arena_.shape().classes.blocks_of(size_class)
           <= layout::bits_in_record;
  }

  basic_arena<Sync> arena_;
};

} // namespace neuroplex::memory
