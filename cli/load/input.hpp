// Bytes and lines from a file, a pipe or a test's string, with bounded memory.
//
// Purpose: `byte_source` hides where bytes come from; `line_reader` cuts them
// into numbered lines.
//
// Ownership and threads: a source owns its descriptor; one thread.
//
// Invariants: `line_reader` holds at most max_record_bytes + one block. A line
// is handed out without its LF; the last line needs none.
//
// Failure behaviour: `bad_path` when the input cannot be opened, `io` when it
// cannot be read, `value_size` when a line is too long.
#pragma once

#include "cli/load/limits.hpp"
#include "memory/status.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::cli {

/// What some programs write before the first line of UTF-8.
inline constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

class byte_source {
public:
  byte_source() = default;
  byte_source(const byte_source&) = delete;
  byte_source& operator=(const byte_source&) = delete;
  virtual ~byte_source() = default;

  /// Reads up to buffer.size() bytes; 0 only at the end.
  virtual expected<std::size_t> read(std::span<char> buffer) = 0;

  /// Size of the whole, or 0 when unknown.
  [[nodiscard]] virtual std::uint64_t total_bytes() const noexcept = 0;

  /// How messages name it: the path, or "<stdin>".
  [[nodiscard]] virtual const std::string& name() const noexcept = 0;
};

/// Opens a regular file or FIFO; "-" is standard input.
[[nodiscard]] expected<std::unique_ptr<byte_source>>
open_source(const std::string& path);

/// A source over bytes in memory, handed out `block_bytes` at a time.
[[nodiscard]] std::unique_ptr<byte_source>
string_source(std::string name, std::string bytes,
              std::size_t block_bytes = load_limits::read_block_bytes);

/// Whether a line has nothing but blanks; a carriage return is one.
[[nodiscard]] bool is_blank(std::string_view line) noexcept;

class line_reader {
public:
  explicit line_reader(
    std::unique_ptr<byte_source> source,
    std::size_t max_line_bytes = load_limits::max_record_bytes);

  /// Hands out the next line, valid until the next call. False at the end.
  expected<bool> next(std::string_view& line);

  /// Number of the line handed out last, from 1.
  [[nodiscard]] std::uint64_t line_number() const noexcept {
    return line_number_;
  }

  /// Offset in the input of the first byte of the line handed out last.
  [[nodiscard]] std::uint64_t line_offset() const noexcept {
    return line_offset_;
  }

  /// Bytes of the lines handed out so far.
  [[nodiscard]] std::uint64_t bytes_read() const noexcept {
    return next_offset_;
  }

  [[nodiscard]] const byte_source& source() const noexcept {
    return *source_;
  }

private:
  expected<bool> fill();

  std::unique_ptr<byte_source> source_;
  std::size_t max_line_bytes_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0; // first byte not handed out
  std::size_t end_ = 0;   // end of what was read
  bool at_end_ = false;
  std::uint64_t line_number_ = 0;
  std::uint64_t line_offset_ = 0;
  std::uint64_t next_offset_ = 0;
};

} // namespace neuroplex::cli
