// Views: leaving a primary that does nothing, and beginning with the next.
#include "consensus/pbft/core.hpp"

#include <algorithm>

namespace neuroplex::pbft {

namespace {

/// Sorted, in the window above the checkpoint, of earlier views.
bool are_valid(const std::vector<claim>& claims, const view_change& by,
               std::size_t window, bool several) {
  const claim* before = nullptr;
  for (const auto& one : claims) {
    if (one.sequence <= by.stable.sequence
        || one.sequence - by.stable.sequence > window || one.view >= by.view)
      return false;
    if (before != nullptr
        && (one.sequence < before->sequence
            || (one.sequence == before->sequence
                && !(several && before->of < one.of))))
      return false;
    before = &one;
  }
  return true;
}

} // namespace

bool core::is_valid(const view_change& what) const {
  // Between two stable checkpoints a replica may work two windows ahead.
  auto window = 2 * options_.window;
  return options_.index_of(what.replica) && is_of_group(what, options_.group)
         && are_valid(what.prepared, what, window, false)
         && are_valid(what.pre_prepared, what, window, true)
         && crypto_->is_signed(what.replica, what.signed_bytes.view(), what.by)
         && is_valid(what.stable);
}

view_change core::own_view_change() {
  view_change own;
  own.replica = options_.id;
  own.view = view_;
  own.stable = stable_;
  for (const auto& [sequence, one] : slots_) {
    if (one.last_prepared)
      own.prepared.push_back(*one.last_prepared);
    auto claims = one.pre_prepared;
    std::sort(claims.begin(), claims.end(),
              [](const claim& x, const claim& y) { return x.of < y.of; });
    own.pre_prepared.insert(own.pre_prepared.end(), claims.begin(),
                            claims.end());
  }
  seal(own, options_.group, *crypto_);
  return own;
}

void core::clear_view_of_slots() {
  auto count = options_.replicas.size();
  for (auto& [sequence, one] : slots_) {
    one.accepted.reset();
    one.awaited.reset();
    one.doubtful.reset();
    one.prepares.assign(count, std::nullopt);
    one.commits.assign(count, std::nullopt);
    one.prepared = false;
  }
}

void core::start_view_change(view_number view) {
  if (leads())
    doubt_unprepared();
  view_ = view;
  active_ = false;
  ++view_change_count_;
  new_view_bytes_ = {};
  clear_view_of_slots();
  queue_.clear();
  wanted_.clear();
  timeout_ = std::min(2 * timeout_, options_.longest_timeout);
  view_deadline_.reset();
  view_after_ = remember(view_record{view_, false, {}});
  auto own = own_view_change();
  broadcast(own, view_after_);
  view_changes_[options_.id] = std::move(own);
  arm_view_timer();
  try_new_view();
}

std::size_t core::replicas_at_least(view_number view) const {
  return static_cast<std::size_t>(
    std::count_if(view_changes_.begin(), view_changes_.end(),
                  [view](const auto& one) { return one.second.view >= view; }));
}

// A primary has its time from when a quorum waits for it, so that views do not
// run away from those that are cut off.
void core::arm_view_timer() {
  if (!active_ && !view_deadline_
      && replicas_at_least(view_) >= options_.quorum())
    view_deadline_ = now_ + timeout_;
}

void core::receive(node_id from, const view_change& body) {
  if (body.view < view_ || (body.view == view_ && active_)
      || body.replica == options_.id)
    return;
  auto known = view_changes_.find(body.replica);
  if (known != view_changes_.end() && known->second.view >= body.view)
    return;
  if (!is_valid(body)) {
    accuse(from, misdeed::bad_view_change, body.view);
    return;
  }
  view_changes_[body.replica] = body;
  join_others();
  arm_view_timer();
  try_new_view();
}

// A weak quorum that has left our view holds a correct replica: what it waited
// for in vain we need not wait for (OSDI 99, section 4.5.2).
void core::join_others() {
  std::vector<view_number> later;
  for (const auto& [replica, one] : view_changes_)
    if (replica != options_.id && one.view > view_)
      later.push_back(one.view);
  if (later.size() < options_.weak_quorum())
    return;
  std::sort(later.begin(), later.end(), std::greater<>{});
  start_view_change(later[options_.weak_quorum() - 1]);
}

void core::try_new_view() {
  if (active_ || options_.primary_of(view_) != options_.id)
    return;
  new_view what;
  what.view = view_;
  for (const auto& [replica, one] : view_changes_)
    if (one.view == view_)
      what.proof.push_back(one);
  auto start = choose_start(what.proof, options_.quorum(),
                            options_.weak_quorum(), null_request_);
  if (!start)
    return;
  // Condition A3: what it proposes again it must have.
  auto complete = true;
  for (const auto& one : start->chosen) {
    if (one.sequence <= stable_.sequence
        || find_batch(slot_at(one.sequence), one.of))
      continue;
    want_batch(one.sequence, one.of);
    complete = false;
  }
  if (!complete)
    return;
  seal(what, options_.group, *crypto_);
  enter_view(what, *start);
  send_bytes(nobody, new_view_bytes_, view_after_);
}

void core::receive(node_id from, const new_view& body) {
  if (body.view < view_ || (body.view == view_ && active_))
    return;
  auto primary = options_.primary_of(body.view);
  if (!is_of_group(body, options_.group)
      || !crypto_->is_signed(primary, body.signed_bytes.view(), body.by)) {
    accuse(from, misdeed::bad_signature, body.view);
    return;
  }
  std::set<node_id> who;
  for (const auto& one : body.proof)
    if (one.view == body.view && is_valid(one))
      who.insert(one.replica);
  auto start = who.size() == body.proof.size()
                 ? choose_start(body.proof, options_.quorum(),
                                options_.weak_quorum(), null_request_)
                 : std::nullopt;
  if (!start) {
    accuse(primary, misdeed::bad_new_view, body.view, 0, true, encode(body));
    return;
  }
  enter_view(body, *start);
}

void core::enter_view(const new_view& what, const view_start& start) {
  if (leads())
    doubt_unprepared();
  view_ = what.view;
  active_ = true;
  new_view_bytes_ = encode(what);
  view_after_ = remember(view_record{view_, true, new_view_bytes_});
  view_deadline_.reset();
  progress_at_ = now_;
  clear_view_of_slots();
  wanted_.clear();
  std::erase_if(view_changes_,
                [this](const auto& one) { return one.second.view <= view_; });
  learn_stable(start.stable);
  begin_with(start);
  next_sequence_ = start.stable.sequence + start.chosen.size() + 1;
  next_sequence_ = std::max(next_sequence_, stable_.sequence + 1);
  requeue_waiting();
}

// The new-view stands for the pre-prepares of what it begins with.
void core::begin_with(const view_start& start) {
  auto primary = place_of(options_.primary_of(view_));
  for (const auto& chosen : start.chosen) {
    if (chosen.sequence <= stable_.sequence)
      continue;
    auto& one = slot_at(chosen.sequence);
    if (one.accepted)
      continue;
    if (primary != self_)
      one.prepares[primary] = chosen.of;
    if (auto requests = find_batch(one, chosen.of)) {
      accept(chosen.sequence, chosen.of, requests);
    } else {
      one.awaited = chosen.of;
      want_batch(chosen.sequence, chosen.of);
    }
  }
}

// After a restart in the middle of a view: what it began with and was not
// accepted yet.
void core::choose_again() {
  if (new_view_bytes_.empty())
    return;
  auto read = decode_message(new_view_bytes_);
  const auto* what = read ? std::get_if<new_view>(&read->body) : nullptr;
  if (what == nullptr)
    return;
  auto start = choose_start(what->proof, options_.quorum(),
                            options_.weak_quorum(), null_request_);
  if (!start)
    return;
  learn_stable(start->stable);
  begin_with(*start);
  next_sequence_ =
    std::max(next_sequence_, start->stable.sequence + start->chosen.size() + 1);
}

} // namespace neuroplex::pbft
