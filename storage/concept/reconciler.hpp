// The reconciler: takes entries from the write log, applies them to the graph,
// and shows the result to readers.
//
// Purpose: one step of it as a function of the time, so that a thread, an actor
// or a test can drive it. A step costs what its batch costs.
//
// Ownership and threads: one thread. Log, graph, view and journal outlive it.
//
// Invariants: readers see whole batches, in the order of sequence numbers. With
// a journal, what they see is durable.
//
// Failure behaviour: an entry that cannot be applied is counted and noted as an
// event. After a failure of the journal or of the spill nothing more is taken:
// producers meet a full log, and readers keep what they have.
#pragma once

#include "storage/concept/graph.hpp"
#include "storage/concept/read_view.hpp"
#include "storage/concept/write_log.hpp"

#include <atomic>
#include <optional>
#include <span>

namespace neuroplex::concepts {

/// Who makes batches durable before they are shown.
class batch_journal {
public:
  virtual ~batch_journal() = default;

  /// Makes the batch durable; all of it or none.
  virtual expected<void> keep(std::span<const write_entry> batch) = 0;

  /// Told after a batch was applied and shown, which `view` holds now; may move
  /// what it kept to other files.
  virtual expected<void> applied(graph& store, const read_view& view) = 0;

  /// Told once, when nothing more will come.
  virtual expected<void> close(graph& store) = 0;
};

/// What a step did.
struct reconciler_step {
  std::size_t taken = 0;
  std::size_t refused = 0; ///< of these, not applied
  bool published = false;
};

struct reconciler_stats {
  std::uint64_t reconciliations = 0; ///< steps that published
  std::uint64_t entries_processed = 0;
  std::uint64_t entries_refused = 0;
};

class reconciler {
public:
  reconciler(write_log& log, graph& store, read_view& view,
             batch_journal* journal = nullptr)
    : log_{log}, graph_{store}, view_{view}, journal_{journal} {
  }

  /// Takes up to `max_batch` entries, applies and publishes them. `now_us` is
  /// Unix time.
  expected<reconciler_step> drain_and_publish(std::int64_t now_us,
                                              std::size_t max_batch);

  /// Ends: what is to outlive this does.
  expected<void> close() {
    if (stopped_)
      return *stopped_;
    return journal_ == nullptr ? expected<void>{} : journal_->close(graph_);
  }

  /// Any thread.
  [[nodiscard]] reconciler_stats stats() const noexcept {
    return {reconciliations_.load(std::memory_order_relaxed),
            processed_.load(std::memory_order_relaxed),
            refused_.load(std::memory_order_relaxed)};
  }

private:
  expected<void> step(std::int64_t now_us, std::size_t max_batch,
                      reconciler_step& done);

  write_log& log_;
  graph& graph_;
  read_view& view_;
  batch_journal* journal_;
  std::vector<write_entry> batch_;
  std::optional<failure> stopped_;
  std::atomic<std::uint64_t> reconciliations_{0};
  std::atomic<std::uint64_t> processed_{0};
  std::atomic<std::uint64_t> refused_{0};
};

} // namespace neuroplex::concepts
