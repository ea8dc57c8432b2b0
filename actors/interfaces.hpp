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
  // As agreement_peer_actor; `bad_argument` when nothing is agreed on here.
  answers<reply>(member_atom, std::string, std::uint32_t, std::uint64_t),
  // A message between replicas, for the shard that it names.
  answers<void>(gossip_atom, replica_message),
  // Compares the replicas of a namespace ("": of all) here with those of all
  // other nodes. `not_found` when there are none, `busy`.
  answers<replica_verdict>(verify_atom, std::string),
  // Resolves what was written at the same time in a namespace ("": in all);
  // `number` tells how many places that were. `not_found`.
  answers<reply>(resolve_atom, std::string),
  // As agreement_peer_actor.
  answers<watch_reply>(watch_atom, watch_request),
  // As concept_writer_actor; `unavailable` when the node has no concept memory.
  answers<lesson_receipt>(learn_atom, lesson_request),
  // As concept_reader_actor; `unavailable` when the node has no concept memory.
  answers<concept_service::answer>(ask_atom, question_request),
  // The state of the node.
  answers<node_report>(stats_atom),
  // The child actor of this name, for diagnosis and tuning: "router", "store",
  // "shard-7", "expiry", "recovery", "pressure", "compaction", "backup", "gc",
  // "optimizer", "pool", "raft", "concept_writer", "concept_reader",
  // "reconciler". `not_found`.
  answers<caf::strong_actor_ptr>(child_atom, std::string),
  // Starts the children whose restart was put off. Sent by itself; harmless at
  // any other time.
  answers<void>(pulse_atom),
  // Stops all children in order, then itself.
  answers<void>(halt_atom)>;

/// Gets answers for the namespaces that nodes agree on, whoever leads.
using agreement_peer_actor = interface_of<
  // One operation on one key. As router_actor; `bad_argument` with the reason
  // for what cannot be given on such a namespace.
  answers<reply>(apply_atom, request),
  // As router_actor. Of the items of one group all or none, and no other
  // request in between; `unknown_outcome` of an item is that of its group.
  answers<batch_reply>(batch_atom, batch_request),
  // An operator's wish for a group, or for all (0): "add" or "remove" a node
  // (by id), "transfer" the office to it, which whoever leads carries out, or
  // take a "snapshot" here. Why not is in `value`.
  answers<reply>(member_atom, std::string, std::uint32_t, std::uint64_t),
  // What has changed since a mark, as this node applies it; answered when there
  // is something to tell, or a while before the deadline. A mark that is empty
  // gets one at once. `bad_argument` when Raft does not keep the namespace.
  answers<watch_reply>(watch_atom, watch_request),
  // The answer to a watch of this number. Sent by the thread that agrees.
  answers<void>(watch_atom, std::uint64_t, watch_reply),
  // What became of a request of this number: its code and encoded results.
  // Sent by the thread that agrees.
  answers<void>(agreed_atom, std::uint64_t, std::uint8_t, std::string),
  // As node_report::agreement.
  answers<agreement_report>(stats_atom)>;

/// The replica of one shard of a namespace that every node may write.
using replica_actor = interface_of<
  // One operation on one key of this shard, here. `bad_argument` with the
  // reason for what replicas cannot promise, `unavailable` for a read that
  // would be too old.
  answers<reply>(apply_atom, request),
  // The same on many keys of this shard, as one change.
  answers<batch_reply>(batch_atom, batch_request),
  // A message of the replica at another node.
  answers<void>(gossip_atom, replica_message),
  // A node can be reached by this handle.
  answers<void>(met_atom, std::uint32_t, caf::strong_actor_ptr),
  // A node cannot be reached any more.
  answers<void>(lost_atom, std::uint32_t),
  // The disk has all records up to a number, and a snapshot would be welcome,
  // or it failed for this reason. From the replica_disk_actor.
  answers<void>(written_atom, std::uint64_t, bool, std::string),
  // Compares this replica with those of all other nodes. `busy` while that is
  // under way.
  answers<replica_verdict>(verify_atom),
  // Resolves what was written at the same time; `number` tells how much.
  answers<reply>(resolve_atom),
  // What it holds and has done so far.
  answers<replica_report>(stats_atom),
  // Executes what waits. Sent by itself and by those who hand over jobs.
  answers<void>(pulse_atom)>;

/// Writes what replicas hand over. Has a thread of its own, since it blocks.
using replica_disk_actor = interface_of<
  // There is something to be written.
  answers<void>(pulse_atom)>;

/// Takes what is to be learnt by the node's concept memory.
using concept_writer_actor = interface_of<
  // Concepts and associations to be learnt, strengthened, left to decay or
  // forgotten, in order; the receipt says how many were taken. An empty lesson
  // waits for all that came before. `protocol`, `value_size`, `bad_argument`,
  // `too_many`: nothing was taken; `busy`, `io`; `unknown_outcome`.
  answers<lesson_receipt>(learn_atom, lesson_request),
  // Readers see more than before, or never will again. From the
  // reconciler_actor.
  answers<void>(written_atom),
  // A lesson was executed by the replica, and what became of it is known.
  answers<void>(written_atom, std::uint64_t),
  // The time of a lesson is over. Sent by itself.
  answers<void>(pulse_atom)>;

/// Answers questions to what was learnt. Has a thread of its own.
using concept_reader_actor = interface_of<
  // What is it, what is near it, how does one come from here to there, what
  // comes to mind: from the newest snapshot, within the bounds of the question.
  // `not_found`, `bad_argument`, `busy`, `deadline`.
  answers<concept_service::answer>(ask_atom, question_request),
  // What the memory holds and has done, and what is not as it should be.
  answers<concept_report>(stats_atom)>;

/// Brings what was learnt to the snapshots. Has a thread of its own.
using reconciler_actor = interface_of<
  // One step. Sent by itself.
  answers<void>(pulse_atom)>;

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
  // What is agreed on is served by this agreement_peer_actor from now on.
  answers<void>(agreed_atom, caf::strong_actor_ptr),
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

/// Does one kind of upkeep, a bounded step at a time.
using upkeep_actor = interface_of<
  // One step now. The report tells what it found, or why it failed.
  answers<upkeep::task_report>(run_atom),
  // Changes the interval (ms) and what one step does at most; 0 leaves it.
  // `bad_argument`.
  answers<upkeep::task_report>(tune_atom, std::uint32_t, std::uint64_t),
  // What it has done so far, in all its lives.
  answers<upkeep::task_report>(stats_atom),
  // A step, when it keeps its own time. Sent by itself; one that is not the
  // latest is ignored.
  answers<void>(pulse_atom, std::uint64_t)>;

/// Removes expired entries.
using expiry_actor = upkeep_actor;

/// Cleans up after participants that died.
using recovery_actor = upkeep_actor;

/// Moves entries together so that whole pages become free.
using compactor_actor = upkeep_actor;

/// Writes what has changed to the backup directory. Has a thread of its own,
/// since it waits for the disk.
using backup_actor = upkeep_actor;

/// Hears of changes of the pressure.
using pressure_listener_actor = interface_of<
  // The pressure has another level now, or this is the first word of it.
  answers<void>(level_atom, upkeep::pressure_report)>;

/// Gives entries up while the pool is fuller than its threshold, and tells how
/// full it is.
using pressure_actor = interface_of<
  // As upkeep_actor.
  answers<upkeep::task_report>(run_atom),
  // As upkeep_actor.
  answers<upkeep::task_report>(tune_atom, std::uint32_t, std::uint64_t),
  // As upkeep_actor.
  answers<upkeep::task_report>(stats_atom),
  // How full the pool is now.
  answers<upkeep::pressure_report>(level_atom),
  // A pressure_listener_actor to be told, at once and at each change of level,
  // until it ends. `busy` when there are too many.
  answers<void>(join_atom, caf::strong_actor_ptr),
  // As upkeep_actor.
  answers<void>(pulse_atom, std::uint64_t)>;

/// Decides when recovery, expiry and compaction run.
using gc_actor = interface_of<
  // Has one of them ("recovery", "expiry", "compaction") do a step now.
  // `not_found`, `unavailable`.
  answers<upkeep::task_report>(run_atom, std::string),
  // Changes the strategy ("adaptive", "incremental", "lazy", "manual").
  // `bad_argument`.
  answers<upkeep::gc_report>(tune_atom, std::string),
  // The strategy, and what comes when.
  answers<upkeep::gc_report>(stats_atom),
  // The worker of this name is this upkeep_actor from now on.
  answers<void>(worker_atom, std::string, caf::strong_actor_ptr),
  // Begins what is due. Sent by itself; one that is not the latest is ignored.
  answers<void>(pulse_atom, std::uint64_t)>;

/// Turns statistics into advice, and into settings where it may.
using optimizer_actor = interface_of<
  // Looks now, and answers what it would change or has changed.
  answers<upkeep::optimizer_report>(run_atom),
  // Changes the mode ("off", "advise", "apply"). `bad_argument`.
  answers<upkeep::optimizer_report>(tune_atom, std::string),
  // What the last look found.
  answers<upkeep::optimizer_report>(stats_atom),
  // A look. Sent by itself; one that is not the latest is ignored.
  answers<void>(pulse_atom, std::uint64_t)>;

/// A namespace with copies in this process and a slower store below. Its
/// messages carry no id: who repeats a set or an erase means to.
using cache_actor = interface_of<
  // The value of a key, from the nearest level that has it. As
  // memory::tiered_cache::get; `value_size`.
  answers<reply>(get_atom, std::string),
  // Stores a value, for so many ms; 0: as long as the namespace says. As
  // memory::tiered_cache::set.
  answers<reply>(set_atom, std::string, std::string, std::int64_t),
  // Removes a key from all levels. As memory::tiered_cache::erase.
  answers<reply>(erase_atom, std::string),
  // Brings to the lower tier what it lacks, one step; `number` tells how many
  // entries. As memory::tiered_cache::flush.
  answers<reply>(flush_atom),
  // Changes the interval of flushing (ms) and the entries a step; 0 leaves it.
  // `bad_argument`.
  answers<cache_report>(tune_atom, std::uint32_t, std::uint64_t),
  // Hits by level, copies overtaken, failures of the tier, what is dirty.
  answers<cache_report>(stats_atom),
  // A step of flushing. Sent by itself; one that is not the latest is ignored.
  answers<void>(pulse_atom, std::uint64_t)>;

/// Lends raw memory of the segment, for who wants memory rather than keys.
using pool_actor = interface_of<
  // So many bytes for so many ms (0: until the holder ends). The lease ends
  // with the actor given, if any. The block is mapped with
  // memory::map_raw_block. `value_size`, `no_space`, `too_many`,
  // `bad_argument`.
  answers<upkeep::lease>(allocate_atom, std::uint64_t, std::int64_t,
                         caf::strong_actor_ptr),
  // Ends the lease of this number. `not_found`.
  answers<upkeep::pool_report>(deallocate_atom, std::uint64_t),
  // Lets the lease run so many ms from now. `not_found`, `bad_argument`.
  answers<upkeep::lease>(renew_atom, std::uint64_t, std::int64_t),
  // What is lent, and what the pool holds.
  answers<upkeep::pool_report>(usage_atom),
  // How long its calls took, of the last ten thousand.
  answers<upkeep::performance_report>(metrics_atom),
  // Ends leases whose time is over. Sent by itself; one that is not the latest
  // is ignored.
  answers<void>(pulse_atom, std::uint64_t)>;

} // namespace neuroplex::actors
