#include "memory/raw_blocks.hpp"

#include "memory/store_impl.hpp"

#include <mutex>

namespace neuroplex::memory {

namespace {

using detail::store_impl;
using header = layout::block_header<native_sync>;
using state = layout::block_state;

// Holds for the payload of every block, since granules are 16 or 32 bytes.
static_assert(sizeof(header) % 8 == 0);

std::uint64_t offset_of(const store_impl& impl, std::uint32_t granule) {
  return std::uint64_t{granule} * impl.shape().granule_bytes + sizeof(header);
}

// The granule of a block that begins at `offset`, or 0.
std::uint32_t granule_at(const store_impl& impl, std::uint64_t offset) {
  auto begin = offset - sizeof(header);
  if (offset < sizeof(header) || begin >= impl.shape().file_bytes
      || begin % impl.shape().granule_bytes != 0)
    return 0;
  return static_cast<std::uint32_t>(begin / impl.shape().granule_bytes);
}

} // namespace

class raw_blocks::implementation {
public:
  implementation(store_impl& owner, store_impl::context& keeper)
    : impl_{owner}, keeper_{keeper} {
  }

  implementation(const implementation&) = delete;
  implementation& operator=(const implementation&) = delete;

  ~implementation() {
    if (impl_.usable() != errc::ok)
      return;
    while (auto granule = first())
      take_off(granule, nullptr);
    impl_.thread_ended(&keeper_);
  }

  errc allocate(std::uint64_t bytes, raw_block& result) {
    if (auto code = impl_.usable(); code != errc::ok)
      return code;
    if (bytes == 0 || bytes > impl_.shape().max_value_bytes)
      return errc::value_size;
    auto* self = impl_.self();
    if (self == nullptr)
      return errc::too_many;
    std::lock_guard guard{mutex_};
    if (count_ == max_raw_blocks)
      return errc::too_many;
    auto granule = find(*self, bytes);
    if (granule == 0)
      return errc::no_space;
    auto& slot = *keeper_.slot;
    auto& block = *impl_.arena().block(granule);
    // Named by both until it is on the list. The word says whose it is, so only
    // one of the two is believed when we die here.
    slot.pending.store(granule, std::memory_order_release);
    auto word = layout::next_word(block.word.load(std::memory_order_relaxed),
                                  state::held, keeper_.owner);
    block.word.store(word, std::memory_order_release);
    block.link.store(slot.retired_head.load(std::memory_order_relaxed),
                     std::memory_order_relaxed);
    slot.retired_head.store(granule, std::memory_order_release);
    slot.pending.store(0, std::memory_order_release);
    self->slot->pending.store(0, std::memory_order_release);
    ++count_;
    result = {
      .offset = offset_of(impl_, granule), .bytes = bytes, .token = word};
    return errc::ok;
  }

  errc deallocate(const raw_block& lent) {
    if (auto code = impl_.usable(); code != errc::ok)
      return code;
    std::lock_guard guard{mutex_};
    header* previous = nullptr;
    auto granule = first();
    for (std::size_t steps = 0; granule != 0 && steps < max_raw_blocks;
         ++steps) {
      auto* block = impl_.arena().block(granule);
      if (block == nullptr)
        break; // scribbled over: what hangs there is lost
      if (offset_of(impl_, granule) == lent.offset) {
        if (block->word.load(std::memory_order_relaxed) != lent.token)
          break;
        take_off(granule, previous);
        return errc::ok;
      }
      previous = block;
      granule = block->link.load(std::memory_order_relaxed);
    }
    return errc::not_found;
  }

  [[nodiscard]] std::size_t count() const noexcept {
    std::lock_guard guard{mutex_};
    return count_;
  }

private:
  [[nodiscard]] std::uint32_t first() const noexcept {
    return keeper_.slot->retired_head.load(std::memory_order_relaxed);
  }

  // Memory for a block, in the name of the calling thread; 0 when there is
  // none. Others' entries are not given up for it.
  std::uint32_t find(store_impl::context& self, std::uint64_t bytes) {
    auto& pool = impl_.engine().pool();
    bytes += sizeof(header);
    if (auto granule = pool.allocate(self, bytes); granule != 0)
      return granule;
    pool.reuse_retired(self);
    if (auto granule = pool.allocate(self, bytes); granule != 0)
      return granule;
    if (impl_.expand_for(pool.block_bytes(bytes)) != errc::ok) {
      pool.flush(self);
      pool.scavenge(self);
    }
    return pool.allocate(self, bytes);
  }

  // Unlinks the block behind `previous` (null: the first) and frees it.
  void take_off(std::uint32_t granule, header* previous) noexcept {
    auto& slot = *keeper_.slot;
    auto* block = impl_.arena().block(granule);
    auto next =
      block == nullptr ? 0 : block->link.load(std::memory_order_relaxed);
    slot.pending.store(granule, std::memory_order_release);
    if (previous == nullptr)
      slot.retired_head.store(next, std::memory_order_release);
    else
      previous->link.store(next, std::memory_order_release);
    impl_.engine().pool().free_block(granule, keeper_.owner);
    slot.pending.store(0, std::memory_order_release);
    if (count_ > 0)
      --count_;
  }

  store_impl& impl_;
  store_impl::context& keeper_;
  mutable std::mutex mutex_;
  std::size_t count_ = 0;
};

expected<raw_blocks> raw_blocks::make(store& owner) {
  auto& impl = store_impl::of(owner);
  if (auto code = impl.usable(); code != errc::ok)
    return code;
  if (impl.mode() == access_mode::read_only)
    return errc::read_only;
  auto* keeper = impl.acquire_context();
  if (keeper == nullptr)
    return errc::too_many;
  return raw_blocks{std::make_unique<implementation>(impl, *keeper)};
}

raw_blocks::raw_blocks(std::unique_ptr<implementation> inside) noexcept
  : inside_{std::move(inside)} {
}

raw_blocks::raw_blocks(raw_blocks&&) noexcept = default;
raw_blocks& raw_blocks::operator=(raw_blocks&&) noexcept = default;
raw_blocks::~raw_blocks() = default;

errc raw_blocks::allocate(std::uint64_t bytes, raw_block& result) {
  return inside_->allocate(bytes, result);
}

errc raw_blocks::deallocate(const raw_block& block) {
  return inside_->deallocate(block);
}

std::size_t raw_blocks::count() const noexcept {
  return inside_->count();
}

errc map_raw_block(store& where, const raw_block& block,
                   std::span<std::byte>& memory) {
  auto& impl = store_impl::of(where);
  if (auto code = impl.usable(); code != errc::ok)
    return code;
  if (impl.mode() == access_mode::read_only)
    return errc::read_only;
  auto* found = impl.arena().block(granule_at(impl, block.offset));
  if (found == nullptr || block.bytes == 0
      || block.bytes > impl.arena().room_after(found) - sizeof(header))
    return errc::bad_argument;
  if (found->word.load(std::memory_order_acquire) != block.token
      || layout::state_of(block.token) != state::held)
    return errc::not_found;
  memory = {reinterpret_cast<std::byte*>(found) + sizeof(header),
            static_cast<std::size_t>(block.bytes)};
  return errc::ok;
}

} // namespace neuroplex::memory
