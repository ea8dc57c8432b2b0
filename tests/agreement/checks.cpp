#include "tests/agreement/checks.hpp"

#include <cstdio>
#include <stdexcept>

namespace neuroplex::tests {

void fail(const std::string& what) {
  throw std::runtime_error{what};
}

std::string run(const std::string& line, int* status) {
  std::string text;
  auto* pipe = ::popen(line.c_str(), "r");
  if (pipe == nullptr)
    fail(line + ": cannot be run");
  char room[4'096];
  while (auto got = std::fread(room, 1, sizeof(room), pipe))
    text.append(room, got);
  auto how = ::pclose(pipe);
  if (status != nullptr)
    *status = how;
  return text;
}

void must_run(const std::string& line) {
  auto status = 0;
  auto text = run(line + " 2>&1", &status);
  if (status != 0)
    fail(line + ": " + text);
}

} // namespace neuroplex::tests
