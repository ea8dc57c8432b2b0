// Every limit of the shared-memory plane, in one place.
#pragma once

#include <cstddef>
#include <cstdint>

namespace neuroplex::limits {

/// Longest key, in bytes. The shortest is one byte.
inline constexpr std::size_t max_key_bytes = 65'535;

/// Longest value whatever the segment's size; a segment refuses anything above
/// a quarter of its pool as well.
inline constexpr std::size_t max_value_bytes = std::size_t{1} << 30;

/// Most namespaces in a segment, and the longest name in bytes.
inline constexpr std::size_t max_namespaces = 256;
inline constexpr std::size_t max_namespace_name_bytes = 255;

/// Smallest and largest segment, in bytes.
inline constexpr std::uint64_t min_segment_bytes = std::uint64_t{1} << 20;
inline constexpr std::uint64_t max_segment_bytes = std::uint64_t{64} << 30;

/// The seed's defaults for a small store.
inline constexpr std::uint64_t default_segment_bytes = std::uint64_t{64} << 20;
inline constexpr std::uint64_t default_bucket_count = 16'384;

/// Zero-copy views one thread may hold at a time.
inline constexpr std::size_t max_views_per_thread = 6;

/// Keys that one wave of get_many or set_many has in flight.
inline constexpr std::size_t batch_wave = 32;

/// Entries that one run of eviction gives up at most.
inline constexpr unsigned eviction_batch = 128;

/// Shortest value that can be shared with equal ones: what stands for it in an
/// entry takes 32 bytes, its content's record 64.
inline constexpr std::uint32_t least_shared_bytes = 128;

/// From which length sharing usually pays.
inline constexpr std::uint32_t default_shared_bytes = 1024;

/// Bytes that a step of compaction moves unless told otherwise.
inline constexpr std::uint64_t compaction_step_bytes = 4096;

/// Longest key and value together in an inline namespace, and the most entries
/// one may be made for.
inline constexpr std::size_t max_inline_entry_bytes = std::size_t{64} << 10;
inline constexpr std::uint64_t max_inline_capacity = std::uint64_t{1} << 31;

/// Longest expiry, in milliseconds (about 292 years).
inline constexpr std::int64_t max_ttl_ms = 9'223'372'036'854;

} // namespace neuroplex::limits
