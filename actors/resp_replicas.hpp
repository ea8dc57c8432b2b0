// Commands of Redis clients on namespaces of replicas.
//
// Purpose: stands between the gateway and the rest of the cluster. A command
// for a database whose namespace has replicas goes to the replica here, each
// shard of which is an owner; all others go on.
//
// Ownership and threads: functions of resp::remote are for the gateway's loop;
// completions come from the actors of the replicas, and are posted to that loop
// in batches.
//
// Invariants:
//  1. Commands of one connection to one shard are executed in their order.
//  2. A command that replicas cannot promise is refused with its name, and
//     nothing of it is done.
#pragma once

#include "actors/replica_actor.hpp"
#include "actors/resp/remote.hpp"
#include "actors/resp/reply_box.hpp"

#include <memory>
#include <utility>
#include <vector>

namespace neuroplex::actors {

class resp_replicas final : public resp::remote {
public:
  /// `others` serves what has no replicas; null when this node has it all.
  resp_replicas(std::shared_ptr<replica_access> access, resp::remote* others,
                std::uint32_t request_ms);

  /// Where completions go. Before the first command.
  void attach(resp::server& gate);

  /// Drops what has not been posted yet; the server must not be used after.
  void stop() noexcept;

  [[nodiscard]] resp::owner_id owner_of(std::uint32_t database,
                                        std::string_view key) const override;
  [[nodiscard]] std::vector<resp::owner_id> others() const override;
  [[nodiscard]] bool agreed(std::uint32_t database) const override;
  [[nodiscard]] std::vector<resp::owner_id>
  shards_of(std::uint32_t database) const override;
  [[nodiscard]] std::size_t other_copies(std::uint32_t database) const override;
  void submit(resp::owner_id owner, resp::remote_command command,
              resp::remote_completion completion) override;
  void flush() override;

private:
  using arrived_reply = std::pair<resp::remote_completion, resp::remote_reply>;

  std::shared_ptr<replica_access> access_;
  resp::remote* others_;
  std::uint32_t request_ms_;
  std::shared_ptr<resp::reply_box<arrived_reply>> box_ =
    std::make_shared<resp::reply_box<arrived_reply>>();
};

} // namespace neuroplex::actors
