// Keys whose values the lower tier does not have yet, in the order in which
// they became so.
//
// Purpose: the memory of write-back. The values themselves stay in the segment;
// here are their keys, and the credit that bounds how many there may be and how
// many bytes they may have.
//
// Ownership and threads: owns its keys; all threads. A writer holds a key from
// before he writes it into the segment until after; the flusher takes keys
// nobody holds.
//
// Invariants:
//  1. Keys and bytes never exceed the limits.
//  2. A key that was let go with `dirty` is taken by a flusher after that.
//  3. A key is taken by one flusher at a time, and not while it is held.
//
// Failure behaviour: a key for which there is no credit is refused.
#pragma once

#include "memory/lower_tier.hpp"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::memory {

class dirty_queue {
public:
  struct limits {
    std::size_t entries;
    std::uint64_t bytes;
  };

  /// A key on its way to the lower tier.
  struct work {
    std::string key;
    std::uint64_t generation;
  };

  explicit dirty_queue(limits most) noexcept : most_{most} {
  }

  /// Holds a key and reserves `bytes` for its value; false without credit.
  [[nodiscard]] bool hold(std::string_view key, std::uint64_t bytes);

  /// Holds a key whatever the credit, once no flusher is at work on it; false
  /// when that did not come to pass in time.
  [[nodiscard]] bool hold_alone(std::string_view key, tier_deadline deadline);

  /// Ends a hold. `dirty`: the lower tier is to get what the segment has now.
  void let_go(std::string_view key, bool dirty);

  /// Adds a key that is dirty already; false without credit.
  [[nodiscard]] bool adopt(std::string_view key, std::uint64_t bytes);

  /// Takes at most `most` keys, oldest first.
  [[nodiscard]] std::vector<work> take(std::size_t most);

  /// Ends the work on a key. `done`: the lower tier has what the segment had
  /// when the key was taken; else, or if it was held since, it stays dirty.
  void finish(const work& item, bool done);

  [[nodiscard]] std::size_t entries() const;
  [[nodiscard]] std::uint64_t bytes() const;

private:
  struct state {
    std::uint64_t bytes = 0;
    std::uint64_t generation = 0;
    std::uint32_t holders = 0;
    bool dirty = false; ///< is in the order, or is to return to it
    bool taken = false;
  };

  using key_map = std::map<std::string, state, std::less<>>;

  bool reserve(std::string_view key, std::uint64_t bytes,
               key_map::iterator& place);
  void drop_if_clean(key_map::iterator place);

  limits most_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  key_map keys_;
  std::deque<std::string> order_;
  std::uint64_t bytes_ = 0;
};

} // namespace neuroplex::memory
