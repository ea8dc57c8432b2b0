#include "crdt/dot_index.hpp"

#include <algorithm>

namespace neuroplex::crdt {

namespace {

struct bit_place {
  explicit bit_place(std::uint64_t counter) noexcept
    : word{counter % dot_index::page_counters / 64}, bit{std::uint64_t{1}
                                                         << (counter % 64)} {
  }

  std::size_t word;
  std::uint64_t bit;
};

std::ptrdiff_t rank(const dot_index::page& one, const bit_place& at) noexcept {
  auto below = std::popcount(one.live[at.word] & (at.bit - 1));
  for (std::size_t word = 0; word < at.word; ++word)
    below += std::popcount(one.live[word]);
  return below;
}

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

const std::uint32_t* dot_index::find(std::uint64_t counter) const noexcept {
  auto number = counter / page_counters;
  auto at = place_of(number);
  if (at == pages_.size() || pages_[at].number != number)
    return nullptr;
  const auto& one = pages_[at];
  bit_place place{counter};
  if ((one.live[place.word] & place.bit) == 0)
    return nullptr;
  return one.hashes.data() + rank(one, place);
}

void dot_index::insert(std::uint64_t counter, std::uint32_t hash) {
  auto number = counter / page_counters;
  auto at = place_of(number);
  if (at == pages_.size() || pages_[at].number != number)
    pages_.insert(pages_.begin() + static_cast<std::ptrdiff_t>(at),
                  page{number, {}, {}});
  auto& one = pages_[at];
  bit_place place{counter};
  one.hashes.insert(one.hashes.begin() + rank(one, place), hash);
  one.live[place.word] |= place.bit;
}

void dot_index::erase(std::uint64_t counter) {
  auto at = place_of(counter / page_counters);
  auto& one = pages_[at];
  bit_place place{counter};
  one.hashes.erase(one.hashes.begin() + rank(one, place));
  one.live[place.word] &= ~place.bit;
  if (one.hashes.empty())
    pages_.erase(pages_.begin() + static_cast<std::ptrdiff_t>(at));
  else if (one.hashes.size() < one.hashes.capacity() / 4)
    one.hashes.shrink_to_fit();
}

std::size_t dot_index::bytes() const noexcept {
  auto sum = pages_.capacity() * sizeof(page);
  for (const auto& one : pages_)
    sum += one.hashes.capacity() * sizeof(std::uint32_t);
  return sum;
}

} // namespace neuroplex::crdt
