// Commands of Redis clients on namespaces that nodes agree on.
//
// Purpose: stands between the gateway and the rest of the cluster. A command
// for a database whose namespace is agreed on becomes operations of the
// replicated store and goes to this node's agreement, which does not block;
// all others go on to whoever owns the key. Each group of the agreement is an
// owner, so a command for keys of several is split like any other, and each
// part is atomic by itself.
//
// Ownership and threads: owns what it hands the other commands to. Functions of
// resp::remote are for the gateway's loop; completions come from the thread
// that agrees, and are posted to that loop in batches.
//
// Invariants:
//  1. Commands of one connection take effect in their order: a read behind a
//     write without an answer goes into the log behind it.
//  2. A command that cannot be given is refused with its name, and nothing of
//     it is done; nor of the transaction that it is part of.
//  3. A transaction is one batch of one group: as a whole, nothing in between.
#pragma once

#include "actors/agreement_peer.hpp"
#include "actors/resp/remote.hpp"
#include "actors/resp/reply_box.hpp"

#include <memory>
#include <unordered_map>
#include <vector>

namespace neuroplex::actors {

class resp_agreement final : public resp::remote {
public:
  /// `others` serves what is not agreed on; null when this node has it all.
  resp_agreement(std::shared_ptr<agreement_access> access, resp::remote* others,
                 std::uint32_t request_ms);

  /// Where completions go. Before the first command.
  void attach(resp::server& gate);

  /// Drops what has not been posted yet; the server must not be used after.
  void stop() noexcept;

  [[nodiscard]] resp::owner_id owner_of(std::uint32_t database,
                                        std::string_view key) const override;
  [[nodiscard]] std::vector<resp::owner_id> others() const override;
  [[nodiscard]] bool agreed(std::uint32_t database) const override;
  [[nodiscard]] std::size_t other_copies(std::uint32_t database) const override;
  void submit(resp::owner_id owner, resp::remote_command command,
              resp::remote_completion completion) override;
  void flush() override;

private:
  struct arrived_reply {
    resp::remote_completion completion;
    resp::remote_reply reply;
    std::uint64_t writer = 0; ///< connection whose write it was; 0: none
  };

  void deliver(arrived_reply& arrived);

  std::shared_ptr<agreement_access> access_;
  resp::remote* others_;
  std::uint32_t request_ms_;
  std::shared_ptr<resp::reply_box<arrived_reply>> box_ =
    std::make_shared<resp::reply_box<arrived_reply>>();
  std::unordered_map<std::uint64_t, std::size_t> writes_under_way_;
  std::vector<agreement::wish> wishes_; ///< of this turn of the loop
};

} // namespace neuroplex::actors
