// The synsets of WordNet's four data files, one after the other.
//
// Purpose: what the loader of entries and the learner of concepts share.
//
// Ownership and threads: one thread. Owns its four files.
//
// Invariants: every synset stands at the byte that its offset names, else the
// file was edited or cut and is refused.
//
// Failure behaviour: `bad_path` when a data file is missing (the message tells
// to install wordnet-base), `protocol` with file:line and what was expected.
#pragma once

#include "cli/load/input.hpp"
#include "cli/load/synset.hpp"

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace neuroplex::cli {

class synset_files {
public:
  using sources = std::array<std::unique_ptr<byte_source>, 4>;

  /// Opens the four data files in `directory`.
  static expected<synset_files> open(const std::string& directory);

  /// Reads four sources in the order noun, verb, adjective, adverb.
  explicit synset_files(sources from);

  /// Reads the next synset; false at the end.
  expected<bool> next();

  /// The synset that was read last, valid until the next call.
  [[nodiscard]] const synset& current() const noexcept {
    return synset_;
  }

  /// Of that synset, as pointers name it: n, v, a or r.
  [[nodiscard]] char part_of_speech() const noexcept {
    return parts_of_speech[file_index_];
  }

  /// A failure about that synset, with its place.
  [[nodiscard]] failure refuse(const failure& why) const;

  [[nodiscard]] std::uint64_t bytes_read() const noexcept;
  [[nodiscard]] std::uint64_t total_bytes() const noexcept {
    return total_bytes_;
  }

private:
  std::vector<line_reader> files_;
  std::size_t file_index_ = 0;
  std::uint64_t file_synsets_ = 0; // read of the present file
  std::uint64_t finished_bytes_ = 0;
  std::uint64_t total_bytes_ = 0;
  synset synset_;
};

} // namespace neuroplex::cli
