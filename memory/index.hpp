// The index: from a key's hash to the slot that names its block.
//
// Lookups compare twelve one-byte tags of the home line at once and follow at
// most the number of lines that the home line's meta names. A slot changes by
// compare-and-swap only.
//
// Uniqueness. Two threads may insert the same new key into different slots at
// once. Each first puts its block into a slot in state `inserting`, which no
// reader accepts, then looks for others with the key: a live one wins, an
// inserting one is marked `collided`, and whoever can still turn its own block
// live is in (after Purcell and Harris, "Non-blocking hashtables with open
// addressing", DISC 2005).
//
// Doubling. Line i becomes lines 2i and 2i+1 of the next table, so a group of
// 64 lines becomes two groups and nothing else. Whoever writes to a group while
// the index doubles carries it over first: freeze every slot for ever, compute
// the new groups (the same for all helpers, since frozen slots do not change),
// and fill them by compare-and-swap from "closed", which no slot ever becomes
// again. So helpers may repeat, overtake or abandon one another anywhere.
//
// Threads: all. Writers pass their context; they hold no intent when they call.
#pragma once

#include "memory/hash.hpp"
#include "memory/pool.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

namespace neuroplex::memory {

/// A slot by its place, and what a lookup saw in it.
template <class Sync>
struct basic_location {
  typename Sync::template atomic<std::uint32_t>* slot = nullptr;
  layout::block_header<Sync>* block = nullptr;
  std::uint64_t slot_id = 0;
  unsigned level = 0; ///< of the slot's table, where `find_usual` answered
  std::uint64_t word = 0;
  std::uint32_t raw = 0; ///< the slot's value
  layout::entry_fields fields{};

  [[nodiscard]] const std::byte* payload() const noexcept {
    return reinterpret_cast<const std::byte*>(block) + fields.payload_offset();
  }

  [[nodiscard]] std::uint32_t granule() const noexcept {
    return layout::granule_of(raw);
  }
};

/// What the usual lookup must know of a segment, together in a few lines. Read
/// only, but for `open_levels`.
template <class Sync>
struct alignas(512) basic_lookup_view {
  struct table {
    layout::line<Sync>* lines;
    std::uint64_t count;
  };

  std::byte* base;
  std::uint64_t granule_bytes;
  std::uint64_t store_id;
  std::uint32_t granules_with_room;
  /// Number of index levels, or none while the store is not usable: comparing
  /// the index' state with it asks for both at once.
  std::atomic<std::uint32_t> open_levels;
  std::array<table, layout::max_index_levels> tables;

  void fill(const basic_arena<Sync>& arena, std::uint64_t id) noexcept {
    base = arena.base();
    granule_bytes = arena.shape().granule_bytes;
    store_id = id;
    granules_with_room =
      arena.granules_with(basic_arena<Sync>::usual_room_bytes);
    for (unsigned level = 0; level < arena.shape().index_levels; ++level)
      tables[level] = {&arena.line(level, 0), arena.lines(level)};
    open_levels.store(arena.shape().index_levels, std::memory_order_relaxed);
  }
};

/// Where a hash lives in the table that is open for it.
struct home {
  std::uint32_t index_state = 0; ///< as loaded
  unsigned level = 0;
  std::uint64_t line = 0;
  bool old_table = false; ///< a group not carried over yet, while doubling
};

enum class lookup { found, absent, retry };

template <class Sync>
class basic_index {
public:
  using arena_type = basic_arena<Sync>;
  using context = basic_thread_context<Sync>;
  using location = basic_location<Sync>;
  using line_type = typename arena_type::line_type;
  using block_type = typename arena_type::block_type;
  using state = layout::block_state;

  /// Longest key of a usual entry; with its header and a short value it fits
  /// into the room that the arena grants.
  static constexpr std::size_t most_usual_key_bytes = 512;
  static_assert(sizeof(block_type) + most_usual_key_bytes + short_value_bytes
                <= arena_type::usual_room_bytes);

  explicit basic_index(const arena_type& arena) noexcept : arena_{arena} {
  }

  // -- where ------------------------------------------------------------------

  /// The place for a reader: the old table until the group is carried over.
  [[nodiscard]] NEUROPLEX_INLINE home
  home_of(std::uint64_t hash) const noexcept {
    home at;
    at.index_state =
      arena_.control().index_state.load(std::memory_order_acquire);
    at.level = arena_.level_of(at.index_state);
    at.line = line_of(hash, arena_.lines(at.level));
    if ((at.index_state & layout::index_migrating) != 0) [[unlikely]] {
      if (carried_over(at.level, at.line)
          && at.level + 1 < arena_.shape().index_levels) {
        ++at.level;
        at.line = line_of(hash, arena_.lines(at.level));
      } else {
        at.old_table = true;
      }
    }
    return at;
  }

  /// The place for a writer: helps to carry the group over first.
  [[nodiscard]] NEUROPLEX_INLINE home
  writable_home(context& self, std::uint64_t hash) noexcept {
    auto at = home_of(hash);
    if ((at.index_state & layout::index_migrating) == 0) [[likely]]
      return at;
    help_doubling(self, at);
    if (at.old_table)
      carry_over(self, at.level, at.line / layout::lines_per_group);
    return home_of(hash);
  }

  /// Whether what was looked up at `at` still stands where it was looked for.
  [[nodiscard]] NEUROPLEX_INLINE bool
  still_home(const home& at) const noexcept {
    if (arena_.control().index_state.load(std::memory_order_acquire)
        != at.index_state)
      return false;
    return !at.old_table || !carried_over(at.level, at.line);
  }

  [[nodiscard]] NEUROPLEX_INLINE line_type&
  line_at(const home& at, unsigned distance) const noexcept {
    return arena_.line(at.level, probe_line(at.line, distance));
  }

  /// Asks for a hash's home line, to read it.
  NEUROPLEX_INLINE void prefetch(std::uint64_t hash) const noexcept {
    prefetch_line(likely_line(hash));
  }

  NEUROPLEX_INLINE void prefetch_to_write(std::uint64_t hash) const noexcept {
    memory::prefetch_to_write(likely_line(hash));
  }

  /// Prefetches the block of the first tag that matches in the home line, or
  /// some block: a branch on a line that has just arrived would be guessed, and
  /// a wrong guess costs more than a line fetched for nothing.
  NEUROPLEX_INLINE void prefetch_block(std::uint64_t hash) const noexcept {
    auto& line = line_at(home_of(hash), 0);
    auto mask = Sync::match_tags(line.tags, tag_of(hash));
    constexpr unsigned guard = 1U << (layout::slots_per_line - 1);
    auto raw = line.slots[std::countr_zero(mask | guard)].load(
      std::memory_order_relaxed);
    prefetch_block(arena_.block_unchecked(layout::granule_of(raw)));
  }

  // -- lookups ----------------------------------------------------------------

  /// The usual lookup in as few instructions as it takes, so that the next one
  /// fits into the processor's window beside it: an entry in its home line, at
  /// the first tag that matches, in a table that does not double. Null says
  /// nothing, and `find` is to be asked. Else the answer is where the value
  /// begins, which may be read as far as `usual_room_bytes` allow. What was
  /// found is checked after its use as with `find`, except that no doubling is
  /// to be watched. `result.fields` is not filled.
  template <class Key>
  [[nodiscard]] NEUROPLEX_INLINE static const std::byte*
  find_usual(const basic_lookup_view<Sync>& view, std::uint64_t hash,
             std::uint32_t kind, const Key& key, location& result) noexcept {
    // A short key always fits into the room; what a scribbled block says of a
    // long one is no bound.
    if constexpr (!std::is_same_v<Key, short_key>)
      if (key.size() > most_usual_key_bytes) [[unlikely]]
        return nullptr;
    auto& control = *reinterpret_cast<const layout::control<Sync>*>(
      view.base + layout::control_offset);
    auto level = control.index_state.load(std::memory_order_acquire);
    if (level >= view.open_levels.load(std::memory_order_relaxed)) [[unlikely]]
      return nullptr; // doubling, or not usable
    auto& table = view.tables[level];
    auto& line = table.lines[line_of(hash, table.count)];
    auto mask = Sync::match_tags(line.tags, tag_of(hash));
    if (mask == 0) [[unlikely]]
      return nullptr;
    auto& slot = line.slots[static_cast<unsigned>(std::countr_zero(mask))];
    result.level = level;
    result.slot = &slot;
    result.raw = slot.load(std::memory_order_acquire);
    // What is frozen has no room, what is empty or closed has no live block.
    if (result.raw >= view.granules_with_room) [[unlikely]]
      return nullptr;
    result.block = reinterpret_cast<block_type*>(
      view.base + result.raw * view.granule_bytes);
    result.word = result.block->word.load(std::memory_order_acquire);
    auto* bytes = reinterpret_cast<const std::byte*>(result.block);
    auto* value = bytes + sizeof(block_type) + key.size();
    if (layout::state_of(result.word) != state::live
        || Sync::template read_object<std::uint32_t>(
             bytes + offsetof(block_type, kind))
             != kind
        || !same_key<Sync>(value, key)) [[unlikely]]
      return nullptr;
    return value;
  }

  /// Whether what `find_usual` found still stands.
  [[nodiscard]] NEUROPLEX_INLINE static bool
  unchanged(const location& where) noexcept {
    Sync::after_read();
    return where.block->word.load(std::memory_order_acquire) == where.word
           && where.slot->load(std::memory_order_acquire) == where.raw;
  }

  /// Looks for a live entry. `found` says that it was there when its slot was
  /// read; the caller checks slot and word again after using it. `absent` has
  /// been checked against a doubling of the index.
  [[nodiscard]] NEUROPLEX_INLINE lookup find(const home& at, std::uint64_t hash,
                                             std::uint8_t ns,
                                             std::string_view key,
                                             location& result) const noexcept {
    auto tag = tag_of(hash);
    auto& first = line_at(at, 0);
    auto probe = layout::probe_of(first.meta.load(std::memory_order_acquire));
    for (unsigned distance = 0; distance <= probe; ++distance) {
      auto& line = distance == 0 ? first : line_at(at, distance);
      for (auto mask = Sync::match_tags(line.tags, tag); mask != 0;
           mask &= mask - 1) {
        auto i = static_cast<unsigned>(std::countr_zero(mask));
        auto seen = examine(line.slots[i], ns, key, result);
        if (seen == lookup::absent)
          continue;
        if (seen == lookup::retry)
          return lookup::retry;
        if (layout::is_frozen(result.raw) && !at.old_table && !still_home(at))
          return lookup::retry; // a doubling began after `at` was computed
        result.slot_id = slot_id(at, distance, i);
        return lookup::found;
      }
    }
    Sync::after_read();
    return still_home(at) ? lookup::absent : lookup::retry;
  }

  /// `find` for who means to change what he finds: a slot that only a scribble
  /// can have frozen is open again.
  [[nodiscard]] NEUROPLEX_INLINE lookup find_to_write(
    context& self, const home& at, std::uint64_t hash, std::uint8_t ns,
    std::string_view key, location& result) const noexcept {
    auto seen = find(at, hash, ns, key, result);
    if (seen != lookup::found || !layout::is_frozen(result.raw) || at.old_table)
      [[likely]]
      return seen;
    return thaw(self, at, result) ? seen : lookup::retry;
  }

  /// Whether the slot still names the block in the state that `find` saw. To be
  /// called after the entry's bytes have been copied.
  [[nodiscard]] NEUROPLEX_INLINE bool
  unchanged(const home& at, const location& where) const noexcept {
    return unchanged(where) && (!at.old_table || still_home(at));
  }

  /// The same after the block has been pinned: a slot that still names it now
  /// was not changed before the pin was seen.
  [[nodiscard]] bool unchanged_since_pin(const home& at,
                                         const location& where) const noexcept {
    // seq_cst: after the pin; pairs with the pin filter, which looks after the
    // slot was changed.
    return where.slot->load(std::memory_order_seq_cst) == where.raw
           && unchanged(at, where);
  }

  // -- reference bits ---------------------------------------------------------

  /// Notes that an entry was used, if nobody did since the hand of eviction
  /// came by. Writes to the segment.
  NEUROPLEX_INLINE static void note_use(const location& where) noexcept {
    if (!noted(where)) [[unlikely]]
      meta_of(where).fetch_or(reference_bit(where), std::memory_order_relaxed);
  }

  [[nodiscard]] NEUROPLEX_INLINE static bool
  noted(const location& where) noexcept {
    return (meta_of(where).load(std::memory_order_relaxed)
            & reference_bit(where))
           != 0;
  }

  /// Sets the bit of an entry that has just taken its slot.
  static void set_noted(const location& where, bool used) noexcept {
    if (used)
      note_use(where);
    else if (noted(where))
      meta_of(where).fetch_and(~reference_bit(where),
                               std::memory_order_relaxed);
  }

  /// Asks for the block that a slot names.
  NEUROPLEX_INLINE void prefetch_slot(
    const typename Sync::template atomic<std::uint32_t>& slot) const noexcept {
    auto raw = slot.load(std::memory_order_relaxed);
    prefetch_line(arena_.block_unchecked(layout::granule_of(raw)));
  }

  // -- changes ----------------------------------------------------------------

  /// Finds an empty slot for a key whose home is `at`, and raises the home
  /// line's probe distance if need be. `absent` when the group is full.
  [[nodiscard]] lookup find_empty(const home& at, location& result,
                                  unsigned& distance) const noexcept {
    for (distance = 0; distance < layout::lines_per_group; ++distance) {
      auto& line = line_at(at, distance);
      for (unsigned i = 0; i < layout::slots_per_line; ++i) {
        auto raw = line.slots[i].load(std::memory_order_relaxed);
        if (layout::is_frozen(raw) || raw == layout::slot_closed) {
          Sync::after_read(); // before the state of the index
          if (!still_home(at))
            return lookup::retry;
          continue; // scribbled over
        }
        if (raw != layout::slot_empty)
          continue;
        raise_probe(line_at(at, 0), distance);
        result.slot = &line.slots[i];
        result.raw = raw;
        result.slot_id = slot_id(at, distance, i);
        return lookup::found;
      }
    }
    return lookup::absent;
  }

  void set_tag(std::uint64_t slot_id, std::uint64_t hash) noexcept {
    auto place = decode(slot_id);
    // seq_cst: orders the tag before the search for rivals that follows; pairs
    // with the same exchange in the rival.
    arena_.line(place.level, place.line)
      .tags[place.slot]
      .exchange(tag_of(hash), std::memory_order_seq_cst);
  }

  /// Looks for another entry of the key while our own is `inserting`. Rivals
  /// that are inserting are told so. `found`: a live one is there. `absent`:
  /// none is left.
  [[nodiscard]] lookup settle_rivals(const home& at, std::uint64_t hash,
                                     std::uint8_t ns, std::string_view key,
                                     std::uint32_t own_granule) noexcept {
    auto tag = tag_of(hash);
    auto probe =
      layout::probe_of(line_at(at, 0).meta.load(std::memory_order_seq_cst));
    for (unsigned distance = 0; distance <= probe; ++distance) {
      auto& line = line_at(at, distance);
      // seq_cst: pairs with the rival's exchange in `set_tag`.
      for (auto mask =
             Sync::match_tags(line.tags, tag, std::memory_order_seq_cst);
           mask != 0; mask &= mask - 1) {
        auto& slot = line.slots[std::countr_zero(mask)];
        for (unsigned attempt = 0;; ++attempt) {
          location other;
          auto seen = examine(slot, ns, key, other, true);
          if (seen == lookup::retry) {
            if (attempt >= max_rounds)
              return lookup::retry;
            continue;
          }
          if (seen == lookup::absent || other.granule() == own_granule)
            break;
          if (layout::state_of(other.word) == state::live)
            return lookup::found;
          auto word = other.word;
          if (other.block->word.compare_exchange_strong(
                word,
                layout::next_word(word, state::collided,
                                  layout::owner_of(word)),
                std::memory_order_seq_cst))
            break;
        }
      }
    }
    return lookup::absent;
  }

  // -- doubling ---------------------------------------------------------------

  /// Opens the next table, whose memory the caller has committed. False when a
  /// doubling is under way or there is no further level.
  bool begin_doubling(std::uint32_t index_state) noexcept {
    auto& control = arena_.control();
    auto level = arena_.level_of(index_state);
    if ((index_state & layout::index_migrating) != 0
        || level + 1 >= arena_.shape().index_levels)
      return false;
    if (!control.index_state.compare_exchange_strong(
          index_state, index_state | layout::index_migrating,
          std::memory_order_seq_cst))
      return false;
    control.index_doublings.fetch_add(1, std::memory_order_relaxed);
    return true;
  }

  /// Carries over one more group of a doubling under way, and ends it after the
  /// last. Answers false when the index is not doubling.
  bool help_doubling(context& self, const home& at) noexcept {
    auto& control = arena_.control();
    if ((at.index_state & layout::index_migrating) == 0)
      return false;
    auto level = arena_.level_of(at.index_state);
    auto groups = arena_.lines(level) / layout::lines_per_group;
    auto turn =
      control.migration_cursor.fetch_add(1, std::memory_order_relaxed);
    if (turn < groups) {
      carry_over(self, level, turn);
      return true;
    }
    // Everybody has had his turn. Now and then somebody looks whether all are
    // done, and does what a dead helper left.
    constexpr std::uint32_t look_every = 16;
    if ((turn - groups) % look_every != 0)
      return true;
    for (std::uint64_t group = 0; group < groups; ++group)
      carry_over(self, level, group);
    auto expected = at.index_state;
    control.migration_cursor.store(0, std::memory_order_relaxed);
    control.index_state.compare_exchange_strong(expected, level + 1,
                                                std::memory_order_seq_cst);
    return true;
  }

  /// Calls `visit(location)` for each live entry in the lines that entries of
  /// home line `at` may be in. `visit` answers false when the slot changed
  /// while it looked: it is then shown the slot's new entry, so none is missed
  /// that is there all the time.
  template <class Visit>
  void visit_line(const home& at, Visit&& visit) const {
    auto probe =
      layout::probe_of(line_at(at, 0).meta.load(std::memory_order_acquire));
    for (unsigned distance = 0; distance <= probe; ++distance) {
      auto& line = line_at(at, distance);
      for (unsigned i = 0; i < layout::slots_per_line; ++i) {
        location where;
        where.slot = &line.slots[i];
        where.slot_id = slot_id(at, distance, i);
        for (unsigned attempt = 0; attempt < max_rounds; ++attempt)
          if (visit_slot(where, visit))
            break;
      }
    }
  }

  // -- slot numbers -----------------------------------------------------------

  struct place {
    unsigned level;
    std::uint64_t line;
    unsigned slot;
  };

  /// The place that a slot number in an intent names, made harmless.
  [[nodiscard]] place decode(std::uint64_t slot_id) const noexcept {
    place result{};
    result.slot =
      static_cast<unsigned>(slot_id & 0xFU) % layout::slots_per_line;
    result.level =
      arena_.level_of(static_cast<std::uint32_t>(slot_id >> 4) & 0x1FU);
    result.line = (slot_id >> 9 & ((std::uint64_t{1} << 47) - 1))
                  % arena_.lines(result.level);
    return result;
  }

  /// The number of a slot of the table of `level`.
  [[nodiscard]] std::uint64_t slot_id_of(
    unsigned level,
    const typename Sync::template atomic<std::uint32_t>* slot) const noexcept {
    auto offset = static_cast<std::uint64_t>(
      reinterpret_cast<const std::byte*>(slot)
      - reinterpret_cast<const std::byte*>(&arena_.line(level, 0)));
    return offset / sizeof(line_type) << 9 | std::uint64_t{level & 0x1FU} << 4
           | offset % sizeof(line_type) / sizeof(std::uint32_t);
  }

  [[nodiscard]] typename Sync::template atomic<std::uint32_t>&
  slot_at(std::uint64_t slot_id) const noexcept {
    auto where = decode(slot_id);
    return arena_.line(where.level, where.line).slots[where.slot];
  }

  /// Reads the fields of `where.block`; false when they leave the file.
  NEUROPLEX_INLINE bool read_fields(location& where) const noexcept {
    where.fields = layout::read_entry_fields<Sync>(
      reinterpret_cast<const std::byte*>(where.block));
    return fields_fit(where);
  }

  /// Whether an entry with the fields of `where` fits into limits and file.
  [[nodiscard]] bool fields_fit(const location& where) const noexcept {
    return where.fields.value_bytes <= arena_.shape().max_value_bytes
           && where.fields.total_bytes() <= arena_.room_after(where.block);
  }

private:
  // A line begins at a multiple of its size.
  [[nodiscard]] NEUROPLEX_INLINE static auto&
  meta_of(const location& where) noexcept {
    auto address = reinterpret_cast<std::uintptr_t>(where.slot);
    return reinterpret_cast<line_type*>(address & ~(sizeof(line_type) - 1))
      ->meta;
  }

  [[nodiscard]] NEUROPLEX_INLINE static std::uint32_t
  reference_bit(const location& where) noexcept {
    auto address = reinterpret_cast<std::uintptr_t>(where.slot);
    return std::uint32_t{1}
           << (address % sizeof(line_type) / sizeof(std::uint32_t));
  }

  /// The home line, unless the index is doubling.
  [[nodiscard]] NEUROPLEX_INLINE const line_type*
  likely_line(std::uint64_t hash) const noexcept {
    auto level = arena_.level_of(
      arena_.control().index_state.load(std::memory_order_relaxed));
    return &arena_.line(level, line_of(hash, arena_.lines(level)));
  }

  static constexpr unsigned max_rounds = 1U << 13;

  [[nodiscard]] static std::uint64_t probe_line(std::uint64_t line,
                                                unsigned distance) noexcept {
    constexpr std::uint64_t in_group = layout::lines_per_group - 1;
    return (line & ~in_group) | ((line + distance) & in_group);
  }

  [[nodiscard]] std::uint64_t slot_id(const home& at, unsigned distance,
                                      unsigned slot) const noexcept {
    return probe_line(at.line, distance) << 9
           | std::uint64_t{at.level & 0x1FU} << 4 | slot;
  }

  [[nodiscard]] bool carried_over(unsigned level,
                                  std::uint64_t line) const noexcept {
    constexpr std::uint64_t in_group = layout::lines_per_group - 1;
    return (arena_.line(level, line & ~in_group)
              .meta.load(std::memory_order_acquire)
            & layout::meta_carried_over)
           != 0;
  }

  /// False when the slot changed meanwhile.
  template <class Visit>
  bool visit_slot(location& where, Visit&& visit) const {
    where.raw = where.slot->load(std::memory_order_acquire);
    if (!layout::holds_block(where.raw))
      return true;
    where.block = arena_.block(where.granule());
    if (where.block == nullptr)
      return true;
    where.word = where.block->word.load(std::memory_order_acquire);
    if (layout::state_of(where.word) == state::live && read_fields(where))
      return visit(where);
    // Not there yet, scribbled over, or reused between the two loads.
    return unchanged(where);
  }

  NEUROPLEX_INLINE static void
  prefetch_block(const block_type* block) noexcept {
    auto* bytes = reinterpret_cast<const char*>(block);
    prefetch_line(bytes);
    prefetch_rest(block);
  }

  /// The lines that follow a block's first.
  NEUROPLEX_INLINE static void prefetch_rest(const block_type* block) noexcept {
    auto* bytes = reinterpret_cast<const char*>(block);
    prefetch_line(bytes + layout::line_bytes);
    prefetch_line(bytes + 2 * layout::line_bytes);
  }

  /// Reads a slot and decides whether it names an entry of the key: live, or
  /// (if asked) inserting as well.
  [[nodiscard]] NEUROPLEX_INLINE lookup
  examine(typename Sync::template atomic<std::uint32_t>& slot, std::uint8_t ns,
          std::string_view key, location& result,
          bool inserting_too = false) const noexcept {
    result.slot = &slot;
    result.raw = slot.load(std::memory_order_acquire);
    if (!layout::holds_block(result.raw))
      return lookup::absent;
    result.block = arena_.block(result.granule());
    if (result.block == nullptr)
      return lookup::absent; // scribbled over
    prefetch_block(result.block);
    result.word = result.block->word.load(std::memory_order_acquire);
    auto in = layout::state_of(result.word);
    if (in != state::live) {
      if (in == state::inserting && inserting_too)
        ;
      else // not there yet, reused between the two loads, or scribbled over
        return slot.load(std::memory_order_acquire) == result.raw
                   && result.block->word.load(std::memory_order_acquire)
                        == result.word
                 ? lookup::absent
                 : lookup::retry;
    }
    bool matches = read_fields(result) && result.fields.ns() == ns
                   && result.fields.key_bytes() == key.size()
                   && Sync::equal(result.payload(), key.data(), key.size());
    if (matches)
      return lookup::found;
    // Another key, or a block that was reused while we looked, be it before the
    // word was loaded?
    return unchanged(result) ? lookup::absent : lookup::retry;
  }

  /// Opens a slot that is frozen though its table is open. If a doubling begins
  /// meanwhile, it is to find the slot as it was.
  [[gnu::noinline]] bool thaw(context& self, const home& at,
                              location& where) const noexcept {
    auto frozen = where.raw;
    auto open = layout::granule_of(frozen);
    where.raw = open;
    if (!where.slot->compare_exchange_strong(frozen, open,
                                             std::memory_order_seq_cst))
      return false;
    bump(self.slot->damage, 1U);
    if (still_home(at))
      return true;
    where.slot->compare_exchange_strong(open, frozen,
                                        std::memory_order_seq_cst);
    return false;
  }

  static void raise_probe(line_type& line, unsigned distance) noexcept {
    auto meta = line.meta.load(std::memory_order_relaxed);
    while (layout::probe_of(meta) < distance) {
      auto raised = (meta & ~layout::meta_probe_mask)
                    | (distance << layout::meta_probe_shift);
      // seq_cst: before the slot is taken; pairs with the load in
      // settle_rivals.
      if (line.meta.compare_exchange_weak(meta, raised,
                                          std::memory_order_seq_cst))
        return;
    }
  }

  // -- carrying a group over --------------------------------------------------

  /// Freezes a slot in the state empty or live. A block that is inserting is
  /// made to collide, so that all helpers see the same.
  void freeze(context& self,
              typename Sync::template atomic<std::uint32_t>& slot) noexcept {
    auto& own = *self.slot;
    for (unsigned attempt = 0; attempt < max_rounds; ++attempt) {
      auto raw = slot.load(std::memory_order_acquire);
      if (layout::is_frozen(raw))
        break;
      auto frozen = raw | layout::slot_frozen;
      if (layout::holds_block(raw)) {
        own.old_granule.store(raw, std::memory_order_relaxed);
        own.intent.exchange(static_cast<std::uint64_t>(layout::intent_kind::pin)
                              << layout::intent_kind_shift,
                            std::memory_order_seq_cst);
        if (slot.load(std::memory_order_seq_cst) != raw)
          continue;
        auto* block = arena_.block(raw);
        auto word =
          block == nullptr ? 0 : block->word.load(std::memory_order_acquire);
        auto in = layout::state_of(word);
        if (in == state::inserting
            && !block->word.compare_exchange_strong(
              word,
              layout::next_word(word, state::collided, layout::owner_of(word)),
              std::memory_order_seq_cst))
          continue; // it may be live now
        if (in != state::live)
          frozen = layout::slot_empty | layout::slot_frozen;
      }
      if (slot.compare_exchange_strong(raw, frozen, std::memory_order_seq_cst))
        break;
    }
    own.intent.store(0, std::memory_order_release);
  }

  /// The two groups that a frozen group becomes.
  struct new_groups {
    static constexpr unsigned line_count = 2 * layout::lines_per_group;
    std::array<std::array<std::uint32_t, layout::slots_per_line>, line_count>
      slots{};
    std::array<std::array<std::uint8_t, layout::slots_per_line>, line_count>
      tags{};
    std::array<unsigned, line_count> counts{};
    std::array<unsigned, line_count> probes{};
    std::array<std::uint32_t, line_count> references{};

    void add(unsigned home_line, std::uint32_t granule, std::uint8_t tag,
             bool used) noexcept {
      for (unsigned distance = 0; distance < layout::lines_per_group;
           ++distance) {
        auto line = static_cast<unsigned>(probe_line(home_line, distance));
        auto& count = counts[line];
        if (count == layout::slots_per_line)
          continue;
        slots[line][count] = granule;
        tags[line][count] = tag;
        if (used)
          references[line] |= 1U << count;
        ++count;
        probes[home_line] = std::max(probes[home_line], distance);
        return;
      }
    }
  };

  void carry_over(context& self, unsigned level, std::uint64_t group) noexcept {
    auto begin = group * layout::lines_per_group;
    if (level + 1 >= arena_.shape().index_levels || carried_over(level, begin))
      return;
    for (unsigned i = 0; i < layout::lines_per_group; ++i)
      for (auto& slot : arena_.line(level, begin + i).slots)
        freeze(self, slot);
    auto target = std::make_unique<new_groups>();
    std::string key;
    for (unsigned i = 0; i < layout::lines_per_group; ++i) {
      auto& line = arena_.line(level, begin + i);
      for (auto& slot : line.slots) {
        auto raw = slot.load(std::memory_order_acquire);
        location where;
        where.slot = &slot;
        where.raw = raw;
        if (!layout::holds_block(raw)
            || (where.block = arena_.block(where.granule())) == nullptr
            || !read_fields(where))
          continue;
        key.resize(where.fields.key_bytes());
        Sync::read(key.data(), where.payload(), key.size());
        auto hash = hash_key(where.fields.ns(), key);
        auto home_line = line_of(hash, arena_.lines(level + 1));
        if (home_line / 2 / layout::lines_per_group == group)
          target->add(static_cast<unsigned>(home_line - 2 * begin),
                      where.granule(), tag_of(hash), noted(where));
      }
    }
    for (unsigned i = 0; i < new_groups::line_count; ++i) {
      auto& line = arena_.line(level + 1, 2 * begin + i);
      for (unsigned s = 0; s < layout::slots_per_line; ++s) {
        auto closed = layout::slot_closed;
        auto granule = target->slots[i][s];
        line.slots[s].compare_exchange_strong(
          closed, granule == 0 ? layout::slot_empty : granule,
          std::memory_order_acq_rel);
      }
      // A tag is any byte: one by one, a helper who was off the processor might
      // take the 0 of an entry that came later for no tag yet.
      Sync::open_tags(line.tags, line.meta, target->tags[i],
                      layout::meta_open | target->references[i]
                        | (target->probes[i] << layout::meta_probe_shift));
    }
    arena_.line(level, begin)
      .meta.fetch_or(layout::meta_carried_over, std::memory_order_seq_cst);
  }

  arena_type arena_;
};

} // namespace neuroplex::memory
