// Every limit of the readers that feed `neuroplex load`, in one place.
#pragma once

#include <cstddef>

namespace neuroplex::cli::load_limits {

/// Longest line of JSON lines or WordNet, and longest CSV record, in bytes.
/// Bounds the memory of a load whatever the input is.
inline constexpr std::size_t max_record_bytes = std::size_t{64} << 20;

/// Bytes asked of the operating system at a time.
inline constexpr std::size_t read_block_bytes = std::size_t{64} << 10;

/// Most columns of a CSV file.
inline constexpr std::size_t max_csv_columns = 1024;

/// Most words that the WordNet word index may hold (3.0 has 147,306).
inline constexpr std::size_t max_wordnet_words = 4'000'000;

} // namespace neuroplex::cli::load_limits
