// Who changes the membership of a group, and moves its leader, at bad moments.
//
// Purpose: deeds for the nemesis: members come, go and change roles, one or
// several at once; the leader hands over; disks rot, and are replaced.
//
// The fault atlas: rot makes a node lose what it promised, and a group survives
// that only while a majority of each configuration that may come into force has
// whole disks. So rot is placed, and a change proposed, only where that stays
// true.
//
// Threads: none; belongs to the kernel.
#pragma once

#include "tests/sim/kernel.hpp"
#include "tests/sim/nemesis.hpp"
#include "tests/sim/raft/host.hpp"

#include <memory>
#include <vector>

namespace neuroplex::sim {

class group_operator {
public:
  group_operator(kernel& world, std::vector<std::unique_ptr<raft_host>>& nodes);

  void add_deeds_to(nemesis& bad);

  struct counts {
    std::uint64_t changes = 0;
    std::uint64_t transfers = 0;
    std::uint64_t rotten = 0;
    std::uint64_t misdirected = 0;
  };

  [[nodiscard]] const counts& seen() const noexcept {
    return counts_;
  }

private:
  [[nodiscard]] raft_host* some_leader(dice& thrown);
  void change_members(dice& thrown);
  void transfer(dice& thrown);
  void hurry_elections(dice& thrown);
  void damage(dice& thrown, bool (raft_host::*how)(dice&),
              std::uint64_t& count);
  void replace_one(dice& thrown);
  [[nodiscard]] bool survives(const raft::configuration& members,
                              const raft_host* also_damaged) const;
  [[nodiscard]] bool half_survives(const std::vector<raft::member>& voters,
                                   const raft_host* also_damaged) const;

  kernel& world_;
  std::vector<std::unique_ptr<raft_host>>& nodes_;
  raft::request_id next_request_ = raft::request_id{1} << 40;
  std::deque<raft::configuration> asked_; ///< for, lately
  counts counts_;
};

} // namespace neuroplex::sim
