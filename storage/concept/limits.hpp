// Every limit of concept memory, in one place.
#pragma once

#include <cstddef>
#include <cstdint>

namespace neuroplex::concepts::limits {

/// Longest content of a concept, in bytes.
inline constexpr std::size_t max_content_bytes = std::size_t{1} << 20;

/// Attributes of a concept, encoded.
inline constexpr std::size_t max_attribute_bytes = std::size_t{64} << 10;

/// Longest vector.
inline constexpr std::size_t max_dimensions = 4096;

/// Most concepts of a graph, and associations from or to one of them.
inline constexpr std::uint32_t max_concepts = std::uint32_t{1} << 28;
inline constexpr std::uint32_t max_degree = std::uint32_t{1} << 28;

/// Types of associations, and the longest name of one.
inline constexpr std::size_t max_association_types = 1024;
inline constexpr std::size_t max_type_name_bytes = 255;

/// Snapshots that readers hold at a time, all threads together.
inline constexpr std::size_t max_snapshots = 1024;

/// Entries that the write log may be made for.
inline constexpr std::size_t min_log_entries = 2;
inline constexpr std::size_t max_log_entries = std::size_t{1} << 24;

/// Bytes of entries that wait beside a full log, and of those that were read
/// again before a segment is written so that they can go.
inline constexpr std::uint64_t max_spill_bytes = std::uint64_t{4} << 30;
inline constexpr std::uint64_t max_read_spill_bytes = std::uint64_t{64} << 20;

/// Entries that are applied before a snapshot is published.
inline constexpr std::size_t max_batch_entries = 1'000'000;

/// Events (what was dropped or refused) kept for who asks.
inline constexpr std::size_t kept_events = 1024;

/// Bounds of a query that asks for more.
inline constexpr unsigned max_depth = 64;
inline constexpr std::size_t max_paths = 64;
inline constexpr std::size_t max_results = 100'000;

} // namespace neuroplex::concepts::limits
