#include "cli/concept/csv_learner.hpp"

#include "cli/concept/json_learner.hpp"
#include "cli/load/csv_rows.hpp"
#include "cli/load/record.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

using json_value = nlohmann::json;

enum class column_kind : std::uint8_t { text, number, numbers, attribute };

/// What the columns mean, or why that cannot be told.
expected<std::vector<column_kind>> kinds_of(const csv_rows& rows) {
  const auto& columns = rows.columns();
  auto has = [&](std::string_view name) {
    return std::find(columns.begin(), columns.end(), name) != columns.end();
  };
  auto is_concept = has("id");
  if (!is_concept && !(has("source") && has("target") && has("type")))
    return rows.refuse("the header has neither \"id\" nor \"source\", "
                       "\"target\" and \"type\": name the columns so");
  std::vector<column_kind> kinds;
  for (const auto& name : columns) {
    if (std::count(columns.begin(), columns.end(), name) != 1)
      return rows.refuse("the header names \"" + name + "\" twice");
    if (name == "confidence" || name == (is_concept ? "strength" : "weight"))
      kinds.push_back(column_kind::number);
    else if (is_concept && name == "vector")
      kinds.push_back(column_kind::numbers);
    else if (is_concept
               ? name == "id" || name == "content"
               : name == "source" || name == "target" || name == "type")
      kinds.push_back(column_kind::text);
    else if (is_concept && !name.empty())
      kinds.push_back(column_kind::attribute);
    else
      return rows.refuse("unknown column \"" + name
                         + "\": expected source, target, type, weight and "
                           "confidence");
  }
  return kinds;
}

/// Takes a number off the front of a text.
std::optional<float> take_number(std::string_view& text) {
  float value = 0;
  auto [end, code] =
    std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || !std::isfinite(value))
    return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

std::optional<json_value> numbers_of(std::string_view text) {
  auto numbers = json_value::array();
  for (;;) {
    auto begin = text.find_first_not_of(' ');
    if (begin == std::string_view::npos)
      return numbers;
    text.remove_prefix(begin);
    auto number = take_number(text);
    if (!number || !(text.empty() || text.front() == ' '))
      return std::nullopt;
    numbers.push_back(*number);
  }
}

/// A row as the object that a line of JSON would be.
expected<json_value> object_of(const csv_rows& rows,
                               std::span<const column_kind> kinds) {
  auto object = json_value::object();
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    const auto& name = rows.columns()[i];
    const auto& field = rows.fields()[i];
    if (field.empty())
      continue;
    if (kinds[i] == column_kind::attribute) {
      object["attributes"][name] = field;
    } else if (kinds[i] == column_kind::text) {
      object[name] = field;
    } else {
      auto numbers = numbers_of(field);
      auto is_one = kinds[i] == column_kind::number;
      if (!numbers || (is_one && numbers->size() != 1))
        return failure{
          errc::protocol,
          '"' + name + "\": expected "
            + (is_one ? "a number" : "numbers with spaces between them")};
      object[name] = is_one ? (*numbers)[0] : *numbers;
    }
  }
  return object;
}

} // namespace

expected<learnt_totals> learn_csv(std::unique_ptr<byte_source> source,
                                  concept_learner& to,
                                  const learn_progress& go_on) {
  constexpr std::uint64_t rows_a_look = 512;
  csv_rows rows{std::move(source), ','};
  if (auto read = rows.read_header(); !read)
    return read.error();
  auto kinds = kinds_of(rows);
  if (!kinds)
    return kinds.error();
  const auto is_concept =
    std::find(rows.columns().begin(), rows.columns().end(), "id")
    != rows.columns().end();
  learnt_totals totals;
  for (std::uint64_t row = 0;; ++row) {
    auto more = rows.next();
    if (!more)
      return more.error();
    if (!*more)
      return totals;
    if (row % rows_a_look == 0 && !go_on(rows.bytes_read()))
      return failure{errc::deadline, "stopped while learning"};
    auto object = object_of(rows, *kinds);
    auto learnt = object ? expected<void>{} : expected<void>{object.error()};
    if (learnt && is_concept && !object->contains("id"))
      learnt =
        failure{errc::protocol, "\"id\": expected a text that is not empty"};
    if (learnt)
      learnt = learn_object(*object, to, totals);
    if (!learnt)
      return failure_at(learnt.code(), rows.source().name(), rows.line(),
                        learnt.error().message());
  }
}

} // namespace neuroplex::cli
