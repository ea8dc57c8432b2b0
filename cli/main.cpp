// The `neuroplex` command: the list of its subcommands, in the order of --help.
#include "cli/command_line.hpp"
#include "cli/commands/attach.hpp"
#include "cli/commands/backup.hpp"
#include "cli/commands/bench.hpp"
#include "cli/commands/cert.hpp"
#include "cli/commands/cluster.hpp"
#include "cli/commands/concept.hpp"
#include "cli/commands/config.hpp"
#include "cli/commands/crdt.hpp"
#include "cli/commands/data.hpp"
#include "cli/commands/doctor.hpp"
#include "cli/commands/load.hpp"
#include "cli/commands/namespace.hpp"
#include "cli/commands/raft.hpp"
#include "cli/commands/serve.hpp"
#include "cli/commands/sim.hpp"
#include "cli/commands/stats.hpp"
#include "cli/commands/tour.hpp"
#include "cli/commands/watch.hpp"
#include "memory/bus_guard.hpp"

int main(int argc, char** argv) {
  using namespace neuroplex::cli;
  neuroplex::memory::end_with_words_when_cut();
  constexpr add_command commands[] = {
    add_tour,    add_cluster, add_serve,  add_get,   add_set,    add_del,
    add_incr,    add_scan,    add_watch,  add_load,  add_attach, add_namespace,
    add_backup,  add_stats,   add_raft,   add_bench, add_sim,    add_crdt,
    add_concept, add_doctor,  add_config, add_cert,
  };
  return run(argc, argv, commands);
}
