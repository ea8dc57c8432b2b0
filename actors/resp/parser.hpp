// Finds the commands in a stream of RESP bytes, without copying them.
//
// Purpose: turns the bytes a client sent into argument lists. Both forms are
// read: arrays of bulk strings, and inline commands (a line of words). The
// caller keeps the bytes; the parser remembers how far it has looked, so that a
// command which arrives in pieces is looked at once.
//
// Threads: none; a parser belongs to one connection.
//
// Invariants:
//  1. The input given to `next` begins with the first byte that no answered
//     command has used, and what was seen there before is still there (it may
//     have moved to another address).
//  2. How the stream is cut into pieces changes no answer.
//  3. Arguments are valid until the input or the parser changes.
//
// Failure behaviour: bytes the protocol does not allow give `failed` with the
// text to send; the connection must then be closed, since the stream has lost
// its rhythm. Lengths are checked before anything is kept for them.
#pragma once

#include "actors/resp/bounds.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::resp {

class parser {
public:
  enum class outcome : std::uint8_t {
    need_more, ///< no whole command yet
    command,   ///< `arguments` and `used_bytes` are set
    empty,     ///< `used_bytes` of nothing to do: a blank line, an empty array
    failed,    ///< `problem` is set
  };

  struct options {
    std::size_t max_arguments = bounds::max_arguments;
    std::size_t max_bulk_bytes = bounds::max_bulk_bytes;
    bool authenticated = true; ///< only chooses the words of a refusal
  };

  /// Looks for the next command in `input`.
  outcome next(std::string_view input, const options& allowed);

  [[nodiscard]] std::span<const std::string_view> arguments() const noexcept {
    return arguments_;
  }

  /// Bytes of the input that the command took; drop them before `next`.
  [[nodiscard]] std::size_t used_bytes() const noexcept {
    return used_bytes_;
  }

  /// After `failed`: the error, such as "ERR Protocol error: ...".
  [[nodiscard]] const std::string& problem() const noexcept {
    return problem_;
  }

  /// After `need_more`: bytes still missing of the bulk string that has begun,
  /// 0 when that is not known.
  [[nodiscard]] std::size_t missing_bytes() const noexcept {
    return missing_bytes_;
  }

private:
  struct extent {
    std::size_t offset;
    std::size_t bytes;
  };

  static constexpr std::int64_t unknown = -1;

  outcome next_inline(std::string_view input);
  outcome next_array(std::string_view input, const options& allowed);
  outcome finish(std::string_view base, std::size_t used);
  outcome fail(std::string_view what);
  bool split_words(std::string_view line);
  void reset();

  std::vector<extent> extents_;
  std::vector<std::string_view> arguments_;
  std::string words_; // unescaped bytes of an inline command
  std::string problem_;
  std::size_t position_ = 0; // everything before has been understood
  std::size_t searched_ = 0; // no line end between position_ and here
  std::int64_t arguments_left_ = unknown;
  std::int64_t bulk_bytes_ = unknown;
  std::size_t used_bytes_ = 0;
  std::size_t missing_bytes_ = 0;
};

} // namespace neuroplex::resp
