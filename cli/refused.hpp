// How a flag's refusal leaves CLI11's parser: its one way out is an exception.
#pragma once

#include "config/diagnostic.hpp"

#include <CLI/CLI.hpp>
#include <utility>

namespace neuroplex::cli {

class refused : public CLI::ParseError {
public:
  explicit refused(config::diagnostic why)
    : CLI::ParseError{"refused", why.message(), why.exit_status()}, why_{
                                                                      std::move(
                                                                        why)} {
  }

  [[nodiscard]] const config::diagnostic& why() const noexcept {
    return why_;
  }

private:
  config::diagnostic why_;
};

} // namespace neuroplex::cli
