// The concept memory of a node, as its actors share it.
//
// Purpose: one memory under three actors that may be started again: the writer
// hands lessons to its log, the reconciler brings them to its snapshots, the
// reader answers questions from those. Programs that run a node in-process may
// use the memory directly: that is the nanosecond path.
//
// Ownership and threads: owned by the node; outlives the actors. Any thread.
//
// Failure behaviour: as concepts::concurrent_memory::open.
#pragma once

#include "actors/concept_messages.hpp"
#include "actors/concept_replica/graph_replica.hpp"
#include "actors/interfaces.hpp"
#include "actors/replica_actor.hpp"
#include "config/node_options.hpp"
#include "storage/concept/concurrent_memory.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

namespace neuroplex::actors {

/// The state of a memory whose files lie in `directory`.
[[nodiscard]] concept_report
report_of(const concepts::concurrent_memory& memory,
          const std::string& directory);

class concept_access {
public:
  /// Opens what the options name; null when there is to be none.
  static expected<std::shared_ptr<concept_access>>
  open(const config::node_options& options);

  [[nodiscard]] concepts::concurrent_memory& memory() noexcept {
    return *memory_;
  }

  [[nodiscard]] const config::concept_options& options() const noexcept {
    return options_;
  }

  /// With concept.replication replicas: shows what the replica knows, and from
  /// now on what it hears. Before the actors start.
  void follow(std::shared_ptr<replica_access> replicas);

  /// Null without replication. All but its figures belong to the jobs.
  [[nodiscard]] concept_replica::graph_replica* replica() const noexcept {
    return replica_.get();
  }

  /// Hands a job to the replica.
  void submit(replica::job what);

  /// The writer from now on, which hears what becomes visible. A node that
  /// stops takes it away, since no handle may outlive the actor system.
  void attach(const concept_writer_actor& writer);

  /// Null while it is down.
  [[nodiscard]] concept_writer_actor writer() const;

  /// After the actors have ended: applies what was accepted, and closes the
  /// files.
  expected<void> close();

  [[nodiscard]] concept_report report() const;

  // What the actors have done so far, in all their lives.
  std::atomic<std::uint64_t> lessons{0};
  std::atomic<std::uint64_t> questions{0};
  std::atomic<std::uint64_t> waiting{0};
  std::atomic<std::uint64_t> last_job{0};

private:
  config::concept_options options_;
  std::string directory_;
  std::unique_ptr<concepts::concurrent_memory> memory_;
  std::shared_ptr<replica_access> replicas_;
  std::shared_ptr<concept_replica::graph_replica> replica_;

  mutable std::mutex mutex_; // for what follows
  concept_writer_actor writer_;
};

} // namespace neuroplex::actors
