// The keys of a Byzantine group's nodes.
//
// Purpose: every directory gets a key pair when it is made. Nodes tell each
// other their public keys when they first meet, on connections that only
// processes of the same user on the same host can make, or through the tunnel,
// under a certificate. Once a node knows the
// keys of all members it writes them down and begins; from then on a member is
// whoever has that key, and nobody else is listened to. So the first meeting is
// trusted, and all that follows is checked. `fingerprint` lets an operator
// compare.
//
// A node whose disk was lost has lost its key, and with it all it promised. It
// cannot come back under its id, and counts among those that may lie.
//
// Ownership and threads: refers to a directory that outlives it. One thread at
// a time.
//
// Invariants: a key that was written down never changes; the secret is in a
// file that only its owner reads.
//
// Failure behaviour: `corrupt` for files that are none of ours; `config` when
// the directory has other members, or was agreed on by Raft; codes of the
// directory.
#pragma once

#include "consensus/pbft/sodium_crypto.hpp"
#include "memory/disk_directory.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::byzantine {

using pbft::node_id;
using pbft::public_key;

/// The first bytes of a key as people compare them.
[[nodiscard]] std::string fingerprint(const public_key& key);

class membership {
public:
  /// `members` are the ids of all nodes, us included.
  static expected<membership> open(memory::disk_directory& where, node_id self,
                                   const std::vector<node_id>& members);

  [[nodiscard]] const public_key& own_key() const noexcept {
    return own_key_;
  }

  /// All keys are known and written down.
  [[nodiscard]] bool complete() const noexcept {
    return complete_;
  }

  /// A peer says that this is its key. `denied` when another one is written
  /// down for it, `bad_argument` when it is none.
  expected<void> heard(node_id from, std::string_view key);

  /// Writes the keys down if all are known. True when it did in this call.
  expected<bool> settle();

  /// The cryptography of all parties of this node (parties.hpp). To be asked
  /// when complete.
  [[nodiscard]] expected<std::shared_ptr<const pbft::crypto>> crypto() const;

private:
  membership(memory::disk_directory& where, node_id self,
             const std::vector<node_id>& members)
    : where_{&where}, self_{self}, members_{members} {
  }

  expected<void> load_identity();
  expected<void> load_members();

  memory::disk_directory* where_;
  node_id self_;
  std::vector<node_id> members_;
  pbft::secret_seed seed_{};
  public_key own_key_{};
  std::map<node_id, public_key> keys_;
  bool complete_ = false;
};

} // namespace neuroplex::byzantine
