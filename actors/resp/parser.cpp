#include "actors/resp/parser.hpp"

#include "actors/resp/text.hpp"

#include <algorithm>
#include <cstring>

namespace neuroplex::resp {

namespace {

constexpr auto npos = std::string_view::npos;

// Argument lists above this give their memory back after the command.
constexpr std::size_t kept_arguments = 1'024;

std::size_t find_from(std::string_view text, char wanted, std::size_t from) {
  if (from >= text.size())
    return npos;
  const auto* hit = std::memchr(text.data() + from, wanted, text.size() - from);
  return hit == nullptr ? npos
                        : static_cast<std::size_t>(static_cast<const char*>(hit)
                                                   - text.data());
}

bool is_blank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  auto lower = to_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

char unescape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// A line that holds a kind byte and a number.
struct header_line {
  std::size_t end = npos; // first byte behind the line end; npos: incomplete
  bool too_long = false;
  bool broken = false; // a CR that no LF follows
  std::string_view text;
};

header_line read_header(std::string_view input, std::size_t position,
                        std::size_t searched) {
  header_line result;
  auto cr = find_from(input, '\r', std::max(position, searched));
  if (cr == npos) {
    result.too_long = input.size() - position > bounds::max_line_bytes;
    return result;
  }
  if (cr - position > bounds::max_line_bytes) {
    result.too_long = true;
    return result;
  }
  if (cr + 1 == input.size())
    return result;
  result.broken = input[cr + 1] != '\n';
  result.text = input.substr(position + 1, cr - position - 1);
  result.end = cr + 2;
  return result;
}

} // namespace

parser::outcome parser::next(std::string_view input, const options& allowed) {
  missing_bytes_ = 0;
  if (input.empty())
    return outcome::need_more;
  return input.front() == '*' ? next_array(input, allowed) : next_inline(input);
}

parser::outcome parser::next_array(std::string_view input,
                                   const options& allowed) {
  if (arguments_left_ == unknown) {
    auto header = read_header(input, 0, searched_);
    if (header.too_long)
      return fail("too big mbulk count string");
    if (header.end == npos) {
      searched_ = input.back() == '\r' ? input.size() - 1 : input.size();
      return outcome::need_more;
    }
    auto count = parse_integer(header.text);
    // Minus one is the null array, which asks for nothing; below is no length.
    if (header.broken || !count || *count < -1
        || *count > static_cast<std::int64_t>(bounds::max_arguments))
      return fail("invalid multibulk length");
    if (*count > static_cast<std::int64_t>(allowed.max_arguments))
      return fail(allowed.authenticated ? "invalid multibulk length"
                                        : "unauthenticated multibulk length");
    if (*count <= 0) {
      reset();
      used_bytes_ = header.end;
      return outcome::empty;
    }
    extents_.clear();
    arguments_left_ = *count;
    position_ = searched_ = header.end;
  }
  while (arguments_left_ > 0) {
    if (bulk_bytes_ == unknown) {
      if (position_ == input.size())
        return outcome::need_more;
      if (input[position_] != '$') {
        std::string what{"expected '$', got '"};
        what += input[position_];
        return fail(what + "'");
      }
      auto header = read_header(input, position_, searched_);
      if (header.too_long)
        return fail("too big bulk count string");
      if (header.end == npos) {
        searched_ = input.back() == '\r' ? input.size() - 1 : input.size();
        return outcome::need_more;
      }
      auto bytes = parse_integer(header.text);
      if (header.broken || !bytes || *bytes < 0
          || *bytes > static_cast<std::int64_t>(bounds::max_bulk_bytes))
        return fail("invalid bulk length");
      if (*bytes > static_cast<std::int64_t>(allowed.max_bulk_bytes))
        return fail(allowed.authenticated ? "invalid bulk length"
                                          : "unauthenticated bulk length");
      bulk_bytes_ = *bytes;
      position_ = header.end;
    }
    auto bytes = static_cast<std::size_t>(bulk_bytes_);
    auto there = input.size() - position_;
    if (there < bytes + 2) {
      missing_bytes_ = bytes + 2 - there;
      return outcome::need_more;
    }
    if (input[position_ + bytes] != '\r'
        || input[position_ + bytes + 1] != '\n')
      return fail("expected CRLF after bulk string");
    extents_.push_back({position_, bytes});
    position_ += bytes + 2;
    searched_ = position_;
    bulk_bytes_ = unknown;
    --arguments_left_;
  }
  return finish(input, position_);
}

parser::outcome parser::next_inline(std::string_view input) {
  auto end = find_from(input, '\n', searched_);
  if (end == npos) {
    if (input.size() > bounds::max_line_bytes)
      return fail("too big inline request");
    searched_ = input.size();
    return outcome::need_more;
  }
  if (end > bounds::max_line_bytes)
    return fail("too big inline request");
  auto line = input.substr(0, end);
  if (!line.empty() && line.back() == '\r')
    line.remove_suffix(1);
  if (!split_words(line))
    return fail("unbalanced quotes in request");
  if (extents_.empty()) {
    reset();
    used_bytes_ = end + 1;
    return outcome::empty;
  }
  return finish(words_, end + 1);
}

// Words are parted by blanks. "Double quotes" know \n \r \t \b \a \xhh and \";
// 'single quotes' know only \'. A closing quote must end its word.
bool parser::split_words(std::string_view line) {
  words_.clear();
  extents_.clear();
  std::size_t i = 0;
  for (;;) {
    while (i < line.size() && is_blank(line[i]))
      ++i;
    if (i == line.size())
      return true;
    auto begin = words_.size();
    while (i < line.size() && !is_blank(line[i])) {
      auto quote = line[i];
      if (quote != '"' && quote != '\'') {
        words_ += line[i++];
        continue;
      }
      for (++i; i < line.size() && line[i] != quote; ++i) {
        if (line[i] != '\\' || i + 1 == line.size()) {
          words_ += line[i];
        } else if (quote == '\'') {
          words_ += line[i + 1] == '\'' ? line[++i] : line[i];
        } else if (line[i + 1] == 'x' && i + 3 < line.size()
                   && hex_digit(line[i + 2]) >= 0
                   && hex_digit(line[i + 3]) >= 0) {
          words_ += static_cast<char>(hex_digit(line[i + 2]) * 16
                                      + hex_digit(line[i + 3]));
          i += 3;
        } else {
          words_ += unescape(line[++i]);
        }
      }
      if (i == line.size()) // the quote was never closed
        return false;
      ++i;
      if (i < line.size() && !is_blank(line[i]))
        return false;
    }
    extents_.push_back({begin, words_.size() - begin});
  }
}

parser::outcome parser::finish(std::string_view base, std::size_t used) {
  if (arguments_.capacity() > kept_arguments
      && extents_.size() <= kept_arguments)
    arguments_ = {};
  arguments_.clear();
  for (auto [offset, bytes] : extents_)
    arguments_.push_back(base.substr(offset, bytes));
  reset();
  used_bytes_ = used;
  return outcome::command;
}

parser::outcome parser::fail(std::string_view what) {
  problem_ = "ERR Protocol error: ";
  problem_ += what;
  reset();
  return outcome::failed;
}

void parser::reset() {
  if (extents_.capacity() > kept_arguments)
    extents_ = {};
  else
    extents_.clear();
  position_ = searched_ = 0;
  arguments_left_ = bulk_bytes_ = unknown;
  used_bytes_ = 0;
}

} // namespace neuroplex::resp
