// The table of settings: each setting's name, kind, range, default and text.
//
// Purpose: one row a setting drives everything that speaks of it: the keys of
// the configuration file, the names of environment variables, the flags, the
// checks, `config explain` and the sample file. Adding a setting is a field in
// config/node_options.hpp and a row in config/settings.cpp.
//
// Threads: the table is constant.
//
// Invariants:
//  1. Names are "section.key", unique; so are flags and environment names.
//  2. The defaults are those of a default-constructed node_options.
//
// Failure behaviour: a value that cannot be read or is out of range answers
// `errc::bad_argument` whose message is what was expected ("1 to 65535").
#pragma once

#include "config/node_options.hpp"
#include "memory/status.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace neuroplex::config {

enum class setting_kind : std::uint8_t {
  number,       ///< an integer
  bytes,        ///< an integer, or one with K, M, G or T
  milliseconds, ///< an integer, or one with ms, s, m or h
  boolean,      ///< true or false
  text,         ///< a word or a path
  word,         ///< one of a closed list
  port,         ///< 1 to 65535, "auto", and "off" where least is 0
  peers,        ///< a list of peers
  namespaces,   ///< a list of namespaces
};

using setting_value =
  std::variant<bool, std::uint64_t, std::string, listen_port,
               std::vector<peer_options>, std::vector<namespace_options>>;

/// True for a setting that is a list, and in a file a section of its own.
[[nodiscard]] constexpr bool is_list(setting_kind kind) noexcept {
  return kind == setting_kind::peers || kind == setting_kind::namespaces;
}

struct setting {
  std::string_view name{};  ///< "timeouts.request_ms"
  std::string_view flag{};  ///< "--request-timeout"
  std::string_view alias{}; ///< a second spelling of the flag, or empty
  setting_kind kind = setting_kind::text;
  std::uint64_t least = 0; ///< of a number, or of a text's length
  std::uint64_t most = 0;  ///< of the same
  std::string_view rule{}; ///< replaces the range's words when not empty
  std::string_view doc{};  ///< one sentence without a full stop
  bool (*accepts)(const setting_value&) = nullptr; ///< beside the range
  std::span<const std::string_view> words{};       ///< of a word
  setting_value (*get)(const node_options&) = nullptr;
  void (*set)(node_options&, const setting_value&) = nullptr;
};

/// All settings, grouped by section, in the order of the sample file.
[[nodiscard]] std::span<const setting> settings();

/// The setting with this name, or null.
[[nodiscard]] const setting* find_setting(std::string_view name);

/// The section of a name: "timeouts" of "timeouts.request_ms"; the name itself
/// when it has none ("peers").
[[nodiscard]] std::string_view section_of(std::string_view name);

/// The name's last part: "request_ms" of "timeouts.request_ms".
[[nodiscard]] std::string_view key_of(std::string_view name);

/// "NEUROPLEX_TIMEOUTS_REQUEST_MS".
[[nodiscard]] std::string environment_name(const setting& which);

/// What values are accepted, in words: "1 to 65535 or auto".
[[nodiscard]] std::string range_text(const setting& which);

/// Reads a value as flags and environment variables write it.
[[nodiscard]] expected<setting_value> parse_value(const setting& which,
                                                  std::string_view text);

/// Checks a value against the setting's range.
[[nodiscard]] expected<void> check_value(const setting& which,
                                         const setting_value& value);

/// The value as a person reads it: "64 MiB", "1000 ms", "auto".
[[nodiscard]] std::string display_value(const setting& which,
                                        const setting_value& value);

/// The value as the configuration file writes it: `"auto"`, `67108864`.
[[nodiscard]] std::string file_value(const setting& which,
                                     const setting_value& value);

/// Reads "64M", "64MiB" or "67108864"; nothing for other text or overflow.
[[nodiscard]] expected<std::uint64_t> parse_bytes(std::string_view text);

/// "64 MiB", "1.5 GiB", "17 B": exact, or to three digits with
/// `approximate`.
[[nodiscard]] std::string display_bytes(std::uint64_t bytes,
                                        bool approximate = false);

/// Reads "2@10.0.0.2:7401" or "2@[::1]:7401".
[[nodiscard]] expected<peer_options> parse_peer(std::string_view text);

/// A string as JSON writes it, quotes included.
[[nodiscard]] std::string json_text(std::string_view text);

/// A complete configuration file with every setting at its default, each with
/// its text, range, flag and environment variable as a comment.
[[nodiscard]] std::string sample_file();

} // namespace neuroplex::config
