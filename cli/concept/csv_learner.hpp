// Any graph as concepts, from two CSV files with header rows.
//
//   id,content,strength,confidence,vector,colour
//   dog,"an animal",1,0.9,0.1 0.2,brown
//
//   source,target,type,weight,confidence
//   dog,cat,chases,2,1
//
// A header with a column `id` is one of concepts: other columns than those
// above are attributes. One with `source`, `target` and `type` is one of
// associations. Columns may stand in any order; all but id, or source, target
// and type, may be missing, and their fields may be empty. A vector is numbers
// with spaces between them. Concepts must come before their associations.
//
// Ownership and threads: one thread.
//
// Failure behaviour: `protocol` with file:line and what was expected; rows
// before it were learnt, nothing of it was.
#pragma once

#include "cli/concept/wordnet_learner.hpp"
#include "cli/load/input.hpp"

namespace neuroplex::cli {

/// Learns what the rows of a source say.
[[nodiscard]] expected<learnt_totals>
learn_csv(std::unique_ptr<byte_source> source, concept_learner& to,
          const learn_progress& go_on);

} // namespace neuroplex::cli
