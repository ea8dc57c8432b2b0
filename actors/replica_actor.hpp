// The actors of a node's replicas: one a shard of each namespace of replicas,
// and one for the disk that they share.
//
// Purpose: messages, time and peers for `replica::service`, which has all the
// decisions. The disk has an actor of its own with a thread, since it blocks.
//
// Ownership and threads: `replica_access` is shared by the node, the actors and
// the gateway, and outlives them; `submit` may be called by any thread. A shard
// outlives its actor: one that is started again goes on with it.
//
// Invariants:
//  1. Every request is answered by its deadline. `unknown_outcome` is a write
//     that may have been applied; `unavailable` one that was not, or a read
//     that is older than the namespace promises.
//
// Failure behaviour: what replicas cannot promise is refused with
// `bad_argument` and the reason in `value`.
#pragma once

#include "actors/interfaces.hpp"
#include "actors/replica/service.hpp"
#include "actors/replica_resolvers.hpp"
#include "config/node_options.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace neuroplex::actors {

/// Now, on both clocks of replicas.
[[nodiscard]] replica::moment replica_now();

class replica_access {
public:
  /// Opens the disk and all replicas; null when no namespace has any. As
  /// replica::disk::open; `config` for a resolver that is in no table.
  static expected<std::shared_ptr<replica_access>>
  open(const config::node_options& options,
       const replica_resolvers& resolvers = {});

  /// The settings of a namespace of replicas; null for any other. Concept
  /// memory is none.
  [[nodiscard]] const config::namespace_options*
  find(std::string_view space) const;

  /// The shard of a namespace of replicas that has `key`.
  [[nodiscard]] std::uint32_t shard_of(std::string_view space,
                                       std::string_view key) const;

  /// Hands a job to a shard, and has its actor look.
  void submit(const replica::shard_name& shard, replica::job what);

  [[nodiscard]] std::vector<replica::shard_name> shards() const;

  [[nodiscard]] replica::service& at(const replica::shard_name& shard) const;

  [[nodiscard]] replica::disk& files() noexcept {
    return *files_;
  }

  /// The actor of a shard, and of the disk, from now on.
  void attach(const replica::shard_name& shard, const replica_actor& actor);
  void attach_disk(const replica_disk_actor& actor);

  /// Null while it is down.
  [[nodiscard]] replica_actor actor_of(const replica::shard_name& shard) const;
  [[nodiscard]] replica_disk_actor disk_actor() const;

  /// Drops what waits and all handles; after the actors have ended, and before
  /// their system goes.
  void close() noexcept;

private:
  std::map<std::string, config::namespace_options, std::less<>> spaces_;
  std::unique_ptr<replica::disk> files_;
  std::map<replica::shard_name, std::unique_ptr<replica::service>> services_;

  mutable std::mutex mutex_; // for the two that follow
  std::map<replica::shard_name, replica_actor> actors_;
  replica_disk_actor disk_actor_;
};

replica_actor spawn_replica(caf::actor_system& system,
                            std::shared_ptr<replica_access> access,
                            const replica::shard_name& shard,
                            std::uint32_t self, std::uint32_t mailbox_messages);

replica_disk_actor spawn_replica_disk(caf::actor_system& system,
                                      std::shared_ptr<replica_access> access);

} // namespace neuroplex::actors
