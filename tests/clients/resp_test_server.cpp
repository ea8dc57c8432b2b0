// A RESP server over a segment of its own, for the client tests.
//
// Usage: resp_test_server [--port N] [--password P] [--max-output BYTES]
//   [--stall-ms N] [--max-clients N] [--segment-mb N] [--spin-us N]
// Prints "port N" once it listens, and ends when its standard input ends.

#include "actors/resp/server.hpp"
#include "memory/store.hpp"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include <unistd.h>

namespace {

using settings = std::map<std::string, std::string>;

std::uint64_t number(const settings& given, const char* name,
                     std::uint64_t fallback) {
  auto found = given.find(name);
  return found == given.end()
           ? fallback
           : std::strtoull(found->second.c_str(), nullptr, 10);
}

int complain(const neuroplex::failure& what) {
  std::fprintf(stderr, "%s\n", what.to_string().c_str());
  return neuroplex::exit_status(what.code());
}

} // namespace

int main(int argc, char** argv) {
  using namespace neuroplex;
  settings given;
  for (int i = 1; i + 1 < argc; i += 2)
    given[argv[i]] = argv[i + 1];

  memory::segment_options segment;
  segment.segment_bytes = number(given, "--segment-mb", 256) << 20;
  auto path = "/dev/shm/neuroplex-resp-test-" + std::to_string(getpid());
  // A process that was killed may have left one under the same number.
  static_cast<void>(memory::store::remove(path));
  auto data = memory::store::create(path, segment);
  if (!data)
    return complain(data.error());
  // The mapping stays; nothing is left behind however this process ends.
  if (auto removed = memory::store::remove(path); !removed)
    return complain(removed.error());

  resp::server_options options;
  options.port = static_cast<std::uint16_t>(number(given, "--port", 0));
  options.spin_us = static_cast<std::uint32_t>(number(given, "--spin-us", 0));
  options.service.password = given["--password"];
  options.service.max_output_bytes =
    number(given, "--max-output", options.service.max_output_bytes);
  options.service.output_stall_ms = static_cast<std::int64_t>(
    number(given, "--stall-ms",
           static_cast<std::uint64_t>(options.service.output_stall_ms)));
  options.service.max_clients =
    number(given, "--max-clients", options.service.max_clients);
  auto running = resp::server::start(*data, std::move(options));
  if (!running)
    return complain(running.error());
  std::printf("port %u\n", (*running)->port());
  std::fflush(stdout);
  char ignored[64];
  while (read(STDIN_FILENO, ignored, sizeof ignored) > 0) {
  }
  (*running)->stop();
}
