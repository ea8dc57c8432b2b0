// Any graph as concepts, from JSON lines: one concept or association a line.
//
//   {"id":"dog","content":"an animal","strength":1,"confidence":0.9,
//    "vector":[0.1,0.2],"attributes":{"colour":"brown"}}
//   {"source":"dog","target":"cat","type":"chases","weight":2,"confidence":1}
//
// "id", "source" and "target" are names; the concept's id is their hash. All
// but id, or source, target and type, may be left out. Unknown members are
// refused. Concepts must come before their associations.
//
// Ownership and threads: one thread.
//
// Failure behaviour: `protocol` with file:line and what was expected; lines
// before it were learnt.
#pragma once

#include "cli/concept/wordnet_learner.hpp"
#include "cli/load/input.hpp"

#include <nlohmann/json_fwd.hpp>

namespace neuroplex::cli {

/// Learns what one object says; takes its members out. `protocol` without a
/// place.
[[nodiscard]] expected<void> learn_object(nlohmann::json& object,
                                          concept_learner& to,
                                          learnt_totals& totals);

/// Learns what the lines of a source say.
[[nodiscard]] expected<learnt_totals>
learn_json_lines(std::unique_ptr<byte_source> source, concept_learner& to,
                 const learn_progress& go_on);

} // namespace neuroplex::cli
