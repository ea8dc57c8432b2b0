// Operations on the tables of inline namespaces, shared by `store`, which comes
// here with an id, and `inline_namespace`, which is one.
//
// Threads: all. Each answers as the operation of `store` of the same name.
#pragma once

#include "memory/inline_table.hpp"
#include "memory/store_impl.hpp"

#include <memory>
#include <span>
#include <string_view>

namespace neuroplex::memory::detail {

/// What the segment says of the table of namespace `index`, if that holds;
/// whatever the namespace's state is.
std::unique_ptr<store_impl::inline_table>
find_inline_table(const store_impl::arena_type& arena, unsigned index);

/// Finishes or undoes what the dead thread of slot `dead_index` was doing in an
/// inline namespace; before anything else of that slot is recovered. One at a
/// time for a slot.
void recover_inline(const store_impl::arena_type& arena, unsigned dead_index);

/// What a table of this shape was made with.
inline inline_options options_of(const layout::inline_shape& shape) noexcept {
  return {shape.key_bytes, shape.value_bytes, shape.capacity,
          shape.has_expiry != 0};
}

/// Stores an entry as it was found elsewhere, in a namespace of either kind.
/// `form` is a flag of the block.
errc load_entry(store_impl& impl, std::uint8_t ns, std::uint64_t hash,
                std::string_view key, std::string_view value,
                std::int64_t expires, std::uint8_t form, condition when);

/// Does `work` again if it answered busy and some dead process was found, who
/// may have held what it waited for.
template <class Work>
errc with_help(store_impl& impl, Work&& work) {
  auto answer = work();
  if (answer != errc::busy) [[likely]]
    return answer;
  auto found = impl.recover();
  return found && *found > 0 ? work() : answer;
}

/// Copies the value to `to` unless that is null, and tells of the entry.
errc inline_get(store_impl& impl, const store_impl::inline_table& in,
                std::string_view key, char* to, entry_info* info);

entry_info inline_info(const store_impl::inline_table& in,
                       const store_impl::inline_table::location& at,
                       std::int64_t expires);

/// What every write checks before it starts; hands out the thread's context.
errc check_inline_write(store_impl& impl, const store_impl::inline_table& in,
                        std::string_view key, const set_options& options,
                        store_impl::context*& self);

errc inline_put(store_impl& impl, store_impl::inline_table& in,
                std::string_view key, std::string_view value,
                const set_options& options, condition when);

errc inline_erase(store_impl& impl, store_impl::inline_table& in,
                  std::string_view key);

errc inline_get_many(store_impl& impl, const store_impl::inline_table& in,
                     std::span<get_request> requests);

errc inline_set_many(store_impl& impl, store_impl::inline_table& in,
                     std::span<set_request> requests);

/// Runs a change that depends on the present value; `decide` as in
/// basic_engine::modify.
template <class Decide>
errc inline_change(store_impl& impl, store_impl::inline_table& in,
                   std::string_view key, const set_options& options,
                   Decide&& decide) {
  store_impl::context* self = nullptr;
  if (auto bad = check_inline_write(impl, in, key, options, self);
      bad != errc::ok)
    return bad;
  return with_help(impl, [&] {
    return in.modify(*self, hash_key(in.ns(), key), key, decide);
  });
}

errc inline_scan(store_impl::inline_table& in, scan_cursor& cursor,
                 std::size_t count,
                 const std::function<void(const scan_entry&)>& visit,
                 bool with_values);

errc inline_sweep(store_impl& impl, store_impl::inline_table& in,
                  scan_cursor& cursor, std::size_t count, std::size_t& removed);

errc inline_clear(store_impl& impl, store_impl::inline_table& in,
                  std::uint64_t& removed);

/// Number of damaged entries.
std::uint64_t inline_verify(const store_impl::inline_table& in);

/// Removes the damaged entries.
errc inline_remove_damaged(store_impl& impl, store_impl::inline_table& in);

} // namespace neuroplex::memory::detail
