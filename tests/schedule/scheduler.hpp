// Threads of one's own making, whose every switch and every stale load is
// somebody's choice, so that an interleaving can be repeated or searched for.
//
// Purpose: runs the bodies of a scenario as coroutines with stacks of their own
// on the calling thread. Each access to the modelled region goes through here
// and may hand control to another thread, return an old value (memory_model),
// or be where the thread dies (it is never resumed, as after SIGKILL). A
// `chooser` decides; with the same answers a run is the same to the last step.
//
// A point of choice has a number, counted from the begin of the run whether or
// not anybody is asked, so a list of numbers and answers repeats a run.
// Switches are offered only where the location is one that several threads
// touch and one of them writes, as far as earlier runs have shown: elsewhere
// they make no difference.
//
// Old values come in spells: a thread that begins to lag reads the oldest value
// it may, at every load, until it catches up or its operation ends. One choice
// thus lets a whole copy be stale.
//
// Threads: belongs to one thread of the machine, which calls `run`; the rest is
// called from within the bodies. Failure: the first one ends the run, and no
// body is resumed; what bodies own on their heap is then lost.
#pragma once

#include "tests/schedule/memory_model.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace neuroplex::schedule {

enum class choice_kind : std::uint8_t {
  next_thread, ///< 0: the one that runs, or any if it cannot go on
  lag,         ///< 1: begins to read old values
  catch_up,    ///< 1: reads the newest values again
  age,         ///< 0: the oldest value, n: n younger
  death,       ///< 1: the thread dies before the access
};

struct choice_point {
  std::uint32_t ordinal = 0;
  choice_kind kind = choice_kind::next_thread;
  unsigned count = 0;  ///< answers are below it
  bool forced = false; ///< the running thread cannot go on: no preemption
  std::array<std::uint8_t, max_threads> threads{}; ///< whom the answers name
};

class chooser {
public:
  chooser() = default;
  chooser(const chooser&) = delete;
  chooser& operator=(const chooser&) = delete;
  virtual ~chooser() = default;
  virtual unsigned choose(const choice_point& point) = 0;

  /// Whether to be asked for a switch at locations not known to be shared, too.
  [[nodiscard]] virtual bool asked_everywhere() const {
    return false;
  }
};

class scheduler {
public:
  /// Flags that bodies may raise and wait for.
  static constexpr unsigned max_flags = 8;

  explicit scheduler(std::span<std::byte> region);
  scheduler(const scheduler&) = delete;
  scheduler& operator=(const scheduler&) = delete;
  ~scheduler();

  /// Adds a thread to the next run. A mortal one may die at any store.
  unsigned add(std::function<void()> body, bool mortal = false);

  /// Runs all threads until each has ended or died; empties the list of them.
  /// Answers what went wrong, or nothing. Where the threads matter only in that
  /// they end, `modelled` is false: one runs after another, nobody is asked,
  /// and millions of steps take no memory.
  std::string run(chooser& decide, std::uint64_t most_steps,
                  bool modelled = true);

  /// The scheduler in whose `run` the caller is, or null.
  [[nodiscard]] static scheduler* current() noexcept;

  // -- from within bodies -----------------------------------------------------

  std::uint64_t load(const void* at, unsigned size, std::memory_order order);
  void store(void* at, unsigned size, std::uint64_t value,
             std::memory_order order, bool may_die = true);
  /// Replaces the value by `change(value)`; answers the old one.
  template <class Change>
  std::uint64_t update(void* at, unsigned size, std::memory_order order,
                       Change&& change) {
    auto offset = begin_update(at, size);
    auto before = raw_load(region_.data() + offset, size);
    if (modelled_)
      model_.update(running_, offset, size, change(before), order);
    else
      raw_store(region_.data() + offset, size, change(before));
    show("update", offset, change(before));
    return before;
  }
  bool compare_exchange(void* at, unsigned size, std::uint64_t& expected,
                        std::uint64_t desired, std::memory_order success,
                        std::memory_order failure);
  /// Sets a word of four bytes that is 0, and the bytes before it, in one step.
  void set_with_bytes_before(void* at, std::uint32_t word,
                             std::span<const std::uint8_t> bytes);
  void fence(std::memory_order order);

  /// Ends the run.
  [[noreturn]] void fail(const std::string& what);

  /// To be called between operations: the thread reads the newest again.
  void catch_up() noexcept;

  /// Waits until `thread` has ended or died; answers whether it died. The
  /// caller then knows all that the thread did.
  bool await_end(unsigned thread);

  /// A release store of a flag, and a wait that acquires it.
  void raise(unsigned flag);
  void await(unsigned flag);

  [[nodiscard]] unsigned running() const noexcept {
    return running_;
  }

  [[nodiscard]] const clock& now() const noexcept {
    return model_.clock_of(running_);
  }

  /// Has the accesses of the next runs printed, each with the name that
  /// `describe` gives to its offset.
  void trace(std::function<std::string(std::uint32_t)> describe);

  // -- afterwards -------------------------------------------------------------

  [[nodiscard]] std::uint64_t steps() const noexcept {
    return steps_;
  }

  /// Whether any load returned an old value.
  [[nodiscard]] bool was_weak() const noexcept {
    return weak_;
  }

  /// Of the last run.
  [[nodiscard]] unsigned thread_count() const noexcept {
    return last_count_;
  }

  [[nodiscard]] bool died(unsigned thread) const noexcept;

  /// Grows whenever a location turns out to be shared.
  [[nodiscard]] std::size_t shared_count() const noexcept {
    return shared_count_;
  }

private:
  struct fiber;

  static void enter() noexcept;
  [[nodiscard]] std::uint32_t offset_of(const void* at);
  [[nodiscard]] bool runnable(unsigned thread) const noexcept;
  void before_access(std::uint32_t offset, bool writes, bool may_die);
  std::uint32_t begin_update(void* at, unsigned size);
  void note(std::uint32_t offset, bool writes) noexcept;
  void show(const char* what, std::uint32_t offset, std::uint64_t value,
            unsigned age = 0) const;
  unsigned ask(choice_kind kind, unsigned count);
  void pick_next(bool forced);
  void give_way();
  void resume(unsigned thread);
  void leave();

  std::span<std::byte> region_;
  memory_model model_;
  std::vector<std::unique_ptr<fiber>> fibers_;
  std::unique_ptr<fiber> main_;
  unsigned count_ = 0;
  unsigned last_count_ = 0;
  unsigned running_ = 0;
  chooser* chooser_ = nullptr;
  bool everywhere_ = false;
  bool modelled_ = true;
  std::uint32_t ordinal_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t most_steps_ = 0;
  bool weak_ = false;
  std::string failure_;
  std::function<std::string(std::uint32_t)> describe_;
  std::array<bool, max_flags> raised_{};
  std::array<clock, max_flags> flag_clocks_{};
  // By offset, over all runs: who touched it (a bit a thread), who wrote it.
  std::vector<std::uint8_t> touched_by_;
  std::vector<bool> written_;
  std::size_t shared_count_ = 0;
};

} // namespace neuroplex::schedule
