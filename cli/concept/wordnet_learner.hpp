// WordNet 3.0 as concepts: every synset one, every pointer an association.
//
// Purpose: real input for concept memory. A synset is named as people who work
// with WordNet name it, "dog.n.01": its first word, its part of speech (n, v,
// a, s, r), and the place of the synset among the senses of that word in
// index.*. Its content is "dog, domestic dog, Canis familiaris: a member of the
// genus
// ..."; its attributes are name, synset ("n/02084071") and file.
//
// The type of an association is the kind of the pointer by its name in
// wninput(5)
// ("hypernym" for "@"); the qualifier holds the words that it joins (source in
// the upper byte, target in the lower), 0 for whole synsets.
//
// Ownership and threads: one thread; what learns may be in use by others.
//
// Failure behaviour: as synset_files; `busy` and its kin of the learner. What
// was learnt before a failure stays.
#pragma once

#include "cli/concept/concept_store.hpp"
#include "cli/load/synset_files.hpp"

#include <functional>
#include <map>
#include <string>

namespace neuroplex::cli {

/// What was learnt, for comparison with an independent count.
struct learnt_totals {
  std::uint64_t concepts = 0;
  std::uint64_t associations = 0;
  std::map<std::string, std::uint64_t, std::less<>> by_type; ///< associations
};

/// Called now and then with the bytes read; false stops.
using learn_progress = std::function<bool(std::uint64_t bytes_read)>;

/// Learns the WordNet in `directory`. `deadline` when `go_on` said to stop.
[[nodiscard]] expected<learnt_totals>
learn_wordnet(const std::string& directory, concept_learner& to,
              const learn_progress& go_on);

/// The name of a kind of pointers, as "hypernym" for "@"; empty of none.
[[nodiscard]] std::string_view pointer_name(std::string_view kind) noexcept;

} // namespace neuroplex::cli
