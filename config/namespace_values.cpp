#include "config/namespace_values.hpp"

#include "config/diagnostic.hpp"
#include "config/settings.hpp"

#include <algorithm>
#include <set>

namespace neuroplex::config {

namespace {

constexpr std::string_view form =
  "NAME:policy=P:priority=CLASS:quota=SIZE:ttl=TIME:compression=MODE:"
  "share_from=SIZE:consistency=LEVEL:staleness=TIME:stale_reads=HOW:"
  "concurrent=WHICH:resolver=NAME:shards=N";

// The row of a table would read these values in the same way.
constexpr setting quota_range{.name = "namespaces.quota_bytes",
                              .kind = setting_kind::bytes,
                              .most = limits::max_segment_bytes,
                              .rule = "0 (no quota) to 64 GiB, in bytes or "
                                      "with K, M or G (powers of two)"};
constexpr setting ttl_range{.name = "namespaces.default_ttl_ms",
                            .kind = setting_kind::milliseconds,
                            .most = limits::max_ttl_ms,
                            .rule = "0 (for ever) to 9223372036854 ms"};
constexpr setting share_range{.name = "namespaces.share_from",
                              .kind = setting_kind::bytes,
                              .most = limits::max_value_bytes,
                              .rule = "0 (nothing is shared) or 128 to 1 GiB, "
                                      "in bytes or with K, M or G (powers of "
                                      "two)"};

constexpr setting staleness_range{.name = "namespaces.staleness_ms",
                                  .kind = setting_kind::milliseconds,
                                  .least = 10,
                                  .most = 600'000,
                                  .rule = "10 to 600000 ms"};
constexpr setting shards_range{.name = "namespaces.shards",
                               .kind = setting_kind::number,
                               .least = 1,
                               .most = max_replica_shards,
                               .rule = "1 to 64"};

failure expected_text(std::string text) {
  return {errc::bad_argument, std::move(text)};
}

expected<std::uint64_t> read_number(const setting& range,
                                    std::string_view text) {
  auto value = parse_value(range, text);
  if (!value)
    return value.error();
  return std::get<std::uint64_t>(*value);
}

expected<void> set_name(namespace_options& space, std::string_view name) {
  if (name.empty() || name.size() > limits::max_namespace_name_bytes)
    return expected_text("a name of 1 to 255 bytes");
  space.name = name;
  return {};
}

expected<void> set_policy(namespace_options& space, std::string_view name) {
  auto kind = memory::parse_policy_kind(name);
  if (!kind
      || std::find(namespace_policies.begin(), namespace_policies.end(), name)
           == namespace_policies.end())
    return expected_text(choice_text(namespace_policies));
  space.settings.policy = *kind;
  return {};
}

expected<void> set_priority(namespace_options& space, std::string_view name) {
  auto found =
    std::find(namespace_priorities.begin(), namespace_priorities.end(), name);
  if (found == namespace_priorities.end())
    return expected_text(choice_text(namespace_priorities));
  space.settings.priority =
    static_cast<memory::priority_class>(found - namespace_priorities.begin());
  return {};
}

expected<void> set_compression(namespace_options& space,
                               std::string_view name) {
  auto mode = memory::parse_compression_mode(name);
  if (!mode)
    return expected_text(choice_text(namespace_compressions));
  space.settings.compression = *mode;
  return {};
}

expected<void> set_consistency(namespace_options& space,
                               std::string_view name) {
  auto found = std::find(namespace_consistencies.begin(),
                         namespace_consistencies.end(), name);
  if (found == namespace_consistencies.end())
    return expected_text(choice_text(namespace_consistencies));
  space.consistency =
    static_cast<consistency_level>(found - namespace_consistencies.begin());
  return {};
}

expected<void> set_stale_reads(namespace_options& space,
                               std::string_view name) {
  for (auto each : {stale_read::wait, stale_read::forward, stale_read::refuse})
    if (name == to_string(each)) {
      space.stale_reads = each;
      return {};
    }
  return expected_text("wait, forward or refuse");
}

expected<void> set_concurrent(namespace_options& space, std::string_view name) {
  for (auto each : {concurrent_writes::last, concurrent_writes::all})
    if (name == to_string(each)) {
      space.concurrent = each;
      return {};
    }
  return expected_text("last or all");
}

// A name that needs no escape, wherever it is written.
bool is_resolver_name(std::string_view name) {
  constexpr std::size_t longest = 64;
  return !name.empty() && name.size() <= longest
         && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-")
              == std::string_view::npos;
}

expected<void> set_resolver(namespace_options& space, std::string_view name) {
  if (!is_resolver_name(name))
    return expected_text("a name of a-z, 0-9, _ and -");
  space.resolver = name;
  return {};
}

// Settings that replicas alone have, as the command line writes them.
std::string display_replicas(const namespace_options& space) {
  if (!space.replicated())
    return {};
  return ":staleness=" + std::to_string(space.staleness_ms)
         + ":stale_reads=" + std::string{to_string(space.stale_reads)}
         + ":concurrent=" + std::string{to_string(space.concurrent)}
         + ":resolver=" + space.resolver
         + ":shards=" + std::to_string(space.shards);
}

std::string file_replicas(const namespace_options& space) {
  if (!space.replicated())
    return {};
  return ",\n     \"staleness_ms\": " + std::to_string(space.staleness_ms)
         + ", \"stale_reads\": \"" + std::string{to_string(space.stale_reads)}
         + "\", \"concurrent\": \"" + std::string{to_string(space.concurrent)}
         + "\", \"resolver\": \"" + space.resolver
         + "\", \"shards\": " + std::to_string(space.shards);
}

bool is_share_from(std::uint64_t bytes) {
  return bytes == 0
         || (bytes >= limits::least_shared_bytes && bytes <= share_range.most);
}

expected<void> set_share_from(namespace_options& space, std::string_view text) {
  auto bytes = read_number(share_range, text);
  if (!bytes)
    return bytes.error();
  if (!is_share_from(*bytes))
    return expected_text(std::string{share_range.rule});
  space.settings.share_from = static_cast<std::uint32_t>(*bytes);
  return {};
}

} // namespace

std::string choice_text(std::span<const std::string_view> choices) {
  std::string result;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (i > 0)
      result += i + 1 == choices.size() ? " or " : ", ";
    result += choices[i];
  }
  return result;
}

expected<void> set_namespace_field(namespace_options& space,
                                   std::string_view key,
                                   std::string_view value) {
  if (key == "name")
    return set_name(space, value);
  if (key == "policy")
    return set_policy(space, value);
  if (key == "priority")
    return set_priority(space, value);
  if (key == "compression")
    return set_compression(space, value);
  if (key == "share_from")
    return set_share_from(space, value);
  if (key == "consistency")
    return set_consistency(space, value);
  if (key == "stale_reads")
    return set_stale_reads(space, value);
  if (key == "concurrent")
    return set_concurrent(space, value);
  if (key == "resolver")
    return set_resolver(space, value);
  if (key == "staleness" || key == "staleness_ms") {
    auto time = read_number(staleness_range, value);
    if (!time)
      return time.error();
    space.staleness_ms = static_cast<std::uint32_t>(*time);
    return {};
  }
  if (key == "shards") {
    auto count = read_number(shards_range, value);
    if (!count)
      return count.error();
    space.shards = static_cast<std::uint32_t>(*count);
    return {};
  }
  if (key == "quota" || key == "quota_bytes") {
    auto bytes = read_number(quota_range, value);
    if (!bytes)
      return bytes.error();
    space.settings.quota_bytes = *bytes;
    return {};
  }
  if (key == "ttl" || key == "default_ttl_ms") {
    auto time = read_number(ttl_range, value);
    if (!time)
      return time.error();
    space.settings.default_ttl_ms = static_cast<std::int64_t>(*time);
    return {};
  }
  return expected_text(std::string{form});
}

expected<namespace_options> parse_namespace(std::string_view text) {
  namespace_options result;
  auto colon = text.find(':');
  if (auto named = set_name(result, text.substr(0, colon)); !named)
    return named.error();
  while (colon != std::string_view::npos) {
    text.remove_prefix(colon + 1);
    colon = text.find(':');
    auto field = text.substr(0, colon);
    auto equals = field.find('=');
    if (equals == std::string_view::npos)
      return expected_text(std::string{form});
    if (auto set = set_namespace_field(result, field.substr(0, equals),
                                       field.substr(equals + 1));
        !set)
      return set.error();
  }
  return result;
}

expected<std::vector<namespace_options>>
parse_namespaces(std::string_view text) {
  std::vector<namespace_options> result;
  if (text.empty())
    return result;
  for (;;) {
    auto comma = text.find(',');
    auto space = parse_namespace(text.substr(0, comma));
    if (!space)
      return space.error();
    result.push_back(std::move(*space));
    if (comma == std::string_view::npos)
      return result;
    text.remove_prefix(comma + 1);
  }
}

bool are_namespaces(const std::vector<namespace_options>& spaces) {
  std::set<std::string_view> names;
  return std::all_of(spaces.begin(), spaces.end(), [&names](const auto& each) {
    auto policy = to_string(each.settings.policy);
    return !each.name.empty()
           && each.name.size() <= limits::max_namespace_name_bytes
           && names.insert(each.name).second
           && std::find(namespace_policies.begin(), namespace_policies.end(),
                        policy)
                != namespace_policies.end()
           && each.settings.priority <= memory::priority_class::critical
           && each.settings.compression <= memory::compression_mode::adaptive
           && is_share_from(each.settings.share_from)
           && each.consistency <= consistency_level::bounded_staleness
           && each.staleness_ms >= staleness_range.least
           && each.staleness_ms <= staleness_range.most
           && is_resolver_name(each.resolver) && each.shards >= 1
           && each.shards <= max_replica_shards
           && each.settings.quota_bytes <= quota_range.most
           && each.settings.default_ttl_ms >= 0
           && each.settings.default_ttl_ms <= limits::max_ttl_ms;
  });
}

std::string display_namespaces(const std::vector<namespace_options>& spaces) {
  std::string result;
  for (const auto& each : spaces) {
    result += (result.empty() ? "" : ",") + escape(each.name)
              + ":policy=" + std::string{to_string(each.settings.policy)}
              + ":priority=" + std::string{to_string(each.settings.priority)}
              + ":quota=" + std::to_string(each.settings.quota_bytes) + ":ttl="
              + std::to_string(each.settings.default_ttl_ms) + ":compression="
              + std::string{to_string(each.settings.compression)}
              + ":share_from=" + std::to_string(each.settings.share_from)
              + ":consistency=" + std::string{to_string(each.consistency)}
              + display_replicas(each);
  }
  return result.empty() ? "none" : result;
}

std::string file_namespaces(const std::vector<namespace_options>& spaces) {
  std::string result = "[";
  for (const auto& each : spaces) {
    result += result.size() > 1 ? ",\n    " : "\n    ";
    result +=
      "{\"name\": " + json_text(each.name) + ", \"policy\": \""
      + std::string{to_string(each.settings.policy)} + "\", \"priority\": \""
      + std::string{to_string(each.settings.priority)}
      + "\",\n     \"quota_bytes\": "
      + std::to_string(each.settings.quota_bytes)
      + ", \"default_ttl_ms\": " + std::to_string(each.settings.default_ttl_ms)
      + ",\n     \"compression\": \""
      + std::string{to_string(each.settings.compression)}
      + "\", \"share_from\": " + std::to_string(each.settings.share_from)
      + ", \"consistency\": \"" + std::string{to_string(each.consistency)}
      + "\"" + file_replicas(each) + "}";
  }
  return result + (result.size() > 1 ? "\n  ]" : "]");
}

} // namespace neuroplex::config
