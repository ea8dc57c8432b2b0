#include "cli/concept/json_learner.hpp"

#include "cli/load/record.hpp"
#include "storage/concept/attribute_list.hpp"

#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

using json_value = nlohmann::json;
using concepts::concept_id;

/// Members of one line, each taken at most once; what is left over is unknown.
class members {
public:
  explicit members(json_value& line) : line_{line} {
  }

  expected<std::string> name(const char* which) {
    auto taken = take(which);
    if (!taken.is_string() || taken.get_ref<std::string&>().empty())
      return wrong(which, "a text that is not empty");
    return taken.get<std::string>();
  }

  expected<std::string> text(const char* which) {
    auto taken = take(which);
    if (taken.is_null())
      return std::string{};
    if (!taken.is_string())
      return wrong(which, "a text");
    return taken.get<std::string>();
  }

  expected<float> number(const char* which, float otherwise) {
    auto taken = take(which);
    if (taken.is_null())
      return otherwise;
    if (!taken.is_number())
      return wrong(which, "a number");
    return taken.get<float>();
  }

  expected<std::vector<float>> numbers(const char* which) {
    auto taken = take(which);
    std::vector<float> result;
    if (taken.is_null())
      return result;
    if (!taken.is_array())
      return wrong(which, "an array of numbers");
    for (const auto& each : taken) {
      if (!each.is_number())
        return wrong(which, "an array of numbers");
      result.push_back(each.get<float>());
    }
    return result;
  }

  /// As a list, after the name of the concept.
  expected<std::string> attributes(const std::string& name) {
    auto taken = take("attributes");
    std::string list;
    concepts::attribute_list::add(list, "name", name);
    if (taken.is_null())
      return list;
    if (!taken.is_object())
      return wrong("attributes", "an object of texts");
    for (auto& [key, value] : taken.items()) {
      if (!value.is_string()
          || !concepts::attribute_list::add(list, key,
                                            value.get_ref<std::string&>()))
        return wrong("attributes", "an object of texts of up to 65535 bytes");
    }
    return list;
  }

  expected<void> finish() {
    if (line_.empty())
      return {};
    return failure{errc::protocol,
                   "unknown member \"" + line_.begin().key() + '"'};
  }

private:
  json_value take(const char* which) {
    auto found = line_.find(which);
    if (found == line_.end())
      return nullptr;
    auto value = std::move(*found);
    line_.erase(found);
    return value;
  }

  static failure wrong(const char* which, const char* expected) {
    return {errc::protocol,
            '"' + std::string{which} + "\": expected " + expected};
  }

  json_value& line_;
};

expected<void> learn_concept(members& line, concept_learner& to,
                             learnt_totals& totals) {
  auto name = line.name("id");
  if (!name)
    return name.error();
  auto content = line.text("content");
  if (!content)
    return content.error();
  auto strength = line.number("strength", 1);
  if (!strength)
    return strength.error();
  auto confidence = line.number("confidence", 1);
  if (!confidence)
    return confidence.error();
  auto vector = line.numbers("vector");
  if (!vector)
    return vector.error();
  auto attributes = line.attributes(*name);
  if (!attributes)
    return attributes.error();
  if (auto done = line.finish(); !done)
    return done;
  ++totals.concepts;
  return to.learn_concept(
    concept_id::of_name(*name),
    {*content, *vector, *strength, *confidence, *attributes});
}

expected<void> learn_association(members& line, concept_learner& to,
                                 learnt_totals& totals) {
  auto source = line.name("source");
  if (!source)
    return source.error();
  auto target = line.name("target");
  if (!target)
    return target.error();
  auto type = line.name("type");
  if (!type)
    return type.error();
  auto weight = line.number("weight", 1);
  if (!weight)
    return weight.error();
  auto confidence = line.number("confidence", 1);
  if (!confidence)
    return confidence.error();
  if (auto done = line.finish(); !done)
    return done;
  auto number = to.type(*type, {});
  if (!number)
    return number.error();
  ++totals.associations;
  ++totals.by_type[*type];
  concepts::association learnt{concept_id::of_name(*source),
                               concept_id::of_name(*target), *number};
  learnt.weight = *weight;
  learnt.confidence = *confidence;
  return to.learn_association(learnt);
}

} // namespace

expected<void> learn_object(json_value& object, concept_learner& to,
                            learnt_totals& totals) {
  if (!object.is_object())
    return failure{errc::protocol, "expected a JSON object"};
  auto is_concept = object.contains("id");
  members line{object};
  return is_concept ? learn_concept(line, to, totals)
                    : learn_association(line, to, totals);
}

expected<learnt_totals> learn_json_lines(std::unique_ptr<byte_source> source,
                                         concept_learner& to,
                                         const learn_progress& go_on) {
  constexpr std::uint64_t lines_a_look = 512;
  line_reader lines{std::move(source)};
  learnt_totals totals;
  for (std::string_view line;;) {
    auto more = lines.next(line);
    if (!more)
      return more.error();
    if (!*more)
      return totals;
    if (lines.line_number() % lines_a_look == 0 && !go_on(lines.bytes_read()))
      return failure{errc::deadline, "stopped while learning"};
    if (lines.line_number() == 1 && line.starts_with(byte_order_mark))
      line.remove_prefix(byte_order_mark.size());
    if (is_blank(line))
      continue;
    auto object = json_value::parse(line, nullptr, false);
    if (auto learnt = learn_object(object, to, totals); !learnt)
      return failure_at(learnt.code(), lines.source().name(),
                        lines.line_number(), learnt.error().message());
  }
}

} // namespace neuroplex::cli
