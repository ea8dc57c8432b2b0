// What a write needs beside its slot: memory for its block, made by giving up
// others where it is short, and the intent that says what it is about to do.
//
// Where memory comes from. From the thread's magazine, else from spans; else
// from what the thread displaced, from a larger pool, from spans that ran
// empty, from the dead, from moving entries together (compact.hpp), and at last
// from other entries (evict.hpp).
//
// When entries are given up. A thread that refilled a magazine looks, before
// its next write, how full the pool is, and gives up as many entries as a
// refill brings while live entries take more than the threshold. So use settles
// there, nobody waits for a sweeper, and the pool holds what the threshold
// leaves free for those who may not evict.
//
// Threads: all; a context belongs to one thread.
#pragma once

#include "memory/backup_marks.hpp"
#include "memory/content_counts.hpp"
#include "memory/evict.hpp"
#include "memory/index.hpp"
#include "memory/not_negative.hpp"
#include "memory/recount.hpp"
#include "memory/recovery.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace neuroplex::memory {

template <class Sync>
class basic_space {
public:
  using arena_type = basic_arena<Sync>;
  using index_type = basic_index<Sync>;
  using context = basic_thread_context<Sync>;
  using location = basic_location<Sync>;
  using state = layout::block_state;

  /// Asked when the pool or the index is full; each answers whether it helped.
  /// None is called while the thread holds an intent or a block in transit.
  struct growth {
    void* owner = nullptr;
    bool (*expand_pool)(void* owner, std::uint64_t bytes) = nullptr;
    bool (*recover)(void* owner) = nullptr;
    /// Now and then, among writes: looks whether somebody died.
    void (*look_around)(void* owner) = nullptr;
    bool (*grow_index)(void* owner, std::uint32_t index_state) = nullptr;
    /// A block by moving others together, or 0 (compact.hpp).
    std::uint32_t (*squeeze)(void* owner, context& self,
                             std::uint64_t bytes) = nullptr;
  };

  basic_space(const arena_type& arena, growth grow) noexcept
    : arena_{arena}, pool_{arena}, index_{arena}, growth_{grow} {
  }

  basic_pool<Sync>& pool() noexcept {
    return pool_;
  }

  basic_index<Sync>& index() noexcept {
    return index_;
  }

  const basic_index<Sync>& index() const noexcept {
    return index_;
  }

  const arena_type& arena() const noexcept {
    return arena_;
  }

  /// Pool memory of an entry of `bytes`, header included.
  [[nodiscard]] std::uint64_t block_bytes(std::uint64_t bytes) const noexcept {
    return pool_.block_bytes(bytes);
  }

  // -- eviction ---------------------------------------------------------------

  /// Gives up at most `batch` entries for `asker`; answers how many. The thread
  /// holds neither an intent nor a block in transit.
  unsigned evict(context& self, std::uint8_t asker, unsigned batch) {
    return evictor(self).run(asker, batch, [&](const location& where) {
      return give_up(self, where);
    });
  }

  /// The same in nobody's name: from the lowest class that has any.
  unsigned evict(context& self, unsigned batch) {
    return evictor(self).run_for_all(
      batch, [&](const location& where) { return give_up(self, where); });
  }

  /// Gives up entries of `ns` until `wanted` bytes more fit into its quota,
  /// which covers the namespace of its contents too. False: they do not fit.
  [[nodiscard]] bool make_room_in_quota(context& self, std::uint8_t ns,
                                        std::uint8_t contents,
                                        std::uint64_t wanted) {
    auto chooser = evictor();
    auto& owner = arena_.name_record(ns);
    auto quota = owner.quota_bytes.load(std::memory_order_relaxed);
    for (unsigned round = 0; round < max_eviction_rounds; ++round) {
      auto used = not_negative(owner.block_bytes)
                  + not_negative(arena_.name_record(contents).block_bytes);
      if (quota == 0 || used + wanted <= quota)
        return true;
      auto entries = not_negative(owner.entries);
      auto mean =
        std::max<std::uint64_t>(used / std::max<std::uint64_t>(entries, 1), 1);
      auto batch = static_cast<unsigned>(std::clamp<std::uint64_t>(
        (used + wanted - quota) / mean, 1, limits::eviction_batch));
      if (wanted > quota
          || chooser.run_within(ns, batch, [&](const location& where) {
               return give_up(self, where);
             }) == 0)
        return false;
    }
    return false;
  }

  /// What chooses entries to give up.
  [[nodiscard]] basic_evictor<Sync> evictor() const noexcept {
    return {arena_, index_};
  }

  /// The same with what the thread's process has learned.
  [[nodiscard]] basic_evictor<Sync>
  evictor(const context& self) const noexcept {
    return {arena_, index_, self.adviser};
  }

  /// What counts who refers to shared contents.
  [[nodiscard]] basic_content_counts<Sync> contents() noexcept {
    return basic_content_counts<Sync>{*this};
  }

  /// What recovers dead threads of this segment.
  [[nodiscard]] basic_recovery<Sync> recovery() noexcept {
    return {arena_, pool_, index_};
  }

  /// What sets counters right that a death left in doubt.
  [[nodiscard]] basic_recount<Sync> recount() noexcept {
    return {arena_, pool_};
  }

protected:
  friend class basic_content_counts<Sync>;

  // Runs of eviction for one allocation, how often one of them clears pages,
  // and how many at least.
  static constexpr unsigned max_eviction_rounds = 1U << 10;
  static constexpr unsigned clear_every = 4;
  static constexpr std::uint32_t least_cleared_pages = 4;

  /// Bytes of an entry's block, header included.
  [[nodiscard]] NEUROPLEX_INLINE static std::uint64_t
  entry_bytes(std::string_view key, std::string_view value,
              std::int64_t expires) noexcept {
    return sizeof(layout::block_header<Sync>)
           + (expires != 0 ? sizeof expires : 0) + key.size() + value.size();
  }

  /// Gives an unpublished block back.
  void discard(context& self, std::uint32_t granule) noexcept {
    if (granule != 0)
      pool_.give_back(self, granule);
  }

  /// Allocates a block and fills it with a value of the form that `form` (a
  /// flag of the block, or 0) tells; `pending` names it. 0: there is no space.
  [[nodiscard]] std::uint32_t build(context& self, std::uint64_t hash,
                                    std::uint8_t ns, std::string_view key,
                                    std::string_view value,
                                    std::int64_t expires, std::uint8_t form) {
    layout::entry_fields fields{};
    fields.value_bytes = static_cast<std::uint32_t>(value.size());
    fields.kind = layout::make_entry_kind(
      key.size(), ns,
      static_cast<std::uint8_t>(form
                                | (expires != 0 ? layout::flag_expires : 0)));
    auto granule = pool_.allocate(self, fields.total_bytes());
    if (granule == 0) [[unlikely]] {
      granule = allocate_hard(self, ns, fields.total_bytes());
      if (granule == 0)
        return 0;
    }
    auto* block = reinterpret_cast<std::byte*>(arena_.block(granule));
    auto* out = block + sizeof(layout::block_header<Sync>);
    Sync::before_write();
    if (expires != 0) {
      Sync::write(out, &expires, sizeof expires);
      out += sizeof expires;
    }
    write_key<Sync>(out, key);
    fields.checksum = write_summed<Sync>(
      out + key.size(), value,
      checksum_seed(hash, fields.length_and_form(), expires));
    Sync::write(block + layout::entry_fields_offset, &fields, sizeof fields);
    return granule;
  }

  /// Memory is short: looks for it everywhere before giving up.
  std::uint32_t allocate_hard(context& self, std::uint8_t ns,
                              std::uint64_t bytes) {
    room_search search;
    for (unsigned source = 0;; ++source) {
      switch (source) {
        case 0:
          pool_.reuse_retired(self);
          break;
        case 1:
          if (growth_.expand_pool == nullptr
              || !growth_.expand_pool(growth_.owner, pool_.block_bytes(bytes)))
            continue;
          break;
        case 2:
          // A retired block of ours that others pinned may be free by now.
          pool_.flush(self);
          pool_.scavenge(self);
          break;
        case 3:
          // And what the dead have left.
          if (growth_.recover == nullptr || !growth_.recover(growth_.owner))
            continue;
          pool_.flush(self);
          pool_.scavenge(self);
          break;
        case 4:
          // What lies free in pieces; where entries may go, that is cheaper.
          if (growth_.squeeze != nullptr
              && evictor().policy_of(ns) == policy_kind::noeviction)
            if (auto granule = growth_.squeeze(growth_.owner, self, bytes);
                granule != 0)
              return granule;
          continue;
        default:
          // At last other entries, until there is room or nothing to give.
          if (!evict_for(self, ns, bytes, search))
            return 0;
          break;
      }
      if (auto granule = pool_.allocate(self, bytes); granule != 0)
        return granule;
    }
  }

  /// Reuses what was displaced, and then looks after the dead as well.
  NEUROPLEX_INLINE void tidy(context& self) {
    if (pool_.tidy(self)) [[unlikely]]
      look_around();
  }

  void look_around() {
    if (growth_.look_around != nullptr)
      growth_.look_around(growth_.owner);
  }

  // -- making room ------------------------------------------------------------

  /// How far one allocation has come in making room for itself.
  struct room_search {
    unsigned rounds = 0;
    unsigned clearings = 0;
    bool pages_only = false;
  };

  /// Gives up entries for a block of `bytes`; false when it is of no use to go
  /// on. What the policies choose lies scattered, so every few rounds, or for a
  /// block that wants pages of its own, some pages are cleared.
  bool evict_for(context& self, std::uint8_t ns, std::uint64_t bytes,
                 room_search& search) {
    auto pages = pool_.pages_alone(bytes);
    ++search.rounds;
    if (pages == 0 && !search.pages_only && search.rounds % clear_every != 0) {
      // Others may have given up, or used anew, all that a run looked at. While
      // there is something to take, the pages have the last word.
      if (evict(self, ns, limits::eviction_batch) == 0) {
        if (!evictor().may_take(ns))
          return false;
        search.pages_only = true;
      }
      pool_.reuse_retired(self);
      return search.rounds < max_eviction_rounds;
    }
    // The allocator goes on looking where it stopped.
    auto committed = arena_.committed_pages();
    auto step = std::max(pages, least_cleared_pages);
    auto turn = search.clearings++;
    auto first = (arena_.control().page_cursor.load(std::memory_order_relaxed)
                  + turn * step)
                 % committed;
    auto cleared =
      evictor().clear_pages(ns, pool_, first, step, [&](const location& where) {
        return give_up(self, where);
      });
    // Shared contents go with the entries that refer to them, wherever these
    // are.
    if (cleared == 0
        && arena_.control().contents_made.load(std::memory_order_relaxed) != 0)
      evict(self, ns, limits::eviction_batch);
    pool_.flush(self);
    pool_.scavenge(self);
    return search.rounds < max_eviction_rounds
           && std::uint64_t{turn} * step <= committed;
  }

  /// Before a write: sees to it that memory does not run short. The thread
  /// holds neither an intent nor a block in transit.
  NEUROPLEX_INLINE void make_room(context& self, std::uint8_t ns,
                                  std::uint64_t entry_bytes) {
    if (self.refilled) [[unlikely]]
      relieve(self, ns);
    if (self.quota_bytes != 0) [[unlikely]]
      keep_quota(self, ns, entry_bytes);
  }

  /// Looks how full the pool is, once a refill; gives up as many entries as a
  /// refill brings, so that use stays where eviction begins.
  [[gnu::noinline]] void relieve(context& self, std::uint8_t ns) {
    self.refilled = false;
    look_around();
    if (evictor().above_threshold()
        && evict(self, ns, limits::eviction_batch) > 0)
      pool_.reuse_retired(self);
  }

  /// In a namespace with a policy: gives up entries of it until one of
  /// `entry_bytes` more fits into its quota.
  [[gnu::noinline]] void keep_quota(context& self, std::uint8_t ns,
                                    std::uint64_t entry_bytes) {
    auto chooser = evictor(self);
    for (unsigned round = 0; round < max_eviction_rounds; ++round) {
      auto batch = chooser.excess_entries(ns, self.quota_bytes,
                                          pool_.block_bytes(entry_bytes));
      if (batch == 0
          || chooser.run_within(ns, batch, [&](const location& where) {
               return give_up(self, where);
             }) == 0)
        break;
    }
    pool_.tidy(self);
  }

  /// Whether a new block of `entry_bytes` in place of `present` leaves the
  /// namespace within its quota.
  [[nodiscard]] bool within_quota(const context& self, std::uint8_t ns,
                                  std::uint64_t entry_bytes,
                                  std::uint64_t present) const noexcept {
    if (self.quota_bytes == 0)
      return true;
    auto wanted = pool_.block_bytes(entry_bytes);
    auto before = present == 0 ? 0 : pool_.block_bytes(present);
    // Where others make room, only what could never fit is refused.
    if (wanted <= before || evictor().policy_of(ns) != policy_kind::noeviction)
      return wanted <= std::max(self.quota_bytes, before);
    auto used = not_negative(arena_.name_record(ns).block_bytes);
    auto after = used + wanted;
    return after <= before || after - before <= self.quota_bytes;
  }

  bool give_up(context& self, const location& where) {
    std::string key(where.fields.key_bytes(), '\0');
    Sync::read(key.data(), where.payload(), key.size());
    auto ns = where.fields.ns();
    auto hash = hash_key(ns, key);
    auto stamp = where.block->link.load(std::memory_order_relaxed);
    if (!try_erase(self, where, hash))
      return false;
    evictor().note_given_up(ns, hash, stamp);
    bump(self.slot->evicted, 1U);
    return true;
  }

  // -- intents ----------------------------------------------------------------

  NEUROPLEX_INLINE void
  announce(context& self, layout::intent_kind kind, const location& where,
           std::uint32_t old_granule, std::uint64_t old_word,
           std::uint32_t new_granule, std::uint64_t new_word) noexcept {
    auto& slot = *self.slot;
    slot.old_granule.store(old_granule, std::memory_order_relaxed);
    slot.old_word.store(old_word, std::memory_order_relaxed);
    slot.new_granule.store(new_granule, std::memory_order_relaxed);
    slot.new_word.store(new_word, std::memory_order_relaxed);
    // seq_cst: before the slot is looked at again; pairs with the pin filter.
    slot.intent.exchange(static_cast<std::uint64_t>(kind)
                             << layout::intent_kind_shift
                           | where.slot_id,
                         std::memory_order_seq_cst);
  }

  void withdraw_intent(context& self) noexcept {
    self.slot->intent.store(0, std::memory_order_release);
  }

  bool try_erase(context& self, const location& where, std::uint64_t hash) {
    if (where.fields.refers()) [[unlikely]]
      return displace_reference(self, where,
                                [&] { return take_out(self, where, hash); });
    return take_out(self, where, hash);
  }

  /// Displaces an entry that refers to a content by `displace()`, which answers
  /// whether it did.
  template <class Displace>
  bool displace_reference(context& self, const location& where,
                          Displace&& displace) {
    basic_sharing_work<Sync> work{self};
    shared_reference reference;
    bool refers = where.fields.value_bytes == sizeof reference;
    // If it can be displaced, its block has been the same all the time.
    if (refers)
      Sync::read(&reference, where.payload() + where.fields.key_bytes(),
                 sizeof reference);
    if (!displace())
      return false;
    if (refers)
      contents().count_down(self, where.fields.ns(), reference);
    return true;
  }

  /// Takes an entry out of its slot, and nothing else.
  bool take_out(context& self, const location& where,
                std::uint64_t hash) noexcept {
    announce(self, layout::intent_kind::erase, where, where.granule(),
             where.word, 0, 0);
    auto raw = where.raw;
    if (layout::is_frozen(raw)
        || where.block->word.load(std::memory_order_seq_cst) != where.word
        || !where.slot->compare_exchange_strong(raw, layout::slot_empty,
                                                std::memory_order_seq_cst)) {
      withdraw_intent(self);
      return false;
    }
    note_change(arena_, hash);
    auto& record = arena_.name_record(where.fields.ns());
    record.entries.fetch_sub(1, std::memory_order_relaxed);
    record.block_bytes.fetch_sub(pool_.block_bytes(where.fields.total_bytes()),
                                 std::memory_order_relaxed);
    displaced(self, where);
    return true;
  }

  /// The block of `where` is out of its slot: retires it, ends the intent.
  NEUROPLEX_INLINE void displaced(context& self,
                                  const location& where) noexcept {
    auto word = where.word;
    // seq_cst: before the pin filter; whoever announces an intent after the
    // filter has looked sees here that the block is displaced.
    if (where.block->word.compare_exchange_strong(
          word, layout::next_word(word, state::retired, self.owner),
          std::memory_order_seq_cst))
      pool_.retire(self, where.granule());
    self.retired_bytes += where.fields.total_bytes();
    withdraw_intent(self);
  }

  arena_type arena_;
  basic_pool<Sync> pool_;
  basic_index<Sync> index_;
  growth growth_;
};

} // namespace neuroplex::memory
