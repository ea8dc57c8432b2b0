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
// Failure behaviour: as `csv_rows`, and `config` when the header has no such
// column.
#pragma once

#include "cli/load/csv_rows.hpp"
#include "cli/load/record.hpp"

#include <optional>

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
  expected<void> read_header();
  expected<read_step> read_record(record& result) override;

  csv_rows rows_;
  csv_options options_;
  std::size_t key_index_ = 0;
  std::size_t value_index_ = 0;
  std::optional<std::size_t> ttl_index_;
  bool header_read_ = false;
};

} // namespace neuroplex::cli
