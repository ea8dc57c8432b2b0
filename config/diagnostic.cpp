#include "config/diagnostic.hpp"

#include "config/utf8.hpp"

#include <array>
#include <utility>

namespace neuroplex::config {

namespace {

struct problem_row {
  problem code;
  std::string_view name;
  int exit_status;
};

constexpr int exit_use = 2;
constexpr int exit_config = 3;
constexpr int exit_resource = 6;

constexpr std::array<problem_row, problem_count> problem_rows{{
  {problem::use, "E-USE", exit_use},
  {problem::unknown_flag, "E-FLAG", exit_use},
  {problem::duplicate_flag, "E-DUPFLAG", exit_use},
  {problem::range, "E-RANGE", exit_use},
  {problem::size, "E-SIZE", exit_use},
  {problem::key_bytes, "E-KEYBYTES", exit_use},
  {problem::config, "E-CONFIG", exit_config},
  {problem::topology, "E-TOPOLOGY", exit_config},
  {problem::timing, "E-TIMING", exit_config},
  {problem::secret_mode, "E-SECRETMODE", exit_config},
  {problem::unfit, "E-UNFIT", exit_resource},
}};

constexpr bool rows_in_order() {
  for (std::size_t i = 0; i < problem_rows.size(); ++i)
    if (static_cast<std::size_t>(problem_rows[i].code) != i)
      return false;
  return true;
}

static_assert(rows_in_order(), "one row a problem, in the enumeration's order");

void append_hex(std::string& out, unsigned char byte) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += "\\x";
  out += digits[byte >> 4];
  out += digits[byte & 15];
}

} // namespace

std::string_view code_name(problem code) noexcept {
  return problem_rows[static_cast<std::size_t>(code)].name;
}

int exit_status(problem code) noexcept {
  return problem_rows[static_cast<std::size_t>(code)].exit_status;
}

diagnostic::diagnostic(problem code, std::string message)
  : code_{code_name(code)},
    exit_status_{config::exit_status(code)}, message_{std::move(message)} {
}

diagnostic::diagnostic(const failure& what)
  : code_{neuroplex::code_name(what.code())},
    exit_status_{neuroplex::exit_status(what.code())}, message_{
                                                         what.message()} {
}

std::string diagnostic::to_string() const {
  std::string result = "error[";
  result += code_;
  result += "]: ";
  result += escape(message_);
  return result;
}

std::string escape(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    auto byte = static_cast<unsigned char>(text.front());
    auto length = utf8_sequence_length(text);
    if (length == 0 || byte < 0x20 || byte == 0x7f) {
      if (byte == '\n')
        result += "\\n";
      else if (byte == '\t')
        result += "\\t";
      else
        append_hex(result, byte);
      text.remove_prefix(1);
    } else {
      result += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return result;
}

std::string quote(std::string_view text, std::size_t max_bytes) {
  auto shown = escape(text.substr(0, max_bytes));
  std::string result = "\"";
  result += shown;
  result += '"';
  if (text.size() > max_bytes) {
    result += "... (";
    result += std::to_string(text.size());
    result += " bytes)";
  }
  return result;
}

} // namespace neuroplex::config
