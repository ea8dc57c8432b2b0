// The log in memory: all entries after the last compaction.
//
// Purpose: what the core asks of a log: terms by index, runs of entries bounded
// in bytes, and where two logs may agree.
//
// Threads: one at a time.
//
// Invariants:
//  1. Entries are contiguous from first_index() to last_index().
//  2. The term of base_index(), the entry before the first, is known.
//  3. Terms never fall along the log.
//
// Failure behaviour: asking for what is not there answers nothing; appending
// with a gap is a broken invariant.
#pragma once

#include "consensus/raft/types.hpp"

#include <optional>

namespace neuroplex::raft {

class raft_log {
public:
  raft_log() = default;

  raft_log(log_index base_index, term_number base_term)
    : base_index_{base_index}, base_term_{base_term} {
  }

  /// The entry before the first one kept.
  [[nodiscard]] log_index base_index() const noexcept {
    return base_index_;
  }

  [[nodiscard]] log_index first_index() const noexcept {
    return base_index_ + 1;
  }

  [[nodiscard]] log_index last_index() const noexcept {
    return base_index_ + size();
  }

  [[nodiscard]] term_number last_term() const noexcept {
    return size() == 0 ? base_term_ : entries_.back().term;
  }

  [[nodiscard]] std::size_t size() const noexcept {
    return entries_.size() - dropped_;
  }

  /// Bytes of all payloads kept.
  [[nodiscard]] std::size_t payload_bytes() const noexcept {
    return payload_bytes_;
  }

  /// The term of an entry, if it is kept or is the base.
  [[nodiscard]] std::optional<term_number>
  term_of(log_index index) const noexcept;

  /// An entry that is kept.
  [[nodiscard]] const entry& at(log_index index) const;

  /// Whether the entry is here (or the base) with that term.
  [[nodiscard]] bool matches(log_index index, term_number term) const noexcept;

  /// The largest index up to `index` whose term is not above `term`, with its
  /// term: where a log that has (index, term) may agree with this one. Below
  /// the base nothing is known: then the term is 0.
  [[nodiscard]] std::pair<log_index, term_number>
  may_agree(log_index index, term_number term) const noexcept;

  /// Appends the next entry.
  void append(entry what);

  /// Copies entries from `from` on to `out`, while they are at most
  /// `max_entries` and `max_bytes` of payload. The first always fits.
  std::size_t copy_to(std::vector<entry>& out, log_index from, log_index last,
                      std::size_t max_entries, std::size_t max_bytes) const;

  /// Forgets the entries from `from` on.
  void truncate(log_index from);

  /// Forgets the entries up to `index`, which is kept as the base.
  void compact(log_index index);

  /// Forgets everything; the log begins after (index, term).
  void reset(log_index index, term_number term);

private:
  // Entries before dropped_ are forgotten; they are erased when they are more
  // than half, so that compaction costs a constant time an entry.
  std::vector<entry> entries_;
  std::size_t dropped_ = 0;
  std::size_t payload_bytes_ = 0;
  log_index base_index_ = 0;
  term_number base_term_ = 0;
};

} // namespace neuroplex::raft
