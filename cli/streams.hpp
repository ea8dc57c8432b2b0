// The three standard streams, whatever state the caller left them in.
#pragma once

#include "memory/status.hpp"

#include <iostream>

namespace neuroplex::cli {

/// Puts something harmless where descriptor 0, 1 or 2 is closed, so that no
/// file we open takes its number. Reading it ends, writing it fails.
void guard_standard_streams();

/// `io` when something that was printed did not arrive, for instance since the
/// disk is full. To be asked once, after all output.
[[nodiscard]] expected<void> finish_output(std::ostream& out);

/// All of standard input, at most `max_bytes`; `value_size` beyond, `io`.
[[nodiscard]] expected<std::string> read_standard_input(std::size_t max_bytes);

} // namespace neuroplex::cli
