// Operations of the store on single entries and batches: checks of arguments,
// then the engine.
#include "memory/inline_store.hpp"
#include "memory/store.hpp"
#include "memory/store_impl.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace neuroplex::memory {

using detail::number;
using detail::store_impl;

namespace {

using context = store_impl::context;
using block_header = layout::block_header<native_sync>;

errc check_key(std::string_view key) noexcept {
  if (key.empty()) [[unlikely]]
    return errc::bad_key;
  if (key.size() > limits::max_key_bytes) [[unlikely]]
    return errc::key_size;
  return errc::ok;
}

errc check_options(const set_options& options) noexcept {
  if (options.ttl_ms == 0) [[likely]]
    return errc::ok;
  if (options.ttl_ms < 0 || options.ttl_ms > limits::max_ttl_ms
      || options.keep_ttl)
    return errc::bad_ttl;
  return errc::ok;
}

/// What every write checks before it starts; hands out the thread's context.
errc check_write(store_impl& impl, namespace_id ns, std::string_view key,
                 std::size_t value_bytes, const set_options& options,
                 context*& self) {
  if (auto state = impl.begin_write(ns, self); state != errc::ok) [[unlikely]]
    return state;
  if (auto bad = check_key(key); bad != errc::ok) [[unlikely]]
    return bad;
  if (value_bytes > impl.shape().max_value_bytes) [[unlikely]]
    return errc::value_size;
  return check_options(options);
}

/// The expiry of what a write stores in place of `present`, which expires at
/// `expires`, or of nothing.
std::int64_t new_expiry(const store_impl& impl, namespace_id ns,
                        const set_options& options,
                        const std::string* present = nullptr,
                        std::int64_t expires = 0) {
  if (options.keep_ttl && present != nullptr)
    return expires;
  auto ttl = options.ttl_ms != 0 ? options.ttl_ms : impl.default_ttl_ms(ns);
  return ttl == 0 ? 0 : unix_time_ms() + ttl;
}

/// For a change that keeps the expiry of the entry it changes.
constexpr set_options keeping{.ttl_ms = 0, .keep_ttl = true};

/// Parses a decimal integer in its one canonical spelling.
bool parse_integer(std::string_view text, std::int64_t& value) {
  auto [end, error] =
    std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    return false;
  auto digits = text.substr(text.starts_with('-') ? 1 : 0);
  return text == "0" || digits.front() != '0';
}

/// Tells eviction that an entry was used that nobody used since the hand came
/// by; who may not write cannot tell.
[[gnu::noinline]] void note_use(const store_impl::recent& reader,
                                const basic_location<native_sync>& where) {
  if (reader.context != nullptr)
    store_impl::note_use(*reader.context, where);
}

/// Reads one entry in the usual case: a short value that does not expire, in a
/// target that has room for it. False says nothing, and `get_with_care` is to
/// be asked. Written out, because what a get costs on entries that are not in
/// the cache is decided by whether the next get fits into the processor's
/// window beside it.
template <class Key, class To>
NEUROPLEX_INLINE bool get_usual(const store_impl::lookup_view& view,
                                std::uint64_t hash, std::uint8_t ns,
                                const Key& key, const To& to) {
  using index = basic_index<native_sync>;
  auto& recent = store_impl::last_used;
  if (recent.store_id != view.store_id) [[unlikely]]
    return false;
  // Where the length is the expected one, what is done with it does not hang on
  // the block.
  auto expected = native_sync::opaque(recent.value_bytes);
  auto length = native_sync::opaque(recent.value_bytes);
  basic_location<native_sync> where;
  const auto* value = index::find_usual(
    view, hash, layout::make_entry_kind(key.size(), ns, 0), key, where);
  if (value == nullptr) [[unlikely]]
    return false;
  auto* header = reinterpret_cast<const std::byte*>(where.block);
  if (auto stored = native_sync::read_object<std::uint32_t>(
        header + offsetof(block_header, value_bytes));
      stored != expected) [[unlikely]] {
    if (stored > short_value_bytes)
      return false;
    recent.value_bytes = stored;
    length = stored;
  }
  if (!to.has_room(length)) [[unlikely]]
    return false;
  auto sum = read_short<native_sync>(to.data(), value, length,
                                     checksum_seed(hash, length, 0));
  if (sum
        != native_sync::read_object<std::uint32_t>(
          header + offsetof(block_header, checksum))
      || !index::unchanged(where)) [[unlikely]]
    return false;
  to.tell(length);
  bump(*recent.reads, 1U);
  if (!index::noted(where)) [[unlikely]]
    note_use(recent, where);
  return true;
}

/// The same for a value that is packed: its copy is judged, then unpacked.
template <class To>
[[gnu::noinline]] errc unpack_out(std::uint64_t hash,
                                  const basic_location<native_sync>& where,
                                  std::int64_t expires, const To& to) {
  std::string packed(where.fields.value_bytes, '\0');
  auto* value = where.payload() + where.fields.key_bytes();
  auto sum = read_summed<native_sync>(
    packed.data(), value, packed.size(),
    checksum_seed(hash, where.fields.length_and_form(), expires));
  if (sum != where.fields.checksum)
    return errc::corrupt;
  auto length = unpacked_bytes(packed);
  to.tell(length);
  if (!to.make_room(length))
    return errc::value_size;
  return unpack(packed, std::span{to.data(), length}) ? errc::ok
                                                      : errc::corrupt;
}

/// Copies what `where` names, judges the copy by its checksum, and tells of it.
template <class To>
errc copy_out(std::uint64_t hash, const basic_location<native_sync>& where,
              std::int64_t expires, const To& to) {
  if (where.fields.packed())
    return unpack_out(hash, where, expires, to);
  auto length = where.fields.value_bytes;
  to.tell(length);
  if (!to.make_room(length)) // too short a buffer, or scribbled over
    return errc::value_size;
  auto* value = where.payload() + where.fields.key_bytes();
  auto sum = read_summed<native_sync>(to.data(), value, length,
                                      checksum_seed(hash, length, expires));
  return sum == where.fields.checksum ? errc::ok : errc::corrupt;
}

/// Reads one entry of any kind. One that refers to a content is copied from
/// there; what is found there was its value when the reference stood.
template <class To>
errc read_any(store_impl& impl, std::uint64_t hash, std::uint8_t ns,
              std::string_view key, const To& to, entry_info* info) {
  for (missing_content missing;;) {
    shared_reference reference;
    bool refers = false;
    version_token seen{};
    auto answer = impl.engine().read(
      hash, ns, key, [&](const auto& where, std::int64_t expires) {
        if (info != nullptr)
          *info = impl.info_of(where, expires);
        if (auto* self = impl.self())
          store_impl::note_use(*self, where);
        refers = where.fields.refers();
        if (!refers) [[likely]]
          return copy_out(hash, where, expires, to);
        seen = impl.engine().token_of(where);
        return store_impl::deduplicator::reference_of(hash, where, expires,
                                                      reference);
      });
    if (answer != errc::ok || !refers) [[likely]]
      return answer;
    answer = store_impl::deduplicator{impl.engine()}.read(
      ns, reference, [&](const auto& where, std::uint64_t content_hash) {
        return copy_out(content_hash, where, 0, to);
      });
    if (answer != errc::not_found)
      return answer;
    if (!missing.look_again(seen))
      return errc::corrupt;
  }
}

/// A read in every case, with the checks of its arguments.
template <class To>
errc get_with_care(store_impl& impl, namespace_id ns, std::string_view key,
                   const To& to, entry_info* info = nullptr) {
  if (auto state = impl.usable(); state != errc::ok)
    return state;
  if (auto bad = check_key(key); bad != errc::ok)
    return bad;
  if (auto* table = impl.inline_table_of(ns)) [[unlikely]] {
    auto length = table->shape().value_bytes;
    to.tell(length);
    return to.make_room(length)
             ? detail::inline_get(impl, *table, key, to.data(), info)
             : errc::value_size;
  }
  auto hash = hash_key(number(ns), key);
  auto answer = errc::ok;
  if (info != nullptr || short_key::fits(key.size())
      || !get_usual(impl.view_far_from(&hash), hash, number(ns), key, to)) {
    answer = read_any(impl, hash, number(ns), key, to, info);
    impl.count_read(answer);
  }
  return answer;
}

/// A string that is made to fit. Resizing stores to an address that hangs on
/// the entry's length (see native_sync::read), so a string that fits is left
/// alone.
struct string_target {
  std::string* value;
  std::size_t most = 0;

  [[nodiscard]] bool has_room(std::size_t length) const {
    return value->size() == length;
  }

  [[nodiscard]] bool make_room(std::size_t length) const {
    if (length > most)
      return false;
    value->resize(length);
    return true;
  }

  [[nodiscard]] char* data() const {
    return value->data();
  }

  void tell(std::size_t) const {
  }
};

/// A buffer of the caller's, and where its length is told.
struct buffer_target {
  std::span<char> buffer;
  std::size_t* length;

  [[nodiscard]] bool has_room(std::size_t value_bytes) const {
    return value_bytes <= buffer.size();
  }

  [[nodiscard]] bool make_room(std::size_t value_bytes) const {
    return has_room(value_bytes);
  }

  [[nodiscard]] char* data() const {
    return buffer.data();
  }

  void tell(std::size_t value_bytes) const {
    *length = value_bytes;
  }
};

/// A get with all its arguments, put down in memory for the case that the usual
/// way does not do. So the processor's registers suffice for the usual one:
/// what it would have to put aside while the block is on its way, the first
/// loads of the next get would wait for wherever their addresses end alike.
template <class To>
struct get_order {
  store_impl* impl;
  namespace_id ns;
  std::string_view key;
  To to;
  entry_info* info;
};

template <class To>
[[gnu::noinline]] errc get_with_care(const get_order<To>& order) {
  return get_with_care(*order.impl, order.ns, order.key, order.to, order.info);
}

template <class To>
NEUROPLEX_INLINE errc get(store_impl* impl, namespace_id ns,
                          std::string_view key, const To& to,
                          entry_info* info) {
  get_order<To> order{impl, ns, key, to, info};
  native_sync::put_down(order);
  if (short_key::fits(key.size()) && info == nullptr) [[likely]] {
    short_key words{key};
    if (get_usual(impl->view_far_from(&order), hash_key(number(ns), words),
                  number(ns), words, to)) [[likely]]
      return errc::ok;
  }
  return get_with_care(order);
}

} // namespace

// -- reading ------------------------------------------------------------------

errc store::get(namespace_id ns, std::string_view key, std::string& value,
                entry_info* info) const {
  return memory::get(impl_.get(), ns, key,
                     string_target{&value, impl_->shape().max_value_bytes},
                     info);
}

errc store::get(namespace_id ns, std::string_view key, std::span<char> buffer,
                std::size_t& value_bytes) const {
  return memory::get(impl_.get(), ns, key, buffer_target{buffer, &value_bytes},
                     nullptr);
}

errc store::view(namespace_id ns, std::string_view key,
                 value_view& result) const {
  if (auto state = impl_->usable(); state != errc::ok) [[unlikely]]
    return state;
  if (impl_->mode() == access_mode::read_only)
    return errc::read_only;
  if (auto bad = check_key(key); bad != errc::ok) [[unlikely]]
    return bad;
  if (impl_->inline_table_of(ns) != nullptr)
    return errc::wrong_type;
  result.release();
  return impl_->view(hash_key(number(ns), key), ns, key, result);
}

bool store::contains(namespace_id ns, std::string_view key) const {
  entry_info ignored;
  return info(ns, key, ignored) == errc::ok;
}

errc store::info(namespace_id ns, std::string_view key,
                 entry_info& result) const {
  if (auto state = impl_->usable(); state != errc::ok) [[unlikely]]
    return state;
  if (auto bad = check_key(key); bad != errc::ok) [[unlikely]]
    return bad;
  if (auto* table = impl_->inline_table_of(ns)) [[unlikely]]
    return detail::inline_get(*impl_, *table, key, nullptr, &result);
  return impl_->engine().read(hash_key(number(ns), key), number(ns), key,
                              [&](const auto& where, std::int64_t expires) {
                                result = impl_->info_of(where, expires);
                                return errc::ok;
                              });
}

// -- writing ------------------------------------------------------------------

namespace {

/// The table of an inline namespace that the pool's way has refused.
store_impl::inline_table* refused_table(store_impl& impl, namespace_id ns,
                                        errc refusal) {
  return refusal == errc::bad_namespace ? impl.inline_table_of(ns) : nullptr;
}

/// Runs a change that depends on the present value; `decide` as in
/// basic_engine::modify, but for values as their writers gave them.
template <class Decide>
errc change_value(store_impl& impl, context& self, namespace_id ns,
                  std::string_view key, Decide&& decide) {
  std::string plain;
  std::array<std::string, 2> buffers;
  std::optional<store_impl::acquisition> share;
  missing_content missing;
  auto done = impl.engine().modify(
    self, hash_key(number(ns), key), number(ns), key,
    [&](const std::string* present, std::int64_t expires, version_token version,
        auto& change) {
      if (change.form != 0) {
        auto answer = impl.plain_value(ns, *present, change.form, plain);
        if (answer == errc::not_found)
          return missing.look_again(version) ? errc::busy : errc::corrupt;
        if (answer != errc::ok)
          return answer;
        present = &plain;
        change.form = 0;
      }
      auto answer = decide(present, expires, version, change);
      if (answer == errc::ok && !change.erase && !impl.stores_plainly(ns))
        answer = impl.form_change(self, ns, key, share, buffers, change);
      return answer;
    });
  if (done == errc::ok && share)
    share->commit();
  return done;
}

template <class Decide>
errc change_value(store_impl& impl, namespace_id ns, std::string_view key,
                  std::size_t value_bytes, const set_options& options,
                  Decide&& decide) {
  context* self = nullptr;
  if (auto bad = check_write(impl, ns, key, value_bytes, options, self);
      bad != errc::ok) [[unlikely]] {
    if (auto* table = refused_table(impl, ns, bad))
      return detail::inline_change(impl, *table, key, options, decide);
    return bad;
  }
  return change_value(impl, *self, ns, key, std::forward<Decide>(decide));
}

/// A set that depends on the present entry, or of a value that may be stored in
/// another form.
[[gnu::noinline]] errc store_with_care(store_impl& impl, context& self,
                                       namespace_id ns, std::string_view key,
                                       std::string_view value,
                                       const set_options& options,
                                       condition when) {
  if (!options.keep_ttl)
    return impl.put_in_form(self, hash_key(number(ns), key), ns, key, value,
                            new_expiry(impl, ns, options), when);
  return change_value(impl, self, ns, key,
                      [&](const std::string* present, std::int64_t expires,
                          version_token, auto& change) {
                        if (when == condition::if_absent && present != nullptr)
                          return errc::exists;
                        if (when == condition::if_present && present == nullptr)
                          return errc::not_found;
                        change.head = value;
                        change.expires_at_ms =
                          new_expiry(impl, ns, options, present, expires);
                        return errc::ok;
                      });
}

/// set in its three conditions. A kept expiry depends on the present entry.
NEUROPLEX_INLINE errc store_value(store_impl& impl, namespace_id ns,
                                  std::string_view key, std::string_view value,
                                  const set_options& options, condition when) {
  context* self = nullptr;
  if (auto bad = check_write(impl, ns, key, value.size(), options, self);
      bad != errc::ok) [[unlikely]] {
    if (auto* table = refused_table(impl, ns, bad))
      return detail::inline_put(impl, *table, key, value, options, when);
    return bad;
  }
  if (options.keep_ttl || !impl.stores_plainly(ns)) [[unlikely]]
    return store_with_care(impl, *self, ns, key, value, options, when);
  auto hash = hash_key(number(ns), key);
  return impl.engine().put(impl.view_far_from(&hash), *self, hash, number(ns),
                           key, value, new_expiry(impl, ns, options), when);
}
} // namespace

errc store::set(namespace_id ns, std::string_view key, std::string_view value,
                const set_options& options) {
  return store_value(*impl_, ns, key, value, options, condition::always);
}

errc store::set_if_absent(namespace_id ns, std::string_view key,
                          std::string_view value, const set_options& options) {
  return store_value(*impl_, ns, key, value, options, condition::if_absent);
}

errc store::set_if_present(namespace_id ns, std::string_view key,
                           std::string_view value, const set_options& options) {
  return store_value(*impl_, ns, key, value, options, condition::if_present);
}

errc store::exchange(namespace_id ns, std::string_view key,
                     std::string_view value, std::string& previous,
                     bool& had_previous, const set_options& options) {
  return change_value(*impl_, ns, key, value.size(), options,
                      [&](const std::string* present, std::int64_t expires,
                          version_token, auto& change) {
                        had_previous = present != nullptr;
                        if (had_previous)
                          previous = *present;
                        change.head = value;
                        change.expires_at_ms =
                          new_expiry(*impl_, ns, options, present, expires);
                        return errc::ok;
                      });
}

errc store::compare_and_swap(namespace_id ns, std::string_view key,
                             std::string_view expected_value,
                             std::string_view desired, std::string* actual,
                             const set_options& options) {
  return change_value(*impl_, ns, key, desired.size(), options,
                      [&](const std::string* present, std::int64_t expires,
                          version_token, auto& change) {
                        if (present == nullptr)
                          return errc::not_found;
                        if (*present != expected_value) {
                          if (actual != nullptr)
                            *actual = *present;
                          return errc::mismatch;
                        }
                        change.head = desired;
                        change.expires_at_ms =
                          new_expiry(*impl_, ns, options, present, expires);
                        return errc::ok;
                      });
}

errc store::compare_and_swap(namespace_id ns, std::string_view key,
                             version_token expected_version,
                             std::string_view desired, version_token* actual,
                             const set_options& options) {
  return change_value(*impl_, ns, key, desired.size(), options,
                      [&](const std::string* present, std::int64_t expires,
                          version_token version, auto& change) {
                        if (present == nullptr)
                          return errc::not_found;
                        if (version != expected_version) {
                          if (actual != nullptr)
                            *actual = version;
                          return errc::mismatch;
                        }
                        change.head = desired;
                        change.expires_at_ms =
                          new_expiry(*impl_, ns, options, present, expires);
                        return errc::ok;
                      });
}

errc store::increment(namespace_id ns, std::string_view key, std::int64_t delta,
                      std::int64_t& result) {
  std::array<char, 24> digits{};
  return change_value(
    *impl_, ns, key, 0, {},
    [&](const std::string* present, std::int64_t expires, version_token,
        auto& change) {
      std::int64_t value = 0;
      if (present != nullptr && !parse_integer(*present, value))
        return errc::not_integer;
      std::int64_t sum = 0;
      if (__builtin_add_overflow(value, delta, &sum))
        return errc::overflow;
      auto* end =
        std::to_chars(digits.data(), digits.data() + digits.size(), sum).ptr;
      change.head = {digits.data(),
                     static_cast<std::size_t>(end - digits.data())};
      change.expires_at_ms = new_expiry(*impl_, ns, keeping, present, expires);
      result = sum;
      return errc::ok;
    });
}

errc store::append(namespace_id ns, std::string_view key,
                   std::string_view suffix, std::size_t& value_bytes) {
  auto most = impl_->shape().max_value_bytes;
  return change_value(*impl_, ns, key, suffix.size(), {},
                      [&](const std::string* present, std::int64_t expires,
                          version_token, auto& change) {
                        if (present != nullptr)
                          change.head = *present;
                        change.tail = suffix;
                        change.expires_at_ms =
                          new_expiry(*impl_, ns, keeping, present, expires);
                        value_bytes = change.head.size() + suffix.size();
                        return value_bytes > most ? errc::value_size : errc::ok;
                      });
}

errc store::erase(namespace_id ns, std::string_view key) {
  context* self = nullptr;
  if (auto bad = check_write(*impl_, ns, key, 0, {}, self); bad != errc::ok)
    [[unlikely]] {
    if (auto* table = refused_table(*impl_, ns, bad))
      return detail::inline_erase(*impl_, *table, key);
    return bad;
  }
  return impl_->engine().erase(*self, hash_key(number(ns), key), number(ns),
                               key);
}

errc store::take(namespace_id ns, std::string_view key, std::string& value) {
  return change_value(
    *impl_, ns, key, 0, {},
    [&](const std::string* present, std::int64_t, version_token, auto& change) {
      if (present == nullptr)
        return errc::not_found;
      value = *present;
      change.erase = true;
      return errc::ok;
    });
}

errc store::expire(namespace_id ns, std::string_view key, std::int64_t ttl_ms) {
  if (ttl_ms <= 0 || ttl_ms > limits::max_ttl_ms)
    return errc::bad_ttl;
  return change_value(
    *impl_, ns, key, 0, {},
    [&](const std::string* present, std::int64_t, version_token, auto& change) {
      if (present == nullptr)
        return errc::not_found;
      change.head = *present;
      change.expires_at_ms = unix_time_ms() + ttl_ms;
      return errc::ok;
    });
}

errc store::persist(namespace_id ns, std::string_view key) {
  return change_value(*impl_, ns, key, 0, {},
                      [&](const std::string* present, std::int64_t expires,
                          version_token, auto& change) {
                        if (present == nullptr)
                          return errc::not_found;
                        if (expires == 0)
                          return errc::mismatch;
                        change.head = *present;
                        return errc::ok;
                      });
}

// -- batches ------------------------------------------------------------------

namespace {

/// Runs `work(i, hash)` over a batch: in each wave first all lines are asked
/// for, then all blocks, then the work is done on what has arrived. (To keep
/// the three going side by side, some keys apart, is slower by a fifth:
/// prefetches wait for one another in the few lines that a core can have on
/// their way.)
template <bool ToWrite, class KeyOf, class Work>
void in_waves(store_impl& impl, std::uint8_t ns, std::size_t count,
              KeyOf&& key_of, Work&& work) {
  std::array<std::uint64_t, limits::batch_wave> hashes{};
  const auto& index = impl.engine().index();
  for (std::size_t begin = 0; begin < count; begin += hashes.size()) {
    auto size = std::min(hashes.size(), count - begin);
    for (std::size_t i = 0; i < size; ++i) {
      hashes[i] = hash_key(ns, key_of(begin + i));
      if constexpr (ToWrite)
        index.prefetch_to_write(hashes[i]);
      else
        index.prefetch(hashes[i]);
    }
    for (std::size_t i = 0; i < size; ++i)
      index.prefetch_block(hashes[i]);
    for (std::size_t i = 0; i < size; ++i)
      work(begin + i, hashes[i]);
  }
}

} // namespace

errc store::get_many(namespace_id ns, std::span<get_request> requests) const {
  if (auto state = impl_->usable(); state != errc::ok)
    return state;
  if (auto* table = impl_->inline_table_of(ns)) [[unlikely]]
    return detail::inline_get_many(*impl_, *table, requests);
  auto most = impl_->shape().max_value_bytes;
  auto result = errc::ok;
  in_waves<false>(
    *impl_, number(ns), requests.size(),
    [&](std::size_t i) { return requests[i].key; },
    [&](std::size_t i, std::uint64_t hash) {
      auto& request = requests[i];
      string_target to{&request.value, most};
      if (!to.has_room(store_impl::last_used.value_bytes))
        request.value.resize(store_impl::last_used.value_bytes);
      request.status = short_key::fits(request.key.size())
                           && get_usual(impl_->view_far_from(&to), hash,
                                        number(ns), short_key{request.key}, to)
                         ? errc::ok
                         : get_with_care(*impl_, ns, request.key, to);
      if (request.status != errc::ok && request.status != errc::not_found)
        result = request.status;
    });
  return result;
}

errc store::set_many(namespace_id ns, std::span<set_request> requests) {
  context* self = nullptr;
  if (auto state = impl_->begin_write(ns, self); state != errc::ok) {
    if (auto* table = refused_table(*impl_, ns, state))
      return detail::inline_set_many(*impl_, *table, requests);
    return state;
  }
  auto result = errc::ok;
  auto plainly = impl_->stores_plainly(ns);
  in_waves<true>(
    *impl_, number(ns), requests.size(),
    [&](std::size_t i) { return requests[i].key; },
    [&](std::size_t i, std::uint64_t hash) {
      auto& request = requests[i];
      request.status = check_write(*impl_, ns, request.key,
                                   request.value.size(), request.options, self);
      if (request.status == errc::ok)
        request.status =
          request.options.keep_ttl || !plainly
            ? store_with_care(*impl_, *self, ns, request.key, request.value,
                              request.options, condition::always)
            : impl_->engine().put(impl_->view_far_from(&hash), *self, hash,
                                  number(ns), request.key, request.value,
                                  new_expiry(*impl_, ns, request.options),
                                  condition::always);
      if (request.status != errc::ok)
        result = request.status;
    });
  return result;
}

} // namespace neuroplex::memory
