#include "tests/museum/planted.hpp"

#include <cstdio>
#include <cstdlib>

namespace neuroplex::museum {

namespace {

int planted_by_name() {
  const char* wanted = std::getenv("NEUROPLEX_PLANTED");
  if (wanted == nullptr)
    return 0;
  int number = 1;
  for (auto name : planted_names) {
    if (name == wanted)
      return number;
    ++number;
  }
  std::fprintf(
    stderr,
    "NEUROPLEX_PLANTED: %s: no mutant of this program: take the name "
    "of a file in mutants/, without .txt\n",
    wanted);
  std::exit(2);
}

} // namespace

const int planted = planted_by_name();

} // namespace neuroplex::museum
