// What is behind a tiered_cache: the ways of reading, writing and flushing.
//
// Threads: all. `flights_mutex_` guards the reads that are under way and the
// absences; it is not held while the tier or another thread is waited for.
#pragma once

#include "memory/dirty_queue.hpp"
#include "memory/near_cache.hpp"
#include "memory/store_impl.hpp"
#include "memory/tiered_cache.hpp"
#include "memory/witness.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace neuroplex::memory {

class tiered_cache::impl {
public:
  impl(store& segment, namespace_id ns, std::string_view space,
       lower_tier* below, const tiered_options& options);

  [[nodiscard]] namespace_id space() const noexcept {
    return ns_;
  }

  /// `value` is a string that is filled, or a shared value.
  template <class Value>
  errc get(std::string_view key, Value& value);
  errc get_many(std::span<get_request> requests);
  errc set(std::string_view key, std::string_view value,
           const set_options& options);
  errc erase(std::string_view key);
  errc flush(std::size_t most, std::size_t& flushed);
  expected<std::size_t> adopt_dirty();
  [[nodiscard]] tiered_stats stats() const;

private:
  using store_impl = detail::store_impl;
  using context = store_impl::context;
  using witness = basic_witness<native_sync>;
  using sighting = witness::sighting;

  /// Somebody asks the tier for a key; others may wait for what he gets.
  struct flight {
    version_token token{}; ///< of the marker that guards the answer
    bool done = false;
    bool overtaken = false;
    errc status = errc::internal;
    shared_value value;
  };

  /// A key that was not in the segment, and how far its read has come.
  struct missing {
    std::string_view key;
    std::uint64_t hash = 0;
    errc status = errc::internal;
    shared_value value{};
    bool answered = false;
    // In the present round:
    version_token token{};          ///< none if no marker could be left
    std::shared_ptr<flight> trip{}; ///< led or joined
    bool leads = false;
  };

  enum class counter : std::uint8_t {
    near_hits,
    near_stale,
    segment_hits,
    tier_hits,
    misses,
    known_absences,
    joined,
    overtaken,
    tier_failures,
    unknown_outcomes,
    flushed,
    no_credit,
    in_flight,
    count,
  };

  void count(counter which, std::uint64_t by = 1) noexcept {
    counters_[static_cast<unsigned>(which)].value.fetch_add(
      by, std::memory_order_relaxed);
  }

  [[nodiscard]] std::uint64_t count_of(counter which) const noexcept {
    return counters_[static_cast<unsigned>(which)].value.load(
      std::memory_order_relaxed);
  }

  [[nodiscard]] std::uint64_t hash_of(std::string_view key) const noexcept {
    return hash_key(detail::number(ns_), key);
  }

  [[nodiscard]] store_impl& segment() const noexcept {
    return store_impl::of(segment_);
  }

  /// What becomes of the pin of a key that is in step with the tier: in
  /// write-back it belongs to the cache.
  [[nodiscard]] stamp::pinning pins_in_step() const noexcept {
    return options_.writes == write_mode::back ? stamp::pinning::unpin
                                               : stamp::pinning::as_before;
  }

  [[nodiscard]] tier_deadline new_deadline() const;
  [[nodiscard]] std::size_t least_near_bytes() const noexcept;
  [[nodiscard]] errc check(std::string_view key, std::size_t value_bytes,
                           context*& self);

  // -- reading ----------------------------------------------------------------

  errc take_near(std::uint64_t hash, std::string_view key, shared_value& value);
  errc read_one_missing(std::string_view key, shared_value& value);
  void read_missing(std::span<missing> all);
  bool prepare(missing& one);
  void ask(std::span<missing> all, bool last_round, tier_deadline deadline);
  void conclude(missing& one, tier_get& answer, bool last_round);
  errc keep(missing& one, const tier_get& answer);
  errc keep_absence(missing& one);
  void land(missing& one, bool overtaken);
  void wait_for(missing& one, tier_deadline deadline);
  void remember_absence(const missing& one);

  // -- writing ----------------------------------------------------------------

  /// What is in the segment for a key, or a new marker; nothing if there is no
  /// room for one.
  [[nodiscard]] std::optional<version_token>
  stand_by(context& self, std::uint64_t hash, std::string_view key);
  errc exchange(context& self, std::uint64_t hash, std::string_view key,
                version_token token, std::string_view value,
                std::int64_t expires, stamp::pinning pins);
  errc empty(context& self, std::uint64_t hash, std::string_view key);
  errc set_through(context& self, std::string_view key, std::string_view value,
                   std::int64_t expires);
  errc set_back(context& self, std::string_view key, std::string_view value,
                std::int64_t expires);
  errc erase_through(context& self, std::string_view key);
  errc erase_known(context& self, std::uint64_t hash, std::string_view key,
                   std::optional<version_token> token);
  errc store_pinned(context& self, std::string_view key, std::string_view value,
                    std::int64_t expires);
  bool unpin(std::string_view key, version_token version);
  errc flush_batch(std::size_t most, std::size_t& taken, std::size_t& flushed);

  struct alignas(64) padded_counter {
    std::atomic<std::uint64_t> value{0};
  };

  struct absence {
    std::uint64_t hash;
    std::string key;
    version_token token;
  };

  store& segment_;
  namespace_id ns_;
  std::string space_;
  lower_tier* below_;
  tiered_options options_;
  near_cache near_;
  dirty_queue dirty_;
  witness witness_;
  std::array<padded_counter, static_cast<unsigned>(counter::count)> counters_;

  std::mutex flights_mutex_;
  std::condition_variable landed_;
  std::map<std::string, std::shared_ptr<flight>, std::less<>> flights_;
  std::deque<absence> absences_;
};

} // namespace neuroplex::memory
