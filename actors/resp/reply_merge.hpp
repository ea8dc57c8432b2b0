// Makes one reply of the replies of several nodes.
//
// Purpose: commands with keys of several owners (MGET, DEL, MSET ...) and those
// that concern all nodes (DBSIZE, KEYS ...) are answered in parts; this puts
// the parts together.
//
// Threads: pure functions on values.
//
// Failure behaviour: a part that is an error, or is not what its command
// answers, makes the whole an error. Bytes of other nodes are parsed with
// bounds, never trusted.
#pragma once

#include "actors/resp/command.hpp"
#include "actors/resp/remote.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::resp {

/// Length of the whole reply at the front of `bytes`, or nothing when there is
/// none or it nests deeper than any reply of ours.
[[nodiscard]] std::optional<std::size_t>
reply_length(std::string_view bytes) noexcept;

/// The elements of an array or set reply, or nothing when `bytes` is not one.
[[nodiscard]] std::optional<std::vector<std::string_view>>
reply_elements(std::string_view bytes);

/// The content of a bulk string reply, or nothing.
[[nodiscard]] std::optional<std::string_view>
bulk_content(std::string_view bytes) noexcept;

/// Merges by `rule`. For `in_order`, element i of the result is the next
/// element of part places[i].
[[nodiscard]] std::string merge_replies(merge_rule rule,
                                        std::span<const remote_reply> parts,
                                        std::span<const std::size_t> places);

/// A SCAN cursor of the cluster: which node, and the position there.
struct cluster_cursor {
  std::size_t node = 0; ///< 0 is this node, then the others in order
  std::uint64_t position = 0;
};

[[nodiscard]] std::uint64_t encode_cursor(cluster_cursor cursor) noexcept;
[[nodiscard]] cluster_cursor decode_cursor(std::uint64_t number) noexcept;

/// The SCAN reply of one node as a reply of the cluster: moves on to the next
/// node when this one is done.
[[nodiscard]] std::string merge_scan(const remote_reply& part, std::size_t node,
                                     std::size_t node_count);

} // namespace neuroplex::resp
