// WordNet 3.0 as records: reads the data files of Debian's wordnet-base.
//
// Purpose: real input for `neuroplex load wordnet` and for the tour. The
// scheme of keys and values (documented in cli/load/README.md):
//
//   synset/n/02084071   one synset: part of speech (n, v, a, r) and offset, as
//                       pointers name it, with the JSON object
//     {"type":"n","file":"noun.animal",
//      "words":[["dog",0],["domestic_dog",0],["Canis_familiaris",0]],
//      "pointers":[["@","n/02083346"],["+","v/00327031",1,1]],
//      "frames":[[2],[8,1]],"gloss":"a member of the genus Canis ..."}
//   word/dog            the synsets of a word (lower case, underscores for
//                       blanks), n before v before a before r, in file order:
//     ["n/02084071","n/10114209","v/02001858"]
//
// A word is [text, lex id] with the adjective's marker as third element. A
// pointer is [kind, target] for a relation of synsets and [kind, target,
// source word, target word] for one of words, counted from 1. A frame is
// [number] for all words, [number, word] for one. "frames" is there for verbs.
// The value holds all that the line of the data file holds.
//
// Ownership and threads: one thread. The reader owns its four files.
//
// Failure behaviour: as synset_files.
//
// WordNet 3.0 Copyright 2006 by Princeton University, used under its licence:
// see `wordnet_licence_path`.
#pragma once

#include "cli/load/input.hpp"
#include "cli/load/record.hpp"
#include "cli/load/synset_files.hpp"

#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace neuroplex::cli {

/// Where Debian's package puts the data files.
inline constexpr std::string_view wordnet_directory = "/usr/share/wordnet";

/// The notice, to be shown wherever the data is used, and where its licence is.
inline constexpr std::string_view wordnet_notice =
  "WordNet 3.0 Copyright 2006 by Princeton University, under its own licence:";
inline constexpr std::string_view wordnet_licence_path =
  "/usr/share/doc/wordnet-base/copyright";

/// What was read, for comparison with an independent count.
struct wordnet_totals {
  std::uint64_t synsets = 0;
  std::uint64_t senses = 0; ///< words in synsets
  std::uint64_t pointers = 0;
  std::uint64_t frames = 0;
  std::uint64_t words = 0; ///< entries of the word index
  std::map<std::string, std::uint64_t, std::less<>> pointer_kinds;
};

class wordnet_reader final : public strict_reader {
public:
  /// Opens the four data files in `directory`.
  static expected<std::unique_ptr<wordnet_reader>>
  open(const std::string& directory);

  /// Reads four sources in the order noun, verb, adjective, adverb.
  explicit wordnet_reader(synset_files::sources sources)
    : wordnet_reader{synset_files{std::move(sources)}} {
  }

  explicit wordnet_reader(synset_files files) : files_{std::move(files)} {
  }

  [[nodiscard]] std::uint64_t bytes_read() const noexcept override {
    return files_.bytes_read();
  }
  [[nodiscard]] std::uint64_t total_bytes() const noexcept override {
    return files_.total_bytes();
  }

  /// Counts of what was handed out so far.
  [[nodiscard]] const wordnet_totals& totals() const noexcept {
    return totals_;
  }

private:
  expected<read_step> read_record(record& result) override;
  read_step next_word(record& result);
  expected<void> index_words();

  synset_files files_;
  wordnet_totals totals_;
  std::map<std::string, std::string, std::less<>> words_; // word -> JSON list
  std::map<std::string, std::string, std::less<>>::const_iterator word_;
  bool words_begun_ = false;
};

} // namespace neuroplex::cli
