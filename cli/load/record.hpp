// What every reader of `neuroplex load` gives: one entry after another.
//
// Purpose: the load command and the tour know only `record_reader`; WordNet,
// JSON lines and CSV stand behind it.
//
// Ownership and threads: a reader owns its input and is used by one thread.
//
// Invariants:
//  1. A record is handed out whole or not at all: a line that is refused has
//     changed neither the record nor what was handed out before.
//  2. Every key has 1 to limits::max_key_bytes bytes, every ttl_ms is in range.
//  3. Memory is bounded by load_limits::max_record_bytes and the reader's own
//     fixed state, however long the input is.
//
// Failure behaviour: a failure's message begins with "file:line: " and says
// what was expected. After a failure the reader answers the same failure again.
#pragma once

#include "memory/status.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace neuroplex::cli {

/// One entry to store.
struct record {
  std::string key;
  std::string value;
  std::int64_t ttl_ms = 0; ///< 0 means for ever
};

/// What a step of a reader gave.
enum class read_step : std::uint8_t {
  record, ///< the record was filled
  end,    ///< the input is used up; the record is untouched
};

class record_reader {
public:
  record_reader() = default;
  record_reader(const record_reader&) = delete;
  record_reader& operator=(const record_reader&) = delete;
  virtual ~record_reader() = default;

  /// Fills `result` with the next record. `protocol` with the place of the
  /// fault when the input is malformed, `key_size`, `bad_key`, `value_size`
  /// and `bad_ttl` when an entry can never be stored, `io` when it cannot be
  /// read.
  virtual expected<read_step> next(record& result) = 0;

  /// Bytes of input consumed so far, for progress.
  [[nodiscard]] virtual std::uint64_t bytes_read() const noexcept = 0;

  /// Bytes of the whole input, or 0 when that is not known (a pipe).
  [[nodiscard]] virtual std::uint64_t total_bytes() const noexcept = 0;
};

/// Keeps invariant 1 and the repeated failure for a reader that has only to say
/// how one record is read.
class strict_reader : public record_reader {
public:
  expected<read_step> next(record& result) final;

protected:
  /// As `next`; may leave `result` half filled with a failure.
  virtual expected<read_step> read_record(record& result) = 0;

private:
  record pending_; // filled before it is handed out, so that no half is
  std::optional<failure> refused_;
};

/// "file:line: message" under `code`.
[[nodiscard]] failure failure_at(errc code, std::string_view file,
                                 std::uint64_t line, std::string_view message);

/// Checks what can be checked of an entry without a segment: key length, value
/// length, lifetime.
[[nodiscard]] expected<void>
check_record(const record& entry, std::string_view file, std::uint64_t line);

} // namespace neuroplex::cli
