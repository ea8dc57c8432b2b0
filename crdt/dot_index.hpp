// The live dots of one replica: which counters, and a hash of what each stands
// for.
//
// Purpose: lets `or_set` find what a context removes without a look at anything
// else. A page has the hashes of 16 counters, 0 for one that is not live: 4.5
// bytes a dot in a dense stretch. Where few pages are missing, empty ones fill
// the gaps, so that the place of a hash follows from its counter and costs one
// cache miss.
//
// Threads: a plain value.
//
// Invariants: pages are sorted; at most eight are there for each that is not
// empty, and none where nothing lives.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace neuroplex::crdt {

class dot_index {
public:
  static constexpr std::uint64_t page_counters = 16;

  struct page {
    std::uint64_t number = 0; ///< of the first counter, in pages
    std::array<std::uint32_t, page_counters> hashes{};

    [[nodiscard]] bool empty() const noexcept {
      return hashes == std::array<std::uint32_t, page_counters>{};
    }

    friend bool operator==(const page&, const page&) = default;
  };

  /// 0 when the counter is not live.
  [[nodiscard]] std::uint32_t find(std::uint64_t counter) const noexcept;

  /// The counter is not live yet; `hash` is not 0.
  void insert(std::uint64_t counter, std::uint32_t hash);

  /// The counter is live.
  void erase(std::uint64_t counter);

  /// How many counters from `first` to `last` are live.
  [[nodiscard]] std::size_t count(std::uint64_t first,
                                  std::uint64_t last) const noexcept;

  /// Calls `function(counter, hash)` for live counters from `first` to `last`,
  /// in order.
  template <class Function>
  void for_each(std::uint64_t first, std::uint64_t last,
                Function function) const {
    for (auto at = place_of(first / page_counters);
         at < pages_.size() && pages_[at].number <= last / page_counters;
         ++at) {
      const auto& [number, hashes] = pages_[at];
      auto begin = number * page_counters;
      auto from = first > begin ? first - begin : 0;
      auto to = last - begin < page_counters ? last - begin + 1 : page_counters;
      for (auto i = from; i < to; ++i)
        if (hashes[i] != 0)
          function(begin + i, hashes[i]);
    }
  }

  /// Some may be empty.
  [[nodiscard]] const std::vector<page>& pages() const noexcept {
    return pages_;
  }

  [[nodiscard]] std::size_t bytes() const noexcept {
    return pages_.capacity() * sizeof(page);
  }

private:
  /// The place of the first page whose number is not below `number`.
  [[nodiscard]] std::size_t place_of(std::uint64_t number) const noexcept;

  /// The page with `number`, which is made if there is none.
  page& page_at(std::uint64_t number);

  void fill_gaps();

  std::vector<page> pages_;
  std::size_t used_ = 0; ///< pages that are not empty
};

} // namespace neuroplex::crdt
