#include "crdt/dot_index.hpp"

#include <algorithm>

namespace neuroplex::crdt {

namespace {

// Gaps are filled when the pages would be at most so many for each that is
// used, and opened again when they are twice as many.
constexpr std::size_t most_pages_a_used_one = 4;

} // namespace

std::size_t dot_index::place_of(std::uint64_t number) const noexcept {
  if (pages_.empty() || pages_.back().number < number)
    return pages_.size();
  // Where no page lacks, a page lies as far from the first as its number tells.
  auto first = pages_.front().number;
  auto guess = number - first;
  if (number >= first && guess < pages_.size()
      && pages_[guess].number == number)
    return guess;
  auto at = std::lower_bound(
    pages_.begin(), pages_.end(), number,
    [](const page& one, std::uint64_t value) { return one.number < value; });
  return static_cast<std::size_t>(at - pages_.begin());
}

dot_index::page& dot_index::page_at(std::uint64_t number) {
  auto place = place_of(number);
  if (place < pages_.size() && pages_[place].number == number)
    return pages_[place];
  auto most = most_pages_a_used_one * (used_ + 1);
  if (place != 0 && place == pages_.size()
      && number - pages_.front().number < most) {
    while (pages_.back().number != number)
      pages_.push_back({pages_.back().number + 1, {}});
    return pages_.back();
  }
  pages_.insert(pages_.begin() + static_cast<std::ptrdiff_t>(place),
                page{number, {}});
  auto all = pages_.back().number - pages_.front().number + 1;
  if (pages_.size() < all && all <= most)
    fill_gaps();
  return pages_[place_of(number)];
}

void dot_index::fill_gaps() {
  auto first = pages_.front().number;
  std::vector<page> all(pages_.back().number - first + 1);
  for (std::size_t i = 0; i < all.size(); ++i)
    all[i].number = first + i;
  for (const auto& one : pages_)
    all[one.number - first] = one;
  pages_ = std::move(all);
}

std::uint32_t dot_index::find(std::uint64_t counter) const noexcept {
  auto number = counter / page_counters;
  auto at = place_of(number);
  if (at == pages_.size() || pages_[at].number != number)
    return 0;
  return pages_[at].hashes[counter % page_counters];
}

void dot_index::insert(std::uint64_t counter, std::uint32_t hash) {
  auto& one = page_at(counter / page_counters);
  used_ += one.empty() ? 1 : 0;
  one.hashes[counter % page_counters] = hash;
}

void dot_index::erase(std::uint64_t counter) {
  auto& one = pages_[place_of(counter / page_counters)];
  one.hashes[counter % page_counters] = 0;
  if (!one.empty())
    return;
  --used_;
  if (pages_.size() <= 2 * most_pages_a_used_one * used_)
    return;
  std::erase_if(pages_, [](const page& each) { return each.empty(); });
  pages_.shrink_to_fit();
}

std::size_t dot_index::count(std::uint64_t first,
                             std::uint64_t last) const noexcept {
  std::size_t sum = 0;
  for_each(first, last, [&](std::uint64_t, std::uint32_t) { ++sum; });
  return sum;
}

} // namespace neuroplex::crdt
