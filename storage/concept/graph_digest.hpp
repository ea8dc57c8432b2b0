// A few digits for a whole graph.
//
// Purpose: two graphs with the same concepts and associations have the same
// digits, in whatever order they were learnt; so one can tell whether two nodes
// hold the same. Numbers of types and times do not count.
//
// Threads: as query.hpp.
//
// Failure behaviour: as query.hpp; digits of a part mean nothing.
#pragma once

#include "storage/concept/query.hpp"

#include <string>

namespace neuroplex::concepts {

struct digest_result {
  std::string digits; ///< 32, hexadecimal
  bound_hit hit = bound_hit::none;
};

/// The sum of XXH3 hashes, 128 bits, of each concept and association.
[[nodiscard]] digest_result digest_of(const graph_version& in,
                                      const association_types& types,
                                      const query_bounds& bounds);

} // namespace neuroplex::concepts
