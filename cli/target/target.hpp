// What data commands work on: a segment of this machine, or a node.
//
// Purpose: `get`, `set`, `scan`, `load` and their kin are written once. The
// nearest distance is the segment itself (`--segment FILE`); the other is a
// node that finds the owner of a key in its cluster (`--node HOST:PORT`).
//
// Threads: one.
//
// Failure behaviour: failures carry the store's code and one line that names
// the key.
#pragma once

#include "memory/status.hpp"
#include "memory/store.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace neuroplex::cli {

/// An entry as it was read.
struct entry {
  std::string value;
  std::uint64_t version = 0;
  std::int64_t expires_at_ms = 0; ///< Unix time, 0 for never
};

enum class set_condition : std::uint8_t { always, if_absent, if_present };

/// Where a scan goes on: the node's position among the members (0 for a
/// segment), and the place in its segment.
struct scan_place {
  std::uint32_t member = 0;
  std::uint64_t cursor = 0;
};

/// An entry as a scan shows it; valid only during the call.
struct scanned {
  std::string_view key;
  std::string_view value;
  std::uint64_t value_bytes = 0;
  std::int64_t expires_at_ms = 0;
};

/// The end of one page.
struct scan_progress {
  scan_place next;
  bool done = false;
};

class target {
public:
  target() = default;
  target(const target&) = delete;
  target& operator=(const target&) = delete;
  virtual ~target() = default;

  /// "segment /dev/shm/x" or "node 127.0.0.1:7400".
  [[nodiscard]] virtual std::string name() const = 0;

  virtual expected<entry> get(const std::string& space,
                              const std::string& key) = 0;

  virtual expected<void> set(const std::string& space, const std::string& key,
                             const std::string& value,
                             const memory::set_options& options,
                             set_condition condition) = 0;

  virtual expected<void> erase(const std::string& space,
                               const std::string& key) = 0;

  virtual expected<std::int64_t> increment(const std::string& space,
                                           const std::string& key,
                                           std::int64_t delta) = 0;

  /// Stores all entries; each request carries its own answer. A failure means
  /// that none could be tried.
  virtual expected<void> set_many(const std::string& space,
                                  std::span<memory::set_request> requests) = 0;

  /// Shows about `count` entries from `from` on.
  virtual expected<scan_progress>
  scan(const std::string& space, scan_place from, std::uint32_t count,
       bool with_values, const std::function<void(const scanned&)>& visit) = 0;
};

/// The failure of an operation on `key`, with what helps for this code. Of
/// `value_bytes` and `max_value_bytes` 0 means unknown.
[[nodiscard]] failure key_failure(errc code, std::string_view key,
                                  std::size_t value_bytes = 0,
                                  std::uint64_t max_value_bytes = 0);

} // namespace neuroplex::cli
