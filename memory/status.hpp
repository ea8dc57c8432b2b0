// Error codes, failures and results of the whole runtime.
//
// Purpose: every expected failure is a value. A hot path answers a bare `errc`
// (one byte, no allocation); a cold path answers `expected<T>`, whose `failure`
// carries one line that says what failed, where, and what to do about it.
//
// Threads: plain values, no shared state.
//
// Invariants:
//  1. `errc::ok` is zero and is never stored in a `failure`.
//  2. `errc::unknown_outcome` (sent, perhaps applied) is never folded into a
//     failure: whoever gets it must read back or retry with the same id.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace neuroplex {

/// Closed list of failures. A code exists only if a caller can act on it.
enum class errc : std::uint8_t {
  ok = 0,
  // Answers about the data.
  not_found,   ///< no such key, namespace or object
  exists,      ///< set_if_absent met a live entry; create met an old object
  mismatch,    ///< compare_and_swap saw another value or version
  not_integer, ///< increment of a value that is no 64-bit decimal integer
  overflow,    ///< increment would leave the 64-bit range
  wrong_type,  ///< the value is of another kind than the operation
  // Arguments that can never succeed.
  bad_key,       ///< empty key
  key_size,      ///< key longer than limits::max_key_bytes
  value_size,    ///< value longer than the segment's limit
  bad_ttl,       ///< expiry of zero, negative, or beyond the clock's range
  bad_namespace, ///< namespace name empty or longer than 255 bytes
  bad_argument,  ///< any other argument out of its range
  // Limits met at run time.
  no_space,       ///< the pool (or the file system) is full
  namespace_full, ///< 256 namespaces exist
  too_many,       ///< a counted resource (threads, views, peers) is used up
  busy,           ///< contention or missing credit; try again later
  // The state of the segment or of the handle.
  read_only,    ///< write through a read-only handle
  closed,       ///< the handle was closed
  forked,       ///< the handle was opened before fork(); open it again
  locked,       ///< another process holds the directory or the file
  corrupt,      ///< checksum or structure wrong; nothing was served
  version,      ///< written by another layout or protocol version
  segment_size, ///< a file too short, or of a length no segment has
  segment_mode, ///< file mode, owner or file system not acceptable
  // The world outside.
  bad_path,        ///< path missing, of the wrong kind, or not permitted
  io,              ///< the operating system refused; see the message
  config,          ///< a setting is unknown, malformed or contradictory
  unavailable,     ///< the owner of the key is down; nothing was applied
  unknown_outcome, ///< no answer in time; the operation may have been applied
  denied,          ///< not authenticated or not authorised
  protocol,        ///< bytes that the protocol does not allow
  conflict,        ///< a request id was used again with another body
  deadline,        ///< the deadline had passed on arrival; nothing was applied
  internal,        ///< a component failed and was restarted; see the log
};

/// Number of codes; decoders refuse an integer at or above it.
inline constexpr std::uint8_t errc_count =
  static_cast<std::uint8_t>(errc::internal) + 1;

/// Stable short name of the form "E-KEYSIZE", as printed and documented.
[[nodiscard]] std::string_view code_name(errc code) noexcept;

/// One sentence: what the code means and what to do.
[[nodiscard]] std::string_view describe(errc code) noexcept;

/// Exit status of a command that ends with `code`: 0 ok, 2 use, 3 config,
/// 4 data corrupt, 5 refused by a peer, 6 resource.
[[nodiscard]] int exit_status(errc code) noexcept;

/// A failure with one line for a person: "what: value: what to do".
class failure {
public:
  failure(errc code, std::string message)
    : code_{code}, message_{std::move(message)} {
  }

  /// An error whose line is `describe(code)`.
  explicit failure(errc code) : failure{code, std::string{describe(code)}} {
  }

  [[nodiscard]] errc code() const noexcept {
    return code_;
  }

  [[nodiscard]] const std::string& message() const noexcept {
    return message_;
  }

  /// "error[E-CODE]: message", the form every command prints.
  [[nodiscard]] std::string to_string() const;

private:
  errc code_;
  std::string message_;
};

/// Ends the process with one line when a promise inside the code is broken.
/// Never used on bytes from outside.
[[noreturn]] void ensure_failed(const char* condition, const char* file,
                                int line) noexcept;

#define NEUROPLEX_ENSURE(condition)                                            \
  ((condition) ? static_cast<void>(0)                                          \
               : ::neuroplex::ensure_failed(#condition, __FILE__, __LINE__))

/// A value or a `failure`.
template <class T>
class [[nodiscard]] expected {
public:
  expected(T value) : state_{std::in_place_index<0>, std::move(value)} {
  }

  expected(failure what) : state_{std::in_place_index<1>, std::move(what)} {
  }

  expected(errc code) : expected{failure{code}} {
  }

  [[nodiscard]] explicit operator bool() const noexcept {
    return state_.index() == 0;
  }

  [[nodiscard]] T& operator*() & {
    NEUROPLEX_ENSURE(state_.index() == 0);
    return *std::get_if<0>(&state_);
  }

  [[nodiscard]] const T& operator*() const& {
    NEUROPLEX_ENSURE(state_.index() == 0);
    return *std::get_if<0>(&state_);
  }

  [[nodiscard]] T&& operator*() && {
    NEUROPLEX_ENSURE(state_.index() == 0);
    return std::move(*std::get_if<0>(&state_));
  }

  [[nodiscard]] T* operator->() {
    return &**this;
  }

  [[nodiscard]] const T* operator->() const {
    return &**this;
  }

  /// The failure; only when the result has no value.
  [[nodiscard]] const failure& error() const {
    NEUROPLEX_ENSURE(state_.index() == 1);
    return *std::get_if<1>(&state_);
  }

  /// `errc::ok` or the failure's code.
  [[nodiscard]] errc code() const noexcept {
    auto* what = std::get_if<1>(&state_);
    return what == nullptr ? errc::ok : what->code();
  }

private:
  std::variant<T, failure> state_;
};

/// Success, or a `failure`.
template <>
class [[nodiscard]] expected<void> {
public:
  expected() = default;

  expected(failure what) : code_{what.code()}, message_{what.message()} {
  }

  expected(errc code)
    : code_{code}, message_{code == errc::ok ? "" : describe(code)} {
  }

  [[nodiscard]] explicit operator bool() const noexcept {
    return code_ == errc::ok;
  }

  [[nodiscard]] failure error() const {
    NEUROPLEX_ENSURE(code_ != errc::ok);
    return {code_, message_};
  }

  [[nodiscard]] errc code() const noexcept {
    return code_;
  }

private:
  errc code_ = errc::ok;
  std::string message_;
};

} // namespace neuroplex
