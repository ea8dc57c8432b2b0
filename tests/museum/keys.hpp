// The keys of the museum, chosen by where they lie in the index and by their
// tags; which ones, world.hpp says.
//
// Threads: pure functions.
#pragma once

#include "memory/hash.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace neuroplex::museum {

template <std::size_t Count>
struct chosen_keys {
  std::array<std::string, Count> names;
  std::array<std::uint64_t, Count> hashes{};
};

/// Keys of namespace `ns` in an index that begins with so many lines.
template <std::size_t Count>
chosen_keys<Count> choose_keys(std::uint8_t ns, std::uint64_t lines) {
  using memory::line_of;
  using memory::tag_of;
  chosen_keys<Count> chosen;
  auto& first = chosen.hashes[0];
  auto fits = [&](unsigned i, std::uint64_t hash) {
    if (i == 0)
      return tag_of(hash) != 0;
    auto same_line = line_of(hash, lines) == line_of(first, lines);
    auto same_tag = tag_of(hash) == tag_of(first);
    if (i == 4 || i == 5)
      return same_line && same_tag;
    // Key 3 shares its line with key 0 in a doubled index, too.
    if (i == 3)
      return tag_of(hash) == 0
             && line_of(hash, 2 * lines) == line_of(first, 2 * lines);
    return same_line == (i < 4) && !same_tag;
  };
  unsigned next = 0;
  for (unsigned i = 0; i < Count; ++i)
    do {
      auto digits = std::to_string(next++);
      chosen.names[i] = "key-" + std::string(8 - digits.size(), '0') + digits;
      chosen.hashes[i] =
        memory::hash_key(ns, std::string_view{chosen.names[i]});
    } while (!fits(i, chosen.hashes[i]));
  return chosen;
}

} // namespace neuroplex::museum
