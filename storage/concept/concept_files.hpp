// Concept memory on disk: segment files, a log, and what is spilled.
//
// Purpose: what was learnt outlives the process. A segment file is written when
// enough concepts changed; between two files a durable log keeps every batch,
// if that is asked for. A start reads the segments, then what the log and the
// spill have beyond them.
//
// A new segment takes along the youngest ones that are together not much larger
// than itself, so that there are few of them, and each concept is written anew
// a logarithmic number of times (as in log-structured merge trees; O'Neil et
// al. 1996). What it says of their concepts comes from the graph, not from
// them.
//
// Ownership and threads: one thread (opening, then the reconciler); `flushes`
// from any. Segments are written by a thread of their own, if that is asked
// for, so that nothing waits for them. The folder is kept from other processes.
//
// Invariants:
//  1. With durability `log`, a batch is on disk before readers see it.
//  2. A file appears whole or not at all, and is removed only when a younger
//  one
//     stands for all it holds.
//
// Failure behaviour: `locked`, `bad_path`; `corrupt` or `version` with the
// file: nothing is changed then. After a failed write, nothing more is taken.
#pragma once

#include "memory/disk_directory.hpp"
#include "storage/concept/association_types.hpp"
#include "storage/concept/reconciler.hpp"
#include "storage/concept/segment_file.hpp"
#include "storage/concept/spill_file.hpp"
#include "storage/log/durable_log.hpp"

#include <atomic>
#include <future>
#include <optional>

namespace neuroplex::concepts {

enum class durability : std::uint8_t {
  none, ///< what was learnt since the last segment is lost at a crash
  log,  ///< batches are durable, one flush each, before they are shown
};

struct file_options {
  /// Concepts that changed before a segment is written.
  std::size_t flush_threshold = 50'000;
  durability keep = durability::none;
  /// Whether `applied` leaves a segment to a thread of its own.
  bool write_beside = false;
  /// Of each file of the log.
  std::uint64_t log_file_bytes = std::uint64_t{16} << 20;
  /// Chance for the log.
  std::uint64_t seed = 0;
};

class concept_files final : public batch_journal {
public:
  /// What a start found.
  struct found {
    std::uint64_t segments = 0;
    std::uint64_t concepts = 0;
    std::uint64_t replayed = 0;  ///< entries of log and spill
    std::uint64_t cut_bytes = 0; ///< of a batch that never became durable
    std::uint64_t last_sequence = 0;
  };

  /// Opens or begins a memory in `segments`, with its log in `log`. `types`
  /// must be empty and outlive it; it learns the names that the files have.
  static expected<std::unique_ptr<concept_files>>
  open(std::unique_ptr<memory::disk_directory> segments,
       std::unique_ptr<memory::disk_directory> log, const file_options& options,
       association_types& types);

  /// The same for a folder of the file system; made if there is none and `make`
  /// is set.
  static expected<std::unique_ptr<concept_files>>
  open(const std::string& folder, bool make, const file_options& options,
       association_types& types);

  /// Fills an empty graph with what the files hold. To be called once, first.
  expected<found> recover(graph& to);

  expected<void> keep(std::span<const write_entry> batch) override;
  expected<void> applied(graph& store, const read_view& view) override;
  expected<void> close(graph& store) override;

  /// Writes a segment of all that changed; nothing if nothing did. Waits for
  /// one that is being written.
  expected<void> flush(graph& store);

  [[nodiscard]] spill_file& spill() noexcept {
    return *spill_;
  }

  /// Segments written since the start, and how many there are.
  [[nodiscard]] std::uint64_t flushes() const noexcept {
    return flushes_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::size_t segment_count() const noexcept {
    return segments_.size();
  }

private:
  /// A segment file that stands.
  struct segment {
    std::uint64_t first_number;
    std::uint64_t number;
    std::vector<concept_id> ids;
  };

  /// A segment that is to be written, and what goes when it is.
  struct segment_job {
    segment made;
    std::size_t kept; ///< older ones that stay
    graph::changes changes;
    storage::batch_number logged; ///< last batch that it stands for
    std::uint64_t spill_read;     ///< likewise of the spill
  };

  concept_files(std::unique_ptr<memory::disk_directory> where,
                const file_options& options, association_types& types)
    : where_{std::move(where)}, options_{options}, types_{types} {
  }

  expected<void> open_log(std::unique_ptr<memory::disk_directory> log);
  void read_log(const storage::log_record& record);
  expected<void> read_segments(graph& to, found& met);
  expected<void> remove(std::uint64_t number) const;
  expected<void> append_to_log(storage::log_batch& batch);
  segment_job begin_segment(graph& store);
  expected<void> write_segment(const graph_version& from,
                               segment_job& job) const;
  expected<void> end_segment(segment_job& job);
  expected<void> await_segment();
  errc replay(graph& to, const write_entry& entry, found& met);

  std::unique_ptr<memory::disk_directory> where_;
  file_options options_;
  association_types& types_;
  std::unique_ptr<spill_file> spill_;
  std::optional<storage::durable_log> log_;
  std::vector<write_entry> logged_; ///< read at the start
  std::optional<failure> bad_log_;
  std::uint64_t cut_bytes_ = 0;
  std::vector<segment> segments_; ///< oldest first
  std::uint64_t next_number_ = 1;
  std::size_t logged_types_ = 0;
  std::atomic<std::uint64_t> flushes_{0};
  std::unique_ptr<segment_job> job_;    ///< being written beside
  std::future<expected<void>> writing_; ///< valid: until it is looked at
};

} // namespace neuroplex::concepts
