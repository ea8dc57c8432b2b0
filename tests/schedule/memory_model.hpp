// A model of the memory that C++ promises, so that a program which runs on one
// processor meets what several with weak ordering could show it.
//
// Purpose: keeps, beside the bytes of a region, what threads may still see of
// its past. Each location has its stores in modification order; each thread has
// a vector clock of what happened before its next step. A load may return any
// store that is not known to the thread to be overwritten, at most
// `longest_history` back; a release store carries the storing thread's clock,
// an acquire load that reads it joins that clock; a read-modify-write reads the
// newest store and hands on what that one carried (release sequences of C++20).
// Fences as in C++20, too. A sequentially consistent load returns no store
// older than the newest sequentially consistent one.
//
// What is left out: stores never enter the modification order before the newest
// one, loads never see stores of the future (no load buffering), and a failed
// compare-exchange reads the newest store. An access whose size differs from
// the last store's sees the newest bytes. Each of them makes the model show
// less than C++ allows, never more.
//
// Threads: one at a time; the numbers of the modelled threads are arguments.
// The bytes of the region always hold the newest stores.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace neuroplex::schedule {

/// Most threads a scenario may have.
inline constexpr unsigned max_threads = 6;

/// Most stores of a location that a load may choose among.
inline constexpr unsigned longest_history = 8;

/// For each thread, up to which of its steps it is known.
using clock = std::array<std::uint32_t, max_threads>;

inline void join(clock& into, const clock& from) noexcept {
  for (unsigned i = 0; i < max_threads; ++i)
    if (into[i] < from[i])
      into[i] = from[i];
}

/// The bytes of an aligned location of 1, 2, 4 or 8 bytes as a number.
std::uint64_t raw_load(const std::byte* at, unsigned size) noexcept;
void raw_store(std::byte* at, unsigned size, std::uint64_t value) noexcept;

class memory_model {
public:
  explicit memory_model(std::span<std::byte> region);

  /// Forgets the past of all locations and all clocks.
  void reset() noexcept;

  /// Number of stores that a load may return; 1 means the newest only.
  [[nodiscard]] unsigned readable(unsigned thread, std::uint32_t offset,
                                  unsigned size,
                                  std::memory_order order) const noexcept;

  /// Loads the store `age` before the newest; `age` is below `readable`.
  std::uint64_t load(unsigned thread, std::uint32_t offset, unsigned size,
                     std::memory_order order, unsigned age) noexcept;

  void store(unsigned thread, std::uint32_t offset, unsigned size,
             std::uint64_t value, std::memory_order order) noexcept;

  /// A store that read the newest value in the same step.
  void update(unsigned thread, std::uint32_t offset, unsigned size,
              std::uint64_t value, std::memory_order order) noexcept;

  void fence(unsigned thread, std::memory_order order) noexcept;

  [[nodiscard]] const clock& clock_of(unsigned thread) const noexcept {
    return threads_[thread].now;
  }

  /// Makes the thread know all that `from` knows.
  void learn(unsigned thread, const clock& from) noexcept {
    join(threads_[thread].now, from);
  }

private:
  struct message {
    std::uint64_t value;
    /// For each thread, its first step at which it wrote or read this; 0: none.
    clock seen;
    clock carried;
    std::uint32_t previous; ///< 0: the first
    bool sequential;
  };

  struct location {
    std::uint32_t newest;
    std::uint32_t size;
  };

  struct thread_view {
    clock now;
    clock at_release_fence;
    clock for_acquire_fence;
  };

  [[nodiscard]] bool known(unsigned thread, const message& what) const noexcept;
  [[nodiscard]] const location* find(std::uint32_t offset,
                                     unsigned size) const noexcept;
  location& make(std::uint32_t offset, unsigned size);
  void step(unsigned thread) noexcept {
    ++threads_[thread].now[thread];
  }
  void take_in(unsigned thread, const message& what,
               std::memory_order order) noexcept;
  void append(unsigned thread, location& where, std::uint32_t offset,
              std::uint64_t value, std::memory_order order,
              const clock* handed_on);

  std::span<std::byte> region_;
  std::vector<std::uint32_t> location_at_; ///< by offset; 0: never stored to
  std::vector<std::uint32_t> offsets_;     ///< of all locations
  std::vector<location> locations_;
  std::vector<message> messages_;
  std::array<thread_view, max_threads> threads_{};
  clock fences_{}; ///< sequentially consistent fences so far
};

} // namespace neuroplex::schedule
