// A small cache without values that tries an eviction order out on a sample of
// the keys, as the store itself would act under it: with a hand that goes round
// lines of hashes, stamps, and ghosts (evict.hpp, order.hpp, ghosts.hpp).
//
// Ownership and threads: owns its memory, of fixed size; one thread at a time.
//
// Invariants: holds no more keys than its limit.
//
// Failure behaviour: none; a key too many in a part of the table drives another
// out.
#pragma once

#include "memory/order.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace neuroplex::memory {

class shadow {
public:
  static constexpr std::uint32_t most_entries = 512;

  /// Keeps at most so many keys, and looks at so many for each that it gives
  /// up, from the next request on.
  void resize(std::uint32_t limit, std::uint32_t looks) noexcept;

  /// A use of the key of this hash under `order`; answers whether it was there.
  /// It is from then on.
  bool request(std::uint64_t hash, eviction_order order) noexcept;

  /// Forgets the keys whose hash `stays` does not pick.
  template <class Predicate>
  void thin(Predicate stays) noexcept {
    for (std::uint32_t i = 0; i < slot_count; ++i)
      if (stamps_[i] != 0 && !stays(hashes_[i]))
        remove(i);
  }

  [[nodiscard]] std::uint32_t count() const noexcept {
    return count_;
  }

private:
  static constexpr std::uint32_t line_slots = 12;
  static constexpr std::uint32_t line_count = 64;
  static constexpr std::uint32_t slot_count = line_slots * line_count;
  static constexpr std::uint32_t probe_lines = 4;
  static constexpr unsigned ghost_bits = 9;
  static constexpr std::uint32_t ring_count = 32;
  static constexpr std::uint32_t nobody = ~std::uint32_t{0};

  struct newcomer {
    std::uint64_t hash;
    std::uint32_t slot;
  };

  [[nodiscard]] std::uint32_t find(std::uint64_t spread,
                                   std::uint64_t hash) const noexcept;
  void insert(std::uint64_t spread, std::uint64_t hash,
              eviction_order order) noexcept;
  void evict(eviction_order order) noexcept;
  bool evict_newcomer() noexcept;
  void give_up(std::uint32_t slot, eviction_order order) noexcept;
  void remove(std::uint32_t slot) noexcept;

  // What an entry's block and index line hold in the store.
  std::array<std::uint64_t, slot_count> hashes_{};
  std::array<std::uint32_t, slot_count> stamps_{}; ///< 0: an empty slot
  std::array<bool, slot_count> used_{};
  std::array<std::uint32_t, std::size_t{1} << ghost_bits> ghosts_{};
  std::array<newcomer, ring_count> ring_{};
  std::uint32_t ring_begin_ = 0;
  std::uint32_t ring_end_ = 0;
  std::uint32_t limit_ = 1;
  std::uint32_t looks_ = 4;
  std::uint32_t count_ = 0;
  std::uint32_t hand_ = 0; ///< a line
  std::uint32_t clock_ = 0;
  std::uint32_t without_hand_ = 0;
  learned learned_;
};

} // namespace neuroplex::memory
