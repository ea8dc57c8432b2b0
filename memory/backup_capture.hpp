// Reads the entries of one backup region from a live segment, each whole.
//
// An entry is copied, then its slot and its block's word are looked at again:
// the copy is one published state, live at that moment; its checksum is checked
// besides. Entries are shown as the record of the region holds them.
//
// Threads: one; writers of the segment go on meanwhile.
#pragma once

#include "memory/backup_buffer.hpp"
#include "memory/backup_format.hpp"
#include "memory/backup_marks.hpp"
#include "memory/inline_store.hpp"
#include "memory/store_impl.hpp"

#include <cstdint>
#include <string_view>
#include <unordered_map>

namespace neuroplex::memory::detail {

/// Entries from here on are only named in a log if an older generation of the
/// same files holds them: a region is written as a whole, and a small change
/// beside a long value must not cost that value.
inline constexpr std::uint64_t least_kept_bytes = 4096;

class backup_capture {
public:
  using location = basic_location<native_sync>;

  explicit backup_capture(store_impl& source) noexcept : source_{source} {
  }

  /// What was counted since the last `reset_counts`.
  struct counts {
    std::uint64_t entries = 0;
    std::uint64_t kept = 0;
    std::uint64_t corrupt = 0;
  };

  [[nodiscard]] const counts& counted() const noexcept {
    return counts_;
  }

  void reset_counts() noexcept {
    counts_ = {};
  }

  /// Appends the entries of `region` to `out`, calling `after_entry()` between
  /// two of them. `with_kept`: long ones that were captured before are only
  /// named. False: the segment holds an entry of a kind that this format does
  /// not know.
  template <class AfterEntry>
  [[nodiscard]] bool read(std::uint32_t region, bool with_kept,
                          backup_buffer& out, AfterEntry&& after_entry) {
    const auto& shape = source_.shape();
    std::uint64_t regions = shape.backup_regions;
    auto position = first_position(region, regions);
    auto end = first_position(region + std::uint64_t{1}, regions);
    bool known = true;
    unsigned repeats = 0;
    while (position < end && known) {
      const auto& index = source_.engine().index();
      auto at = index.home_of(position << 32);
      if (auto next =
            store_impl::position_after(at.line, shape.lines(at.level));
          next < end)
        prefetch_blocks(next);
      index.visit_line(at, [&](const location& where) {
        auto seen = capture(at, where, region, with_kept, out);
        known = known && seen != outcome::unknown;
        if (seen == outcome::captured)
          after_entry();
        return seen != outcome::changed;
      });
      // Carried over in the middle: read again in its new place. What is
      // captured twice is harmless. The bound is for a scribbled segment.
      constexpr unsigned most_repeats = 64;
      if (!index.still_home(at) && ++repeats < most_repeats)
        continue;
      repeats = 0;
      position = store_impl::position_after(at.line, shape.lines(at.level));
    }
    read_inline(region, out, after_entry);
    return known;
  }

  /// Asks for what `read` of `region` will touch first. Most useful while the
  /// region before it is being read.
  void prefetch(std::uint32_t region) const noexcept {
    prefetch_blocks(first_position(region, source_.shape().backup_regions));
  }

  /// A generation begins. What is captured from here on is only named in later
  /// ones.
  void begin_generation() noexcept {
    ++run_;
  }

  /// Forgets which long entries were captured: none will be only named.
  void forget() noexcept {
    captured_.clear();
  }

private:
  enum class outcome { captured, left_out, changed, unknown };

  /// The least 32-bit fraction that belongs to `region`.
  static std::uint64_t first_position(std::uint64_t region,
                                      std::uint64_t regions) noexcept {
    return ((region << 32) + regions - 1) / regions;
  }

  /// A long entry that is in the files: word of its block, when captured, and
  /// its fields there.
  struct captured {
    std::uint64_t word;
    std::uint64_t run;
    layout::entry_fields fields;
  };

  /// Asks for the blocks of the line at a position, and for the line after it.
  void prefetch_blocks(std::uint64_t position) const noexcept;

  /// The entries of the region that lie in tables of inline namespaces.
  template <class AfterEntry>
  void read_inline(std::uint32_t region, backup_buffer& out,
                   AfterEntry&& after_entry) {
    std::uint64_t regions = source_.shape().backup_regions;
    auto begin = first_position(region, regions);
    auto end = first_position(region + std::uint64_t{1}, regions);
    for (unsigned ns = 0; ns < limits::max_namespaces; ++ns) {
      auto* table =
        source_.inline_table_of(namespace_id{static_cast<std::uint8_t>(ns)});
      if (table == nullptr || begin == end)
        continue;
      auto home_at = [&](std::uint64_t position) {
        return static_cast<std::uint32_t>((position * table->groups()) >> 32);
      };
      for (auto home = home_at(begin); home <= home_at(end - 1); ++home)
        table->visit_home(
          home,
          [&](const auto&, std::uint64_t hash, std::string_view key,
              std::string_view value, std::int64_t expires, bool intact) {
            if (capture_inline(table->ns(), hash, key, value, expires, intact,
                               out))
              after_entry();
          },
          [&](std::uint64_t hash) {
            return region_of(source_.arena(), hash) == region;
          });
    }
  }

  [[nodiscard]] bool capture_inline(std::uint8_t ns, std::uint64_t hash,
                                    std::string_view key,
                                    std::string_view value,
                                    std::int64_t expires, bool intact,
                                    backup_buffer& out);

  outcome capture(const home& at, const location& where, std::uint32_t region,
                  bool with_kept, backup_buffer& out);

  /// Appends the value of the entry at `where`, as it is stored; tells in
  /// `fields` how it is to be found in the record.
  outcome append_value(const home& at, const location& where,
                       std::uint64_t hash, std::int64_t expires,
                       layout::entry_fields& fields, backup_buffer& out);

  /// The same for the value of a content that the entry refers to.
  outcome append_shared(const home& at, const location& where,
                        std::uint64_t hash, std::int64_t expires,
                        layout::entry_fields& fields, backup_buffer& out);

  store_impl& source_;
  counts counts_;
  std::uint64_t run_ = 0;
  std::string shared_; ///< the content read last
  /// Long entries that were captured, by the granule of their block. An entry
  /// that is published anew has another word, wherever it lies.
  std::unordered_map<std::uint32_t, captured> captured_;
};

} // namespace neuroplex::memory::detail
