// Makes an index of a memory's vectors when there are enough, and anew when
// there are many more, in a thread of its own.
//
// Ownership and threads: `consider` and `stop` are for one thread (the
// reconciler's); `current` for any. The view outlives it.
//
// Failure behaviour: where no index can be made there is none, and searches
// compare all.
#pragma once

#include "storage/concept/vector_index.hpp"

#include <future>
#include <mutex>

namespace neuroplex::concepts {

class vector_indexer {
public:
  vector_indexer(const read_view& view, const vector_index_options& options)
    : view_{view}, options_{options} {
  }
  ~vector_indexer() {
    stop();
  }

  vector_indexer(const vector_indexer&) = delete;
  vector_indexer& operator=(const vector_indexer&) = delete;

  /// Looks whether an index is to be made, and begins. Costs nothing to speak
  /// of.
  void consider(const graph_version& newest);

  /// Ends what was begun.
  void stop();

  /// The newest index, or null.
  [[nodiscard]] std::shared_ptr<const vector_index> current() const {
    std::scoped_lock guard{mutex_};
    return current_;
  }

private:
  const read_view& view_;
  vector_index_options options_;
  std::atomic<bool> stop_{false};
  std::future<void> making_;
  std::uint64_t tried_epoch_ = 0; ///< of the version that it was begun for
  std::uint32_t tried_size_ = 0;  ///< of its log; 0: never
  mutable std::mutex mutex_;      ///< of `current_`
  std::shared_ptr<const vector_index> current_;
};

} // namespace neuroplex::concepts
