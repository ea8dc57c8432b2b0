// How settings of namespaces are read and written.
//
// Purpose: one spelling for flags and variables ("cache:policy=lru:quota=64M")
// and for the list "namespaces" of a configuration file.
//
// Threads: pure functions.
//
// Failure behaviour: `bad_argument` whose message is what was expected.
#pragma once

#include "config/node_options.hpp"
#include "memory/store_policies.hpp"

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::config {

/// The keys of one namespace in a configuration file.
inline constexpr std::array<std::string_view, 13> namespace_keys{
  "name",        "policy",     "priority",    "quota_bytes",  "default_ttl_ms",
  "compression", "share_from", "consistency", "staleness_ms", "stale_reads",
  "concurrent",  "resolver",   "shards"};

/// The policies that a namespace can have.
inline constexpr auto namespace_policies = memory::store_policy_names;

/// Whether values are compressed, in the order of the enumerators.
inline constexpr std::array<std::string_view, 2> namespace_compressions{
  "off", "adaptive"};

/// What a namespace can promise, in the order of the enumerators.
inline constexpr std::array<std::string_view, 6> namespace_consistencies{
  "single_copy", "sequential", "linearizable",
  "eventual",    "causal",     "bounded_staleness"};

/// The priority classes, lowest first.
inline constexpr std::array<std::string_view, 4> namespace_priorities{
  "general", "training", "inference", "critical"};

/// "noeviction, clock or lru".
[[nodiscard]] std::string
choice_text(std::span<const std::string_view> choices);

/// Sets one field by its key in a configuration file ("policy") or a flag
/// ("quota", "ttl"). The message of a failure is what was expected.
[[nodiscard]] expected<void> set_namespace_field(namespace_options& space,
                                                 std::string_view key,
                                                 std::string_view value);

/// Reads "NAME:policy=lru:priority=general:quota=64M:ttl=10m:compression=off:
/// share_from=0:consistency=single_copy"; what is left out keeps its default.
/// Of replicas also "staleness=1s:stale_reads=wait:concurrent=last:
/// resolver=last:shards=1".
/// A name with a colon or a comma needs the file.
[[nodiscard]] expected<namespace_options>
parse_namespace(std::string_view text);

/// A comma-separated list of these; the empty text is the empty list.
[[nodiscard]] expected<std::vector<namespace_options>>
parse_namespaces(std::string_view text);

/// True when every name and number is one that a segment takes, and no name
/// comes twice.
[[nodiscard]] bool are_namespaces(const std::vector<namespace_options>& spaces);

/// As `parse_namespaces` reads it, or "none".
[[nodiscard]] std::string
display_namespaces(const std::vector<namespace_options>& spaces);

/// As the configuration file writes it.
[[nodiscard]] std::string
file_namespaces(const std::vector<namespace_options>& spaces);

} // namespace neuroplex::config
