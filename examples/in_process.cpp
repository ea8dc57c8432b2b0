// A node inside this program: its segment at nanosecond distance, the same
// data by messages, and the whole thing gone when it ends.
//
//   example_in_process [data directory]

#include "actors/client.hpp"
#include "actors/node.hpp"

#include <cstdio>
#include <string>

using namespace neuroplex;

namespace {

// A busy machine may take long for anything.
constexpr std::uint32_t patience_ms = 20'000;

int fail(const failure& what) {
  std::fprintf(stderr, "%s\n", what.to_string().c_str());
  return exit_status(what.code());
}

} // namespace

int main(int argc, char** argv) {
  config::node_options options;
  options.cluster = "example";
  if (argc > 1)
    options.data_dir = argv[1];
  // As it is, the node has a port for other nodes that the system picks, on
  // loopback, and none for Redis clients.
  auto started = actors::node::start(options);
  if (!started)
    return fail(started.error());
  auto& node = **started;

  // The segment itself: any thread, no message, no lock.
  auto& store = node.store();
  auto notes = store.open_namespace("notes");
  if (!notes)
    return fail(notes.error());
  if (auto code = store.set(*notes, "greeting", "hello"); code != errc::ok)
    return fail(failure{code});

  // The same entry by messages, as a program on another node would see it.
  auto client =
    actors::client::attach(node, {.request_timeout_ms = patience_ms});
  if (!client)
    return fail(client.error());
  auto greeting = client->get("notes", "greeting");
  if (!greeting)
    return fail(greeting.error());
  std::printf("greeting: %s\n", greeting->c_str());

  // Requests without waiting for each: all three are under way at once.
  std::future<actors::reply> sums[3];
  for (auto& sum : sums) {
    actors::request add;
    add.op = actors::operation::increment;
    add.space = "notes";
    add.key = "visits";
    add.delta = 14;
    sum = client->submit(add);
  }
  for (auto& sum : sums)
    if (auto code = sum.get().status; code != errc::ok)
      return fail(failure{code});
  std::string visits;
  if (auto code = store.get(*notes, "visits", visits); code != errc::ok)
    return fail(failure{code});
  std::printf("visits: %s\n", visits.c_str());

  auto seen = client->scan("notes", {}, [](const actors::scanned_entry& entry) {
    std::printf("entry: %s = %s\n", entry.key.c_str(), entry.value.c_str());
  });
  return seen ? 0 : fail(seen.error());
}
