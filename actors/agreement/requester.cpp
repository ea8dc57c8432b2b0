#include "actors/agreement/requester.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::agreement {

void requester::add(wish what) {
  if (waiting_.size() >= options_.max_outstanding)
    return what.done({errc::busy, {}});
  auto tag = ++last_tag_;
  by_deadline_.emplace(what.deadline, tag);
  waiting_.emplace(tag, waiting{.what = std::move(what)});
}

void requester::set_leader(raft::node_id leader, bool reachable,
                           std::uint64_t meeting) {
  if (leader == leader_ && reachable == reachable_ && meeting == meeting_)
    return;
  leader_ = leader;
  reachable_ = reachable;
  meeting_ = meeting;
  opening_tag_ = 0;
  send_anew_from(1, raft::time::min());
}

void requester::send_anew_from(std::uint64_t tag, raft::time when) {
  unsent_from_ = std::min(unsent_from_, tag);
  send_after_ = when;
}

void requester::requests(std::vector<request_frame>& out, raft::time now) {
  if (!reachable_ || now < send_after_)
    return;
  for (auto next = waiting_.lower_bound(unsent_from_); next != waiting_.end();
       ++next) {
    auto& [tag, one] = *next;
    request_frame frame{.group = options_.group, .tag = tag};
    if (one.what.read) {
      frame.read = true;
    } else {
      if (one.sequence == 0) {
        if (session_ == 0) {
          if (opening_tag_ == 0) {
            opening_tag_ = ++last_tag_;
            out.push_back({.group = options_.group, .tag = opening_tag_});
          }
          break;
        }
        one.session = session_;
        one.sequence = ++last_sequence_;
        open_sequences_.emplace(one.sequence, tag);
      }
      frame.session = one.session;
      frame.sequence = one.sequence;
      frame.acknowledged = open_sequences_.begin()->first;
      one.sent_again = one.perhaps_done;
      one.perhaps_done = true;
    }
    frame.batch = one.what.batch;
    out.push_back(std::move(frame));
    unsent_from_ = tag + 1;
  }
}

void requester::take(reply_frame answer, raft::time now) {
  if (answer.tag == opening_tag_ && opening_tag_ != 0) {
    opening_tag_ = 0;
    if (answer.verdict == reply_verdict::done) {
      session_ = answer.session;
      last_sequence_ = 0;
    } else {
      send_after_ = now + options_.retry_pause;
    }
    return;
  }
  auto found = waiting_.find(answer.tag);
  if (found == waiting_.end())
    return; // its time was over
  auto& one = found->second;
  switch (answer.verdict) {
    case reply_verdict::done:
      return finish(found, {errc::ok, std::move(answer.bytes)});
    case reply_verdict::refused:
      // Refused now does not mean that an earlier sending was not done.
      return finish(found,
                    {one.sent_again ? errc::unknown_outcome : answer.code, {}});
    case reply_verdict::forgotten:
      return finish(found, {errc::unknown_outcome, {}});
    case reply_verdict::try_again:
    case reply_verdict::lost_track:
      // The order is kept: what came after it is sent again as well, and what
      // was done already is answered from memory.
      return send_anew_from(answer.tag, now + options_.retry_pause);
    case reply_verdict::no_session:
      // An earlier sending may have been done while the session was known.
      if (one.session != session_)
        return finish(found, {errc::unknown_outcome, {}});
      return lose_session();
  }
}

// What is under way in a session that nobody knows any more cannot be told.
void requester::lose_session() {
  auto lost = std::exchange(open_sequences_, {});
  session_ = 0;
  last_sequence_ = 0;
  for (auto [sequence, tag] : lost)
    if (auto found = waiting_.find(tag); found != waiting_.end())
      finish(found, {errc::unknown_outcome, {}});
}

outcome requester::without_answer(const waiting& one) {
  return {one.perhaps_done ? errc::unknown_outcome : errc::unavailable, {}};
}

void requester::tick(raft::time now) {
  while (!by_deadline_.empty() && by_deadline_.begin()->first <= now) {
    auto found = waiting_.find(by_deadline_.begin()->second);
    if (found == waiting_.end())
      by_deadline_.erase(by_deadline_.begin());
    else
      finish(found, without_answer(found->second));
  }
}

void requester::finish(table::iterator which, outcome what) {
  auto tag = which->first;
  auto& one = which->second;
  if (one.sequence != 0 && one.session == session_)
    open_sequences_.erase(one.sequence);
  auto [from, to] = by_deadline_.equal_range(one.what.deadline);
  for (; from != to; ++from)
    if (from->second == tag) {
      by_deadline_.erase(from);
      break;
    }
  auto done = std::move(one.what.done);
  waiting_.erase(which);
  done(std::move(what));
}

void requester::give_up() {
  while (!waiting_.empty())
    finish(waiting_.begin(), without_answer(waiting_.begin()->second));
}

raft::time requester::next_deadline() const noexcept {
  auto next =
    by_deadline_.empty() ? raft::time::max() : by_deadline_.begin()->first;
  if (reachable_ && send_after_ != raft::time::min()
      && waiting_.lower_bound(unsent_from_) != waiting_.end())
    next = std::min(next, send_after_);
  return next;
}

} // namespace neuroplex::agreement
