// Writes of a tiered cache, and what brings them to the lower tier.
#include "memory/pinning.hpp"
#include "memory/tiered_impl.hpp"
#include "memory/unix_time.hpp"

#include <algorithm>
#include <vector>

namespace neuroplex::memory {

namespace {

/// How often an operation begins anew because others changed the key.
constexpr unsigned most_attempts = 1U << 10;

} // namespace

errc tiered_cache::impl::check(std::string_view key, std::size_t value_bytes,
                               context*& self) {
  if (auto bad = segment().begin_write(ns_, self); bad != errc::ok)
    return bad;
  if (key.empty())
    return errc::bad_key;
  if (key.size() > limits::max_key_bytes)
    return errc::key_size;
  return value_bytes > segment().shape().max_value_bytes ? errc::value_size
                                                         : errc::ok;
}

errc tiered_cache::impl::set(std::string_view key, std::string_view value,
                             const set_options& options) {
  if (below_ == nullptr)
    return segment_.set(ns_, key, value, options);
  context* self = nullptr;
  if (auto bad = check(key, value.size(), self); bad != errc::ok)
    return bad;
  if (options.keep_ttl)
    return errc::bad_argument;
  if (options.ttl_ms < 0 || options.ttl_ms > limits::max_ttl_ms)
    return errc::bad_ttl;
  auto ttl =
    options.ttl_ms != 0 ? options.ttl_ms : segment().default_ttl_ms(ns_);
  auto expires = ttl == 0 ? 0 : unix_time_ms() + ttl;
  return options_.writes == write_mode::through
           ? set_through(*self, key, value, expires)
           : set_back(*self, key, value, expires);
}

errc tiered_cache::impl::erase(std::string_view key) {
  if (below_ == nullptr) {
    auto answer = segment_.erase(ns_, key);
    return answer == errc::not_found ? errc::ok : answer;
  }
  context* self = nullptr;
  if (auto bad = check(key, 0, self); bad != errc::ok)
    return bad;
  if (options_.writes == write_mode::through)
    return erase_through(*self, key);
  // A flush of the key that is under way must not come after the erasure.
  if (!dirty_.hold_alone(key, new_deadline()))
    return errc::deadline;
  auto answer = erase_through(*self, key);
  dirty_.let_go(key, false);
  return answer;
}

// -- in step with the tier ----------------------------------------------------

std::optional<version_token>
tiered_cache::impl::stand_by(context& self, std::uint64_t hash,
                             std::string_view key) {
  auto ns = detail::number(ns_);
  for (unsigned attempt = 0; attempt < most_attempts; ++attempt) {
    auto seen = witness_.look(hash, ns, key);
    if (seen.is == witness::what::entry || seen.is == witness::what::marker)
      return seen.token;
    if (seen.is == witness::what::unclear)
      break;
    auto placed =
      witness_.place(segment().view_far_from(&seen), self, hash, ns, key);
    if (placed != errc::ok && placed != errc::exists)
      break;
  }
  return std::nullopt;
}

errc tiered_cache::impl::exchange(context& self, std::uint64_t hash,
                                  std::string_view key, version_token token,
                                  std::string_view value, std::int64_t expires,
                                  stamp::pinning pins) {
  std::string packed;
  auto form = segment().packing().pack(
                detail::number(ns_), segment().compression(ns_), value, packed)
                ? layout::flag_packed
                : std::uint8_t{0};
  return witness_.exchange(self, hash, detail::number(ns_), key, token,
                           form != 0 ? std::string_view{packed} : value,
                           expires, form, pins);
}

/// Leaves nothing of the key in the segment, whoever put it there. Then the
/// next read asks the tier.
errc tiered_cache::impl::empty(context& self, std::uint64_t hash,
                               std::string_view key) {
  auto answer = segment().engine().erase(self, hash, detail::number(ns_), key);
  // The tier has changed, and the segment may still say otherwise.
  return answer == errc::ok || answer == errc::not_found
           ? errc::ok
           : errc::unknown_outcome;
}

/// The tier first. Whoever changes the key in the segment meanwhile may have
/// done so before or after us in the tier: then the segment keeps nothing, and
/// the tier decides.
errc tiered_cache::impl::set_through(context& self, std::string_view key,
                                     std::string_view value,
                                     std::int64_t expires) {
  auto hash = hash_of(key);
  auto ns = detail::number(ns_);
  auto before = stand_by(self, hash, key);
  tier_put request{.key = key, .value = value, .expires_at_ms = expires};
  below_->put(space_, request, new_deadline());
  if (request.status == errc::unknown_outcome) {
    count(counter::unknown_outcomes);
    (void)empty(self, hash, key);
    return errc::unknown_outcome;
  }
  if (request.status != errc::ok) {
    count(counter::tier_failures);
    if (before && witness_.look(hash, ns, key).is == witness::what::marker)
      (void)witness_.remove(self, hash, ns, key, *before);
    return request.status;
  }
  if (before
      && exchange(self, hash, key, *before, value, expires, pins_in_step())
           == errc::ok)
    return errc::ok;
  return empty(self, hash, key);
}

errc tiered_cache::impl::erase_through(context& self, std::string_view key) {
  auto hash = hash_of(key);
  auto ns = detail::number(ns_);
  auto before = stand_by(self, hash, key);
  tier_erase request{.key = key};
  below_->erase(space_, request, new_deadline());
  if (request.status == errc::unknown_outcome) {
    count(counter::unknown_outcomes);
    // In write-back the segment decides; it may have what the tier never had.
    if (options_.writes == write_mode::through)
      (void)empty(self, hash, key);
    return errc::unknown_outcome;
  }
  if (request.status != errc::ok) {
    count(counter::tier_failures);
    if (before && witness_.look(hash, ns, key).is == witness::what::marker)
      (void)witness_.remove(self, hash, ns, key, *before);
    return request.status;
  }
  return erase_known(self, hash, key, before);
}

/// Ends an erasure that the tier has done.
errc tiered_cache::impl::erase_known(context& self, std::uint64_t hash,
                                     std::string_view key,
                                     std::optional<version_token> token) {
  if (token
      && witness_.remove(self, hash, detail::number(ns_), key, *token)
           == errc::ok)
    return errc::ok;
  return empty(self, hash, key);
}

// -- write-back ---------------------------------------------------------------

errc tiered_cache::impl::set_back(context& self, std::string_view key,
                                  std::string_view value,
                                  std::int64_t expires) {
  auto bytes = key.size() + value.size();
  if (!dirty_.hold(key, bytes)) {
    std::size_t taken = 0;
    std::size_t flushed = 0;
    (void)flush_batch(options_.tier_batch, taken, flushed);
    if (!dirty_.hold(key, bytes)) {
      count(counter::no_credit);
      return errc::busy;
    }
    // The flush was operations of this thread.
    context* again = nullptr;
    if (auto bad = segment().begin_write(ns_, again); bad != errc::ok) {
      dirty_.let_go(key, false);
      return bad;
    }
  }
  auto answer = store_pinned(self, key, value, expires);
  dirty_.let_go(key, answer == errc::ok);
  return answer;
}

/// Stores an entry that is pinned from its first moment on.
errc tiered_cache::impl::store_pinned(context& self, std::string_view key,
                                      std::string_view value,
                                      std::int64_t expires) {
  auto hash = hash_of(key);
  for (unsigned attempt = 0; attempt < most_attempts; ++attempt) {
    auto before = stand_by(self, hash, key);
    if (!before)
      return errc::no_space;
    auto answer =
      exchange(self, hash, key, *before, value, expires, stamp::pinning::pin);
    if (answer != errc::mismatch)
      return answer;
    native_sync::pause(attempt);
  }
  return errc::busy;
}

/// Leaves an entry to eviction again, if it is still the one that was flushed.
bool tiered_cache::impl::unpin(std::string_view key, version_token version) {
  context* self = nullptr;
  if (segment().begin_write(ns_, self) != errc::ok)
    return false;
  return detail::set_pinned(segment(), *self, ns_, key, stamp::pinning::unpin,
                            version)
         == errc::ok;
}

errc tiered_cache::impl::flush(std::size_t most, std::size_t& flushed) {
  flushed = 0;
  if (below_ == nullptr)
    return errc::ok;
  auto result = errc::ok;
  // What stays dirty goes to the end of the queue: each key once a call.
  auto left = std::min(most, dirty_.entries());
  while (left > 0) {
    std::size_t taken = 0;
    auto answer =
      flush_batch(std::min(left, options_.tier_batch), taken, flushed);
    if (answer != errc::ok)
      result = answer;
    if (taken == 0)
      break;
    left -= std::min(left, taken);
  }
  return result;
}

errc tiered_cache::impl::flush_batch(std::size_t most, std::size_t& taken,
                                     std::size_t& flushed) {
  struct item {
    std::string value;
    entry_info info;
    errc read = errc::internal;
  };
  auto work = dirty_.take(most);
  taken = work.size();
  std::vector<item> items(work.size());
  std::vector<tier_put> requests;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < work.size(); ++i) {
    items[i].read =
      segment_.get(ns_, work[i].key, items[i].value, &items[i].info);
    if (items[i].read != errc::ok)
      continue;
    requests.push_back({.key = work[i].key,
                        .value = items[i].value,
                        .expires_at_ms = items[i].info.expires_at_ms});
    places.push_back(i);
  }
  if (!requests.empty())
    below_->put_many(space_, requests, new_deadline());
  auto result = errc::ok;
  for (std::size_t r = 0; r < requests.size(); ++r) {
    auto i = places[r];
    items[i].read = requests[r].status;
    if (requests[r].status != errc::ok) {
      count(requests[r].status == errc::unknown_outcome
              ? counter::unknown_outcomes
              : counter::tier_failures);
      result = requests[r].status;
      continue;
    }
    ++flushed;
    count(counter::flushed);
    // Changed since: what it is now goes to the tier the next time.
    if (!unpin(work[i].key, items[i].info.version))
      items[i].read = errc::mismatch;
  }
  for (std::size_t i = 0; i < work.size(); ++i) {
    // What was erased or has expired needs no flush.
    auto done = items[i].read == errc::ok || items[i].read == errc::not_found;
    if (!done && result == errc::ok && items[i].read != errc::mismatch)
      result = items[i].read;
    dirty_.finish(work[i], done);
  }
  return result;
}

expected<std::size_t> tiered_cache::impl::adopt_dirty() {
  std::size_t found = 0;
  bool credit = true;
  for (scan_cursor cursor; !cursor.done() && credit;) {
    constexpr std::size_t step = 1024;
    auto answer = segment_.scan(
      ns_, cursor, step,
      [&](const scan_entry& entry) {
        if (!entry.info.pinned || !credit)
          return;
        credit =
          dirty_.adopt(entry.key, entry.key.size() + entry.info.value_bytes);
        found += credit ? 1 : 0;
      },
      false);
    if (answer != errc::ok)
      return answer;
  }
  if (!credit)
    return failure{errc::busy, "more dirty entries than there is credit for: "
                                 + std::to_string(found)
                                 + " adopted: flush and repeat"};
  return found;
}

} // namespace neuroplex::memory
