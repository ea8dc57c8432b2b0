// The associations of one concept in one direction, sorted by type, target and
// qualifier, as a value that versions share.
//
// Purpose: few edges lie in one block beside each other; many lie in blocks of
// up to 31 under a table, so that one more costs a block and the table, not
// the list, even for a concept with a million.
//
// Ownership and threads: a list is a pointer to blocks of the session's arena;
// null is the empty list. Published lists never change and are read by any
// thread; the newest is edited by one.
//
// Invariants: keys rise strictly; no block is empty; under a table, an edge
// lies in the last block whose first key is not above its own (or in the
// first).
#pragma once

#include "storage/concept/block_arena.hpp"
#include "storage/concept/types.hpp"

#include <algorithm>
#include <cstdint>

namespace neuroplex::concepts {

/// One association as seen from one of its ends; `other` is the far one.
struct edge {
  concept_slot other = 0;
  association_type type = 0;
  std::uint16_t qualifier = 0;
  float weight = 1;
  float confidence = 1;

  /// By which lists are sorted, and which is unique within one.
  [[nodiscard]] std::uint64_t key() const noexcept {
    return std::uint64_t{type} << 48 | std::uint64_t{other} << 16 | qualifier;
  }
};
static_assert(sizeof(edge) == 16);

/// A block of edges, or a table of such blocks.
struct edge_block {
  std::uint64_t born;
  std::uint32_t count;
  std::uint32_t capacity : 31;
  std::uint32_t is_table : 1;

  struct table_entry {
    edge_block* block;
    std::uint64_t first_key; ///< when the block was made
  };

  [[nodiscard]] edge* edges() noexcept {
    return reinterpret_cast<edge*>(this + 1);
  }
  [[nodiscard]] const edge* edges() const noexcept {
    return reinterpret_cast<const edge*>(this + 1);
  }
  [[nodiscard]] table_entry* table() noexcept {
    return reinterpret_cast<table_entry*>(this + 1);
  }
  [[nodiscard]] const table_entry* table() const noexcept {
    return reinterpret_cast<const table_entry*>(this + 1);
  }

  /// Edges and entries of a table are of the same size.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return sizeof(edge_block) + capacity * sizeof(edge);
  }
};
static_assert(sizeof(edge_block) == 16);
static_assert(sizeof(edge_block::table_entry) == sizeof(edge));

namespace edge_list {

/// Most edges of one block.
inline constexpr std::uint32_t block_edges = 31;

/// Asks for the memory that adding to a list of `count` edges reads first.
inline void prefetch(const edge_block* list, std::uint32_t count) noexcept {
  constexpr std::size_t line_bytes = 64;
  if (list == nullptr)
    return;
  auto bytes = sizeof(edge_block) + std::min(count, block_edges) * sizeof(edge);
  for (std::size_t at = 0; at < bytes; at += line_bytes)
    __builtin_prefetch(reinterpret_cast<const char*>(list) + at);
}

/// Calls `visit` with each edge in order, until it answers false; answers
/// whether it never did.
template <class Visit>
bool for_each(const edge_block* list, Visit&& visit) {
  if (list == nullptr)
    return true;
  auto run = [&](const edge_block& block) {
    auto* edges = block.edges();
    for (std::uint32_t i = 0; i < block.count; ++i)
      if (!visit(edges[i]))
        return false;
    return true;
  };
  if (list->is_table == 0)
    return run(*list);
  for (std::uint32_t i = 0; i < list->count; ++i)
    if (!run(*list->table()[i].block))
      return false;
  return true;
}

/// The edge with a key, or null.
[[nodiscard]] const edge* find(const edge_block* list,
                               std::uint64_t key) noexcept;

/// Adds an edge, or replaces the one with its key. Answers whether it is new.
bool put(edge_block*& list, const edge& what, edit_session& session);

/// Removes the edge with a key. Answers whether there was one.
bool erase(edge_block*& list, std::uint64_t key, edit_session& session);

/// Gives up the whole list.
void clear(edge_block*& list, edit_session& session);

} // namespace edge_list

} // namespace neuroplex::concepts
