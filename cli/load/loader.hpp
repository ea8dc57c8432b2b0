// Carries records from a reader to a store in batches, with retries.
//
// Purpose: what `neuroplex load` and the tour do between reading and sending.
// Where the batches go is a function, so nothing here knows of messages.
//
// Ownership and threads: borrows reader and sink; one thread. At most one batch
// is held and under way.
//
// Invariants:
//  1. Entries are stored in the order of the input; of a key that comes twice
//     the later value stays.
//  2. An entry is sent again only when its answer says that this may help:
//     `busy`, `unavailable`, `unknown_outcome`, `deadline`. Storing the same
//     bytes twice has the effect of storing them once.
//
// Failure behaviour: the first entry that stays refused ends the load; the
// failure names its key and how many entries are stored. A failure of the
// reader ends it the same way, after what was read before it was stored.
#pragma once

#include "cli/load/record.hpp"
#include "memory/store.hpp"

#include <chrono>
#include <functional>
#include <span>
#include <vector>

namespace neuroplex::cli {

struct loader_options {
  /// Most entries, and about the most bytes, of a batch.
  std::size_t batch_entries = 1'024;
  std::size_t batch_bytes = std::size_t{1} << 20;

  /// Times that an entry is sent before it counts as refused.
  unsigned attempts = 8;

  /// Pause before the second attempt; doubles with each.
  std::chrono::milliseconds first_pause{20};
};

struct load_report {
  std::uint64_t entries = 0;
  std::uint64_t key_bytes = 0;
  std::uint64_t value_bytes = 0;
  std::uint64_t batches = 0;
  std::uint64_t sent_again = 0; ///< entries, counted at each further attempt
};

/// Stores the entries; each request carries its own answer. A failure means
/// that nothing was learnt and ends the load.
using store_batch =
  std::function<expected<void>(std::span<memory::set_request> batch)>;

/// Told after every batch; answers false to stop, which ends the load with
/// `deadline`.
using load_progress = std::function<bool(const load_report&)>;

class loader {
public:
  loader(store_batch store, loader_options options);

  /// Reads and stores everything.
  expected<load_report> load(record_reader& reader,
                             const load_progress& advance);

  /// What is stored so far, also after a failure.
  [[nodiscard]] const load_report& report() const noexcept {
    return report_;
  }

private:
  expected<void> flush();
  expected<void> send();

  store_batch store_;
  loader_options options_;
  load_report report_;
  std::vector<record> batch_; // the first batch_count_ are filled
  std::size_t batch_count_ = 0;
  std::size_t batch_bytes_ = 0;
  std::vector<memory::set_request> pending_; // of the batch, not stored yet
};

} // namespace neuroplex::cli
