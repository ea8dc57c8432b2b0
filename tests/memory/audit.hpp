// Looks at everything in a segment that nobody is working on, and at how the
// parts agree: pages and spans, blocks and their words, magazines and lists,
// the index and its entries, the tables of inline namespaces, the counters,
// shared contents and who refers to them.
//
// Threads: one; nobody may write meanwhile. Nothing is changed.
//
// Failure behaviour: what is wrong comes back as sentences, a few at most.
#pragma once

#include "memory/engine.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace neuroplex::memory::testing {

/// What lies in a segment, counted by looking.
struct inventory {
  struct space {
    std::uint64_t entries = 0;
    std::uint64_t block_bytes = 0;
  };

  std::array<space, limits::max_namespaces> spaces{};
  std::uint64_t unexpired = 0; ///< entries that a reader sees
  std::uint32_t pages_in_use = 0;
  std::vector<std::string> wrong;
};

class auditor {
public:
  using arena_type = basic_arena<native_sync>;
  using engine_type = basic_engine<native_sync>;

  explicit auditor(engine_type& engine);

  /// Every block must be in exactly one place, and that place be reachable:
  /// free in a span, in a list of a thread that lives, or live in a slot.
  [[nodiscard]] inventory look();

private:
  enum class found : std::uint8_t { nothing, free, held, retired, live, seen };

  void look_at_pages(inventory& result);
  void look_at_span(inventory& result, std::uint32_t page, unsigned size_class);
  void look_at_block(inventory& result, std::uint32_t granule, bool may_free);
  void look_at_threads(inventory& result);
  void look_at_list(inventory& result, std::uint32_t head, unsigned owner,
                    found expected, const char* what);
  void look_at_index(inventory& result);
  void look_at_line(inventory& result, unsigned level, std::uint64_t line);
  void look_at_entry(inventory& result, unsigned level, std::uint64_t line,
                     unsigned slot, std::uint32_t granule);
  void look_at_tables(inventory& result);
  void look_at_table(inventory& result, unsigned ns);
  [[nodiscard]] bool is_table(std::uint32_t granule) const;
  void look_at_shared(inventory& result,
                      const basic_location<native_sync>& where,
                      std::string_view key, std::string_view value);
  void look_at_contents(inventory& result);
  void look_at_counters(inventory& result);
  [[nodiscard]] bool lives(unsigned owner) const;
  static void complain(inventory& result, std::string what);

  engine_type& engine_;
  const arena_type& arena_;
  std::uint32_t first_granule_;
  std::vector<found> marks_; ///< by granule of the pool
  std::vector<std::uint32_t> marked_;
  std::vector<std::pair<std::uint64_t, std::string>> keys_;

  /// A content: entries that refer to it, counted and found, and its bytes.
  struct shared_content {
    std::uint32_t counted = 0;
    std::uint32_t referring = 0;
    bool has_bytes = false;
  };
  std::map<std::uint64_t, shared_content> contents_; ///< by number
};

} // namespace neuroplex::memory::testing
