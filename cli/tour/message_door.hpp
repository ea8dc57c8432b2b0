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

/// The replica of a namespace at the node behind a door.
struct replica_view {
  std::uint64_t keys = 0;
  std::uint64_t fact_bytes = 0; ///< of a message that tells all
  std::uint64_t bytes_sent = 0; ///< to other nodes, so far
  bool told_all = false;        ///< all other nodes have what was changed here
};

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

  /// Adds to a counter.
  virtual errc add(const std::string& key, std::int64_t amount) = 0;

  /// Of a namespace that has replicas in one shard.
  virtual expected<replica_view> replica() = 0;

  /// Compares the replica at the node with those of all others, and answers how
  /// many keys differ. `unavailable` when one does not answer.
  virtual expected<std::uint64_t> differing_keys() = 0;

  /// Replica id of the node that leads what is agreed on, as the node knows it;
  /// 0 for nobody.
  virtual expected<std::uint32_t> leader() = 0;
};

/// Opens a door to `space` on the node that listens on this loopback port.
[[nodiscard]] expected<std::unique_ptr<message_door>>
open_client_door(std::uint16_t port, const std::string& space);

} // namespace neuroplex::cli
