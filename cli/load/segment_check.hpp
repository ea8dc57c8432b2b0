// Compares the entries of an input with what segments hold, byte for byte.
//
// Purpose: the proof that loading worked which asks no node: a process attaches
// to the segments read-only and looks for itself.
//
// Ownership and threads: owns its attachments; one thread.
//
// Invariants: an entry counts as good only when exactly one segment holds its
// key and the value there has the same bytes.
//
// Failure behaviour: what differs is counted, and the first difference told in
// words; a segment that cannot be opened answers the store's failure.
#pragma once

#include "cli/load/record.hpp"
#include "memory/store.hpp"

#include <span>
#include <string>
#include <vector>

namespace neuroplex::cli {

struct segment_comparison {
  std::uint64_t entries = 0;   ///< of the input
  std::uint64_t bytes = 0;     ///< keys and values of the input
  std::uint64_t equal = 0;     ///< in exactly one segment, same bytes
  std::uint64_t missing = 0;   ///< in no segment
  std::uint64_t different = 0; ///< other bytes, or unreadable
  std::uint64_t repeated = 0;  ///< in more than one segment
  std::uint64_t stored = 0;    ///< entries that the segments hold in all
  std::vector<std::uint64_t> equal_by_segment; ///< in the order given
  std::string first_difference;                ///< empty when there is none

  /// True when the segments hold the input, the whole input, and nothing else.
  [[nodiscard]] bool same() const noexcept {
    return equal == entries && stored == entries;
  }
};

class segment_check {
public:
  /// Attaches read-only to all segments. The namespace must be in each.
  static expected<segment_check> open(std::span<const std::string> paths,
                                      const std::string& space);

  /// Takes the next entry of the input.
  void compare(const record& entry);

  /// Counts what the segments hold and answers the result.
  [[nodiscard]] segment_comparison finish();

private:
  struct attachment {
    memory::store segment;
    memory::namespace_id space;
  };

  explicit segment_check(std::vector<attachment> attachments);

  void tell(const std::string& difference);

  std::vector<attachment> attachments_;
  segment_comparison result_;
  std::string value_;
};

} // namespace neuroplex::cli
