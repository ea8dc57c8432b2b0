#include "actors/resp/reply_merge.hpp"

#include "actors/resp/text.hpp"

#include <algorithm>

namespace neuroplex::resp {

namespace {

constexpr int deepest_reply = 8;
constexpr std::string_view bad_part =
  "-ERR a node sent a reply that does not fit its command\r\n";

// Positions of a node stay below this bit, and the whole below 2^53, so that
// clients that keep cursors in floating-point numbers do not lose digits.
constexpr int node_shift = 44;
constexpr std::uint64_t position_mask = (std::uint64_t{1} << node_shift) - 1;

struct reply_head {
  char kind = 0;
  std::int64_t number = 0; // of kinds that have one
  std::size_t bytes = 0;   // of the line, its end included
  std::string_view text;   // of the line
};

std::optional<reply_head> read_head(std::string_view bytes) noexcept {
  auto end = bytes.find("\r\n");
  if (end == std::string_view::npos || end == 0)
    return std::nullopt;
  reply_head head{bytes.front(), 0, end + 2, bytes.substr(1, end - 1)};
  switch (head.kind) {
    case '+':
    case '-':
    case '_':
    case ',':
    case '#':
      return head;
    case ':':
    case '$':
    case '=':
    case '*':
    case '~':
    case '%': {
      auto number = parse_integer(head.text);
      if (!number || (head.kind != ':' && *number < -1))
        return std::nullopt;
      head.number = *number;
      return head;
    }
    default:
      return std::nullopt;
  }
}

std::optional<std::size_t> length_of(std::string_view bytes,
                                     int depth) noexcept {
  auto head = read_head(bytes);
  if (!head || depth > deepest_reply)
    return std::nullopt;
  auto used = head->bytes;
  switch (head->kind) {
    case '$':
    case '=': {
      if (head->number < 0)
        return used;
      auto content = static_cast<std::uint64_t>(head->number);
      if (content > bytes.size() || bytes.size() - content < used + 2)
        return std::nullopt;
      return used + content + 2;
    }
    case '*':
    case '~':
    case '%': {
      auto count = head->kind == '%' ? 2 * head->number : head->number;
      for (std::int64_t i = 0; i < count; ++i) {
        auto element = length_of(bytes.substr(used), depth + 1);
        if (!element)
          return std::nullopt;
        used += *element;
      }
      return used;
    }
    default:
      return used;
  }
}

std::string error_line(std::string text) {
  return "-" + std::move(text) + "\r\n";
}

bool is_error(const remote_reply& part) {
  return part.code != errc::ok || part.bytes.starts_with('-');
}

std::string array_of(std::size_t count) {
  return "*" + std::to_string(count) + "\r\n";
}

std::string sum_of(std::span<const remote_reply> parts) {
  std::int64_t sum = 0;
  for (const auto& part : parts) {
    auto head = read_head(part.bytes);
    if (!head || head->kind != ':')
      return std::string{bad_part};
    sum += head->number;
  }
  return ":" + std::to_string(sum) + "\r\n";
}

std::string ordered(std::span<const remote_reply> parts,
                    std::span<const std::size_t> places) {
  std::vector<std::vector<std::string_view>> elements;
  std::vector<std::size_t> taken(parts.size(), 0);
  for (const auto& part : parts) {
    auto found = reply_elements(part.bytes);
    if (!found)
      return std::string{bad_part};
    elements.push_back(std::move(*found));
  }
  auto result = array_of(places.size());
  for (auto place : places) {
    if (place >= parts.size() || taken[place] >= elements[place].size())
      return std::string{bad_part};
    result += elements[place][taken[place]++];
  }
  return result;
}

std::string concatenated(std::span<const remote_reply> parts) {
  std::size_t count = 0;
  std::string body;
  for (const auto& part : parts) {
    auto found = reply_elements(part.bytes);
    if (!found)
      return std::string{bad_part};
    count += found->size();
    for (auto element : *found)
      body += element;
  }
  return array_of(count) + body;
}

// The first reply that is a value, else the first.
std::string any_value(std::span<const remote_reply> parts) {
  for (const auto& part : parts)
    if (bulk_content(part.bytes))
      return part.bytes;
  return parts.front().bytes;
}

} // namespace

std::optional<std::size_t> reply_length(std::string_view bytes) noexcept {
  return length_of(bytes, 0);
}

std::optional<std::vector<std::string_view>>
reply_elements(std::string_view bytes) {
  auto head = read_head(bytes);
  if (!head || (head->kind != '*' && head->kind != '~') || head->number < 0)
    return std::nullopt;
  std::vector<std::string_view> elements;
  auto rest = bytes.substr(head->bytes);
  for (std::int64_t i = 0; i < head->number; ++i) {
    auto length = reply_length(rest);
    if (!length)
      return std::nullopt;
    elements.push_back(rest.substr(0, *length));
    rest.remove_prefix(*length);
  }
  if (!rest.empty())
    return std::nullopt;
  return elements;
}

std::optional<std::string_view> bulk_content(std::string_view bytes) noexcept {
  auto head = read_head(bytes);
  if (!head || head->kind != '$' || head->number < 0
      || reply_length(bytes) != bytes.size())
    return std::nullopt;
  return bytes.substr(head->bytes, static_cast<std::size_t>(head->number));
}

std::string merge_replies(merge_rule rule, std::span<const remote_reply> parts,
                          std::span<const std::size_t> places) {
  if (parts.empty())
    return std::string{bad_part};
  for (const auto& part : parts)
    if (is_error(part))
      return part.code == errc::ok ? part.bytes
                                   : error_line(failure_text(part.code));
  switch (rule) {
    case merge_rule::sum:
      return sum_of(parts);
    case merge_rule::in_order:
      return ordered(parts, places);
    case merge_rule::concat:
      return concatenated(parts);
    case merge_rule::any:
      return any_value(parts);
    case merge_rule::all_ok:
    case merge_rule::none:
      break;
  }
  return reply_length(parts.front().bytes) == parts.front().bytes.size()
           ? parts.front().bytes
           : std::string{bad_part};
}

std::uint64_t encode_cursor(cluster_cursor cursor) noexcept {
  return (static_cast<std::uint64_t>(cursor.node) << node_shift)
         | (cursor.position & position_mask);
}

cluster_cursor decode_cursor(std::uint64_t number) noexcept {
  return {static_cast<std::size_t>(number >> node_shift),
          number & position_mask};
}

std::string merge_scan(const remote_reply& part, std::size_t node,
                       std::size_t node_count) {
  if (is_error(part))
    return merge_replies(merge_rule::none, std::span{&part, 1}, {});
  auto elements = reply_elements(part.bytes);
  if (!elements || elements->size() != 2)
    return std::string{bad_part};
  auto text = bulk_content((*elements)[0]);
  auto position = text ? parse_cursor(*text) : std::nullopt;
  if (!position || *position > position_mask)
    return std::string{bad_part};
  cluster_cursor next{node, *position};
  if (*position == 0)
    next =
      node + 1 < node_count ? cluster_cursor{node + 1, 0} : cluster_cursor{};
  auto cursor = std::to_string(encode_cursor(next));
  return "*2\r\n$" + std::to_string(cursor.size()) + "\r\n" + cursor + "\r\n"
         + std::string{(*elements)[1]};
}

} // namespace neuroplex::resp
