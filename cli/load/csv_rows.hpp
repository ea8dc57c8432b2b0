// Rows of CSV: RFC 4180 with a header row, whatever the columns mean.
//
// Ownership and threads: one thread; owns its source.
//
// Invariants:
//  1. Every row has as many fields as the header.
//  2. A quote stands only around a field or doubled inside a quoted one; a CR
//     outside quotes only before an LF.
//
// Failure behaviour: `protocol` with the file and the line where the row begins
// (a quoted field may hold line ends) and what was expected.
#pragma once

#include "cli/load/input.hpp"

#include <span>
#include <vector>

namespace neuroplex::cli {

class csv_rows {
public:
  /// Fields are parted by `delimiter`: ',', ';', '|' or a tab.
  csv_rows(std::unique_ptr<byte_source> source, char delimiter);

  /// Reads the header; to be called once, first.
  expected<void> read_header();

  /// The names in the header.
  [[nodiscard]] const std::vector<std::string>& columns() const noexcept {
    return columns_;
  }

  /// Reads the next row; false at the end.
  expected<bool> next();

  /// Fields of the row read last, valid until the next.
  [[nodiscard]] std::span<const std::string> fields() const noexcept {
    return {fields_.data(), field_count_};
  }

  /// Line where it begins.
  [[nodiscard]] std::uint64_t line() const noexcept {
    return row_line_;
  }

  [[nodiscard]] std::uint64_t bytes_read() const noexcept {
    return bytes_read_;
  }

  [[nodiscard]] const byte_source& source() const noexcept {
    return *source_;
  }

  /// `protocol`, with file and line of the row read last.
  [[nodiscard]] failure refuse(std::string_view message) const;

private:
  expected<bool> read_row();
  expected<bool> read_byte(char& byte);

  std::unique_ptr<byte_source> source_;
  char delimiter_;
  std::vector<char> block_;
  std::size_t block_begin_ = 0;
  std::size_t block_end_ = 0;
  std::uint64_t bytes_read_ = 0;
  std::uint64_t line_ = 1;     // line of the next byte
  std::uint64_t row_line_ = 1; // line where the present row began
  std::vector<std::string> fields_;
  std::size_t field_count_ = 0; // of fields_, so that capacity is kept
  std::vector<std::string> columns_;
};

} // namespace neuroplex::cli
