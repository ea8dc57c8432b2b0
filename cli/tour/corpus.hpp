// The entries of the tour, held in memory to compare with.
//
// Purpose: everything that the tour stores is known byte for byte, so that
// everything read back can be compared.
//
// Ownership and threads: plain values; read by any thread once loaded.
#pragma once

#include "cli/load/record.hpp"
#include "memory/status.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace neuroplex::cli {

struct corpus {
  std::vector<record> entries;
  std::uint64_t key_bytes = 0;
  std::uint64_t value_bytes = 0;

  [[nodiscard]] std::uint64_t bytes() const noexcept {
    return key_bytes + value_bytes;
  }
};

/// Reads all records of `reader`. `advance` is told the bytes read and answers
/// false to stop (`deadline`).
[[nodiscard]] expected<corpus>
read_corpus(record_reader& reader,
            const std::function<bool(std::uint64_t bytes_read)>& advance);

} // namespace neuroplex::cli
