// What the clients of a run asked and were answered.
//
// Purpose: the operations of a map of registers: read, write, compare and swap.
// Checked inside of the run (`linearizability.hpp`), and written as hist-v1
// (JSON Lines), so that a checker which shares no code with this one can
// confirm.
//
// Threads: one at a time.
//
// Invariants: an operation without an answer, and one whose outcome the client
// does not know, may take effect at any time after its call, or never.
#pragma once

#include "tests/sim/dice.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace neuroplex::sim {

/// Values are numbers; 0 means absent and is never written. For the checker to
/// be quick, no number is written twice to one key.
using register_value = std::uint64_t;
inline constexpr register_value absent = 0;

enum class verb : std::uint8_t { get, put, cas };

enum class outcome : std::uint8_t {
  unknown,  ///< perhaps it took effect, perhaps it will
  ok,       ///< took effect
  failed,   ///< certainly never takes effect
  mismatch, ///< a swap that saw another value than it expected
};

struct operation {
  verb what = verb::get;
  outcome result = outcome::unknown;
  std::uint32_t client = 0;
  std::uint32_t key = 0;
  register_value value = absent;  ///< written, or read
  register_value expect = absent; ///< of a swap
  register_value saw = absent;    ///< by a swap that did not match
  nanoseconds call{0};
  nanoseconds answered{0}; ///< where the result is known
};

class history {
public:
  using number = std::size_t;

  number begin(const operation& asked) {
    operations_.push_back(asked);
    return operations_.size() - 1;
  }

  void end(number which, nanoseconds now, outcome result,
           register_value read = absent) {
    auto& done = operations_[which];
    done.result = result;
    done.answered = now;
    if (done.what == verb::get) {
      done.value = read;
    }
    if (result == outcome::mismatch) {
      done.saw = read;
    }
  }

  [[nodiscard]] const std::vector<operation>& operations() const noexcept {
    return operations_;
  }

  /// hist-v1. A client whose operation ended unknown goes on under a new
  /// number there, as the format asks.
  [[nodiscard]] std::string to_json_lines(std::uint64_t seed) const;

private:
  std::vector<operation> operations_;
};

} // namespace neuroplex::sim
