// Segment files of concept memory: made from a version, and read in place.
//
// Purpose: what of the graph outlives the process. `build_segment` gives the
// bytes of a file; `segment_view` reads them where they lie, mapped or in
// memory, copying nothing but what is compressed.
//
// Ownership and threads: a view borrows its bytes; any number of threads.
//
// Invariants: whatever the bytes are, no access leaves them, and nothing is
// answered whose checksum is wrong.
//
// Failure behaviour: `corrupt` with file and what is wrong; `version` for a
// file of a newer release.
#pragma once

#include "storage/concept/association_types.hpp"
#include "storage/concept/graph_version.hpp"
#include "storage/concept/segment_format.hpp"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace neuroplex::concepts {

/// What a file is called by, and what it stands for.
struct segment_label {
  std::uint64_t first_number = 1; ///< files from here on are replaced
  std::uint64_t number = 1;
  std::int64_t created_us = 0;
};

/// The bytes of a segment file: the given concepts of a version with all
/// associations from them, and ids that were forgotten.
[[nodiscard]] std::string build_segment(const graph_version& from,
                                        std::span<const concept_slot> slots,
                                        std::span<const concept_id> forgotten,
                                        const association_types& types,
                                        const segment_label& label);

class segment_view {
public:
  /// Looks at the header and the places of the sections. `where` is for
  /// messages.
  static expected<segment_view> parse(std::string_view bytes,
                                      std::string where);

  /// Checks every section; what a start does.
  [[nodiscard]] expected<void> verify() const;

  [[nodiscard]] const segment_format::file_header& header() const noexcept {
    return header_;
  }

  /// The entry of a concept, which may say that it was forgotten; null when the
  /// file does not know it.
  [[nodiscard]] expected<const segment_format::concept_entry*>
  find(const concept_id& id) const;

  /// Entry `index` of all, checked.
  [[nodiscard]] expected<const segment_format::concept_entry*>
  at(std::uint64_t index) const;

  /// All associations from a concept, checked.
  [[nodiscard]] expected<std::span<const segment_format::association_entry>>
  associations(const segment_format::concept_entry& of) const;

  /// Vector, content and attributes. Views are into the file, or into `buffer`
  /// when they were compressed.
  struct body {
    std::span<const float> vector;
    std::string_view content;
    std::string_view attributes;
  };
  [[nodiscard]] expected<body>
  read_body(const segment_format::concept_entry& of, std::string& buffer) const;

  /// Adds the file's types; numbers of the file to numbers of `to`.
  [[nodiscard]] expected<std::vector<association_type>>
  read_types(association_types& to) const;

  /// Whether the bloom filter lets an id pass. False is certain.
  [[nodiscard]] bool may_hold(const concept_id& id) const noexcept;

private:
  segment_view(std::string_view bytes, std::string where)
    : bytes_{bytes}, where_{std::move(where)} {
  }

  [[nodiscard]] std::string_view
  bytes_of(const segment_format::section& part) const noexcept {
    return bytes_.substr(part.offset, part.bytes);
  }
  [[nodiscard]] failure damaged(std::string_view what) const;

  std::string_view bytes_;
  std::string where_;
  segment_format::file_header header_{};
};

} // namespace neuroplex::concepts
