// An array of which each version shares what it did not change with the ones
// before: leaves of a few elements under pages of pointers under a directory.
//
// Purpose: what a publish costs. To change an element copies its leaf, its page
// and, once a version, the directory; nothing is ever copied as a whole.
// Reading takes three dependent loads, of which at most the last misses the
// caches of a graph of millions.
//
// Ownership and threads: a plain handle. Memory is the session's arena's.
// Elements of a published version are read by any thread, and never change;
// the newest version is edited by one thread.
//
// Invariant: a leaf or page born in an earlier version is never written.
#pragma once

#include "storage/concept/block_arena.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>

namespace neuroplex::concepts {

template <class T, unsigned LeafBits, unsigned PageBits>
class versioned_array {
  static_assert(std::is_trivially_copyable_v<T>);

public:
  [[nodiscard]] std::uint32_t size() const noexcept {
    return size_;
  }

  /// Element `index`, which is below `size()`.
  [[nodiscard]] const T& operator[](std::uint32_t index) const noexcept {
    return leaf_of(index)->items[index & leaf_mask];
  }

  /// Asks for the memory of an element before it is needed.
  void prefetch(std::uint32_t index) const noexcept {
    __builtin_prefetch(&leaf_of(index)->items[index & leaf_mask]);
  }

  /// The same before it is edited: the whole leaf, if it will be copied.
  void prefetch_to_edit(std::uint32_t index,
                        const edit_session& session) const noexcept {
    constexpr std::size_t line_bytes = 64;
    const auto& page_at = *directory_[index >> (LeafBits + PageBits)].at;
    auto place = index >> LeafBits & page_mask;
    const auto* from = page_at.leaves[place];
    if (session.owns(page_at.born[place])) {
      __builtin_prefetch(&from->items[index & leaf_mask], 1);
      return;
    }
    const auto* bytes = reinterpret_cast<const char*>(from);
    for (std::size_t at = 0; at < sizeof(leaf); at += line_bytes)
      __builtin_prefetch(bytes + at);
  }

  /// Element `index`, to be changed in the session's version.
  T& edit(std::uint32_t index, edit_session& session) {
    auto& page_at = edit_page(index >> (LeafBits + PageBits), session);
    auto place = index >> LeafBits & page_mask;
    if (!session.owns(page_at.born[place])) {
      auto* old = page_at.leaves[place];
      page_at.leaves[place] = copy(old, session);
      session.retire(old, sizeof(leaf),
                     std::exchange(page_at.born[place], session.version()));
    }
    return page_at.leaves[place]->items[index & leaf_mask];
  }

  /// Adds an element of zeros, and answers its index.
  std::uint32_t append(edit_session& session) {
    auto index = size_++;
    auto page_index = index >> (LeafBits + PageBits);
    if ((index & leaf_mask) == 0) {
      if ((index >> LeafBits & page_mask) == 0)
        add_page(page_index, session);
      auto& page_at = edit_page(page_index, session);
      auto place = index >> LeafBits & page_mask;
      page_at.leaves[place] = new (session.take(sizeof(leaf))) leaf{};
      page_at.born[place] = session.version();
    }
    return index;
  }

  /// Gives up all elements.
  void clear(edit_session& session) {
    for (std::uint32_t index = 0; index < size_; index += leaf_items) {
      auto& page_at = *directory_[index >> (LeafBits + PageBits)].at;
      auto place = index >> LeafBits & page_mask;
      session.retire(page_at.leaves[place], sizeof(leaf), page_at.born[place]);
    }
    for (std::uint32_t index = 0; index < size_;
         index += leaf_items * page_leaves) {
      auto& entry = directory_[index >> (LeafBits + PageBits)];
      session.retire(entry.at, sizeof(page), entry.born);
    }
    if (directory_ != nullptr)
      session.retire(directory_, directory_capacity_ * sizeof(page_entry),
                     directory_born_);
    *this = {};
  }

private:
  static constexpr std::uint32_t leaf_items = 1U << LeafBits;
  static constexpr std::uint32_t leaf_mask = leaf_items - 1;
  static constexpr std::uint32_t page_leaves = 1U << PageBits;
  static constexpr std::uint32_t page_mask = page_leaves - 1;

  struct leaf {
    std::array<T, leaf_items> items;
  };

  struct page {
    std::array<leaf*, page_leaves> leaves;
    std::array<std::uint64_t, page_leaves> born;
  };

  struct page_entry {
    page* at;
    std::uint64_t born;
  };

  [[nodiscard]] const leaf* leaf_of(std::uint32_t index) const noexcept {
    return directory_[index >> (LeafBits + PageBits)]
      .at->leaves[index >> LeafBits & page_mask];
  }

  template <class Block>
  static Block* copy(const Block* from, edit_session& session) {
    return new (session.take(sizeof(Block))) Block{*from};
  }

  void own_directory(std::uint32_t capacity, edit_session& session) {
    if (session.owns(directory_born_) && capacity <= directory_capacity_)
      return;
    auto* made = static_cast<page_entry*>(
      session.take(std::size_t{capacity} * sizeof(page_entry)));
    if (directory_ != nullptr) {
      std::copy_n(directory_, std::min(directory_capacity_, capacity), made);
      session.retire(directory_, directory_capacity_ * sizeof(page_entry),
                     directory_born_);
    }
    directory_ = made;
    directory_capacity_ = capacity;
    directory_born_ = session.version();
  }

  void add_page(std::uint32_t page_index, edit_session& session) {
    constexpr std::uint32_t least_capacity = 8;
    auto capacity = std::max(directory_capacity_, least_capacity);
    if (page_index >= directory_capacity_)
      capacity = std::max(least_capacity, directory_capacity_ * 2);
    own_directory(capacity, session);
    directory_[page_index] = {new (session.take(sizeof(page))) page{},
                              session.version()};
  }

  page& edit_page(std::uint32_t page_index, edit_session& session) {
    own_directory(directory_capacity_, session);
    auto& entry = directory_[page_index];
    if (!session.owns(entry.born)) {
      auto* old = entry.at;
      entry.at = copy(old, session);
      session.retire(old, sizeof(page),
                     std::exchange(entry.born, session.version()));
    }
    return *entry.at;
  }

  page_entry* directory_ = nullptr;
  std::uint64_t directory_born_ = 0;
  std::uint32_t directory_capacity_ = 0;
  std::uint32_t size_ = 0;
};

} // namespace neuroplex::concepts
