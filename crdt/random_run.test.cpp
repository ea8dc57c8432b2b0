#include "crdt/random_run.test.hpp"

#include <cstdlib>
#include <iostream>
#include <rapidcheck.h>

namespace neuroplex::crdt {

namespace {

// Equal runs on every machine, some 20,000 merges a type. A long run, with one
// or two million, is RC_PARAMS="max_success=40000 max_size=100" crdt_tests.
[[maybe_unused]] const int configured =
  ::setenv("RC_PARAMS", "seed=20261122 max_success=400 max_size=100", 0);

std::uint64_t merges = 0;

} // namespace

void count_merge() {
  ++merges;
}

void require(bool condition, const char* text, const char* file, int line) {
  if (!condition)
    RC_FAIL(std::string{file} + ":" + std::to_string(line) + ": " + text);
}

bool holds_for_random_steps(
  const std::string& what,
  const std::function<void(const std::vector<step>&)>& run) {
  merges = 0;
  auto held = rc::check(what, run);
  std::cerr << what << ": " << merges << " merges\n";
  return held;
}

} // namespace neuroplex::crdt
