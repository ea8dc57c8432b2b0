// The configurations in the log, oldest first.
//
// Purpose: a configuration is in force from the moment it is in the log, and no
// longer when its entry is truncated. So all that may come back are kept: the
// one of the last snapshot and those of the entries after it.
//
// Threads: one at a time.
//
// Invariants: there is always one; indexes rise.
//
// Failure behaviour: none.
#pragma once

#include "consensus/raft/types.hpp"

namespace neuroplex::raft {

class membership_log {
public:
  membership_log() = default;

  membership_log(log_index index, configuration members)
    : known_{{index, std::move(members)}} {
  }

  [[nodiscard]] const configuration& current() const noexcept {
    return known_.back().members;
  }

  /// Index of the entry that brought the present one.
  [[nodiscard]] log_index current_index() const noexcept {
    return known_.back().index;
  }

  /// The one in force at `index`, not below the oldest known.
  [[nodiscard]] const configuration& at(log_index index) const noexcept {
    auto found = known_.size() - 1;
    while (found > 0 && known_[found].index > index)
      --found;
    return known_[found].members;
  }

  void append(log_index index, configuration members) {
    known_.push_back({index, std::move(members)});
  }

  /// Entries from `from` on are gone. Answers whether the present one was.
  bool truncate(log_index from) {
    auto before = known_.size();
    while (known_.size() > 1 && known_.back().index >= from)
      known_.pop_back();
    return known_.size() != before;
  }

  /// Entries up to `index` will not come back.
  void compact(log_index index) {
    std::size_t keep = 0;
    while (keep + 1 < known_.size() && known_[keep + 1].index <= index)
      ++keep;
    known_.erase(known_.begin(),
                 known_.begin() + static_cast<std::ptrdiff_t>(keep));
  }

  void reset(log_index index, configuration members) {
    known_.clear();
    known_.push_back({index, std::move(members)});
  }

private:
  struct known_configuration {
    log_index index = 0;
    configuration members{};
  };

  std::vector<known_configuration> known_{known_configuration{}};
};

} // namespace neuroplex::raft
