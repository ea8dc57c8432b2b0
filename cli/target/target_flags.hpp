// The flags by which data commands are told what to work on and how keys and
// values are written.
//
// Ownership: must outlive the App it was added to.
#pragma once

#include "cli/byte_text.hpp"
#include "cli/context.hpp"
#include "cli/target/target.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace neuroplex::cli {

/// Where a node of this machine listens unless told otherwise.
inline constexpr std::string_view default_node_address = "127.0.0.1:7400";

class target_flags {
public:
  /// Adds --node, --segment, --timeout and --namespace.
  void add_to(CLI::App& app);

  /// Adds --create, for commands that may make the segment.
  void add_create_to(CLI::App& app);

  /// Adds --encoding.
  void add_encoding_to(CLI::App& app);

  /// Opens what the flags name.
  [[nodiscard]] expected<std::unique_ptr<target>>
  open(memory::access_mode mode) const;

  [[nodiscard]] const std::string& space() const noexcept {
    return space_;
  }

  [[nodiscard]] byte_encoding encoding() const noexcept {
    return encoding_;
  }

  /// The bytes that the argument `name` means. E-KEYBYTES.
  [[nodiscard]] outcome decode(const std::string& name, const std::string& text,
                               std::string& bytes) const;

  /// File of the segment, or "" when a node is meant.
  [[nodiscard]] const std::string& segment() const noexcept {
    return segment_;
  }

  /// "HOST:PORT" of the node.
  [[nodiscard]] const std::string& node() const noexcept {
    return node_;
  }

  [[nodiscard]] std::uint64_t timeout_ms() const noexcept {
    return timeout_ms_;
  }

private:
  std::string node_{default_node_address};
  bool node_given_ = false;
  std::string segment_;
  std::string space_ = "default";
  std::uint64_t timeout_ms_ = 2'000;
  std::uint64_t create_bytes_ = 0;
  byte_encoding encoding_ = byte_encoding::text;
};

/// Cuts "HOST:PORT" or "[::1]:PORT"; `bad_argument` when it is neither.
[[nodiscard]] expected<void>
parse_address(const std::string& text, std::string& host, std::uint16_t& port);

} // namespace neuroplex::cli
