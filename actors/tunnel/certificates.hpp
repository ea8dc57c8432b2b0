// The cluster's own certificate authority, as files.
//
// Purpose: what `neuroplex cert` does. An authority signs one certificate a
// node, whose alternative name is the node's replica id (identity.hpp).
//
// Threads: every function works on its arguments and files only.
//
// Invariants:
//  1. A file appears whole or not at all (written beside, synced, renamed), and
//     an existing one is replaced only with `force`.
//  2. Private keys are written with mode 0600, are refused when group or
//     others may read them, and are never printed or part of a message.
//
// Failure behaviour: errc::bad_argument for options, errc::exists for files
// that are there, errc::bad_path and errc::io for the file system, errc::config
// for files that are no usable certificate or key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "actors/tunnel/identity.hpp"
#include "actors/tunnel/limits.hpp"
#include "memory/status.hpp"

namespace neuroplex::tunnel {

enum class key_kind : std::uint8_t { ed25519, p256 };

struct authority_options {
  /// Existing directory that receives "ca.pem" and "ca.key".
  std::filesystem::path directory;
  /// The cluster's name; it becomes the subject.
  std::string cluster = "neuroplex";
  key_kind key = key_kind::ed25519;
  int validity_days = limits::authority_validity_days;
  bool force = false;

  [[nodiscard]] expected<void> validate() const;
};

struct node_certificate_options {
  /// Files of the authority that signs.
  std::filesystem::path authority_certificate_file;
  std::filesystem::path authority_key_file;
  /// Existing directory that receives "replica-<id>.pem" and
  /// "replica-<id>.key".
  std::filesystem::path directory;
  replica_id id = 0;
  /// Further alternative names, for people and other tools; not checked here.
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  key_kind key = key_kind::ed25519;
  int validity_days = limits::node_validity_days;
  /// First day of validity counted from today; negative lies in the past.
  int starts_in_days = 0;
  bool force = false;

  [[nodiscard]] expected<void> validate() const;
};

/// What was written.
struct certificate_files {
  std::filesystem::path certificate_file;
  std::filesystem::path key_file;
};

/// Makes a self-signed authority.
expected<certificate_files> create_authority(const authority_options& options);

/// Makes a key for a node and has the authority sign it.
expected<certificate_files>
issue_node_certificate(const node_certificate_options& options);

/// What a certificate says, for people.
struct certificate_facts {
  /// The replica that it names; nothing for an authority.
  std::optional<replica_id> id;
  bool authority = false;
  std::string subject;
  std::string issuer;
  std::string serial;     ///< hexadecimal
  std::string key;        ///< "ED25519", "EC", ...
  std::string not_before; ///< "2026-01-31T00:00:00Z"
  std::string not_after;
  std::int64_t seconds_left = 0; ///< until not_after; negative when expired
  std::vector<std::string>
    alternative_names; ///< "DNS:a", "IP:10.0.0.1", "URI:…"
  std::string sha256;  ///< fingerprint, hexadecimal
};

/// Reads the first certificate of a PEM file.
expected<certificate_facts>
inspect_certificate(const std::filesystem::path& file);

} // namespace neuroplex::tunnel
