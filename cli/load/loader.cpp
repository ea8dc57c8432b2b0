#include "cli/load/loader.hpp"

#include "cli/terminal/units.hpp"
#include "config/diagnostic.hpp"

#include <algorithm>
#include <thread>

namespace neuroplex::cli {

namespace {

bool may_succeed_later(errc code) {
  return code == errc::busy || code == errc::unavailable
         || code == errc::unknown_outcome || code == errc::deadline;
}

} // namespace

loader::loader(store_batch store, loader_options options)
  : store_{std::move(store)}, options_{options} {
  NEUROPLEX_ENSURE(options_.batch_entries > 0 && options_.attempts > 0);
}

// Sends pending_ until every entry is stored or one stays refused.
expected<void> loader::send() {
  auto pause = options_.first_pause;
  for (unsigned attempt = 1;; ++attempt) {
    auto sent = store_(pending_);
    if (!sent)
      return sent;
    std::string refused;
    errc reason = errc::ok;
    std::size_t kept = 0;
    for (const auto& entry : pending_) {
      if (entry.status == errc::ok) {
        ++report_.entries;
        report_.key_bytes += entry.key.size();
        report_.value_bytes += entry.value.size();
        continue;
      }
      // A refusal for good outweighs one that may pass.
      if (reason == errc::ok
          || (may_succeed_later(reason) && !may_succeed_later(entry.status))) {
        refused = config::quote(entry.key);
        reason = entry.status;
      }
      pending_[kept] = entry;
      // An answer that does not come must not look like one that did.
      pending_[kept++].status = errc::internal;
    }
    pending_.resize(kept);
    if (pending_.empty())
      return {};
    if (!may_succeed_later(reason) || attempt == options_.attempts)
      return failure{reason, refused + ": " + std::string{describe(reason)}
                               + " (stored: " + human_entries(report_.entries)
                               + ")"};
    report_.sent_again += pending_.size();
    std::this_thread::sleep_for(pause);
    pause *= 2;
  }
}

expected<void> loader::flush() {
  if (batch_count_ == 0)
    return {};
  pending_.clear();
  for (std::size_t i = 0; i < batch_count_; ++i)
    pending_.push_back({.key = batch_[i].key,
                        .value = batch_[i].value,
                        .options = {.ttl_ms = batch_[i].ttl_ms},
                        .status = errc::internal});
  ++report_.batches;
  auto sent = send();
  batch_count_ = 0;
  batch_bytes_ = 0;
  return sent;
}

expected<load_report> loader::load(record_reader& reader,
                                   const load_progress& advance) {
  batch_.resize(options_.batch_entries);
  for (;;) {
    auto& entry = batch_[batch_count_];
    auto step = reader.next(entry);
    if (!step) {
      auto stored = flush();
      if (!stored)
        return stored.error();
      return failure{step.code(), step.error().message()
                                    + " (stored before it: "
                                    + human_entries(report_.entries) + ")"};
    }
    if (*step == read_step::record) {
      ++batch_count_;
      batch_bytes_ += entry.key.size() + entry.value.size();
      if (batch_count_ < options_.batch_entries
          && batch_bytes_ < options_.batch_bytes)
        continue;
    }
    auto stored = flush();
    if (!stored)
      return stored.error();
    if (!advance(report_))
      return failure{errc::deadline, "stopped (stored: "
                                       + human_entries(report_.entries) + ")"};
    if (*step == read_step::end)
      return report_;
  }
}

} // namespace neuroplex::cli
