#include "storage/concept/edge_list.hpp"

#include <algorithm>

namespace neuroplex::concepts::edge_list {

namespace {

constexpr std::uint32_t first_capacity = 2;

edge_block* new_block(std::uint32_t capacity, bool is_table,
                      edit_session& session) {
  auto bytes = sizeof(edge_block) + capacity * sizeof(edge);
  auto* block = static_cast<edge_block*>(session.take(bytes));
  block->born = session.version();
  block->count = 0;
  block->capacity = capacity;
  block->is_table = is_table ? 1 : 0;
  return block;
}

void retire(edge_block* block, edit_session& session) {
  session.retire(block, block->bytes(), block->born);
}

/// Room for one more, and not for many: most lists stay short.
std::uint32_t grown(std::uint32_t count) noexcept {
  return std::max(first_capacity, count + count / 2);
}

/// Place of the first edge whose key is not below `key`.
std::uint32_t lower_bound(const edge_block& block, std::uint64_t key) noexcept {
  auto* begin = block.edges();
  auto* found = std::lower_bound(
    begin, begin + block.count, key,
    [](const edge& one, std::uint64_t than) { return one.key() < than; });
  return static_cast<std::uint32_t>(found - begin);
}

/// Place in a table of the block where an edge with the key belongs.
std::uint32_t block_for(const edge_block& table, std::uint64_t key) noexcept {
  auto* begin = table.table();
  auto* found = std::upper_bound(
    begin, begin + table.count, key,
    [](std::uint64_t one, const edge_block::table_entry& entry) {
      return one < entry.first_key;
    });
  return found == begin ? 0 : static_cast<std::uint32_t>(found - begin - 1);
}

bool holds(const edge_block& block, std::uint32_t at,
           std::uint64_t key) noexcept {
  return at < block.count && block.edges()[at].key() == key;
}

/// Makes the block this session's own, with room for `capacity`.
void own(edge_block*& block, std::uint32_t capacity, edit_session& session) {
  if (session.owns(block->born) && capacity <= block->capacity)
    return;
  auto* made = new_block(std::max<std::uint32_t>(capacity, block->count),
                         block->is_table != 0, session);
  made->count = block->count;
  std::copy_n(block->edges(), block->count, made->edges());
  retire(std::exchange(block, made), session);
}

/// Moves what stands from `at` on by one, and answers the place.
template <class Item>
Item& open_gap(Item* items, edge_block& block, std::uint32_t at) noexcept {
  std::copy_backward(items + at, items + block.count, items + block.count + 1);
  ++block.count;
  return items[at];
}

bool put_in_block(edge_block*& block, const edge& what, edit_session& session) {
  auto at = lower_bound(*block, what.key());
  if (holds(*block, at, what.key())) {
    own(block, block->capacity, session);
    block->edges()[at] = what;
    return false;
  }
  auto capacity = block->count < block->capacity
                    ? std::uint32_t{block->capacity}
                    : std::min(grown(block->count), block_edges);
  own(block, capacity, session);
  open_gap(block->edges(), *block, at) = what;
  return true;
}

/// Splits the full block at `at` of a table in two.
void split(edge_block*& table, std::uint32_t at, edit_session& session) {
  own(table,
      table->count < table->capacity ? std::uint32_t{table->capacity}
                                     : grown(table->count),
      session);
  auto* whole = table->table()[at].block;
  auto half = whole->count / 2;
  auto* left = new_block(block_edges, false, session);
  auto* right = new_block(block_edges, false, session);
  left->count = half;
  right->count = whole->count - half;
  std::copy_n(whole->edges(), half, left->edges());
  std::copy_n(whole->edges() + half, right->count, right->edges());
  retire(whole, session);
  table->table()[at].block = left;
  open_gap(table->table(), *table, at + 1) = {right, right->edges()[0].key()};
}

} // namespace

const edge* find(const edge_block* list, std::uint64_t key) noexcept {
  if (list == nullptr)
    return nullptr;
  const auto* block = list;
  if (list->is_table != 0)
    block = list->table()[block_for(*list, key)].block;
  auto at = lower_bound(*block, key);
  return holds(*block, at, key) ? &block->edges()[at] : nullptr;
}

bool put(edge_block*& list, const edge& what, edit_session& session) {
  if (list == nullptr)
    list = new_block(first_capacity, false, session);
  auto key = what.key();
  if (list->is_table == 0) {
    if (list->count < block_edges || find(list, key) != nullptr)
      return put_in_block(list, what, session);
    auto* table = new_block(first_capacity, true, session);
    table->count = 1;
    table->table()[0] = {list, list->edges()[0].key()};
    list = table;
  }
  auto at = block_for(*list, key);
  if (list->table()[at].block->count == block_edges
      && find(list, key) == nullptr) {
    split(list, at, session);
    at = block_for(*list, key);
  }
  own(list, list->capacity, session);
  return put_in_block(list->table()[at].block, what, session);
}

bool erase(edge_block*& list, std::uint64_t key, edit_session& session) {
  if (find(list, key) == nullptr)
    return false;
  auto at = std::uint32_t{0};
  auto** block = &list;
  const bool under_table = list->is_table != 0;
  if (under_table) {
    own(list, list->capacity, session);
    at = block_for(*list, key);
    block = &list->table()[at].block;
  }
  own(*block, (*block)->capacity, session);
  auto* edges = (*block)->edges();
  auto place = lower_bound(**block, key);
  std::copy(edges + place + 1, edges + (*block)->count, edges + place);
  --(*block)->count;
  if ((*block)->count != 0)
    return true;
  retire(*block, session);
  if (!under_table) {
    list = nullptr;
    return true;
  }
  auto* entries = list->table();
  std::copy(entries + at + 1, entries + list->count, entries + at);
  --list->count;
  if (list->count == 0) {
    retire(list, session);
    list = nullptr;
  }
  return true;
}

void clear(edge_block*& list, edit_session& session) {
  if (list == nullptr)
    return;
  if (list->is_table != 0)
    for (std::uint32_t i = 0; i < list->count; ++i)
      retire(list->table()[i].block, session);
  retire(std::exchange(list, nullptr), session);
}

} // namespace neuroplex::concepts::edge_list
