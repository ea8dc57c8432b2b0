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
//
// Entries that have expired go first, whatever the policy. Pinned ones stay.
//
// Whose. Namespaces have a priority class. For memory that a namespace asks,
// the lowest class that has anything to give gives it, and never a class above
// the asker's own. A namespace without a policy (`noeviction`) gives nothing.
//
// Threads: all; each runs with a context of its own. Nothing waits.
#pragma once

#include "memory/ghosts.hpp"
#include "memory/index.hpp"
#include "memory/limits.hpp"
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

/// Whether a namespace of this policy remembers newcomers that it gave up.
constexpr bool has_ghosts(policy_kind kind) noexcept {
  return kind == policy_kind::s3fifo;
}

/// Whether namespaces of the shared store can have this policy.
constexpr bool evicts_by(policy_kind kind) noexcept {
  return kind == policy_kind::clock || kind == policy_kind::fifo
         || kind == policy_kind::lru || kind == policy_kind::lfu
         || has_ghosts(kind);
}

/// Which namespaces a run may take from, and by which policy.
struct eviction_scope {
  std::array<policy_kind, limits::max_namespaces> policies{};
  bool any = false;
};

template <class Sync>
class basic_evictor {
public:
  using arena_type = basic_arena<Sync>;
  using context = basic_thread_context<Sync>;
  using location = basic_location<Sync>;
  using state = layout::block_state;

  basic_evictor(const arena_type& arena,
                const basic_index<Sync>& index) noexcept
    : arena_{arena}, index_{index} {
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

  /// The policy of a namespace; what is scribbled there counts as none.
  [[nodiscard]] policy_kind policy_of(std::uint8_t ns) const noexcept {
    auto kind = static_cast<policy_kind>(
      arena_.name_record(ns).policy.load(std::memory_order_relaxed));
    return evicts_by(kind) ? kind : policy_kind::noeviction;
  }

  /// The stamp of an entry that is about to be inserted.
  [[nodiscard]] std::uint32_t fresh_stamp(std::uint8_t ns,
                                          std::uint64_t hash) const noexcept {
    auto stamp = stamp::fresh(
      arena_.control().eviction_clock.load(std::memory_order_relaxed));
    auto returns =
      has_ghosts(policy_of(ns)) && basic_ghosts<Sync>{arena_}.take(hash);
    return returns ? stamp::settled(stamp) : stamp;
  }

  /// Notes that an entry with this stamp was given up.
  void note_given_up(std::uint8_t ns, std::uint64_t hash,
                     std::uint32_t stamp) const noexcept {
    if (stamp::is_newcomer(stamp) && has_ghosts(policy_of(ns)))
      basic_ghosts<Sync>{arena_}.remember(hash);
  }

  /// Pool memory of live entries, of all namespaces.
  [[nodiscard]] std::uint64_t live_bytes() const noexcept {
    std::int64_t sum = 0; // counts may be a little below zero
    for (unsigned i = 0; i < limits::max_namespaces; ++i) {
      auto word =
        arena_.control().namespace_states[i].load(std::memory_order_relaxed);
      auto in = layout::namespace_state_of(word);
      if (in == layout::namespace_state::live
          || in == layout::namespace_state::contents)
        sum += static_cast<std::int64_t>(
          arena_.name_record(i).block_bytes.load(std::memory_order_relaxed));
    }
    return static_cast<std::uint64_t>(std::max<std::int64_t>(sum, 0));
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
    auto used = record.block_bytes.load(std::memory_order_relaxed);
    if (used + wanted <= quota)
      return 0;
    auto entries = record.entries.load(std::memory_order_relaxed);
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

  // Scores. Who has the top bit goes before all who do not, of whom none goes
  // while there is one that has it.
  static constexpr std::uint32_t at_turn = std::uint32_t{1} << 31;
  static constexpr std::uint32_t at_once = ~std::uint32_t{0};

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
    auto policy = policy_of(ns);
    if (entries <= 0 || policy == policy_kind::noeviction)
      return;
    scope.any = true;
    scope.policies[ns] = policy;
  }

  template <class Erase>
  unsigned run_over(const eviction_scope& scope, unsigned batch,
                    Erase&& erase) {
    batch = std::min(batch, limits::eviction_batch);
    // What is given up is used again without a refill, which ticks otherwise.
    arena_.control().eviction_clock.fetch_add(1, std::memory_order_relaxed);
    auto lines = arena_.lines(arena_.level_of(
      arena_.control().index_state.load(std::memory_order_acquire)));
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
    where.slot = &index_.slot_at(chosen.slot_id);
    where.slot_id = chosen.slot_id;
    where.raw = chosen.raw;
    where.word = chosen.word;
    where.block = arena_.block(where.granule());
    return where.block != nullptr && index_.read_fields(where) && erase(where);
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
        || scope.policies[where.fields.ns()] == policy_kind::noeviction
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
      auto policy = scope.policies[where.fields.ns()];
      if (policy == policy_kind::noeviction)
        continue;
      auto referenced = (used >> i & 1U) != 0;
      if (referenced)
        seen |= 1U << i;
      auto score = judge(policy, where, referenced, now);
      if (score != 0 && basic_index<Sync>::unchanged(where)
          && sample_.count < most_candidates)
        sample_.all[sample_.count++] = {index_.slot_id_of(at.level, where.slot),
                                        where.word, where.raw, score};
    }
    if (seen != 0)
      line.meta.fetch_and(~seen, std::memory_order_relaxed);
  }

  /// How much an entry deserves to go, 0 for not at all; renews its stamp.
  std::uint32_t judge(policy_kind policy, const location& where,
                      bool referenced, std::uint32_t now) const noexcept {
    auto link = where.block->link.load(std::memory_order_relaxed);
    if (!stamp::is_stamp(link))
      return 0; // in transit
    if ((link & stamp::pinned) != 0)
      return 0;
    if (where.fields.expires() && expired(where))
      return at_once;
    if (policy == policy_kind::clock)
      return referenced ? 0 : at_once;
    auto found =
      policy == policy_kind::s3fifo
        ? judge_by_turn(arena_.name_record(where.fields.ns()).newcomer_share,
                        link, referenced, now)
        : judge_by_use(policy, link, referenced, now);
    // Only while the block is live and nobody else renewed it: see stamp.hpp.
    if (found.stamp != link)
      where.block->link.compare_exchange_strong(link, found.stamp,
                                                std::memory_order_relaxed);
    return found.score;
  }

  struct verdict {
    std::uint32_t stamp = 0; ///< as it is to be from now on
    std::uint32_t score = 0;
  };

  [[nodiscard]] static verdict judge_by_use(policy_kind policy,
                                            std::uint32_t link, bool referenced,
                                            std::uint32_t now) noexcept {
    if (policy == policy_kind::fifo)
      return {link, at_turn + 1 + stamp::age(link, now)};
    auto renewed =
      referenced ? stamp::settled(stamp::with_clock(link, now)) : link;
    auto score = at_turn + 1 + stamp::age(renewed, now);
    if (policy == policy_kind::lru)
      return {renewed, score};
    auto uses = stamp::uses(link);
    uses = referenced ? std::min(uses + 1, stamp::most_uses) : uses / 2;
    return {stamp::with_uses(renewed, uses),
            score + ((stamp::most_uses - uses) << stamp::uses_shift)};
  }

  /// By the two queues of S3-FIFO, of which `share` tells whose turn it is.
  static verdict
  judge_by_turn(typename Sync::template atomic<std::uint16_t>& share,
                std::uint32_t link, bool referenced,
                std::uint32_t now) noexcept {
    auto newcomer = stamp::is_newcomer(link);
    auto newcomers_turn = learn(share, newcomer) > a_tenth;
    auto uses =
      std::min(stamp::uses(link) + (referenced ? 1U : 0U), most_turns);
    auto renewed = stamp::with_uses(link, uses);
    auto age = stamp::age(link, now);
    if (newcomer != newcomers_turn)
      return {renewed, 1 + age + (uses == 0 ? stamp::clock_mask : 0)};
    if (newcomer && uses >= uses_to_settle)
      return {stamp::settled(stamp::with_clock(stamp::with_uses(link, 0), now)),
              0};
    // Several uses between two visits count as one: it waits for the next.
    if (newcomer && referenced)
      return {renewed, 0};
    if (!newcomer && uses > 0)
      return {stamp::with_clock(stamp::with_uses(link, uses - 1), now), 0};
    return {renewed, at_turn + 1 + age};
  }

  /// Counts an entry in a share of newcomers, which fades over as many entries
  /// as a run looks at.
  static std::int32_t
  learn(typename Sync::template atomic<std::uint16_t>& share,
        bool newcomer) noexcept {
    auto before =
      static_cast<std::int32_t>(share.load(std::memory_order_relaxed));
    constexpr std::int32_t whole = 0xFFFF;
    auto after = before
                 + ((newcomer ? whole : 0) - before)
                     / static_cast<std::int32_t>(most_candidates);
    if (after != before)
      share.store(static_cast<std::uint16_t>(after), std::memory_order_relaxed);
    return after;
  }

  static constexpr std::int32_t a_tenth = 0xFFFF / 10;
  static constexpr unsigned uses_to_settle = 2;
  static constexpr std::uint32_t most_turns = 3;

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
  sample sample_;
};

} // namespace neuroplex::memory
