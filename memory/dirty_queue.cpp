#include "memory/dirty_queue.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::memory {

bool dirty_queue::reserve(std::string_view key, std::uint64_t bytes,
                          key_map::iterator& place) {
  place = keys_.find(key);
  auto before = place == keys_.end() ? 0 : place->second.bytes;
  auto after = std::max(before, bytes);
  if (bytes_ - before + after > most_.bytes
      || (place == keys_.end() && keys_.size() >= most_.entries))
    return false;
  if (place == keys_.end())
    place = keys_.emplace(std::string{key}, state{}).first;
  place->second.bytes = after;
  bytes_ += after - before;
  return true;
}

bool dirty_queue::hold(std::string_view key, std::uint64_t bytes) {
  std::lock_guard guard{mutex_};
  key_map::iterator place;
  if (!reserve(key, bytes, place))
    return false;
  ++place->second.holders;
  return true;
}

bool dirty_queue::hold_alone(std::string_view key, tier_deadline deadline) {
  std::unique_lock lock{mutex_};
  auto free = [&] {
    auto place = keys_.find(key);
    return place == keys_.end() || !place->second.taken;
  };
  if (!changed_.wait_until(lock, deadline, free))
    return false;
  auto place = keys_.find(key);
  if (place == keys_.end())
    place = keys_.emplace(std::string{key}, state{}).first;
  ++place->second.holders;
  return true;
}

void dirty_queue::let_go(std::string_view key, bool dirty) {
  std::lock_guard guard{mutex_};
  auto place = keys_.find(key);
  if (place == keys_.end())
    return;
  auto& mine = place->second;
  --mine.holders;
  if (dirty) {
    ++mine.generation;
    if (!std::exchange(mine.dirty, true))
      order_.push_back(place->first);
  }
  drop_if_clean(place);
}

bool dirty_queue::adopt(std::string_view key, std::uint64_t bytes) {
  if (!hold(key, bytes))
    return false;
  let_go(key, true);
  return true;
}

std::vector<dirty_queue::work> dirty_queue::take(std::size_t most) {
  std::lock_guard guard{mutex_};
  std::vector<work> result;
  for (auto left = order_.size(); left > 0 && result.size() < most; --left) {
    auto key = std::move(order_.front());
    order_.pop_front();
    auto place = keys_.find(key);
    if (place == keys_.end())
      continue;
    if (place->second.holders != 0) {
      order_.push_back(std::move(key));
      continue;
    }
    place->second.taken = true;
    result.push_back({std::move(key), place->second.generation});
  }
  return result;
}

void dirty_queue::finish(const work& item, bool done) {
  std::lock_guard guard{mutex_};
  auto place = keys_.find(item.key);
  if (place == keys_.end())
    return;
  auto& mine = place->second;
  mine.taken = false;
  mine.dirty = !done || mine.generation != item.generation;
  if (mine.dirty)
    order_.push_back(item.key);
  drop_if_clean(place);
  changed_.notify_all();
}

void dirty_queue::drop_if_clean(key_map::iterator place) {
  const auto& mine = place->second;
  if (mine.dirty || mine.taken || mine.holders != 0)
    return;
  bytes_ -= mine.bytes;
  keys_.erase(place);
}

std::size_t dirty_queue::entries() const {
  std::lock_guard guard{mutex_};
  return keys_.size();
}

std::uint64_t dirty_queue::bytes() const {
  std::lock_guard guard{mutex_};
  return bytes_;
}

} // namespace neuroplex::memory
