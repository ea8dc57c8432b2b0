// The shared segment under test: this process' attachment to it.
//
// Threads: one. Ends the program when the segment cannot be made or opened.
#pragma once

#include "bench/memory/workload.hpp"

#include "memory/store.hpp"

#include <string>

namespace neuroplex::bench {

/// Where the entries of the benchmarks lie.
inline constexpr auto default_space = memory::namespace_id::default_namespace;

/// Ends the program with what a store answered.
[[noreturn]] void give_up(const std::string& what, const std::string& why);

class store_subject : public subject {
public:
  /// Makes a segment for `entries`; it is removed with the object.
  static memory::store make_segment(const std::string& path,
                                    std::uint64_t entries);

  explicit store_subject(memory::store attached);

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
  std::array<memory::get_request, batch_size> gets_;
  std::array<memory::set_request, batch_size> sets_;
};

} // namespace neuroplex::bench
