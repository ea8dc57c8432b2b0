// Copies of a few values in the memory of this process, in front of the segment
// (the first level of a multi-level cache).
//
// Purpose: a hit hands out a value that was already copied, checked by its
// checksum and unpacked, and asks the segment one thing only: is the entry that
// it was copied from still the one? That is the word of its slot and the word
// of its block, two loads of addresses that are known beforehand, so that they
// wait side by side, and not one for the other as in a lookup.
//
// Ownership and threads: owns its copies; values are handed out as shared and
// never change. All threads of a process may use one cache: it is in parts by
// hash, each under a mutex for as long as it takes to find a copy. A key that
// is not here is told so by one load, without a lock. What it was copied from
// must stay mapped as long as it is used.
//
// Invariants:
//  1. A copy is handed out only if, at one moment within the call, its slot
//     named its block and the block had the version that was copied: the slot
//     is read first, the block after it. A version never comes back.
//  2. Copies, keys and bookkeeping together stay within the limit.
//  3. An expired copy is not handed out.
//
// A key is taken in when it is asked for the second time in a short while, so
// that a scan costs no copies. Who leaves is chosen as by SIEVE (Zhang and
// others, NSDI 2024): a hand goes from old to young, spares what was used since
// it came by, and a hit sets one bit.
//
// Failure behaviour: none; what cannot be kept is not kept.
#pragma once

#include "memory/index.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::memory {

/// Where in the segment a copy was made from.
struct copy_origin {
  const std::atomic<std::uint32_t>* slot = nullptr;
  layout::block_header<native_sync>* block = nullptr;
  std::uint64_t word = 0;
  std::uint32_t raw = 0;

  explicit copy_origin(const basic_location<native_sync>& where) noexcept
    : slot{where.slot}, block{where.block}, word{where.word}, raw{where.raw} {
  }

  /// Whether the slot still names the block with the version that was copied.
  [[nodiscard]] bool stands() const noexcept {
    // Acquire: the slot before the block. A word that has not changed by then
    // says that the block held the value when the slot named it.
    return slot->load(std::memory_order_acquire) == raw
           && block->word.load(std::memory_order_acquire) == word;
  }
};

using shared_value = std::shared_ptr<const std::string>;

enum class near_answer : std::uint8_t {
  hit,
  absent,
  stale, ///< was here, but the entry is another by now, or has expired
};

/// One part of a cache; not for several threads at once.
class near_cache_part {
public:
  explicit near_cache_part(std::size_t limit_bytes);

  near_answer find(std::uint64_t hash, std::string_view key,
                   shared_value& value);

  /// Takes a copy in; answers whether it was small enough. `let_go` is told the
  /// hash of each key that leaves.
  template <class LetGo>
  bool put(std::uint64_t hash, std::string_view key, const shared_value& value,
           std::int64_t expires_at_ms, const copy_origin& from,
           LetGo&& let_go) {
    if (cost_of(key, *value) > limit_bytes_ / 2)
      return false;
    if (auto old = locate(hash, key); old != nobody)
      remove(old);
    while (bytes_ + cost_of(key, *value) > limit_bytes_)
      let_go(nodes_[push_out()].hash);
    insert(hash, key, value, expires_at_ms, from);
    return true;
  }

  [[nodiscard]] std::size_t bytes() const noexcept {
    return bytes_;
  }

  [[nodiscard]] std::size_t count() const noexcept {
    return count_;
  }

  /// What a copy is counted with.
  [[nodiscard]] static std::size_t cost_of(std::string_view key,
                                           const std::string& value) noexcept;

private:
  static constexpr std::uint32_t nobody = ~std::uint32_t{0};

  struct node {
    std::uint64_t hash = 0;
    std::string key;
    shared_value value;
    std::int64_t expires_at_ms = 0;
    copy_origin from{basic_location<native_sync>{}};
    std::uint32_t chain = nobody; ///< next of the same bucket, or free node
    std::uint32_t older = nobody;
    std::uint32_t newer = nobody;
    bool used = false;
  };

  [[nodiscard]] std::uint32_t locate(std::uint64_t hash,
                                     std::string_view key) const noexcept;
  void insert(std::uint64_t hash, std::string_view key,
              const shared_value& value, std::int64_t expires_at_ms,
              const copy_origin& from);
  void remove(std::uint32_t which);

  /// Removes the next that the hand does not spare; its hash stays in the node.
  std::uint32_t push_out();

  [[nodiscard]] std::uint32_t& bucket_of(std::uint64_t hash) noexcept {
    return buckets_[hash & (buckets_.size() - 1)];
  }

  std::size_t limit_bytes_;
  std::size_t bytes_ = 0;
  std::size_t count_ = 0;
  std::vector<std::uint32_t> buckets_;
  std::vector<node> nodes_;
  std::uint32_t free_ = nobody;
  std::uint32_t oldest_ = nobody;
  std::uint32_t newest_ = nobody;
  std::uint32_t hand_ = nobody;
};

class near_cache {
public:
  explicit near_cache(std::size_t limit_bytes);

  /// Whether a copy may be here; never says no of what is.
  [[nodiscard]] bool may_have(std::uint64_t hash) const noexcept {
    return here_[place_of(hash)].load(std::memory_order_relaxed)
           == tag_of(hash);
  }

  near_answer find(std::uint64_t hash, std::string_view key,
                   shared_value& value);

  /// Whether the key was asked for of late and should be taken in now.
  [[nodiscard]] bool welcome(std::uint64_t hash) const noexcept {
    return asked_[place_of(hash)].load(std::memory_order_relaxed)
           == tag_of(hash);
  }

  /// Remembers that a key was asked for whose value is worth a copy.
  void note_asked(std::uint64_t hash) noexcept {
    asked_[place_of(hash)].store(tag_of(hash), std::memory_order_relaxed);
  }

  void put(std::uint64_t hash, std::string_view key, const shared_value& value,
           std::int64_t expires_at_ms, const copy_origin& from);

  [[nodiscard]] std::size_t bytes() const;
  [[nodiscard]] std::size_t count() const;

private:
  static constexpr unsigned part_count = 4;
  static constexpr std::size_t tag_count = 4096;

  struct alignas(64) locked_part {
    explicit locked_part(std::size_t limit_bytes) : cache{limit_bytes} {
    }
    mutable std::mutex mutex;
    near_cache_part cache;
  };

  // Bits of the hash that neither choose a bucket of a part nor each other.
  [[nodiscard]] static std::size_t place_of(std::uint64_t hash) noexcept {
    return (hash >> 20) % tag_count;
  }

  [[nodiscard]] static std::uint16_t tag_of(std::uint64_t hash) noexcept {
    return static_cast<std::uint16_t>(hash >> 48 | 1U);
  }

  [[nodiscard]] locked_part& part_of(std::uint64_t hash) noexcept {
    return *parts_[(hash >> 40) % part_count];
  }

  std::vector<std::unique_ptr<locked_part>> parts_;
  /// Which keys may be here: the one that came last to its place.
  std::array<std::atomic<std::uint16_t>, tag_count> here_{};
  std::array<std::atomic<std::uint16_t>, tag_count> asked_{};
};

} // namespace neuroplex::memory
