// Makes a segment at the path given, sets a key and reads it back.
#include "memory/store.hpp"

#include <cstdio>
#include <string>

int main(int argument_count, char** arguments) {
  if (argument_count != 2) {
    std::fputs("usage: outside <segment file>\n", stderr);
    return 2;
  }
  using namespace neuroplex;
  auto store = memory::store::create(arguments[1], memory::segment_options{});
  if (!store) {
    std::fprintf(stderr, "%s\n", store.error().to_string().c_str());
    return 1;
  }
  constexpr auto space = memory::namespace_id::default_namespace;
  std::string value;
  if (store->set(space, "greeting", "hello from outside") != errc::ok
      || store->get(space, "greeting", value) != errc::ok) {
    std::fputs("set or get failed\n", stderr);
    return 1;
  }
  std::puts(value.c_str());
  return value == "hello from outside" ? 0 : 1;
}
