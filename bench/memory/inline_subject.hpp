// An inline namespace under test, in a segment of its own.
//
// Threads: one. Ends the program when the segment cannot be made.
#pragma once

#include "bench/memory/workload.hpp"

#include "memory/inline_namespace.hpp"
#include "memory/store.hpp"

#include <array>
#include <string>

namespace neuroplex::bench {

class inline_subject : public subject {
public:
  /// Makes a segment at `path` with a table for `entries`.
  inline_subject(const std::string& path, std::uint64_t entries);

  bool get(const entry_key& key, entry_value& value) override;
  bool set(const entry_key& key, const entry_value& value) override;
  bool get_many(std::span<const entry_key> keys,
                std::span<entry_value> values) override;
  bool set_many(std::span<const entry_key> keys,
                std::span<const entry_value> values) override;
  [[nodiscard]] double bytes_in_use() const override;

  [[nodiscard]] memory::store_stats stats() const {
    return store_.stats();
  }

  [[nodiscard]] std::uint64_t huge_page_bytes() const {
    return store_.huge_page_bytes();
  }

private:
  memory::store store_;
  memory::inline_namespace space_;
  std::array<memory::get_request, batch_size> gets_;
  std::array<memory::set_request, batch_size> sets_;
};

} // namespace neuroplex::bench
