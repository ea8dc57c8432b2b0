// The format of a segment, version 4: every structure that lies in the file.
//
//   offset 0      header, 64 bytes, written once, checksummed
//          64     control: index state, pool size, counters, class cursors
//          4 KiB  namespace records, 256 x 384 bytes
//          ...    participant records, 64 bytes a process
//          ...    thread slots: intent, pins, counters, magazines
//          ...    backup record, 64 bytes, then a dirty mark a region
//          ...    index tables: level k has base << k lines of 64 bytes
//          ...    ghosts, 4 bytes each, where a policy keeps some
//          ...    page directory, 16 bytes a pool page
//          ...    pool pages
//
// Everything is an offset, never a pointer. A block is named by its granule:
// its file offset divided by 16 (by 32 in files above 32 GiB). Little-endian.
//
// Line (64 bytes): 12 slots of 32 bits, 12 tags of a byte, a word `meta`.
//   slot   0 closed (its group was not carried over yet), 1 empty, else the
//          granule of a block; the top bit freezes it for ever (index doubling)
//   meta   bits 0-11 reference bits: used since the hand of eviction came by;
//          12-17 how many lines further an entry of this home line may lie, 18
//          open, 19 group carried over
// 64 lines make a group (4 KiB): probing stays in it, and it is the unit in
// which the index doubles.
//
// Block: header of 24 bytes, 8 bytes of expiry if flagged, key, value.
//   word   bits 0-2 state, 3-15 owner (thread slot + 1), 16-63 version. Each
//          change of the word adds one to the version.
//
// Span: one or more pool pages carved into blocks of one size, or one large
// block. Its first bytes are a bitmap: a set bit says that the block may be
// free; the block's word decides. Where the blocks are few, the bitmap is in
// the page's record instead, so that blocks of a page's size fill the page.
#pragma once

#include "memory/limits.hpp"
#include "memory/sync.hpp"

#include <cstddef>
#include <cstdint>

namespace neuroplex::memory::layout {

inline constexpr std::uint32_t magic = 0x464C4F57; // "FLOW"
inline constexpr std::uint32_t version = 4;
inline constexpr std::uint32_t byte_order_mark = 0x01020304;

inline constexpr std::uint64_t line_bytes = 64;
inline constexpr unsigned slots_per_line = 12;
inline constexpr unsigned lines_per_group = 64;
inline constexpr unsigned max_index_levels = 24;
inline constexpr unsigned max_classes = 256;
inline constexpr unsigned small_class_step = 16;
inline constexpr std::uint64_t min_block_bytes = 32;
inline constexpr std::uint64_t control_offset = 64;
inline constexpr std::uint64_t namespaces_offset = 4096;

/// Largest number of thread slots the owner field of a word can name.
inline constexpr unsigned max_thread_slots = (1U << 13) - 2;

// -- slots --------------------------------------------------------------------

inline constexpr std::uint32_t slot_closed = 0;
inline constexpr std::uint32_t slot_empty = 1;
inline constexpr std::uint32_t slot_frozen = 0x8000'0000U;

constexpr bool is_frozen(std::uint32_t slot) noexcept {
  return (slot & slot_frozen) != 0;
}

constexpr std::uint32_t granule_of(std::uint32_t slot) noexcept {
  return slot & ~slot_frozen;
}

constexpr bool holds_block(std::uint32_t slot) noexcept {
  return granule_of(slot) > slot_empty;
}

// -- line meta ----------------------------------------------------------------

inline constexpr unsigned meta_probe_shift = 12;
inline constexpr std::uint32_t meta_probe_mask = 0x3FU << meta_probe_shift;
inline constexpr std::uint32_t meta_open = 1U << 18;
inline constexpr std::uint32_t meta_carried_over = 1U << 19;

constexpr unsigned probe_of(std::uint32_t meta) noexcept {
  return (meta & meta_probe_mask) >> meta_probe_shift;
}

// -- block words --------------------------------------------------------------

enum class block_state : std::uint8_t {
  free = 0,      ///< nobody's; allocatable when its bitmap bit is set
  held = 1,      ///< in a thread's magazine, or being filled by it
  inserting = 2, ///< in a slot, not yet visible: uniqueness is being settled
  live = 3,      ///< visible while a slot names it
  retired = 4,   ///< displaced; waits until nobody pins it
  collided = 5,  ///< an insertion that lost; its owner takes it back
};

inline constexpr std::uint64_t word_version_one = std::uint64_t{1} << 16;
inline constexpr std::uint64_t word_version_mask = ~(word_version_one - 1);

constexpr block_state state_of(std::uint64_t word) noexcept {
  return static_cast<block_state>(word & 7U);
}

constexpr unsigned owner_of(std::uint64_t word) noexcept {
  return static_cast<unsigned>(word >> 3) & 0x1FFFU;
}

/// The word that follows `word`: next version, given state and owner.
constexpr std::uint64_t next_word(std::uint64_t word, block_state state,
                                  unsigned owner) noexcept {
  return ((word & word_version_mask) + word_version_one)
         | (static_cast<std::uint64_t>(owner) << 3)
         | static_cast<std::uint64_t>(state);
}

// -- structures ---------------------------------------------------------------

struct header {
  std::uint32_t magic;
  std::uint32_t version;
  std::uint32_t byte_order_mark;
  std::uint8_t page_shift;
  std::uint8_t granule_shift;
  std::uint16_t participant_count;
  std::uint32_t base_lines;
  std::uint32_t initial_pages;
  std::uint32_t reserved_pages;
  std::uint16_t thread_count;
  std::uint8_t index_levels;
  std::uint8_t reserved_0;
  std::uint64_t file_bytes;
  std::uint64_t creation_id; ///< random; tells two segments of one path apart
  std::uint64_t reserved_1;
  std::uint64_t checksum; ///< XXH3 of the 56 bytes before
};
static_assert(sizeof(header) == 64);

/// Per size class, to find spans with free blocks.
template <class Sync>
struct class_control {
  typename Sync::template atomic<std::uint32_t> cursor;
  typename Sync::template atomic<std::uint32_t> free_blocks; ///< a hint
};

template <class Sync>
struct control {
  // Read by every operation, written when the index grows.
  typename Sync::template atomic<std::uint32_t> index_state;
  typename Sync::template atomic<std::uint32_t> committed_pages;
  /// Not zero once somebody died who may have left a counter undone: the
  /// namespaces' counters; `used_pages`.
  typename Sync::template atomic<std::uint32_t> entries_in_doubt;
  typename Sync::template atomic<std::uint32_t> pages_in_doubt;
  std::uint8_t pad_0[48];

  // Written now and then.
  typename Sync::template atomic<std::uint64_t> carve_epoch;
  typename Sync::template atomic<std::uint32_t> page_cursor;
  typename Sync::template atomic<std::uint32_t> used_pages;
  typename Sync::template atomic<std::uint32_t> migration_cursor;
  typename Sync::template atomic<std::uint32_t> groups_carried;
  typename Sync::template atomic<std::uint32_t> clean_shutdown;
  typename Sync::template atomic<std::uint32_t> index_doublings;
  typename Sync::template atomic<std::uint64_t> recoveries;
  typename Sync::template atomic<std::uint64_t> incarnations;
  typename Sync::template atomic<std::uint32_t> threads_high; ///< slots used
  /// Where the hand of eviction is, as a fraction of the index.
  typename Sync::template atomic<std::uint32_t> eviction_hand;
  /// Counts refills of magazines and runs of eviction: the time that eviction
  /// goes by.
  typename Sync::template atomic<std::uint32_t> eviction_clock;
  /// Percent of the pool from which on eviction begins; 0 is the default.
  typename Sync::template atomic<std::uint32_t> eviction_percent;
  /// Class of which compaction wants the blocks that threads keep ready, above
  /// it a count of such wishes.
  typename Sync::template atomic<std::uint32_t> asked_for;
  /// How many ghosts are in use, as a power of two; 0 for none (ghosts.hpp).
  typename Sync::template atomic<std::uint32_t> ghost_bits;
  /// Number of the content that was made last; none is given twice.
  typename Sync::template atomic<std::uint64_t> contents_made;
  /// Not zero once somebody died who may have left a count of references
  /// undone; see content_counts.hpp.
  typename Sync::template atomic<std::uint32_t> contents_in_doubt;
  std::uint8_t pad_1[44];

  typename Sync::template atomic<std::uint32_t>
    namespace_states[limits::max_namespaces];
  class_control<Sync> classes[max_classes];
};
static_assert(sizeof(control<native_sync>) + control_offset
              <= namespaces_offset);

inline constexpr std::uint32_t index_level_mask = 0xFF;
inline constexpr std::uint32_t index_migrating = 0x100;

/// Lowest byte of a namespace's word; the bits above count how often the id was
/// given out, so that a slow writer cannot write into a successor.
enum class namespace_state : std::uint8_t {
  free = 0,
  creating = 1,
  live = 2,
  dropping = 3,
  live_inline = 4, ///< its entries are in a table of their own
  contents = 5,    ///< holds what entries of another namespace refer to
};

constexpr namespace_state namespace_state_of(std::uint32_t word) noexcept {
  return static_cast<namespace_state>(word & 0xFFU);
}

/// Whether the namespace may be used, in whatever mode.
constexpr bool is_live(std::uint32_t word) noexcept {
  auto state = namespace_state_of(word);
  return state == namespace_state::live
         || state == namespace_state::live_inline;
}

/// Whether its entries lie in blocks of their own, which its record counts. One
/// test of a bit: eviction asks for all namespaces.
constexpr bool has_blocks(std::uint32_t word) noexcept {
  constexpr std::uint32_t states =
    1U << static_cast<unsigned>(namespace_state::live)
    | 1U << static_cast<unsigned>(namespace_state::contents);
  return (states >> (word % 32) & 1U) != 0;
}

constexpr std::uint32_t with_namespace_state(std::uint32_t word,
                                             namespace_state state) noexcept {
  return (word & ~0xFFU) | static_cast<std::uint32_t>(state);
}

constexpr std::uint32_t next_namespace(std::uint32_t word) noexcept {
  return (word & ~0xFFU) + 0x100U;
}

/// `namespace_record::storing`: how values are stored. Zero: as they are.
inline constexpr std::uint8_t storing_compression = 0x7F; ///< the mode
inline constexpr std::uint8_t storing_shared = 0x80; ///< there are contents

/// Settings, which writers read, lie apart from the counters they write.
template <class Sync>
struct namespace_record {
  // Line 0: settings.
  typename Sync::template atomic<std::uint64_t> quota_bytes; ///< 0 for none
  typename Sync::template atomic<std::uint64_t> default_ttl_ms;
  std::uint32_t name_hash;
  typename Sync::template atomic<std::uint8_t> policy;
  typename Sync::template atomic<std::uint8_t> priority_class;
  typename Sync::template atomic<std::uint8_t> storing;
  std::uint8_t name_bytes;
  std::uint64_t reserved_0[4];
  /// Shortest value that is shared with equal ones, 0 for none.
  typename Sync::template atomic<std::uint32_t> share_from;
  /// Number of the namespace that holds the contents, if `storing` says that
  /// there is one; of that one, the namespace that they belong to.
  typename Sync::template atomic<std::uint8_t> contents;
  std::uint8_t reserved_1[3];

  // Line 1: counters.
  typename Sync::template atomic<std::uint64_t> entries;
  typename Sync::template atomic<std::uint64_t> block_bytes;
  std::uint64_t inline_block_word; ///< of the block with its table
  std::uint32_t inline_granule;    ///< of that block, 0 for none
  /// Newcomers among the entries that eviction saw, in 1/65536.
  typename Sync::template atomic<std::uint16_t> newcomer_share;
  /// Where the policy is `adaptive`: the order that rules, and what others
  /// would have won and lost in its place (advice.hpp).
  typename Sync::template atomic<std::uint8_t> ruling_order;
  std::uint8_t reserved_2;
  /// Of contents: entries that refer to them, and the length of their values.
  typename Sync::template atomic<std::uint64_t> references;
  typename Sync::template atomic<std::uint64_t> referred_bytes;
  typename Sync::template atomic<std::uint16_t> order_won[4];
  typename Sync::template atomic<std::uint16_t> order_lost[4];

  char name[256];
};
static_assert(sizeof(namespace_record<native_sync>) == 384);

enum class participant_state : std::uint32_t { free = 0, attached = 1 };

/// A process' record. Liveness is an OFD lock on the record's number.
template <class Sync>
struct participant {
  typename Sync::template atomic<std::uint32_t> state;
  typename Sync::template atomic<std::uint32_t> pid;        ///< a hint
  typename Sync::template atomic<std::uint64_t> start_time; ///< a hint
  typename Sync::template atomic<std::uint64_t> incarnation;
  std::uint8_t reserved[40];
};
static_assert(sizeof(participant<native_sync>) == 64);

/// What a thread is about to do, so that a survivor can finish or undo it.
enum class intent_kind : std::uint64_t {
  none = 0,
  insert = 1,  ///< slot: empty -> new block
  replace = 2, ///< slot: old block -> new block
  erase = 3,   ///< slot: old block -> empty
  pin = 4,     ///< nothing to undo: the old block must not be reused
};

template <class Sync>
struct magazine {
  typename Sync::template atomic<std::uint32_t> head; ///< granule, linked
  typename Sync::template atomic<std::uint32_t> count;
};

/// A thread's slot. Only its thread writes it (or, once the process is dead,
/// who recovers it); others read intent and pins before they reuse a block.
template <class Sync>
struct thread_slot {
  // Line 0: owner and intent.
  typename Sync::template atomic<std::uint32_t> participant_plus_one;
  typename Sync::template atomic<std::uint32_t> old_granule; ///< pinned
  typename Sync::template atomic<std::uint64_t> intent; ///< kind << 56 | slot
  typename Sync::template atomic<std::uint64_t> old_word;
  typename Sync::template atomic<std::uint64_t> new_word;
  typename Sync::template atomic<std::uint32_t> new_granule;
  typename Sync::template atomic<std::uint32_t> pending; ///< block in transit
  /// Block that a survivor is taking from this slot's lists.
  typename Sync::template atomic<std::uint32_t> recovering;
  /// Odd while the thread changes who refers to what; see content_counts.hpp.
  typename Sync::template atomic<std::uint32_t> sharing;
  std::uint8_t pad_0[16];

  // Line 1: pins of views, and the list of displaced blocks.
  typename Sync::template atomic<std::uint32_t>
    pins[limits::max_views_per_thread];
  typename Sync::template atomic<std::uint32_t> retired_head;
  typename Sync::template atomic<std::uint32_t> retired_count;
  std::uint8_t pad_1[32];

  // Line 2: counters.
  typename Sync::template atomic<std::uint64_t> reads;
  typename Sync::template atomic<std::uint64_t> misses;
  typename Sync::template atomic<std::uint64_t> writes;
  typename Sync::template atomic<std::uint64_t> retries;
  typename Sync::template atomic<std::uint64_t> expired;
  typename Sync::template atomic<std::uint64_t> corrupt_reads;
  typename Sync::template atomic<std::uint64_t> evicted;
  /// Lists and slots that were found scribbled over.
  typename Sync::template atomic<std::uint64_t> damage;

  // Then a magazine for each class, in its own lines.
  magazine<Sync>* magazines() noexcept {
    return reinterpret_cast<magazine<Sync>*>(this + 1);
  }
};
static_assert(sizeof(thread_slot<native_sync>) == 192);

inline constexpr unsigned intent_kind_shift = 56;

template <class Sync>
struct alignas(64) line {
  typename Sync::template atomic<std::uint32_t> slots[slots_per_line];
  typename Sync::template atomic<std::uint8_t> tags[slots_per_line];
  typename Sync::template atomic<std::uint32_t> meta;
};
static_assert(sizeof(line<native_sync>) == line_bytes);

/// How far the backup of this segment has come. Written by whoever holds the
/// backup lock; a backup that finds anything but its own words here begins
/// anew.
template <class Sync>
struct backup_record {
  typename Sync::template atomic<std::uint64_t> chain_id; ///< the backup's
  typename Sync::template atomic<std::uint64_t> generation;
  typename Sync::template atomic<std::uint64_t> boot_id; ///< of the machine
  typename Sync::template atomic<std::uint32_t> in_progress;
  std::uint32_t reserved_0;
  /// Run of the machine in which somebody attached last, to write.
  typename Sync::template atomic<std::uint64_t> attached_boot_id;
  std::uint8_t reserved_1[24];
};
static_assert(sizeof(backup_record<native_sync>) == 64);

/// Most regions that changes are told apart by; see backup_marks.hpp.
inline constexpr std::uint32_t max_backup_regions = 1U << 22;

enum class page_state : std::uint8_t {
  free = 0,
  claimed = 1, ///< being set up or taken down by its owner
  span = 2,    ///< first page of a span of small blocks
  tail = 3,    ///< further page; `length` is the distance to the first
  large = 4,   ///< first page of a span that holds one block
};

/// bits 0-3 state, 4-15 class, 16-28 owner (thread slot + 1), 31 the span is
/// being emptied, 32-63 length in pages (first page) or distance (tail).
using page_info = std::uint64_t;

/// No block of the span is to be kept ready: its owner moves all out of it.
inline constexpr page_info page_emptying = page_info{1} << 31;

constexpr page_info make_page_info(page_state state, unsigned size_class,
                                   unsigned owner,
                                   std::uint32_t length) noexcept {
  return static_cast<std::uint64_t>(state)
         | (static_cast<std::uint64_t>(size_class) << 4)
         | (static_cast<std::uint64_t>(owner) << 16)
         | (static_cast<std::uint64_t>(length) << 32);
}

constexpr page_state page_state_of(page_info info) noexcept {
  return static_cast<page_state>(info & 0xFU);
}

constexpr unsigned page_class_of(page_info info) noexcept {
  return static_cast<unsigned>(info >> 4) & 0xFFFU;
}

constexpr unsigned page_owner_of(page_info info) noexcept {
  return static_cast<unsigned>(info >> 16) & 0x1FFFU;
}

constexpr std::uint32_t page_length_of(page_info info) noexcept {
  return static_cast<std::uint32_t>(info >> 32);
}

template <class Sync>
struct page_record {
  typename Sync::template atomic<page_info> info;
  typename Sync::template atomic<std::uint32_t> free_blocks; ///< a hint
  typename Sync::template atomic<std::uint32_t> bits; ///< of a span's blocks
};
static_assert(sizeof(page_record<native_sync>) == 16);

/// Spans of so many blocks have their bitmap in the page record.
inline constexpr std::uint32_t bits_in_record = 32;

// Block flags.
inline constexpr std::uint8_t flag_expires = 1;
inline constexpr std::uint8_t flag_packed = 2;  ///< see compression.hpp
inline constexpr std::uint8_t flag_refers = 4;  ///< see shared_reference.hpp
inline constexpr std::uint8_t flag_counted = 8; ///< record of a content
inline constexpr std::uint8_t form_flags =
  flag_packed | flag_refers | flag_counted;

/// Flags of an entry that stands for itself.
inline constexpr std::uint8_t entry_flags = flag_expires | flag_packed;

/// Key length (16 bits), namespace (8) and flags (8) of an entry in one number,
/// so that a reader compares all of them at once.
constexpr std::uint32_t make_entry_kind(std::size_t key_bytes, std::uint8_t ns,
                                        std::uint8_t flags) noexcept {
  return static_cast<std::uint32_t>(key_bytes) | std::uint32_t{ns} << 16
         | std::uint32_t{flags} << 24;
}

template <class Sync>
struct block_header {
  typename Sync::template atomic<std::uint64_t> word;
  /// Link of the list the block is in while it is held or retired; while it is
  /// live, what eviction remembers of it (stamp.hpp), or who refers to it
  /// (shared_reference.hpp).
  typename Sync::template atomic<std::uint32_t> link;
  std::uint32_t checksum;
  std::uint32_t value_bytes;
  std::uint32_t kind;
};
static_assert(sizeof(block_header<native_sync>) == 24);

/// The header's plain fields, copied out at once. 12 bytes from offset 12.
struct entry_fields {
  std::uint32_t checksum;
  std::uint32_t value_bytes;
  std::uint32_t kind;

  [[nodiscard]] std::size_t key_bytes() const noexcept {
    return kind & 0xFFFFU;
  }

  [[nodiscard]] std::uint8_t ns() const noexcept {
    return static_cast<std::uint8_t>(kind >> 16);
  }

  [[nodiscard]] bool expires() const noexcept {
    return (kind >> 24 & flag_expires) != 0;
  }

  [[nodiscard]] bool packed() const noexcept {
    return (kind >> 24 & flag_packed) != 0;
  }

  [[nodiscard]] bool refers() const noexcept {
    return (kind >> 24 & flag_refers) != 0;
  }

  [[nodiscard]] bool counted() const noexcept {
    return (kind >> 24 & flag_counted) != 0;
  }

  /// The flags that tell how the value is stored.
  [[nodiscard]] std::uint8_t form() const noexcept {
    return static_cast<std::uint8_t>(kind >> 24 & form_flags);
  }

  /// What the checksum covers of length and form of the value.
  [[nodiscard]] std::uint32_t length_and_form() const noexcept {
    constexpr unsigned form_shift = 30; // packed: a bit above any length
    constexpr unsigned other_shift = 26;
    std::uint32_t flags = kind >> 24;
    return value_bytes ^ (flags & flag_packed) << form_shift
           ^ (flags & (flag_refers | flag_counted)) << other_shift;
  }

  [[nodiscard]] std::uint64_t payload_offset() const noexcept {
    return sizeof(block_header<native_sync>) + (expires() ? 8U : 0U);
  }

  [[nodiscard]] std::uint64_t total_bytes() const noexcept {
    return payload_offset() + key_bytes() + value_bytes;
  }
};
static_assert(sizeof(entry_fields) == 12);
inline constexpr std::size_t entry_fields_offset = 12;

/// The fields of the block that begins at `block`, each in a register.
template <class Sync>
NEUROPLEX_INLINE entry_fields
read_entry_fields(const std::byte* block) noexcept {
  auto field = [&](std::size_t offset) {
    return Sync::template read_object<std::uint32_t>(block + entry_fields_offset
                                                     + offset);
  };
  return {.checksum = field(offsetof(entry_fields, checksum)),
          .value_bytes = field(offsetof(entry_fields, value_bytes)),
          .kind = field(offsetof(entry_fields, kind))};
}

} // namespace neuroplex::memory::layout
