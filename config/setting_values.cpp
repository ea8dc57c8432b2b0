// How values of settings are read, checked and written.
#include "config/byte_sizes.hpp"
#include "config/diagnostic.hpp"
#include "config/namespace_values.hpp"
#include "config/settings.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <optional>
#include <utility>

namespace neuroplex::config {

namespace {

struct unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array byte_units{
  unit{"TiB", tib}, unit{"GiB", gib}, unit{"MiB", mib},
  unit{"KiB", kib}, unit{"B", 1},
};

// A decimal integer at the front of `text`, which is left with the rest.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t number = 0;
  auto* end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{})
    return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
  return number;
}

std::optional<std::uint64_t> read_number(std::string_view text) {
  auto number = take_number(text);
  return text.empty() ? number : std::nullopt;
}

std::optional<std::uint64_t> read_scaled(std::string_view text,
                                         std::span<const unit> units) {
  auto number = take_number(text);
  if (!number)
    return std::nullopt;
  auto found = std::find_if(units.begin(), units.end(),
                            [text](auto& row) { return row.name == text; });
  std::uint64_t result = 0;
  if (found == units.end()
      || __builtin_mul_overflow(*number, found->factor, &result))
    return std::nullopt;
  return result;
}

std::optional<std::uint64_t> read_bytes(std::string_view text) {
  static constexpr std::array units{
    unit{"", 1},    unit{"B", 1},     unit{"K", kib}, unit{"KiB", kib},
    unit{"M", mib}, unit{"MiB", mib}, unit{"G", gib}, unit{"GiB", gib},
    unit{"T", tib}, unit{"TiB", tib},
  };
  return read_scaled(text, units);
}

std::optional<std::uint64_t> read_milliseconds(std::string_view text) {
  static constexpr std::array units{
    unit{"", 1},       unit{"ms", 1},        unit{"s", 1'000},
    unit{"m", 60'000}, unit{"h", 3'600'000},
  };
  return read_scaled(text, units);
}

std::optional<listen_port> read_port(std::string_view text) {
  if (text == "off")
    return listen_port::none();
  if (text == "auto")
    return listen_port::any();
  auto number = read_number(text);
  if (!number || *number == 0 || *number > 65'535)
    return std::nullopt;
  return listen_port::at(static_cast<std::uint16_t>(*number));
}

std::optional<bool> read_boolean(std::string_view text) {
  if (text == "true" || text == "on" || text == "1")
    return true;
  if (text == "false" || text == "off" || text == "0")
    return false;
  return std::nullopt;
}

// A comma-separated list; the empty text is the empty list.
std::optional<std::vector<peer_options>> read_peers(std::string_view text) {
  std::vector<peer_options> result;
  while (!text.empty()) {
    auto comma = text.find(',');
    auto peer = parse_peer(text.substr(0, comma));
    if (!peer)
      return std::nullopt;
    result.push_back(std::move(*peer));
    if (comma == std::string_view::npos)
      break;
    text.remove_prefix(comma + 1);
    if (text.empty())
      return std::nullopt;
  }
  return result;
}

std::optional<setting_value> read_value(setting_kind kind,
                                        std::string_view text) {
  switch (kind) {
    case setting_kind::number:
      return read_number(text);
    case setting_kind::bytes:
      return read_bytes(text);
    case setting_kind::milliseconds:
      return read_milliseconds(text);
    case setting_kind::boolean:
      return read_boolean(text);
    case setting_kind::port:
      return read_port(text);
    case setting_kind::peers:
      return read_peers(text);
    case setting_kind::namespaces: {
      auto spaces = parse_namespaces(text);
      if (!spaces)
        return std::nullopt;
      return std::move(*spaces);
    }
    case setting_kind::text:
    case setting_kind::word:
      return std::string{text};
  }
  return std::nullopt;
}

bool number_in_range(const setting& which, const setting_value& value) {
  auto number = std::get<std::uint64_t>(value);
  return number >= which.least && number <= which.most;
}

bool peer_in_range(const peer_options& peer) {
  constexpr std::size_t max_host_bytes = 253;
  auto printable = std::all_of(peer.host.begin(), peer.host.end(),
                               [](char c) { return c > ' ' && c < 0x7f; });
  return peer.replica_id != 0 && peer.port != 0 && !peer.host.empty()
         && peer.host.size() <= max_host_bytes && printable;
}

bool in_range(const setting& which, const setting_value& value) {
  switch (which.kind) {
    case setting_kind::number:
    case setting_kind::bytes:
    case setting_kind::milliseconds:
      return number_in_range(which, value);
    case setting_kind::text: {
      auto length = std::get<std::string>(value).size();
      return length >= which.least && length <= which.most;
    }
    case setting_kind::word: {
      auto& words = which.words;
      return std::find(words.begin(), words.end(), std::get<std::string>(value))
             != words.end();
    }
    case setting_kind::port:
      return which.least == 0 || std::get<listen_port>(value).enabled();
    case setting_kind::peers: {
      auto& peers = std::get<std::vector<peer_options>>(value);
      return peers.size() <= which.most
             && std::all_of(peers.begin(), peers.end(), peer_in_range);
    }
    case setting_kind::namespaces:
      return std::get<std::vector<namespace_options>>(value).size()
             <= which.most;
    case setting_kind::boolean:
      return true;
  }
  return false;
}

std::string host_and_port(const peer_options& peer) {
  auto bracket = peer.host.find(':') != std::string::npos;
  return (bracket ? "[" + peer.host + "]" : peer.host) + ":"
         + std::to_string(peer.port);
}

std::string display_peers(const std::vector<peer_options>& peers) {
  std::string result;
  for (auto& peer : peers) {
    if (!result.empty())
      result += ',';
    result += std::to_string(peer.replica_id) + "@" + host_and_port(peer);
  }
  return result.empty() ? "none" : result;
}

std::string file_peers(const std::vector<peer_options>& peers) {
  std::string result = "[";
  for (auto& peer : peers) {
    result += result.size() > 1 ? ",\n    " : "\n    ";
    result += "{\"replica_id\": " + std::to_string(peer.replica_id)
              + ", \"host\": " + json_text(peer.host)
              + ", \"port\": " + std::to_string(peer.port) + "}";
  }
  return result + (result.size() > 1 ? "\n  ]" : "]");
}

} // namespace

std::string json_text(std::string_view text) {
  std::string result = "\"";
  for (auto c : text) {
    if (c == '"' || c == '\\')
      result += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
      result += code;
    } else {
      result += c;
    }
  }
  return result + '"';
}

std::string_view section_of(std::string_view name) {
  return name.substr(0, name.find('.'));
}

std::string_view key_of(std::string_view name) {
  return name.substr(name.find('.') + 1);
}

std::string environment_name(const setting& which) {
  std::string result = "NEUROPLEX_";
  for (auto c : which.name)
    result += c == '.' ? '_' : static_cast<char>(c >= 'a' ? c - 'a' + 'A' : c);
  return result;
}

std::string range_text(const setting& which) {
  if (!which.rule.empty())
    return std::string{which.rule};
  switch (which.kind) {
    case setting_kind::number:
      return std::to_string(which.least) + " to " + std::to_string(which.most);
    case setting_kind::milliseconds:
      return std::to_string(which.least) + " to " + std::to_string(which.most)
             + " ms";
    case setting_kind::bytes:
      return display_bytes(which.least) + " to " + display_bytes(which.most)
             + ", such as 16M (powers of two)";
    case setting_kind::boolean:
      return "true or false";
    case setting_kind::word:
      return choice_text(which.words);
    case setting_kind::port:
      return which.least == 0 ? "1 to 65535, auto or off"
                              : "1 to 65535 or auto";
    case setting_kind::text:
    case setting_kind::peers:
    case setting_kind::namespaces:
      break;
  }
  return "text of " + std::to_string(which.least) + " to "
         + std::to_string(which.most) + " bytes";
}

expected<setting_value> parse_value(const setting& which,
                                    std::string_view text) {
  auto value = read_value(which.kind, text);
  if (!value)
    return failure{errc::bad_argument, range_text(which)};
  if (auto checked = check_value(which, *value); !checked)
    return checked.error();
  return std::move(*value);
}

expected<void> check_value(const setting& which, const setting_value& value) {
  if (!in_range(which, value)
      || (which.accepts != nullptr && !which.accepts(value)))
    return failure{errc::bad_argument, range_text(which)};
  return {};
}

std::string display_value(const setting& which, const setting_value& value) {
  switch (which.kind) {
    case setting_kind::number:
      return std::to_string(std::get<std::uint64_t>(value));
    case setting_kind::bytes:
      return display_bytes(std::get<std::uint64_t>(value));
    case setting_kind::milliseconds:
      return std::to_string(std::get<std::uint64_t>(value)) + " ms";
    case setting_kind::boolean:
      return std::get<bool>(value) ? "true" : "false";
    case setting_kind::text:
    case setting_kind::word: {
      auto& text = std::get<std::string>(value);
      return text.empty() ? "none" : escape(text);
    }
    case setting_kind::port:
      return to_string(std::get<listen_port>(value));
    case setting_kind::peers:
      return display_peers(std::get<std::vector<peer_options>>(value));
    case setting_kind::namespaces:
      return display_namespaces(
        std::get<std::vector<namespace_options>>(value));
  }
  return {};
}

std::string file_value(const setting& which, const setting_value& value) {
  switch (which.kind) {
    case setting_kind::number:
    case setting_kind::bytes:
    case setting_kind::milliseconds:
      return std::to_string(std::get<std::uint64_t>(value));
    case setting_kind::boolean:
      return std::get<bool>(value) ? "true" : "false";
    case setting_kind::text:
    case setting_kind::word:
      return json_text(std::get<std::string>(value));
    case setting_kind::port: {
      auto port = std::get<listen_port>(value);
      auto text = to_string(port);
      return port.mode == listen_port::kind::fixed ? text : json_text(text);
    }
    case setting_kind::peers:
      return file_peers(std::get<std::vector<peer_options>>(value));
    case setting_kind::namespaces:
      return file_namespaces(std::get<std::vector<namespace_options>>(value));
  }
  return {};
}

expected<std::uint64_t> parse_bytes(std::string_view text) {
  auto bytes = read_bytes(text);
  if (!bytes)
    return failure{errc::bad_argument,
                   "a number of bytes, or one with K, M, G or T"};
  return *bytes;
}

std::string display_bytes(std::uint64_t bytes, bool approximate) {
  for (auto& row : byte_units) {
    if (bytes < row.factor && row.factor != 1)
      continue;
    if (bytes % row.factor == 0 && bytes != 0)
      return std::to_string(bytes / row.factor) + " " + std::string{row.name};
    if (approximate && row.factor != 1) {
      char text[32];
      std::snprintf(text, sizeof text, "%.3g ",
                    static_cast<double>(bytes)
                      / static_cast<double>(row.factor));
      return text + std::string{row.name};
    }
  }
  return std::to_string(bytes) + " B";
}

expected<peer_options> parse_peer(std::string_view text) {
  failure malformed{errc::bad_argument, "ID@HOST:PORT"};
  auto at = text.find('@');
  auto colon = text.rfind(':');
  if (at == std::string_view::npos || colon == std::string_view::npos
      || colon < at)
    return malformed;
  auto id = read_number(text.substr(0, at));
  auto port = read_number(text.substr(colon + 1));
  auto host = text.substr(at + 1, colon - at - 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  else if (host.find(':') != std::string_view::npos)
    return malformed;
  if (!id || *id > 0xffff'ffff || !port || *port > 65'535)
    return malformed;
  peer_options peer{static_cast<std::uint32_t>(*id), std::string{host},
                    static_cast<std::uint16_t>(*port)};
  if (!peer_in_range(peer))
    return malformed;
  return peer;
}

} // namespace neuroplex::config
