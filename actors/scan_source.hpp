// The actor behind one pushed scan.
//
// Purpose: sends the pages of a scan over the whole cluster to a reader, as
// many as the reader has granted, and asks for the next page only when there
// is credit for it. So a slow reader slows the scan, and nothing piles up.
//
// Failure behaviour: ends when the reader ends, when it grants 0 (which it does
// after the last page), or when it grants nothing for limits::scan_idle_ms.
#pragma once

#include "actors/interfaces.hpp"

namespace neuroplex::actors {

/// `what.header` gives the id; each page has request_ms to be read.
scan_source_actor
spawn_scan_source(caf::actor_system& system, const router_actor& router,
                  const scan_request& what, const scan_sink_actor& sink,
                  std::uint32_t credit, std::uint32_t request_ms);

} // namespace neuroplex::actors
