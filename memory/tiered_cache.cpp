// A tiered cache's face, and its reads.
#include "memory/tiered_cache.hpp"

#include "memory/inline_namespace.hpp"
#include "memory/tiered_impl.hpp"
#include "memory/unix_time.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace neuroplex::memory {

namespace {

/// How often a read begins anew because others changed the key meanwhile.
constexpr unsigned most_rounds = 16;

template <class Number>
expected<void> in_range(const char* name, Number value, Number least,
                        Number most) {
  if (value >= least && value <= most)
    return {};
  return failure{errc::config, std::string{name} + ": " + std::to_string(value)
                                 + ": " + std::to_string(least) + " to "
                                 + std::to_string(most) + " are allowed"};
}

void hand_over(const shared_value& from, std::string& to) {
  to.assign(*from);
}

void hand_over(const shared_value& from, shared_value& to) {
  to = from;
}

} // namespace

expected<void> tiered_options::validate() const {
  constexpr std::size_t gibibyte = std::size_t{1} << 30;
  constexpr std::size_t million = 1'000'000;
  constexpr std::uint32_t hour_ms = 3'600'000;
  if (auto bad = in_range("near_bytes", near_bytes, std::size_t{0}, gibibyte);
      !bad)
    return bad;
  if (auto bad = in_range("tier_timeout_ms", tier_timeout_ms, 1U, hour_ms);
      !bad)
    return bad;
  if (auto bad = in_range("absence_ttl_ms", absence_ttl_ms, std::int64_t{0},
                          std::int64_t{hour_ms});
      !bad)
    return bad;
  if (auto bad =
        in_range("most_absences", most_absences, std::size_t{0}, million);
      !bad)
    return bad;
  if (auto bad = in_range("most_dirty_entries", most_dirty_entries,
                          std::size_t{1}, million);
      !bad)
    return bad;
  if (auto bad = in_range("most_dirty_bytes", most_dirty_bytes,
                          std::uint64_t{1}, std::uint64_t{64} * gibibyte);
      !bad)
    return bad;
  return in_range("tier_batch", tier_batch, std::size_t{1}, std::size_t{4096});
}

// -- the face -----------------------------------------------------------------

tiered_cache::tiered_cache(std::unique_ptr<impl> made) noexcept
  : impl_{std::move(made)} {
}

tiered_cache::tiered_cache(tiered_cache&&) noexcept = default;
tiered_cache& tiered_cache::operator=(tiered_cache&&) noexcept = default;
tiered_cache::~tiered_cache() = default;

expected<tiered_cache> tiered_cache::make(store& segment,
                                          std::string_view space,
                                          lower_tier* below,
                                          const tiered_options& options) {
  if (auto good = options.validate(); !good)
    return good.error();
  // Who may not write can neither leave markers nor keep what he read.
  if (segment.mode() == access_mode::read_only)
    return errc::read_only;
  auto ns = segment.open_namespace(space);
  if (!ns)
    return ns.error();
  if (segment.inline_handle(*ns))
    return failure{errc::wrong_type,
                   "namespace '" + std::string{space}
                     + "': inline; its records keep no markers of what is "
                       "being read from below"};
  return tiered_cache{
    std::make_unique<impl>(segment, *ns, space, below, options)};
}

namespace_id tiered_cache::space() const noexcept {
  return impl_->space();
}

errc tiered_cache::get(std::string_view key, std::string& value) {
  return impl_->get(key, value);
}

errc tiered_cache::get(std::string_view key, shared_value& value) {
  return impl_->get(key, value);
}

errc tiered_cache::get_many(std::span<get_request> requests) {
  return impl_->get_many(requests);
}

errc tiered_cache::set(std::string_view key, std::string_view value,
                       const set_options& options) {
  return impl_->set(key, value, options);
}

errc tiered_cache::erase(std::string_view key) {
  return impl_->erase(key);
}

errc tiered_cache::flush(std::size_t most, std::size_t& flushed) {
  return impl_->flush(most, flushed);
}

expected<std::size_t> tiered_cache::adopt_dirty() {
  return impl_->adopt_dirty();
}

tiered_stats tiered_cache::stats() const {
  return impl_->stats();
}

// -- behind it ----------------------------------------------------------------

tiered_cache::impl::impl(store& segment, namespace_id ns,
                         std::string_view space, lower_tier* below,
                         const tiered_options& options)
  : segment_{segment}, ns_{ns}, space_{space}, below_{below}, options_{options},
    near_{options.near_bytes}, dirty_{{options.most_dirty_entries,
                                       options.most_dirty_bytes}},
    witness_{store_impl::of(segment).engine()} {
}

tier_deadline tiered_cache::impl::new_deadline() const {
  return std::chrono::steady_clock::now()
         + std::chrono::milliseconds{options_.tier_timeout_ms};
}

std::size_t tiered_cache::impl::least_near_bytes() const noexcept {
  return segment().compression(ns_) == compression_mode::off
           ? options_.near_least_value_bytes
           : std::min(options_.near_least_value_bytes,
                      value_packer::least_bytes);
}

tiered_stats tiered_cache::impl::stats() const {
  tiered_stats result;
  result.near_hits = count_of(counter::near_hits);
  result.near_stale = count_of(counter::near_stale);
  result.near_entries = near_.count();
  result.near_bytes = near_.bytes();
  result.segment_hits = count_of(counter::segment_hits);
  result.tier_hits = count_of(counter::tier_hits);
  result.misses = count_of(counter::misses);
  result.known_absences = count_of(counter::known_absences);
  result.joined = count_of(counter::joined);
  result.overtaken = count_of(counter::overtaken);
  result.tier_failures = count_of(counter::tier_failures);
  result.unknown_outcomes = count_of(counter::unknown_outcomes);
  result.flushed = count_of(counter::flushed);
  result.no_credit = count_of(counter::no_credit);
  result.in_flight = count_of(counter::in_flight);
  result.dirty_entries = dirty_.entries();
  result.dirty_bytes = dirty_.bytes();
  return result;
}

// -- the first two levels -----------------------------------------------------

template <class Value>
errc tiered_cache::impl::get(std::string_view key, Value& value) {
  // A key that cannot be is refused by the store.
  auto hash = key.empty() ? 0 : hash_of(key);
  shared_value copy;
  auto answer = errc::not_found;
  if (near_.may_have(hash)) {
    if (auto bad = segment().usable(); bad != errc::ok)
      return bad;
    switch (near_.find(hash, key, copy)) {
      case near_answer::hit:
        count(counter::near_hits);
        hand_over(copy, value);
        return errc::ok;
      case near_answer::stale:
        count(counter::near_stale);
        break;
      case near_answer::absent:
        break;
    }
  }
  if (options_.near_bytes != 0 && near_.welcome(hash)) {
    answer = take_near(hash, key, copy);
    if (answer == errc::ok)
      hand_over(copy, value);
  } else if constexpr (std::is_same_v<Value, std::string>) {
    answer = segment_.get(ns_, key, value);
    if (answer == errc::ok && value.size() >= least_near_bytes())
      near_.note_asked(hash);
  } else {
    auto fresh = std::make_shared<std::string>();
    answer = segment_.get(ns_, key, *fresh);
    if (answer == errc::ok && fresh->size() >= least_near_bytes())
      near_.note_asked(hash);
    value = std::move(fresh);
  }
  if (answer == errc::ok) {
    count(counter::segment_hits);
    return answer;
  }
  if (answer != errc::not_found || below_ == nullptr)
    return answer;
  answer = read_one_missing(key, copy);
  if (answer == errc::ok)
    hand_over(copy, value);
  return answer;
}

template errc tiered_cache::impl::get(std::string_view, std::string&);
template errc tiered_cache::impl::get(std::string_view, shared_value&);

/// Reads from the segment and keeps a copy.
errc tiered_cache::impl::take_near(std::uint64_t hash, std::string_view key,
                                   shared_value& value) {
  auto fresh = std::make_shared<std::string>();
  entry_info info;
  if (auto answer = segment_.get(ns_, key, *fresh, &info); answer != errc::ok)
    return answer;
  value = fresh;
  // The token names the publication that was copied: if it is still there, its
  // place is what the copy is to be held against.
  auto seen = witness_.look(hash, detail::number(ns_), key);
  if (seen.is == witness::what::entry && seen.token == info.version
      && seen.lasting && fresh->size() >= least_near_bytes())
    near_.put(hash, key, value, info.expires_at_ms, copy_origin{seen.where});
  return errc::ok;
}

errc tiered_cache::impl::get_many(std::span<get_request> requests) {
  auto result = segment_.get_many(ns_, requests);
  if (below_ == nullptr || (result != errc::ok && result != errc::not_found))
    return result;
  std::vector<missing> all;
  std::vector<std::size_t> places;
  std::uint64_t hits = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (requests[i].status == errc::ok)
      ++hits;
    if (requests[i].status != errc::not_found)
      continue;
    all.push_back({.key = requests[i].key, .hash = hash_of(requests[i].key)});
    places.push_back(i);
  }
  count(counter::segment_hits, hits);
  for (std::size_t begin = 0; begin < all.size(); begin += options_.tier_batch)
    read_missing(std::span{all}.subspan(
      begin, std::min(options_.tier_batch, all.size() - begin)));
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto& request = requests[places[i]];
    request.status = all[i].status;
    if (request.status == errc::ok)
      request.value = *all[i].value;
    else if (request.status != errc::not_found)
      result = request.status;
  }
  return result;
}

// -- the lower tier -----------------------------------------------------------

errc tiered_cache::impl::read_one_missing(std::string_view key,
                                          shared_value& value) {
  missing one{.key = key, .hash = hash_of(key)};
  read_missing({&one, 1});
  value = std::move(one.value);
  return one.status;
}

/// Reads of keys that the segment did not have, all of them answered at the
/// end. First the tier is asked for all that nobody asks for yet, then others
/// are waited for: so no two threads wait for each other.
void tiered_cache::impl::read_missing(std::span<missing> all) {
  auto deadline = new_deadline();
  for (unsigned round = 0; round < most_rounds; ++round) {
    auto last_round = round + 1 == most_rounds;
    bool open = false;
    for (auto& one : all)
      if (!one.answered && !prepare(one))
        open = true;
    if (!open)
      return;
    ask(all, last_round, deadline);
    for (auto& one : all)
      if (!one.answered && one.trip != nullptr && !one.leads)
        wait_for(one, deadline);
  }
  for (auto& one : all)
    if (!one.answered)
      one.status = errc::busy;
}

/// Looks into the segment again, and leaves a marker if the key is still not
/// there, or joins who did. True if that answers the read.
bool tiered_cache::impl::prepare(missing& one) {
  one.trip.reset();
  one.leads = false;
  one.token = {};
  auto done = [&](errc status) {
    one.status = status;
    one.answered = true;
    return true;
  };
  context* self = nullptr;
  if (auto bad = segment().begin_write(ns_, self); bad != errc::ok)
    return done(bad);
  auto ns = detail::number(ns_);
  for (unsigned attempt = 0; attempt < most_rounds; ++attempt) {
    auto seen = witness_.look(one.hash, ns, one.key);
    if (seen.is == witness::what::unclear)
      return done(errc::busy);
    if (seen.is == witness::what::entry) {
      auto fresh = std::make_shared<std::string>();
      auto answer = segment_.get(ns_, one.key, *fresh);
      if (answer == errc::not_found)
        continue;
      one.value = std::move(fresh);
      if (answer == errc::ok)
        count(counter::segment_hits);
      return done(answer);
    }
    if (seen.is == witness::what::marker) {
      if (seen.absent_until_ms > unix_time_ms()) {
        count(counter::known_absences);
        return done(errc::not_found);
      }
      one.token = seen.token;
      std::lock_guard guard{flights_mutex_};
      auto& place = flights_[std::string{one.key}];
      // A flight under another marker may have been overtaken by now.
      if (place == nullptr || place->token != seen.token) {
        place = std::make_shared<flight>();
        place->token = seen.token;
        one.leads = true;
      } else {
        count(counter::joined);
      }
      one.trip = place;
      return false;
    }
    // One reader of this process at a time: a marker has expired, so `place`
    // takes it for nothing, and two markers would make two flights.
    std::lock_guard guard{flights_mutex_};
    if (witness_.look(one.hash, ns, one.key).is != witness::what::nothing)
      continue;
    auto answer = witness_.place(segment().view_far_from(&seen), *self,
                                 one.hash, ns, one.key);
    if (answer != errc::ok && answer != errc::exists)
      return false; // no room: asks without
  }
  return false;
}

void tiered_cache::impl::ask(std::span<missing> all, bool last_round,
                             tier_deadline deadline) {
  std::vector<tier_get> requests;
  std::vector<missing*> askers;
  for (auto& one : all) {
    if (one.answered || (one.trip != nullptr && !one.leads))
      continue;
    requests.push_back({.key = one.key});
    askers.push_back(&one);
  }
  if (requests.empty())
    return;
  count(counter::in_flight, requests.size());
  below_->get_many(space_, requests, deadline);
  count(counter::in_flight, ~std::uint64_t{0} * requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i)
    conclude(*askers[i], requests[i], last_round);
}

/// Makes an answer of the tier that of a read, if it was not overtaken: the
/// read takes effect at the exchange of the marker.
void tiered_cache::impl::conclude(missing& one, tier_get& answer,
                                  bool last_round) {
  auto expired = answer.status == errc::ok && answer.expires_at_ms != 0
                 && answer.expires_at_ms <= unix_time_ms();
  one.status = expired ? errc::not_found : answer.status;
  auto kept = errc::ok;
  if (one.status == errc::ok)
    kept = keep(one, answer);
  else if (one.status == errc::not_found)
    kept = keep_absence(one);
  else
    count(counter::tier_failures);
  auto overtaken = kept == errc::mismatch;
  if (overtaken)
    count(counter::overtaken);
  one.answered = !overtaken || last_round;
  if (one.answered && one.status == errc::ok) {
    one.value = std::make_shared<std::string>(std::move(answer.value));
    count(counter::tier_hits);
  } else if (one.answered && one.status == errc::not_found) {
    count(counter::misses);
  }
  land(one, overtaken);
}

/// Stores what the tier answered in the place of the marker. mismatch: the
/// marker is gone.
errc tiered_cache::impl::keep(missing& one, const tier_get& answer) {
  context* self = nullptr;
  if (one.token == version_token{}
      || segment().begin_write(ns_, self) != errc::ok)
    return errc::ok;
  auto kept = answer.value.size() > segment().shape().max_value_bytes
                ? errc::value_size
                : exchange(*self, one.hash, one.key, one.token, answer.value,
                           answer.expires_at_ms, pins_in_step());
  if (kept == errc::ok || kept == errc::mismatch)
    return kept;
  // There is no room for it. Others who saw the same marker must not keep what
  // may be older.
  return witness_.remove(*self, one.hash, detail::number(ns_), one.key,
                         one.token);
}

errc tiered_cache::impl::keep_absence(missing& one) {
  context* self = nullptr;
  if (one.token == version_token{}
      || segment().begin_write(ns_, self) != errc::ok)
    return errc::ok;
  auto ns = detail::number(ns_);
  if (options_.absence_ttl_ms != 0 && options_.most_absences != 0) {
    auto kept =
      witness_.exchange_for_absence(*self, one.hash, ns, one.key, one.token,
                                    unix_time_ms() + options_.absence_ttl_ms);
    if (kept == errc::ok)
      remember_absence(one);
    if (kept == errc::ok || kept == errc::mismatch)
      return kept;
  }
  return witness_.remove(*self, one.hash, ns, one.key, one.token);
}

/// Tells those who joined a flight how it ended.
void tiered_cache::impl::land(missing& one, bool overtaken) {
  if (one.trip == nullptr)
    return;
  std::lock_guard guard{flights_mutex_};
  one.trip->done = true;
  one.trip->overtaken = overtaken;
  one.trip->status = one.status;
  one.trip->value = one.value;
  auto place = flights_.find(one.key);
  if (place != flights_.end() && place->second == one.trip)
    flights_.erase(place);
  landed_.notify_all();
}

void tiered_cache::impl::wait_for(missing& one, tier_deadline deadline) {
  std::unique_lock lock{flights_mutex_};
  auto& flight = *one.trip;
  if (!landed_.wait_until(lock, deadline, [&] { return flight.done; })) {
    one.status = errc::deadline;
    one.answered = true;
    return;
  }
  if (flight.overtaken)
    return;
  one.status = flight.status;
  one.value = flight.value;
  one.answered = true;
}

/// Keeps the number of absences that this process has in the segment within
/// its limit: the oldest goes, if it is still there.
void tiered_cache::impl::remember_absence(const missing& one) {
  auto ns = detail::number(ns_);
  auto seen = witness_.look(one.hash, ns, one.key);
  if (seen.is != witness::what::marker)
    return;
  std::optional<absence> oldest;
  {
    std::lock_guard guard{flights_mutex_};
    absences_.push_back({one.hash, std::string{one.key}, seen.token});
    if (absences_.size() > options_.most_absences) {
      oldest = std::move(absences_.front());
      absences_.pop_front();
    }
  }
  context* self = nullptr;
  if (oldest && segment().begin_write(ns_, self) == errc::ok)
    (void)witness_.remove(*self, oldest->hash, ns, oldest->key, oldest->token);
}

} // namespace neuroplex::memory
