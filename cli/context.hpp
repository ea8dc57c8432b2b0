// What a subcommand gets, and what it gives back.
//
// Purpose: `main` parses the command line with CLI11; each subcommand registers
// itself with a function `void add_<name>(CLI::App&, context&)` in
// cli/commands/<name>.hpp, and its callback stores what is to be done in
// `context::action`. The action runs after the whole line was accepted, so
// nothing happens for a line that is refused.
//
// Threads: one.
//
// Invariants: an action prints results on `out` only. It prints no error: it
// answers one, and `main` prints its line on standard error.
//
// Failure behaviour: an `outcome` that holds a diagnostic ends the command with
// the diagnostic's exit status.
#pragma once

#include "cli/terminal/terminal.hpp"
#include "config/diagnostic.hpp"
#include "memory/status.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <string>

namespace CLI {
class App;
} // namespace CLI

namespace neuroplex::cli {

using config::diagnostic;
using config::problem;

/// Nothing for success, or why the command failed.
using outcome = std::optional<diagnostic>;

enum class output_format : std::uint8_t {
  text, ///< for people
  json, ///< one object with stable keys
};

struct context {
  std::ostream& out;        ///< results
  terminal_traits terminal; ///< of `out`
  output_format output = output_format::text;
  std::function<outcome()> action; ///< of the subcommand that was named
  std::string program;             ///< path of this executable
};

/// The outcome of a command that met `what`.
[[nodiscard]] inline outcome failed(const failure& what) {
  return diagnostic{what};
}

/// The outcome for a failure about one thing: "subject: describe(code)".
[[nodiscard]] inline outcome failed(errc code, const std::string& subject) {
  return diagnostic{
    failure{code, subject + ": " + std::string{describe(code)}}};
}

} // namespace neuroplex::cli
