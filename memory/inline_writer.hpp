// Single changes of the table of an inline namespace, and what becomes of them
// when their thread dies.
//
// How. Authority over a record is its word (state, owner, version), as with
// blocks. Which records of a group count is one word of its line, so a
// replacement (one bit off, another on) is one exchange, and so is a removal. A
// new key's record is published in state `inserting`; two of them settle by the
// words of their records as in the index (index.hpp). An entry never moves to
// another group; its home group's word bounds how far it is.
//
// Crash safety. The intent names the group and the two records before the first
// of them is claimed. Whatever of the two is the dead thread's own, or is live
// with the version that the intent names but not published, is free. Marks for
// the backup are set while the intent stands, or for a dead thread by recovery,
// which reads the keys of both records before it frees them.
//
// Orderings. Group words are changed by sequentially consistent exchanges, and
// an insertion looks for rivals after it has published, so of two at least one
// sees the other. A writer states its intent, then looks at the namespace's
// state; who drops the namespace changes the state, then looks at the intents:
// all four sequentially consistent, so one sees the other.
//
// Threads: all; a context belongs to one thread. A writer that finds the free
// records of a full group in the hands of others waits for them; only writers
// of that group, and only while somebody stands still in the middle of a write.
//
// Invariants:
//  1. A bit is set only for a record whose word is live or inserting (or has
//     collided), and a record's word leaves live only after its bit was taken.
//  2. At most 47 of 48 records of a group are published.
//  3. A record's tag and bytes are written only by who holds it.
#pragma once

#include "memory/backup_marks.hpp"
#include "memory/inline_reader.hpp"
#include "memory/status.hpp"
#include "memory/thread_context.hpp"

#include <algorithm>
#include <string>
#include <string_view>

namespace neuroplex::memory {

template <class Sync>
class basic_inline_writer : public basic_inline_reader<Sync> {
public:
  using base = basic_inline_reader<Sync>;
  using context = basic_thread_context<Sync>;
  using typename base::line_type;
  using typename base::location;
  using typename base::state;

  using base::base;

  /// Makes the memory of a new table empty. Versions of its records begin at
  /// `first_word`, above all that the memory may have had.
  static void initialise(std::byte* table, const layout::inline_shape& shape,
                         std::uint64_t first_word) noexcept {
    auto* lines =
      reinterpret_cast<line_type*>(table + layout::inline_header_bytes);
    for (std::uint32_t group = 0; group < shape.groups; ++group) {
      for (auto& tag : lines[group].tags)
        tag.store(0, std::memory_order_relaxed);
      lines[group].word.reset();
    }
    auto* record = table + shape.records_offset();
    auto count = std::uint64_t{shape.groups} * layout::records_per_group;
    for (std::uint64_t i = 0; i < count; ++i, record += shape.record_bytes())
      base::word_of(record).store(first_word, std::memory_order_relaxed);
  }

  /// Asks for the record that a replacement would be written to.
  NEUROPLEX_INLINE void prefetch_free(const context& self,
                                      std::uint64_t hash) const noexcept {
    auto home = home_of(hash);
    auto free = ~lines_[home].word.bits() & layout::published_mask;
    auto* record = record_at(home, first_free(self, free | bit(0)));
    prefetch_to_write(record);
    prefetch_to_write(record + layout::line_bytes);
  }

  /// Whether anybody but the caller is in the middle of a change of this table,
  /// or died there.
  [[nodiscard]] bool others_at_work(const context& self) const noexcept {
    auto high = std::min<std::uint32_t>(
      arena_.control().threads_high.load(std::memory_order_relaxed),
      arena_.shape().thread_count);
    for (std::uint32_t i = 0; i < high; ++i) {
      auto intent = arena_.thread(i).intent.load(std::memory_order_relaxed);
      if (i + 1 != self.owner && layout::is_inline_intent(intent)
          && layout::inline_intent_ns(intent) == ns_)
        return true;
    }
    return false;
  }

protected:
  using base::arena_;
  using base::bit;
  using base::expiry_offset;
  using base::groups_;
  using base::home_of;
  using base::is_preferred;
  using base::lines_;
  using base::live_state_;
  using base::locate;
  using base::namespace_state_;
  using base::next_group;
  using base::ns_;
  using base::preferred;
  using base::preferred_places;
  using base::probe_limit;
  using base::record_at;
  using base::shape_;
  using base::unchanged;
  using base::value_bytes_;
  using base::value_offset_;
  using base::word_of;

  // -- replacement ------------------------------------------------------------

  /// ok; busy to look again; bad_namespace.
  [[nodiscard]] errc try_replace(context& self, std::uint64_t hash,
                                 std::string_view key, std::string_view value,
                                 std::int64_t expires,
                                 const location& old) noexcept {
    auto answer = errc::busy;
    auto number = claim(self, hash, old.group, old.group_word.bits, old.number,
                        old.word, answer);
    if (number == layout::no_record)
      return answer;
    auto fresh = locate(old.group, number);
    auto held = word_of(fresh.record).load(std::memory_order_relaxed);
    fill(fresh.record, hash, key, value, expires);
    old.line->tags[number].store(tag_of(hash), std::memory_order_release);
    fresh.word = publishable(self.slot->new_word, fresh.record, held);
    auto present = old.group_word;
    if (!old.line->word.change(present, present.bits
                                          ^ (bit(old.number) | bit(number)))) {
      free_record(fresh.record, fresh.word);
      withdraw(self);
      return errc::busy;
    }
    note_change(arena_, hash);
    if (old.group == home_of(hash) && is_preferred(hash, old.number)
        && !is_preferred(hash, number))
      bring_home(self, hash, key, value, expires, old, fresh);
    else
      free_record(old.record, old.word);
    withdraw(self);
    return errc::ok;
  }

  // -- insertion --------------------------------------------------------------

  /// ok; busy to look again; no_space when all groups of the key are full;
  /// bad_namespace.
  [[nodiscard]] errc try_insert(context& self, std::uint64_t hash,
                                std::string_view key, std::string_view value,
                                std::int64_t expires) noexcept {
    auto home = home_of(hash);
    auto group = home;
    bool contended = false;
    for (unsigned probe = 0; probe <= probe_limit();
         ++probe, group = next_group(home, group)) {
      auto bits = lines_[group].word.bits();
      if (full(bits))
        continue;
      auto answer = errc::busy;
      auto number =
        claim(self, hash, group, bits, layout::no_record, 0, answer);
      if (number == layout::no_record) {
        if (answer != errc::busy)
          return answer;
        contended = true;
        continue;
      }
      // Before it is published: who finds nothing nearer goes on to here.
      raise_probe(lines_[home], probe);
      auto at = locate(group, number);
      auto held = word_of(at.record).load(std::memory_order_relaxed);
      fill(at.record, hash, key, value, expires);
      at.line->tags[number].store(tag_of(hash), std::memory_order_release);
      at.word = layout::next_word(held, state::inserting, self.owner);
      word_of(at.record).store(at.word, std::memory_order_release);
      if (publish(at)) {
        answer = settle(hash, key, at, self.owner) ? errc::ok : errc::busy;
        if (answer == errc::ok)
          note_change(arena_, hash);
        withdraw(self);
        return answer;
      }
      free_record(at.record, at.word);
      withdraw(self);
      contended = true;
    }
    return contended ? errc::busy : errc::no_space;
  }

  // -- removal ----------------------------------------------------------------

  /// ok; busy to look again; bad_namespace.
  [[nodiscard]] errc try_erase(context& self, std::uint64_t hash,
                               const location& at) noexcept {
    if (!announce(self, at.group, at.number, at.word, layout::no_record))
      return errc::bad_namespace;
    auto present = at.group_word;
    if (!at.line->word.change(present, present.bits ^ bit(at.number))) {
      withdraw(self);
      return errc::busy;
    }
    note_change(arena_, hash);
    free_record(at.record, at.word);
    withdraw(self);
    bump(self.slot->writes, 1U);
    return errc::ok;
  }

  // -- recovery ---------------------------------------------------------------

  /// Has the next backup look at what a record holds.
  void note_record(std::uint32_t group, unsigned number) noexcept {
    if (number >= layout::records_per_group)
      return;
    std::string key(shape_.key_bytes, '\0');
    Sync::read(key.data(), record_at(group, number) + shape_.key_offset(),
               key.size());
    note_change(arena_, hash_key(ns_, std::string_view{key}));
  }

  /// Frees one of the two records that a dead thread's intent names, if it is
  /// not an entry.
  void release_dead(std::uint32_t group, unsigned number, unsigned owner,
                    std::uint64_t named) noexcept {
    if (number >= layout::records_per_group)
      return;
    auto at = locate(group, number);
    auto word = word_of(at.record).load(std::memory_order_seq_cst);
    auto in = layout::state_of(word);
    if (layout::owner_of(word) == owner
        && (in == state::inserting || in == state::collided)) {
      withdraw_record(at, owner);
    } else if (layout::owner_of(word) == owner && in == state::held) {
      free_record(at.record, word);
    } else if (in == state::live && word == named
               && (at.line->word.bits() & bit(number)) == 0) {
      free_record(at.record, word);
    }
  }

private:
  // -- intents ----------------------------------------------------------------

  /// Names the group and both records in the intent. False when the namespace
  /// is being dropped.
  [[nodiscard]] bool announce(context& self, std::uint32_t group,
                              unsigned old_record, std::uint64_t old_word,
                              unsigned new_record) noexcept {
    auto& slot = *self.slot;
    slot.old_word.store(old_word, std::memory_order_relaxed);
    slot.new_word.store(0, std::memory_order_relaxed);
    slot.intent.exchange(
      layout::make_inline_intent(ns_, group, old_record, new_record),
      std::memory_order_seq_cst);
    if (namespace_state_->load(std::memory_order_seq_cst) == live_state_)
      [[likely]]
      return true;
    withdraw(self);
    return false;
  }

  static void withdraw(context& self) noexcept {
    // Release: who sees no intent sees all that was done under it.
    self.slot->intent.store(0, std::memory_order_release);
  }

  // -- records ----------------------------------------------------------------

  /// A record's word from what it is to free, unless somebody did so.
  static void free_record(std::byte* record, std::uint64_t word) noexcept {
    // Acq_rel: pairs with the acquire of who claims it next, so that his bytes
    // come after ours.
    word_of(record).compare_exchange_strong(
      word, layout::next_word(word, state::free, 0), std::memory_order_acq_rel);
  }

  /// Claims a free record of the group, a preferred one if that is free, and
  /// names it in the intent. `no_record` when there is none to be had.
  [[nodiscard]] unsigned claim(context& self, std::uint64_t hash,
                               std::uint32_t group, std::uint64_t bits,
                               unsigned old_record, std::uint64_t old_word,
                               errc& answer) noexcept {
    answer = errc::busy;
    auto free = ~bits & layout::published_mask;
    bool announced = false;
    for (unsigned attempt = 0; free != 0; ++attempt) {
      auto number = attempt < preferred_places && group == home_of(hash)
                      ? preferred(hash, attempt)
                      : layout::no_record;
      if (number == layout::no_record)
        number = first_free(self, free);
      else if ((free & bit(number)) == 0)
        continue;
      free &= ~bit(number);
      if (!announced) {
        if (!announce(self, group, old_record, old_word, number)) {
          answer = errc::bad_namespace;
          return layout::no_record;
        }
        announced = true;
      } else {
        self.slot->intent.store(
          layout::make_inline_intent(ns_, group, old_record, number),
          std::memory_order_release);
      }
      auto& word = word_of(record_at(group, number));
      auto present = word.load(std::memory_order_relaxed);
      if (layout::state_of(present) == state::free
          && word.compare_exchange_strong(
            present, layout::next_word(present, state::held, self.owner),
            std::memory_order_acq_rel))
        return number;
    }
    if (announced)
      withdraw(self);
    return layout::no_record;
  }

  /// The record that a thread tries first of those that `free` has a bit for.
  /// Threads begin at different ones, so they seldom want the same.
  [[nodiscard]] static unsigned first_free(const context& self,
                                           std::uint64_t free) noexcept {
    constexpr unsigned apart = 7;
    auto rotation = self.owner * apart % layout::records_per_group;
    auto later = free >> rotation << rotation;
    return static_cast<unsigned>(std::countr_zero(later != 0 ? later : free));
  }

  /// Fills a record that is ours.
  void fill(std::byte* record, std::uint64_t hash, std::string_view key,
            std::string_view value, std::int64_t expires) noexcept {
    Sync::before_write();
    if (shape_.has_expiry != 0)
      Sync::write(record + expiry_offset, &expires, sizeof expires);
    write_key<Sync>(record + shape_.key_offset(), key);
    auto sum = write_summed<Sync>(record + value_offset_, value,
                                  checksum_seed(hash, value_bytes_, expires));
    Sync::write(record + base::checksum_offset, &sum, sizeof sum);
  }

  /// Makes a held and filled record ready to be published: names its word in
  /// the intent, then stores it.
  [[nodiscard]] std::uint64_t
  publishable(typename Sync::template atomic<std::uint64_t>& named,
              std::byte* record, std::uint64_t held) noexcept {
    auto live = layout::next_word(held, state::live, 0);
    named.store(live, std::memory_order_release);
    word_of(record).store(live, std::memory_order_release);
    return live;
  }

  /// An entry that lay in a preferred place and was replaced by a record
  /// elsewhere: takes the old record, writes the same there and publishes it in
  /// place of the new one. Nothing is lost if that fails.
  void bring_home(context& self, std::uint64_t hash, std::string_view key,
                  std::string_view value, std::int64_t expires,
                  const location& old, const location& fresh) noexcept {
    auto word = old.word;
    auto held = layout::next_word(word, state::held, self.owner);
    if (!word_of(old.record)
           .compare_exchange_strong(word, held, std::memory_order_acq_rel))
      return;
    fill(old.record, hash, key, value, expires);
    auto live = publishable(self.slot->old_word, old.record, held);
    auto seen = old.line->word.look();
    for (unsigned attempt = 0; attempt < home_attempts; ++attempt) {
      // After the look: if the exchange succeeds, it was so all the time.
      if ((seen.bits & bit(fresh.number)) == 0
          || word_of(fresh.record).load(std::memory_order_seq_cst)
               != fresh.word)
        break; // replaced or removed by somebody
      if (old.line->word.change(
            seen, seen.bits ^ (bit(old.number) | bit(fresh.number)))) {
        free_record(fresh.record, fresh.word);
        return;
      }
    }
    free_record(old.record, live);
  }

  static constexpr unsigned home_attempts = 4;

  // -- groups -----------------------------------------------------------------

  static bool full(std::uint64_t bits) noexcept {
    return static_cast<unsigned>(std::popcount(bits & layout::published_mask))
           >= layout::most_published;
  }

  static void raise_probe(line_type& line, unsigned probe) noexcept {
    auto seen = line.word.look();
    while (layout::probe_of_group(seen.bits) < probe) {
      auto others = seen.bits & (layout::probe_one - 1);
      if (line.word.change(seen, others | probe * layout::probe_one))
        return;
    }
  }

  /// Sets the bit of a record of ours, unless the group has filled up.
  [[nodiscard]] static bool publish(const location& at) noexcept {
    auto seen = at.line->word.look();
    while (!full(seen.bits))
      if (at.line->word.change(seen, seen.bits | bit(at.number)))
        return true;
    return false;
  }

  /// Takes the bit of a record away that is nobody's but ours.
  static void unpublish(const location& at) noexcept {
    auto seen = at.line->word.look();
    while ((seen.bits & bit(at.number)) != 0
           && !at.line->word.change(seen, seen.bits ^ bit(at.number)))
      ;
  }

  // -- rivals -----------------------------------------------------------------

  /// Turns a published record of a new key live, if it is the only one.
  [[nodiscard]] bool settle(std::uint64_t hash, std::string_view key,
                            const location& at, unsigned owner) noexcept {
    auto word = at.word;
    if (no_rival(hash, key, at)
        && word_of(at.record).compare_exchange_strong(
          word, layout::next_word(word, state::live, 0),
          std::memory_order_seq_cst))
      return true;
    withdraw_record(at, owner);
    return false;
  }

  /// A published record in state inserting or collided of `owner`, which is us
  /// or dead: marks it, takes its bit away, frees it.
  void withdraw_record(const location& at, unsigned owner) noexcept {
    auto& word = word_of(at.record);
    auto present = word.load(std::memory_order_seq_cst);
    if (layout::state_of(present) == state::inserting
        && layout::owner_of(present) == owner)
      word.compare_exchange_strong(
        present, layout::next_word(present, state::collided, owner),
        std::memory_order_seq_cst);
    present = word.load(std::memory_order_seq_cst);
    if (layout::state_of(present) != state::collided
        || layout::owner_of(present) != owner)
      return;
    unpublish(at);
    free_record(at.record, present);
  }

  /// Looks for other records of the key. One that is live wins; those that are
  /// inserting are told that they have lost.
  [[nodiscard]] bool no_rival(std::uint64_t hash, std::string_view key,
                              const location& own) noexcept {
    constexpr unsigned max_rounds = 1U << 8;
    auto home = home_of(hash);
    auto group = home;
    auto farthest = base::farthest_of(lines_[home].word.bits());
    for (unsigned probe = 0; probe <= farthest;
         ++probe, group = next_group(home, group)) {
      for (unsigned round = 0;; ++round) {
        if (round == max_rounds)
          return false;
        auto seen = rivals_in_group(hash, key, group, own);
        if (seen == lookup::found)
          return false;
        if (seen == lookup::absent)
          break;
      }
    }
    return true;
  }

  /// found: a live one. absent: none is left. retry: something changed.
  [[nodiscard]] lookup rivals_in_group(std::uint64_t hash, std::string_view key,
                                       std::uint32_t group,
                                       const location& own) noexcept {
    auto& line = lines_[group];
    auto group_word = line.word.look();
    auto mask = layout::match_group(line, tag_of(hash)) & group_word.bits
                & layout::published_mask;
    for (; mask != 0; mask &= mask - 1) {
      auto at = locate(group, static_cast<unsigned>(std::countr_zero(mask)));
      if (at.record == own.record)
        continue;
      at.word = word_of(at.record).load(std::memory_order_seq_cst);
      auto in = layout::state_of(at.word);
      if ((in != state::live && in != state::inserting)
          || !same_key<Sync>(at.record + value_offset_, key))
        continue;
      if (in == state::live)
        return unchanged(at) ? lookup::found : lookup::retry;
      Sync::after_read();
      if (!word_of(at.record).compare_exchange_strong(
            at.word,
            layout::next_word(at.word, state::collided,
                              layout::owner_of(at.word)),
            std::memory_order_seq_cst))
        return lookup::retry;
    }
    Sync::after_read();
    return line.word.version() == group_word.version ? lookup::absent
                                                     : lookup::retry;
  }
};

} // namespace neuroplex::memory
