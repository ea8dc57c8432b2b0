// Which order a namespace with the policy `adaptive` is evicted in.
//
// Purpose: no single order is good on every pattern of access. So each process
// that reads or writes the namespace tries all of `advised_orders` out on a
// sample of the keys, the same for all of them (shadow.hpp), and counts in the
// namespace's record where another order would have had a hit that the ruling
// one would not have had, or the other way round. The counts fade; who is ahead
// by more than a change costs and more than chance rules from then on, in all
// processes. doc/decisions tells why.
//
// What counts as a use. A read, unless the hand of eviction has not come by
// since the last one, and an insertion. So nobody tells of a use who does not
// write a reference bit anyway.
//
// Ownership and threads: shadows are this process' own, made at the first use
// that they are for; so a death leaves nothing to repair. All threads; who
// finds another at the shadows leaves its use out, nobody waits.
//
// Invariants: what is read from the segment (counts, the ruling order, the
// number of entries) may be anything; it costs a bad choice at most.
//
// Failure behaviour: without memory for shadows the order stays as it is.
#pragma once

#include "memory/arena.hpp"
#include "memory/hash.hpp"
#include "memory/index.hpp"
#include "memory/limits.hpp"
#include "memory/not_negative.hpp"
#include "memory/order.hpp"
#include "memory/shadow.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <new>
#include <optional>
#include <string>

namespace neuroplex::memory {

/// An entry that came lately, as its slot and block were then.
struct recent_insertion {
  std::uint64_t slot_id = 0;
  std::uint64_t word = 0;
  std::uint32_t raw = 0;
};

/// What a process knows of one namespace.
class namespace_advice {
public:
  /// Whether the shadows are to see this key.
  [[nodiscard]] bool samples(std::uint64_t hash) const noexcept {
    auto shift = shift_.load(std::memory_order_relaxed);
    return (hash & ((std::uint64_t{1} << shift) - 1)) == 0;
  }

  /// A use of a sampled key in a namespace of `entries`. Answers the orders
  /// that had it, a bit each, or nothing when another thread is at it.
  std::optional<unsigned> request(std::uint64_t hash,
                                  std::uint64_t entries) noexcept;

  /// How many keys a shadow holds.
  [[nodiscard]] std::uint32_t limit() const noexcept {
    return limit_.load(std::memory_order_relaxed);
  }

  /// Whether it is time to look at the counts, once in so many requests.
  [[nodiscard]] bool time_to_look(std::uint32_t interval) noexcept {
    return requests_.fetch_add(1, std::memory_order_relaxed) % interval == 0;
  }

  /// A count rounded up or down by lot, so that small ones fade as well.
  [[nodiscard]] std::uint16_t whole(double count) noexcept;

  /// Remembers a newcomer, for `steady`.
  void note_newcomer(const recent_insertion& one) noexcept;

  /// The oldest newcomer while there are more than `keep`.
  std::optional<recent_insertion> take_newcomer(std::uint64_t keep) noexcept;

  /// Whether the hand is due, after so many newcomers went without it.
  [[nodiscard]] bool hand_is_due(unsigned given, unsigned interval) noexcept {
    auto before = without_hand_.fetch_add(given, std::memory_order_relaxed);
    return before / interval != (before + given) / interval;
  }

  /// Mean age of settled entries (learned::settled_age).
  std::atomic<std::int32_t> settled_age{0};

private:
  static constexpr std::uint32_t ring_count = 4 * most_steady_newcomers;

  void fit(std::uint64_t entries) noexcept;

  std::mutex mutex_; ///< only ever tried
  std::array<shadow, advised_orders.size()> shadows_;
  std::atomic<unsigned> shift_{0}; ///< one key of 2^shift is in the sample
  std::atomic<std::uint32_t> limit_{1};
  std::atomic<std::uint32_t> requests_{0};
  std::atomic<std::uint32_t> without_hand_{0};
  std::atomic<std::uint32_t> lots_{0};
  std::mutex ring_mutex_; ///< only ever tried
  std::array<recent_insertion, ring_count> ring_;
  std::uint64_t ring_begin_ = 0;
  std::uint64_t ring_end_ = 0;
};

/// Counts of where the order `index` differed from the ruling one.
struct tally {
  double won = 0;
  double lost = 0;
};
using tallies = std::array<tally, advised_orders.size()>;

/// The index of the order that is to rule after `lead`, among shadows of
/// `entries`.
[[nodiscard]] unsigned best_order(const tallies& all, unsigned lead,
                                  double entries) noexcept;

/// The same differences, against another lead.
void change_lead(tallies& all, unsigned lead) noexcept;

template <class Sync>
class basic_adviser {
public:
  using record_type = layout::namespace_record<Sync>;

  explicit basic_adviser(const basic_arena<Sync>& arena) noexcept
    : arena_{arena} {
  }

  basic_adviser(const basic_adviser&) = delete;
  basic_adviser& operator=(const basic_adviser&) = delete;

  ~basic_adviser() {
    for (auto& each : advice_)
      delete each.load(std::memory_order_relaxed);
  }

  /// The order in which `adaptive` evicts from a namespace now.
  [[nodiscard]] static eviction_order
  order_of(const record_type& record) noexcept {
    return advised_orders[lead_of(record)];
  }

  /// A use of a key of a namespace with the policy `adaptive`.
  void note_use(std::uint8_t ns, std::uint64_t hash) noexcept {
    auto* mine = of(ns);
    if (mine == nullptr || !mine->samples(hash))
      return;
    auto& record = arena_.name_record(ns);
    auto hits = mine->request(hash, not_negative(record.entries));
    if (!hits)
      return;
    count(record, *hits);
    auto entries = mine->limit();
    if (mine->time_to_look(look_interval(entries)))
      look(record, entries, *mine);
  }

  /// The first use of an entry since the hand of eviction came by, whatever
  /// its namespace. The caller has just read the entry.
  [[gnu::noinline]] void note_first_use(const basic_location<Sync>& where) {
    auto seen = where;
    seen.fields = layout::read_entry_fields<Sync>(
      reinterpret_cast<const std::byte*>(where.block));
    auto ns = seen.fields.ns();
    if (arena_.name_record(ns).policy.load(std::memory_order_relaxed)
          != static_cast<std::uint8_t>(policy_kind::adaptive)
        || seen.fields.total_bytes() > arena_.room_after(seen.block))
      return;
    // If the block is another's by now, a use of that one was told.
    std::string key(seen.fields.key_bytes(), '\0');
    Sync::read(key.data(), seen.payload(), key.size());
    note_use(ns, hash_key(ns, key));
  }

  /// An entry came to such a namespace, not long known or known before.
  [[gnu::noinline]] void note_insertion(std::uint8_t ns, std::uint64_t hash,
                                        const recent_insertion& one,
                                        bool newcomer) noexcept {
    note_use(ns, hash);
    if (newcomer && order_of(arena_.name_record(ns)) == eviction_order::steady)
      if (auto* mine = of(ns))
        mine->note_newcomer(one);
  }

  /// What this process knows of a namespace, or null.
  [[nodiscard]] namespace_advice* of(std::uint8_t ns) noexcept {
    auto* found = advice_[ns].load(std::memory_order_acquire);
    return found != nullptr ? found : make(ns);
  }

  /// The same, but nothing is made.
  [[nodiscard]] namespace_advice* known(std::uint8_t ns) const noexcept {
    return advice_[ns].load(std::memory_order_acquire);
  }

private:
  static constexpr std::uint32_t least_look_interval = 32;
  // Counts fade over as many requests as so many fillings of a shadow.
  static constexpr double memory_fillings = 64;
  static constexpr double least_memory = 4000;

  static unsigned lead_of(const record_type& record) noexcept {
    auto lead = record.ruling_order.load(std::memory_order_relaxed);
    return lead < advised_orders.size() ? lead : 0;
  }

  static std::uint32_t look_interval(std::uint32_t entries) noexcept {
    return std::max(least_look_interval, entries / 4);
  }

  namespace_advice* make(std::uint8_t ns) noexcept {
    auto* made = new (std::nothrow) namespace_advice;
    namespace_advice* nobody = nullptr;
    if (made != nullptr
        && !advice_[ns].compare_exchange_strong(nobody, made,
                                                std::memory_order_acq_rel)) {
      delete made;
      return nobody;
    }
    return made;
  }

  static void count(record_type& record, unsigned hits) noexcept {
    auto lead = lead_of(record);
    auto lead_hit = (hits >> lead & 1U) != 0;
    for (unsigned i = 0; i < advised_orders.size(); ++i)
      if (auto hit = (hits >> i & 1U) != 0; hit != lead_hit)
        (hit ? record.order_won : record.order_lost)[i].fetch_add(
          1, std::memory_order_relaxed);
  }

  /// Looks who is ahead, and lets the counts fade. Threads that look at the
  /// same time lose a few counts of one another.
  static void look(record_type& record, std::uint32_t entries,
                   namespace_advice& mine) noexcept {
    tallies all;
    for (unsigned i = 0; i < all.size(); ++i) {
      all[i].won = record.order_won[i].load(std::memory_order_relaxed);
      all[i].lost = record.order_lost[i].load(std::memory_order_relaxed);
    }
    auto lead = lead_of(record);
    auto best = best_order(all, lead, entries);
    if (best != lead)
      change_lead(all, best);
    auto stays = 1
                 - look_interval(entries)
                     / std::max(least_memory, memory_fillings * entries);
    auto store = [&](auto& to, double count) {
      to.store(mine.whole(count * stays), std::memory_order_relaxed);
    };
    for (unsigned i = 0; i < all.size(); ++i) {
      store(record.order_won[i], all[i].won);
      store(record.order_lost[i], all[i].lost);
    }
    if (best != lead)
      record.ruling_order.store(static_cast<std::uint8_t>(best),
                                std::memory_order_relaxed);
  }

  const basic_arena<Sync>& arena_;
  std::array<std::atomic<namespace_advice*>, limits::max_namespaces> advice_{};
};

} // namespace neuroplex::memory
