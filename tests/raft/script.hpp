// Scripts of commands with the output that another implementation gave.
//
// Purpose: reads the language of the scenario files: a command line with
// arguments, lines of input, a line "----", the output up to an empty line.
// Lines that begin with # and empty lines between steps say nothing.
//
// Threads: plain values.
//
// Failure behaviour: a file that cannot be read answers nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::raft_scenarios {

/// One command and what it led to.
struct script_step {
  std::size_t line = 0;
  std::string command{};
  std::vector<std::string> words{};           ///< arguments without a name
  std::map<std::string, std::string> named{}; ///< arguments like name=value
  std::vector<std::string> input{};
  std::vector<std::string> output{};

  [[nodiscard]] std::string argument(const std::string& name) const;
  [[nodiscard]] bool has(const std::string& name) const {
    return named.contains(name);
  }
};

[[nodiscard]] std::optional<std::vector<script_step>>
read_script(const std::filesystem::path& file);

/// The items of "(a,b,c)" or of "a".
[[nodiscard]] std::vector<std::string> list_items(std::string_view text);

/// The same as numbers.
[[nodiscard]] std::vector<std::uint64_t> list_numbers(std::string_view text);

/// Words of a line, separated by blanks.
[[nodiscard]] std::vector<std::string> words_of(std::string_view line);

/// A number, or nothing.
[[nodiscard]] std::optional<std::uint64_t> number_of(std::string_view text);

} // namespace neuroplex::raft_scenarios
