// How the messages travel: which fields of each go on the wire, the ids by
// which the actor system knows the types, and the atoms that name requests.
//
// Threads: declarations only.
//
// Invariants:
//  1. Fields are listed in the order of their struct; a change of order or type
//     is a change of limits::protocol_version.
#pragma once

#include "actors/cache_types.hpp"
#include "actors/caf_compat.hpp"
#include "actors/concept_types.hpp"
#include "actors/messages.hpp"
#include "actors/upkeep_types.hpp"

namespace neuroplex::actors {

template <class Inspector>
auto inspect(Inspector& f, request_id& x) {
  return inspect_as(f, x, "request_id", field("client", x.client),
                    field("sequence", x.sequence));
}

template <class Inspector>
auto inspect(Inspector& f, request_header& x) {
  return inspect_as(f, x, "request_header", field("id", x.id),
                    field("deadline_ms", x.deadline_ms),
                    field("epoch", x.epoch), field("forwarded", x.forwarded));
}

template <class Inspector>
auto inspect(Inspector& f, request& x) {
  return inspect_as(f, x, "request", field("header", x.header),
                    field("op", x.op), field("space", x.space),
                    field("key", x.key), field("value", x.value),
                    field("expected", x.expected), field("ttl_ms", x.ttl_ms),
                    field("keep_ttl", x.keep_ttl), field("delta", x.delta),
                    field("version", x.version));
}

template <class Inspector>
auto inspect(Inspector& f, reply& x) {
  return inspect_as(
    f, x, "reply", field("status", x.status), field("value", x.value),
    field("number", x.number), field("version", x.version),
    field("expires_at_ms", x.expires_at_ms), field("found", x.found));
}

template <class Inspector>
auto inspect(Inspector& f, batch_item& x) {
  return inspect_as(f, x, "batch_item", field("key", x.key),
                    field("value", x.value), field("ttl_ms", x.ttl_ms));
}

template <class Inspector>
auto inspect(Inspector& f, batch_request& x) {
  return inspect_as(f, x, "batch_request", field("header", x.header),
                    field("op", x.op), field("space", x.space),
                    field("items", x.items),
                    field("reply_budget_bytes", x.reply_budget_bytes));
}

template <class Inspector>
auto inspect(Inspector& f, batch_answer& x) {
  return inspect_as(f, x, "batch_answer", field("status", x.status),
                    field("value", x.value));
}

template <class Inspector>
auto inspect(Inspector& f, batch_reply& x) {
  return inspect_as(f, x, "batch_reply", field("status", x.status),
                    field("answers", x.answers));
}

template <class Inspector>
auto inspect(Inspector& f, scan_position& x) {
  return inspect_as(f, x, "scan_position", field("member", x.member),
                    field("cursor", x.cursor));
}

template <class Inspector>
auto inspect(Inspector& f, scan_request& x) {
  return inspect_as(f, x, "scan_request", field("header", x.header),
                    field("space", x.space), field("from", x.from),
                    field("entries", x.entries),
                    field("with_values", x.with_values));
}

template <class Inspector>
auto inspect(Inspector& f, scanned_entry& x) {
  return inspect_as(f, x, "scanned_entry", field("key", x.key),
                    field("value", x.value),
                    field("value_bytes", x.value_bytes),
                    field("expires_at_ms", x.expires_at_ms),
                    field("value_omitted", x.value_omitted));
}

template <class Inspector>
auto inspect(Inspector& f, scan_page& x) {
  return inspect_as(f, x, "scan_page", field("status", x.status),
                    field("member", x.member), field("entries", x.entries),
                    field("next", x.next), field("done", x.done));
}

template <class Inspector>
auto inspect(Inspector& f, watch_mark& x) {
  return inspect_as(f, x, "watch_mark", field("seen", x.seen),
                    field("feed", x.feed), field("place", x.place));
}

template <class Inspector>
auto inspect(Inspector& f, watch_request& x) {
  return inspect_as(f, x, "watch_request", field("header", x.header),
                    field("space", x.space), field("prefix", x.prefix),
                    field("after", x.after),
                    field("max_changes", x.max_changes));
}

template <class Inspector>
auto inspect(Inspector& f, watched_entry& x) {
  return inspect_as(f, x, "watched_entry", field("event", x.event),
                    field("key", x.key), field("value", x.value),
                    field("value_omitted", x.value_omitted),
                    field("group", x.group), field("index", x.index));
}

template <class Inspector>
auto inspect(Inspector& f, watch_reply& x) {
  return inspect_as(f, x, "watch_reply", field("status", x.status),
                    field("gap", x.gap), field("changes", x.changes),
                    field("next", x.next));
}

template <class Inspector>
auto inspect(Inspector& f, space_request& x) {
  return inspect_as(f, x, "space_request", field("header", x.header),
                    field("op", x.op), field("space", x.space));
}

template <class Inspector>
auto inspect(Inspector& f, node_bounds& x) {
  return inspect_as(
    f, x, "node_bounds", field("message_bytes", x.message_bytes),
    field("batch_keys", x.batch_keys), field("frame_bytes", x.frame_bytes),
    field("heartbeat_ms", x.heartbeat_ms),
    field("connection_timeout_ms", x.connection_timeout_ms),
    field("raft_port", x.raft_port));
}

template <class Inspector>
auto inspect(Inspector& f, hello& x) {
  return inspect_as(
    f, x, "hello", field("version", x.version), field("cluster", x.cluster),
    field("replica_id", x.replica_id), field("incarnation", x.incarnation),
    field("placement_epoch", x.placement_epoch),
    field("placement_fingerprint", x.placement_fingerprint),
    field("clock_ms", x.clock_ms), field("bounds", x.bounds),
    field("joins", x.joins), field("receiver_ahead_ms", x.receiver_ahead_ms));
}

template <class Inspector>
auto inspect(Inspector& f, welcome& x) {
  return inspect_as(f, x, "welcome", field("status", x.status),
                    field("reason", x.reason), field("self", x.self));
}

template <class Inspector>
auto inspect(Inspector& f, peer_report& x) {
  return inspect_as(f, x, "peer_report", field("replica_id", x.replica_id),
                    field("state", x.state),
                    field("incarnation", x.incarnation),
                    field("meetings", x.meetings), field("losses", x.losses),
                    field("in_flight", x.in_flight), field("reason", x.reason));
}

template <class Inspector>
auto inspect(Inspector& f, router_report& x) {
  return inspect_as(f, x, "router_report", field("local", x.local),
                    field("forwarded", x.forwarded),
                    field("retries", x.retries), field("busy", x.busy),
                    field("unavailable", x.unavailable),
                    field("unknown", x.unknown), field("stale", x.stale),
                    field("peers", x.peers));
}

template <class Inspector>
auto inspect(Inspector& f, shard_report& x) {
  return inspect_as(
    f, x, "shard_report", field("requests", x.requests),
    field("batches", x.batches), field("batch_items", x.batch_items),
    field("repeats", x.repeats), field("conflicts", x.conflicts),
    field("late", x.late), field("refused", x.refused),
    field("remembered", x.remembered));
}

template <class Inspector>
auto inspect(Inspector& f, segment_report& x) {
  return inspect_as(
    f, x, "segment_report", field("path", x.path),
    field("segment_bytes", x.segment_bytes), field("pool_bytes", x.pool_bytes),
    field("pool_used_bytes", x.pool_used_bytes),
    field("live_block_bytes", x.live_block_bytes), field("entries", x.entries),
    field("huge_page_bytes", x.huge_page_bytes),
    field("placement", x.placement), field("participants", x.participants),
    field("reads", x.reads), field("hits", x.hits), field("writes", x.writes),
    field("expired", x.expired), field("evicted", x.evicted),
    field("recoveries", x.recoveries), field("corrupt_reads", x.corrupt_reads),
    field("damage", x.damage));
}

template <class Inspector>
auto inspect(Inspector& f, start_report& x) {
  return inspect_as(f, x, "start_report", field("made", x.made),
                    field("clean", x.clean), field("power_lost", x.power_lost),
                    field("checked", x.checked), field("entries", x.entries),
                    field("bytes", x.bytes), field("dropped", x.dropped),
                    field("recovered_threads", x.recovered_threads),
                    field("took_ms", x.took_ms), field("text", x.text));
}

template <class Inspector>
auto inspect(Inspector& f, gateway_report& x) {
  return inspect_as(
    f, x, "gateway_report", field("enabled", x.enabled), field("open", x.open),
    field("port", x.port), field("openings", x.openings),
    field("connections_open", x.connections_open),
    field("connections_accepted", x.connections_accepted),
    field("connections_refused", x.connections_refused),
    field("accept_pauses", x.accept_pauses), field("commands", x.commands),
    field("failed_commands", x.failed_commands),
    field("remote_commands", x.remote_commands),
    field("protocol_errors", x.protocol_errors),
    field("auth_failures", x.auth_failures),
    field("slow_readers_closed", x.slow_readers_closed),
    field("bytes_in", x.bytes_in), field("bytes_out", x.bytes_out),
    field("problem", x.problem));
}

template <class Inspector>
auto inspect(Inspector& f, tunnel_ending& x) {
  return inspect_as(f, x, "tunnel_ending", field("reason", x.reason),
                    field("refused", x.refused), field("count", x.count));
}

template <class Inspector>
auto inspect(Inspector& f, tunnel_report& x) {
  return inspect_as(
    f, x, "tunnel_report", field("enabled", x.enabled), field("port", x.port),
    field("connections_accepted", x.connections_accepted),
    field("connections_open", x.connections_open),
    field("connections_pending", x.connections_pending),
    field("streams_established", x.streams_established),
    field("accept_pauses", x.accept_pauses),
    field("bytes_from_peers", x.bytes_from_peers),
    field("bytes_to_peers", x.bytes_to_peers), field("frames", x.frames),
    field("endings", x.endings), field("last_failure", x.last_failure));
}

template <class Inspector>
auto inspect(Inspector& f, agreement_member& x) {
  return inspect_as(f, x, "agreement_member", field("replica_id", x.replica_id),
                    field("kind", x.kind), field("present", x.present),
                    field("connected", x.connected), field("match", x.match));
}

template <class Inspector>
auto inspect(Inspector& f, agreement_group_report& x) {
  return inspect_as(
    f, x, "agreement_group_report", field("group", x.group),
    field("role", x.role), field("voter", x.voter), field("leader", x.leader),
    field("term", x.term), field("last_index", x.last_index),
    field("commit", x.commit), field("applied", x.applied),
    field("snapshot", x.snapshot), field("log_bytes", x.log_bytes),
    field("commands", x.commands), field("reads", x.reads),
    field("elections", x.elections), field("odd_messages", x.odd_messages),
    field("members", x.members), field("problem", x.problem));
}

template <class Inspector>
auto inspect(Inspector& f, byzantine_report& x) {
  return inspect_as(
    f, x, "byzantine_report", field("mode", x.mode), field("faults", x.faults),
    field("epoch", x.epoch), field("view", x.view), field("primary", x.primary),
    field("view_active", x.view_active), field("executed", x.executed),
    field("stable_checkpoint", x.stable_checkpoint),
    field("view_changes", x.view_changes),
    field("state_transfers", x.state_transfers),
    field("transferring", x.transferring), field("misdeeds", x.misdeeds),
    field("evidence", x.evidence), field("lowest_trust", x.lowest_trust),
    field("switches", x.switches), field("rolled_back", x.rolled_back),
    field("operations", x.operations), field("wishes", x.wishes),
    field("key", x.key));
}

template <class Inspector>
auto inspect(Inspector& f, agreement_report& x) {
  return inspect_as(
    f, x, "agreement_report", field("enabled", x.enabled),
    field("protocol", x.protocol), field("formed", x.formed),
    field("port", x.port), field("spaces", x.spaces), field("groups", x.groups),
    field("log_batches", x.log_batches), field("log_writes", x.log_writes),
    field("log_bytes", x.log_bytes), field("log_full", x.log_full),
    field("problem", x.problem), field("byzantine", x.byzantine));
}

template <class Inspector>
auto inspect(Inspector& f, replica_peer_report& x) {
  return inspect_as(
    f, x, "replica_peer_report", field("replica_id", x.replica_id),
    field("incarnation", x.incarnation), field("connected", x.connected),
    field("acknowledged", x.acknowledged), field("kept_bytes", x.kept_bytes),
    field("age_ms", x.age_ms));
}

template <class Inspector>
auto inspect(Inspector& f, replica_report& x) {
  return inspect_as(
    f, x, "replica_report", field("space", x.space), field("shard", x.shard),
    field("incarnation", x.incarnation), field("keys", x.keys),
    field("facts", x.facts), field("fact_bytes", x.fact_bytes),
    field("recorded", x.recorded), field("buffered", x.buffered),
    field("waiting", x.waiting), field("messages_sent", x.messages_sent),
    field("bytes_sent", x.bytes_sent), field("bytes_packed", x.bytes_packed),
    field("messages_refused", x.messages_refused),
    field("digest_syncs", x.digest_syncs), field("problem", x.problem),
    field("peers", x.peers));
}

template <class Inspector>
auto inspect(Inspector& f, replica_message& x) {
  return inspect_as(f, x, "replica_message", field("space", x.space),
                    field("shard", x.shard), field("from", x.from),
                    field("bytes", x.bytes));
}

template <class Inspector>
auto inspect(Inspector& f, replica_comparison& x) {
  return inspect_as(f, x, "replica_comparison", field("space", x.space),
                    field("shard", x.shard), field("replica_id", x.replica_id),
                    field("answered", x.answered),
                    field("same_context", x.same_context),
                    field("differing", x.differing), field("keys", x.keys));
}

template <class Inspector>
auto inspect(Inspector& f, replica_verdict& x) {
  return inspect_as(f, x, "replica_verdict", field("status", x.status),
                    field("nodes", x.nodes));
}

template <class Inspector>
auto inspect(Inspector& f, node_report& x) {
  return inspect_as(
    f, x, "node_report", field("status", x.status), field("cluster", x.cluster),
    field("replica_id", x.replica_id), field("incarnation", x.incarnation),
    field("uptime_ms", x.uptime_ms), field("process_id", x.process_id),
    field("placement_epoch", x.placement_epoch), field("shards", x.shards),
    field("local_shards", x.local_shards), field("restarts", x.restarts),
    field("start", x.start), field("segment", x.segment),
    field("router", x.router), field("requests", x.requests),
    field("gateway", x.gateway), field("tunnel", x.tunnel),
    field("upkeep", x.upkeep), field("agreement", x.agreement),
    field("replicas", x.replicas), field("concepts", x.concepts));
}

} // namespace neuroplex::actors

NEUROPLEX_BEGIN_TYPES(neuroplex)

NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::request)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::reply)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::batch_request)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::batch_reply)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::scan_request)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::scan_page)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::watch_request)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::watch_reply)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::space_request)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::hello)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::welcome)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::router_report)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::gateway_report)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::shard_report)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::node_report)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::upkeep::task_report)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::upkeep::pressure_report)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::upkeep::gc_report)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::upkeep::optimizer_report)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::upkeep::pool_report)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::upkeep::performance_report)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::upkeep::lease)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::cache_report)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::agreement_report)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::byzantine_report)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::replica_report)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::replica_message)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::replica_verdict)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::lesson_request)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::lesson_receipt)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::question_request)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::concept_service::answer)
NEUROPLEX_ADD_TYPE(neuroplex, neuroplex::actors::concept_report)

NEUROPLEX_ADD_ATOM(neuroplex, apply_atom, "apply")
NEUROPLEX_ADD_ATOM(neuroplex, batch_atom, "batch")
NEUROPLEX_ADD_ATOM(neuroplex, scan_atom, "scan")
NEUROPLEX_ADD_ATOM(neuroplex, stream_atom, "stream")
NEUROPLEX_ADD_ATOM(neuroplex, page_atom, "page")
NEUROPLEX_ADD_ATOM(neuroplex, credit_atom, "credit")
NEUROPLEX_ADD_ATOM(neuroplex, space_atom, "space")
NEUROPLEX_ADD_ATOM(neuroplex, stats_atom, "stats")
NEUROPLEX_ADD_ATOM(neuroplex, hello_atom, "hello")
NEUROPLEX_ADD_ATOM(neuroplex, met_atom, "met")
NEUROPLEX_ADD_ATOM(neuroplex, lost_atom, "lost")
NEUROPLEX_ADD_ATOM(neuroplex, refused_atom, "refused")
NEUROPLEX_ADD_ATOM(neuroplex, shard_atom, "shard")
NEUROPLEX_ADD_ATOM(neuroplex, store_atom, "store")
NEUROPLEX_ADD_ATOM(neuroplex, pulse_atom, "pulse")
NEUROPLEX_ADD_ATOM(neuroplex, child_atom, "child")
NEUROPLEX_ADD_ATOM(neuroplex, halt_atom, "halt")
NEUROPLEX_ADD_ATOM(neuroplex, run_atom, "run")
NEUROPLEX_ADD_ATOM(neuroplex, tune_atom, "tune")
NEUROPLEX_ADD_ATOM(neuroplex, level_atom, "level")
NEUROPLEX_ADD_ATOM(neuroplex, join_atom, "join")
NEUROPLEX_ADD_ATOM(neuroplex, worker_atom, "worker")
NEUROPLEX_ADD_ATOM(neuroplex, allocate_atom, "allocate")
NEUROPLEX_ADD_ATOM(neuroplex, deallocate_atom, "deallocate")
NEUROPLEX_ADD_ATOM(neuroplex, renew_atom, "renew")
NEUROPLEX_ADD_ATOM(neuroplex, usage_atom, "usage")
NEUROPLEX_ADD_ATOM(neuroplex, metrics_atom, "metrics")
NEUROPLEX_ADD_ATOM(neuroplex, get_atom, "get")
NEUROPLEX_ADD_ATOM(neuroplex, set_atom, "set")
NEUROPLEX_ADD_ATOM(neuroplex, erase_atom, "erase")
NEUROPLEX_ADD_ATOM(neuroplex, flush_atom, "flush")
NEUROPLEX_ADD_ATOM(neuroplex, agreed_atom, "agreed")
NEUROPLEX_ADD_ATOM(neuroplex, member_atom, "member")
NEUROPLEX_ADD_ATOM(neuroplex, gossip_atom, "gossip")
NEUROPLEX_ADD_ATOM(neuroplex, written_atom, "written")
NEUROPLEX_ADD_ATOM(neuroplex, verify_atom, "verify")
NEUROPLEX_ADD_ATOM(neuroplex, resolve_atom, "resolve")
NEUROPLEX_ADD_ATOM(neuroplex, watch_atom, "watch")
NEUROPLEX_ADD_ATOM(neuroplex, learn_atom, "learn")
NEUROPLEX_ADD_ATOM(neuroplex, ask_atom, "ask")

NEUROPLEX_END_TYPES(neuroplex)
