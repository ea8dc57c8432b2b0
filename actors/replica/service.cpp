#include "actors/replica/service.hpp"

#include "actors/replica/question.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::replica {

expected<std::unique_ptr<service>>
service::open(const service_options& options, disk& files, const moment& now) {
  // Seconds since 1970: a node that lost its disk begins anew with a larger one
  // than ever before. One that is met all the same is renewed by the core.
  auto incarnation = static_cast<std::uint32_t>(now.unix_time.count() / 1'000);
  std::unique_ptr<service> result{new service{options, files, incarnation}};
  // Answers to questions of the life before fit none of this one.
  result->last_token_ = static_cast<std::uint64_t>(now.unix_time.count()) << 20;
  result->step(now);
  auto written = files.write_waiting();
  if (!written)
    return written.error();
  for (const auto& part : *written)
    if (part.whose == options.name)
      result->written(part, now);
  return result;
}

void service::let_follow(std::shared_ptr<follower> who) {
  follower_ = std::move(who);
  core_.watch(follower_.get());
}

bool service::submit(job what) {
  {
    std::lock_guard guard{mutex_};
    if (inbox_.size() < limits::max_waiting) {
      inbox_.push_back(std::move(what));
      return !std::exchange(told_, true);
    }
  }
  what.finish(errc::busy);
  return false;
}

bool service::may_run(const job& what, const moment& now) const {
  if (!what.after.empty() && !core_.has_seen(what.after))
    return false;
  return what.changes || core_.fresh(now);
}

// True when it is done with, or waits for the disk.
bool service::run_or_block(job& what, const moment& now) {
  if (now.steady >= what.deadline) {
    what.finish(errc::unavailable);
    return true;
  }
  if (!may_run(what, now)) {
    core_.freshen(now);
    if (options_.when_stale == stale_reads::wait || !what.after.empty())
      return false;
    if (options_.when_stale == stale_reads::forward && what.question)
      ask_next({.what = std::move(what)}, now);
    else
      what.finish(errc::unavailable);
    return true;
  }
  what.run(core_, now);
  turn_bytes_ += what.bytes;
  if (turn_bytes_ >= limits::part_bytes) {
    core_.take_turn();
    turn_bytes_ = 0;
  }
  // What causality counts for must not be seen before it is sure to stay.
  if (what.changes || options_.core.gives == promise::causal)
    held_.push_back({std::move(what), 0});
  else
    what.finish(errc::ok);
  return true;
}

// Asks the first node after the one that was asked before that can be reached.
void service::ask_next(asked_job what, const moment& now) {
  auto node = core_.reached_after(what.node);
  if (!node)
    return what.what.finish(errc::unavailable);
  what.node = *node;
  what.token = ++last_token_;
  what.sent_at = now.steady;
  core_.put_question(*node, what.token, what.what.question());
  asked_.push_back(std::move(what));
}

void service::answer_others(const moment& now) {
  for (const auto& one : core_.take_questions()) {
    auto here = one.body && core_.fresh(now) ? answer(core_, now, *one.body)
                                             : std::nullopt;
    core_.answer_question(one, std::move(here));
  }
}

void service::take_answers(const moment& now) {
  auto over = [&](std::list<asked_job>::iterator at, errc code) {
    at->what.finish(code);
    asked_.erase(at);
  };
  for (const auto& one : core_.take_answers()) {
    auto at = std::find_if(asked_.begin(), asked_.end(), [&](const auto& each) {
      return each.token == one.token && each.node == one.node;
    });
    if (at == asked_.end())
      continue; // its time is over
    if (one.body && at->what.take_answer(*one.body))
      over(at, errc::ok);
    else
      at->sent_at = now.steady - options_.core.resend; // to the next
  }
  for (auto at = asked_.begin(); at != asked_.end();) {
    auto next = std::next(at);
    if (now.steady >= at->what.deadline) {
      over(at, errc::unavailable);
    } else if (!core_.reaches(at->node)
               || now.steady - at->sent_at >= options_.core.resend) {
      auto one = std::move(*at);
      asked_.erase(at);
      ask_next(std::move(one), now);
    }
    at = next;
  }
}

bool service::step(const moment& now) {
  std::vector<job> arrived;
  {
    std::lock_guard guard{mutex_};
    arrived = std::exchange(inbox_, {});
    told_ = false;
  }
  core_.tick(now);
  answer_others(now);
  take_answers(now);
  for (auto at = blocked_.begin(); at != blocked_.end();)
    at = run_or_block(*at, now) ? blocked_.erase(at) : std::next(at);
  for (auto& one : arrived) {
    if (waiting() >= limits::max_waiting) {
      one.finish(errc::busy);
      continue;
    }
    if (!run_or_block(one, now))
      blocked_.push_back(std::move(one));
  }
  core_.take_turn();
  turn_bytes_ = 0;
  for (auto at = held_.rbegin(); at != held_.rend() && at->sequence == 0; ++at)
    at->sequence = core_.last_sequence();
  release(now);
  behind_ = follower_ && !follower_->catch_up();
  disk_job wanted{.whose = options_.name, .records = core_.take_records()};
  if (std::exchange(wants_snapshot_, false))
    wanted.snapshot = core_.snapshot();
  if (wanted.records.empty() && !wanted.snapshot)
    return false;
  disk_.submit(std::move(wanted));
  return true;
}

void service::release(const moment& now) {
  auto failed = !core_.disk_problem().empty();
  for (auto at = held_.begin(); at != held_.end();) {
    auto done = at->sequence != 0 && at->sequence <= core_.written_sequence();
    auto late = now.steady >= at->what.deadline;
    if (!done && !late && !failed) {
      ++at;
      continue;
    }
    at->what.finish(done                ? errc::ok
                    : !at->what.changes ? errc::unavailable
                                        : errc::unknown_outcome);
    at = held_.erase(at);
  }
}

void service::written(const disk::written_part& what, const moment& now) {
  core_.written(what.sequence, now);
  wants_snapshot_ = wants_snapshot_ || what.wants_snapshot;
}

void service::disk_failed(const std::string& why) {
  core_.disk_failed(why);
}

void service::drop_all() noexcept {
  blocked_.clear();
  held_.clear();
  asked_.clear();
  std::lock_guard guard{mutex_};
  inbox_.clear();
}

milliseconds service::next_due() const {
  if (behind_)
    return milliseconds{0};
  auto due = core_.next_due();
  for (const auto& one : blocked_)
    due = std::min(due, one.deadline);
  for (const auto& one : asked_)
    due =
      std::min({due, one.what.deadline, one.sent_at + options_.core.resend});
  if (!held_.empty())
    due = std::min(due, held_.front().what.deadline);
  return due;
}

} // namespace neuroplex::replica
