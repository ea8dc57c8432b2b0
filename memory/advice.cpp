#include "memory/advice.hpp"

#include <algorithm>
#include <cmath>

namespace neuroplex::memory {

namespace {

// To change costs misses, until the cache holds what the new lead wants: it
// must be ahead by this part of a filling, and by this many standard deviations
// of a fair coin's.
constexpr double change_price = 0.05;
constexpr double sure_deviations = 1.5;

// A sample is halved when the shadows would grow beyond what they can hold, and
// doubled again when it stands for few.
constexpr std::uint64_t least_entries = shadow::most_entries / 4;

// How the store itself goes about eviction (evict.hpp): one entry of four it
// looks at goes; but it looks at some lines at once, however few are to go.
constexpr std::uint64_t least_looks = 4;
constexpr std::uint64_t looks_a_run = 72;
constexpr std::uint64_t quota_part = 256;

} // namespace

std::optional<unsigned>
namespace_advice::request(std::uint64_t hash, std::uint64_t entries) noexcept {
  std::unique_lock guard{mutex_, std::try_to_lock};
  if (!guard)
    return std::nullopt;
  fit(entries);
  unsigned hits = 0;
  for (unsigned i = 0; i < shadows_.size(); ++i)
    if (shadows_[i].request(hash, advised_orders[i]))
      hits |= 1U << i;
  return hits;
}

/// Sees to it that the shadows stand for a namespace of `entries`.
void namespace_advice::fit(std::uint64_t entries) noexcept {
  constexpr unsigned most_shift = 40;
  auto before = shift_.load(std::memory_order_relaxed);
  auto shift = before;
  while (shift < most_shift && entries >> shift >= shadow::most_entries)
    ++shift;
  while (shift > 0 && entries >> shift < least_entries)
    --shift;
  auto limit = static_cast<std::uint32_t>(
    std::clamp<std::uint64_t>(entries >> shift, 1, shadow::most_entries));
  if (shift == before && limit == limit_.load(std::memory_order_relaxed))
    return;
  shift_.store(shift, std::memory_order_relaxed);
  limit_.store(limit, std::memory_order_relaxed);
  auto looks = std::clamp<std::uint64_t>(
    looks_a_run * quota_part / std::max<std::uint64_t>(entries, 1), least_looks,
    looks_a_run);
  for (auto& each : shadows_) {
    each.resize(limit, static_cast<std::uint32_t>(looks));
    if (shift > before)
      each.thin([this](std::uint64_t hash) { return samples(hash); });
  }
}

std::uint16_t namespace_advice::whole(double count) noexcept {
  // Multiples of the golden ratio fall evenly between 0 and 1.
  constexpr std::uint32_t golden = 0x9E37'79B9;
  constexpr double range = 4'294'967'296.0;
  constexpr double most = 0xFFFF;
  auto lot = lots_.fetch_add(golden, std::memory_order_relaxed) / range;
  return static_cast<std::uint16_t>(std::min(count + lot, most));
}

void namespace_advice::note_newcomer(const recent_insertion& one) noexcept {
  std::unique_lock guard{ring_mutex_, std::try_to_lock};
  if (!guard)
    return;
  ring_[ring_end_++ % ring_count] = one;
  if (ring_end_ - ring_begin_ > ring_count)
    ++ring_begin_;
}

std::optional<recent_insertion>
namespace_advice::take_newcomer(std::uint64_t keep) noexcept {
  std::unique_lock guard{ring_mutex_, std::try_to_lock};
  if (!guard || ring_end_ - ring_begin_ <= keep)
    return std::nullopt;
  return ring_[ring_begin_++ % ring_count];
}

unsigned best_order(const tallies& all, unsigned lead,
                    double entries) noexcept {
  auto found = lead;
  auto most = change_price * entries;
  for (unsigned i = 0; i < all.size(); ++i) {
    auto ahead = all[i].won - all[i].lost;
    auto noise = std::sqrt(all[i].won + all[i].lost);
    if (i != lead && ahead > most && ahead > sure_deviations * noise) {
      most = ahead;
      found = i;
    }
  }
  return found;
}

// What is not known, how often two others differed, is taken to be the most it
// can.
void change_lead(tallies& all, unsigned lead) noexcept {
  auto base = all[lead];
  for (auto& each : all) {
    auto ahead = (each.won - each.lost) - (base.won - base.lost);
    auto differed = each.won + each.lost + base.won + base.lost;
    each.won = std::max(0.0, (differed + ahead) / 2);
    each.lost = std::max(0.0, (differed - ahead) / 2);
  }
  all[lead] = {};
}

} // namespace neuroplex::memory
