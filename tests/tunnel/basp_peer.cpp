// A plain CAF node, as CAF ships it, for probes of what reaches it.
//
// usage: basp_peer serve         publishes an echo actor on 127.0.0.1, prints
//                                "ready <port>", ends with its input
//        basp_peer ask <port> <bytes>
//                                asks the echo actor behind a port of
//                                127.0.0.1 to return that many bytes
#include <charconv>
#include <iostream>
#include <string>
#include <string_view>

#include "actors/caf_compat.hpp"

#include <caf/scoped_actor.hpp>

using namespace neuroplex::actors;

namespace {

using echo_actor =
  caf::typed_actor<caf::replies_to<std::string>::with<std::string>>;

constexpr milliseconds patience{10'000};

echo_actor::behavior_type echo() {
  return {[](const std::string& text) { return text; }};
}

template <class Integer>
Integer number(std::string_view text) {
  Integer value{};
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

int serve(caf::actor_system& system) {
  auto service = system.spawn(echo);
  auto port = publish(system, service, "127.0.0.1", 0);
  if (!port) {
    std::cerr << port.error().to_string() << '\n';
    return 1;
  }
  std::cout << "ready " << *port << std::endl;
  for (std::string line; std::getline(std::cin, line);)
    std::cout << "alive\nend" << std::endl;
  unpublish(system, service, *port);
  stop(service);
  return 0;
}

int ask_echo(caf::actor_system& system, std::uint16_t port, std::size_t bytes) {
  auto service = system.middleman().remote_actor<echo_actor>("127.0.0.1", port);
  if (!service) {
    std::cerr << render(service.error()) << '\n';
    return 1;
  }
  const std::string sent(bytes, 'x');
  int status = 1;
  caf::scoped_actor self{system};
  ask(&*self, *service, patience, sent)
    .receive(
      [&](const std::string& back) { status = back == sent ? 0 : 1; },
      [](const caf::error& error) { std::cerr << render(error) << '\n'; });
  return status;
}

} // namespace

int main(int argc, char** argv) {
  const std::string_view role = argc > 1 ? argv[1] : "";
  // CAF is patient here, so that what ends a stream is the tunnel.
  system_config config{
    system_settings{.worker_threads = 2, .connection_timeout = patience}};
  caf::actor_system system{config};
  if (role == "serve")
    return serve(system);
  if (role == "ask" && argc > 3)
    return ask_echo(system, number<std::uint16_t>(argv[2]),
                    number<std::size_t>(argv[3]));
  std::cerr << "usage: see the top of basp_peer.cpp\n";
  return 2;
}
