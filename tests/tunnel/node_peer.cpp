// A Neuroplex node with its tunnel on, for tests on hosts of their own.
//
// usage: node_peer <certificates> <data directory> <id> <tunnel port>
//                  [<peer id>@<peer address>]...
//
// Prints "ready <BASP port>". Lines of input: "set <key> <value>", "get <key>",
// "peers"; each is answered with lines "name value" and a line "end".
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <string>

#include "actors/client.hpp"
#include "actors/node.hpp"

using namespace neuroplex;

namespace {

constexpr std::size_t segment_bytes = std::size_t{8} << 20;
constexpr std::uint32_t patience_ms = 60'000;

// Cut cables are noticed by silence; a busy machine must not look like one.
constexpr std::uint32_t silence_ms = 5'000;

config::node_options options_from(char** argv, int argc) {
  const std::filesystem::path certificates{argv[1]};
  const std::string id{argv[3]};
  const auto tunnel_port = static_cast<std::uint16_t>(std::atoi(argv[4]));
  config::node_options options;
  options.replica_id = static_cast<std::uint32_t>(std::stoul(id));
  options.cluster = "lab";
  options.data_dir = argv[2];
  options.worker_threads = 2;
  options.segment.segment_bytes = segment_bytes;
  options.segment.huge_pages = false;
  options.basp.port = config::listen_port::any();
  options.resp.port = config::listen_port::none();
  options.placement.shards = 12;
  options.tunnel.enabled = true;
  options.tunnel.port = config::listen_port::at(tunnel_port);
  options.tunnel.ca_file = certificates / "ca.pem";
  options.tunnel.certificate_file = certificates / ("replica-" + id + ".pem");
  options.tunnel.key_file = certificates / ("replica-" + id + ".key");
  options.tunnel.idle_timeout_ms = 5'000;
  options.timeouts.request_ms = patience_ms;
  options.timeouts.connection_timeout_ms = silence_ms;
  for (int i = 5; i < argc; ++i) {
    const std::string text{argv[i]};
    const auto at = text.find('@');
    options.peers.push_back(
      {static_cast<std::uint32_t>(std::stoul(text.substr(0, at))),
       text.substr(at + 1), tunnel_port});
  }
  return options;
}

void answer(actors::client& client, const std::string& line) {
  std::istringstream words{line};
  std::string verb;
  std::string key;
  std::string value;
  words >> verb >> key >> value;
  if (verb == "set") {
    auto done = client.set("default", key, value);
    std::cout << "code " << code_name(done.code()) << '\n';
  } else if (verb == "get") {
    auto found = client.get("default", key);
    std::cout << "code " << code_name(found.code()) << '\n';
    if (found)
      std::cout << "value " << *found << '\n';
  } else {
    auto report = client.stats();
    if (report)
      for (const auto& peer : report->router.peers)
        std::cout << "peer-" << peer.replica_id << ' '
                  << (peer.state == actors::peer_state::connected ? "connected"
                                                                  : "lost")
                  << '\n';
  }
  std::cout << "end" << std::endl;
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::cerr << "usage: see the top of node_peer.cpp\n";
    return 2;
  }
  auto node = actors::node::start(options_from(argv, argc));
  if (!node) {
    std::cerr << node.error().to_string() << '\n';
    return exit_status(node.error().code());
  }
  auto client =
    actors::client::attach(**node, {.request_timeout_ms = patience_ms});
  if (!client) {
    std::cerr << client.error().to_string() << '\n';
    return exit_status(client.error().code());
  }
  std::cout << "ready " << (*node)->basp_port() << std::endl;
  for (std::string line; std::getline(std::cin, line);)
    answer(*client, line);
  return 0;
}
