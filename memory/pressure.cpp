// What callers see of memory pressure: the threshold, how full the pool is,
// pins, and eviction on request.
#include "memory/pinning.hpp"
#include "memory/store.hpp"
#include "memory/store_impl.hpp"

#include <algorithm>
#include <array>

namespace neuroplex::memory {

using detail::number;
using detail::store_impl;

namespace {

constexpr std::array<std::string_view, 4> class_names = {
  "general", "training", "inference", "critical"};

errc set_pinned(store_impl& impl, namespace_id ns, std::string_view key,
                stamp::pinning pins) {
  store_impl::context* self = nullptr;
  if (auto state = impl.begin_write(ns, self); state != errc::ok)
    return state == errc::bad_namespace && impl.inline_table_of(ns) != nullptr
             ? errc::wrong_type
             : state;
  if (key.empty())
    return errc::bad_key;
  if (key.size() > limits::max_key_bytes)
    return errc::key_size;
  return detail::set_pinned(impl, *self, ns, key, pins);
}

} // namespace

errc detail::set_pinned(store_impl& impl, store_impl::context& self,
                        namespace_id ns, std::string_view key,
                        stamp::pinning pins,
                        std::optional<version_token> only) {
  std::optional<store_impl::acquisition> share;
  missing_content missing;
  auto done = impl.engine().modify(
    self, hash_key(number(ns), key), number(ns), key,
    [&](const std::string* present, std::int64_t expires, version_token version,
        auto& change) {
      if (present == nullptr)
        return errc::not_found;
      if (only && version != *only)
        return errc::mismatch;
      if (share)
        share->give_back();
      // The copy refers to what the entry refers to.
      if (change.form == layout::flag_refers) {
        if (!share)
          share.emplace(impl.engine(), self, number(ns),
                        impl.engine().contents().contents_of(number(ns)));
        auto answer = share->acquire_again(*present);
        if (answer == errc::not_found)
          return missing.look_again(version) ? errc::busy : errc::corrupt;
        if (answer != errc::ok)
          return answer;
      }
      change.head = *present;
      change.expires_at_ms = expires;
      change.pins = pins;
      return errc::ok;
    });
  if (done == errc::ok && share)
    share->commit();
  return done;
}

std::string_view to_string(priority_class which) noexcept {
  auto index = static_cast<std::size_t>(which);
  return index < class_names.size() ? class_names[index] : "unknown";
}

std::optional<priority_class>
parse_priority_class(std::string_view name) noexcept {
  auto found = std::find(class_names.begin(), class_names.end(), name);
  if (found == class_names.end())
    return std::nullopt;
  return static_cast<priority_class>(found - class_names.begin());
}

errc store::pin(namespace_id ns, std::string_view key) {
  return set_pinned(*impl_, ns, key, stamp::pinning::pin);
}

errc store::unpin(namespace_id ns, std::string_view key) {
  return set_pinned(*impl_, ns, key, stamp::pinning::unpin);
}

expected<void> store::set_eviction_percent(std::uint32_t percent) {
  if (auto state = impl_->usable(); state != errc::ok)
    return state;
  if (impl_->mode() == access_mode::read_only)
    return errc::read_only;
  if (percent == 0 || percent > 100)
    return failure{errc::config, "eviction from " + std::to_string(percent)
                                   + " percent on: 1 to 100 are allowed"};
  impl_->arena().control().eviction_percent.store(percent,
                                                  std::memory_order_relaxed);
  return {};
}

std::uint32_t store::eviction_percent() const {
  return impl_->usable() == errc::ok
           ? impl_->engine().evictor().threshold_percent()
           : default_eviction_percent;
}

double store::pressure() const {
  if (impl_->usable() != errc::ok)
    return 0;
  auto evictor = impl_->engine().evictor();
  return static_cast<double>(evictor.live_bytes())
         / static_cast<double>(evictor.pool_bytes());
}

errc store::relieve_pressure(std::size_t most, std::size_t& evicted) {
  evicted = 0;
  if (auto state = impl_->usable(); state != errc::ok)
    return state;
  if (impl_->mode() == access_mode::read_only)
    return errc::read_only;
  auto* self = impl_->self();
  if (self == nullptr)
    return errc::too_many;
  while (evicted < most && impl_->engine().evictor().above_threshold()) {
    auto batch = static_cast<unsigned>(
      std::min<std::size_t>(most - evicted, limits::eviction_batch));
    auto given = impl_->engine().evict(*self, batch);
    if (given == 0)
      break;
    evicted += given;
  }
  // What was given up is for everybody.
  impl_->engine().pool().flush(*self);
  return errc::ok;
}

} // namespace neuroplex::memory
