// Where the progress of a command goes: to its output, or nowhere when a
// program reads that.
//
// Ownership: refers to the context, which outlives it. Threads: one.
#pragma once

#include "cli/context.hpp"

#include <ostream>
#include <sstream>

namespace neuroplex::cli {

class progress_output {
public:
  explicit progress_output(context& ctx) : ctx_{ctx} {
  }

  [[nodiscard]] std::ostream& stream() {
    return ctx_.output == output_format::text ? ctx_.out : discarded_;
  }

  [[nodiscard]] terminal_traits traits() const {
    return ctx_.output == output_format::text ? ctx_.terminal
                                              : terminal_traits{};
  }

private:
  context& ctx_;
  std::ostringstream discarded_;
};

} // namespace neuroplex::cli
