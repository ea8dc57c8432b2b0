// Notices that a list in the segment was scribbled over while it is walked: it
// leads to blocks that do not belong on it, or in a ring.
//
// Purpose: a bound on its steps ends any walk, but a ring costs the whole bound
// each time. Whoever walks a list that belongs to him gives up what is left of
// it once he knows that it is none, so that a wrong link costs a few steps, and
// once. What hung there is lost until its span is looked through.
//
// Threads: a walk belongs to one thread.
#pragma once

#include <cstdint>

namespace neuroplex::memory {

class list_walk {
public:
  /// To be told of each block that does not belong on the list; answers whether
  /// the list is to be given up. One wrong block may stand on a good list.
  [[nodiscard]] bool stranger() noexcept {
    return ++strangers_ > most_strangers;
  }

  /// To be told of each block; answers whether it was met before. Notices a
  /// ring within a few times its length (Brent, "An improved Monte Carlo
  /// factorization algorithm", BIT 1980).
  [[nodiscard]] bool came_by(std::uint32_t granule) noexcept {
    if (granule == mark_)
      return true;
    if (++steps_ == next_mark_) {
      mark_ = granule;
      next_mark_ *= 2;
    }
    return false;
  }

private:
  static constexpr unsigned most_strangers = 8;

  unsigned strangers_ = 0;
  std::uint32_t mark_ = 0; ///< no block has this granule
  std::uint32_t steps_ = 0;
  std::uint32_t next_mark_ = 1;
};

} // namespace neuroplex::memory
