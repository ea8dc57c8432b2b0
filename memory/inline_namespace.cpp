#include "memory/inline_namespace.hpp"

#include "memory/inline_store.hpp"

#include <algorithm>
#include <array>

namespace neuroplex::memory {

using detail::store_impl;

namespace {

using table = store_impl::inline_table;

/// Reads into `to`, by words where the key is short.
NEUROPLEX_INLINE errc read_value(const table& in, std::uint64_t hash,
                                 std::string_view key, char* to,
                                 std::int64_t& expires, table::location& at) {
  if (short_key::fits(key.size())) [[likely]]
    return in.read(hash, short_key{key}, to, expires, at);
  return in.read(hash, key, to, expires, at);
}

NEUROPLEX_INLINE void count(store_impl& impl, errc answer) {
  auto& recent = store_impl::last_used;
  if (answer == errc::ok && recent.store_id == impl.id()) [[likely]]
    bump(*recent.reads, 1U);
  else
    impl.count_read(answer);
}

} // namespace

namespace detail {

errc inline_get(store_impl& impl, const store_impl::inline_table& in,
                std::string_view key, char* to, entry_info* info) {
  if (key.size() != in.shape().key_bytes)
    return errc::key_size;
  auto hash = hash_key(in.ns(), key);
  in.prefetch_preferred(hash);
  std::int64_t expires = 0;
  table::location at;
  auto answer = read_value(in, hash, key, to, expires, at);
  if (info != nullptr && answer == errc::ok)
    *info = inline_info(in, at, expires);
  if (to != nullptr)
    count(impl, answer);
  return answer;
}

entry_info inline_info(const store_impl::inline_table& in,
                       const store_impl::inline_table::location& at,
                       std::int64_t expires) {
  entry_info result;
  result.version = in.token_of(at);
  result.expires_at_ms = expires;
  result.value_bytes = in.shape().value_bytes;
  result.block_bytes = static_cast<std::uint32_t>(in.shape().record_bytes());
  return result;
}

errc check_inline_write(store_impl& impl, const store_impl::inline_table& in,
                        std::string_view key, const set_options& options,
                        store_impl::context*& self) {
  if (auto state = impl.usable(); state != errc::ok) [[unlikely]]
    return state;
  if (impl.mode() == access_mode::read_only) [[unlikely]]
    return errc::read_only;
  if (key.size() != in.shape().key_bytes) [[unlikely]]
    return errc::key_size;
  if (options.ttl_ms != 0
      && (options.ttl_ms < 0 || options.ttl_ms > limits::max_ttl_ms
          || options.keep_ttl || in.shape().has_expiry == 0)) [[unlikely]]
    return errc::bad_ttl;
  self = impl.self();
  return self == nullptr ? errc::too_many : errc::ok;
}

errc inline_put(store_impl& impl, store_impl::inline_table& in,
                std::string_view key, std::string_view value,
                const set_options& options, condition when) {
  store_impl::context* self = nullptr;
  if (auto bad = check_inline_write(impl, in, key, options, self);
      bad != errc::ok) [[unlikely]]
    return bad;
  if (value.size() != in.shape().value_bytes) [[unlikely]]
    return errc::value_size;
  auto hash = hash_key(in.ns(), key);
  if (options.keep_ttl && in.shape().has_expiry != 0) [[unlikely]]
    return inline_change(
      impl, in, key, options,
      [&](const std::string* present, std::int64_t expires, version_token,
          auto& change) {
        if (when == condition::if_absent && present != nullptr)
          return errc::exists;
        if (when == condition::if_present && present == nullptr)
          return errc::not_found;
        change.head = value;
        change.expires_at_ms = expires;
        return errc::ok;
      });
  auto expires = options.ttl_ms != 0 ? unix_time_ms() + options.ttl_ms : 0;
  in.prefetch_preferred(hash);
  in.prefetch_free(*self, hash);
  return with_help(
    impl, [&] { return in.put(*self, hash, key, value, expires, when); });
}

errc load_entry(store_impl& impl, std::uint8_t ns, std::uint64_t hash,
                std::string_view key, std::string_view value,
                std::int64_t expires, std::uint8_t form, condition when) {
  store_impl::context* self = nullptr;
  auto* in = impl.inline_table_of(namespace_id{ns});
  if (in == nullptr) {
    if (auto state = impl.begin_write(namespace_id{ns}, self);
        state != errc::ok)
      return state;
    if (value.size() > impl.shape().max_value_bytes)
      return errc::value_size;
    return impl.put_stored(*self, hash, namespace_id{ns}, key, value, form,
                           expires, when);
  }
  if (auto bad = check_inline_write(impl, *in, key, {}, self); bad != errc::ok)
    return bad;
  if (value.size() != in->shape().value_bytes || form != 0)
    return errc::value_size;
  if (expires != 0 && in->shape().has_expiry == 0)
    return errc::bad_ttl;
  return in->put(*self, hash, key, value, expires, when);
}

errc inline_erase(store_impl& impl, store_impl::inline_table& in,
                  std::string_view key) {
  store_impl::context* self = nullptr;
  if (auto bad = check_inline_write(impl, in, key, {}, self); bad != errc::ok)
    return bad;
  auto hash = hash_key(in.ns(), key);
  in.prefetch_preferred(hash);
  return with_help(impl, [&] { return in.erase(*self, hash, key); });
}

namespace {

/// Runs `work(i)` over a batch: in each wave first all tags are asked for, then
/// `ask(hash)` asks for what they name, then the work is done.
template <class KeyOf, class Ask, class Work>
void in_inline_waves(const table& in, std::size_t count, KeyOf&& key_of,
                     Ask&& ask, Work&& work) {
  std::array<std::uint64_t, limits::batch_wave> hashes{};
  for (std::size_t begin = 0; begin < count; begin += hashes.size()) {
    auto size = std::min(hashes.size(), count - begin);
    for (std::size_t i = 0; i < size; ++i) {
      hashes[i] = hash_key(in.ns(), key_of(begin + i));
      in.prefetch(hashes[i]);
    }
    for (std::size_t i = 0; i < size; ++i)
      ask(hashes[i]);
    for (std::size_t i = 0; i < size; ++i)
      work(begin + i, hashes[i]);
  }
}

} // namespace

errc inline_get_many(store_impl& impl, const store_impl::inline_table& in,
                     std::span<get_request> requests) {
  if (auto state = impl.usable(); state != errc::ok)
    return state;
  auto result = errc::ok;
  in_inline_waves(
    in, requests.size(), [&](std::size_t i) { return requests[i].key; },
    [&](std::uint64_t hash) { in.prefetch_found(hash); },
    [&](std::size_t i, std::uint64_t hash) {
      auto& request = requests[i];
      if (request.key.size() != in.shape().key_bytes) {
        request.status = errc::key_size;
      } else {
        if (request.value.size() != in.shape().value_bytes)
          request.value.resize(in.shape().value_bytes);
        std::int64_t expires = 0;
        table::location at;
        request.status =
          read_value(in, hash, request.key, request.value.data(), expires, at);
        count(impl, request.status);
      }
      if (request.status != errc::ok && request.status != errc::not_found)
        result = request.status;
    });
  return result;
}

errc inline_set_many(store_impl& impl, store_impl::inline_table& in,
                     std::span<set_request> requests) {
  if (auto state = impl.usable(); state != errc::ok)
    return state;
  if (impl.mode() == access_mode::read_only)
    return errc::read_only;
  auto* self = impl.self();
  if (self == nullptr)
    return errc::too_many;
  auto result = errc::ok;
  in_inline_waves(
    in, requests.size(), [&](std::size_t i) { return requests[i].key; },
    [&](std::uint64_t hash) {
      in.prefetch_found(hash);
      in.prefetch_free(*self, hash);
    },
    [&](std::size_t i, std::uint64_t) {
      auto& request = requests[i];
      request.status = inline_put(impl, in, request.key, request.value,
                                  request.options, condition::always);
      if (request.status != errc::ok)
        result = request.status;
    });
  return result;
}

} // namespace detail

namespace_id inline_namespace::id() const noexcept {
  return namespace_id{table_->ns()};
}

inline_options inline_namespace::options() const noexcept {
  return detail::options_of(table_->shape());
}

std::uint64_t inline_namespace::records() const noexcept {
  return std::uint64_t{table_->groups()} * layout::records_per_group;
}

std::uint64_t inline_namespace::table_bytes() const noexcept {
  return table_->shape().table_bytes();
}

errc inline_namespace::get(std::string_view key, std::span<char> value) const {
  if (auto state = impl_->usable(); state != errc::ok) [[unlikely]]
    return state;
  if (value.size() < table_->shape().value_bytes) [[unlikely]]
    return errc::value_size;
  return detail::inline_get(*impl_, *table_, key, value.data(), nullptr);
}

errc inline_namespace::get(std::string_view key, std::string& value) const {
  if (value.size() != table_->shape().value_bytes) [[unlikely]]
    value.resize(table_->shape().value_bytes);
  return get(key, std::span<char>{value});
}

bool inline_namespace::contains(std::string_view key) const {
  return impl_->usable() == errc::ok
         && detail::inline_get(*impl_, *table_, key, nullptr, nullptr)
              == errc::ok;
}

errc inline_namespace::set(std::string_view key, std::string_view value,
                           const set_options& options) {
  return detail::inline_put(*impl_, *table_, key, value, options,
                            condition::always);
}

errc inline_namespace::set_if_absent(std::string_view key,
                                     std::string_view value,
                                     const set_options& options) {
  return detail::inline_put(*impl_, *table_, key, value, options,
                            condition::if_absent);
}

errc inline_namespace::set_if_present(std::string_view key,
                                      std::string_view value,
                                      const set_options& options) {
  return detail::inline_put(*impl_, *table_, key, value, options,
                            condition::if_present);
}

errc inline_namespace::erase(std::string_view key) {
  return detail::inline_erase(*impl_, *table_, key);
}

errc inline_namespace::get_many(std::span<get_request> requests) const {
  return detail::inline_get_many(*impl_, *table_, requests);
}

errc inline_namespace::set_many(std::span<set_request> requests) {
  return detail::inline_set_many(*impl_, *table_, requests);
}

} // namespace neuroplex::memory
