// Every actor of a node, by what it can be asked.
//
// Purpose: the typed handles, one line of comment a message. Data messages are
// the same from the segment outwards, so that a caller can stand at any
// distance: `store_actor` is the segment, `shard_actor` a range of its keys,
// `router_actor` the whole cluster, `node_actor` the same from other processes.
//
// Threads: handles may be copied and used by any thread.
//
// Invariants:
//  1. Requests are answered with values that carry an errc; an error of the
//     actor system means that the transport failed (code_of says how).
//  2. A mailbox that is full answers `errc::busy` at once.
//  3. A write is applied at most once a request id.
#pragma once

#include "actors/message_types.hpp"

namespace neuroplex::actors {

/// Serves the whole segment of this node to messages, whoever owns the keys.
using store_actor = interface_of<
  // One operation on one key. Any errc of the store; `deadline`, `conflict`.
  answers<reply>(apply_atom, request),
  // One operation on many keys, answered item by item.
  answers<batch_reply>(batch_atom, batch_request),
  // A page of entries of this segment, from the cursor in `from` on.
  answers<scan_page>(scan_atom, scan_request),
  // Counts, clears or drops a namespace of this segment.
  answers<reply>(space_atom, space_request),
  // What it has done so far.
  answers<shard_report>(stats_atom)>;

/// Serves one shard: a contiguous range of the 65,536 hash slots.
using shard_actor = interface_of<
  // As store_actor; `conflict` when the key is of another shard or epoch.
  answers<reply>(apply_atom, request),
  // As store_actor; `conflict` for the items of another shard.
  answers<batch_reply>(batch_atom, batch_request),
  // What it has done so far.
  answers<shard_report>(stats_atom)>;

/// A node as other processes see it; also the supervisor of all its actors.
using node_actor = interface_of<
  // As router_actor.
  answers<reply>(apply_atom, request),
  // As router_actor.
  answers<batch_reply>(batch_atom, batch_request),
  // As router_actor.
  answers<scan_page>(scan_atom, scan_request),
  // As router_actor.
  answers<reply>(space_atom, space_request),
  // Opens a pushed scan to the actor given, with that many pages of credit, and
  // answers the actor that takes more credit. `busy` when too many are open.
  answers<caf::strong_actor_ptr>(stream_atom, scan_request,
                                 caf::strong_actor_ptr, std::uint32_t),
  // A node presents itself and the actor to reach it by. Refused with
  // `version`, `denied` (cluster, unknown id), or `conflict` (our own id, an
  // older incarnation, another placement).
  answers<welcome>(hello_atom, hello, caf::strong_actor_ptr),
  // A peer (by id) cannot be met, for this reason; the flag tells that one of
  // the two refused the other. From our own peer links.
  answers<void>(lost_atom, std::uint32_t, std::string, bool),
  // The state of the node.
  answers<node_report>(stats_atom),
  // The child actor of this name ("router", "store", "shard-7"), for diagnosis;
  // `not_found`.
  answers<caf::strong_actor_ptr>(child_atom, std::string),
  // Starts the children whose restart was put off. Sent by itself; harmless at
  // any other time.
  answers<void>(pulse_atom),
  // Stops all children in order, then itself.
  answers<void>(halt_atom)>;

/// Finds the owner of a key and gets the answer from it, wherever it lives.
using router_actor = interface_of<
  // One operation on one key. Beside the store's errc: `unavailable` (owner is
  // down, nothing applied), `unknown_outcome` (a write that may have been
  // applied), `busy` (no credit), `deadline`.
  answers<reply>(apply_atom, request),
  // Split by owner, sent in parallel, and put together in the items' order.
  answers<batch_reply>(batch_atom, batch_request),
  // A page of the cluster's entries, node after node.
  answers<scan_page>(scan_atom, scan_request),
  // On all nodes; the numbers are summed. `unavailable` when one is down.
  answers<reply>(space_atom, space_request),
  // A peer was welcomed and is reached by this handle.
  answers<void>(met_atom, hello, caf::strong_actor_ptr),
  // A peer (by id) is gone or cannot be met, for this reason; the flag tells
  // that it, or we, refused.
  answers<void>(lost_atom, std::uint32_t, std::string, bool),
  // A shard of this node (by number) is served by this actor from now on.
  answers<void>(shard_atom, std::uint32_t, caf::strong_actor_ptr),
  // The segment of this node is served by this store_actor from now on.
  answers<void>(store_atom, caf::strong_actor_ptr),
  // What it has done so far, and its peers.
  answers<router_report>(stats_atom)>;

/// Takes the pages of a pushed scan, which are numbered from 0.
using scan_sink_actor =
  interface_of<answers<void>(page_atom, std::uint64_t, scan_page)>;

/// Sends the pages of one pushed scan while it has credit.
using scan_source_actor = interface_of<
  // So many more pages may be sent; 0 ends the scan.
  answers<void>(credit_atom, std::uint32_t),
  // Looks whether the reader is still there. Sent by itself.
  answers<void>(pulse_atom),
  // Reads the page that a busy node refused again. Sent by itself.
  answers<void>(scan_atom)>;

/// Reaches one peer and keeps meeting it again when it is lost.
using peer_link_actor = interface_of<
  // Tries now. Sent by itself; harmless at any other time.
  answers<void>(pulse_atom)>;

/// Keeps the gateway for Redis clients open.
using resp_gateway_actor = interface_of<
  // What the gateway has done so far.
  answers<gateway_report>(stats_atom)>;

/// Cleans up after dead participants and expired entries.
using maintenance_actor = interface_of<
  // One round of the work. Sent by itself.
  answers<void>(pulse_atom)>;

} // namespace neuroplex::actors
