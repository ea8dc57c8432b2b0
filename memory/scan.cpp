// Operations that walk the index: scan, sweep of expired entries, clear,
// verification.
#include "memory/inline_store.hpp"
#include "memory/store.hpp"
#include "memory/store_impl.hpp"

#include <algorithm>

namespace neuroplex::memory {

using detail::number;
using detail::store_impl;

namespace {

/// Lines one call looks at for each entry asked for, so that a call over an
/// almost empty table ends soon.
constexpr std::size_t lines_a_call = 256;
constexpr std::size_t lines_an_entry = 4;

/// What a walker made of an entry: shown, left out, or changed under its eyes.
enum class glance { shown, left_out, changed };

/// Walks home lines from the cursor on, calling `visit(at, location, hash,
/// key)` for each live entry of `ns` whose home the line is, until about
/// `count` were shown.
template <class Visit>
void walk(store_impl& impl, std::uint8_t ns, scan_cursor& cursor,
          std::size_t count, Visit&& visit) {
  std::string key;
  std::size_t shown = 0;
  auto lines_left = lines_a_call + count * lines_an_entry;
  constexpr std::uint64_t fraction_end = std::uint64_t{1} << 32;
  if (cursor.position >= fraction_end)
    cursor.position = ~std::uint64_t{0};
  while (!cursor.done() && shown < std::max<std::size_t>(count, 1)
         && lines_left-- > 0) {
    const auto& index = impl.engine().index();
    auto at = index.home_of(cursor.position << 32);
    auto lines = impl.shape().lines(at.level);
    std::size_t on_line = 0;
    index.visit_line(at, [&](const auto& where) {
      if (where.fields.ns() != ns)
        return true;
      key.resize(where.fields.key_bytes());
      native_sync::read(key.data(), where.payload(), key.size());
      auto hash = hash_key(ns, key);
      if (!index.unchanged(at, where))
        return false;
      if (line_of(hash, lines) != at.line)
        return true;
      auto seen = visit(at, where, hash, std::string_view{key});
      if (seen == glance::shown)
        ++on_line;
      return seen != glance::changed;
    });
    // Carried over in the middle: the line is shown again in its new place.
    if (!index.still_home(at))
      continue;
    shown += on_line;
    cursor.position = store_impl::position_after(at.line, lines);
  }
}

} // namespace

errc store::scan(namespace_id ns, scan_cursor& cursor, std::size_t count,
                 const std::function<void(const scan_entry&)>& visit,
                 bool with_values) const {
  if (auto state = impl_->usable(); state != errc::ok)
    return state;
  if (auto* table = impl_->inline_table_of(ns))
    return detail::inline_scan(*table, cursor, count, visit, with_values);
  std::string value;
  std::string plain;
  walk(*impl_, number(ns), cursor, count,
       [&](const home& at, const auto& where, std::uint64_t hash,
           std::string_view key) {
         auto expires = impl_->engine().expiry_of(where);
         if (with_values) {
           value.resize(where.fields.value_bytes);
           native_sync::read(value.data(), where.payload() + key.size(),
                             value.size());
         }
         if (!impl_->engine().index().unchanged(at, where))
           return glance::changed;
         if (expires != 0 && expires <= unix_time_ms())
           return glance::left_out;
         if (with_values
             && !store_impl::engine_type::intact(hash, where, expires, value))
           return glance::left_out;
         if (with_values && where.fields.form() != 0) {
           auto read =
             impl_->plain_value(ns, value, where.fields.form(), plain);
           if (read != errc::ok)
             return impl_->engine().index().unchanged(at, where)
                      ? glance::left_out
                      : glance::changed;
           value.swap(plain);
         }
         visit({key, with_values ? std::string_view{value} : "",
                impl_->info_of(where, expires)});
         return glance::shown;
       });
  return errc::ok;
}

errc store::sweep_expired(namespace_id ns, scan_cursor& cursor,
                          std::size_t count, std::size_t& removed) {
  store_impl::context* self = nullptr;
  if (auto state = impl_->begin_write(ns, self); state != errc::ok) {
    auto* table = impl_->inline_table_of(ns);
    return state == errc::bad_namespace && table != nullptr
             ? detail::inline_sweep(*impl_, *table, cursor, count, removed)
             : state;
  }
  std::vector<std::string> expired;
  walk(
    *impl_, number(ns), cursor, count,
    [&](const home&, const auto& where, std::uint64_t, std::string_view key) {
      // Looked at again when it is removed.
      auto expires = impl_->engine().expiry_of(where);
      if (expires != 0 && expires <= unix_time_ms())
        expired.emplace_back(key);
      return glance::shown;
    });
  auto before = self->slot->expired.load(std::memory_order_relaxed);
  for (auto& key : expired)
    (void)impl_->engine().erase_expired(*self, hash_key(number(ns), key),
                                        number(ns), key);
  removed = static_cast<std::size_t>(
    self->slot->expired.load(std::memory_order_relaxed) - before);
  return errc::ok;
}

errc store::clear(namespace_id ns, std::uint64_t& removed) {
  removed = 0;
  store_impl::context* self = nullptr;
  if (auto state = impl_->begin_write(ns, self); state != errc::ok) {
    auto* table = impl_->inline_table_of(ns);
    return state == errc::bad_namespace && table != nullptr
             ? detail::inline_clear(*impl_, *table, removed)
             : state;
  }
  return impl_->clear(ns, removed);
}

expected<std::uint64_t> store::verify() const {
  if (auto state = impl_->usable(); state != errc::ok)
    return state;
  std::uint64_t damaged = 0;
  std::string value;
  std::string plain;
  for (unsigned ns = 0; ns < limits::max_namespaces; ++ns) {
    auto word = impl_->arena().control().namespace_states[ns].load(
      std::memory_order_acquire);
    if (!layout::is_live(word))
      continue;
    auto id = static_cast<std::uint8_t>(ns);
    if (auto* table = impl_->inline_table_of(namespace_id{id})) {
      damaged += detail::inline_verify(*table);
      continue;
    }
    scan_cursor cursor;
    while (!cursor.done())
      walk(*impl_, id, cursor, 1024,
           [&](const home& at, const auto& where, std::uint64_t hash,
               std::string_view key) {
             auto expires = impl_->engine().expiry_of(where);
             value.resize(where.fields.value_bytes);
             native_sync::read(value.data(), where.payload() + key.size(),
                               value.size());
             if (!impl_->engine().index().unchanged(at, where))
               return glance::changed;
             auto form = where.fields.form();
             if (!store_impl::engine_type::intact(hash, where, expires, value)
                 || (form != 0
                     && impl_->plain_value(namespace_id{id}, value, form, plain)
                          != errc::ok)) {
               // Unless it was erased, and its content with it.
               if (!impl_->engine().index().unchanged(at, where))
                 return glance::changed;
               ++damaged;
             }
             return glance::shown;
           });
  }
  return damaged;
}

} // namespace neuroplex::memory
