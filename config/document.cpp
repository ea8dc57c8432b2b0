#include "config/document.hpp"

#include "config/json_lexer.hpp"
#include "config/namespace_values.hpp"
#include "config/nearest.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace neuroplex::config {

namespace {

using maybe_problem = std::optional<diagnostic>;
using names = std::vector<std::string_view>;

constexpr std::array<std::string_view, 3> peer_keys{"replica_id", "host",
                                                    "port"};

const names& sections() {
  static const names result = [] {
    names found;
    for (auto& row : settings())
      if (found.empty() || found.back() != section_of(row.name))
        found.push_back(section_of(row.name));
    return found;
  }();
  return result;
}

bool contains(std::span<const std::string_view> list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

// The value that `given` means for `which`, or nothing when it is of a wrong
// type or out of range.
std::optional<setting_value> convert(const setting& which,
                                     const json_scalar& given) {
  auto* text = std::get_if<std::string>(&given);
  auto* number = std::get_if<std::uint64_t>(&given);
  auto* flag = std::get_if<bool>(&given);
  std::optional<setting_value> value;
  switch (which.kind) {
    case setting_kind::boolean:
      if (flag != nullptr)
        value = *flag;
      break;
    case setting_kind::text:
    case setting_kind::word:
      if (text != nullptr)
        value = *text;
      break;
    case setting_kind::number:
      if (number != nullptr)
        value = *number;
      break;
    case setting_kind::bytes:
    case setting_kind::milliseconds:
    case setting_kind::port: {
      // Text is for what is no plain number: "64M", "2s", "auto".
      auto is_word =
        text != nullptr
        && text->find_first_not_of("0123456789") != std::string::npos;
      if (number == nullptr && !is_word)
        break;
      if (auto parsed = parse_value(
            which, number != nullptr ? std::to_string(*number) : *text))
        value = *parsed;
      break;
    }
    case setting_kind::peers:
    case setting_kind::namespaces:
      break;
  }
  if (value && !check_value(which, *value))
    value.reset();
  return value;
}

// Follows the file's fixed structure: root, section, value; root, peers, peer,
// value. There is no recursion, hence no depth that input could choose.
class reader {
public:
  reader(std::string_view text, const std::string& name,
         std::vector<document_entry>& entries)
    : text_{text}, name_{name}, entries_{entries}, lexer_{text} {
  }

  maybe_problem read() {
    if (auto found = check_nesting())
      return found;
    advance();
    if (token_.kind == token_kind::end)
      return fail("empty: expected an object: { ... }");
    if (auto found = expect(token_kind::open_object, "an object: { ... }"))
      return found;
    if (auto found = read_members(
          "the file", [this](auto& key) { return read_section(key); }))
      return found;
    if (token_.kind != token_kind::end)
      return fail_syntax("the end of the file");
    return std::nullopt;
  }

private:
  void advance() {
    token_ = lexer_.next();
  }

  std::string place(std::size_t offset) const {
    auto before = text_.substr(0, offset);
    auto line = std::count(before.begin(), before.end(), '\n') + 1;
    auto line_begin = before.rfind('\n') + 1; // npos + 1 is 0
    return escape(name_) + ":" + std::to_string(line) + ":"
           + std::to_string(offset - line_begin + 1);
  }

  maybe_problem fail(const std::string& message,
                     problem code = problem::config) const {
    return diagnostic{code, place(token_.offset) + ": " + message};
  }

  maybe_problem fail_syntax(const std::string& expected) const {
    return fail("syntax: " + describe(token_) + ": expected " + expected);
  }

  // Passes over a token that must be there.
  maybe_problem expect(token_kind kind, const std::string& expected) {
    if (token_.kind != kind)
      return fail_syntax(expected);
    advance();
    return std::nullopt;
  }

  maybe_problem check_nesting() {
    json_lexer lexer{text_};
    std::size_t depth = 0;
    for (;;) {
      token_ = lexer.next();
      if (token_.kind == token_kind::end || token_.kind == token_kind::invalid)
        return std::nullopt; // told in its context by the second pass
      if (token_.kind == token_kind::open_object
          || token_.kind == token_kind::open_list)
        ++depth;
      else if (depth > 0
               && (token_.kind == token_kind::close_object
                   || token_.kind == token_kind::close_list))
        --depth;
      if (depth > max_config_nesting)
        return fail("nesting: over the limit: expected at most "
                    + std::to_string(max_config_nesting) + " levels");
    }
  }

  // The members of an object whose brace was read, up to its closing brace.
  // `read_member` is called at the key's token and must pass over the value.
  template <class ReadMember>
  maybe_problem read_members(const std::string& owner, ReadMember read_member) {
    std::vector<std::string> seen;
    if (token_.kind == token_kind::close_object) {
      advance();
      return std::nullopt;
    }
    for (;;) {
      auto* text = std::get_if<std::string>(&token_.value);
      if (token_.kind != token_kind::scalar || text == nullptr)
        return fail_syntax("a name in quotes");
      auto key = *text;
      if (std::find(seen.begin(), seen.end(), key) != seen.end())
        return fail(quote(key) + ": given twice in " + owner
                    + ": expected each name once");
      if (auto found = read_member(key))
        return found;
      seen.push_back(std::move(key));
      if (token_.kind == token_kind::close_object) {
        advance();
        return std::nullopt;
      }
      if (auto found = expect(token_kind::comma, "a comma or }"))
        return found;
    }
  }

  // From the key's token to the value's.
  maybe_problem pass_colon() {
    advance();
    return expect(token_kind::colon, "a colon");
  }

  maybe_problem read_section(const std::string& section) {
    if (!contains(sections(), section))
      return fail_unknown("section", section, section, sections());
    if (section == "peers")
      return read_list<peer_options>(
        section, max_peers, [this](auto& peer) { return read_peer(peer); });
    if (section == "namespaces")
      return read_list<namespace_options>(
        section, max_configured_namespaces,
        [this](auto& space) { return read_namespace(space); });
    if (auto found = pass_colon())
      return found;
    if (token_.kind != token_kind::open_object)
      return fail_value(section, "a section: { ... }");
    advance();
    return read_members(section, [this, &section](auto& key) {
      return read_setting(section, key);
    });
  }

  maybe_problem read_setting(const std::string& section,
                             const std::string& key) {
    auto full_name = section + "." + key;
    auto* which = find_setting(full_name);
    if (which == nullptr) {
      names known;
      for (auto& row : settings())
        if (section_of(row.name) == section)
          known.push_back(key_of(row.name));
      return fail_unknown("key", full_name, key, known);
    }
    auto where = place(token_.offset);
    if (auto found = pass_colon())
      return found;
    std::optional<setting_value> value;
    if (token_.kind == token_kind::scalar)
      value = convert(*which, token_.value);
    if (!value)
      return fail_value(full_name, range_text(*which));
    entries_.push_back({which, std::move(*value), std::move(where)});
    advance();
    return std::nullopt;
  }

  // A section that is a list of objects.
  template <class Item, class ReadItem>
  maybe_problem read_list(const std::string& section, std::size_t most,
                          ReadItem read_item) {
    auto where = place(token_.offset);
    if (auto found = pass_colon())
      return found;
    if (token_.kind != token_kind::open_list)
      return fail_value(section, "a list: [ ... ]");
    auto begin = token_;
    advance();
    std::vector<Item> items;
    while (token_.kind != token_kind::close_list) {
      if (!items.empty())
        if (auto found = expect(token_kind::comma, "a comma or ]"))
          return found;
      if (items.size() == most)
        return fail(section + ": too many: expected at most "
                    + std::to_string(most));
      items.emplace_back();
      if (auto found = read_item(items.back()))
        return found;
    }
    const auto& which = *find_setting(section);
    setting_value value{std::move(items)};
    // Each item was fine; now all of them together.
    if (which.accepts != nullptr && !which.accepts(value)) {
      token_ = begin;
      return fail(section + ": a name given twice: expected each name once");
    }
    advance();
    entries_.push_back({&which, std::move(value), where});
    return std::nullopt;
  }

  maybe_problem read_namespace(namespace_options& space) {
    auto begin = token_;
    if (token_.kind != token_kind::open_object)
      return fail_value("namespaces", R"({"name": "cache", "policy": "lru"})");
    advance();
    if (auto found = read_members("namespaces", [this, &space](auto& key) {
          return read_namespace_member(space, key);
        }))
      return found;
    if (!space.name.empty())
      return std::nullopt;
    token_ = begin;
    return fail("namespaces: no name: expected name, and what is to be set");
  }

  maybe_problem read_namespace_member(namespace_options& space,
                                      const std::string& key) {
    if (!contains(namespace_keys, key))
      return fail_unknown("key", "namespaces." + key, key, namespace_keys);
    if (auto found = pass_colon())
      return found;
    auto* number = std::get_if<std::uint64_t>(&token_.value);
    auto* text = std::get_if<std::string>(&token_.value);
    auto is_number = key == "quota_bytes" || key == "default_ttl_ms"
                     || key == "share_from" || key == "staleness_ms"
                     || key == "shards";
    if (token_.kind != token_kind::scalar
        || (text == nullptr && (number == nullptr || !is_number)))
      return fail_value("namespaces." + key,
                        is_number ? "a number" : "a text in quotes");
    auto set = set_namespace_field(
      space, key, text != nullptr ? *text : std::to_string(*number));
    if (!set)
      return fail_value("namespaces." + key, set.error().message());
    advance();
    return std::nullopt;
  }

  maybe_problem read_peer(peer_options& peer) {
    auto begin = token_;
    if (token_.kind != token_kind::open_object)
      return fail_value("peers",
                        R"({"replica_id": 2, "host": "...", "port": 7400})");
    advance();
    if (auto found = read_members("peers", [this, &peer](auto& key) {
          return read_peer_member(peer, key);
        }))
      return found;
    auto missing = peer.replica_id == 0 ? "replica_id"
                   : peer.host.empty()  ? "host"
                   : peer.port == 0     ? "port"
                                        : nullptr;
    if (missing == nullptr)
      return std::nullopt;
    token_ = begin;
    return fail(std::string{"peers: no "} + missing
                + ": expected replica_id, host and port");
  }

  maybe_problem read_peer_member(peer_options& peer, const std::string& key) {
    if (!contains(peer_keys, key))
      return fail_unknown("key", "peers." + key, key, peer_keys);
    if (auto found = pass_colon())
      return found;
    auto* number = std::get_if<std::uint64_t>(&token_.value);
    auto* text = std::get_if<std::string>(&token_.value);
    auto is_within = [number](std::uint64_t most) {
      return number != nullptr && *number >= 1 && *number <= most;
    };
    if (key == "replica_id") {
      if (!is_within(0xffff'ffff))
        return fail_value("peers.replica_id", "1 to 4294967295");
      peer.replica_id = static_cast<std::uint32_t>(*number);
    } else if (key == "port") {
      if (!is_within(65'535))
        return fail_value("peers.port", "1 to 65535");
      peer.port = static_cast<std::uint16_t>(*number);
    } else {
      if (text == nullptr || !check_value(*find_setting("tunnel.host"), *text))
        return fail_value("peers.host", "a name or address, 1 to 253 bytes");
      peer.host = *text;
    }
    advance();
    return std::nullopt;
  }

  // A value of the wrong type or out of range; at the value's token.
  maybe_problem fail_value(const std::string& name,
                           const std::string& expected) const {
    switch (token_.kind) {
      case token_kind::open_list:
        return fail(name + ": a list: expected " + expected);
      case token_kind::open_object:
        return fail(name + ": an object: expected " + expected);
      case token_kind::scalar:
        return fail(name + ": " + show(token_.value) + ": expected "
                    + expected);
      default:
        return fail_syntax("a value");
    }
  }

  maybe_problem fail_unknown(const std::string& what,
                             const std::string& full_name,
                             const std::string& word,
                             std::span<const std::string_view> known) const {
    if (names_a_secret(full_name))
      return fail(escape(full_name)
                    + ": a secret where others can read it: expected "
                      "resp.password_file, the path of a file of mode 0600",
                  problem::secret_mode);
    auto near = nearest(word, known);
    auto expected = near.empty() ? std::string{"expected one of "}
                                 : "did you mean " + quote(near) + "?";
    if (near.empty())
      for (auto& name : known)
        expected += (&name == &known.front() ? "" : ", ") + std::string{name};
    return fail(quote(full_name) + ": unknown " + what + ": " + expected);
  }

  std::string_view text_;
  const std::string& name_;
  std::vector<document_entry>& entries_;
  json_lexer lexer_;
  token token_;
};

} // namespace

maybe_problem parse_document(std::string_view text, const std::string& name,
                             std::vector<document_entry>& entries) {
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  if (text.substr(0, byte_order_mark.size()) == byte_order_mark)
    text.remove_prefix(byte_order_mark.size());
  std::vector<document_entry> found;
  if (auto problem = reader{text, name, found}.read())
    return problem;
  std::move(found.begin(), found.end(), std::back_inserter(entries));
  return std::nullopt;
}

bool names_a_secret(std::string_view name) {
  constexpr std::array<std::string_view, 4> words{"password", "passwd",
                                                  "secret", "requirepass"};
  std::string lower;
  for (auto c : name)
    lower += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a'
                               : c == '-'           ? '_'
                                                    : c);
  return std::any_of(words.begin(), words.end(), [&lower](auto word) {
    return lower.size() >= word.size()
           && lower.compare(lower.size() - word.size(), word.size(), word) == 0;
  });
}

} // namespace neuroplex::config
