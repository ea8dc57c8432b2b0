// The table of an inline namespace: fixed-size entries at computed places.
//
// Purpose: the operations on it, from the lookups of inline_reader.hpp and the
// single changes of inline_writer.hpp, which tell how it works and what holds.
//
// Threads: all; a context belongs to one thread. Failure behaviour: `busy` when
// writers of the same group stand still for a second (their death is for the
// caller to find out).
#pragma once

#include "memory/engine.hpp"
#include "memory/inline_writer.hpp"

namespace neuroplex::memory {

template <class Sync>
class basic_inline_table : public basic_inline_writer<Sync> {
public:
  using base = basic_inline_writer<Sync>;
  using change = typename basic_engine<Sync>::change;
  using typename base::context;
  using typename base::location;
  using typename base::state;

  using base::base;

  /// As basic_engine::put.
  [[nodiscard]] errc put(context& self, std::uint64_t hash,
                         std::string_view key, std::string_view value,
                         std::int64_t expires, condition when) noexcept {
    patience<Sync> enough;
    for (unsigned round = 0;; ++round) {
      location at;
      auto seen = base::find(hash, key, at);
      if (seen != lookup::retry) {
        bool live = seen == lookup::found && !expired(base::expiry_of(at));
        auto answer = errc::ok;
        if (when == condition::if_absent && live)
          answer = errc::exists;
        else if (when == condition::if_present && !live)
          answer = errc::not_found;
        if (answer != errc::ok) {
          // A refusal must rest on a state that stands.
          if (seen == lookup::absent || base::unchanged(at))
            return base::stands() ? answer : errc::bad_namespace;
        } else {
          answer = store(self, seen, hash, key, value, expires, at);
          if (answer != errc::busy)
            return answer;
        }
      }
      if (!lose(self, enough, round))
        return errc::busy;
    }
  }

  /// As basic_engine::modify; a new value must have the table's size.
  template <class Decide>
  [[nodiscard]] errc modify(context& self, std::uint64_t hash,
                            std::string_view key, Decide&& decide) {
    std::string present(value_bytes_, '\0');
    patience<Sync> enough;
    for (unsigned round = 0;; ++round) {
      auto answer = try_modify(self, hash, key, present, decide);
      if (answer != errc::busy)
        return answer;
      if (!lose(self, enough, round))
        return errc::busy;
    }
  }

  [[nodiscard]] errc erase(context& self, std::uint64_t hash,
                           std::string_view key) noexcept {
    return erase_if(self, hash, key, [](std::int64_t) { return true; });
  }

  /// Removes the entry only if it has expired.
  [[nodiscard]] errc erase_expired(context& self, std::uint64_t hash,
                                   std::string_view key) noexcept {
    return erase_if(self, hash, key,
                    [](std::int64_t expires) { return expired(expires); });
  }

  /// Removes the entry that a walk has shown; busy when its group has changed
  /// since.
  [[nodiscard]] errc remove(context& self, std::uint64_t hash,
                            const location& at) noexcept {
    return base::try_erase(self, hash, at);
  }

  /// Removes all entries that are there throughout; answers how many.
  [[nodiscard]] errc clear(context& self, std::uint64_t& removed) {
    std::string key(base::shape().key_bytes, '\0');
    for (std::uint32_t group = 0; group < base::groups(); ++group) {
      patience<Sync> enough;
      unsigned losses = 0;
      location at;
      while (first_live(group, at)) {
        Sync::read(key.data(), at.record + base::shape().key_offset(),
                   key.size());
        auto answer = base::try_erase(
          self, hash_key(base::ns(), std::string_view{key}), at);
        if (answer == errc::ok)
          ++removed;
        else if (answer != errc::busy || !lose(self, enough, losses++))
          return answer;
      }
    }
    return errc::ok;
  }

  /// Finishes or undoes what the intent of a dead thread names in this table.
  /// May be repeated. The caller sees to it that one does so at a time.
  void recover(layout::thread_slot<Sync>& dead, unsigned owner) noexcept {
    auto intent = dead.intent.load(std::memory_order_acquire);
    auto group = layout::inline_intent_group(intent);
    if (!layout::is_inline_intent(intent) || group >= base::groups())
      return;
    auto new_record = layout::inline_intent_new(intent);
    auto old_record = layout::inline_intent_old(intent);
    base::note_record(group, new_record);
    base::note_record(group, old_record);
    base::release_dead(group, new_record, owner,
                       dead.new_word.load(std::memory_order_acquire));
    base::release_dead(group, old_record, owner,
                       dead.old_word.load(std::memory_order_acquire));
  }

private:
  using base::value_bytes_;

  [[nodiscard]] static bool expired(std::int64_t expires) noexcept {
    return expires != 0 && expires <= unix_time_ms();
  }

  [[nodiscard]] bool lose(context& self, patience<Sync>& enough,
                          unsigned round) noexcept {
    bump(self.slot->retries, 1U);
    return enough.lose(round, [&] { return base::others_at_work(self); });
  }

  [[nodiscard]] errc store(context& self, lookup seen, std::uint64_t hash,
                           std::string_view key, std::string_view value,
                           std::int64_t expires, const location& at) noexcept {
    auto answer = seen == lookup::found
                    ? base::try_replace(self, hash, key, value, expires, at)
                    : base::try_insert(self, hash, key, value, expires);
    if (answer == errc::ok)
      bump(self.slot->writes, 1U);
    return answer;
  }

  /// One round of `modify`: busy to look again.
  template <class Decide>
  [[nodiscard]] errc try_modify(context& self, std::uint64_t hash,
                                std::string_view key, std::string& present,
                                Decide&& decide) {
    location at;
    auto seen = base::find(hash, key, at);
    if (seen == lookup::retry)
      return errc::busy;
    bool live = false;
    std::int64_t expires = 0;
    if (seen == lookup::found) {
      expires = base::expiry_of(at);
      live = !expired(expires);
      bool intact =
        !live || base::copy_value(hash, at, expires, present.data());
      if (!base::unchanged(at))
        return errc::busy;
      if (!intact) {
        bump(self.slot->corrupt_reads, 1U);
        return errc::corrupt;
      }
    }
    if (!base::stands())
      return errc::bad_namespace;
    change wanted;
    auto answer = decide(live ? &present : nullptr, live ? expires : 0,
                         live ? base::token_of(at) : version_token{}, wanted);
    if (answer != errc::ok)
      return answer;
    if (wanted.erase)
      return seen == lookup::found ? base::try_erase(self, hash, at)
                                   : errc::not_found;
    if (wanted.head.size() != value_bytes_ || !wanted.tail.empty())
      return errc::value_size;
    if (wanted.expires_at_ms != 0 && base::shape().has_expiry == 0)
      return errc::bad_ttl;
    return store(self, seen, hash, key, wanted.head, wanted.expires_at_ms, at);
  }

  template <class Wanted>
  [[nodiscard]] errc erase_if(context& self, std::uint64_t hash,
                              std::string_view key, Wanted&& wanted) noexcept {
    patience<Sync> enough;
    for (unsigned round = 0;; ++round) {
      location at;
      auto seen = base::find(hash, key, at);
      if (seen == lookup::absent)
        return base::stands() ? errc::not_found : errc::bad_namespace;
      if (seen == lookup::found) {
        auto expires = base::expiry_of(at);
        bool live = !expired(expires);
        if (!wanted(expires)) {
          if (base::unchanged(at))
            return errc::mismatch;
        } else {
          auto answer = base::try_erase(self, hash, at);
          if (answer == errc::ok && !live) {
            bump(self.slot->expired, 1U);
            return errc::not_found;
          }
          if (answer != errc::busy)
            return answer;
        }
      }
      if (!lose(self, enough, round))
        return errc::busy;
    }
  }

  /// The first live entry of a group, with the group's word as it is now.
  [[nodiscard]] bool first_live(std::uint32_t group,
                                location& at) const noexcept {
    auto seen = base::lines_[group].word.look();
    for (auto mask = seen.bits & layout::published_mask; mask != 0;
         mask &= mask - 1) {
      at = base::locate(group, static_cast<unsigned>(std::countr_zero(mask)));
      at.group_word = seen;
      at.word = base::word_of(at.record).load(std::memory_order_acquire);
      if (layout::state_of(at.word) == state::live)
        return true;
    }
    return false;
  }
};

} // namespace neuroplex::memory
