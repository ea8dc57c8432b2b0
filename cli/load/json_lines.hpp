// JSON lines as records: one object a line.
//
//   {"key":"user:1","value":"Ada","ttl_ms":60000}
//   {"key_base64":"AAE=","value_base64":"//79"}
//
// Purpose: the general format of `neuroplex load`. Exactly one of "key" and
// "key_base64", exactly one of "value" and "value_base64", and perhaps
// "ttl_ms" (a whole number from 1). Blank lines are skipped; a CR before the LF
// is allowed, a byte order mark at the start too.
//
// Ownership and threads: one thread.
//
// Invariants: parsed by events, never as a tree: nesting and unknown members
// are refused where they begin.
//
// Failure behaviour: `protocol` with file:line, column and what was expected.
#pragma once

#include "cli/load/input.hpp"
#include "cli/load/record.hpp"

namespace neuroplex::cli {

/// Parses one line into `result`. The failure's message has no file and line.
[[nodiscard]] expected<void> parse_json_line(std::string_view line,
                                             record& result);

class json_lines_reader final : public strict_reader {
public:
  explicit json_lines_reader(std::unique_ptr<byte_source> source);

  [[nodiscard]] std::uint64_t bytes_read() const noexcept override;
  [[nodiscard]] std::uint64_t total_bytes() const noexcept override;

private:
  expected<read_step> read_record(record& result) override;

  line_reader lines_;
};

} // namespace neuroplex::cli
