// Runs a piece of code one instruction at a time and tells of every instruction
// that changed a byte of a mapped range.
//
// How. The processor's trap flag makes each instruction end in SIGTRAP. The
// range is write-protected, so that an instruction that is about to store to it
// ends in SIGSEGV first; its page is opened for this one instruction, and
// compared afterwards with what it held before. So between two changes told of,
// the range is proved to be equal: it could not be written.
//
// Threads: one at a time steps in a process; steppers may be nested, by
// stepping something inside `changed`. The handlers run on the stack of who is
// stepped, at an instruction that stores to the range: `changed` may do what
// the stepped code may do at a store to the range.
//
// Failure behaviour: a fault anywhere else ends the process as ever.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>

#include <signal.h>

namespace neuroplex::memory::testing {

class stepper {
public:
  static constexpr std::size_t page_bytes = 4096;

  /// The bytes from the first that changed to the last.
  struct change {
    const std::byte* begin;
    const std::byte* end;
  };

  /// False where the processor or a sanitizer does not allow it.
  static bool available() noexcept;

  /// Watches [begin, begin + bytes), whole pages of a writable mapping.
  stepper(std::byte* begin, std::size_t bytes,
          std::function<void(const change&)> changed);

  stepper(const stepper&) = delete;
  stepper& operator=(const stepper&) = delete;
  ~stepper();

  /// Runs `body` to its end.
  void run(const std::function<void()>& body);

  /// Instructions that ended so far: as many points to die at.
  [[nodiscard]] std::uint64_t instructions() const noexcept {
    return instructions_;
  }

private:
  struct open_page {
    std::byte* address;
    std::array<std::byte, page_bytes> before;
  };

  static void on_trap(int, siginfo_t*, void*);
  static void on_fault(int, siginfo_t*, void*);
  void stepped();
  static void note(const open_page& page, change& seen) noexcept;
  bool open(std::byte* address) noexcept;

  std::byte* begin_;
  std::size_t bytes_;
  std::function<void(const change&)> changed_;
  std::uint64_t instructions_ = 0;
  // A store that crosses a page's end has two pages.
  static constexpr unsigned max_open = 4;
  std::array<open_page, max_open> open_{};
  unsigned open_count_ = 0;

  static stepper* current;
};

} // namespace neuroplex::memory::testing
