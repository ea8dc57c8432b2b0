// What the program's parts have in common: how it fails, runs other programs
// and tells the time.
#pragma once

#include <chrono>
#include <string>

namespace neuroplex::tests {

/// Says what went wrong; the program ends with status 1 when `main` hears of
/// it, after nodes, mounts and networks are gone.
[[noreturn]] void fail(const std::string& what);

/// Runs a line of the shell; its output.
std::string run(const std::string& line, int* status = nullptr);

/// The same for what has to succeed.
void must_run(const std::string& line);

[[nodiscard]] inline std::chrono::nanoseconds monotonic_now() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

} // namespace neuroplex::tests
