#include "storage/concept/association_types.hpp"

namespace neuroplex::concepts {

expected<association_type> association_types::intern(std::string_view name,
                                                     std::string_view phrase) {
  if (name.empty() || name.size() > limits::max_type_name_bytes
      || phrase.size() > limits::max_type_name_bytes)
    return failure{errc::bad_argument,
                   "type of association: expected a name of 1 to "
                     + std::to_string(limits::max_type_name_bytes) + " bytes"};
  std::scoped_lock guard{mutex_};
  if (auto known = find(name))
    return *known;
  auto count = size();
  if (count == limits::max_association_types)
    return failure{errc::too_many,
                   "types of associations: " + std::to_string(count)
                     + " exist: use one of them"};
  entries_[count] = {std::string{name},
                     std::string{phrase.empty() ? name : phrase}};
  count_.store(count + 1, std::memory_order_release);
  return static_cast<association_type>(count);
}

std::optional<association_type>
association_types::find(std::string_view name) const noexcept {
  auto count = size();
  for (std::size_t i = 0; i < count; ++i)
    if (entries_[i].name == name)
      return static_cast<association_type>(i);
  return std::nullopt;
}

std::string_view association_types::name(association_type type) const noexcept {
  return type < size() ? std::string_view{entries_[type].name} : "?";
}

std::string_view
association_types::phrase(association_type type) const noexcept {
  return type < size() ? std::string_view{entries_[type].phrase} : "?";
}

} // namespace neuroplex::concepts
