#include "tests/raft/script.hpp"

#include <charconv>
#include <fstream>

namespace neuroplex::raft_scenarios {

namespace {

// Splits at blanks outside parentheses: "cfg=(1, 2) idx=(3)" has two parts.
std::vector<std::string> argument_parts(std::string_view line) {
  std::vector<std::string> parts;
  std::string part;
  int depth = 0;
  for (char letter : line) {
    if (letter == ' ' && depth == 0) {
      if (!part.empty())
        parts.push_back(std::move(part));
      part.clear();
      continue;
    }
    depth += letter == '(' ? 1 : letter == ')' ? -1 : 0;
    if (letter != ' ')
      part += letter;
  }
  if (!part.empty())
    parts.push_back(std::move(part));
  return parts;
}

script_step parse_command(const std::string& line, std::size_t number) {
  script_step step;
  step.line = number;
  for (auto& part : argument_parts(line)) {
    auto sign = part.find('=');
    if (step.command.empty())
      step.command = std::move(part);
    else if (sign == std::string::npos)
      step.words.push_back(std::move(part));
    else
      step.named[part.substr(0, sign)] = part.substr(sign + 1);
  }
  return step;
}

} // namespace

std::string script_step::argument(const std::string& name) const {
  auto found = named.find(name);
  return found == named.end() ? std::string{} : found->second;
}

std::optional<std::vector<script_step>>
read_script(const std::filesystem::path& file) {
  std::ifstream in{file};
  if (!in)
    return std::nullopt;
  std::vector<script_step> steps;
  std::string line;
  std::size_t number = 0;
  enum class part { between, input, output } where = part::between;
  while (std::getline(in, line)) {
    ++number;
    if (where == part::between) {
      if (line.empty() || line.front() == '#')
        continue;
      steps.push_back(parse_command(line, number));
      where = part::input;
    } else if (where == part::input) {
      if (line == "----")
        where = part::output;
      else
        steps.back().input.push_back(line);
    } else if (line.empty()) {
      where = part::between;
    } else {
      steps.back().output.push_back(line);
    }
  }
  return steps;
}

std::vector<std::string> list_items(std::string_view text) {
  std::vector<std::string> items;
  std::string item;
  for (char letter : text) {
    if (letter == '(' || letter == ')' || letter == ',') {
      if (!item.empty())
        items.push_back(std::move(item));
      item.clear();
    } else if (letter != ' ') {
      item += letter;
    }
  }
  if (!item.empty())
    items.push_back(std::move(item));
  return items;
}

std::vector<std::uint64_t> list_numbers(std::string_view text) {
  std::vector<std::uint64_t> numbers;
  for (const auto& item : list_items(text))
    if (auto number = number_of(item))
      numbers.push_back(*number);
  return numbers;
}

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  for (char letter : line) {
    if (letter != ' ' && letter != '\t') {
      word += letter;
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty())
    words.push_back(std::move(word));
  return words;
}

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t value = 0;
  auto [end, error] =
    std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

} // namespace neuroplex::raft_scenarios
