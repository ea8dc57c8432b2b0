#include "cli/terminal/table.hpp"

#include "memory/status.hpp"

#include <algorithm>

namespace neuroplex::cli {

namespace {

constexpr unsigned column_gap = 2;

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(
    std::count_if(text.begin(), text.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    }));
}

std::string padded(std::string_view text, std::size_t width,
                   table::align side) {
  std::string blanks(width - std::min(width, display_width(text)), ' ');
  std::string result;
  if (side == table::align::right)
    result += blanks;
  result += text;
  if (side == table::align::left)
    result += blanks;
  return result;
}

} // namespace

table::table(std::vector<column> columns) : columns_{std::move(columns)} {
}

void table::add_row(std::vector<std::string> cells) {
  NEUROPLEX_ENSURE(cells.size() <= columns_.size());
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

void table::print(std::ostream& out, const terminal_traits& traits,
                  unsigned indent) const {
  std::vector<std::size_t> widths;
  std::vector<std::string> headers;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    auto width = display_width(columns_[i].header);
    for (const auto& row : rows_)
      width = std::max(width, display_width(row[i]));
    widths.push_back(width);
    headers.push_back(columns_[i].header);
  }
  auto line_of = [&](const std::vector<std::string>& cells) {
    std::string line(indent, ' ');
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i > 0)
        line.append(column_gap, ' ');
      line += padded(cells[i], widths[i], columns_[i].side);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
  };
  std::size_t rule = 0;
  for (auto width : widths)
    rule += width;
  if (!widths.empty())
    rule += column_gap * (widths.size() - 1);
  out << styled(traits, text_style::bold, line_of(headers)) << '\n'
      << std::string(indent, ' ')
      << styled(traits, text_style::faint, std::string(rule, '-')) << '\n';
  for (const auto& row : rows_)
    out << line_of(row) << '\n';
}

} // namespace neuroplex::cli
