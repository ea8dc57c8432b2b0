// Runs traces of CRDT operations and compares what replicas show with what they
// must show.
//
// Purpose: a line is a trace, one JSON object: `type`, `seed`, `replicas`,
// `steps`. A step is {"op":[...],"at":r}, a local operation at replica r;
// {"merge":[src,dst]}, the whole state of src merged into dst; or
// {"expect":value,"at":r}, what r must show now. States travel as bytes, so
// that a trace tests the codec as well.
//
// Types and their operations: aworset, rworset, twopset ["add",e], ["rmv",e];
// mvreg ["write",v]; pncounter ["inc",n], ["dec",n]; lwwreg
// ["write",v,timestamp]; ormap_aworset ["add",k,e], ["rmv",k,e], ["erase",k].
//
// Threads: one.
//
// Failure behaviour: a trace that is malformed, of an unknown type, or not
// followed, is answered with a sentence that names the step; its effects end
// with it.
#pragma once

#include "memory/status.hpp"

#include <string>
#include <string_view>

namespace neuroplex::cli {

/// Runs one trace. The failure begins with its type and seed where they could
/// be read.
[[nodiscard]] expected<void> replay_trace(std::string_view line);

} // namespace neuroplex::cli
