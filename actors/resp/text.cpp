#include "actors/resp/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

namespace neuroplex::resp {

namespace {

struct class_match {
  bool matches;
  std::size_t next; // first pattern byte behind the class
};

// Matches `c` against the class that opens at pattern[at] == '['. A class that
// is never closed reaches to the end of the pattern.
class_match match_class(std::string_view pattern, std::size_t at, char c,
                        bool ignore_case) noexcept {
  auto fold = [ignore_case](char x) {
    return static_cast<unsigned char>(ignore_case ? to_lower(x) : x);
  };
  auto i = at + 1;
  auto negated = i < pattern.size() && pattern[i] == '^';
  if (negated)
    ++i;
  auto found = false;
  for (; i < pattern.size() && pattern[i] != ']'; ++i) {
    if (pattern[i] == '\\' && i + 1 < pattern.size()) {
      ++i;
      found = found || pattern[i] == c;
    } else if (i + 2 < pattern.size() && pattern[i + 1] == '-') {
      auto [low, high] = std::minmax({fold(pattern[i]), fold(pattern[i + 2])});
      found = found || (fold(c) >= low && fold(c) <= high);
      i += 2;
    } else {
      found = found || fold(pattern[i]) == fold(c);
    }
  }
  return {found != negated, i < pattern.size() ? i + 1 : i};
}

} // namespace

std::optional<std::int64_t> parse_integer(std::string_view text) noexcept {
  auto digits = text;
  if (!digits.empty() && digits.front() == '-')
    digits.remove_prefix(1);
  if (digits.empty() || (digits.front() == '0' && text.size() != 1))
    return std::nullopt;
  std::int64_t value = 0;
  auto [end, code] =
    std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

std::optional<std::uint64_t> parse_cursor(std::string_view text) noexcept {
  std::uint64_t value = 0;
  auto [end, code] =
    std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

std::string lower_copy(std::string_view text) {
  std::string result{text};
  std::transform(result.begin(), result.end(), result.begin(), to_lower);
  return result;
}

bool glob_match(std::string_view pattern, std::string_view text,
                bool ignore_case) noexcept {
  constexpr auto none = std::string_view::npos;
  std::size_t p = 0;
  std::size_t t = 0;
  // Where to go on when the present attempt fails: the byte behind the last
  // star, and one text byte more for that star. Earlier stars need no second
  // look: the last one can take whatever they would.
  std::size_t star = none;
  std::size_t star_text = 0;
  while (t < text.size()) {
    auto matched = false;
    auto next = p;
    if (p < pattern.size()) {
      switch (pattern[p]) {
        case '*':
          star = ++p;
          star_text = t;
          continue;
        case '?':
          matched = true;
          next = p + 1;
          break;
        case '[': {
          auto found = match_class(pattern, p, text[t], ignore_case);
          matched = found.matches;
          next = found.next;
          break;
        }
        default: {
          if (pattern[p] == '\\' && p + 1 < pattern.size())
            next = p + 1;
          matched = ignore_case ? to_lower(pattern[next]) == to_lower(text[t])
                                : pattern[next] == text[t];
          ++next;
        }
      }
    }
    if (matched) {
      p = next;
      ++t;
    } else if (star != none) {
      p = star;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*')
    ++p;
  return p == pattern.size();
}

std::string human_size(std::uint64_t bytes) {
  static constexpr std::array<char, 5> units{'B', 'K', 'M', 'G', 'T'};
  std::size_t unit = 0;
  auto value = static_cast<double>(bytes);
  while (value >= 1024 && unit + 1 < units.size()) {
    value /= 1024;
    ++unit;
  }
  std::array<char, 32> text{};
  auto length =
    unit == 0
      ? std::snprintf(text.data(), text.size(), "%.0fB", value)
      : std::snprintf(text.data(), text.size(), "%.2f%c", value, units[unit]);
  return {text.data(), static_cast<std::size_t>(length)};
}

} // namespace neuroplex::resp
