// Attributes of a concept as bytes: for each the length of name and value in
// two bytes, little-endian, then name and value.
//
// Threads: plain functions.
//
// Failure behaviour: bytes that end early are read up to there.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace neuroplex::concepts::attribute_list {

/// Adds an attribute. False, with nothing added, when name or value is longer
/// than 65,535 bytes.
bool add(std::string& list, std::string_view name, std::string_view value);

/// Takes the first attribute off the list; false at its end.
bool next(std::string_view& list, std::string_view& name,
          std::string_view& value) noexcept;

/// The value of the first attribute with this name.
[[nodiscard]] std::optional<std::string_view>
find(std::string_view list, std::string_view name) noexcept;

} // namespace neuroplex::concepts::attribute_list
