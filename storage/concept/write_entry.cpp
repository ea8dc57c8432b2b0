#include "storage/concept/write_entry.hpp"

#include "storage/concept/limits.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace neuroplex::concepts {

namespace {

bool is_amount(float value) noexcept {
  return std::isfinite(value) && value >= 0;
}

bool is_share(float value) noexcept {
  return value >= 0 && value <= 1;
}

} // namespace

errc make_learn_concept(const concept_id& id, const concept_facts& facts,
                        write_entry& result) {
  if (facts.content.size() > limits::max_content_bytes
      || facts.attributes.size() > limits::max_attribute_bytes
      || facts.vector.size() > limits::max_dimensions)
    return errc::value_size;
  if (!is_amount(facts.strength) || !is_share(facts.confidence)
      || !std::all_of(facts.vector.begin(), facts.vector.end(),
                      [](float x) { return std::isfinite(x); }))
    return errc::bad_argument;
  result.kind = entry_kind::learn_concept;
  result.id = id;
  result.amount = facts.strength;
  result.confidence = facts.confidence;
  result.dimensions = static_cast<std::uint32_t>(facts.vector.size());
  result.content_bytes = static_cast<std::uint32_t>(facts.content.size());
  result.attribute_bytes = static_cast<std::uint32_t>(facts.attributes.size());
  if (result.body_bytes() == 0)
    return errc::ok;
  result.body = std::make_unique_for_overwrite<char[]>(result.body_bytes());
  auto* to = result.body.get();
  auto append = [&to](const void* from, std::size_t bytes) {
    if (bytes != 0)
      std::memcpy(to, from, bytes);
    to += bytes;
  };
  append(facts.vector.data(), facts.vector.size_bytes());
  append(facts.content.data(), facts.content.size());
  append(facts.attributes.data(), facts.attributes.size());
  return errc::ok;
}

errc make_learn_association(const association& what,
                            write_entry& result) noexcept {
  if (!is_amount(what.weight) || !is_share(what.confidence))
    return errc::bad_argument;
  make_forget(what, result);
  result.kind = entry_kind::learn_association;
  result.amount = what.weight;
  result.confidence = what.confidence;
  return errc::ok;
}

errc make_strengthen(const concept_id& id, float amount,
                     write_entry& result) noexcept {
  if (!is_amount(amount))
    return errc::bad_argument;
  result.kind = entry_kind::strengthen;
  result.id = id;
  result.amount = amount;
  return errc::ok;
}

errc make_decay(const concept_id& id, float factor,
                write_entry& result) noexcept {
  if (!is_share(factor))
    return errc::bad_argument;
  result.kind = entry_kind::decay;
  result.id = id;
  result.amount = factor;
  return errc::ok;
}

void make_forget(const concept_id& id, write_entry& result) noexcept {
  result.kind = entry_kind::forget_concept;
  result.id = id;
}

void make_forget(const association& what, write_entry& result) noexcept {
  result.kind = entry_kind::forget_association;
  result.id = what.source;
  result.target = what.target;
  result.type = what.type;
  result.qualifier = what.qualifier;
}

} // namespace neuroplex::concepts
