// The same graph in other stores, for comparison.
//
// Threads: one.
#pragma once

#include "storage/concept/types.hpp"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::bench {

/// A concept as a peer stores it.
struct plain_concept {
  concepts::concept_id id;
  std::string content;
};

/// A store of concepts and associations. What fails ends the program.
class graph_store {
public:
  graph_store() = default;
  graph_store(const graph_store&) = delete;
  graph_store& operator=(const graph_store&) = delete;
  virtual ~graph_store() = default;

  /// Stores a batch; it can be seen, and is as durable as the store was asked
  /// to be, when this returns.
  virtual void learn(std::span<const plain_concept> batch) = 0;
  virtual void learn(std::span<const concepts::association> batch) = 0;

  /// Bytes of a concept's content.
  virtual std::size_t content_bytes(const concepts::concept_id& id) = 0;

  /// Associations on the shortest path that follows them forwards, at most
  /// `max_depth`; -1: there is none.
  virtual int path_length(const concepts::concept_id& from,
                          const concepts::concept_id& to,
                          unsigned max_depth) = 0;
};

/// In `folder`; on disk when a call returns if `durable`, else in memory or in
/// the page cache.
std::unique_ptr<graph_store> open_sqlite(const std::string& folder,
                                         bool durable);
std::unique_ptr<graph_store> open_rocksdb(const std::string& folder,
                                          bool durable);

/// Of this project.
std::unique_ptr<graph_store> open_concept_memory(const std::string& folder,
                                                 bool durable);

[[noreturn]] void peers_give_up(std::string_view why);

} // namespace neuroplex::bench
