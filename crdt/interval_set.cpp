#include "crdt/interval_set.hpp"

#include <algorithm>

namespace neuroplex::crdt {

namespace {

std::uint64_t length(const interval& what) noexcept {
  return what.last - what.first + 1;
}

// Appends what begins no earlier than all that is there.
void append(std::vector<interval>& to, interval more) {
  if (!to.empty() && more.first <= to.back().last + 1)
    to.back().last = std::max(to.back().last, more.last);
  else
    to.push_back(more);
}

} // namespace

bool interval_set::contains(std::uint64_t counter) const noexcept {
  auto after = std::upper_bound(
    intervals_.begin(), intervals_.end(), counter,
    [](std::uint64_t value, const interval& one) { return value < one.first; });
  return after != intervals_.begin() && std::prev(after)->last >= counter;
}

void interval_set::add(interval more) {
  // Nearly always the next counter of a replica.
  if (intervals_.empty() || more.first >= intervals_.back().first) {
    append(intervals_, more);
    return;
  }
  // The first that touches or lies behind `more`, and the first behind it.
  auto begin =
    std::lower_bound(intervals_.begin(), intervals_.end(), more.first,
                     [](const interval& one, std::uint64_t value) {
                       return one.last + 1 < value;
                     });
  auto end = begin;
  for (; end != intervals_.end() && end->first <= more.last + 1; ++end) {
    more.first = std::min(more.first, end->first);
    more.last = std::max(more.last, end->last);
  }
  if (begin == end) {
    intervals_.insert(begin, more);
    return;
  }
  *begin = more;
  intervals_.erase(std::next(begin), end);
}

void interval_set::merge(const interval_set& other) {
  if (other.intervals_.size() == 1) {
    add(other.intervals_.front());
    return;
  }
  std::vector<interval> both;
  both.reserve(intervals_.size() + other.intervals_.size());
  auto mine = intervals_.begin();
  auto theirs = other.intervals_.begin();
  while (mine != intervals_.end() || theirs != other.intervals_.end()) {
    auto take_mine =
      theirs == other.intervals_.end()
      || (mine != intervals_.end() && mine->first <= theirs->first);
    append(both, take_mine ? *mine++ : *theirs++);
  }
  intervals_ = std::move(both);
}

interval_set interval_set::intersection(const interval_set& other) const {
  interval_set result;
  auto mine = intervals_.begin();
  auto theirs = other.intervals_.begin();
  while (mine != intervals_.end() && theirs != other.intervals_.end()) {
    interval both{std::max(mine->first, theirs->first),
                  std::min(mine->last, theirs->last)};
    if (both.first <= both.last)
      result.intervals_.push_back(both);
    if (mine->last < theirs->last)
      ++mine;
    else
      ++theirs;
  }
  return result;
}

interval_set interval_set::difference(const interval_set& other) const {
  interval_set result;
  auto theirs = other.intervals_.begin();
  for (auto rest : intervals_) {
    while (theirs != other.intervals_.end() && theirs->last < rest.first)
      ++theirs;
    auto cut = theirs;
    for (; cut != other.intervals_.end() && cut->first <= rest.last; ++cut) {
      if (cut->first > rest.first)
        result.intervals_.push_back({rest.first, cut->first - 1});
      rest.first = cut->last + 1;
      if (rest.first > rest.last)
        break;
    }
    theirs = cut;
    if (rest.first <= rest.last)
      result.intervals_.push_back(rest);
  }
  return result;
}

bool interval_set::includes(const interval_set& other) const {
  return other.difference(*this).empty();
}

std::uint64_t interval_set::size() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& one : intervals_)
    sum += length(one);
  return sum;
}

void place_cursor::skip() noexcept {
  before_ += length(rest_.front());
  rest_ = rest_.subspan(1);
}

std::uint64_t place_cursor::place_of(std::uint64_t counter) noexcept {
  while (rest_.front().last < counter)
    skip();
  return before_ + (counter - rest_.front().first);
}

std::uint64_t place_cursor::counter_at(std::uint64_t place) noexcept {
  while (!rest_.empty() && place - before_ >= length(rest_.front()))
    skip();
  return rest_.empty() ? 0 : rest_.front().first + (place - before_);
}

} // namespace neuroplex::crdt
