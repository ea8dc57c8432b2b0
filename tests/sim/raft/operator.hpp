// Who changes the membership of a group, and moves its leader, at bad moments.
//
// Purpose: deeds for the nemesis: members come, go and change roles, one or
// several at once; the leader hands over; disks rot, and are replaced. Most of
// what is wrong with elections needs something to happen right after one:
// whoever is elected may be struck at once.
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

/// What happens to whoever is elected.
enum class strike_style : std::uint8_t {
  mixed,
  /// Leaders fail right after they have appended, or first committed, something
  /// (Ongaro and Ousterhout, figure 8).
  short_offices,
  /// Leaders are asked at once to change the membership, and cut off.
  hasty_changes,
  /// Leaders are cut off and read from, while others stand for election.
  stale_reads,
};

inline constexpr unsigned strike_style_count = 4;

class group_operator {
public:
  group_operator(kernel& world, network& links,
                 std::vector<std::unique_ptr<raft_host>>& nodes);

  void add_deeds_to(nemesis& bad);

  /// Lets something happen to whoever is elected, until `end`.
  void strike_new_leaders(strike_style how, bool with_changes);
  void end() noexcept {
    strikes_ = false;
  }

  struct counts {
    std::uint64_t changes = 0;
    std::uint64_t transfers = 0;
    std::uint64_t rotten = 0;
    std::uint64_t misdirected = 0;
    std::uint64_t strikes = 0;
  };

  [[nodiscard]] const counts& seen() const noexcept {
    return counts_;
  }

private:
  [[nodiscard]] raft_host* some_leader(dice& thrown);
  void change_members(dice& thrown);
  void transfer(dice& thrown);
  void hurry_elections(dice& thrown);
  void elected(raft_host& leader);
  void strike_any_way(raft_host& leader);
  void crash_soon(raft_host& leader, nanoseconds within);
  void crash_all();
  void leave_with_one(const raft_host& leader);
  void remove_some(raft_host& leader);
  void cut_off(const raft_host& leader);
  void tempt(raft_host& leader);
  void tempt_again(raft_host& leader, nanoseconds pause, int times);
  void ask(raft_host& leader, const raft::change_membership& wish);
  void damage(dice& thrown, bool (raft_host::*how)(dice&),
              std::uint64_t& count);
  void replace_one(dice& thrown);
  [[nodiscard]] bool survives(const raft::configuration& members,
                              const raft_host* also_damaged) const;
  [[nodiscard]] bool half_survives(const std::vector<raft::member>& voters,
                                   const raft_host* also_damaged) const;

  kernel& world_;
  network& links_;
  std::vector<std::unique_ptr<raft_host>>& nodes_;
  dice dice_;
  bool strikes_ = false;
  strike_style style_ = strike_style::mixed;
  bool changes_ = false; ///< strikes may change the membership
  raft::request_id next_request_ = raft::request_id{1} << 40;
  std::deque<raft::configuration> asked_; ///< for, lately
  counts counts_;
};

} // namespace neuroplex::sim
