// The words of concept memory: what a concept is known by, and what joins two.
//
// Threads: plain values.
#pragma once

#include "memory/status.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace neuroplex::concepts {

/// What a concept is known by: 16 bytes that the caller chooses.
struct concept_id {
  std::uint64_t high = 0; ///< the first eight bytes, big-endian
  std::uint64_t low = 0;

  static concept_id
  from_bytes(std::span<const std::uint8_t, 16> bytes) noexcept;

  /// The id of a named concept: XXH3 of the name, 128 bits.
  static concept_id of_name(std::string_view name) noexcept;

  /// 32 hexadecimal digits, and back.
  [[nodiscard]] std::string to_string() const;
  static std::optional<concept_id> parse(std::string_view digits) noexcept;

  friend auto operator<=>(const concept_id&, const concept_id&) = default;
};

/// Number of a type of associations; `association_types` has its name.
using association_type = std::uint16_t;

/// Number of a concept within one snapshot. It means nothing in another one.
using concept_slot = std::uint32_t;

/// What joins a concept to another. A source has one association with a type, a
/// target and a qualifier; learning it again replaces weight and confidence.
struct association {
  concept_id source;
  concept_id target;
  association_type type = 0;
  /// Parts associations of one type between the same two concepts, as those of
  /// single words of two synsets.
  std::uint16_t qualifier = 0;
  float weight = 1;     ///< finite, at least 0
  float confidence = 1; ///< 0 to 1
};

/// What is learnt of a concept. The text and the numbers are copied.
struct concept_facts {
  std::string_view content{};
  std::span<const float> vector{}; ///< empty, or as long as all others
  float strength = 1;              ///< finite, at least 0
  float confidence = 1;            ///< 0 to 1
  std::string_view attributes{};   ///< as `attribute_list` writes them
};

} // namespace neuroplex::concepts
