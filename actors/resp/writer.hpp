// Writes replies in RESP2 or RESP3.
//
// Purpose: the one place that knows how each kind of reply looks in either
// version of the protocol; RESP2 gets the older stand-in of kinds it lacks.
//
// Ownership: writes into a buffer it does not own. Threads: none.
//
// Failure behaviour: cannot fail but for lack of memory. Line breaks inside an
// error or status become blanks, so that no text can forge a second reply.
#pragma once

#include "actors/resp/byte_buffer.hpp"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace neuroplex::resp {

class writer {
public:
  writer(byte_buffer& output, std::uint8_t protocol) noexcept
    : output_{&output}, protocol_{protocol} {
  }

  [[nodiscard]] byte_buffer& output() noexcept {
    return *output_;
  }

  [[nodiscard]] std::uint8_t protocol() const noexcept {
    return protocol_;
  }

  void set_protocol(std::uint8_t protocol) noexcept {
    protocol_ = protocol;
  }

  void ok() {
    output_->append("+OK\r\n");
  }

  void status(std::string_view text) {
    line('+', text);
  }

  /// An error whose first word is its code, such as "ERR syntax error".
  void error(std::string_view text) {
    line('-', text);
  }

  void integer(std::int64_t value) {
    header(':', value);
  }

  void bulk(std::string_view bytes) {
    header('$', static_cast<std::int64_t>(bytes.size()));
    output_->append(bytes);
    output_->append("\r\n");
  }

  void null() {
    output_->append(protocol_ == 3 ? "_\r\n" : "$-1\r\n");
  }

  void array(std::size_t count) {
    header('*', static_cast<std::int64_t>(count));
  }

  /// A set of `count` members: an array in RESP2.
  void set(std::size_t count) {
    header(protocol_ == 3 ? '~' : '*', static_cast<std::int64_t>(count));
  }

  /// A map of `pairs` pairs: a flat array in RESP2.
  void map(std::size_t pairs) {
    if (protocol_ == 3)
      header('%', static_cast<std::int64_t>(pairs));
    else
      header('*', static_cast<std::int64_t>(pairs * 2));
  }

  /// A text for people: a bulk string in RESP2.
  void verbatim(std::string_view text) {
    if (protocol_ != 3)
      return bulk(text);
    header('=', static_cast<std::int64_t>(text.size() + 4));
    output_->append("txt:");
    output_->append(text);
    output_->append("\r\n");
  }

  /// A floating-point number: a bulk string in RESP2.
  void number(double value) {
    char digits[64];
    auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    std::string_view text{digits, static_cast<std::size_t>(end - digits)};
    if (protocol_ == 3)
      line(',', text);
    else
      bulk(text);
  }

private:
  void line(char kind, std::string_view text) {
    auto* to = output_->prepare(text.size() + 3);
    *to++ = kind;
    for (auto c : text)
      *to++ = c == '\r' || c == '\n' ? ' ' : c;
    *to++ = '\r';
    *to = '\n';
    output_->commit(text.size() + 3);
  }

  void header(char kind, std::int64_t value) {
    constexpr std::size_t longest = 24; // kind, sign, 19 digits, line end
    auto* begin = output_->prepare(longest);
    auto* to = begin;
    *to++ = kind;
    to = std::to_chars(to, begin + longest, value).ptr;
    *to++ = '\r';
    *to++ = '\n';
    output_->commit(static_cast<std::size_t>(to - begin));
  }

  byte_buffer* output_;
  std::uint8_t protocol_;
};

} // namespace neuroplex::resp
