// Every limit of the RESP gateway, in one place.
#pragma once

#include <cstddef>
#include <cstdint>

namespace neuroplex::resp::bounds {

/// Longest line: an inline command, or the header of an array or bulk string.
inline constexpr std::size_t max_line_bytes = std::size_t{64} << 10;

/// Most arguments of one command.
inline constexpr std::size_t max_arguments = 1'048'576;

/// Longest argument; a server lowers it to what its store can hold.
inline constexpr std::size_t max_bulk_bytes = std::size_t{512} << 20;

/// Bounds of a connection that has not authenticated.
inline constexpr std::size_t max_arguments_before_auth = 10;
inline constexpr std::size_t max_bulk_bytes_before_auth = 16'384;

/// Bytes of one unfinished command that are kept, beyond its longest argument.
inline constexpr std::size_t max_query_bytes = std::size_t{64} << 20;

/// Unsent replies after which a connection's next commands wait.
inline constexpr std::size_t default_output_bytes = std::size_t{32} << 20;

/// Unsent replies at which a connection is cut off, in the middle of a command
/// if need be. Raised to hold at least one reply of the largest value.
inline constexpr std::size_t default_reply_bytes = std::size_t{256} << 20;

/// How long a connection may take nothing of a full output buffer.
inline constexpr std::int64_t default_output_stall_ms = 10'000;

/// Simultaneous connections.
inline constexpr std::size_t default_clients = 10'000;

/// Bytes taken from a connection at a time, so that one cannot starve others.
inline constexpr std::size_t read_bytes = std::size_t{64} << 10;

/// Connections accepted in one go, for the same reason.
inline constexpr int accepts_a_turn = 64;

/// Buffers above this are given back when a connection falls idle.
inline constexpr std::size_t kept_buffer_bytes = std::size_t{16} << 10;

/// Commands and bytes that MULTI gathers until EXEC.
inline constexpr std::size_t max_queued_commands = 16'384;
inline constexpr std::size_t max_queued_bytes = std::size_t{4} << 20;

/// Databases that SELECT knows: 0 is the namespace "default", n is "db<n>".
inline constexpr std::uint32_t databases = 16;

/// Keys read or written in one call of get_many and set_many.
inline constexpr std::size_t batch_keys = 256;

/// Longest password, user name and client name.
inline constexpr std::size_t max_password_bytes = 512;
inline constexpr std::size_t max_client_name_bytes = 256;

/// Failed AUTHs that are answered at once; later ones wait, each a step longer
/// than the one before, and a quiet second forgives one failure.
inline constexpr std::uint32_t free_auth_failures = 10;
inline constexpr std::int64_t auth_delay_step_ms = 20;
inline constexpr std::int64_t max_auth_delay_ms = 2'000;
inline constexpr std::int64_t auth_forgiveness_ms = 1'000;

/// Replies a connection may have outstanding at other nodes.
inline constexpr std::size_t max_pending_replies = 1'024;

/// Entries looked at by one SCAN at most, whatever COUNT says.
inline constexpr std::size_t max_scan_count = 1'000'000;

/// Lost races with other writers after which a read-modify-write gives up.
inline constexpr int max_retries = 10'000;

} // namespace neuroplex::resp::bounds
