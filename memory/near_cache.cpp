#include "memory/near_cache.hpp"

#include "memory/unix_time.hpp"

#include <bit>
#include <utility>

namespace neuroplex::memory {

namespace {

/// Buckets for as many copies as a limit holds if they are a few hundred bytes.
std::size_t buckets_for(std::size_t limit_bytes) {
  constexpr std::size_t bytes_a_bucket = 512;
  constexpr std::size_t least = 64;
  return std::bit_ceil(limit_bytes / bytes_a_bucket + least);
}

} // namespace

// -- one part -----------------------------------------------------------------

near_cache_part::near_cache_part(std::size_t limit_bytes)
  : limit_bytes_{limit_bytes}, buckets_(buckets_for(limit_bytes), nobody) {
}

std::size_t near_cache_part::cost_of(std::string_view key,
                                     const std::string& value) noexcept {
  // What the allocator and the shared count take beside the bytes.
  constexpr std::size_t around = 96;
  return sizeof(node) + around + key.size() + value.capacity();
}

std::uint32_t near_cache_part::locate(std::uint64_t hash,
                                      std::string_view key) const noexcept {
  auto which = buckets_[hash & (buckets_.size() - 1)];
  while (which != nobody
         && (nodes_[which].hash != hash || nodes_[which].key != key))
    which = nodes_[which].chain;
  return which;
}

near_answer near_cache_part::find(std::uint64_t hash, std::string_view key,
                                  shared_value& value) {
  auto which = locate(hash, key);
  if (which == nobody)
    return near_answer::absent;
  auto& found = nodes_[which];
  if (!found.from.stands()
      || (found.expires_at_ms != 0 && found.expires_at_ms <= unix_time_ms())) {
    remove(which);
    return near_answer::stale;
  }
  found.used = true;
  value = found.value;
  // The store's own eviction must not take this for an entry nobody uses.
  basic_location<native_sync> where;
  where.slot = const_cast<std::atomic<std::uint32_t>*>(found.from.slot);
  basic_index<native_sync>::note_use(where);
  return near_answer::hit;
}

void near_cache_part::insert(std::uint64_t hash, std::string_view key,
                             const shared_value& value,
                             std::int64_t expires_at_ms,
                             const copy_origin& from) {
  auto which = free_;
  if (which == nobody) {
    which = static_cast<std::uint32_t>(nodes_.size());
    nodes_.emplace_back();
  } else {
    free_ = nodes_[which].chain;
  }
  auto& fresh = nodes_[which];
  fresh.hash = hash;
  fresh.key.assign(key);
  fresh.value = value;
  fresh.expires_at_ms = expires_at_ms;
  fresh.from = from;
  fresh.used = false;
  fresh.chain = std::exchange(bucket_of(hash), which);
  fresh.newer = nobody;
  fresh.older = std::exchange(newest_, which);
  if (fresh.older == nobody)
    oldest_ = which;
  else
    nodes_[fresh.older].newer = which;
  bytes_ += cost_of(key, *value);
  ++count_;
}

void near_cache_part::remove(std::uint32_t which) {
  auto& gone = nodes_[which];
  auto* link = &bucket_of(gone.hash);
  while (*link != which)
    link = &nodes_[*link].chain;
  *link = gone.chain;
  (gone.older == nobody ? oldest_ : nodes_[gone.older].newer) = gone.newer;
  (gone.newer == nobody ? newest_ : nodes_[gone.newer].older) = gone.older;
  if (hand_ == which)
    hand_ = gone.newer;
  bytes_ -= cost_of(gone.key, *gone.value);
  --count_;
  gone.value.reset();
  gone.key = {};
  gone.chain = std::exchange(free_, which);
}

std::uint32_t near_cache_part::push_out() {
  auto which = hand_ == nobody ? oldest_ : hand_;
  // Ends: the hand clears the bit of each that it spares.
  while (std::exchange(nodes_[which].used, false)) {
    which = nodes_[which].newer;
    if (which == nobody)
      which = oldest_;
  }
  hand_ = which;
  remove(which);
  return which;
}

// -- all parts ----------------------------------------------------------------

near_cache::near_cache(std::size_t limit_bytes) {
  for (unsigned i = 0; i < part_count; ++i)
    parts_.push_back(std::make_unique<locked_part>(limit_bytes / part_count));
}

near_answer near_cache::find(std::uint64_t hash, std::string_view key,
                             shared_value& value) {
  auto& part = part_of(hash);
  auto answer = near_answer::absent;
  {
    std::lock_guard guard{part.mutex};
    answer = part.cache.find(hash, key, value);
  }
  if (answer == near_answer::stale)
    here_[place_of(hash)].store(0, std::memory_order_relaxed);
  return answer;
}

void near_cache::put(std::uint64_t hash, std::string_view key,
                     const shared_value& value, std::int64_t expires_at_ms,
                     const copy_origin& from) {
  auto& part = part_of(hash);
  std::lock_guard guard{part.mutex};
  if (!part.cache.put(
        hash, key, value, expires_at_ms, from, [&](std::uint64_t gone) {
          auto& place = here_[place_of(gone)];
          auto tag = tag_of(gone);
          place.compare_exchange_strong(tag, 0, std::memory_order_relaxed);
        }))
    return;
  here_[place_of(hash)].store(tag_of(hash), std::memory_order_relaxed);
}

std::size_t near_cache::bytes() const {
  std::size_t sum = 0;
  for (const auto& part : parts_) {
    std::lock_guard guard{part->mutex};
    sum += part->cache.bytes();
  }
  return sum;
}

std::size_t near_cache::count() const {
  std::size_t sum = 0;
  for (const auto& part : parts_) {
    std::lock_guard guard{part->mutex};
    sum += part->cache.count();
  }
  return sum;
}

} // namespace neuroplex::memory
