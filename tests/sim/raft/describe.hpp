// Raft's values as text, for the run that somebody looks at.
//
// Threads: plain functions.
#pragma once

#include "consensus/raft/effects.hpp"

#include <string>

namespace neuroplex::sim {

[[nodiscard]] std::string node_name(raft::node_id node);
[[nodiscard]] std::string describe(const raft::message& what);
[[nodiscard]] std::string describe(const raft::answer& what);
[[nodiscard]] std::string describe(const raft::configuration& members);

} // namespace neuroplex::sim
