// One thing that was learnt or forgotten, on its way into the graph.
//
// Threads: plain values, moved from the producer to the reconciler.
#pragma once

#include "storage/concept/types.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace neuroplex::concepts {

enum class entry_kind : std::uint8_t {
  learn_concept,
  learn_association,
  strengthen,         ///< adds `amount` to a concept's strength
  decay,              ///< multiplies a concept's strength with `amount`
  forget_concept,     ///< with all associations from and to it
  forget_association, ///< one
};

inline constexpr std::uint8_t entry_kind_count = 6;

struct write_entry {
  entry_kind kind = entry_kind::learn_concept;
  association_type type = 0;
  std::uint16_t qualifier = 0;
  float amount = 1; ///< strength, weight, or what is added or multiplied with
  float confidence = 1;
  concept_id id;              ///< the concept, or the source of an association
  concept_id target;          ///< of an association
  std::uint64_t sequence = 0; ///< given by the write log
  std::uint32_t dimensions = 0;
  std::uint32_t content_bytes = 0;
  std::uint32_t attribute_bytes = 0;
  std::unique_ptr<char[]> body; ///< vector, content, attributes, in this order

  [[nodiscard]] std::size_t body_bytes() const noexcept {
    return dimensions * sizeof(float) + content_bytes + attribute_bytes;
  }

  [[nodiscard]] std::string_view body_view() const noexcept {
    return {body.get(), body_bytes()};
  }
};

/// Each answers `value_size` for what is longer than a limit and `bad_argument`
/// for a number that is not finite or out of its range; nothing is made then.
[[nodiscard]] errc make_learn_concept(const concept_id& id,
                                      const concept_facts& facts,
                                      write_entry& result);
[[nodiscard]] errc make_learn_association(const association& what,
                                          write_entry& result) noexcept;
[[nodiscard]] errc make_strengthen(const concept_id& id, float amount,
                                   write_entry& result) noexcept;
[[nodiscard]] errc make_decay(const concept_id& id, float factor,
                              write_entry& result) noexcept;
void make_forget(const concept_id& id, write_entry& result) noexcept;
void make_forget(const association& what, write_entry& result) noexcept;

} // namespace neuroplex::concepts
