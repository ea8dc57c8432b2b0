// Every limit of the tunnel, in one place.
#pragma once

#include <cstddef>
#include <cstdint>

namespace neuroplex::tunnel::limits {

/// Version of the tunnel's own protocol, and the oldest one still spoken.
inline constexpr std::uint16_t wire_version = 1;
inline constexpr std::uint16_t oldest_wire_version = 1;

/// Longest payload of one data frame that a peer may send, and the payload
/// this side fills: with its header it makes four whole TLS records.
inline constexpr std::size_t max_data_payload_bytes = 64 * 1024;
inline constexpr std::size_t data_payload_bytes = 64 * 1024 - 8;

/// Longest payload of a control frame (hello, welcome, refuse, ping, ...).
inline constexpr std::size_t max_control_payload_bytes = 512;

/// Longest cluster name, and longest text inside a refusal, in bytes.
inline constexpr std::size_t max_cluster_bytes = 64;
inline constexpr std::size_t max_refusal_text_bytes = 200;

/// Bytes one system call reads from a socket.
inline constexpr std::size_t read_chunk_bytes = 64 * 1024;

/// Bytes that wait for a slow side before the other side is no longer read.
inline constexpr std::size_t buffer_bytes = 256 * 1024;

/// From the TCP connection to the first relayed byte, and from there to a
/// whole BASP handshake; also how long half a BASP header may take.
inline constexpr std::int64_t handshake_ms = 5'000;

/// A peer that is silent this long is gone; pings go out more often by this.
inline constexpr std::int64_t idle_ms = 15'000;
inline constexpr std::int64_t pings_per_idle = 3;

/// How long a live peer has to answer when a newcomer claims its replica id.
inline constexpr std::int64_t probe_ms = 1'000;

/// How long a closing stream may make no progress, and how much of what still
/// arrives it discards.
inline constexpr std::int64_t linger_ms = 2'000;
inline constexpr std::size_t linger_bytes = 256 * 1024;

/// Pause of a listener after the process ran out of descriptors.
inline constexpr std::int64_t accept_retry_ms = 100;

/// How often the credential files are looked at, at most.
inline constexpr std::int64_t credential_check_ms = 2'000;

/// Period of the deadline checks; every deadline is met this late at most.
inline constexpr std::int64_t tick_ms = 100;

/// Authenticated connections of one server; connections that are not, yet or
/// ever, in all and of one source address; streams of one peer.
inline constexpr std::size_t max_connections = 1'024;
inline constexpr std::size_t max_pending = 512;
inline constexpr std::size_t max_pending_per_address = 128;
inline constexpr std::size_t max_streams_per_peer = 64;

/// Peers that a server may name.
inline constexpr std::size_t max_peers = 4'096;

/// Largest BASP payload that is let through, and the largest payload of a BASP
/// handshake or of a monitor or down message.
inline constexpr std::uint32_t basp_payload_bytes = 16U << 20;
inline constexpr std::uint32_t basp_handshake_payload_bytes = 64U << 10;

/// Longest file with a certificate or key that is read.
inline constexpr std::size_t max_pem_bytes = 256 * 1024;

/// Certificate lifetimes, in days.
inline constexpr int max_validity_days = 36'500;
inline constexpr int authority_validity_days = 3'650;
inline constexpr int node_validity_days = 397;

/// Alternative names in a node certificate.
inline constexpr std::size_t max_alternative_names = 64;

} // namespace neuroplex::tunnel::limits
