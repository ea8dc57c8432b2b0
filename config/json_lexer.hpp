// Cuts JSON with // and /* */ comments into tokens that know their place.
//
// Purpose: the reader of the configuration file needs the line and column of
// every key, which JSON libraries do not tell. Scalars are decoded by
// nlohmann_json; only their bounds are found here.
//
// Failure behaviour: a malformed token is of kind `invalid` and says why. The
// lexer keeps no stack and allocates only for the decoded scalar, so its input
// may be anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace neuroplex::config {

enum class token_kind : std::uint8_t {
  open_object,
  close_object,
  open_list,
  close_list,
  colon,
  comma,
  scalar,
  end,
  invalid,
};

/// A scalar as the file writes it.
using json_scalar = std::variant<std::nullptr_t, bool, std::int64_t,
                                 std::uint64_t, double, std::string>;

struct token {
  token_kind kind = token_kind::end;
  std::size_t offset = 0; ///< of its first byte
  json_scalar value;      ///< of a scalar
  std::string_view why;   ///< of an invalid token
};

class json_lexer {
public:
  /// `text` must outlive the lexer.
  explicit json_lexer(std::string_view text) noexcept : text_{text} {
  }

  /// The next token; after the last one, `end` for ever.
  [[nodiscard]] token next();

private:
  // Moves behind blanks and comments; false in an unclosed comment.
  bool skip_blanks() noexcept;
  token take_string();
  token take_word();

  std::string_view text_;
  std::size_t at_ = 0;
};

/// A token as it is shown in a message: "a list", "text", "a number".
[[nodiscard]] std::string describe(const token& what);

/// The scalar as the file writes it; long text is cut.
[[nodiscard]] std::string show(const json_scalar& value);

} // namespace neuroplex::config
