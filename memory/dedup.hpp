// Values that are stored once, however many entries hold them.
//
// A value at least as long as its namespace says (`share_from`) is looked for
// by its XXH3-128 and compared byte by byte; if it is there, one more entry is
// counted for it, else it is stored as a new content. The entry itself holds a
// reference (shared_reference.hpp) and is flagged; a reader in the usual way
// does not know of it, for the careful way it is one more case. A content may
// be packed as well: what is compared is the value as the writer gave it.
//
// Order. The bytes of a content come before its record, by which it is found,
// and both before the entry that refers to them. The record goes before the
// bytes. So whoever finds a record with a count that is not zero finds the
// bytes; a reader who finds none looks at the reference again, which must have
// changed.
//
// Quota. A namespace is charged for its entries and its contents, once.
//
// Threads: all; a context belongs to one thread, and holds neither an intent
// nor a block in transit.
//
// Failure behaviour: no_space leaves nothing behind. Contents that differ and
// have the same hash are kept apart by other seeds; when these run out, or a
// segment is damaged, values are stored in their entries.
#pragma once

#include "memory/compression.hpp"
#include "memory/engine.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace neuroplex::memory {

/// What a missing content means. While an entry refers to it, it is there; so
/// who finds none finds another entry when he looks again, or damage.
class missing_content {
public:
  /// Whether to look again. `seen` is the entry that referred to it.
  [[nodiscard]] bool look_again(version_token seen) noexcept {
    return std::exchange(last_, seen) != seen && ++looks_ < most_looks;
  }

private:
  /// So many changes in a row mean a damaged segment.
  static constexpr unsigned most_looks = 1U << 13;

  version_token last_{};
  unsigned looks_ = 0;
};

template <class Sync>
class basic_deduplicator {
public:
  using engine_type = basic_engine<Sync>;
  using context = basic_thread_context<Sync>;
  using location = basic_location<Sync>;
  using counts_type = basic_content_counts<Sync>;
  using place = typename counts_type::place;
  using hasher = content_hash (*)(std::string_view value, unsigned attempt);

  explicit basic_deduplicator(engine_type& engine,
                              hasher hash = hash_content) noexcept
    : engine_{engine}, hash_{hash} {
  }

  /// Finds the content that an entry of `ns` refers to and lets `use(location,
  /// hash of its key)` copy it; repeats as `basic_engine::read` does.
  /// `not_found`: the entry is another by now.
  template <class Use>
  [[nodiscard]] errc read(std::uint8_t ns, const shared_reference& reference,
                          Use&& use) const {
    return read_in(contents_number(ns), reference.number, use);
  }

  /// What the entry at `where` refers to: ok, or corrupt. To be believed when
  /// the entry still stands afterwards.
  [[nodiscard]] static errc reference_of(std::uint64_t hash,
                                         const location& where,
                                         std::int64_t expires,
                                         shared_reference& result) {
    std::array<char, sizeof result> value{};
    if (where.fields.value_bytes != value.size())
      return errc::corrupt;
    auto sum = read_summed<Sync>(
      value.data(), where.payload() + where.fields.key_bytes(), value.size(),
      checksum_seed(hash, where.fields.length_and_form(), expires));
    std::memcpy(&result, value.data(), sizeof result);
    return sum == where.fields.checksum ? errc::ok : errc::corrupt;
  }

  /// Copies the content as it is stored: as the writer gave it, or packed.
  [[nodiscard]] errc read_stored(std::uint8_t ns,
                                 const shared_reference& reference,
                                 std::string& stored,
                                 std::uint8_t& form) const {
    return read(ns, reference, [&](const location& where, std::uint64_t hash) {
      form = where.fields.form();
      return copy(where, hash, stored);
    });
  }

  /// Copies the content's value as the writer gave it.
  [[nodiscard]] errc read(std::uint8_t ns, const shared_reference& reference,
                          std::string& value) const {
    std::string stored;
    std::uint8_t form = 0;
    if (auto answer = read_stored(ns, reference, stored, form);
        answer != errc::ok)
      return answer;
    if (form == 0)
      value.swap(stored);
    else if (!unpack(stored, engine_.arena().shape().max_value_bytes, value))
      return errc::corrupt;
    return value.size() == reference.value_bytes ? errc::ok : errc::corrupt;
  }

  /// Pins the content's block; `use(location)` as with `basic_engine::pin`.
  template <class Use>
  [[nodiscard]] errc pin(std::uint8_t ns, const shared_reference& reference,
                         typename Sync::template atomic<std::uint32_t>& hazard,
                         Use&& use) const {
    auto contents = contents_number(ns);
    return engine_.pin(hash_key(contents, reference.key()), contents,
                       reference.key(), hazard, use);
  }

  /// One more entry of `ns` is to hold `value`: finds or makes its content and
  /// counts up. `pack(value, buffer)` says whether it is to be stored packed.
  /// `not_found`: it is to be stored in the entry. The thread says that it is
  /// at work on counts (basic_sharing_work) until the entry is published.
  template <class Pack>
  [[nodiscard]] errc acquire(context& self, std::uint8_t ns,
                             const place& contents, std::string_view value,
                             shared_reference& result, Pack&& pack) {
    result.value_bytes = static_cast<std::uint32_t>(value.size());
    result.reserved = 0;
    for (unsigned attempt = 0; attempt < max_attempts; ++attempt) {
      result.hash = hash_(value, attempt);
      for (unsigned round = 0; round < max_rounds; ++round) {
        auto answer = find_record(contents.ns, result);
        if (answer == errc::not_found)
          answer = make(self, ns, contents, value, result, pack);
        else if (answer == errc::ok)
          answer = take(self, contents.ns, value, result);
        if (answer == errc::mismatch)
          break; // another content with this hash
        if (answer == errc::busy) {
          Sync::pause(round / 2);
          continue;
        }
        if (answer == errc::ok)
          count_reference(contents.ns, result.value_bytes);
        return answer;
      }
    }
    return errc::not_found;
  }

  /// One more entry is to refer to a content that one refers to. `not_found`:
  /// none does any more.
  [[nodiscard]] errc acquire_again(context& self, const place& contents,
                                   const shared_reference& reference) {
    switch (engine_.contents().count_up(self, contents.ns, reference.hash,
                                        reference.number)) {
      case counts_type::outcome::done:
        count_reference(contents.ns, reference.value_bytes);
        return errc::ok;
      case counts_type::outcome::full:
        return errc::no_space;
      case counts_type::outcome::gone:
        break;
    }
    return errc::not_found;
  }

  /// What is left of the quota of `ns` for its own entries, at least a byte.
  [[nodiscard]] std::uint64_t
  quota_beside(std::uint8_t ns, const place& contents) const noexcept {
    const auto& arena = engine_.arena();
    auto quota =
      arena.name_record(ns).quota_bytes.load(std::memory_order_relaxed);
    if (quota == 0)
      return 0;
    auto used = not_negative(arena.name_record(contents.ns).block_bytes);
    return used < quota ? quota - used : 1;
  }

private:
  /// Contents with one hash that are told apart.
  static constexpr unsigned max_attempts = 4;

  /// Others at work on the same content; nobody is waited for.
  static constexpr unsigned max_rounds = 256;

  [[nodiscard]] std::uint8_t contents_number(std::uint8_t ns) const noexcept {
    return engine_.arena().name_record(ns).contents.load(
      std::memory_order_relaxed);
  }

  void count_reference(std::uint8_t contents, std::uint32_t bytes) noexcept {
    auto& record = engine_.arena().name_record(contents);
    record.references.fetch_add(1, std::memory_order_relaxed);
    record.referred_bytes.fetch_add(bytes, std::memory_order_relaxed);
  }

  template <class Use>
  [[nodiscard]] errc read_in(std::uint8_t contents, std::uint64_t number,
                             Use&& use) const {
    auto key = shared_reference::key_of(number);
    auto hash = hash_key(contents, key);
    return engine_.read(
      hash, contents, key,
      [&](const location& where, std::int64_t) { return use(where, hash); });
  }

  [[nodiscard]] static errc copy(const location& where, std::uint64_t hash,
                                 std::string& stored) {
    stored.resize(where.fields.value_bytes);
    auto sum = read_summed<Sync>(
      stored.data(), where.payload() + where.fields.key_bytes(), stored.size(),
      checksum_seed(hash, where.fields.length_and_form(), 0));
    return sum == where.fields.checksum ? errc::ok : errc::corrupt;
  }

  /// ok with the number; not_found; mismatch when what is there is no record.
  [[nodiscard]] errc find_record(std::uint8_t contents,
                                 shared_reference& reference) const {
    return engine_.read(
      hash_key(contents, reference.hash.key()), contents, reference.hash.key(),
      [&](const location& where, std::int64_t) {
        return counts_type::read_number(where, reference.number)
                 ? errc::ok
                 : errc::mismatch;
      });
  }

  /// Whether the bytes of a content are `value`: ok, or mismatch.
  [[nodiscard]] errc compare(std::uint8_t contents, std::uint64_t number,
                             std::string_view value) const {
    std::string stored;
    bool packed = false;
    auto answer =
      read_in(contents, number, [&](const location& where, std::uint64_t hash) {
        packed = where.fields.packed();
        if (packed)
          return copy(where, hash, stored);
        return same(where, value) ? errc::ok : errc::mismatch;
      });
    if (answer == errc::corrupt)
      return errc::mismatch;
    if (answer != errc::ok || !packed)
      return answer;
    std::string plain;
    return unpack(stored, engine_.arena().shape().max_value_bytes, plain)
               && plain == value
             ? errc::ok
             : errc::mismatch;
  }

  [[nodiscard]] static bool same(const location& where,
                                 std::string_view value) noexcept {
    if (where.fields.value_bytes != value.size())
      return false;
    return Sync::equal(where.payload() + where.fields.key_bytes(), value.data(),
                       value.size());
  }

  /// A record was found: busy to look again, mismatch if it is another's.
  errc take(context& self, std::uint8_t contents, std::string_view value,
            const shared_reference& reference) {
    auto counts = engine_.contents();
    auto answer = compare(contents, reference.number, value);
    if (answer == errc::not_found) {
      // On its way out; whoever took it there may have died over it.
      counts.remove(self, contents, reference.hash, reference.number);
      return errc::busy;
    }
    if (answer != errc::ok)
      return answer;
    switch (counts.count_up(self, contents, reference.hash, reference.number)) {
      case counts_type::outcome::done:
        return errc::ok;
      case counts_type::outcome::full:
        return errc::mismatch;
      case counts_type::outcome::gone:
        break;
    }
    counts.remove(self, contents, reference.hash, reference.number);
    return errc::busy;
  }

  /// Stores a new content: ok, busy when another was faster, or why not.
  template <class Pack>
  errc make(context& self, std::uint8_t ns, const place& contents,
            std::string_view value, shared_reference& reference, Pack& pack) {
    std::string packed;
    auto form = pack(value, packed) ? layout::flag_packed : std::uint8_t{0};
    auto stored = form != 0 ? std::string_view{packed} : value;
    if (!engine_.make_room_in_quota(
          self, ns, contents.ns,
          wanted_bytes(reference.key(), stored)
            + wanted_bytes(reference.hash.key(), reference.key())))
      return errc::no_space;
    reference.number = engine_.arena().control().contents_made.fetch_add(
                         1, std::memory_order_relaxed)
                       + 1;
    auto answer = insert(self, contents, reference.key(), stored, form);
    if (answer == errc::exists)
      return errc::busy; // somebody scribbled over the counter
    if (answer != errc::ok)
      return answer;
    answer = insert(self, contents, reference.hash.key(), reference.key(),
                    layout::flag_counted);
    if (answer == errc::ok)
      return answer;
    engine_.contents().remove_bytes(self, contents.ns, reference.number);
    return answer == errc::exists ? errc::busy : answer;
  }

  [[nodiscard]] std::uint64_t
  wanted_bytes(std::string_view key, std::string_view value) const noexcept {
    return engine_.block_bytes(sizeof(layout::block_header<Sync>) + key.size()
                               + value.size());
  }

  /// Stores an entry of the namespace of contents if there is none.
  errc insert(context& self, const place& contents, std::string_view key,
              std::string_view value, std::uint8_t form) {
    // The operation goes on afterwards as if it had been alone.
    auto quota_bytes = self.quota_bytes;
    auto namespace_word = self.namespace_word;
    auto writes = self.slot->writes.load(std::memory_order_relaxed);
    self.quota_bytes = 0;
    self.namespace_word = contents.word;
    auto answer =
      engine_.modify(self, hash_key(contents.ns, key), contents.ns, key,
                     [&](const std::string* present, std::int64_t,
                         version_token, typename engine_type::change& change) {
                       change.head = value;
                       change.form = form;
                       return present == nullptr ? errc::ok : errc::exists;
                     });
    self.quota_bytes = quota_bytes;
    self.namespace_word = namespace_word;
    self.slot->writes.store(writes, std::memory_order_relaxed);
    return answer;
  }

  engine_type& engine_;
  hasher hash_;
};

/// A reference on its way into an entry: counted, and given back unless it is
/// said that an entry holds it.
template <class Sync>
class basic_acquisition {
public:
  using deduplicator = basic_deduplicator<Sync>;
  using context = basic_thread_context<Sync>;
  using place = typename deduplicator::place;

  basic_acquisition(basic_engine<Sync>& engine, context& self, std::uint8_t ns,
                    const place& contents) noexcept
    : engine_{engine}, self_{self}, work_{self}, ns_{ns}, contents_{contents} {
  }

  basic_acquisition(const basic_acquisition&) = delete;
  basic_acquisition& operator=(const basic_acquisition&) = delete;

  ~basic_acquisition() {
    give_back();
  }

  /// In place of what was acquired before; as `basic_deduplicator::acquire`.
  template <class Pack>
  [[nodiscard]] errc acquire(std::string_view value, Pack&& pack) {
    give_back();
    auto answer = deduplicator{engine_}.acquire(self_, ns_, contents_, value,
                                                reference_, pack);
    held_ = answer == errc::ok;
    return answer;
  }

  /// The same for an entry that is to hold what `value`, that of another one,
  /// refers to; as `basic_deduplicator::acquire_again`, or corrupt.
  [[nodiscard]] errc acquire_again(std::string_view value) {
    give_back();
    if (!shared_reference::read(value, reference_))
      return errc::corrupt;
    auto answer =
      deduplicator{engine_}.acquire_again(self_, contents_, reference_);
    held_ = answer == errc::ok;
    return answer;
  }

  /// Value for the entry.
  [[nodiscard]] std::string_view bytes() const noexcept {
    return reference_.bytes();
  }

  /// The entry is published.
  void commit() noexcept {
    held_ = false;
  }

  void give_back() {
    if (held_)
      engine_.contents().count_down_in(self_, contents_.ns, reference_);
    held_ = false;
  }

private:
  basic_engine<Sync>& engine_;
  context& self_;
  basic_sharing_work<Sync> work_;
  std::uint8_t ns_;
  place contents_;
  shared_reference reference_;
  bool held_ = false;
};

} // namespace neuroplex::memory
