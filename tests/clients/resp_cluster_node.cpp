// One node of a cluster with its RESP gateway, for cluster_test.py.
//
//   resp_cluster_node <replica id> <data directory> <port> [<peer
//   id>:<port>]...
//
// Prints "port <RESP port>" once it serves, and runs until standard input ends.

#include "actors/node.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>

#include <unistd.h>

using namespace neuroplex;

namespace {

std::uint16_t port_of(const std::string& text) {
  return static_cast<std::uint16_t>(std::atoi(text.c_str()));
}

int complain(const failure& what) {
  std::fprintf(stderr, "%s\n", what.to_string().c_str());
  return exit_status(what.code());
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 4)
    return 2;
  config::node_options options;
  options.replica_id = static_cast<std::uint32_t>(std::atoi(argv[1]));
  options.cluster = "resp-test";
  options.data_dir = argv[2];
  options.worker_threads = 2;
  options.segment.huge_pages = false;
  options.basp.port = config::listen_port::at(port_of(argv[3]));
  options.resp.port = config::listen_port::any();
  options.placement.shards = 12;
  // A node that is killed is noticed by the end of its connections; a busy
  // machine must not look like one.
  options.timeouts.request_ms = 60'000;
  options.timeouts.connection_timeout_ms = 60'000;
  options.timeouts.reconnect_ms = 100;
  for (int i = 4; i < argc; ++i) {
    std::string text{argv[i]};
    auto colon = text.find(':');
    options.peers.push_back(
      {static_cast<std::uint32_t>(std::atoi(text.substr(0, colon).c_str())),
       "127.0.0.1", port_of(text.substr(colon + 1))});
  }
  auto started = actors::node::start(options);
  if (!started)
    return complain(started.error());
  std::printf("port %u\n", unsigned{(*started)->resp_port()});
  std::fflush(stdout);
  char ignored[64];
  while (read(STDIN_FILENO, ignored, sizeof ignored) > 0) {
  }
  (*started)->stop();
  return 0;
}
