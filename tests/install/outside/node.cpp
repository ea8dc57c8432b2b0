// Runs a node in this process, on the directory given; stores a key by message
// and reads it back.
#include "actors/node.hpp"
#include "actors/client.hpp"

#include <cstdio>
#include <string>

namespace {

int complain(const neuroplex::failure& what) {
  std::fprintf(stderr, "%s\n", what.to_string().c_str());
  return 1;
}

} // namespace

int main(int argument_count, char** arguments) {
  if (argument_count != 2) {
    std::fputs("usage: outside_node <directory>\n", stderr);
    return 2;
  }
  using namespace neuroplex;
  config::node_options options;
  options.data_dir = arguments[1];
  auto node = actors::node::start(options);
  if (!node)
    return complain(node.error());
  auto client = actors::client::attach(**node, {.request_timeout_ms = 60'000});
  if (!client)
    return complain(client.error());
  auto stored = client->set("default", "greeting", "hello from outside");
  if (!stored)
    return complain(stored.error());
  auto value = client->get("default", "greeting");
  if (!value)
    return complain(value.error());
  std::puts(value->c_str());
  return *value == "hello from outside" ? 0 : 1;
}
