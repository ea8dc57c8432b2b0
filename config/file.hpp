// Reads small files whose path a person gave.
#pragma once

#include "memory/status.hpp"

#include <cstddef>
#include <string>

namespace neuroplex::config {

/// What a file must be before it is read.
struct file_rules {
  std::size_t max_bytes = 0;

  /// Refuse a file that others can read or that is not ours.
  bool is_private = false;
};

/// The content of the regular file `path`. `bad_path` when it is missing, not
/// permitted or no regular file (a FIFO is not waited for), `value_size` when
/// it is longer than the limit, `denied` when it is not private, `io`.
[[nodiscard]] expected<std::string> read_file(const std::string& path,
                                              const file_rules& rules);

} // namespace neuroplex::config
