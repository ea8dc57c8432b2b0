// A node as a program, for tests of several processes.
//
//   actors_node_program <replica id> <data directory> <port> <cluster>
//                       <connection timeout in ms> [<peer id>:<peer port>]...
//
// Prints "ready <port>" once it serves, and runs until standard input closes.

#include "actors/node.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace neuroplex;

namespace {

config::node_options options_from(int argc, char** argv) {
  config::node_options options;
  options.replica_id = static_cast<std::uint32_t>(std::atoi(argv[1]));
  options.cluster = argv[4];
  options.data_dir = argv[2];
  options.worker_threads = 2;
  options.segment.segment_bytes = std::uint64_t{64} << 20;
  options.segment.huge_pages = false;
  options.basp.port =
    config::listen_port::at(static_cast<std::uint16_t>(std::atoi(argv[3])));
  options.resp.port = config::listen_port::none();
  options.placement.shards = 12;
  options.timeouts.request_ms = options.timeouts.connection_timeout_ms =
    static_cast<std::uint32_t>(std::atoi(argv[5]));
  options.timeouts.heartbeat_ms = 250;
  options.timeouts.reconnect_ms = 100;
  for (int i = 6; i < argc; ++i) {
    auto text = std::string{argv[i]};
    auto colon = text.find(':');
    options.peers.push_back(
      {static_cast<std::uint32_t>(std::atoi(text.substr(0, colon).c_str())),
       "127.0.0.1",
       static_cast<std::uint16_t>(std::atoi(text.substr(colon + 1).c_str()))});
  }
  return options;
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 6)
    return 2;
  auto started = actors::node::start(options_from(argc, argv));
  if (!started) {
    std::fprintf(stderr, "%s\n", started.error().to_string().c_str());
    return exit_status(started.error().code());
  }
  std::printf("ready %u\n", unsigned{(*started)->basp_port()});
  std::fflush(stdout);
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) > 0)
    continue;
  (*started)->stop();
  return 0;
}
