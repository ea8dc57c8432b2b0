// What has changed in the groups of a node, for those who watch.
//
// Purpose: keeps the latest changes of all groups as far as there is room, and
// hands each watcher those of its keys, in order and without a gap, or says
// that there is one. A watcher asks for as much as it can take, and again from
// where the answer ended; a position is understood by every node.
//
// Threads: one at a time. Completions run inside the calls below.
//
// Invariants:
//  1. Every watch is completed once, within its time.
//  2. Answers without a gap, one after the other, hold every change of the
//     keys watched, each once; those of one group in the order of its log. What
//     one entry of the log has changed comes in one answer.
//  3. History takes at most `history_bytes`, or what one entry has changed.
//
// Failure behaviour: `busy` for more than `max_watches`; `bad_argument` for the
// position of another number of groups; `unavailable` when the node stops.
#pragma once

#include "actors/agreement/frames.hpp"
#include "consensus/store_machine/store_machine.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <string>
#include <vector>

namespace neuroplex::agreement {

/// How far somebody has watched.
struct watch_position {
  /// The last entry of each group that was looked at; empty: begins with what
  /// comes next.
  std::vector<raft::log_index> seen{};

  /// Where that is in the history of the feed of this number.
  std::uint64_t feed = 0;
  std::uint64_t place = 0;

  friend bool operator==(const watch_position&,
                         const watch_position&) = default;
};

struct watched_change {
  group_id group = 0;
  raft::log_index index = 0; ///< of the entry of the log
  store_machine::change what{};
};

struct watch_answer {
  errc code = errc::ok;

  /// Not all that happened since the position is known here: read the entries
  /// anew, then go on with `next`.
  bool gap = false;

  std::vector<watched_change> changes{}; ///< none: the time is over
  watch_position next{};
};

struct watch_wish {
  std::string space{};
  std::string prefix{}; ///< of keys
  watch_position after{};

  /// An answer ends with the entry in which it reaches one of these.
  std::size_t max_changes = 1'000;
  std::size_t max_bytes = std::size_t{1} << 20; ///< keys and values

  raft::time deadline{};
  std::function<void(watch_answer)> done{};
};

class change_feed {
public:
  struct options {
    std::uint64_t number = 0; ///< of this feed, like no other's
    std::uint64_t groups = 1;
    std::size_t history_bytes = std::size_t{8} << 20;
    std::size_t max_watches = 1'024;
  };

  explicit change_feed(const options& settings);

  /// A group has applied an entry, which changed this.
  void applied(group_id group, raft::log_index index,
               std::vector<store_machine::change> changes);

  /// The state of a group is that of a snapshot, whatever came before.
  void replaced(group_id group, raft::log_index index);

  /// Completed at once if there is something to tell or a gap, or if it has no
  /// position; else by `serve`.
  void watch(watch_wish what, raft::time now);

  /// Tells those who wait what is new, or that their time is over.
  void serve(raft::time now);

  [[nodiscard]] raft::time next_deadline() const noexcept;

  /// Completes all as `unavailable`.
  void give_up();

private:
  struct noted {
    group_id group = 0;
    raft::log_index index = 0;
    std::vector<store_machine::change> changes{};
    std::size_t bytes = 0;
  };

  struct progress {
    raft::log_index applied = 0;
    raft::log_index forgotten = 0; ///< what came until then is not known
  };

  [[nodiscard]] progress& of(group_id group) {
    return groups_[group - first_group];
  }

  [[nodiscard]] bool knows_all_since(const watch_position& after) const;
  [[nodiscard]] watch_position present() const;
  [[nodiscard]] watch_answer look(watch_wish& what) const;
  void forget_oldest();

  options options_;
  std::vector<progress> groups_;
  std::deque<noted> history_;
  std::size_t history_bytes_ = 0;
  std::uint64_t first_place_ = 0; ///< of the oldest in the history
  std::uint64_t served_to_ = 0;   ///< place up to which all were served
  bool replaced_ = false;         ///< since then
  std::list<watch_wish> waiting_;
};

} // namespace neuroplex::agreement
