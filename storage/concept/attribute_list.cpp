#include "storage/concept/attribute_list.hpp"

#include <cstdint>
#include <cstring>
#include <limits>

namespace neuroplex::concepts::attribute_list {

namespace {

using length = std::uint16_t;
constexpr std::size_t head_bytes = 2 * sizeof(length);

} // namespace

bool add(std::string& list, std::string_view name, std::string_view value) {
  constexpr std::size_t longest = std::numeric_limits<length>::max();
  if (name.size() > longest || value.size() > longest)
    return false;
  for (auto size : {name.size(), value.size()}) {
    list.push_back(static_cast<char>(size & 0xFFU));
    list.push_back(static_cast<char>(size >> 8));
  }
  list.append(name).append(value);
  return true;
}

bool next(std::string_view& list, std::string_view& name,
          std::string_view& value) noexcept {
  if (list.size() < head_bytes)
    return false;
  auto byte = [&list](std::size_t at) {
    return static_cast<std::size_t>(static_cast<unsigned char>(list[at]));
  };
  auto name_bytes = byte(0) | byte(1) << 8;
  auto value_bytes = byte(2) | byte(3) << 8;
  if (list.size() - head_bytes < name_bytes + value_bytes)
    return false;
  name = list.substr(head_bytes, name_bytes);
  value = list.substr(head_bytes + name_bytes, value_bytes);
  list.remove_prefix(head_bytes + name_bytes + value_bytes);
  return true;
}

std::optional<std::string_view> find(std::string_view list,
                                     std::string_view name) noexcept {
  std::string_view each;
  std::string_view value;
  while (next(list, each, value))
    if (each == name)
      return value;
  return std::nullopt;
}

} // namespace neuroplex::concepts::attribute_list
