// From argv to an exit status.
//
// Purpose: parses the command line, turns every mistake in it into one line,
// runs the action of the subcommand and sees to it that the output arrived.
//
// Failure behaviour: one line on standard error, and the exit status that
// doc/exit-codes.md lists: 0 ok, 2 use, 3 configuration, 4 data corrupt,
// 5 refused, 6 resource. No exception leaves `run`.
#pragma once

#include "cli/context.hpp"

#include <span>

namespace neuroplex::cli {

/// Registers a subcommand.
using add_command = void (*)(CLI::App& app, context& ctx);

/// Runs the command line with these subcommands; answers the exit status.
[[nodiscard]] int run(int argc, char** argv,
                      std::span<const add_command> commands);

} // namespace neuroplex::cli
