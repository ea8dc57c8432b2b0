#include "actors/agreement/change_feed.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::agreement {

namespace {

// Memory that a noted change takes, about.
std::size_t memory_of(const store_machine::change& what) {
  return sizeof(what) + what.space.size() + what.key.size() + what.value.size();
}

bool concerns(const watch_wish& who, const store_machine::change& what) {
  return what.space == who.space
         && std::string_view{what.key}.substr(0, who.prefix.size())
              == who.prefix;
}

} // namespace

change_feed::change_feed(const options& settings)
  : options_{settings}, groups_(settings.groups) {
}

void change_feed::applied(group_id group, raft::log_index index,
                          std::vector<store_machine::change> changes) {
  of(group).applied = index;
  if (changes.empty())
    return;
  noted entry{group, index, std::move(changes), 0};
  for (const auto& one : entry.changes)
    entry.bytes += memory_of(one);
  history_bytes_ += entry.bytes;
  history_.push_back(std::move(entry));
  while (history_bytes_ > options_.history_bytes && history_.size() > 1)
    forget_oldest();
}

void change_feed::replaced(group_id group, raft::log_index index) {
  of(group) = {.applied = index, .forgotten = index};
  replaced_ = true;
}

void change_feed::forget_oldest() {
  auto& oldest = history_.front();
  auto& forgotten = of(oldest.group).forgotten;
  forgotten = std::max(forgotten, oldest.index);
  history_bytes_ -= oldest.bytes;
  history_.pop_front();
  ++first_place_;
}

watch_position change_feed::present() const {
  watch_position now{.feed = options_.number,
                     .place = first_place_ + history_.size()};
  for (const auto& one : groups_)
    now.seen.push_back(one.applied);
  return now;
}

bool change_feed::knows_all_since(const watch_position& after) const {
  for (std::size_t i = 0; i < groups_.size(); ++i)
    if (after.seen[i] < groups_[i].forgotten)
      return false;
  return true;
}

// Answers nothing to tell by an empty list of changes.
watch_answer change_feed::look(watch_wish& what) const {
  watch_answer answer;
  auto& after = what.after;
  if (!knows_all_since(after)) {
    answer.gap = true;
    answer.next = present();
    return answer;
  }
  // Another feed counts otherwise; then the whole history is looked at.
  std::size_t at = 0;
  if (after.feed == options_.number && after.place >= first_place_)
    at = std::min<std::size_t>(after.place - first_place_, history_.size());
  std::size_t bytes = 0;
  for (; at < history_.size() && answer.changes.size() < what.max_changes
         && bytes < what.max_bytes;
       ++at) {
    const auto& entry = history_[at];
    auto& seen = after.seen[entry.group - first_group];
    if (entry.index <= seen)
      continue;
    seen = entry.index;
    for (const auto& one : entry.changes)
      if (concerns(what, one)) {
        answer.changes.push_back({entry.group, entry.index, one});
        bytes += one.key.size() + one.value.size();
      }
  }
  if (at == history_.size())
    for (std::size_t i = 0; i < groups_.size(); ++i)
      after.seen[i] = std::max(after.seen[i], groups_[i].applied);
  after.feed = options_.number;
  after.place = first_place_ + at;
  answer.next = after;
  return answer;
}

void change_feed::watch(watch_wish what, raft::time now) {
  auto begins = what.after.seen.empty();
  if (!begins && what.after.seen.size() != groups_.size())
    return what.done({.code = errc::bad_argument});
  if (begins)
    return what.done({.next = present()});
  auto answer = look(what);
  if (answer.gap || !answer.changes.empty() || what.deadline <= now)
    return what.done(std::move(answer));
  if (waiting_.size() >= options_.max_watches)
    return what.done({.code = errc::busy});
  waiting_.push_back(std::move(what));
}

void change_feed::serve(raft::time now) {
  auto news = std::exchange(replaced_, false)
              || served_to_ != first_place_ + history_.size();
  served_to_ = first_place_ + history_.size();
  for (auto one = waiting_.begin(); one != waiting_.end();) {
    auto late = one->deadline <= now;
    if (!news && !late) {
      ++one;
      continue;
    }
    auto answer = look(*one);
    if (!late && !answer.gap && answer.changes.empty()) {
      ++one;
      continue;
    }
    auto done = std::move(one->done);
    one = waiting_.erase(one);
    done(std::move(answer));
  }
}

raft::time change_feed::next_deadline() const noexcept {
  auto next = raft::time::max();
  for (const auto& one : waiting_)
    next = std::min(next, one.deadline);
  return next;
}

void change_feed::give_up() {
  for (auto& one : std::exchange(waiting_, {}))
    one.done({.code = errc::unavailable});
}

} // namespace neuroplex::agreement
