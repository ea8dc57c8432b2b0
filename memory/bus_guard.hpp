// What a program says when a segment's file is cut short under it.
//
// Whoever may write a file may truncate it, and the kernel then ends every
// process that touches what is gone by SIGBUS. Nothing can forbid it: seals
// exist only for files without a name, and a check before an access is stale by
// the access. Nor is there anything to go on with, since what is gone was the
// data. So a program may ask for an end with words instead of a bare signal;
// the library by itself touches no signals.
//
// Threads: any. The handler uses only what signal handlers may.
//
// Failure behaviour: a SIGBUS that no segment of this process explains has its
// usual effect.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace neuroplex::memory {

/// Exit status of a process whose segment lost its data, or its place on a full
/// file system.
inline constexpr int exit_segment_cut = 4;
inline constexpr int exit_segment_full = 6;

/// From now on, an access to a segment's bytes that are no longer there writes
/// one line `error[E-SEGBUS]: ...` on standard error and ends the process with
/// one of the above. For the main function of a program.
void end_with_words_when_cut() noexcept;

namespace detail {

/// A range that the handler knows; gives its place back at the end.
class watched_range {
public:
  watched_range() = default;

  /// Remembers [base, base + bytes) of the file `fd`, if there is a place left.
  watched_range(const void* base, std::uint64_t bytes, int fd,
                const std::string& path) noexcept;

  watched_range(watched_range&& other) noexcept;
  watched_range& operator=(watched_range&& other) noexcept;
  ~watched_range();

private:
  static constexpr std::size_t nowhere = ~std::size_t{0};

  std::size_t place_ = nowhere;
};

} // namespace detail

} // namespace neuroplex::memory
