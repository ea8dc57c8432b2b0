// Choosing entries to give up when memory is short.
//
// A hand goes round the index, line by line, shared by all processes: each run
// takes the next stretch. A reader leaves one bit in the index line, at its
// first use since the hand came by; the hand collects these bits and keeps what
// it learns in the entry's stamp (stamp.hpp). So a hit writes nothing shared
// but that bit, and an entry costs eviction no memory of its own.
//
// A run looks at `sample_factor` times as many entries as it may give up and
// takes the worst of them by the policy of their namespace, after the sampling
// of Redis' approximated LRU, but for the fact that no entry is sampled twice a
// round:
//
//   clock  any entry not used since the last round (Corbato, "A Paging
//          Experiment with the Multics System", 1968; entries stand in the
//          order of their hash instead of a queue's)
//   fifo   the one made first
//   lru    the one whose last use lies the furthest back; uses between two
//          visits of the hand count as one, at the second visit
//   lfu    the one with the fewest uses the hand has seen, halved at each visit
//          that saw none; of equals the one used longest ago
//   s3fifo newcomers first, while they are more than a tenth: the oldest of
//          those not used since the last round; two used rounds settle one.
//          Else of the settled the oldest, each use but the last three winning
//          it another turn. Who is given up as a newcomer and comes back soon
//          is settled at once (ghosts.hpp). After Yang et al., "FIFO queues are
//          all you need for cache eviction", SOSP 2023, with samples in place
//          of its queues
//   adaptive   the order that has served best of late (advice.hpp); beside lru
//          and s3fifo, one of
//            s3fifo with three tenths for newcomers, of whom one use settles;
//            steady: the newest come and go, so that who is settled stays, as
//            loops want that do not fit. After LIRS (Jiang, Zhang, SIGMETRICS
//            2002): who comes back sooner than the settled are used is settled
//
// Entries that have expired go first, whatever the policy. Pinned ones stay.
//
// Whose. Namespaces have a priority class. For memory that a namespace asks,
// the lowest class that has anything to give gives it, and never a class above
// the asker's own. A namespace without a policy (`noeviction`) gives nothing.
//
// Threads: all; each runs with a context of its own. Nothing waits.
#pragma once

#include "memory/advice.hpp"
#include "memory/ghosts.hpp"
#include "memory/index.hpp"
#include "memory/limits.hpp"
#include "memory/not_negative.hpp"
#include "memory/order.hpp"
#include "memory/policy/kind.hpp"
#include "memory/stamp.hpp"
#include "memory/store.hpp"
#include "memory/unix_time.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

namespace neuroplex::memory {

/// Percent of the pool from which on eviction begins, if nobody sets another.
inline constexpr std::uint32_t default_eviction_percent = 85;

/// Which namespaces a run may take from, and in which order.
struct eviction_scope {
  std::array<eviction_order, limits::max_namespaces> orders{};
  bool any = false;
  bool any_steady = false;
};

template <class Sync>
class basic_evictor {
public:
  using arena_type = basic_arena<Sync>;
  using context = basic_thread_context<Sync>;
  using location = basic_location<Sync>;
  using state = layout::block_state;

  /// Without an adviser nothing is learned.
  basic_evictor(const arena_type& arena, const basic_index<Sync>& index,
                basic_adviser<Sync>* adviser = nullptr) noexcept
    : arena_{arena}, index_{index}, adviser_{adviser} {
  }

  /// Gives up at most `batch` entries (and no more than limits::eviction_batch)
  /// for namespace `asker`; answers how many. `erase(location)` removes an
  /// entry if it is still what the location says. The thread must hold neither
  /// an intent nor a block in transit. Looks at each line of the index twice at
  /// most.
  template <class Erase>
  unsigned run(std::uint8_t asker, unsigned batch, Erase&& erase) {
    return run_up_to(class_of(asker), batch, erase);
  }

  /// The same in nobody's name.
  template <class Erase>
  unsigned run_for_all(unsigned batch, Erase&& erase) {
    return run_up_to(static_cast<unsigned>(priority_class::critical), batch,
                     erase);
  }

  /// The same for a namespace that has come to its own quota: takes from it
  /// alone.
  template <class Erase>
  unsigned run_within(std::uint8_t ns, unsigned batch, Erase&& erase) {
    eviction_scope scope;
    admit(scope, ns);
    return scope.any ? run_over(scope, batch, erase) : 0;
  }

  /// Gives up whatever `asker` may take of the entries in `count` pages from
  /// `first` on, so that they can hold something of another size; answers how
  /// many. For memory that lies scattered: the policies have no say.
  template <class Erase>
  unsigned clear_pages(std::uint8_t asker, const basic_pool<Sync>& pool,
                       std::uint32_t first, std::uint32_t count,
                       Erase&& erase) {
    eviction_scope scope;
    for (unsigned each = 0; each <= class_of(asker); ++each)
      collect(scope, each);
    auto end = std::min(first + count, arena_.committed_pages());
    unsigned given = 0;
    std::string key;
    for (auto page = first; page < end;)
      page += pool.visit_blocks(page, [&](std::uint32_t granule) {
        location where;
        if (find_owner(scope, granule, key, where) && erase(where))
          ++given;
      });
    return given;
  }

  /// Whether there are entries that may go for memory that `asker` asks.
  [[nodiscard]] bool may_take(std::uint8_t asker) const noexcept {
    eviction_scope scope;
    for (unsigned each = 0; each <= class_of(asker); ++each)
      collect(scope, each);
    return scope.any;
  }

  /// The policy of a namespace; what is scribbled there counts as none.
  [[nodiscard]] policy_kind policy_of(std::uint8_t ns) const noexcept {
    auto kind = static_cast<policy_kind>(
      arena_.name_record(ns).policy.load(std::memory_order_relaxed));
    return evicts_by(kind) ? kind : policy_kind::noeviction;
  }

  /// The order that a namespace is evicted in.
  [[nodiscard]] eviction_order order_of(std::uint8_t ns) const noexcept {
    auto policy = policy_of(ns);
    return policy == policy_kind::adaptive
             ? basic_adviser<Sync>::order_of(arena_.name_record(ns))
             : memory::order_of(policy);
  }

  /// The stamp of an entry that is about to be inserted.
  [[nodiscard]] std::uint32_t fresh_stamp(std::uint8_t ns,
                                          std::uint64_t hash) const noexcept {
    auto now = arena_.control().eviction_clock.load(std::memory_order_relaxed);
    auto fresh = stamp::fresh(now);
    if (!has_ghosts(policy_of(ns)))
      return fresh;
    auto ticks = basic_ghosts<Sync>{arena_}.take(hash, now);
    return ticks
               && comes_settled(order_of(ns), *ticks,
                                learned_of(ns).settled_age)
             ? stamp::settled(fresh)
             : fresh;
  }

  /// Notes that an entry with this stamp was given up.
  void note_given_up(std::uint8_t ns, std::uint64_t hash,
                     std::uint32_t stamp) const noexcept {
    if (has_ghosts(policy_of(ns)) && leaves_ghost(order_of(ns), stamp))
      basic_ghosts<Sync>{arena_}.remember(hash, stamp);
  }

  /// Pool memory of live entries, of all namespaces.
  [[nodiscard]] std::uint64_t live_bytes() const noexcept {
    // Counts may be a little below zero, and anything where they were
    // scribbled.
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < limits::max_namespaces; ++i) {
      auto word =
        arena_.control().namespace_states[i].load(std::memory_order_relaxed);
      if (layout::has_blocks(word))
        sum +=
          arena_.name_record(i).block_bytes.load(std::memory_order_relaxed);
    }
    return static_cast<std::int64_t>(sum) < 0 ? 0 : sum;
  }

  /// Whether live entries take more of the pool than eviction leaves alone.
  [[nodiscard]] bool above_threshold() const noexcept {
    return live_bytes() > pool_bytes() / 100 * threshold_percent();
  }

  [[nodiscard]] std::uint32_t threshold_percent() const noexcept {
    auto percent =
      arena_.control().eviction_percent.load(std::memory_order_relaxed);
    return percent == 0 || percent > 100 ? default_eviction_percent : percent;
  }

  /// What the pool may grow to.
  [[nodiscard]] std::uint64_t pool_bytes() const noexcept {
    return arena_.shape().reserved_pages * arena_.shape().page_bytes;
  }

  /// How many entries of a namespace, by their mean size, are to go until a
  /// block of `wanted` bytes fits into its quota; 0 when it fits.
  [[nodiscard]] unsigned excess_entries(std::uint8_t ns, std::uint64_t quota,
                                        std::uint64_t wanted) const noexcept {
    const auto& record = arena_.name_record(ns);
    auto used = not_negative(record.block_bytes);
    if (used + wanted <= quota)
      return 0;
    auto entries = not_negative(record.entries);
    auto mean = entries == 0 ? used : used / entries;
    auto excess = (used + wanted - quota) / std::max<std::uint64_t>(mean, 1);
    // A few more than needed: the worst of a larger sample are worse.
    excess = std::max(excess, entries / quota_part);
    return static_cast<unsigned>(
      std::clamp<std::uint64_t>(excess, 1, limits::eviction_batch));
  }

private:
  static constexpr unsigned sample_factor = 4;
  static constexpr unsigned most_candidates =
    limits::eviction_batch * sample_factor;
  static constexpr unsigned lines_a_stretch = 8;
  static constexpr unsigned quota_part = 256;

  /// An entry that may go. The higher its score, the sooner.
  struct candidate {
    std::uint64_t slot_id;
    std::uint64_t word;
    std::uint32_t raw;
    std::uint32_t score;
  };

  struct sample {
    std::array<candidate, most_candidates> all;
    unsigned count = 0;
  };

  template <class Erase>
  unsigned run_up_to(unsigned highest, unsigned batch, Erase& erase) {
    for (unsigned least = 0; least <= highest; ++least) {
      eviction_scope scope;
      collect(scope, least);
      if (!scope.any)
        continue;
      if (auto given = run_over(scope, batch, erase); given > 0)
        return given;
    }
    return 0;
  }

  [[nodiscard]] unsigned class_of(std::uint8_t ns) const noexcept {
    return arena_.name_record(ns).priority_class.load(std::memory_order_relaxed)
           % (static_cast<unsigned>(priority_class::critical) + 1);
  }

  /// The namespaces of class `wanted` that have something to give.
  void collect(eviction_scope& scope, unsigned wanted) const noexcept {
    for (unsigned i = 0; i < limits::max_namespaces; ++i) {
      auto word =
        arena_.control().namespace_states[i].load(std::memory_order_relaxed);
      auto ns = static_cast<std::uint8_t>(i);
      if (layout::namespace_state_of(word) == layout::namespace_state::live
          && class_of(ns) == wanted)
        admit(scope, ns);
    }
  }

  void admit(eviction_scope& scope, std::uint8_t ns) const noexcept {
    auto entries = static_cast<std::int64_t>(
      arena_.name_record(ns).entries.load(std::memory_order_relaxed));
    auto order = order_of(ns);
    if (entries <= 0 || order == eviction_order::none)
      return;
    scope.any = true;
    scope.any_steady = scope.any_steady || order == eviction_order::steady;
    scope.orders[ns] = order;
  }

  template <class Erase>
  unsigned run_over(const eviction_scope& scope, unsigned batch,
                    Erase&& erase) {
    batch = std::min(batch, limits::eviction_batch);
    // What is given up is used again without a refill, which ticks otherwise.
    arena_.control().eviction_clock.fetch_add(1, std::memory_order_relaxed);
    auto lines = arena_.lines(arena_.level_of(
      arena_.control().index_state.load(std::memory_order_acquire)));
    if (scope.any_steady && adviser_ != nullptr)
      if (auto given = run_over_newcomers(scope, batch, lines, erase);
          given > 0)
        return given;
    // Twice round, since the first round of a clock may only clear bits.
    auto stretches = 2 * (lines / lines_a_stretch + 1);
    unsigned given = 0;
    while (given == 0 && stretches > 0) {
      sample_.count = 0;
      while (sample_.count < batch * sample_factor && stretches > 0) {
        --stretches;
        look_at_stretch(scope, lines);
      }
      given += give_up_worst(batch, erase);
    }
    return given;
  }

  /// Gives up the newcomers of namespaces whose order is `steady`, but for the
  /// latest.
  template <class Erase>
  unsigned run_over_newcomers(const eviction_scope& scope, unsigned batch,
                              std::uint64_t lines, Erase& erase) {
    unsigned given = 0;
    bool hand_is_due = false;
    for (unsigned i = 0; i < limits::max_namespaces && given < batch; ++i) {
      if (scope.orders[i] != eviction_order::steady)
        continue;
      auto ns = static_cast<std::uint8_t>(i);
      auto* advice = adviser_->of(ns);
      if (advice == nullptr)
        continue;
      auto before = given;
      auto keep = steady_newcomers(
        arena_.name_record(ns).entries.load(std::memory_order_relaxed));
      // A run at a time, as the other orders do, so that the clock ticks alike.
      auto floor = keep - std::min<std::uint64_t>(batch, keep / 2);
      while (given < batch) {
        auto one = advice->take_newcomer(given == before ? keep : floor);
        if (!one)
          break;
        if (give_up_newcomer(ns, *one, erase))
          ++given;
      }
      constexpr unsigned interval = lines_a_stretch * layout::slots_per_line;
      hand_is_due =
        advice->hand_is_due(given - before, interval) || hand_is_due;
    }
    // The hand goes on, so that it learns of the others.
    if (hand_is_due) {
      look_at_stretch(scope, lines);
      sample_.count = 0;
    }
    return given;
  }

  /// False when it is not there any more, or has been used meanwhile.
  template <class Erase>
  bool give_up_newcomer(std::uint8_t ns, const recent_insertion& one,
                        Erase& erase) const {
    location where;
    if (!locate({one.slot_id, one.word, one.raw, 0}, where)
        || where.fields.ns() != ns)
      return false;
    auto link = where.block->link.load(std::memory_order_relaxed);
    if (!stamp::is_stamp(link) || !stamp::is_newcomer(link)
        || (link & stamp::pinned) != 0)
      return false;
    if (basic_index<Sync>::noted(where)) {
      auto now =
        arena_.control().eviction_clock.load(std::memory_order_relaxed);
      where.block->link.compare_exchange_strong(
        link, stamp::settled(stamp::with_clock(link, now)),
        std::memory_order_relaxed);
      return false;
    }
    return basic_index<Sync>::unchanged(where) && erase(where);
  }

  template <class Erase>
  unsigned give_up_worst(unsigned batch, Erase& erase) {
    auto* first = sample_.all.data();
    auto* last = first + sample_.count;
    auto* end = std::partition(
      first, last, [](const candidate& c) { return c.score >= at_turn; });
    if (end == first)
      end = last;
    auto* worst = first + std::min<std::ptrdiff_t>(batch, end - first);
    std::nth_element(
      first, worst, end,
      [](const candidate& a, const candidate& b) { return a.score > b.score; });
    unsigned given = 0;
    for (auto* each = first; each != worst; ++each)
      if (give_up(*each, erase))
        ++given;
    return given;
  }

  template <class Erase>
  bool give_up(const candidate& chosen, Erase&& erase) const {
    location where;
    return locate(chosen, where) && erase(where);
  }

  /// Whether what was looked at may still be there.
  bool locate(const candidate& chosen, location& where) const {
    where.slot = &index_.slot_at(chosen.slot_id);
    where.slot_id = chosen.slot_id;
    where.raw = chosen.raw;
    where.word = chosen.word;
    where.block = arena_.block(where.granule());
    return where.block != nullptr && index_.read_fields(where);
  }

  /// The slot of the entry in a block, if the entry may go.
  bool find_owner(const eviction_scope& scope, std::uint32_t granule,
                  std::string& key, location& where) const {
    where.block = arena_.block(granule);
    if (where.block == nullptr)
      return false;
    where.raw = granule;
    where.word = where.block->word.load(std::memory_order_acquire);
    if (layout::state_of(where.word) != state::live
        || !index_.read_fields(where)
        || scope.orders[where.fields.ns()] == eviction_order::none
        || (where.block->link.load(std::memory_order_relaxed) & stamp::pinned)
             != 0)
      return false;
    auto ns = where.fields.ns();
    key.resize(where.fields.key_bytes());
    Sync::read(key.data(), where.payload(), key.size());
    auto hash = hash_key(ns, key);
    return index_.find(index_.home_of(hash), hash, ns, key, where)
             == lookup::found
           && where.granule() == granule;
  }

  /// Moves the hand over the next lines.
  void look_at_stretch(const eviction_scope& scope, std::uint64_t lines) {
    // A line's share of the 32 bits of the hand, which so survives a doubling.
    auto step = static_cast<std::uint32_t>(
      ((std::uint64_t{1} << 32) + lines - 1) / lines);
    auto hand = arena_.control().eviction_hand.fetch_add(
      step * lines_a_stretch, std::memory_order_relaxed);
    auto now = arena_.control().eviction_clock.load(std::memory_order_relaxed);
    std::array<home, lines_a_stretch> at;
    for (auto& each : at) {
      each = index_.home_of(std::uint64_t{hand} << 32);
      hand += step;
      for (auto& slot : index_.line_at(each, 0).slots)
        index_.prefetch_slot(slot);
    }
    for (auto& each : at)
      look_at_line(scope, each, now);
  }

  void look_at_line(const eviction_scope& scope, const home& at,
                    std::uint32_t now) {
    auto& line = index_.line_at(at, 0);
    auto used = line.meta.load(std::memory_order_relaxed);
    std::uint32_t seen = 0;
    for (unsigned i = 0; i < layout::slots_per_line; ++i) {
      location where;
      where.slot = &line.slots[i];
      where.raw = where.slot->load(std::memory_order_acquire);
      if (layout::is_frozen(where.raw) || !layout::holds_block(where.raw))
        continue;
      where.block = arena_.block(where.granule());
      if (where.block == nullptr)
        continue;
      where.word = where.block->word.load(std::memory_order_acquire);
      if (layout::state_of(where.word) != state::live
          || !index_.read_fields(where))
        continue;
      auto order = scope.orders[where.fields.ns()];
      if (order == eviction_order::none)
        continue;
      auto referenced = (used >> i & 1U) != 0;
      if (referenced)
        seen |= 1U << i;
      auto score = look_at_entry(order, where, referenced, now);
      if (score != 0 && basic_index<Sync>::unchanged(where)
          && sample_.count < most_candidates)
        sample_.all[sample_.count++] = {index_.slot_id_of(at.level, where.slot),
                                        where.word, where.raw, score};
    }
    if (seen != 0)
      line.meta.fetch_and(~seen, std::memory_order_relaxed);
  }

  /// How much an entry deserves to go, 0 for not at all; renews its stamp.
  std::uint32_t look_at_entry(eviction_order order, const location& where,
                              bool referenced,
                              std::uint32_t now) const noexcept {
    auto link = where.block->link.load(std::memory_order_relaxed);
    if (!stamp::is_stamp(link))
      return 0; // in transit
    if ((link & stamp::pinned) != 0)
      return 0;
    if (where.fields.expires() && expired(where))
      return at_once;
    auto learns = has_turns(order) || order == eviction_order::steady;
    auto before = learns ? learned_of(where.fields.ns()) : learned{};
    auto after = before;
    auto found = judge(order, link, referenced, now, after, most_candidates);
    if (learns)
      remember(where.fields.ns(), before, after);
    // Only while the block is live and nobody else renewed it: see stamp.hpp.
    if (found.stamp != link)
      where.block->link.compare_exchange_strong(link, found.stamp,
                                                std::memory_order_relaxed);
    return found.score;
  }

  [[nodiscard]] learned learned_of(std::uint8_t ns) const noexcept {
    learned all;
    all.newcomers =
      arena_.name_record(ns).newcomer_share.load(std::memory_order_relaxed);
    if (auto* advice = adviser_ == nullptr ? nullptr : adviser_->known(ns))
      all.settled_age = advice->settled_age.load(std::memory_order_relaxed);
    return all;
  }

  void remember(std::uint8_t ns, const learned& before,
                const learned& after) const noexcept {
    if (after.newcomers != before.newcomers)
      arena_.name_record(ns).newcomer_share.store(
        static_cast<std::uint16_t>(after.newcomers), std::memory_order_relaxed);
    if (after.settled_age != before.settled_age && adviser_ != nullptr)
      if (auto* advice = adviser_->known(ns))
        advice->settled_age.store(after.settled_age, std::memory_order_relaxed);
  }

  [[nodiscard]] static bool expired(const location& where) noexcept {
    std::int64_t expires = 0;
    Sync::read(&expires,
               reinterpret_cast<const std::byte*>(where.block)
                 + sizeof(layout::block_header<Sync>),
               sizeof expires);
    return expires != 0 && expires <= unix_time_ms();
  }

  const arena_type& arena_;
  const basic_index<Sync>& index_;
  basic_adviser<Sync>* adviser_;
  sample sample_;
};

} // namespace neuroplex::memory
