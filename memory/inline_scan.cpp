// Operations that walk the table of an inline namespace. A cursor counts its
// groups.
#include "memory/inline_store.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace neuroplex::memory::detail {

namespace {

using table = store_impl::inline_table;

/// Groups one call looks at for each entry asked for, so that a call over an
/// almost empty table ends soon.
constexpr std::size_t groups_a_call = 64;

/// Walks groups from the cursor on until `visit` has answered true for about
/// `count` entries.
template <class Visit>
void walk(const table& in, scan_cursor& cursor, std::size_t count,
          Visit&& visit) {
  constexpr auto end = ~std::uint64_t{0};
  std::size_t shown = 0;
  auto groups_left = groups_a_call + count / layout::records_per_group;
  if (cursor.position >= in.groups())
    cursor.position = end;
  while (cursor.position != end && shown < std::max<std::size_t>(count, 1)
         && groups_left-- > 0) {
    in.visit_group(static_cast<std::uint32_t>(cursor.position),
                   [&](auto&&... entry) { shown += visit(entry...) ? 1 : 0; });
    if (++cursor.position >= in.groups())
      cursor.position = end;
  }
}

bool has_expired(std::int64_t expires) noexcept {
  return expires != 0 && expires <= unix_time_ms();
}

} // namespace

errc inline_scan(store_impl::inline_table& in, scan_cursor& cursor,
                 std::size_t count,
                 const std::function<void(const scan_entry&)>& visit,
                 bool with_values) {
  walk(in, cursor, count,
       [&](const auto& at, std::uint64_t, std::string_view key,
           std::string_view value, std::int64_t expires, bool intact) {
         if (has_expired(expires) || (with_values && !intact))
           return false;
         visit({key, with_values ? value : "", inline_info(in, at, expires)});
         return true;
       });
  return in.stands() ? errc::ok : errc::bad_namespace;
}

errc inline_sweep(store_impl& impl, store_impl::inline_table& in,
                  scan_cursor& cursor, std::size_t count,
                  std::size_t& removed) {
  auto* self = impl.self();
  if (self == nullptr)
    return errc::too_many;
  std::vector<std::string> expired;
  walk(in, cursor, count,
       [&](const auto&, std::uint64_t, std::string_view key, std::string_view,
           std::int64_t expires, bool) {
         if (has_expired(expires))
           expired.emplace_back(key);
         return true;
       });
  auto before = self->slot->expired.load(std::memory_order_relaxed);
  for (auto& key : expired)
    (void)in.erase_expired(*self, hash_key(in.ns(), key), key);
  removed = static_cast<std::size_t>(
    self->slot->expired.load(std::memory_order_relaxed) - before);
  return errc::ok;
}

errc inline_clear(store_impl& impl, store_impl::inline_table& in,
                  std::uint64_t& removed) {
  auto* self = impl.self();
  if (self == nullptr)
    return errc::too_many;
  return with_help(impl, [&] { return in.clear(*self, removed); });
}

std::uint64_t inline_verify(const store_impl::inline_table& in) {
  std::uint64_t damaged = 0;
  for (std::uint32_t group = 0; group < in.groups(); ++group)
    in.visit_group(group, [&](const auto&, std::uint64_t, std::string_view,
                              std::string_view, std::int64_t,
                              bool intact) { damaged += intact ? 0 : 1; });
  return damaged;
}

errc inline_remove_damaged(store_impl& impl, store_impl::inline_table& in) {
  auto* self = impl.self();
  if (self == nullptr)
    return errc::too_many;
  // By its place: its key may be what is damaged.
  for (std::uint32_t group = 0; group < in.groups(); ++group)
    for (unsigned round = 0; round < layout::records_per_group; ++round) {
      auto at = table::location{};
      std::uint64_t key_hash = 0;
      in.visit_group(group, [&](const auto& where, std::uint64_t hash,
                                std::string_view, std::string_view,
                                std::int64_t, bool intact) {
        if (!intact) {
          at = where;
          key_hash = hash;
        }
      });
      if (at.record == nullptr)
        break;
      if (auto removed = in.remove(*self, key_hash, at);
          removed != errc::ok && removed != errc::busy)
        return removed;
    }
  return errc::ok;
}

} // namespace neuroplex::memory::detail
