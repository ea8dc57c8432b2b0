// One problem with what a person typed or wrote, as the one line he gets.
//
// Purpose: `neuroplex::failure` covers what the runtime can refuse. A command
// line and a configuration file can be wrong in more ways, and these need codes
// and exit statuses of their own; a diagnostic holds either kind. Its line is
//   error[E-CODE]: what: value: expected
//
// Threads: plain values, no shared state.
//
// Invariants:
//  1. `to_string` is one line whatever the message was made from: control
//     characters are escaped.
//  2. No message holds a secret: values of secret settings are never quoted.
#pragma once

#include "memory/status.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace neuroplex::config {

/// What can be wrong with a command line or a configuration, beside `errc`.
enum class problem : std::uint8_t {
  use,            ///< no command, a missing argument, or one too many
  unknown_flag,   ///< no such flag or command
  duplicate_flag, ///< one flag twice with different values
  range,          ///< a number or word outside its range
  size,           ///< a size in bytes outside its range, or not a size
  key_bytes,      ///< a key or value whose written form cannot be decoded
  config,         ///< a setting is unknown, malformed or out of range
  topology,       ///< peers contradict one another or this node
  timing,         ///< timeouts contradict one another
  secret_mode,    ///< a secret where others can read it
  unfit,          ///< this machine cannot run what was asked for
};

/// Number of problems, for walks over all of them.
inline constexpr std::uint8_t problem_count =
  static_cast<std::uint8_t>(problem::unfit) + 1;

/// Stable short name of the form "E-DUPFLAG".
[[nodiscard]] std::string_view code_name(problem code) noexcept;

/// 2 for wrong use, 3 for wrong configuration, 6 for an unfit machine.
[[nodiscard]] int exit_status(problem code) noexcept;

/// A problem or a failure, ready to be printed.
class diagnostic {
public:
  diagnostic(problem code, std::string message);

  /// The same code, status and text as the failure.
  explicit diagnostic(const failure& what);

  [[nodiscard]] std::string_view code() const noexcept {
    return code_;
  }

  [[nodiscard]] int exit_status() const noexcept {
    return exit_status_;
  }

  [[nodiscard]] const std::string& message() const noexcept {
    return message_;
  }

  /// "error[E-CODE]: message", without a line end.
  [[nodiscard]] std::string to_string() const;

private:
  std::string_view code_;
  int exit_status_;
  std::string message_;
};

/// `text` between quotes, control characters and invalid UTF-8 escaped, cut
/// after `max_bytes` of input: fit to stand in a message.
[[nodiscard]] std::string quote(std::string_view text,
                                std::size_t max_bytes = 64);

/// As `quote`, without quotes and cut.
[[nodiscard]] std::string escape(std::string_view text);

} // namespace neuroplex::config
