// The operations of the store on one key, written on pool and index.
//
// Every change follows one pattern: fill a block that nobody sees, say in the
// thread's intent what is about to happen, change one slot by compare-and-swap
// (the moment at which the operation takes effect), put the displaced block on
// the retired list, clear the intent. What becomes of the intent of a dead
// thread is in recovery.hpp.
//
// Threads: all; a context belongs to one thread.
#pragma once

#include "memory/space.hpp"
#include "memory/stamp.hpp"
#include "memory/store.hpp"
#include "memory/unix_time.hpp"

#include <string>
#include <string_view>

namespace neuroplex::memory {

/// When a write takes effect.
enum class condition { always, if_absent, if_present };

template <class Sync>
class basic_engine : public basic_space<Sync> {
public:
  using base = basic_space<Sync>;
  using typename base::arena_type;
  using typename base::context;
  using typename base::location;
  using typename base::state;

  using base::base;

  // -- reading ----------------------------------------------------------------

  /// Finds the entry, lets `use(location, expires_at_ms)` copy what it wants,
  /// and repeats until what was copied belongs to one published state. `use`
  /// answers ok, or a code that ends the read if the state stands.
  template <class Use>
  [[nodiscard]] NEUROPLEX_INLINE errc read(std::uint64_t hash, std::uint8_t ns,
                                           std::string_view key,
                                           Use&& use) const {
    for (unsigned round = 0; round < max_rounds; ++round) {
      auto at = index_.home_of(hash);
      location where;
      switch (index_.find(at, hash, ns, key, where)) {
        case lookup::absent:
          return errc::not_found;
        case lookup::retry:
          if (round > 0)
            Sync::pause(round / 2);
          continue;
        case lookup::found:
          break;
      }
      auto expires = expiry_of(where);
      errc answer = errc::ok;
      if (expires != 0 && expires <= unix_time_ms())
        answer = errc::not_found;
      else
        answer = use(where, expires);
      if (index_.unchanged(at, where))
        return answer;
      Sync::pause(round / 2);
    }
    return errc::busy;
  }

  /// Whether a value that was copied out is the one that was stored.
  [[nodiscard]] static bool intact(std::uint64_t hash, const location& where,
                                   std::int64_t expires,
                                   std::string_view value) noexcept {
    return value_checksum(
             checksum_seed(hash, where.fields.length_and_form(), expires),
             value)
           == where.fields.checksum;
  }

  [[nodiscard]] version_token token_of(const location& where) const noexcept {
    // Granule and version name one publication; the odd constant keeps zero
    // unused.
    return version_token{(where.word >> 16) << 31 ^ where.granule()
                         ^ 0x8000'0000'0000'0000ULL};
  }

  /// Pins the entry's block in `pin` and shows it to `use` while it is pinned.
  template <class Use>
  [[nodiscard]] errc
  pin(std::uint64_t hash, std::uint8_t ns, std::string_view key,
      typename Sync::template atomic<std::uint32_t>& pin, Use&& use) const {
    for (unsigned round = 0; round < max_rounds; ++round) {
      auto at = index_.home_of(hash);
      location where;
      auto seen = index_.find(at, hash, ns, key, where);
      if (seen == lookup::absent)
        return errc::not_found;
      if (seen == lookup::found) {
        // Pairs with the pin filter of whoever wants to reuse the block.
        pin.exchange(where.granule(), std::memory_order_seq_cst);
        if (index_.unchanged_since_pin(at, where)) {
          auto expires = expiry_of(where);
          if (expires == 0 || expires > unix_time_ms()) {
            use(where);
            return errc::ok;
          }
          pin.store(0, std::memory_order_release);
          return errc::not_found;
        }
        pin.store(0, std::memory_order_release);
      }
      Sync::pause(round / 2);
    }
    return errc::busy;
  }

  // -- writing ----------------------------------------------------------------

  /// Stores a value that does not depend on the present one. `expires` is a
  /// point in time, 0 for never; `form` a flag of the block, or 0 for a value
  /// as the caller gave it.
  [[nodiscard]] NEUROPLEX_INLINE errc put(const basic_lookup_view<Sync>& view,
                                          context& self, std::uint64_t hash,
                                          std::uint8_t ns, std::string_view key,
                                          std::string_view value,
                                          std::int64_t expires, condition when,
                                          std::uint8_t form = 0) {
    // What earlier writes displaced is seen to, and the block filled, while the
    // index line is on its way.
    index_.prefetch_to_write(hash);
    tidy(self);
    make_room(self, ns, entry_bytes(key, value, expires));
    std::uint32_t granule = 0;
    if (when == condition::always) [[likely]] {
      granule = build(self, hash, ns, key, value, expires, form);
      if (granule == 0) [[unlikely]]
        return errc::no_space;
      location where;
      if (index_.find_usual(
            view, hash, layout::make_entry_kind(key.size(), ns, 0), key, where)
          != nullptr) [[likely]] {
        where.slot_id = index_.slot_id_of(where.level, where.slot);
        where.fields = layout::read_entry_fields<Sync>(
          reinterpret_cast<const std::byte*>(where.block));
        index_.note_use(where);
        if (try_replace(self, where, granule, hash) == errc::ok) [[likely]]
          return published(self, hash, ns, key);
      }
    }
    return put_with_care(self, hash, ns, key, value, expires, when, granule,
                         form);
  }

  /// What `modify` does with a key.
  struct change {
    bool erase = false;
    stamp::pinning pins = stamp::pinning::as_before;
    std::uint8_t form = 0; ///< of the present value; to be set for the new one
    std::string_view head; ///< new value: head followed by tail
    std::string_view tail;
    std::int64_t expires_at_ms = 0;
  };

  /// Stores a value that depends on the present one. `decide(present, expires,
  /// token, change&)` gets a copy of the value (null when there is none) and
  /// answers ok with the change, busy to be asked again, or a code that ends
  /// the operation. It may be called several times, holds no intent, and may
  /// write to other keys.
  template <class Decide>
  [[nodiscard]] errc modify(context& self, std::uint64_t hash, std::uint8_t ns,
                            std::string_view key, Decide&& decide) {
    std::uint32_t granule = 0;
    std::string present;
    std::string joined;
    tidy(self);
    make_room(self, ns, 0);
    for (unsigned round = 0; round < max_rounds; ++round) {
      auto at = index_.writable_home(self, hash);
      location where;
      auto seen = index_.find_to_write(self, at, hash, ns, key, where);
      bool live = false;
      std::int64_t expires = 0;
      if (seen == lookup::found) {
        expires = expiry_of(where);
        live = expires == 0 || expires > unix_time_ms();
        if (live) {
          present.resize(where.fields.value_bytes);
          Sync::read(present.data(), where.payload() + where.fields.key_bytes(),
                     present.size());
        }
        if (!index_.unchanged(at, where))
          seen = lookup::retry;
        else if (live && !intact(hash, where, expires, present)) {
          bump(self.slot->corrupt_reads, 1U);
          return errc::corrupt;
        }
      }
      if (seen == lookup::retry) {
        lost(self, round);
        continue;
      }
      change wanted;
      if (live)
        wanted.form = where.fields.form();
      auto answer = decide(live ? &present : nullptr, live ? expires : 0,
                           live ? token_of(where) : version_token{}, wanted);
      if (answer == errc::busy) {
        lost(self, round);
        continue;
      }
      if (answer != errc::ok)
        return answer;
      if (wanted.erase) {
        if (seen != lookup::found)
          return errc::not_found;
        if (try_erase(self, where, hash))
          return finish(self);
        lost(self, round);
        continue;
      }
      if (!wanted.tail.empty())
        joined.assign(wanted.head).append(wanted.tail);
      auto bytes = entry_bytes(
        key, wanted.tail.empty() ? wanted.head : std::string_view{joined},
        wanted.expires_at_ms);
      auto present_bytes =
        seen == lookup::found ? where.fields.total_bytes() : 0;
      if (!within_quota(self, ns, bytes, present_bytes))
        return errc::no_space;
      if (self.quota_bytes != 0)
        keep_quota(self, ns, bytes);
      granule =
        build(self, hash, ns, key, wanted.tail.empty() ? wanted.head : joined,
              wanted.expires_at_ms, wanted.form);
      if (granule == 0)
        return errc::no_space;
      if (seen == lookup::found)
        index_.note_use(where);
      answer = seen == lookup::found
                 ? replace(self, where, granule, hash, wanted.pins)
                 : try_insert(self, at, hash, ns, key, granule);
      if (answer == errc::ok) {
        answer = published(self, hash, ns, key);
        tidy(self);
        return answer;
      }
      discard(self, granule);
      if (answer != errc::busy)
        return answer;
      lost(self, round);
    }
    return errc::busy;
  }

  [[nodiscard]] errc erase(context& self, std::uint64_t hash, std::uint8_t ns,
                           std::string_view key) {
    return erase_if(self, hash, ns, key, [](std::int64_t) { return true; });
  }

  /// Removes the entry only if it has expired.
  [[nodiscard]] errc erase_expired(context& self, std::uint64_t hash,
                                   std::uint8_t ns, std::string_view key) {
    return erase_if(self, hash, ns, key, [](std::int64_t expires) {
      return expires != 0 && expires <= unix_time_ms();
    });
  }

  [[nodiscard]] NEUROPLEX_INLINE std::int64_t
  expiry_of(const location& where) const noexcept {
    if (!where.fields.expires()) [[likely]]
      return 0;
    std::int64_t expires = 0;
    Sync::read(&expires,
               reinterpret_cast<const std::byte*>(where.block)
                 + sizeof(layout::block_header<Sync>),
               sizeof expires);
    return expires;
  }

private:
  using base::announce;
  using base::arena_;
  using base::build;
  using base::discard;
  using base::displace_reference;
  using base::displaced;
  using base::entry_bytes;
  using base::growth_;
  using base::index_;
  using base::keep_quota;
  using base::make_room;
  using base::pool_;
  using base::tidy;
  using base::try_erase;
  using base::withdraw_intent;
  using base::within_quota;

  template <class>
  friend class basic_mover;
  template <class>
  friend class basic_witness;

  // Nobody waits for a stopped thread here, so that many losses in a row mean a
  // damaged segment.
  static constexpr unsigned max_rounds = 1U << 13;

  static void lost(context& self, unsigned round) noexcept {
    bump(self.slot->retries, 1U);
    Sync::pause(round);
  }

  /// ok when a live entry was removed; an expired one is removed and answers
  /// not_found. `wanted(expires_at_ms)` says whether to remove at all.
  template <class Wanted>
  errc erase_if(context& self, std::uint64_t hash, std::uint8_t ns,
                std::string_view key, Wanted&& wanted) {
    for (unsigned round = 0; round < max_rounds; ++round) {
      auto at = index_.writable_home(self, hash);
      location where;
      auto seen = index_.find_to_write(self, at, hash, ns, key, where);
      if (seen == lookup::absent)
        return errc::not_found;
      if (seen == lookup::found) {
        auto expires = expiry_of(where);
        bool live = expires == 0 || expires > unix_time_ms();
        if (!wanted(expires)) {
          if (index_.unchanged(at, where))
            return errc::mismatch;
        } else if (try_erase(self, where, hash)) {
          if (!live)
            bump(self.slot->expired, 1U);
          finish(self);
          return live ? errc::ok : errc::not_found;
        }
      }
      lost(self, round);
    }
    return errc::busy;
  }

  /// `put` in every case. `granule` is the block if it was built already.
  [[gnu::noinline]] errc put_with_care(context& self, std::uint64_t hash,
                                       std::uint8_t ns, std::string_view key,
                                       std::string_view value,
                                       std::int64_t expires, condition when,
                                       std::uint32_t granule,
                                       std::uint8_t form) {
    for (unsigned round = 0; round < max_rounds; ++round) {
      auto at = index_.writable_home(self, hash);
      location where;
      auto seen = index_.find_to_write(self, at, hash, ns, key, where);
      if (seen == lookup::retry) {
        lost(self, round);
        continue;
      }
      auto until = seen == lookup::found ? expiry_of(where) : 0;
      bool live =
        seen == lookup::found && (until == 0 || until > unix_time_ms());
      auto answer = errc::ok;
      if (when == condition::if_absent && live)
        answer = errc::exists;
      else if (when == condition::if_present && !live)
        answer = errc::not_found;
      // A refusal must rest on a state that stands.
      if (answer != errc::ok && seen == lookup::found
          && !index_.unchanged(at, where)) {
        lost(self, round);
        continue;
      }
      if (answer == errc::ok
          && !within_quota(self, ns, entry_bytes(key, value, expires),
                           seen == lookup::found ? where.fields.total_bytes()
                                                 : 0))
        answer = errc::no_space;
      if (answer == errc::ok && granule == 0) {
        granule = build(self, hash, ns, key, value, expires, form);
        if (granule == 0)
          return errc::no_space;
      }
      if (answer == errc::ok && seen == lookup::found)
        index_.note_use(where);
      if (answer == errc::ok)
        answer = seen == lookup::found
                   ? replace(self, where, granule, hash)
                   : try_insert(self, at, hash, ns, key, granule);
      if (answer == errc::ok)
        return published(self, hash, ns, key);
      if (answer != errc::busy) {
        discard(self, granule);
        return answer;
      }
      lost(self, round);
    }
    discard(self, granule);
    return errc::busy;
  }

  errc finish(context& self) noexcept {
    bump(self.slot->writes, 1U);
    tidy(self);
    return errc::ok;
  }

  /// After a publication: a namespace that was dropped since the operation
  /// began keeps nothing, even if its id is in use again.
  NEUROPLEX_INLINE errc published(context& self, std::uint64_t hash,
                                  std::uint8_t ns, std::string_view key) {
    bump(self.slot->writes, 1U);
    if (arena_.control().namespace_states[ns].load(std::memory_order_seq_cst)
        == self.namespace_word) [[likely]]
      return errc::ok;
    (void)erase(self, hash, ns, key);
    return errc::bad_namespace;
  }

  /// `try_replace` of an entry of any kind, one that refers included.
  errc replace(context& self, const location& where, std::uint32_t granule,
               std::uint64_t hash,
               stamp::pinning pins = stamp::pinning::as_before) {
    if (!where.fields.refers()) [[likely]]
      return try_replace(self, where, granule, hash, pins);
    auto displaced = displace_reference(self, where, [&] {
      return try_replace(self, where, granule, hash, pins) == errc::ok;
    });
    return displaced ? errc::ok : errc::busy;
  }

  /// ok, or busy when another thread was faster. The copy of an entry that
  /// refers goes on referring.
  NEUROPLEX_INLINE errc
  try_replace(context& self, const location& where, std::uint32_t granule,
              std::uint64_t hash,
              stamp::pinning pins = stamp::pinning::as_before) noexcept {
    auto* fresh = arena_.block(granule);
    auto held = fresh->word.load(std::memory_order_relaxed);
    auto live = layout::next_word(held, state::live, 0);
    announce(self, layout::intent_kind::replace, where, where.granule(),
             where.word, granule, live);
    auto raw = where.raw;
    if (layout::is_frozen(raw)
        || where.slot->load(std::memory_order_seq_cst) != raw
        || where.block->word.load(std::memory_order_seq_cst) != where.word) {
      withdraw_intent(self);
      return errc::busy;
    }
    auto bytes = bytes_of(fresh);
    // While the old block is live its link is its stamp, and if it is no longer
    // live the slot is not ours to change.
    fresh->link.store(
      stamp::with(pins, where.block->link.load(std::memory_order_relaxed)),
      std::memory_order_relaxed);
    fresh->word.store(live, std::memory_order_release);
    if (!where.slot->compare_exchange_strong(raw, granule,
                                             std::memory_order_seq_cst)) {
      fresh->word.store(layout::next_word(live, state::held, self.owner),
                        std::memory_order_release);
      withdraw_intent(self);
      return errc::busy;
    }
    note_change(arena_, hash);
    self.slot->pending.store(0, std::memory_order_release);
    // Counted while the intent stands: who dies between a change and its count
    // leaves the intent, and is counted again for.
    if (auto before = where.fields.total_bytes(); bytes != before) [[unlikely]]
      arena_.name_record(where.fields.ns())
        .block_bytes.fetch_add(pool_.block_bytes(bytes)
                                 - pool_.block_bytes(before),
                               std::memory_order_relaxed);
    displaced(self, where);
    return errc::ok;
  }

  [[nodiscard]] static layout::entry_fields
  fields_of(const layout::block_header<Sync>* block) noexcept {
    return layout::read_entry_fields<Sync>(
      reinterpret_cast<const std::byte*>(block));
  }

  [[nodiscard]] static std::uint64_t
  bytes_of(const layout::block_header<Sync>* block) noexcept {
    return fields_of(block).total_bytes();
  }

  /// What the link of a new entry says: the first reference to a content, or
  /// what eviction begins with.
  [[nodiscard]] std::uint32_t first_stamp(const context& self,
                                          const layout::entry_fields& fields,
                                          policy_kind policy,
                                          std::uint64_t hash) const noexcept {
    if (fields.counted()) [[unlikely]]
      return reference_count::one;
    return has_ghosts(policy)
             ? this->evictor(self).fresh_stamp(fields.ns(), hash)
             : stamp::fresh(
               arena_.control().eviction_clock.load(std::memory_order_relaxed));
  }

  /// ok; busy to look again (`granule` is 0 when its block had to be retired);
  /// no_space when the index is full.
  errc try_insert(context& self, const home& at, std::uint64_t hash,
                  std::uint8_t ns, std::string_view key,
                  std::uint32_t& granule) {
    location where;
    unsigned distance = 0;
    auto seen = index_.find_empty(at, where, distance);
    if (seen == lookup::absent)
      return grow_index(at) ? errc::busy : errc::no_space;
    if (seen == lookup::retry)
      return errc::busy;
    if (distance >= crowded_distance && crowded(at))
      grow_index(at); // the insertion itself still succeeds
    auto* fresh = arena_.block(granule);
    auto fields = fields_of(fresh);
    auto block_bytes = pool_.block_bytes(fields.total_bytes());
    auto held = fresh->word.load(std::memory_order_relaxed);
    auto inserting = layout::next_word(held, state::inserting, self.owner);
    announce(self, layout::intent_kind::insert, where, 0, 0, granule,
             inserting);
    auto& record = arena_.name_record(ns);
    auto policy =
      static_cast<policy_kind>(record.policy.load(std::memory_order_relaxed));
    fresh->link.store(first_stamp(self, fields, policy, hash),
                      std::memory_order_relaxed);
    fresh->word.store(inserting, std::memory_order_release);
    auto raw = where.raw;
    if (!where.slot->compare_exchange_strong(raw, granule,
                                             std::memory_order_seq_cst)) {
      fresh->word.store(layout::next_word(inserting, state::held, self.owner),
                        std::memory_order_release);
      withdraw_intent(self);
      return errc::busy;
    }
    index_.set_tag(where.slot_id, hash);
    // Where nothing is evicted, readers need not note anything, ever.
    index_.set_noted(where, policy == policy_kind::noeviction);
    auto rivals = index_.settle_rivals(at, hash, ns, key, granule);
    auto live = layout::next_word(inserting, state::live, 0);
    auto present = inserting;
    if (rivals == lookup::absent
        && fresh->word.compare_exchange_strong(present, live,
                                               std::memory_order_seq_cst)) {
      note_change(arena_, hash);
      self.slot->pending.store(0, std::memory_order_release);
      record.entries.fetch_add(1, std::memory_order_relaxed);
      record.block_bytes.fetch_add(block_bytes, std::memory_order_relaxed);
      withdraw_intent(self);
      if (policy == policy_kind::adaptive && self.adviser != nullptr)
        self.adviser->note_insertion(
          ns, hash, {where.slot_id, live, granule},
          stamp::is_newcomer(fresh->link.load(std::memory_order_relaxed)));
      return errc::ok;
    }
    // Lost: out of the slot again (unless it was frozen, which leaves it
    // behind), and not reused before those who saw the block let go of it.
    auto mine = granule;
    where.slot->compare_exchange_strong(mine, layout::slot_empty,
                                        std::memory_order_seq_cst);
    auto word = fresh->word.load(std::memory_order_acquire);
    while (!fresh->word.compare_exchange_weak(
      word, layout::next_word(word, state::retired, self.owner),
      std::memory_order_acq_rel))
      ;
    pool_.retire(self, granule);
    self.slot->pending.store(0, std::memory_order_release);
    withdraw_intent(self);
    granule = 0;
    tidy(self);
    return errc::busy;
  }

  static constexpr unsigned crowded_distance = 8;

  /// Whether the table is fuller than it should be, not just this corner.
  [[nodiscard]] bool crowded(const home& at) const noexcept {
    // Counts may be a little below zero, and anything where they were
    // scribbled.
    std::uint64_t entries = 0;
    for (unsigned i = 0; i < limits::max_namespaces; ++i)
      entries += arena_.name_record(i).entries.load(std::memory_order_relaxed);
    auto slots = arena_.shape().lines(at.level) * layout::slots_per_line;
    constexpr std::uint64_t percent = 86;
    return static_cast<std::int64_t>(entries)
           > static_cast<std::int64_t>(slots / 100 * percent);
  }

  /// Whether the index grows: already, by us, or by another who was first.
  bool grow_index(const home& at) {
    return (at.index_state & layout::index_migrating) != 0
           || (growth_.grow_index != nullptr
               && growth_.grow_index(growth_.owner, at.index_state))
           || arena_.control().index_state.load(std::memory_order_relaxed)
                != at.index_state;
  }
};

} // namespace neuroplex::memory
