// One line of a WordNet data file, and the JSON value it becomes.
//
// Purpose: the pure part of the WordNet reader: text in, fields out, value out.
// The scheme of keys and values is told in wordnet.hpp.
//
// Ownership and threads: plain values. `synset` borrows the line it was parsed
// from.
//
// Invariants: `parse_synset` accepts a line only when every field has the width
// and range that wndb(5) gives it and nothing is left over.
//
// Failure behaviour: `protocol` with what was expected and for which field.
#pragma once

#include "memory/status.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::cli {

/// Nouns, verbs, adjectives, adverbs.
inline constexpr std::array<char, 4> parts_of_speech{'n', 'v', 'a', 'r'};

struct synset_word {
  std::string_view text;   ///< underscores for blanks, case as in the file
  std::uint8_t lex_id = 0; ///< 0 to 15
  std::string_view marker; ///< "a", "p", "ip" of an adjective, else empty
};

struct synset_pointer {
  std::string_view kind;        ///< one of the 26 symbols, as "@" or ";c"
  char part_of_speech = 'n';    ///< of the target: n, v, a or r
  std::string_view offset;      ///< of the target: 8 digits
  std::uint8_t source_word = 0; ///< 0 for the whole synset
  std::uint8_t target_word = 0;
};

struct verb_frame {
  std::uint8_t number = 0; ///< 1 to 35
  std::uint8_t word = 0;   ///< 0 for all words of the synset
};

/// One line of a data file.
struct synset {
  std::string_view offset; ///< 8 digits
  std::uint8_t file = 0;   ///< lexicographer file, 0 to 44
  char type = 'n';         ///< n, v, a, s (satellite) or r
  std::vector<synset_word> words;
  std::vector<synset_pointer> pointers;
  std::vector<verb_frame> frames;
  std::string_view gloss; ///< without blanks around it
};

/// Name of a lexicographer file, as "noun.animal"; empty when above 44.
[[nodiscard]] std::string_view lexicographer_file(std::uint8_t number) noexcept;

/// Parses one line of data.noun ('n'), data.verb ('v'), data.adj ('a') or
/// data.adv ('r') into `result`. The failure's message says what was expected
/// and where in the line, without file and number.
[[nodiscard]] expected<void> parse_synset(std::string_view line,
                                          char part_of_speech, synset& result);

/// "synset/n/02084071".
[[nodiscard]] std::string synset_key(char part_of_speech,
                                     std::string_view offset);

/// Makes `result` the JSON object that wordnet.hpp describes.
void synset_value(const synset& from, std::string& result);

/// Appends "\"n/02084071\"", the form in which values name a synset.
void append_synset_address(std::string& result, char part_of_speech,
                           std::string_view offset);

/// "dog" for "Dog"; the words of WordNet are ASCII.
[[nodiscard]] std::string lower_case_word(std::string_view text);

/// "word/dog" for "dog".
[[nodiscard]] std::string word_key(std::string_view lower_case_word);

} // namespace neuroplex::cli
