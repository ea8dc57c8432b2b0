// A replica at work: the core, its disk, and the requests that wait.
//
// Purpose: requests come from several threads and are executed in turns by one.
// What all of a turn have changed is one record. A write is answered when that
// record is on the disk, a read at once, unless the promise of its namespace
// asks for more: then it waits for fresher state, is answered by another node,
// or is refused.
//
// Ownership and threads: refers to a disk that outlives it. `submit` may be
// called by any thread; all else by one at a time.
//
// Invariants:
//  1. Every job is finished once, by its deadline.
//  2. A write that was executed and is not known to be on the disk ends as
//     `unknown_outcome`.
//  3. At most limits::max_waiting jobs wait; more are refused as `busy`.
#pragma once

#include "actors/replica/core.hpp"
#include "actors/replica/disk.hpp"

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::replica {

/// What becomes of a read that would be too old.
enum class stale_reads : std::uint8_t {
  wait,    ///< until it is fresh enough, or its time is over
  forward, ///< to another node, one after the other until one is fresh
  refuse,  ///< at once
};

struct job {
  bool changes = false;
  std::size_t bytes = 0;
  milliseconds deadline{}; ///< on the steady clock
  /// What its session has seen, which must be here; empty for nothing.
  crdt::causal_context after{};
  /// Executes it; the answer stays inside until `finish`.
  std::function<void(core&, const moment&)> run{};
  /// Of a read that another node may answer: the question for it, and what
  /// takes its answer in the place of `run`. False: that is no answer.
  std::function<std::string()> question{};
  std::function<bool(std::string_view)> take_answer{};
  /// With ok: the answer may go. Else it was not executed, but for
  /// `unknown_outcome`.
  std::function<void(errc)> finish{};
};

struct service_options {
  shard_name name{};
  core_options core{};
  stale_reads when_stale = stale_reads::wait;
  /// What an operator's wish to resolve applies.
  text_resolver resolver = crdt::last_writer_wins<std::string>();
};

/// Keeps something else up to date with what a replica knows.
class follower : public place_watcher {
public:
  /// At the end of each step. False: it is behind, and is called again soon.
  virtual bool catch_up() = 0;

  /// It is behind by so much that peers should tell more later.
  [[nodiscard]] virtual bool overloaded() const = 0;
};

class service {
public:
  /// Makes the replica from what the disk has. Blocks: the first records are
  /// written here.
  static expected<std::unique_ptr<service>>
  open(const service_options& options, disk& files, const moment& now);

  /// Has somebody follow from the next step on; one at most.
  void let_follow(std::shared_ptr<follower> who);

  /// As its follower is.
  [[nodiscard]] bool overloaded() const {
    return follower_ && follower_->overloaded();
  }

  /// Hands over a job; true when nobody has been told yet that there are any.
  [[nodiscard]] bool submit(job what);

  /// Executes what has come in, and hands records to the disk. True when there
  /// are records to be written.
  bool step(const moment& now);

  /// The disk has written all up to `sequence`. Follow with `step`.
  void written(const disk::written_part& what, const moment& now);

  /// Follow with `step`.
  void disk_failed(const std::string& why);

  /// Forgets all jobs, unfinished, since nobody waits for them any more.
  void drop_all() noexcept;

  [[nodiscard]] core& replica() noexcept {
    return core_;
  }

  [[nodiscard]] const service_options& options() const noexcept {
    return options_;
  }

  /// When `step` has something to do at the latest.
  [[nodiscard]] milliseconds next_due() const;

  /// Jobs that wait for something.
  [[nodiscard]] std::size_t waiting() const noexcept {
    return blocked_.size() + held_.size() + asked_.size();
  }

private:
  struct held_job {
    job what;
    std::uint64_t sequence = 0;
  };

  // Another node has its question.
  struct asked_job {
    job what;
    std::uint64_t token = 0;
    std::uint32_t node = 0;
    milliseconds sent_at{};
  };

  service(const service_options& options, disk& files,
          std::uint32_t fresh_incarnation)
    : options_{options}, disk_{files}, core_{options.core,
                                             files.take_recovered(options.name),
                                             fresh_incarnation} {
  }

  bool run_or_block(job& what, const moment& now);
  void answer_others(const moment& now);
  void take_answers(const moment& now);
  void ask_next(asked_job what, const moment& now);
  [[nodiscard]] bool may_run(const job& what, const moment& now) const;
  void release(const moment& now);

  service_options options_;
  disk& disk_;
  core core_;
  std::shared_ptr<follower> follower_;
  bool behind_ = false;
  std::list<job> blocked_;   ///< wait for fresher state
  std::list<held_job> held_; ///< wait for the disk, in order
  std::list<asked_job> asked_;
  std::uint64_t last_token_ = 0;
  std::size_t turn_bytes_ = 0;
  bool wants_snapshot_ = false;

  std::mutex mutex_; // for the two that follow
  std::vector<job> inbox_;
  bool told_ = false;
};

} // namespace neuroplex::replica
