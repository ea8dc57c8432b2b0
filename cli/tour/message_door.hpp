// One node of the cluster, asked by messages.
//
// Purpose: the tour and the load command say what they want stored and read;
// how messages get there is the client's business (cli/tour/client_door.cpp).
//
// Ownership and threads: one thread.
//
// Failure behaviour: every key has an answer of its own. A failure of the whole
// call means that nothing was learnt about any key.
#pragma once

#include "cli/load/record.hpp"
#include "memory/status.hpp"

#include <functional>
#include <memory>
#include <span>
#include <string>

namespace neuroplex::cli {

class message_door {
public:
  message_door() = default;
  message_door(const message_door&) = delete;
  message_door& operator=(const message_door&) = delete;
  virtual ~message_door() = default;

  /// Stores the entries of a batch.
  virtual expected<void> set_many(std::span<const record* const> entries,
                                  std::span<errc> answers) = 0;

  /// Reads the values under the keys of `entries`; their values are not sent.
  virtual expected<void> get_many(std::span<const record* const> entries,
                                  std::span<errc> answers,
                                  std::span<std::string> values) = 0;

  /// Reads one value.
  virtual errc get(const std::string& key, std::string& value) = 0;
};

/// Opens a door to the node that listens on this loopback port.
using open_door =
  std::function<expected<std::unique_ptr<message_door>>(std::uint16_t port)>;

} // namespace neuroplex::cli
