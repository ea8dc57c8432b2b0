// The live dots of one replica: which counters, and a hash of what each stands
// for.
//
// Purpose: lets `or_set` find what a context removes without a look at anything
// else. A page covers 256 counters: a bit for each, and the hashes of those
// that are live, packed. So a dense stretch costs 4 bytes a dot, and one that
// was removed costs nothing.
//
// Threads: a plain value.
//
// Invariants: pages are sorted, none is empty, and a page has as many hashes as
// bits.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

namespace neuroplex::crdt {

class dot_index {
public:
  static constexpr std::uint64_t page_counters = 256;

  struct page {
    std::uint64_t number = 0; ///< of the first counter, in pages
    std::array<std::uint64_t, 4> live{};
    std::vector<std::uint32_t> hashes; ///< of live counters, in their order

    friend bool operator==(const page&, const page&) = default;
  };

  /// Null when the counter is not live.
  [[nodiscard]] const std::uint32_t* find(std::uint64_t counter) const noexcept;

  /// The counter is not live yet.
  void insert(std::uint64_t counter, std::uint32_t hash);

  /// The counter is live.
  void erase(std::uint64_t counter);

  /// Calls `function(counter, hash)` for live counters from `first` to `last`,
  /// in order.
  template <class Function>
  void for_each(std::uint64_t first, std::uint64_t last,
                Function function) const {
    for (auto at = place_of(first / page_counters);
         at < pages_.size() && pages_[at].number <= last / page_counters; ++at)
      visit(pages_[at], first, last, function);
  }

  [[nodiscard]] const std::vector<page>& pages() const noexcept {
    return pages_;
  }

  [[nodiscard]] std::size_t bytes() const noexcept;

private:
  template <class Function>
  static void visit(const page& one, std::uint64_t first, std::uint64_t last,
                    Function& function) {
    const auto* hash = one.hashes.data();
    for (std::size_t word = 0; word < one.live.size(); ++word) {
      for (auto bits = one.live[word]; bits != 0; bits &= bits - 1, ++hash) {
        auto counter = one.number * page_counters + word * 64
                       + static_cast<unsigned>(std::countr_zero(bits));
        if (counter >= first && counter <= last)
          function(counter, *hash);
      }
    }
  }

  /// The place of the first page whose number is not below `number`.
  [[nodiscard]] std::size_t place_of(std::uint64_t number) const noexcept;

  std::vector<page> pages_;
};

} // namespace neuroplex::crdt
