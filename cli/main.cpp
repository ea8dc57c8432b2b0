// The `neuroplex` command: the list of its subcommands, in the order of --help.
#include "cli/command_line.hpp"
#include "cli/commands/config.hpp"

int main(int argc, char** argv) {
  using namespace neuroplex::cli;
  constexpr add_command commands[] = {
    add_config,
  };
  return run(argc, argv, commands);
}
