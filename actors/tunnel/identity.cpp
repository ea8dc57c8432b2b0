#include "actors/tunnel/identity.hpp"

#include <algorithm>
#include <charconv>

#include "actors/tunnel/limits.hpp"

namespace neuroplex::tunnel {

namespace {

constexpr std::string_view uri_prefix = "neuroplex://replica/";

} // namespace

std::string replica_uri(replica_id id) {
  return std::string{uri_prefix} + std::to_string(id);
}

std::optional<replica_id> parse_replica_uri(std::string_view uri) {
  if (uri.substr(0, uri_prefix.size()) != uri_prefix)
    return std::nullopt;
  auto digits = uri.substr(uri_prefix.size());
  if (digits.empty() || (digits.size() > 1 && digits.front() == '0'))
    return std::nullopt;
  replica_id id = 0;
  const char* end = digits.data() + digits.size();
  auto [stop, code] = std::from_chars(digits.data(), end, id);
  if (code != std::errc{} || stop != end)
    return std::nullopt;
  return id;
}

expected<void> node_identity::validate() const {
  auto printable = [](char c) { return c > ' ' && c < '\x7f'; };
  if (cluster.empty() || cluster.size() > limits::max_cluster_bytes
      || !std::all_of(cluster.begin(), cluster.end(), printable))
    return failure{errc::config,
                   "tunnel cluster name: '" + cluster
                     + "': 1 to 64 printable characters without spaces"};
  return {};
}

expected<void> credentials::validate() const {
  auto missing = [](std::string_view what) {
    return failure{errc::config, std::string{what}
                                   + ": not set: the tunnel needs it; see "
                                     "neuroplex cert"};
  };
  if (authority_file.empty())
    return missing("tunnel authority file");
  if (certificate_file.empty())
    return missing("tunnel certificate file");
  if (key_file.empty())
    return missing("tunnel key file");
  return {};
}

} // namespace neuroplex::tunnel
