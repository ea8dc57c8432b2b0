#include "actors/upkeep/lender.hpp"

#include <utility>

namespace neuroplex::upkeep {

lender::lender(memory::store& store) : store_{&store} {
}

// A segment that nobody borrows from keeps its thread slot.
errc lender::prepare() {
  if (blocks_)
    return errc::ok;
  if (store_ == nullptr)
    return errc::closed;
  auto made = memory::raw_blocks::make(*store_);
  if (!made)
    return made.code();
  blocks_ = std::make_unique<memory::raw_blocks>(std::move(*made));
  return errc::ok;
}

expected<lease> lender::allocate(std::uint64_t bytes, std::int64_t lease_ms,
                                 std::uint64_t holder, std::int64_t now_ms) {
  std::lock_guard guard{mutex_};
  if (lease_ms < 0 || lease_ms > max_lease_ms || (lease_ms == 0 && holder == 0))
    return failure{errc::bad_argument,
                   "a lease of " + std::to_string(lease_ms)
                     + " ms: 1 to 86400000, or 0 with a holder whose end ends "
                       "it"};
  entry made;
  auto code = prepare();
  if (code == errc::ok)
    code = allocating_.time(
      [&] { return blocks_->allocate(bytes, made.what.block); });
  if (code != errc::ok) {
    ++counts_.refused;
    return code;
  }
  made.what.id = ++last_id_;
  made.holder = holder;
  if (lease_ms > 0) {
    made.what.ends_ms = now_ms + lease_ms;
    ends_.emplace(made.what.ends_ms, made.what.id);
  }
  ++counts_.allocated;
  ++counts_.blocks;
  counts_.bytes += bytes;
  leases_.emplace(made.what.id, made);
  return made.what;
}

errc lender::end(entries::iterator which) {
  auto ended = which->second;
  leases_.erase(which);
  ends_.erase({ended.what.ends_ms, ended.what.id});
  --counts_.blocks;
  counts_.bytes -= ended.what.block.bytes;
  return deallocating_.time(
    [&] { return blocks_->deallocate(ended.what.block); });
}

errc lender::deallocate(std::uint64_t id) {
  std::lock_guard guard{mutex_};
  auto found = leases_.find(id);
  if (found == leases_.end())
    return errc::not_found;
  ++counts_.returned;
  return end(found);
}

expected<lease> lender::renew(std::uint64_t id, std::int64_t lease_ms,
                              std::int64_t now_ms) {
  std::lock_guard guard{mutex_};
  if (lease_ms <= 0 || lease_ms > max_lease_ms)
    return failure{errc::bad_argument, "a lease of " + std::to_string(lease_ms)
                                         + " ms: 1 to 86400000"};
  auto found = leases_.find(id);
  if (found == leases_.end())
    return errc::not_found;
  auto& what = found->second.what;
  ends_.erase({what.ends_ms, id});
  what.ends_ms = now_ms + lease_ms;
  ends_.emplace(what.ends_ms, id);
  return what;
}

std::size_t lender::end_due(std::int64_t now_ms, std::size_t most) {
  std::lock_guard guard{mutex_};
  std::size_t ended = 0;
  while (ended < most && !ends_.empty() && ends_.begin()->first <= now_ms) {
    // The block is gone either way; a failure to free it shows in verify.
    static_cast<void>(end(leases_.find(ends_.begin()->second)));
    ++counts_.expired;
    ++ended;
  }
  return ended;
}

std::size_t lender::end_holder(std::uint64_t holder) {
  std::lock_guard guard{mutex_};
  std::size_t ended = 0;
  for (auto each = leases_.begin(); each != leases_.end();) {
    auto next = std::next(each);
    if (each->second.holder == holder) {
      static_cast<void>(end(each));
      ++counts_.orphaned;
      ++ended;
    }
    each = next;
  }
  return ended;
}

std::int64_t lender::next_end_ms() const {
  std::lock_guard guard{mutex_};
  return ends_.empty() ? 0 : ends_.begin()->first;
}

void lender::close() noexcept {
  std::lock_guard guard{mutex_};
  leases_.clear();
  ends_.clear();
  counts_.blocks = 0;
  counts_.bytes = 0;
  blocks_.reset();
  store_ = nullptr;
}

pool_report lender::lent() const {
  std::lock_guard guard{mutex_};
  return counts_;
}

pool_report lender::usage() const {
  std::lock_guard guard{mutex_};
  auto result = counts_;
  if (store_ == nullptr)
    return result;
  auto stats = store_->stats();
  result.pool_bytes = stats.pool_bytes;
  result.used_bytes = stats.pool_used_bytes;
  result.live_bytes = stats.live_block_bytes;
  return result;
}

performance_report lender::performance() const {
  std::lock_guard guard{mutex_};
  return {.allocate = allocating_.recent(),
          .deallocate = deallocating_.recent()};
}

} // namespace neuroplex::upkeep
