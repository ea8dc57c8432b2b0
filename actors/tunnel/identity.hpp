// Who a node is: its replica id, how a certificate names it, and the files
// that prove it.
//
// Threads: plain values and pure functions.
//
// Invariants:
//  1. A certificate names exactly one replica, by the alternative name
//     "neuroplex://replica/<id>", the id in decimal without sign or leading
//     zeros. Any other spelling names nobody.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "memory/status.hpp"

namespace neuroplex::tunnel {

using replica_id = std::uint32_t;

/// "neuroplex://replica/7".
[[nodiscard]] std::string replica_uri(replica_id id);

/// The id that `uri` names, if it is spelled as `replica_uri` spells it.
[[nodiscard]] std::optional<replica_id> parse_replica_uri(std::string_view uri);

/// What a node says of itself in its hello.
struct node_identity {
  /// The cluster's name, the same on all nodes; 1 to 64 printable characters.
  std::string cluster;
  /// Must be the id that the node's certificate names.
  replica_id id = 0;
  /// Differs between two lives of one replica; compared for equality only.
  std::uint64_t incarnation = 0;

  [[nodiscard]] expected<void> validate() const;
};

/// The three PEM files of a node.
struct credentials {
  /// The cluster's own authority; two certificates during a rotation.
  std::filesystem::path authority_file;
  /// The node's certificate.
  std::filesystem::path certificate_file;
  /// Its private key; mode 0600 or stricter, else it is refused.
  std::filesystem::path key_file;

  [[nodiscard]] expected<void> validate() const;
};

} // namespace neuroplex::tunnel
