#include "storage/concept/reconciler.hpp"

#include <utility>

namespace neuroplex::concepts {

expected<reconciler_step> reconciler::drain_and_publish(std::int64_t now_us,
                                                        std::size_t max_batch) {
  if (stopped_)
    return *stopped_;
  reconciler_step done;
  if (auto result = step(now_us, max_batch, done); !result) {
    stopped_ = result.error();
    return *stopped_;
  }
  return done;
}

expected<void> reconciler::step(std::int64_t now_us, std::size_t max_batch,
                                reconciler_step& done) {
  batch_.clear();
  if (auto taken = log_.take(batch_, max_batch); !taken)
    return taken;
  done.taken = batch_.size();
  if (batch_.empty()) {
    // A reader may have left since.
    view_.reap(graph_);
    return {};
  }
  if (journal_ != nullptr)
    if (auto kept = journal_->keep(batch_); !kept)
      return kept;
  graph_.apply(batch_, now_us, [&](const write_entry& entry, errc why) {
    ++done.refused;
    log_.note({log_event::kind::refused, why, entry.kind, entry.id,
               entry.target, entry.sequence});
  });
  std::vector<retired_block> left;
  auto next = graph_.publish(batch_.back().sequence, now_us, left);
  view_.publish(next, std::move(left));
  view_.reap(graph_);
  done.published = true;
  reconciliations_.fetch_add(1, std::memory_order_relaxed);
  processed_.fetch_add(done.taken, std::memory_order_relaxed);
  refused_.fetch_add(done.refused, std::memory_order_relaxed);
  return journal_ == nullptr ? expected<void>{}
                             : journal_->applied(graph_, view_);
}

} // namespace neuroplex::concepts
