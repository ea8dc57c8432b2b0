// Concept memory of one process: writes that never wait, reads that never wait,
// and a thread that brings the one to the other.
//
// Purpose: the façade over write log, reconciler and read view.
//
//   auto memory = concurrent_memory::make({});
//   (*memory)->learn_concept(concept_id::of_name("dog"), {.content = "..."});
//   auto now = (*memory)->load("planner");   // a snapshot, a few ms old
//   auto dog = find_concept(**now, concept_id::of_name("dog"));
//
// Ownership and threads: every function, any thread. Snapshots must be gone
// before the memory goes.
//
// Invariants: what a call accepted becomes visible in the order of sequence
// numbers, whole batches at a time, at most about an interval later.
//
// Failure behaviour: a write answers `busy` by the overflow policy,
// `value_size` and `bad_argument` for what can never be learnt; nothing was
// taken then. What turns out impossible later (an association whose ends nobody
// knows) is counted, and told by `events`.
#pragma once

#include "storage/concept/association_types.hpp"
#include "storage/concept/concept_files.hpp"
#include "storage/concept/reconciler.hpp"
#include "storage/concept/shared_view.hpp"
#include "storage/concept/vector_indexer.hpp"
#include "storage/concept/write_rings.hpp"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace neuroplex::concepts {

struct memory_options {
  /// Between reconciliations; 1 ms and up.
  std::chrono::milliseconds interval{10};
  /// Entries that start a reconciliation at once, and the most one takes; four
  /// times as many when that many wait.
  std::size_t max_batch = 10'000;
  /// Concepts that changed before a segment file is written.
  std::size_t flush_threshold = 50'000;
  /// Of what lies in a folder: whether each batch is on disk before it is
  /// shown.
  durability keep = durability::none;
  write_log_options log{};
  /// When vectors get an index.
  vector_index_options vectors{};
  /// Through which other processes write, if a path is given.
  write_rings_options rings{};
  /// Where other processes read it, if a path is given.
  shared_view_options shown{};
  /// Chance for the index; 0: of the system.
  std::uint64_t seed = 0;
  /// Whether the memory reconciles in a thread of its own; otherwise somebody
  /// must call `reconcile` again and again.
  bool own_thread = true;

  /// For bursts of learning: larger batches, fewer files.
  static memory_options write_throughput();
  /// For readers that want news early.
  static memory_options read_latency();
  /// For little memory between files.
  static memory_options small_memory();

  /// `bad_argument` with the setting, what it is and what it may be.
  [[nodiscard]] expected<void> validate() const;
};

struct memory_stats {
  write_log_stats write_log;
  write_rings_stats rings;
  reconciler_stats reconciler;
  std::uint64_t disk_flushes = 0;
  std::uint64_t concepts = 0;
  std::uint64_t edges = 0;
  std::uint64_t sequence = 0;      ///< of the newest snapshot
  std::int64_t timestamp_us = 0;   ///< Unix time it was published at
  std::int64_t checked_us = 0;     ///< when the log was last looked at
  std::uint64_t memory_bytes = 0;  ///< of all versions
  std::uint64_t version_bytes = 0; ///< of these, held by old versions only
  std::size_t versions = 0;
  std::vector<snapshot_holder> holders; ///< who looks at which
  std::string problem;                  ///< why the reconciler stopped, if so
};

/// Something to know, why, and what to do about it.
struct health_notice {
  std::string state; ///< "write pressure" and its kin
  std::string reason;
  std::string advice;
};

/// What is not as it should be at `now_us`; empty when all is well.
[[nodiscard]] std::vector<health_notice> health(const memory_stats& stats,
                                                std::int64_t now_us);

class concurrent_memory {
public:
  /// A memory without files. `bad_argument` for options out of range.
  static expected<std::unique_ptr<concurrent_memory>>
  make(const memory_options& options);

  /// A memory that lies in a folder, which is made if there is none and
  /// `make_folder` is set. `bad_argument`, and what `concept_files` answers.
  static expected<std::unique_ptr<concurrent_memory>>
  open(const std::string& folder, bool make_folder,
       const memory_options& options);

  /// The same with files that were opened with these types.
  static expected<std::unique_ptr<concurrent_memory>>
  make(const memory_options& options, std::unique_ptr<association_types> types,
       std::unique_ptr<concept_files> files);

  /// As `close`, if that was not called.
  ~concurrent_memory();

  concurrent_memory(const concurrent_memory&) = delete;
  concurrent_memory& operator=(const concurrent_memory&) = delete;

  /// Applies what was accepted, writes it to the files, and stops; nobody may
  /// write any more. Answers why that failed, if it did.
  expected<void> close();

  /// Writes: each sets `*sequence`, if given, to the number of the entry.
  errc learn_concept(const concept_id& id, const concept_facts& facts,
                     std::uint64_t* sequence = nullptr);
  /// The type must be one of `types`.
  errc learn_association(const association& what,
                         std::uint64_t* sequence = nullptr);
  errc strengthen(const concept_id& id, float amount,
                  std::uint64_t* sequence = nullptr);
  errc decay(const concept_id& id, float factor,
             std::uint64_t* sequence = nullptr);
  errc forget(const concept_id& id, std::uint64_t* sequence = nullptr);
  errc forget(const association& what, std::uint64_t* sequence = nullptr);

  /// An entry that was made before (write_entry.hpp). On a failure it is as it
  /// was.
  errc write(write_entry& entry);

  /// Of a memory without a thread of its own: waits for work, an interval at
  /// most, and does one step. False when it was closed. One thread at a time.
  bool reconcile();

  /// The newest snapshot. `who` must be a literal.
  [[nodiscard]] expected<snapshot> load(const char* who = "") const {
    return view_.load(who);
  }

  /// The concepts of a snapshot of this memory whose vectors are nearest: by
  /// the index if there is one, else all are compared, as by `search_vector`.
  [[nodiscard]] vector_result nearest_vectors(const graph_version& in,
                                              std::span<const float> wanted,
                                              vector_metric metric,
                                              std::size_t count,
                                              const query_bounds& bounds) const;

  /// Of the index of vectors; zeros while there is none.
  [[nodiscard]] vector_index_stats index_stats() const;

  /// Waits until snapshots hold the entry with this number. `deadline` when it
  /// takes longer: it may still come.
  errc wait_visible(std::uint64_t sequence, std::chrono::milliseconds limit);

  /// The last entry that was accepted.
  [[nodiscard]] std::uint64_t accepted_sequence() const noexcept {
    return log_.last_sequence();
  }

  /// The last entry that snapshots hold.
  [[nodiscard]] std::uint64_t visible_sequence() const noexcept {
    return view_.sequence();
  }

  /// Why the reconciler stopped, if it did: nothing more becomes visible.
  [[nodiscard]] std::optional<failure> problem() const {
    std::scoped_lock guard{mutex_};
    return problem_;
  }

  /// Waits until snapshots hold all that was accepted before the call.
  errc flush(std::chrono::milliseconds limit) {
    return wait_visible(log_.last_sequence(), limit);
  }

  [[nodiscard]] association_types& types() noexcept {
    return *types_;
  }
  [[nodiscard]] const association_types& types() const noexcept {
    return *types_;
  }

  /// What the files held at the start.
  [[nodiscard]] const concept_files::found& found() const noexcept {
    return found_;
  }

  [[nodiscard]] memory_stats stats() const;
  [[nodiscard]] std::vector<log_event> events() const {
    return log_.events();
  }

private:
  struct parts; // what is made before a memory can be

  concurrent_memory(const memory_options& options, parts made);

  errc append(write_entry& entry, std::uint64_t* sequence);
  void wake();
  void wait_for_work(std::unique_lock<std::mutex>& guard);

  memory_options options_;
  std::unique_ptr<association_types> types_;
  std::unique_ptr<concept_files> files_;   ///< null: none
  std::unique_ptr<spill_store> own_spill_; ///< null: the files'
  std::unique_ptr<shared_view> shown_;     ///< null: not shown
  std::unique_ptr<graph> graph_;
  concept_files::found found_;
  write_log log_;
  read_view view_;
  std::unique_ptr<write_rings> rings_; ///< null: none
  reconciler reconciler_;
  vector_indexer indexer_;
  std::atomic<std::int64_t> checked_us_{0};
  mutable std::mutex mutex_; ///< of what follows
  std::condition_variable woken_;
  std::condition_variable published_;
  bool stopping_ = false;
  bool asked_ = false;
  bool closed_ = false; ///< all is done
  std::optional<failure> problem_;
  std::thread thread_; ///< the reconciler, if it is our own; begins last
};

} // namespace neuroplex::concepts
