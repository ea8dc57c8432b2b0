// What a process' attachment does for shared contents: their namespaces, and
// the form in which a value is stored.
#include "memory/dedup.hpp"

#include "memory/store_impl.hpp"

namespace neuroplex::memory::detail {

// -- their namespaces ---------------------------------------------------------

/// The namespace that holds the contents of namespace `index`, found by what it
/// says of itself.
std::optional<unsigned> store_impl::contents_of(unsigned index) const noexcept {
  return first_namespace([index](auto word, const auto& record) {
    return layout::namespace_state_of(word) == layout::namespace_state::contents
           && record.contents.load(std::memory_order_relaxed) == index;
  });
}

/// Under the lock: gives namespace `index` one for its contents, if it has
/// none. Whoever dies over it leaves one that the next call finds.
expected<void> store_impl::make_contents(unsigned index,
                                         priority_class priority) {
  auto made = contents_of(index);
  if (!made && (made = claim_number(1))) {
    arena().name_record(*made).contents.store(static_cast<std::uint8_t>(index),
                                              std::memory_order_relaxed);
    open_number(*made, layout::namespace_state::contents);
  }
  if (!made)
    return failure{errc::namespace_full,
                   "shared values of namespace " + std::to_string(index)
                     + ": 256 namespaces exist, and they take one; drop one "
                       "first"};
  auto& record = arena().name_record(index);
  auto& contents = arena().name_record(*made);
  // Memory for a content is asked for in the name of the namespace.
  contents.priority_class.store(static_cast<std::uint8_t>(priority),
                                std::memory_order_relaxed);
  record.contents.store(static_cast<std::uint8_t>(*made),
                        std::memory_order_relaxed);
  record.storing.fetch_or(layout::storing_shared, std::memory_order_release);
  return {};
}

void store_impl::make_all_contents() {
  for (unsigned i = 0; i < limits::max_namespaces; ++i) {
    auto word =
      arena().control().namespace_states[i].load(std::memory_order_acquire);
    const auto& record = arena().name_record(i);
    if (layout::namespace_state_of(word) == layout::namespace_state::live
        && record.share_from.load(std::memory_order_relaxed) != 0)
      (void)make_contents(
        i, static_cast<priority_class>(
             record.priority_class.load(std::memory_order_relaxed)));
  }
}

void store_impl::count_shared(namespace_id ns, namespace_info& info) const {
  auto contents = contents_of(number(ns));
  if (!contents)
    return;
  const auto& record = arena().name_record(*contents);
  info.shared_entries = not_negative(record.references);
  info.shared_bytes = not_negative(record.referred_bytes);
  info.contents = not_negative(record.entries) / 2; // bytes and record of each
  info.content_block_bytes = not_negative(record.block_bytes);
  info.block_bytes += info.content_block_bytes;
}

// -- writing ------------------------------------------------------------------

errc store_impl::form_change(context& self, namespace_id ns,
                             std::string_view key,
                             std::optional<acquisition>& share,
                             std::array<std::string, 2>& buffers,
                             engine_type::change& change) {
  if (share)
    share->give_back(); // of an attempt that came to nothing
  auto& [joined, packed] = buffers;
  auto value = change.head;
  if (!change.tail.empty())
    value = joined.assign(change.head).append(change.tail);
  auto pack = [&](std::string_view plain, std::string& to) {
    return packing_.pack(number(ns), compression(ns), plain, to);
  };
  auto contents = engine_.contents().contents_of(number(ns));
  auto from = share_from(ns);
  if (contents.known && from != 0 && value.size() >= from) {
    if (!share)
      share.emplace(engine_, self, number(ns), contents);
    auto acquired = share->acquire(value, pack);
    if (acquired == errc::ok) {
      change.head = share->bytes();
      change.tail = {};
      change.form = layout::flag_refers;
    } else if (acquired != errc::not_found) {
      return acquired;
    }
  }
  if (change.form == 0 && pack(value, packed)) {
    change.head = packed;
    change.tail = {};
    change.form = layout::flag_packed;
  }
  if (contents.known && self.quota_bytes != 0) {
    // What is evicted may free contents, so that the quota of the entries is
    // known afterwards. Whether it suffices, the write itself decides.
    auto bytes = sizeof(layout::block_header<native_sync>)
                 + sizeof change.expires_at_ms + key.size() + change.head.size()
                 + change.tail.size();
    (void)engine_.make_room_in_quota(self, number(ns), contents.ns,
                                     engine_.block_bytes(bytes));
    self.quota_bytes = deduplicator{engine_}.quota_beside(number(ns), contents);
  }
  return errc::ok;
}

errc store_impl::put_in_form(context& self, std::uint64_t hash, namespace_id ns,
                             std::string_view key, std::string_view value,
                             std::int64_t expires, condition when) {
  std::optional<acquisition> share;
  std::array<std::string, 2> buffers;
  engine_type::change change;
  change.head = value;
  if (auto formed = form_change(self, ns, key, share, buffers, change);
      formed != errc::ok)
    return formed;
  auto answer = engine_.put(view_far_from(&hash), self, hash, number(ns), key,
                            change.head, expires, when, change.form);
  if (answer == errc::ok && share)
    share->commit();
  return answer;
}

errc store_impl::put_stored(context& self, std::uint64_t hash, namespace_id ns,
                            std::string_view key, std::string_view stored,
                            std::uint8_t form, std::int64_t expires,
                            condition when) {
  if (!engine_.contents().contents_of(number(ns)).known)
    return engine_.put(view_far_from(&hash), self, hash, number(ns), key,
                       stored, expires, when, form);
  if (form == 0)
    return put_in_form(self, hash, ns, key, stored, expires, when);
  std::string plain;
  auto read = plain_value(ns, stored, form, plain);
  return read == errc::ok
           ? put_in_form(self, hash, ns, key, plain, expires, when)
           : read;
}

// -- reading ------------------------------------------------------------------

errc store_impl::plain_value(namespace_id ns, std::string_view stored,
                             std::uint8_t form, std::string& plain) {
  if (form == layout::flag_packed)
    return unpack(stored, shape().max_value_bytes, plain) ? errc::ok
                                                          : errc::corrupt;
  shared_reference reference;
  if (form != layout::flag_refers || !shared_reference::read(stored, reference))
    return errc::corrupt;
  return deduplicator{engine_}.read(number(ns), reference, plain);
}

/// Puts the content that a pinned entry refers to in its place. not_found: the
/// entry has changed.
errc store_impl::pin_content(context& mine, namespace_id ns, value_view& result,
                             std::uint8_t& form) {
  shared_reference reference;
  auto version = result.version_;
  auto whole = shared_reference::read(result.bytes_, reference);
  result.release();
  if (!whole)
    return errc::corrupt;
  for (auto& pin : mine.slot->pins) {
    if (pin.load(std::memory_order_relaxed) != 0)
      continue;
    auto pinned = deduplicator{engine_}.pin(
      number(ns), reference, pin, [&](const auto& where) {
        result.hazard_ = &pin;
        result.bytes_ = {reinterpret_cast<const char*>(where.payload())
                           + where.fields.key_bytes(),
                         where.fields.value_bytes};
        form = where.fields.form();
      });
    result.version_ = version;
    return pinned;
  }
  return errc::too_many;
}

} // namespace neuroplex::memory::detail
