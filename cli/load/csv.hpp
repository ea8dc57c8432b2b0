// CSV as records: RFC 4180 with a header row.
//
//   key,value,ttl_ms
//   user:1,"Lovelace, Ada",60000
//
// Purpose: tables as they come out of spreadsheets and databases. Columns are
// chosen by their names in the header; others are ignored. An empty ttl field
// means for ever.
//
// Ownership and threads: one thread.
//
// Invariants:
//  1. Every record has as many fields as the header.
//  2. A quote stands only around a field or doubled inside a quoted one; a CR
//     outside quotes only before an LF.
//
// Failure behaviour: `protocol` with the file and the line where the record
// begins (a quoted field may hold line ends) and what was expected; `config`
// when the header has no such column.
#pragma once

#include "cli/load/input.hpp"
#include "cli/load/record.hpp"

#include <optional>
#include <vector>

namespace neuroplex::cli {

/// Which columns to take and what parts the fields.
struct csv_options {
  std::string key_column = "key";
  std::string value_column = "value";
  std::string ttl_column = "ttl_ms"; ///< optional in the file
  char delimiter = ',';              ///< ',', ';', '|' or a tab
};

class csv_reader final : public strict_reader {
public:
  csv_reader(std::unique_ptr<byte_source> source, csv_options options);

  [[nodiscard]] std::uint64_t bytes_read() const noexcept override;
  [[nodiscard]] std::uint64_t total_bytes() const noexcept override;

private:
  expected<bool> read_row();
  expected<bool> read_byte(char& byte);
  expected<void> read_header();
  expected<read_step> read_record(record& result) override;
  failure refuse_row(std::string_view message) const;

  std::unique_ptr<byte_source> source_;
  csv_options options_;
  std::vector<char> block_;
  std::size_t block_begin_ = 0;
  std::size_t block_end_ = 0;
  std::uint64_t bytes_read_ = 0;
  std::uint64_t line_ = 1;     // line of the next byte
  std::uint64_t row_line_ = 1; // line where the present row began
  std::vector<std::string> fields_;
  std::size_t field_count_ = 0; // of fields_, so that capacity is kept
  std::size_t column_count_ = 0;
  std::size_t key_index_ = 0;
  std::size_t value_index_ = 0;
  std::optional<std::size_t> ttl_index_;
  bool header_read_ = false;
};

} // namespace neuroplex::cli
