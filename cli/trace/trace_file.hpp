// Traces of real accesses, read piece by piece.
//
// Purpose: an .atr file is records of 16 bytes without a header, little-endian:
// u64 key, u32 size in bytes, u8 operation (0 get, 1 set, 2 delete), u8 zero,
// u16 run: the keys from `key` to `key + run - 1` are accessed one after the
// other. A name that ends in .zst is unpacked on the way (Zstandard).
//
// Ownership and threads: owns the open file; one thread.
//
// Invariants: memory is bounded, however long the file is; a record that is
// answered has an operation of 0 to 2 and a run of at least 1.
//
// Failure behaviour: a file that is missing or of the wrong kind is `bad_path`,
// one that ends within a record, holds a record that cannot be, or was damaged
// is `corrupt`; each message names the file and the place.
#pragma once

#include "memory/status.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace neuroplex::cli {

struct trace_record {
  std::uint64_t key = 0;
  std::uint32_t size_bytes = 0;
  std::uint8_t operation = 0;
  std::uint16_t run = 1;
};

class trace_file {
public:
  [[nodiscard]] static expected<trace_file> open(const std::string& path);

  trace_file(trace_file&&) noexcept;
  trace_file& operator=(trace_file&&) noexcept;
  ~trace_file();

  /// The next records, until the next call; none at the end of the file.
  [[nodiscard]] expected<std::span<const trace_record>> next();

  /// Bytes of the file, and how many of them were read.
  [[nodiscard]] std::uint64_t total_bytes() const noexcept;
  [[nodiscard]] std::uint64_t bytes_read() const noexcept;

private:
  class state;

  explicit trace_file(std::unique_ptr<state> state);

  std::unique_ptr<state> state_;
};

} // namespace neuroplex::cli
