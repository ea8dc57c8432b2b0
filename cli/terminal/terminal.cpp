#include "cli/terminal/terminal.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include <sys/ioctl.h>
#include <unistd.h>

namespace neuroplex::cli {

namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view{} : std::string_view{value};
}

unsigned clamped(unsigned columns) {
  return std::clamp(columns, min_terminal_columns, max_terminal_columns);
}

unsigned detect_columns(int descriptor) {
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return clamped(size.ws_col);
  auto text = environment("COLUMNS");
  unsigned columns = 0;
  auto [end, code] =
    std::from_chars(text.data(), text.data() + text.size(), columns);
  if (code == std::errc{} && end == text.data() + text.size() && columns > 0)
    return clamped(columns);
  return default_terminal_columns;
}

std::string_view escape_of(text_style style) {
  switch (style) {
    case text_style::bold:
      return "\x1b[1m";
    case text_style::faint:
      return "\x1b[2m";
    case text_style::good:
      return "\x1b[32m";
    case text_style::bad:
      return "\x1b[31m";
    case text_style::plain:
      break;
  }
  return {};
}

} // namespace

terminal_traits detect_terminal(int descriptor) {
  terminal_traits traits;
  const bool dumb = environment("TERM") == "dumb";
  traits.redraw = ::isatty(descriptor) == 1 && !dumb;
  traits.color = traits.redraw && environment("NO_COLOR").empty();
  traits.columns = detect_columns(descriptor);
  return traits;
}

std::string styled(const terminal_traits& traits, text_style style,
                   std::string_view text) {
  auto escape = escape_of(style);
  if (!traits.color || escape.empty() || text.empty())
    return std::string{text};
  std::string result{escape};
  result += text;
  result += "\x1b[0m";
  return result;
}

} // namespace neuroplex::cli
