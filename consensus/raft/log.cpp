#include "consensus/raft/log.hpp"

#include "memory/status.hpp"

#include <algorithm>

namespace neuroplex::raft {

std::optional<term_number> raft_log::term_of(log_index index) const noexcept {
  if (index == base_index_)
    return base_term_;
  if (index < base_index_ || index > last_index())
    return std::nullopt;
  return entries_[dropped_ + (index - base_index_ - 1)].term;
}

const entry& raft_log::at(log_index index) const {
  NEUROPLEX_ENSURE(index > base_index_ && index <= last_index());
  return entries_[dropped_ + (index - base_index_ - 1)];
}

bool raft_log::matches(log_index index, term_number term) const noexcept {
  auto here = term_of(index);
  return here.has_value() && *here == term;
}

std::pair<log_index, term_number>
raft_log::may_agree(log_index index, term_number term) const noexcept {
  index = std::min(index, last_index());
  if (index < base_index_)
    return {index, 0};
  // Terms never fall along the log: the last entry of a term up to `term` is
  // found by halving.
  auto begin = entries_.begin() + static_cast<std::ptrdiff_t>(dropped_);
  auto end = begin + static_cast<std::ptrdiff_t>(index - base_index_);
  auto place = std::upper_bound(
    begin, end, term,
    [](term_number limit, const entry& what) { return limit < what.term; });
  auto found = base_index_ + static_cast<log_index>(place - begin);
  if (place != begin)
    return {found, std::prev(place)->term};
  if (base_term_ <= term)
    return {base_index_, base_term_};
  return {base_index_ == 0 ? 0 : base_index_ - 1, 0};
}

void raft_log::append(entry what) {
  NEUROPLEX_ENSURE(what.index == last_index() + 1 && what.term >= last_term());
  payload_bytes_ += what.data.size();
  entries_.push_back(std::move(what));
}

std::size_t raft_log::copy_to(std::vector<entry>& out, log_index from,
                              log_index last, std::size_t max_entries,
                              std::size_t max_bytes) const {
  last = std::min(last, last_index());
  if (from <= base_index_ || from > last)
    return 0;
  auto offset = dropped_ + (from - base_index_ - 1);
  auto limit = std::min<std::size_t>(last - from + 1, max_entries);
  std::size_t count = 0;
  std::size_t bytes = 0;
  while (count < limit) {
    bytes += entries_[offset + count].data.size();
    if (count > 0 && bytes > max_bytes)
      break;
    ++count;
  }
  auto begin = entries_.begin() + static_cast<std::ptrdiff_t>(offset);
  out.insert(out.end(), begin, begin + static_cast<std::ptrdiff_t>(count));
  return count;
}

void raft_log::truncate(log_index from) {
  NEUROPLEX_ENSURE(from > base_index_);
  while (last_index() >= from) {
    payload_bytes_ -= entries_.back().data.size();
    entries_.pop_back();
  }
}

void raft_log::compact(log_index index) {
  if (index <= base_index_)
    return;
  NEUROPLEX_ENSURE(index <= last_index());
  base_term_ = *term_of(index);
  auto count = index - base_index_;
  for (std::size_t i = dropped_; i < dropped_ + count; ++i) {
    payload_bytes_ -= entries_[i].data.size();
    entries_[i].data = {};
  }
  dropped_ += count;
  base_index_ = index;
  if (dropped_ > entries_.size() / 2) {
    entries_.erase(entries_.begin(),
                   entries_.begin() + static_cast<std::ptrdiff_t>(dropped_));
    dropped_ = 0;
  }
}

void raft_log::reset(log_index index, term_number term) {
  entries_.clear();
  dropped_ = 0;
  payload_bytes_ = 0;
  base_index_ = index;
  base_term_ = term;
}

} // namespace neuroplex::raft
