#include "tests/schedule/memory_model.hpp"

#include <cstring>

namespace neuroplex::schedule {

namespace {

bool acquires(std::memory_order order) noexcept {
  return order != std::memory_order_relaxed
         && order != std::memory_order_release;
}

bool releases(std::memory_order order) noexcept {
  return order == std::memory_order_release
         || order == std::memory_order_acq_rel
         || order == std::memory_order_seq_cst;
}

constexpr unsigned largest_access = 8;

} // namespace

std::uint64_t raw_load(const std::byte* at, unsigned size) noexcept {
  std::uint64_t value = 0;
  std::memcpy(&value, at, size);
  return value;
}

void raw_store(std::byte* at, unsigned size, std::uint64_t value) noexcept {
  std::memcpy(at, &value, size);
}

memory_model::memory_model(std::span<std::byte> region)
  : region_{region}, location_at_(region.size() + largest_access) {
  reset();
}

void memory_model::reset() noexcept {
  for (auto offset : offsets_)
    location_at_[offset] = 0;
  offsets_.clear();
  locations_.assign(1, {});
  messages_.assign(1, {});
  threads_ = {};
  fences_ = {};
}

bool memory_model::known(unsigned thread, const message& what) const noexcept {
  const auto& now = threads_[thread].now;
  for (unsigned i = 0; i < max_threads; ++i)
    if (what.seen[i] != 0 && what.seen[i] <= now[i])
      return true;
  return false;
}

const memory_model::location* memory_model::find(std::uint32_t offset,
                                                 unsigned size) const noexcept {
  auto id = location_at_[offset];
  return id != 0 && locations_[id].size == size ? &locations_[id] : nullptr;
}

memory_model::location& memory_model::make(std::uint32_t offset,
                                           unsigned size) {
  if (auto id = location_at_[offset]; id != 0 && locations_[id].size == size)
    return locations_[id];
  // Whatever overlaps is another structure's now, and has no past.
  auto begin = offset < largest_access ? 0 : offset - largest_access + 1;
  for (auto at = begin; at < offset + size; ++at)
    if (auto id = location_at_[at];
        id != 0 && at + locations_[id].size > offset)
      location_at_[at] = 0;
  message first{};
  first.value = raw_load(region_.data() + offset, size);
  messages_.push_back(first);
  locations_.push_back(
    {static_cast<std::uint32_t>(messages_.size() - 1), size});
  location_at_[offset] = static_cast<std::uint32_t>(locations_.size() - 1);
  offsets_.push_back(offset);
  return locations_.back();
}

unsigned memory_model::readable(unsigned thread, std::uint32_t offset,
                                unsigned size,
                                std::memory_order order) const noexcept {
  const auto* where = find(offset, size);
  if (where == nullptr)
    return 1;
  unsigned count = 1;
  for (auto id = where->newest; count < longest_history; ++count) {
    const auto& each = messages_[id];
    if (each.previous == 0 || known(thread, each)
        || (order == std::memory_order_seq_cst && each.sequential))
      break;
    id = each.previous;
  }
  return count;
}

void memory_model::take_in(unsigned thread, const message& what,
                           std::memory_order order) noexcept {
  auto& view = threads_[thread];
  join(acquires(order) ? view.now : view.for_acquire_fence, what.carried);
}

std::uint64_t memory_model::load(unsigned thread, std::uint32_t offset,
                                 unsigned size, std::memory_order order,
                                 unsigned age) noexcept {
  step(thread);
  const auto* where = find(offset, size);
  if (where == nullptr)
    return raw_load(region_.data() + offset, size);
  auto id = where->newest;
  for (; age != 0; --age)
    id = messages_[id].previous;
  auto& what = messages_[id];
  if (what.seen[thread] == 0)
    what.seen[thread] = threads_[thread].now[thread];
  take_in(thread, what, order);
  return what.value;
}

void memory_model::append(unsigned thread, location& where,
                          std::uint32_t offset, std::uint64_t value,
                          std::memory_order order, const clock* handed_on) {
  auto& view = threads_[thread];
  message fresh{};
  fresh.value = value;
  fresh.seen[thread] = view.now[thread];
  fresh.carried = releases(order) ? view.now : view.at_release_fence;
  if (handed_on != nullptr)
    join(fresh.carried, *handed_on);
  fresh.previous = where.newest;
  fresh.sequential = order == std::memory_order_seq_cst;
  messages_.push_back(fresh);
  where.newest = static_cast<std::uint32_t>(messages_.size() - 1);
  raw_store(region_.data() + offset, where.size, value);
}

void memory_model::store(unsigned thread, std::uint32_t offset, unsigned size,
                         std::uint64_t value,
                         std::memory_order order) noexcept {
  step(thread);
  append(thread, make(offset, size), offset, value, order, nullptr);
}

void memory_model::update(unsigned thread, std::uint32_t offset, unsigned size,
                          std::uint64_t value,
                          std::memory_order order) noexcept {
  step(thread);
  auto& where = make(offset, size);
  auto& before = messages_[where.newest];
  if (before.seen[thread] == 0 && before.previous != 0)
    before.seen[thread] = threads_[thread].now[thread];
  take_in(thread, before, order);
  auto handed_on = before.carried;
  append(thread, where, offset, value, order, &handed_on);
}

void memory_model::fence(unsigned thread, std::memory_order order) noexcept {
  step(thread);
  auto& view = threads_[thread];
  if (acquires(order))
    join(view.now, view.for_acquire_fence);
  if (order == std::memory_order_seq_cst) {
    join(view.now, fences_);
    fences_ = view.now;
  }
  if (releases(order))
    view.at_release_fence = view.now;
}

} // namespace neuroplex::schedule
