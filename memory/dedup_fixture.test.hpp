// What the tests of shared values share: a namespace that shares, and a look at
// whether every count is what refers to its content.
#pragma once

#include "memory/fixture.test.hpp"
#include "memory/store_impl.hpp"

#include <map>
#include <string>

namespace neuroplex::memory::testing {

/// Counts of references as they are, by the number of the content, and as they
/// should be; of a segment that nobody writes to.
struct shared_census {
  struct row {
    std::uint32_t counted = 0;
    std::uint32_t referring = 0;
    bool has_bytes = false;

    friend bool operator==(const row&, const row&) = default;
  };
  std::map<std::uint64_t, row> contents;

  explicit shared_census(const store& db) {
    auto& impl = detail::store_impl::of(db);
    const auto& arena = impl.arena();
    const auto& index = impl.engine().index();
    for (std::uint64_t position = 0; position != ~std::uint64_t{0};) {
      auto at = index.home_of(position << 32);
      auto lines = impl.shape().lines(at.level);
      index.visit_line(at, [&](const auto& where) {
        look(arena, where, lines, at.line);
        return true;
      });
      position = detail::store_impl::position_after(at.line, lines);
    }
  }

  /// Whether every content is whole and its count right.
  [[nodiscard]] bool exact() const {
    for (auto& [number, each] : contents)
      if (each.counted != each.referring || each.counted == 0
          || !each.has_bytes)
        return false;
    return true;
  }

private:
  void look(const basic_arena<native_sync>& arena,
            const basic_location<native_sync>& where, std::uint64_t lines,
            std::uint64_t line) {
    const auto& fields = where.fields;
    std::string key(fields.key_bytes(), '\0');
    std::string value(fields.value_bytes, '\0');
    native_sync::read(key.data(), where.payload(), key.size());
    native_sync::read(value.data(), where.payload() + key.size(), value.size());
    if (line_of(hash_key(fields.ns(), key), lines) != line)
      return; // shown with its own line
    auto word = arena.control().namespace_states[fields.ns()].load();
    std::uint64_t number = 0;
    shared_reference reference;
    if (fields.refers()) {
      REQUIRE(shared_reference::read(value, reference));
      ++contents[reference.number].referring;
    } else if (fields.counted()) {
      REQUIRE(value.size() == sizeof number);
      std::memcpy(&number, value.data(), sizeof number);
      contents[number].counted = reference_count::of(where.block->link.load());
    } else if (layout::namespace_state_of(word)
               == layout::namespace_state::contents) {
      REQUIRE(key.size() == sizeof number);
      std::memcpy(&number, key.data(), sizeof number);
      contents[number].has_bytes = true;
    }
  }
};

/// A segment with a namespace that shares values of 128 bytes and more.
struct sharing_segment : segment {
  namespace_id ns;

  explicit sharing_segment(
    const segment_options& options = {.segment_bytes = 8 * mebibyte},
    namespace_settings settings = {})
    : segment{options} {
    auto made = db.open_namespace("shared");
    REQUIRE(made);
    ns = *made;
    settings.share_from = limits::least_shared_bytes;
    REQUIRE(db.configure(ns, settings));
  }

  [[nodiscard]] namespace_info info() const {
    for (auto& each : db.namespaces())
      if (each.id == ns)
        return each;
    FAIL("no such namespace");
    return {};
  }
};

} // namespace neuroplex::memory::testing
