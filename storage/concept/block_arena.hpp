// Where the versions of a graph lie: blocks of memory that the reconciler takes
// and gives back.
//
// Purpose: a graph is read at random, so its blocks lie together on huge pages
// where the kernel agrees, by size, and whatever an old version leaves is used
// again by the next one. It counts what is in use, so that the cost of versions
// can be told.
//
// Ownership and threads: one thread at a time. A block must not be used by
// anybody when it is given back; `version_list` sees to that.
//
// Failure behaviour: when memory runs out the process ends (std::bad_alloc).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace neuroplex::concepts {

/// Where an arena has its memory from, if not from the system.
class block_source {
public:
  block_source() = default;
  block_source(const block_source&) = delete;
  block_source& operator=(const block_source&) = delete;
  virtual ~block_source() = default;

  /// Memory that stays as long as the source. Throws std::bad_alloc.
  virtual void* take(std::size_t bytes, std::size_t alignment) = 0;
};

class block_arena {
public:
  /// A source must outlive the arena.
  explicit block_arena(block_source* source = nullptr) : source_{source} {
  }
  block_arena(const block_arena&) = delete;
  block_arena& operator=(const block_arena&) = delete;
  ~block_arena();

  /// A block of at least `bytes`, at a multiple of 16, and of 64 when `bytes`
  /// is one. What it holds is anything.
  [[nodiscard]] void* take(std::size_t bytes);

  /// Gives back a block that was taken with this size.
  void give(void* block, std::size_t bytes) noexcept;

  /// Bytes in blocks that are taken, as they were asked for. Any thread.
  [[nodiscard]] std::uint64_t used_bytes() const noexcept {
    return used_bytes_.load(std::memory_order_relaxed);
  }

  /// Bytes that the arena has of the system. Any thread.
  [[nodiscard]] std::uint64_t reserved_bytes() const noexcept {
    return reserved_bytes_.load(std::memory_order_relaxed);
  }

private:
  static constexpr std::size_t step_bytes = 16;
  static constexpr std::size_t largest_step = 2048; // beyond: system's own
  static constexpr std::size_t run_bytes = std::size_t{64} << 10;
  static constexpr std::size_t region_bytes = std::size_t{4} << 20;

  void* take_large(std::size_t bytes);
  void* take_large_from_source(std::size_t bytes);
  [[nodiscard]] bool is_large(std::size_t bytes) const noexcept;
  void refill(std::size_t kind, std::size_t block_bytes);
  void count(std::int64_t used) noexcept;

  /// Blocks of each size that are free, beside them and not in them: they are
  /// in no cache, and are given and taken without being looked at.
  std::array<std::vector<void*>, largest_step / step_bytes + 1> free_;
  std::vector<void*> regions_;
  std::byte* run_begin_ = nullptr; // what is left of the newest region
  std::byte* run_end_ = nullptr;
  struct large_block {
    large_block* next;
    large_block* previous;
    std::size_t bytes;
  };
  large_block* large_ = nullptr;
  /// Large blocks of the source that are free, by size.
  std::map<std::size_t, std::vector<void*>> free_large_;
  block_source* source_;
  std::atomic<std::uint64_t> used_bytes_{0};
  std::atomic<std::uint64_t> reserved_bytes_{0};
};

/// A block that a version does not hold any more, but older ones do.
struct retired_block {
  void* block;
  std::size_t bytes;
  std::uint64_t born; ///< first version that holds it
};

/// The making of one version: what it takes, and what it leaves behind.
class edit_session {
public:
  edit_session(block_arena& arena, std::uint64_t version)
    : arena_{arena}, version_{version} {
  }

  [[nodiscard]] std::uint64_t version() const noexcept {
    return version_;
  }

  /// Whether a block was made by this session, so that nobody else sees it.
  [[nodiscard]] bool owns(std::uint64_t born) const noexcept {
    return born == version_;
  }

  [[nodiscard]] void* take(std::size_t bytes) {
    return arena_.take(bytes);
  }

  /// Gives a block up. If an older version holds it, it stays for those.
  void retire(void* block, std::size_t bytes, std::uint64_t born) {
    if (owns(born))
      arena_.give(block, bytes);
    else
      retired_.push_back({block, bytes, born});
  }

  /// Ends the version: answers what it left to older ones, and begins the next.
  [[nodiscard]] std::vector<retired_block> next_version() {
    ++version_;
    return std::exchange(retired_, {});
  }

private:
  block_arena& arena_;
  std::uint64_t version_;
  std::vector<retired_block> retired_;
};

} // namespace neuroplex::concepts
