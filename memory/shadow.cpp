#include "memory/shadow.hpp"

#include "memory/ghosts.hpp"
#include "memory/stamp.hpp"

#include <algorithm>

namespace neuroplex::memory {

namespace {

// What is learned of entries fades over about so many.
constexpr std::int32_t window = 256;

// The store has taken the upper bits of a hash to choose the sample's keys.
std::uint64_t spread_of(std::uint64_t hash) noexcept {
  constexpr std::uint64_t odd = 0x9E37'79B9'7F4A'7C15;
  hash *= odd;
  return hash ^ hash >> 32;
}

} // namespace

void shadow::resize(std::uint32_t limit, std::uint32_t looks) noexcept {
  limit_ = std::clamp<std::uint32_t>(limit, 1, most_entries);
  looks_ = std::max<std::uint32_t>(looks, 1);
}

bool shadow::request(std::uint64_t hash, eviction_order order) noexcept {
  auto spread = spread_of(hash);
  if (auto found = find(spread, hash); found != nobody) {
    used_[found] = true;
    return true;
  }
  while (count_ >= limit_)
    evict(order);
  insert(spread, hash, order);
  return false;
}

std::uint32_t shadow::find(std::uint64_t spread,
                           std::uint64_t hash) const noexcept {
  auto home = static_cast<std::uint32_t>(spread % line_count) * line_slots;
  for (std::uint32_t i = 0; i < probe_lines * line_slots; ++i) {
    auto slot = (home + i) % slot_count;
    if (hashes_[slot] == hash && stamps_[slot] != 0)
      return slot;
  }
  return nobody;
}

void shadow::insert(std::uint64_t spread, std::uint64_t hash,
                    eviction_order order) noexcept {
  auto home = static_cast<std::uint32_t>(spread % line_count) * line_slots;
  auto slot = home;
  for (std::uint32_t i = 0; i < probe_lines * line_slots; ++i)
    if (auto at = (home + i) % slot_count; stamps_[at] == 0) {
      slot = at;
      break;
    }
  if (stamps_[slot] != 0)
    remove(slot);
  ++clock_;
  auto stamp = stamp::fresh(clock_);
  auto& left = ghosts_[spread >> (64 - ghost_bits)];
  if (ghost::is_of(left, spread)) {
    if (comes_settled(order, ghost::age(left, clock_ & stamp::clock_mask),
                      learned_.settled_age))
      stamp = stamp::settled(stamp);
    left = 0;
  }
  hashes_[slot] = hash;
  stamps_[slot] = stamp;
  used_[slot] = false;
  ++count_;
  if (order == eviction_order::steady && stamp::is_newcomer(stamp)) {
    ring_[ring_end_++ % ring_count] = {hash, slot};
    ring_begin_ =
      std::max(ring_begin_, ring_end_ - std::min(ring_end_, ring_count));
  }
}

void shadow::evict(eviction_order order) noexcept {
  ++clock_;
  auto given = order == eviction_order::steady && evict_newcomer();
  // The hand goes on even where newcomers go without it, so that it learns.
  if (given && ++without_hand_ % line_slots != 0)
    return;
  auto looks = given ? 1 : looks_;
  auto worst = nobody;
  std::uint32_t most = 0;
  std::uint32_t seen = 0;
  for (std::uint32_t step = 0;
       step < 2 * line_count && seen < looks && count_ > 0; ++step) {
    for (std::uint32_t i = 0; i < line_slots; ++i) {
      auto slot = hand_ * line_slots + i;
      if (stamps_[slot] == 0)
        continue;
      auto found =
        judge(order, stamps_[slot], used_[slot], clock_, learned_, window);
      stamps_[slot] = found.stamp;
      used_[slot] = false;
      ++seen;
      if (found.score > most) {
        most = found.score;
        worst = slot;
      }
    }
    hand_ = (hand_ + 1) % line_count;
  }
  if (!given && worst != nobody)
    give_up(worst, order);
}

/// The oldest newcomer goes, while there are more than `steady` keeps.
bool shadow::evict_newcomer() noexcept {
  auto keeps =
    std::min<std::uint64_t>(steady_newcomers(limit_), ring_count / 2);
  while (ring_end_ - ring_begin_ > keeps) {
    auto [hash, slot] = ring_[ring_begin_++ % ring_count];
    if (hashes_[slot] != hash || !stamp::is_newcomer(stamps_[slot]))
      continue;
    if (used_[slot]) {
      stamps_[slot] = stamp::settled(stamp::with_clock(stamps_[slot], clock_));
      continue;
    }
    give_up(slot, eviction_order::steady);
    return true;
  }
  return false;
}

void shadow::give_up(std::uint32_t slot, eviction_order order) noexcept {
  if (leaves_ghost(order, stamps_[slot])) {
    auto spread = spread_of(hashes_[slot]);
    ghosts_[spread >> (64 - ghost_bits)] =
      ghost::make(spread, stamps_[slot] & stamp::clock_mask);
  }
  remove(slot);
}

void shadow::remove(std::uint32_t slot) noexcept {
  stamps_[slot] = 0;
  used_[slot] = false;
  --count_;
}

} // namespace neuroplex::memory
