// Small text helpers of the protocol: strict integers, ASCII case, and glob
// patterns.
//
// Purpose: the conversions that Redis' clients rely on, with its exact notion
// of what is an integer and what a pattern matches.
//
// Threads: pure functions.
//
// Failure behaviour: a text that is no integer is std::nullopt; a pattern is
// never invalid. `glob_match` takes at most pattern x text steps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace neuroplex::resp {

/// A canonical signed decimal: no plus sign, no leading zero, no blanks.
[[nodiscard]] std::optional<std::int64_t>
parse_integer(std::string_view text) noexcept;

/// A cursor: decimal digits only, leading zeros allowed.
[[nodiscard]] std::optional<std::uint64_t>
parse_cursor(std::string_view text) noexcept;

[[nodiscard]] constexpr char to_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

/// Equal but for ASCII case; `lower` must be lower-case.
[[nodiscard]] constexpr bool same_word(std::string_view text,
                                       std::string_view lower) noexcept {
  if (text.size() != lower.size())
    return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (to_lower(text[i]) != lower[i])
      return false;
  return true;
}

[[nodiscard]] std::string lower_copy(std::string_view text);

/// Matches `*`, `?`, `[a-z]`, `[^a-z]` and backslash escapes.
[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view text,
                              bool ignore_case = false) noexcept;

/// "1.50G" from bytes, as INFO shows sizes.
[[nodiscard]] std::string human_size(std::uint64_t bytes);

} // namespace neuroplex::resp
