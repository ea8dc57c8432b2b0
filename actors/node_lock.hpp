// One node a data directory, and a number for each of its starts.
//
// Purpose: holds an open-file-description lock on the lock file for as long as
// the node lives (the kernel drops it however the process ends), and keeps in
// the file the process id, for whoever is refused, and the incarnation.
//
// Threads: made and destroyed by one thread.
//
// Invariants:
//  1. At most one process holds the lock of a path.
//  2. The incarnation is greater than that of any earlier start on the path.
//
// Failure behaviour: `errc::locked` names the holder; `bad_path` and `io` name
// the path and the system's reason.
#pragma once

#include "memory/status.hpp"

#include <cstdint>
#include <string>

namespace neuroplex::actors {

class node_lock {
public:
  static expected<node_lock> take(const std::string& path);

  node_lock(node_lock&& other) noexcept;
  node_lock& operator=(node_lock&& other) noexcept;
  ~node_lock();

  /// Number of this start: microseconds of Unix time, or one more than the last
  /// when the clock went back.
  [[nodiscard]] std::uint64_t incarnation() const noexcept {
    return incarnation_;
  }

private:
  node_lock(int descriptor, std::uint64_t incarnation) noexcept
    : descriptor_{descriptor}, incarnation_{incarnation} {
  }

  int descriptor_ = -1;
  std::uint64_t incarnation_ = 0;
};

} // namespace neuroplex::actors
