// A vector as it is given on a command line.
//
// Threads: plain functions.
#pragma once

#include "memory/status.hpp"

#include <string>
#include <vector>

namespace neuroplex::cli {

/// Numbers with commas between them, or the name of a file that holds a JSON
/// array of numbers; "-" is standard input. `bad_argument` with what is wrong,
/// and `bad_path` for a file that cannot be opened.
[[nodiscard]] expected<std::vector<float>> read_vector(const std::string& text);

} // namespace neuroplex::cli
