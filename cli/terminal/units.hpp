// Numbers as a person reads them: bytes, counts, durations, rates.
//
// Purpose: every command prints the same figure the same way. Output for
// programs (`--output json`) uses plain numbers with the unit in the name and
// does not come here.
//
// Threads: pure functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace neuroplex::cli {

/// "512 B", "1.5 KiB", "24.0 MiB": binary units, one decimal below 100.
[[nodiscard]] std::string human_bytes(std::uint64_t bytes);

/// "117,659".
[[nodiscard]] std::string human_count(std::uint64_t count);

/// "1 retry", "2,000 retries".
[[nodiscard]] std::string human_count(std::uint64_t count, std::string_view one,
                                      std::string_view more);

/// "1 entry", "117,659 entries".
[[nodiscard]] std::string human_entries(std::uint64_t count);

/// "85 ns", "1.2 us", "45 ms", "3.4 s", "2 min 05 s", "1 h 02 min".
[[nodiscard]] std::string human_duration(std::chrono::nanoseconds duration);

/// The same of a figure that was reckoned, such as a percentile.
[[nodiscard]] std::string human_nanoseconds(double nanoseconds);

/// "812 /s", "45.2 k/s", "1.3 M/s".
[[nodiscard]] std::string human_rate(double per_second);

/// "3.4" with one decimal below 100, "345" above: for a table whose column
/// names the unit.
[[nodiscard]] std::string human_number(double value);

} // namespace neuroplex::cli
