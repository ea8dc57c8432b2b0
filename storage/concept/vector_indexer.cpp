#include "storage/concept/vector_indexer.hpp"

#include <algorithm>
#include <chrono>

namespace neuroplex::concepts {

namespace {

/// Vectors that are compared one by one may be a fifth of those in the index
/// before there is a new one.
constexpr std::uint32_t unknown_share = 5;

} // namespace

void vector_indexer::consider(const graph_version& newest) {
  if (newest.vector_log.size()
        < std::max<std::size_t>(options_.least_vectors, 1)
      || stop_.load(std::memory_order_relaxed))
    return;
  if (making_.valid()
      && making_.wait_for(std::chrono::seconds{0}) != std::future_status::ready)
    return;
  auto size = newest.vector_log.size();
  if (newest.vector_epoch == tried_epoch_
      && (size - tried_size_) * unknown_share <= tried_size_)
    return;
  tried_epoch_ = newest.vector_epoch;
  tried_size_ = size;
  making_ = std::async(std::launch::async, [this] {
    auto made = vector_index::make(
      [this] { return view_.load("vector index"); }, options_, stop_);
    if (!made)
      return;
    std::scoped_lock guard{mutex_};
    current_ = std::move(*made);
  });
}

void vector_indexer::stop() {
  stop_.store(true, std::memory_order_relaxed);
  if (making_.valid())
    making_.wait();
}

} // namespace neuroplex::concepts
