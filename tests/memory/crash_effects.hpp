// What the operations of the table do to a key, and their helpers.
//
// Threads: one.
#pragma once

#include "tests/memory/crash_table.hpp"

#include <string>

namespace neuroplex::memory::testing {

inline constexpr auto default_ns = namespace_id::default_namespace;

[[noreturn]] void die(const std::string& what);

inline std::string letters(std::size_t size, char letter) {
  return std::string(size, letter);
}

inline effect nothing() {
  return [](const key_id&, const content& value) { return value; };
}

/// An effect on one key of the default namespace.
inline effect on(std::string key,
                 std::function<content(const content&)> change) {
  return [key = std::move(key),
          change = std::move(change)](const key_id& id, const content& value) {
    return id.ns == 0 && id.name == key ? change(value) : value;
  };
}

inline effect becomes(std::string key, content value) {
  return on(std::move(key),
            [value = std::move(value)](const content&) { return value; });
}

/// Operations on the pool and the whole segment.
std::vector<operation> memory_operations();
std::vector<operation> memory_interjections();

} // namespace neuroplex::memory::testing
