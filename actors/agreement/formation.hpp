// Which disks a set of nodes begins with.
//
// Purpose: Raft may count a voter only under the disk that it voted with. So
// every directory gets a number when it is made, and the first configuration
// names nodes with these numbers. A node learns the numbers of the others when
// they greet each other. When it has heard of all first members, and of none
// that has begun already, it begins with what it has heard; if one has, it
// takes over what that one began with. A node whose disk was lost comes back
// with a new number, finds itself named under the old one, and waits to be
// added.
//
// Threads: one at a time.
//
// Invariants:
//  1. The number of a directory never changes and is never given twice to one
//     node, as long as its clock does not go back over its life.
//  2. What a node has begun with never changes, and is durable before anybody
//     is told.
//
// Failure behaviour: `corrupt` for a file that is none; `config` for another
// number of groups; codes of the directory.
#pragma once

#include "consensus/raft/types.hpp"
#include "memory/disk_directory.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace neuroplex::agreement {

class formation {
public:
  /// Reads the file in `where`, or makes one with number `fresh`. `members`
  /// are the ids of all first members, us included; `groups` is how many groups
  /// keys are spread over, which never changes either (`config`).
  static expected<formation> open(memory::disk_directory& where,
                                  raft::node_id self,
                                  std::vector<raft::node_id> members,
                                  std::uint64_t groups,
                                  raft::incarnation_number fresh);

  /// The number of this node's directory.
  [[nodiscard]] raft::incarnation_number incarnation() const noexcept {
    return incarnation_;
  }

  /// What the node has begun with, once it has.
  [[nodiscard]] const std::optional<raft::configuration>& first() const {
    return first_;
  }

  /// A greeting told the number of a peer's directory and, perhaps, what the
  /// peer has begun with.
  void heard(raft::node_id from, raft::incarnation_number incarnation,
             const std::optional<raft::configuration>& first);

  /// Begins, if enough was heard, and makes it durable. True when it has begun
  /// in this call.
  expected<bool> begin(memory::disk_directory& where);

private:
  formation(raft::node_id self, std::vector<raft::node_id> members,
            std::uint64_t groups)
    : self_{self}, members_{std::move(members)}, groups_{groups} {
  }

  expected<void> save(memory::disk_directory& where) const;

  raft::node_id self_;
  std::vector<raft::node_id> members_;
  std::uint64_t groups_;
  raft::incarnation_number incarnation_ = 0;
  std::optional<raft::configuration> first_;
  std::map<raft::node_id, raft::incarnation_number> heard_;
  std::optional<raft::configuration> told_;
};

} // namespace neuroplex::agreement
