// One node of the cluster, asked by messages.
//
// Purpose: the tour says what it wants stored and read; how messages get there
// is the client's business (client_door.cpp, the only file here that knows of
// actors).
//
// Ownership and threads: one thread. At most one door of a process is open at a
// time: to the nodes, all clients of one process look alike.
//
// Failure behaviour: every key has an answer of its own. A failure of the whole
// call means that nothing was learnt about any key.
#pragma once

#include "memory/status.hpp"
#include "memory/store.hpp"

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

  /// Stores all entries; each request carries its own answer.
  virtual expected<void> set_many(std::span<memory::set_request> entries) = 0;

  /// Reads the values of all keys; each request carries its own answer.
  virtual expected<void> get_many(std::span<memory::get_request> keys) = 0;

  /// Reads one value.
  virtual errc get(const std::string& key, std::string& value) = 0;

  /// Replica id of the node that leads what is agreed on, as the node knows it;
  /// 0 for nobody.
  virtual expected<std::uint32_t> leader() = 0;
};

/// Opens a door to `space` on the node that listens on this loopback port.
[[nodiscard]] expected<std::unique_ptr<message_door>>
open_client_door(std::uint16_t port, const std::string& space);

} // namespace neuroplex::cli
