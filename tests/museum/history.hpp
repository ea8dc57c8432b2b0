// What the operations of a run asked and answered, and whether one order of
// them explains it.
//
// Purpose: a history is linearizable when its operations can be put in an order
// that a plain map would have answered alike, and that keeps each operation
// before those that began after its end. What "after its end" means depends on
// the run: where every load returned the newest value, it is the order of
// steps; where some did not, only what one thread can know of another counts
// (happens-before), since nothing else is promised across processors. An
// operation that died with its thread may have taken effect at any time or
// never.
//
// Keys do not influence one another, so each key is judged alone (Herlihy and
// Wing, "Linearizability", TOPLAS 1990, theorem 1); the search remembers where
// it has been (Lowe, "Testing for linearizability", 2017).
//
// Threads: one at a time. Nothing here allocates while a run is under way.
#pragma once

#include "tests/schedule/memory_model.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace neuroplex::museum {

enum class action : std::uint8_t {
  get,
  set,
  add,     ///< set if absent
  replace, ///< set if present
  erase,
  increment,
  swap, ///< compare and swap
};

enum class outcome : std::uint8_t {
  unknown, ///< died on the way
  ok,
  absent,
  exists,
  mismatch,
};

/// No value is 0.
inline constexpr std::uint32_t no_value = 0;

struct operation {
  action what = action::get;
  outcome answer = outcome::unknown;
  std::uint8_t thread = 0;
  std::uint8_t key = 0;
  std::uint32_t argument = no_value; ///< stored, or added
  std::uint32_t expected = no_value; ///< of a swap
  std::uint32_t result = no_value;   ///< what was read
  std::uint64_t first_step = 0;
  std::uint64_t last_step = 0;
  schedule::clock begin{}; ///< what the thread knew
  std::uint32_t ended = 0; ///< its own clock at the end
};

class history {
public:
  static constexpr std::size_t longest = 48;

  void clear() noexcept {
    size_ = 0;
  }

  /// Null when there is no room.
  operation* append(const operation& begun) noexcept;

  /// Empty if good. `initial` is the value of each key before the run.
  [[nodiscard]] std::string judge(const std::array<std::uint32_t, 8>& initial,
                                  bool by_steps) const;

private:
  std::array<operation, longest> operations_{};
  std::size_t size_ = 0;
};

} // namespace neuroplex::museum
