// What happened in a run, as one number and, where asked, as text.
//
// Purpose: two runs of one seed must have equal hashes, else something outside
// of the seed had a say (an address, the order of a hash table, a clock), and
// no failure could be repeated. Text is made only for the run that somebody
// looks at.
//
// Threads: one at a time.
//
// Invariants: the hash depends on every note and on their order; telling text
// does not change it.
#pragma once

#include "tests/sim/dice.hpp"

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

namespace neuroplex::sim {

class trace {
public:
  /// Adds an event to the hash, and a line if there is a listener.
  void note(nanoseconds now, std::string_view what, std::uint64_t a = 0,
            std::uint64_t b = 0, std::uint64_t c = 0) noexcept;

  /// A line for a person; `text()` is called only if somebody listens.
  template <class Text>
  void tell(nanoseconds now, Text&& text) {
    if (listener_ != nullptr) {
      print(now, std::forward<Text>(text)());
    }
  }

  void listen(std::FILE* listener) noexcept {
    listener_ = listener;
  }

  [[nodiscard]] std::uint64_t hash() const noexcept {
    return hash_;
  }

  [[nodiscard]] std::uint64_t notes() const noexcept {
    return notes_;
  }

private:
  void print(nanoseconds now, const std::string& line) const noexcept;

  std::uint64_t hash_ = 0;
  std::uint64_t notes_ = 0;
  std::FILE* listener_ = nullptr;
};

} // namespace neuroplex::sim
