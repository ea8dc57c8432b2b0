#include "actors/concept_service/lesson.hpp"

#include "storage/concept/entry_codec.hpp"

#include <cmath>
#include <cstring>
#include <utility>

namespace neuroplex::concept_service {

namespace {

using concepts::entry_kind;
using concepts::write_entry;

bool names_type(const write_entry& entry) noexcept {
  return entry.kind == entry_kind::learn_association
         || entry.kind == entry_kind::forget_association;
}

// What the decoder of entries lets through, since a log has none of it.
errc check(const write_entry& entry, std::size_t types) {
  if (names_type(entry) && entry.type >= types)
    return errc::protocol;
  if (entry.kind == entry_kind::decay && entry.amount > 1)
    return errc::bad_argument;
  for (std::uint32_t i = 0; i < entry.dimensions; ++i) {
    float number = 0;
    std::memcpy(&number, entry.body.get() + i * sizeof number, sizeof number);
    if (!std::isfinite(number))
      return errc::bad_argument;
  }
  return errc::ok;
}

failure wrong_entry(errc code, std::uint32_t place) {
  return {code, "entry " + std::to_string(place + 1)
                  + " of the lesson: " + std::string{describe(code)}};
}

} // namespace

expected<concepts::association_type>
lesson_writer::type(std::string_view name, std::string_view phrase) {
  if (auto known = numbers_.find(name); known != numbers_.end())
    return known->second;
  if (name.empty() || name.size() > concepts::limits::max_type_name_bytes
      || phrase.size() > concepts::limits::max_type_name_bytes)
    return errc::bad_argument;
  if (made_.types.size() == concepts::limits::max_association_types)
    return errc::too_many;
  auto number = static_cast<concepts::association_type>(made_.types.size());
  made_.types.push_back({std::string{name}, std::string{phrase}});
  numbers_.emplace(name, number);
  return number;
}

errc lesson_writer::add(errc made, const write_entry& entry) {
  if (made != errc::ok)
    return made;
  if (made_.count == limits::max_lesson_entries
      || made_.entries.size() + concepts::encoded_bytes(entry)
           > limits::most_lesson_bytes)
    return errc::too_many;
  concepts::encode(entry, made_.entries);
  ++made_.count;
  return errc::ok;
}

errc lesson_writer::learn_concept(const concepts::concept_id& id,
                                  const concepts::concept_facts& facts) {
  write_entry entry;
  auto made = make_learn_concept(id, facts, entry);
  return add(made, entry);
}

errc lesson_writer::learn_association(const concepts::association& what) {
  if (what.type >= made_.types.size())
    return errc::bad_argument;
  write_entry entry;
  auto made = make_learn_association(what, entry);
  return add(made, entry);
}

errc lesson_writer::strengthen(const concepts::concept_id& id, float amount) {
  write_entry entry;
  auto made = make_strengthen(id, amount, entry);
  return add(made, entry);
}

errc lesson_writer::decay(const concepts::concept_id& id, float factor) {
  write_entry entry;
  auto made = make_decay(id, factor, entry);
  return add(made, entry);
}

errc lesson_writer::forget(const concepts::concept_id& id) {
  write_entry entry;
  make_forget(id, entry);
  return add(errc::ok, entry);
}

errc lesson_writer::forget(const concepts::association& what) {
  if (what.type >= made_.types.size())
    return errc::bad_argument;
  write_entry entry;
  make_forget(what, entry);
  return add(errc::ok, entry);
}

lesson lesson_writer::take() {
  auto types = made_.types;
  auto taken = std::exchange(made_, {});
  made_.types = std::move(types);
  return taken;
}

expected<std::vector<concepts::write_entry>>
read(const lesson& what, concepts::association_types& types) {
  if (what.count > limits::max_lesson_entries
      || what.types.size() > concepts::limits::max_association_types)
    return errc::too_many;
  if (what.entries.size() > limits::most_lesson_bytes)
    return errc::value_size;
  std::vector<write_entry> entries(what.count);
  std::string_view rest{what.entries};
  for (std::uint32_t i = 0; i < what.count; ++i) {
    if (auto code = decode(rest, entries[i]); code != errc::ok)
      return wrong_entry(code, i);
    if (auto code = check(entries[i], what.types.size()); code != errc::ok)
      return wrong_entry(code, i);
  }
  if (!rest.empty())
    return failure{errc::protocol, "the lesson has more bytes than entries"};
  for (const auto& type : what.types)
    if (type.name.empty()
        || type.name.size() > concepts::limits::max_type_name_bytes
        || type.phrase.size() > concepts::limits::max_type_name_bytes)
      return failure{errc::bad_argument, "the name of a type of associations "
                                         "has 1 to 255 bytes"};
  std::vector<concepts::association_type> numbers;
  numbers.reserve(what.types.size());
  for (const auto& type : what.types) {
    auto number = types.intern(type.name, type.phrase);
    if (!number)
      return number.error();
    numbers.push_back(*number);
  }
  for (auto& entry : entries)
    if (names_type(entry))
      entry.type = numbers[entry.type];
  return entries;
}

} // namespace neuroplex::concept_service
