#include "storage/concept/read_view.hpp"

#include "storage/concept/graph.hpp"

#include <algorithm>
#include <unordered_set>

#include <sys/syscall.h>
#include <unistd.h>

namespace neuroplex::concepts {

namespace {

std::uint32_t this_thread_id() noexcept {
  thread_local const auto id =
    static_cast<std::uint32_t>(::syscall(SYS_gettid));
  return id;
}

/// Where this thread found a free slot the last time. A hint only.
thread_local std::size_t preferred_slot = limits::max_snapshots;
std::atomic<std::size_t> next_preferred{0};

} // namespace

read_view::read_view(const graph_version& first)
  : slots_{std::make_unique<reader_slot[]>(limits::max_snapshots)} {
  publish(first, {});
}

expected<snapshot> read_view::load(const char* who) const {
  if (preferred_slot == limits::max_snapshots)
    preferred_slot = next_preferred.fetch_add(1, std::memory_order_relaxed)
                     % limits::max_snapshots;
  for (std::size_t i = 0; i < limits::max_snapshots; ++i) {
    auto index = (preferred_slot + i) % limits::max_snapshots;
    auto& slot = slots_[index];
    const graph_version* empty = nullptr;
    if (slot.version.load(std::memory_order_relaxed) != nullptr)
      continue;
    if (index >= slots_used_.load(std::memory_order_seq_cst)) {
      // Before the slot is taken, so that no scan stops short of it.
      auto used = slots_used_.load(std::memory_order_seq_cst);
      while (used <= index
             && !slots_used_.compare_exchange_weak(used, index + 1)) {
      }
    }
    auto* wanted = newest_.load(std::memory_order_seq_cst);
    if (!slot.version.compare_exchange_strong(empty, wanted,
                                              std::memory_order_seq_cst))
      continue;
    // The slot is ours. It must name a version that was the newest while it was
    // named: then no scan that came after could miss it.
    for (;;) {
      auto* now = newest_.load(std::memory_order_seq_cst);
      if (now == wanted)
        break;
      wanted = now;
      slot.version.store(wanted, std::memory_order_seq_cst);
    }
    slot.who.store(who, std::memory_order_relaxed);
    slot.thread.store(this_thread_id(), std::memory_order_relaxed);
    preferred_slot = index;
    return snapshot{wanted, &slot};
  }
  return failure{errc::too_many, std::to_string(limits::max_snapshots)
                                   + " snapshots are held: give some up first"};
}

void read_view::invite(version_audience& audience) {
  std::scoped_lock guard{mutex_};
  audience_ = &audience;
  audience.show(*versions_.back().version);
}

void read_view::publish(const graph_version& next,
                        std::vector<retired_block> left) {
  std::scoped_lock guard{mutex_};
  std::uint64_t bytes = 0;
  for (const auto& block : left)
    bytes += block.bytes;
  kept_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  if (!versions_.empty())
    versions_.back().left = std::move(left);
  versions_.push_back({std::make_unique<const graph_version>(next), {}});
  // Pairs with the loads in `load`.
  newest_.store(versions_.back().version.get(), std::memory_order_seq_cst);
  sequence_.store(next.sequence, std::memory_order_release);
  timestamp_us_.store(next.timestamp_us, std::memory_order_release);
  if (audience_ != nullptr)
    audience_->show(next);
}

void read_view::reap(graph& owner) {
  std::scoped_lock guard{mutex_};
  if (versions_.size() < 2)
    return;
  std::unordered_set<const graph_version*> held;
  auto used = slots_used_.load(std::memory_order_seq_cst);
  for (std::size_t i = 0; i < used; ++i)
    if (auto* version = slots_[i].version.load(std::memory_order_seq_cst))
      held.insert(version);
  std::vector<held_version> elsewhere;
  if (audience_ != nullptr)
    audience_->held(elsewhere);
  std::unordered_set<std::uint64_t> held_elsewhere;
  for (const auto& each : elsewhere)
    held_elsewhere.insert(each.number);
  // From the newest that can die, so that what goes down is met again.
  for (auto i = versions_.size() - 1; i-- > 0;) {
    if (held.contains(versions_[i].version.get())
        || held_elsewhere.contains(versions_[i].version->number))
      continue;
    for (const auto& block : versions_[i].left) {
      if (i != 0 && block.born <= versions_[i - 1].version->number) {
        versions_[i - 1].left.push_back(block);
        continue;
      }
      kept_bytes_.fetch_sub(block.bytes, std::memory_order_relaxed);
      owner.give_back(block);
    }
    versions_.erase(versions_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

std::vector<snapshot_holder> read_view::holders() const {
  std::scoped_lock guard{mutex_};
  std::vector<snapshot_holder> result;
  auto used = slots_used_.load(std::memory_order_seq_cst);
  std::vector<held_version> elsewhere;
  if (audience_ != nullptr)
    audience_->held(elsewhere);
  for (const auto& kept : versions_) {
    for (const auto& each : elsewhere)
      if (each.number == kept.version->number)
        result.push_back({"process " + std::to_string(each.process),
                          each.thread, kept.version->sequence,
                          kept.version->timestamp_us});
    for (std::size_t i = 0; i < used; ++i) {
      const auto& slot = slots_[i];
      if (slot.version.load(std::memory_order_seq_cst) != kept.version.get())
        continue;
      const auto* who = slot.who.load(std::memory_order_relaxed);
      result.push_back({who == nullptr ? "" : who,
                        slot.thread.load(std::memory_order_relaxed),
                        kept.version->sequence, kept.version->timestamp_us});
    }
  }
  return result;
}

std::size_t read_view::kept_versions() const {
  std::scoped_lock guard{mutex_};
  return versions_.size();
}

} // namespace neuroplex::concepts
