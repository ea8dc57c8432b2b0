#include "storage/concept/write_log.hpp"

#include <algorithm>
#include <bit>
#include <thread>
#include <utility>

namespace neuroplex::concepts {

std::string_view to_string(overflow_policy policy) noexcept {
  switch (policy) {
    case overflow_policy::spill:
      return "spill";
    case overflow_policy::drop_oldest:
      return "drop_oldest";
    case overflow_policy::reject:
      return "reject";
    case overflow_policy::block:
      return "block";
  }
  return "?";
}

write_log::write_log(const write_log_options& options, spill_store* spill)
  : capacity_{std::clamp(options.capacity, limits::min_log_entries,
                         limits::max_log_entries)},
    mask_{std::bit_ceil(capacity_) - 1},
    cells_{std::make_unique<cell[]>(mask_ + 1)}, policy_{options.policy},
    block_for_{options.block_for}, spill_{spill}, first_sequence_{
                                                    options.first_sequence} {
  NEUROPLEX_ENSURE(policy_ != overflow_policy::spill || spill_ != nullptr);
  for (std::size_t i = 0; i <= mask_; ++i)
    cells_[i].turn.store(i, std::memory_order_relaxed);
  if (spill_ != nullptr)
    in_spill_ = spill_->size();
}

write_log::~write_log() = default;

errc write_log::append(write_entry& entry) {
  return try_append(entry) ? errc::ok : append_when_full(entry);
}

bool write_log::try_append(write_entry& entry) {
  auto place = tail_.load(std::memory_order_relaxed);
  for (;;) {
    // Older than the truth at worst, which makes the ring look fuller.
    if (place - head_.load(std::memory_order_acquire) >= capacity_) {
      auto now = tail_.load(std::memory_order_relaxed);
      if (now == place)
        return false;
      place = now;
      continue;
    }
    auto& at = cells_[place & mask_];
    // Pairs with the release in try_take: the cell's last entry has left it.
    if (at.turn.load(std::memory_order_acquire) != place) {
      auto now = tail_.load(std::memory_order_relaxed);
      if (now == place)
        return false;
      place = now;
      continue;
    }
    if (!tail_.compare_exchange_weak(place, place + 1,
                                     std::memory_order_relaxed))
      continue;
    entry.sequence = first_sequence_ + place;
    std::swap(at.entry, entry); // what the cell had was taken
    entry.sequence = at.entry.sequence;
    // Pairs with the acquire in try_take.
    at.turn.store(place + 1, std::memory_order_release);
    return true;
  }
}

bool write_log::try_take(write_entry& entry) {
  auto place = head_.load(std::memory_order_relaxed);
  for (;;) {
    auto& at = cells_[place & mask_];
    // Pairs with the release in try_append.
    if (at.turn.load(std::memory_order_acquire) != place + 1) {
      auto now = head_.load(std::memory_order_relaxed);
      if (now == place)
        return false;
      place = now;
      continue;
    }
    if (!head_.compare_exchange_weak(place, place + 1,
                                     std::memory_order_acq_rel,
                                     std::memory_order_relaxed))
      continue;
    entry = std::move(at.entry);
    at.turn.store(place + mask_ + 1, std::memory_order_release);
    return true;
  }
}

errc write_log::append_when_full(write_entry& entry) {
  switch (policy_) {
    case overflow_policy::spill:
      return spill_and_append(entry);
    case overflow_policy::reject:
      break;
    case overflow_policy::drop_oldest:
      while (!try_append(entry)) {
        write_entry oldest;
        if (!try_take(oldest)) {
          std::this_thread::yield(); // its producer is still writing it
          continue;
        }
        dropped_.fetch_add(1, std::memory_order_relaxed);
        note({log_event::kind::dropped, errc::busy, oldest.kind, oldest.id,
              oldest.target, oldest.sequence});
      }
      return errc::ok;
    case overflow_policy::block: {
      auto deadline = std::chrono::steady_clock::now() + block_for_;
      constexpr std::chrono::microseconds pause{50};
      do {
        std::this_thread::sleep_for(pause);
        if (try_append(entry))
          return errc::ok;
      } while (std::chrono::steady_clock::now() < deadline);
      break;
    }
  }
  rejected_.fetch_add(1, std::memory_order_relaxed);
  return errc::busy;
}

/// Moves all that is in the ring, so that the next ones are as fast as ever.
errc write_log::spill_and_append(write_entry& entry) {
  std::scoped_lock guard{order_};
  while (!try_append(entry)) {
    std::vector<write_entry> moved;
    moved.reserve(capacity_);
    // Place by place, only looking: they leave when the spill has them.
    auto begin = head_.load(std::memory_order_relaxed);
    auto end = begin;
    while (end - begin < capacity_
           && cells_[end & mask_].turn.load(std::memory_order_acquire)
                == end + 1) {
      moved.push_back(std::move(cells_[end & mask_].entry));
      ++end;
    }
    if (moved.empty()) {
      std::this_thread::yield();
      continue;
    }
    auto stored = spill_->put(moved);
    if (!stored) {
      for (auto place = begin; place != end; ++place)
        cells_[place & mask_].entry =
          std::move(moved[static_cast<std::size_t>(place - begin)]);
      rejected_.fetch_add(1, std::memory_order_relaxed);
      return stored.code();
    }
    in_spill_.fetch_add(moved.size(), std::memory_order_relaxed);
    spilled_.fetch_add(moved.size(), std::memory_order_relaxed);
    for (auto place = begin; place != end; ++place)
      cells_[place & mask_].turn.store(place + mask_ + 1,
                                       std::memory_order_release);
    head_.store(end, std::memory_order_release);
  }
  return errc::ok;
}

expected<void> write_log::take(std::vector<write_entry>& to, std::size_t most) {
  std::scoped_lock guard{order_};
  auto begin = to.size();
  while (in_spill_.load(std::memory_order_relaxed) != 0
         && to.size() - begin < most) {
    auto before = to.size();
    if (auto taken = spill_->take(to, most - (before - begin)); !taken)
      return taken;
    in_spill_.fetch_sub(to.size() - before, std::memory_order_relaxed);
  }
  write_entry entry;
  while (to.size() - begin < most && try_take(entry))
    to.push_back(std::move(entry));
  return {};
}

std::uint64_t write_log::pending() const noexcept {
  auto head = head_.load(std::memory_order_acquire);
  auto tail = tail_.load(std::memory_order_acquire);
  return tail - head + in_spill_.load(std::memory_order_relaxed);
}

write_log_stats write_log::stats() const noexcept {
  return {tail_.load(std::memory_order_acquire),
          dropped_.load(std::memory_order_relaxed),
          rejected_.load(std::memory_order_relaxed),
          spilled_.load(std::memory_order_relaxed), pending()};
}

void write_log::note(const log_event& event) {
  std::scoped_lock guard{events_mutex_};
  if (events_.size() < limits::kept_events)
    events_.push_back(event);
  else
    events_[event_count_ % limits::kept_events] = event;
  ++event_count_;
}

std::vector<log_event> write_log::events() const {
  std::scoped_lock guard{events_mutex_};
  auto result = events_;
  if (event_count_ > limits::kept_events)
    std::rotate(
      result.begin(),
      result.begin()
        + static_cast<std::ptrdiff_t>(event_count_ % limits::kept_events),
      result.end());
  return result;
}

} // namespace neuroplex::concepts
