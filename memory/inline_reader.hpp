// Lookups in the table of an inline namespace, and where things lie in it.
//
// Purpose: a lookup in the time of one cache miss. Tags are apart and dense;
// and a record's preferred places follow from the hash alone, so that they are
// asked for before the tags have come.
//
// Orderings. A group's word is looked at first (acquire: pairs with the
// exchange that publishes, so the tags and records it publishes are seen), then
// the tags, then the records that they name. What was copied from a record
// counts if afterwards its bit is set and its word is the one that was seen
// (`unchanged`). That nothing was found counts if the group's version is the
// same afterwards.
//
// Threads: all. Immutable after construction; writes nothing shared.
//
// Invariants: nothing read from the segment leads out of the table; sizes and
// places are this process' own copy. Every walk is bounded.
#pragma once

#include "memory/arena.hpp"
#include "memory/index.hpp"
#include "memory/inline_layout.hpp"
#include "memory/store.hpp"
#include "memory/unix_time.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>

namespace neuroplex::memory {

/// How long somebody goes on against others. Nobody waits for a stopped thread
/// here but in a full group, so that a long time means that, or a damaged
/// segment.
template <class Sync>
class patience {
public:
  /// After round `round` was lost: gives the others time, and answers whether
  /// there is reason to go on. `at_work()` is asked now and then whether there
  /// are others at all.
  template <class AtWork>
  [[nodiscard]] bool lose(unsigned round, AtWork&& at_work) {
    Sync::pause(round);
    constexpr unsigned rounds_a_look = 64;
    if (round % rounds_a_look != rounds_a_look - 1)
      return true;
    constexpr unsigned most_looks_at_nobody = 4;
    looks_at_nobody_ = at_work() ? 0 : looks_at_nobody_ + 1;
    auto now = clock::now();
    if (since_ == clock::time_point{})
      since_ = now;
    return looks_at_nobody_ < most_looks_at_nobody
           && now - since_ < std::chrono::seconds{1};
  }

private:
  using clock = std::chrono::steady_clock;

  clock::time_point since_{};
  unsigned looks_at_nobody_ = 0;
};

template <class Sync>
class basic_inline_reader {
public:
  using arena_type = basic_arena<Sync>;
  using line_type = layout::group_line<Sync>;
  using state = layout::block_state;
  using record_word = typename Sync::template atomic<std::uint64_t>;

  /// A record by its place, and what a lookup saw.
  struct location {
    line_type* line = nullptr;
    std::byte* record = nullptr;
    wide_value group_word{};
    std::uint64_t word = 0;
    std::uint32_t group = 0;
    unsigned number = 0; ///< in its group
  };

  /// `base` is where the table of `shape` lies, checked by the caller; `state`
  /// the namespace's word while it is live.
  basic_inline_reader(const arena_type& arena, std::byte* base,
                      const layout::inline_shape& shape, std::uint8_t ns,
                      std::uint32_t state) noexcept
    : lines_{reinterpret_cast<line_type*>(base + layout::inline_header_bytes)},
      records_{base + shape.records_offset()}, groups_{shape.groups},
      stride_{shape.record_bytes()}, value_offset_{shape.value_offset()},
      value_bytes_{shape.value_bytes},
      namespace_state_{&arena.control().namespace_states[ns]},
      live_state_{state}, ns_{ns}, shape_{shape}, arena_{arena} {
  }

  [[nodiscard]] const layout::inline_shape& shape() const noexcept {
    return shape_;
  }

  [[nodiscard]] std::uint8_t ns() const noexcept {
    return ns_;
  }

  [[nodiscard]] std::uint32_t live_state() const noexcept {
    return live_state_;
  }

  [[nodiscard]] std::uint32_t groups() const noexcept {
    return groups_;
  }

  /// Whether the namespace is still the one this table was opened for.
  [[nodiscard]] NEUROPLEX_INLINE bool stands() const noexcept {
    // Acquire: after what was read from the table. Its memory is given to
    // others only after the state has changed.
    return namespace_state_->load(std::memory_order_acquire) == live_state_;
  }

  // -- asking ahead -----------------------------------------------------------

  /// Asks for the tags of a hash.
  NEUROPLEX_INLINE void prefetch(std::uint64_t hash) const noexcept {
    prefetch_line(&lines_[home_of(hash)]);
  }

  /// Asks for both places where a record of this hash would rather be.
  NEUROPLEX_INLINE void prefetch_preferred(std::uint64_t hash) const noexcept {
    auto home = home_of(hash);
    prefetch_line(&lines_[home]);
    for (unsigned choice = 0; choice < preferred_places; ++choice)
      prefetch_record(record_at(home, preferred(hash, choice)));
  }

  /// Asks for the record that the tags of the home group name.
  NEUROPLEX_INLINE void prefetch_found(std::uint64_t hash) const noexcept {
    auto home = home_of(hash);
    auto& line = lines_[home];
    auto mask = layout::match_group(line, tag_of(hash)) & line.word.bits();
    // Some record rather than a branch on tags that have just arrived.
    constexpr auto guard = bit(layout::records_per_group - 1);
    prefetch_record(
      record_at(home, static_cast<unsigned>(std::countr_zero(mask | guard))));
  }

  // -- reading ----------------------------------------------------------------

  /// Looks for a live entry. `found` says that it was visible when the group's
  /// word was read, or is to be found out by `unchanged` after its use.
  template <class Key>
  [[nodiscard]] NEUROPLEX_INLINE lookup find(std::uint64_t hash, const Key& key,
                                             location& at) const noexcept {
    auto home = home_of(hash);
    at.group = home;
    unsigned farthest = 0;
    for (unsigned probe = 0;; ++probe) {
      auto seen = find_in_group(hash, key, at);
      if (seen != lookup::absent) [[likely]]
        return seen;
      if (probe == 0)
        farthest = farthest_of(at.group_word.bits);
      if (probe == farthest)
        return lookup::absent;
      at.group = next_group(home, at.group);
    }
  }

  /// Whether the entry is still published and its bytes are those of the word
  /// that was seen. The bit first: while the word stands, a set bit is its own.
  [[nodiscard]] NEUROPLEX_INLINE bool
  unchanged(const location& at) const noexcept {
    Sync::after_read();
    auto published = at.line->word.bits();
    return (published >> at.number & 1U) != 0
           && word_of(at.record).load(std::memory_order_acquire) == at.word;
  }

  [[nodiscard]] NEUROPLEX_INLINE std::int64_t
  expiry_of(const location& at) const noexcept {
    if (shape_.has_expiry == 0) [[likely]]
      return 0;
    return Sync::template read_object<std::int64_t>(at.record + expiry_offset);
  }

  /// Copies the value to `to`, which has room for value_bytes, and answers
  /// whether the checksum vouches for it.
  [[nodiscard]] NEUROPLEX_INLINE bool copy_value(std::uint64_t hash,
                                                 const location& at,
                                                 std::int64_t expires,
                                                 char* to) const noexcept {
    auto sum = read_summed<Sync>(to, at.record + value_offset_, value_bytes_,
                                 checksum_seed(hash, value_bytes_, expires));
    return sum
           == Sync::template read_object<std::uint32_t>(at.record
                                                        + checksum_offset);
  }

  /// Finds the entry, copies its value to `to` unless that is null, and repeats
  /// until what was copied belongs to one published state. `told` gets where it
  /// was found.
  template <class Key>
  [[nodiscard]] NEUROPLEX_INLINE errc read(std::uint64_t hash, const Key& key,
                                           char* to, std::int64_t& expires,
                                           location& told) const noexcept {
    patience<Sync> enough;
    for (unsigned round = 0;; ++round) {
      auto seen = find(hash, key, told);
      if (seen == lookup::absent)
        return stands() ? errc::not_found : errc::bad_namespace;
      if (seen == lookup::found) [[likely]] {
        expires = expiry_of(told);
        auto answer = errc::ok;
        if (expires != 0 && expires <= unix_time_ms())
          answer = errc::not_found;
        else if (to != nullptr && !copy_value(hash, told, expires, to))
          answer = errc::corrupt;
        if (unchanged(told)) [[likely]]
          return stands() ? answer : errc::bad_namespace;
      }
      if (!enough.lose(round, [] { return true; }))
        return errc::busy;
    }
  }

  [[nodiscard]] version_token token_of(const location& at) const noexcept {
    auto number =
      std::uint64_t{at.group} * layout::records_per_group + at.number;
    return version_token{(at.word >> 16) << 31 ^ number
                         ^ 0x8000'0000'0000'0000ULL};
  }

  // -- walking ----------------------------------------------------------------

  /// Entries that are published now; nobody keeps a count of them.
  [[nodiscard]] std::uint64_t entries() const noexcept {
    std::uint64_t count = 0;
    for (std::uint32_t group = 0; group < groups_; ++group)
      count += static_cast<unsigned>(
        std::popcount(lines_[group].word.bits() & layout::published_mask));
    return count;
  }

  /// Calls `visit(location, hash, key, value, expires, intact)` for the entries
  /// of a group. One that is there all the time is shown at least once, those
  /// that change meanwhile perhaps more often.
  template <class Visit>
  void visit_group(std::uint32_t group, Visit&& visit) const {
    visit_group(group, visit, [](std::uint64_t) { return true; });
  }

  /// The same for those of whose hash `wanted(hash)` is true.
  template <class Visit, class Wanted>
  void visit_group(std::uint32_t group, Visit&& visit, Wanted&& wanted) const {
    std::string key(shape_.key_bytes, '\0');
    std::string value(value_bytes_, '\0');
    auto& line = lines_[group];
    for (unsigned round = 0; round < walk_rounds; ++round) {
      auto word = line.word.look();
      for (auto mask = word.bits & layout::published_mask; mask != 0;
           mask &= mask - 1) {
        auto at = locate(group, static_cast<unsigned>(std::countr_zero(mask)));
        at.group_word = word;
        at.word = word_of(at.record).load(std::memory_order_acquire);
        if (layout::state_of(at.word) != state::live)
          continue;
        Sync::read(key.data(), at.record + shape_.key_offset(), key.size());
        auto hash = hash_key(ns_, key);
        if (!wanted(hash))
          continue;
        auto expires = expiry_of(at);
        auto intact = copy_value(hash, at, expires, value.data());
        if (unchanged(at))
          visit(at, hash, std::string_view{key}, std::string_view{value},
                expires, intact);
      }
      Sync::after_read();
      if (line.word.version() == word.version)
        return;
    }
  }

  /// Calls `visit(word, published)` for each record of a group, used or not:
  /// for audits of a table that nobody writes to.
  template <class Visit>
  void audit_group(std::uint32_t group, Visit&& visit) const {
    auto bits = lines_[group].word.bits();
    for (unsigned number = 0; number < layout::records_per_group; ++number)
      visit(word_of(record_at(group, number)).load(std::memory_order_acquire),
            (bits & bit(number)) != 0);
  }

  /// As visit_group for the entries whose home is `home`, wherever they lie.
  template <class Visit, class Wanted>
  void visit_home(std::uint32_t home, Visit&& visit, Wanted&& wanted) const {
    auto group = home;
    auto farthest = farthest_of(lines_[home].word.bits());
    for (unsigned probe = 0; probe <= farthest;
         ++probe, group = next_group(home, group))
      visit_group(group, visit, [&](std::uint64_t hash) {
        return home_of(hash) == home && wanted(hash);
      });
  }

  [[nodiscard]] NEUROPLEX_INLINE std::uint32_t
  home_of(std::uint64_t hash) const noexcept {
    return static_cast<std::uint32_t>(line_of(hash, groups_));
  }

protected:
  static constexpr unsigned walk_rounds = 64;
  static constexpr unsigned preferred_places = 2;
  static constexpr std::uint64_t checksum_offset = sizeof(std::uint64_t);
  static constexpr std::uint64_t expiry_offset = layout::record_fixed_bytes;

  // -- places -----------------------------------------------------------------

  /// The next group in the order of a home group, so that all its entries can
  /// be found. The number of groups is a prime, so the order meets all of them.
  [[nodiscard]] std::uint32_t next_group(std::uint32_t home,
                                         std::uint32_t group) const noexcept {
    constexpr std::uint64_t scatter = 0x9E3779B97F4A7C15ULL;
    auto step = 1 + line_of((home + 1) * scatter, groups_ - 1);
    auto next = group + step;
    return static_cast<std::uint32_t>(next >= groups_ ? next - groups_ : next);
  }

  [[nodiscard]] unsigned probe_limit() const noexcept {
    return std::min(layout::max_group_probes, groups_) - 1;
  }

  /// How many groups further entries may lie whose home group has these bits.
  [[nodiscard]] unsigned farthest_of(std::uint64_t group_bits) const noexcept {
    return std::min(layout::probe_of_group(group_bits), probe_limit());
  }

  /// Where in its home group a record would rather be.
  [[nodiscard]] NEUROPLEX_INLINE static unsigned
  preferred(std::uint64_t hash, unsigned choice) noexcept {
    // Twelve bits each between the tag's and those that choose the group.
    constexpr unsigned bits = 12;
    auto part =
      static_cast<unsigned>(hash >> (8 + choice * bits)) & ((1U << bits) - 1);
    return (part * layout::records_per_group) >> bits;
  }

  [[nodiscard]] static bool is_preferred(std::uint64_t hash,
                                         unsigned number) noexcept {
    return number == preferred(hash, 0) || number == preferred(hash, 1);
  }

  [[nodiscard]] NEUROPLEX_INLINE std::byte*
  record_at(std::uint32_t group, unsigned number) const noexcept {
    return records_
           + (std::uint64_t{group} * layout::records_per_group + number)
               * stride_;
  }

  [[nodiscard]] NEUROPLEX_INLINE location
  locate(std::uint32_t group, unsigned number) const noexcept {
    return {.line = &lines_[group],
            .record = record_at(group, number),
            .group = group,
            .number = number};
  }

  [[nodiscard]] NEUROPLEX_INLINE static record_word&
  word_of(std::byte* record) noexcept {
    return *reinterpret_cast<record_word*>(record);
  }

  NEUROPLEX_INLINE static void
  prefetch_record(const std::byte* record) noexcept {
    prefetch_line(record);
    prefetch_line(record + layout::line_bytes);
  }

  static constexpr std::uint64_t bit(unsigned number) noexcept {
    return std::uint64_t{1} << number;
  }

  // -- lookups ----------------------------------------------------------------

  template <class Key>
  [[nodiscard]] NEUROPLEX_INLINE lookup find_in_group(
    std::uint64_t hash, const Key& key, location& at) const noexcept {
    auto& line = lines_[at.group];
    at.line = &line;
    at.group_word = line.word.look();
    auto mask = layout::match_group(line, tag_of(hash)) & at.group_word.bits
                & layout::published_mask;
    // Tags that match by chance: the second record comes beside the first.
    if (auto more = mask & (mask - 1); more != 0)
      prefetch_record(
        record_at(at.group, static_cast<unsigned>(std::countr_zero(more))));
    for (; mask != 0; mask &= mask - 1) {
      at.number = static_cast<unsigned>(std::countr_zero(mask));
      at.record = record_at(at.group, at.number);
      at.word = word_of(at.record).load(std::memory_order_acquire);
      if (layout::state_of(at.word) == state::live
          && same_key<Sync>(at.record + value_offset_, key)) [[likely]]
        return lookup::found;
    }
    // Nothing was published or taken away under our eyes.
    Sync::after_read();
    return line.word.version() == at.group_word.version ? lookup::absent
                                                        : lookup::retry;
  }

  line_type* lines_;
  std::byte* records_;
  std::uint32_t groups_;
  std::uint64_t stride_;
  std::uint64_t value_offset_;
  std::uint32_t value_bytes_;
  typename Sync::template atomic<std::uint32_t>* namespace_state_;
  std::uint32_t live_state_;
  std::uint8_t ns_;
  layout::inline_shape shape_;
  arena_type arena_;
};

} // namespace neuroplex::memory
