// Names that the tests share.
#pragma once

#include "crdt/or_set.hpp"

#include <string>

namespace neuroplex::crdt {

inline constexpr replica_id a{1};
inline constexpr replica_id b{2};
inline constexpr replica_id c{3};

using string_set = or_set<std::string>;

} // namespace neuroplex::crdt
