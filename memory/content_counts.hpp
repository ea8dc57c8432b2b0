// How many entries refer to a content: up, down, and away with it.
//
// The count is the stamp of the content's record (shared_reference.hpp), a word
// that is changed by compare-and-swap while the thread's intent pins the
// record's block; a stamp never looks like the link of a list, so a record that
// is displaced meanwhile is not harmed.
//
// Order. It counts up before an entry that refers is published, and down after
// it was displaced. So whoever dies anywhere leaves a count too high, never too
// low: nothing is freed that is referred to. What too high a count keeps back,
// content_recount.hpp finds. While a thread is between the two, its slot says
// so (`layout::thread_slot::sharing`): the recount waits, and recovery knows
// that it is needed.
//
// Removal. Who counts down to zero takes the record out, then the bytes. Zero
// is final: nobody counts up from it, and whoever meets a record with a count
// of zero does the same work. The number is never given out again, so it is
// harmless to do it twice, or late.
//
// Threads: all; a context belongs to one thread. It holds neither an intent nor
// a block in transit. No memory is needed to count.
//
// Failure behaviour: a count that cannot be changed, or is none, in a damaged
// segment, is left for the recount; whoever would count up stores his value
// elsewhere.
#pragma once

#include "memory/index.hpp"
#include "memory/shared_reference.hpp"

#include <cstdint>

namespace neuroplex::memory {

template <class Sync>
class basic_space;

/// Says for its lifetime that the thread is at work on counts.
template <class Sync>
class basic_sharing_work {
public:
  using context = basic_thread_context<Sync>;

  explicit basic_sharing_work(context& self) noexcept : self_{self} {
    if (self_.sharing_depth++ == 0)
      bump(self_.slot->sharing, 1U); // ordered by the changes that follow
  }

  basic_sharing_work(const basic_sharing_work&) = delete;
  basic_sharing_work& operator=(const basic_sharing_work&) = delete;

  ~basic_sharing_work() {
    // Release: the counts are done when this is seen.
    if (--self_.sharing_depth == 0)
      self_.slot->sharing.store(
        self_.slot->sharing.load(std::memory_order_relaxed) + 1,
        std::memory_order_release);
  }

private:
  context& self_;
};

template <class Sync>
class basic_content_counts {
public:
  using space_type = basic_space<Sync>;
  using context = basic_thread_context<Sync>;
  using location = basic_location<Sync>;
  using state = layout::block_state;

  enum class outcome : std::uint8_t { done, gone, full };

  explicit basic_content_counts(space_type& space) noexcept : space_{space} {
  }

  /// The namespace of contents of `ns`, or nothing. What is scribbled there
  /// names one of another namespace at worst, where no number fits.
  struct place {
    std::uint8_t ns = 0;
    bool known = false;
    std::uint32_t word = 0; ///< of the namespace, as writes compare it
  };

  [[nodiscard]] place contents_of(std::uint8_t ns) const noexcept {
    const auto& arena = space_.arena();
    const auto& owner = arena.name_record(ns);
    place result;
    if ((owner.storing.load(std::memory_order_relaxed) & layout::storing_shared)
        == 0)
      return result;
    result.ns = owner.contents.load(std::memory_order_relaxed);
    result.word = arena.control().namespace_states[result.ns].load(
      std::memory_order_acquire);
    result.known =
      layout::namespace_state_of(result.word)
        == layout::namespace_state::contents
      && arena.name_record(result.ns).contents.load(std::memory_order_relaxed)
           == ns;
    return result;
  }

  /// Reads the number of the record at `where`; false when it is no record.
  [[nodiscard]] static bool read_number(const location& where,
                                        std::uint64_t& number) noexcept {
    if (!where.fields.counted() || where.fields.value_bytes != sizeof number)
      return false;
    Sync::read(&number, where.payload() + where.fields.key_bytes(),
               sizeof number);
    return true;
  }

  /// One more entry is to refer to content `number`.
  [[nodiscard]] outcome count_up(context& self, std::uint8_t contents,
                                 const content_hash& hash,
                                 std::uint64_t number) {
    bool full = false;
    bool scribbled = false;
    auto counted =
      change(self, contents, hash, number, [&](std::uint32_t present) {
        scribbled = !stamp::is_stamp(present);
        full =
          scribbled || reference_count::of(present) == reference_count::most;
        return full || reference_count::of(present) == 0 ? present
                                                         : present + 1;
      });
    if (scribbled)
      doubt();
    if (counted)
      return outcome::done;
    return full ? outcome::full : outcome::gone;
  }

  /// An entry of `ns` that referred to a content does so no more.
  void count_down(context& self, std::uint8_t ns,
                  const shared_reference& reference) {
    auto contents =
      space_.arena().name_record(ns).contents.load(std::memory_order_relaxed);
    count_down_in(self, contents, reference);
  }

  void count_down_in(context& self, std::uint8_t contents,
                     const shared_reference& reference) {
    bool last = false;
    bool scribbled = false;
    auto changed =
      change(self, contents, reference.hash, reference.number,
             [&](std::uint32_t present) {
               scribbled = !stamp::is_stamp(present);
               auto entries = reference_count::of(present);
               last = entries == 1;
               return scribbled || entries == 0 ? present : present - 1;
             });
    if (scribbled)
      doubt();
    if (!changed)
      return;
    auto& record = space_.arena().name_record(contents);
    record.references.fetch_sub(1, std::memory_order_relaxed);
    record.referred_bytes.fetch_sub(reference.value_bytes,
                                    std::memory_order_relaxed);
    if (last)
      remove(self, contents, reference.hash, reference.number);
  }

  /// Sets a count that is `present`, if its record is there; false when it is
  /// another by now.
  [[nodiscard]] bool set(context& self, std::uint8_t contents,
                         const content_hash& hash, std::uint64_t number,
                         std::uint32_t present, std::uint32_t wanted) {
    bool other = false;
    (void)change(self, contents, hash, number, [&](std::uint32_t found) {
      other = found != present;
      return other ? found : wanted;
    });
    return !other;
  }

  /// Takes out a content whose count is zero: the record, then the bytes.
  void remove(context& self, std::uint8_t contents, const content_hash& hash,
              std::uint64_t number) {
    take_out_if(self, contents, hash.key(), [&](const location& where) {
      std::uint64_t found = 0;
      return read_number(where, found) && found == number
             && where.block->link.load(std::memory_order_relaxed)
                  == reference_count::stamp_of(0);
    });
    remove_bytes(self, contents, number);
  }

  void remove_bytes(context& self, std::uint8_t contents,
                    std::uint64_t number) {
    take_out_if(self, contents, shared_reference::key_of(number),
                [](const location& where) { return !where.fields.counted(); });
  }

private:
  static constexpr unsigned max_rounds = 1U << 13;

  /// Changes the count of a record by compare-and-swap to what `next(present)`
  /// says; it is shown what was scribbled there, too. False: there is no such
  /// record, or `next` left it alone.
  template <class Next>
  bool change(context& self, std::uint8_t contents, const content_hash& hash,
              std::uint64_t number, Next&& next) {
    auto& index = space_.index();
    auto key_hash = hash_key(contents, hash.key());
    for (unsigned round = 0; round < max_rounds; ++round) {
      auto at = index.home_of(key_hash);
      location where;
      auto seen = index.find(at, key_hash, contents, hash.key(), where);
      if (seen == lookup::absent)
        return false;
      std::uint64_t found = 0;
      bool is_record = seen == lookup::found && read_number(where, found);
      if (seen == lookup::retry || !index.unchanged(at, where)) {
        Sync::pause(round / 2);
        continue;
      }
      if (!is_record || found != number)
        return false; // another's, or scribbled over
      space_.announce(self, layout::intent_kind::pin, where, where.granule(),
                      where.word, 0, 0);
      // seq_cst: after the intent that pins it, as in try_replace. From here on
      // the block is this record's, even if it should be displaced.
      bool here =
        where.block->word.load(std::memory_order_seq_cst) == where.word;
      auto present = where.block->link.load(std::memory_order_acquire);
      // Who displaces it changes the word, then the link (basic_pool::retire).
      here =
        here
        && (stamp::is_stamp(present)
            || where.block->word.load(std::memory_order_acquire) == where.word);
      auto wanted = here ? next(present) : present;
      bool left_alone = here && wanted == present;
      // Release: the slot's word `sharing` comes before it; acquire: what was
      // counted before is seen.
      bool changed = here && !left_alone
                     && where.block->link.compare_exchange_strong(
                       present, wanted, std::memory_order_acq_rel);
      space_.withdraw_intent(self);
      if (changed || left_alone)
        return changed;
      Sync::pause(round / 2);
    }
    doubt();
    return false;
  }

  /// Removes the entry of `key` if `wanted(location)`.
  template <class Wanted>
  void take_out_if(context& self, std::uint8_t contents, std::string_view key,
                   Wanted&& wanted) {
    auto& index = space_.index();
    auto key_hash = hash_key(contents, key);
    for (unsigned round = 0; round < max_rounds; ++round) {
      auto at = index.writable_home(self, key_hash);
      location where;
      auto seen = index.find_to_write(self, at, key_hash, contents, key, where);
      if (seen == lookup::absent)
        return;
      if (seen == lookup::found) {
        if (!wanted(where)) {
          if (index.unchanged(at, where))
            return;
        } else if (space_.take_out(self, where, key_hash)) {
          return;
        }
      }
      Sync::pause(round / 2);
    }
    doubt();
  }

  void doubt() noexcept {
    space_.arena().control().contents_in_doubt.fetch_add(
      1, std::memory_order_relaxed);
  }

  space_type& space_;
};

} // namespace neuroplex::memory
