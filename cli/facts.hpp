// "name   value" lines under a title, for people.
#pragma once

#include "cli/context.hpp"

#include <string_view>

namespace neuroplex::cli {

class fact_list {
public:
  /// Prints the title.
  fact_list(context& ctx, std::string_view title);

  /// Prints one line.
  void add(std::string_view name, std::string_view value);

private:
  context& ctx_;
};

/// "12.3 %", or "0 %" of nothing.
[[nodiscard]] std::string percent_of(std::uint64_t part, std::uint64_t whole);

} // namespace neuroplex::cli
