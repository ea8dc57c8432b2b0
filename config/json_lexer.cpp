#include "config/json_lexer.hpp"

#include "config/diagnostic.hpp"

#include <nlohmann/json.hpp>

namespace neuroplex::config {

namespace {

using nlohmann::json;

// What a scalar's own text means; an invalid token when it means nothing.
token decode(std::string_view text, std::size_t offset) {
  auto value = json::parse(text.begin(), text.end(), nullptr, false);
  switch (value.type()) {
    case json::value_t::null:
      return {token_kind::scalar, offset, nullptr, {}};
    case json::value_t::boolean:
      return {token_kind::scalar, offset, value.get<bool>(), {}};
    case json::value_t::number_integer:
      return {token_kind::scalar, offset, value.get<std::int64_t>(), {}};
    case json::value_t::number_unsigned:
      return {token_kind::scalar, offset, value.get<std::uint64_t>(), {}};
    case json::value_t::number_float:
      return {token_kind::scalar, offset, value.get<double>(), {}};
    case json::value_t::string:
      return {token_kind::scalar, offset, value.get<std::string>(), {}};
    default:
      return {token_kind::invalid, offset, nullptr,
              text.front() == '"'
                ? "text with a control character, a wrong escape or bytes "
                  "that are not UTF-8"
                : "a word that is no number, true, false or null"};
  }
}

bool is_word_byte(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')
         || (c >= 'A' && c <= 'Z') || c == '-' || c == '+' || c == '.'
         || c == '_';
}

} // namespace

bool json_lexer::skip_blanks() noexcept {
  while (at_ < text_.size()) {
    auto rest = text_.substr(at_);
    if (rest.front() == ' ' || rest.front() == '\t' || rest.front() == '\n'
        || rest.front() == '\r') {
      ++at_;
    } else if (rest.substr(0, 2) == "//") {
      auto line_end = rest.find('\n');
      at_ = line_end == std::string_view::npos ? text_.size() : at_ + line_end;
    } else if (rest.substr(0, 2) == "/*") {
      auto close = rest.find("*/", 2);
      if (close == std::string_view::npos)
        return false;
      at_ += close + 2;
    } else {
      break;
    }
  }
  return true;
}

token json_lexer::take_string() {
  auto begin = at_;
  for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
    if (text_[at_] == '\n')
      break;
    if (text_[at_] == '\\')
      ++at_;
  }
  if (at_ >= text_.size() || text_[at_] != '"')
    return {token_kind::invalid, begin, nullptr, "text without closing quote"};
  ++at_;
  return decode(text_.substr(begin, at_ - begin), begin);
}

token json_lexer::take_word() {
  auto begin = at_;
  while (at_ < text_.size() && is_word_byte(text_[at_]))
    ++at_;
  if (at_ == begin)
    return {token_kind::invalid, at_++, nullptr,
            "a character that JSON does not know"};
  return decode(text_.substr(begin, at_ - begin), begin);
}

token json_lexer::next() {
  auto begin = at_;
  if (!skip_blanks()) {
    at_ = text_.size();
    return {token_kind::invalid, begin, nullptr, "a comment without end"};
  }
  if (at_ == text_.size())
    return {token_kind::end, at_, nullptr, {}};
  auto punctuation = [this](token_kind kind) -> token {
    return {kind, at_++, nullptr, {}};
  };
  switch (text_[at_]) {
    case '{':
      return punctuation(token_kind::open_object);
    case '}':
      return punctuation(token_kind::close_object);
    case '[':
      return punctuation(token_kind::open_list);
    case ']':
      return punctuation(token_kind::close_list);
    case ':':
      return punctuation(token_kind::colon);
    case ',':
      return punctuation(token_kind::comma);
    case '"':
      return take_string();
    default:
      return take_word();
  }
}

std::string show(const json_scalar& value) {
  struct visitor {
    std::string operator()(std::nullptr_t) const {
      return "null";
    }
    std::string operator()(bool x) const {
      return x ? "true" : "false";
    }
    std::string operator()(std::int64_t x) const {
      return std::to_string(x);
    }
    std::string operator()(std::uint64_t x) const {
      return std::to_string(x);
    }
    std::string operator()(double x) const {
      return json(x).dump();
    }
    std::string operator()(const std::string& x) const {
      return quote(x);
    }
  };
  return std::visit(visitor{}, value);
}

std::string describe(const token& what) {
  switch (what.kind) {
    case token_kind::open_object:
      return "{";
    case token_kind::close_object:
      return "}";
    case token_kind::open_list:
      return "[";
    case token_kind::close_list:
      return "]";
    case token_kind::colon:
      return "a colon";
    case token_kind::comma:
      return "a comma";
    case token_kind::scalar:
      return std::holds_alternative<std::string>(what.value) ? "text"
                                                             : show(what.value);
    case token_kind::end:
      return "the end of the file";
    case token_kind::invalid:
      return std::string{what.why};
  }
  return {};
}

} // namespace neuroplex::config
