// Every limit of the message plane that is not an option of the node.
#pragma once

#include <cstddef>
#include <cstdint>

namespace neuroplex::limits {

/// Version of the messages between nodes; peers must have the same.
inline constexpr std::uint32_t protocol_version = 8;

/// Longest value that travels in a message. Larger ones go through the segment.
inline constexpr std::size_t max_message_value_bytes = std::size_t{8} << 20;

/// Longest request that any node can be told to take (two values of a
/// compare_and_swap and a key), and what an item of a batch counts beside its
/// key and value.
inline constexpr std::size_t max_message_bytes = std::size_t{32} << 20;
inline constexpr std::size_t batch_item_overhead_bytes = 24;

/// Items, and bytes of keys and values, of one batch message (a single item may
/// be larger). The client cuts larger batches into several messages.
inline constexpr std::size_t max_batch_items = 65'536;
inline constexpr std::size_t max_batch_bytes = std::size_t{1} << 20;

/// Values that one answer to a batch carries; what does not fit is `busy`.
inline constexpr std::size_t max_batch_reply_bytes = std::size_t{8} << 20;

/// Entries of one page of a scan, and about so many bytes of keys and values:
/// it ends after the step of entries that fills it. A value that does not fit
/// is left out and marked.
inline constexpr std::size_t max_scan_entries = 256;
inline constexpr std::size_t max_scan_page_bytes = std::size_t{1} << 20;
inline constexpr std::size_t scan_step_entries = 16;

/// Pushed scans under way in one node, and pages one of them may be ahead.
inline constexpr std::size_t max_scan_streams = 64;
inline constexpr std::uint32_t max_scan_credit = 64;

/// A pushed scan whose reader grants no credit for so long is ended.
inline constexpr std::int64_t scan_idle_ms = 30'000;

/// Answers to writes that a shard remembers until their deadline: how many, of
/// how many clients, and their bytes.
inline constexpr std::size_t max_remembered_answers = 16'384;
inline constexpr std::size_t max_remembered_clients = 1'024;
inline constexpr std::size_t max_remembered_bytes = std::size_t{4} << 20;

/// Longest time ahead a deadline may lie.
inline constexpr std::int64_t max_deadline_ms = 600'000;

/// Bytes of requests in flight to one peer.
inline constexpr std::size_t max_peer_bytes_in_flight = std::size_t{64} << 20;

/// Sends of one request before its router gives up.
inline constexpr std::uint32_t max_attempts = 4;

/// Longest pause between two attempts to reach a peer.
inline constexpr std::int64_t max_reconnect_pause_ms = 5'000;

/// Time one attempt to connect and be welcomed may take.
inline constexpr std::int64_t connect_timeout_ms = 3'000;

/// Restarts of child actors within restart_window_ms that a node survives.
inline constexpr std::size_t max_restarts = 32;
inline constexpr std::int64_t restart_window_ms = 10'000;

/// Time that a node waits at its start for its gateway to listen, and the pause
/// before a gateway that died is started again.
inline constexpr std::int64_t gateway_start_ms = 10'000;
inline constexpr std::int64_t gateway_restart_pause_ms = 100;

/// How long the scheduler of upkeep waits for one step of a worker.
inline constexpr std::int64_t upkeep_step_ms = 30'000;

/// Actors that hear of changes of the pressure.
inline constexpr std::size_t max_pressure_listeners = 256;

/// Requests that wait at a cache actor, and how often and by how much it may be
/// told to flush.
inline constexpr std::size_t max_cache_requests = 4'096;
inline constexpr std::uint32_t least_flush_interval_ms = 1;
inline constexpr std::uint32_t max_flush_interval_ms = 3'600'000;
inline constexpr std::uint64_t max_flush_entries = 65'536;

/// Leases of raw memory that one message of the pool actor ends by time.
inline constexpr std::size_t ended_leases_a_step = 256;

} // namespace neuroplex::limits
