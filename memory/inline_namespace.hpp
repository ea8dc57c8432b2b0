// An inline namespace of a store, taken directly: what `store` does on it, with
// nothing between the caller and the table.
//
// Purpose: single reads in the time of one cache miss. Whoever does not need
// that uses the operations of `store` with the namespace's id.
//
// Ownership and threads: a small value; copies are the same namespace. Any
// number of threads may use one at once. Must not outlive its store.
//
// Invariants: those of `store`. A reader writes nothing shared.
//
// Failure behaviour: `bad_namespace` once the namespace was dropped; `key_size`
// and `value_size` for sizes other than `options()` names; `bad_ttl` for a
// lifetime where entries do not expire; `no_space` when the table is full;
// `busy` when writers of the same group stand still (see inline_table.hpp).
#pragma once

#include "memory/store.hpp"

namespace neuroplex::memory {

template <class Sync>
class basic_inline_table;
struct native_sync;

class inline_namespace {
public:
  [[nodiscard]] namespace_id id() const noexcept;

  /// What it was made with.
  [[nodiscard]] inline_options options() const noexcept;

  /// Records that the table has, free ones included.
  [[nodiscard]] std::uint64_t records() const noexcept;

  /// Memory of the whole table.
  [[nodiscard]] std::uint64_t table_bytes() const noexcept;

  /// Copies the value into the first value_bytes of `value`. `not_found`,
  /// `corrupt`.
  errc get(std::string_view key, std::span<char> value) const;

  /// The same into a string, which is made to fit.
  errc get(std::string_view key, std::string& value) const;

  [[nodiscard]] bool contains(std::string_view key) const;

  errc set(std::string_view key, std::string_view value,
           const set_options& options = {});

  errc set_if_absent(std::string_view key, std::string_view value,
                     const set_options& options = {});

  errc set_if_present(std::string_view key, std::string_view value,
                      const set_options& options = {});

  errc erase(std::string_view key);

  /// As those of `store`.
  errc get_many(std::span<get_request> requests) const;
  errc set_many(std::span<set_request> requests);

private:
  friend class store;
  using table = basic_inline_table<native_sync>;

  inline_namespace(detail::store_impl* impl, table* wanted) noexcept
    : impl_{impl}, table_{wanted} {
  }

  detail::store_impl* impl_;
  table* table_;
};

} // namespace neuroplex::memory
