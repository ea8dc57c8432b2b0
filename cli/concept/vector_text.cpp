#include "cli/concept/vector_text.hpp"

#include "cli/load/input.hpp"
#include "storage/concept/limits.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

// Of a number and what stands around it.
constexpr std::size_t max_number_bytes = 64;
constexpr std::size_t max_text_bytes =
  concepts::limits::max_dimensions * max_number_bytes;

failure no_vector(const std::string& name) {
  return {errc::bad_argument,
          name + ": expected a JSON array of 1 to "
            + std::to_string(concepts::limits::max_dimensions)
            + " finite numbers"};
}

expected<std::string> content_of(byte_source& source) {
  std::string content(max_text_bytes, '\0');
  std::size_t length = 0;
  while (length < content.size()) {
    auto got = source.read({content.data() + length, content.size() - length});
    if (!got)
      return got.error();
    if (*got == 0)
      break;
    length += *got;
  }
  if (length == content.size())
    return no_vector(source.name());
  content.resize(length);
  return content;
}

expected<std::vector<float>> numbers_in(const std::string& json_text,
                                        const std::string& name) {
  auto read = nlohmann::json::parse(json_text, nullptr, false);
  if (!read.is_array() || read.empty()
      || read.size() > concepts::limits::max_dimensions)
    return no_vector(name);
  std::vector<float> numbers;
  for (const auto& each : read) {
    auto number = each.is_number() ? each.get<float>() : NAN;
    if (!std::isfinite(number))
      return no_vector(name);
    numbers.push_back(number);
  }
  return numbers;
}

} // namespace

expected<std::vector<float>> read_vector(const std::string& text) {
  constexpr auto of_numbers = "0123456789+-.eE, ";
  if (text != "-" && text.find_first_not_of(of_numbers) == std::string::npos)
    return numbers_in('[' + text + ']', "--vector");
  auto source = open_source(text);
  if (!source)
    return source.error();
  auto content = content_of(**source);
  if (!content)
    return content.error();
  return numbers_in(*content, (*source)->name());
}

} // namespace neuroplex::cli
