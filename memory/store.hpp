// The shared-memory store: a key-value map in a mapped file that many threads
// of many processes read and write at once, without locks.
//
// Purpose: the nanosecond path of the runtime. A `store` is this process'
// attachment to one segment; every thread may use it at the same time, no
// external locking needed. Handles of other processes see each operation as
// soon as it returns: get, set, erase and their kin are linearizable per key.
//
// Ownership: the segment is a file (in /dev/shm by default) and outlives all
// processes. `store` owns the mapping and this process' participant record;
// its destructor gives both back. A process that dies instead is noticed by the
// next attach, by `recover()`, by any writer short of memory, and by writers at
// work, who look four times a second.
//
// Invariants:
//  1. A reader writes nothing shared (but one bit, once a round of eviction, in
//  a
//     namespace that evicts), takes no lock and never waits.
//  2. A value that `get` returned was whole and current at one moment between
//     call and return (checksum, block version and slot are checked).
//  3. An operation that answered a failure has changed nothing.
//  4. Bytes in the segment are never trusted: offsets and lengths are checked,
//     walks are bounded, whatever another process writes there.
//
// Failure behaviour: hot operations answer an `errc`; cold ones an
// `expected<T>` with one line for a person.
#pragma once

#include "memory/compact_report.hpp"
#include "memory/limits.hpp"
#include "memory/numa.hpp"
#include "memory/policy/kind.hpp"
#include "memory/status.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::memory {

class inline_namespace;

namespace detail {
class store_impl;
} // namespace detail

/// Number of a namespace in its segment, 0 to 255. Id 0 is "default", which
/// every segment has and which cannot be dropped.
enum class namespace_id : std::uint8_t { default_namespace = 0 };

/// Names one published state of an entry: two reads of a key that return equal
/// tokens saw the same entry. The converse need not hold: compaction moves
/// entries, and an entry that was moved has another token with the same value.
/// Opaque, not ordered; zero is never valid.
enum class version_token : std::uint64_t {};

enum class access_mode : std::uint8_t {
  read_write,
  read_only, ///< maps the file read-only; `view` is not available
};

/// Geometry of a new segment.
struct segment_options {
  /// Size of the file at the start, in bytes; rounded up to 4 KiB.
  std::uint64_t segment_bytes = limits::default_segment_bytes;

  /// Size up to which the segment may grow in place; 0 means segment_bytes.
  /// Only address space and a sparse file are reserved.
  std::uint64_t reserved_bytes = 0;

  /// Index lines of 12 slots at the start; 0 sizes the index for the segment
  /// (or for max_entries, when that is given).
  std::uint64_t bucket_count = 0;

  /// Entries the index is laid out for; 0 means unspecified. The index doubles
  /// by itself when it runs full.
  std::uint64_t max_entries = 0;

  /// Ask for huge pages (MADV_COLLAPSE); harmless where the kernel declines.
  bool huge_pages = true;

  /// Where its memory lies on a machine with several nodes; advice.
  numa_options numa = {};

  /// `errc::config` with the field named when a value is out of range.
  [[nodiscard]] expected<void> validate() const;
};

struct set_options {
  /// Lifetime in milliseconds from now; 0 means for ever.
  std::int64_t ttl_ms = 0;

  /// Keep the expiry of the entry that is replaced (ttl_ms must be 0).
  bool keep_ttl = false;
};

/// A namespace in inline mode: every key and every value has one size, and room
/// for `capacity` entries is taken from the pool when it is made. It does not
/// grow; beyond its capacity writes of new keys answer `no_space` sooner or
/// later.
struct inline_options {
  std::size_t key_bytes = 0;
  std::size_t value_bytes = 0;
  std::uint64_t capacity = 0;

  /// Whether entries may expire (8 bytes each). Without it, a lifetime is
  /// refused with `bad_ttl`.
  bool expiry = false;

  /// `errc::config` with the field and its limits named.
  [[nodiscard]] expected<void> validate() const;
};

/// What is known of an entry beside its value.
struct entry_info {
  version_token version{};
  std::int64_t expires_at_ms = 0; ///< Unix time in milliseconds, 0 for never
  std::uint32_t value_bytes = 0;
  std::uint32_t block_bytes = 0; ///< memory the entry takes in the pool
  bool pinned = false;           ///< eviction passes over it
};

/// A value read in place, without a copy. While it lives the bytes stay where
/// they are and are not reused; the entry itself may be replaced meanwhile.
/// Promises bounds, not content: another process may scribble. Move-only;
/// release it soon, since a thread has limits::max_views_per_thread of them.
/// Must not outlive its store.
class value_view {
public:
  value_view() noexcept = default;
  value_view(value_view&& other) noexcept;
  value_view& operator=(value_view&& other) noexcept;
  ~value_view();

  [[nodiscard]] std::string_view bytes() const noexcept {
    return bytes_;
  }

  [[nodiscard]] version_token version() const noexcept {
    return version_;
  }

  /// Gives the block back; `bytes()` is empty from then on.
  void release() noexcept;

private:
  friend class detail::store_impl;

  void* hazard_ = nullptr; // the cell in our thread slot that pins the block
  std::unique_ptr<std::string> unpacked_; // what a compressed value says
  std::string_view bytes_;
  version_token version_{};
};

/// One key and its answer in a `get_many`.
struct get_request {
  std::string_view key;
  std::string value;      ///< filled when status is ok, else anything
  errc status = errc::ok; ///< ok, not_found, or why this one failed
};

/// One entry and its answer in a `set_many`.
struct set_request {
  std::string_view key;
  std::string_view value;
  set_options options{};
  errc status = errc::ok;
};

/// Where a scan goes on. Begins at {}; `done()` after the last batch. Survives
/// growth of the index and may be stored as the number it holds.
struct scan_cursor {
  std::uint64_t position = 0;

  [[nodiscard]] bool done() const noexcept {
    return position == ~std::uint64_t{0};
  }
};

/// An entry as a scan shows it; valid only during the callback.
struct scan_entry {
  std::string_view key;
  std::string_view value;
  entry_info info;
};

/// Whose entries go first when memory is short: lower classes before higher
/// ones, and never one above the class that asks for memory.
enum class priority_class : std::uint8_t {
  general = 0,
  training = 1,
  inference = 2,
  critical = 3,
};

/// "general", "training", "inference", "critical".
[[nodiscard]] std::string_view to_string(priority_class which) noexcept;
[[nodiscard]] std::optional<priority_class>
parse_priority_class(std::string_view name) noexcept;

/// Whether values of a namespace are compressed (LZ4) where that saves memory.
/// Entries that are stored already stay as they are.
enum class compression_mode : std::uint8_t {
  off = 0,
  adaptive = 1, ///< where it was worth it of late, by size of the value
};

/// "off", "adaptive".
[[nodiscard]] std::string_view to_string(compression_mode mode) noexcept;
[[nodiscard]] std::optional<compression_mode>
parse_compression_mode(std::string_view name) noexcept;

/// What a namespace does when memory is short. Changes take effect at once, in
/// all processes.
struct namespace_settings {
  /// noeviction refuses writes with `no_space`; clock, fifo, lru, lfu and
  /// s3fifo (which withstands scans) make room.
  policy_kind policy = policy_kind::noeviction;
  priority_class priority = priority_class::general;

  /// Pool memory its entries may take; 0 means as much as there is. At the
  /// quota its own entries make room, or writes answer `no_space`. Writers that
  /// arrive there at once may pass it by an entry each.
  std::uint64_t quota_bytes = 0;

  /// Lifetime of entries that are stored without one, in milliseconds; 0 means
  /// for ever. Does not change what is stored already.
  std::int64_t default_ttl_ms = 0;

  compression_mode compression = compression_mode::off;

  /// Values at least this long are stored once, however many entries of the
  /// namespace hold them; 0 for none, else limits::least_shared_bytes at least
  /// (limits::default_shared_bytes is a good choice). The contents take a
  /// number of a namespace. Entries that are stored already stay as they are.
  std::uint32_t share_from = 0;

  friend bool operator==(const namespace_settings&,
                         const namespace_settings&) = default;
};

struct namespace_info {
  namespace_id id{};
  std::string name;
  std::uint64_t entries = 0;     ///< live entries, expired ones included
  std::uint64_t block_bytes = 0; ///< pool memory of these entries
  /// Of values that are stored once: how many entries hold them, how long they
  /// are taken together, how many differ, and the pool memory of these, which
  /// is part of `block_bytes`.
  std::uint64_t shared_entries = 0;
  std::uint64_t shared_bytes = 0;
  std::uint64_t contents = 0;
  std::uint64_t content_block_bytes = 0;
  namespace_settings settings;
  /// In which order entries go now: that of the policy, or of those from which
  /// `adaptive` chooses the one that rules; "none" where nothing goes.
  std::string_view order;
  bool is_inline = false;
};

/// Counters and geometry of a segment at one moment. Counters are summed over
/// the participants. `entries` and `live_block_bytes` are exact when nobody is
/// writing. A process that is killed inside a write may leave them off by the
/// one entry it was writing, until it is recovered in a moment without writers.
struct store_stats {
  std::string path;
  std::uint32_t layout_version = 0;
  std::uint64_t segment_bytes = 0;    ///< committed now
  std::uint64_t reserved_bytes = 0;   ///< may grow up to this
  std::uint64_t pool_bytes = 0;       ///< committed pool
  std::uint64_t pool_used_bytes = 0;  ///< in spans that hold at least one block
  std::uint64_t live_block_bytes = 0; ///< blocks of live entries
  /// Sums of namespace_info's; see there. What sharing saves is what
  /// `shared_bytes` has above `content_block_bytes`.
  std::uint64_t shared_entries = 0;
  std::uint64_t shared_bytes = 0;
  std::uint64_t contents = 0;
  std::uint64_t content_block_bytes = 0;
  std::uint64_t index_lines = 0;
  std::uint64_t index_slots = 0;
  std::uint64_t index_bytes = 0;
  std::uint64_t index_doublings = 0;
  bool index_growing = false;
  std::uint64_t entries = 0;
  std::uint64_t max_value_bytes = 0;
  std::uint32_t participants = 0;
  std::uint32_t max_participants = 0;
  std::uint32_t threads = 0;
  std::uint32_t max_threads = 0;
  std::uint64_t reads = 0; ///< gets of attached writers, hits and misses
  std::uint64_t hits = 0;
  std::uint64_t writes = 0;  ///< entries published or erased
  std::uint64_t retries = 0; ///< compare-and-swaps lost to others
  std::uint64_t expired = 0;
  std::uint64_t evicted = 0;          ///< entries given up to make room
  std::uint32_t eviction_percent = 0; ///< of the pool, where eviction begins
  std::uint64_t recoveries = 0;       ///< dead threads cleaned up
  std::uint64_t corrupt_reads = 0;    ///< checksums that did not match
  std::uint64_t damage = 0;           ///< lists and slots found scribbled over
  bool clean_shutdown = false; ///< the last writer before us detached properly
};

/// This process' attachment to one segment.
class store {
public:
  /// Makes the file and its segment and attaches. `errc::exists` if it is there
  /// already; `no_space` when the file system cannot hold it; `bad_path`, `io`.
  static expected<store> create(const std::string& path,
                                const segment_options& options);

  /// Attaches to a segment. A policy in `numa` is for memory that is committed
  /// from then on, whoever does. `bad_path`, `segment_size`, `segment_mode`,
  /// `version`, `corrupt`, or `too_many` participants.
  static expected<store> open(const std::string& path,
                              access_mode mode = access_mode::read_write,
                              const numa_options& numa = {});

  /// `open`, or `create` when there is no file. Safe when several processes
  /// call it at once: one creates, the others wait for it and attach.
  static expected<store> open_or_create(const std::string& path,
                                        const segment_options& options);

  /// Removes the file. Attached processes keep what they have mapped.
  static expected<void> remove(const std::string& path);

  store(store&&) noexcept;
  store& operator=(store&&) noexcept;
  ~store();

  /// Detaches. Later calls answer `errc::closed`; a second close does nothing.
  /// No other thread may be inside the store.
  void close() noexcept;

  // -- namespaces -------------------------------------------------------------

  /// Id of `name`, made if there is none. `bad_namespace`, `namespace_full`.
  expected<namespace_id> open_namespace(std::string_view name);

  /// Id of `name` in inline mode, made if there is none. `exists` when it is
  /// there with other sizes or not inline; `config`, `no_space`,
  /// `bad_namespace`, `namespace_full`. All operations of the store work on it,
  /// but for `view`, `pin` and `configure` (`wrong_type`): a record has no
  /// place of its own to pin, and nothing is evicted. It is backed up and
  /// restored. Keys and values of another size answer `key_size` and
  /// `value_size`, also where the new value follows from the old one (append,
  /// increment).
  expected<namespace_id> open_inline_namespace(std::string_view name,
                                               const inline_options& options);

  /// The direct way to an inline namespace (inline_namespace.hpp); `wrong_type`
  /// when `ns` is not inline. Must not outlive the store.
  expected<inline_namespace> inline_handle(namespace_id ns);

  /// Id of `name`, or `not_found`.
  [[nodiscard]] expected<namespace_id>
  find_namespace(std::string_view name) const;

  /// Erases all entries of `name`, then frees its id. `not_found`;
  /// `bad_argument` for "default".
  expected<void> drop_namespace(std::string_view name);

  [[nodiscard]] std::vector<namespace_info> namespaces() const;

  /// Settings of a namespace. `bad_namespace`.
  [[nodiscard]] expected<namespace_settings> settings(namespace_id ns) const;

  /// As namespace_info::order; "none" when there is no such namespace.
  [[nodiscard]] std::string_view order(namespace_id ns) const;

  /// Changes them, for all processes. `config` with the field named when a
  /// value is out of range; then nothing has changed.
  expected<void> configure(namespace_id ns, const namespace_settings& settings);

  // -- single entries ---------------------------------------------------------

  /// Copies the value out. `not_found`, `bad_key`, `key_size`, `corrupt`.
  /// `value` keeps its capacity, so a reused string does not allocate.
  errc get(namespace_id ns, std::string_view key, std::string& value,
           entry_info* info = nullptr) const;

  /// Copies the value into `buffer` and answers its length in `value_bytes`.
  /// `value_size` when the buffer is too short (value_bytes tells the need).
  errc get(namespace_id ns, std::string_view key, std::span<char> buffer,
           std::size_t& value_bytes) const;

  /// Pins the value in place (a compressed one is unpacked instead and belongs
  /// to the view). `too_many` when this thread holds
  /// limits::max_views_per_thread already; `read_only` handles cannot pin.
  errc view(namespace_id ns, std::string_view key, value_view& result) const;

  [[nodiscard]] bool contains(namespace_id ns, std::string_view key) const;

  /// Size, expiry and version without the value.
  errc info(namespace_id ns, std::string_view key, entry_info& result) const;

  /// Stores the value, whatever was there. `no_space` leaves the old value.
  errc set(namespace_id ns, std::string_view key, std::string_view value,
           const set_options& options = {});

  /// Stores only if there is no live entry, else `exists`.
  errc set_if_absent(namespace_id ns, std::string_view key,
                     std::string_view value, const set_options& options = {});

  /// Stores only if there is a live entry, else `not_found`.
  errc set_if_present(namespace_id ns, std::string_view key,
                      std::string_view value, const set_options& options = {});

  /// Stores and hands out the value that was there (`had_previous` false when
  /// there was none), in one atomic step.
  errc exchange(namespace_id ns, std::string_view key, std::string_view value,
                std::string& previous, bool& had_previous,
                const set_options& options = {});

  /// Stores `desired` if the present value equals `expected_value`. `mismatch`
  /// (with the actual value in `actual` when given) or `not_found`. Keeps the
  /// expiry unless options say otherwise.
  errc compare_and_swap(namespace_id ns, std::string_view key,
                        std::string_view expected_value,
                        std::string_view desired, std::string* actual = nullptr,
                        const set_options& options = {.ttl_ms = 0,
                                                      .keep_ttl = true});

  /// The same by version token: `mismatch` when the entry changed since, or was
  /// moved by compaction; who reads it again and repeats gets on in both cases.
  errc compare_and_swap(
    namespace_id ns, std::string_view key, version_token expected_version,
    std::string_view desired, version_token* actual = nullptr,
    const set_options& options = {.ttl_ms = 0, .keep_ttl = true});

  /// Adds `delta` to a decimal 64-bit integer (an absent key counts as 0) and
  /// answers the sum. `not_integer`, `overflow`. Keeps the expiry.
  errc increment(namespace_id ns, std::string_view key, std::int64_t delta,
                 std::int64_t& result);

  /// Appends to the value (an absent key counts as empty) and answers the new
  /// length. Keeps the expiry.
  errc append(namespace_id ns, std::string_view key, std::string_view suffix,
              std::size_t& value_bytes);

  /// Removes the entry. `not_found`.
  errc erase(namespace_id ns, std::string_view key);

  /// Removes the entry and hands out its value, in one atomic step.
  errc take(namespace_id ns, std::string_view key, std::string& value);

  /// Gives the entry a lifetime of `ttl_ms` from now. `not_found`, `bad_ttl`.
  errc expire(namespace_id ns, std::string_view key, std::int64_t ttl_ms);

  /// Takes the expiry away. `not_found`; `mismatch` when there was none.
  errc persist(namespace_id ns, std::string_view key);

  /// Keeps the entry from eviction for as long as its key lives, whoever
  /// overwrites it. It may expire and be erased. `not_found`; `wrong_type` in
  /// an inline namespace, from which nothing is evicted.
  errc pin(namespace_id ns, std::string_view key);

  /// Leaves the entry to eviction again. `not_found`.
  errc unpin(namespace_id ns, std::string_view key);

  // -- batches and scans ------------------------------------------------------

  /// Reads all keys in prefetched waves; each request carries its own answer.
  /// Not atomic over the batch. `ok`, or the code of a request that failed with
  /// other than `not_found`.
  errc get_many(namespace_id ns, std::span<get_request> requests) const;

  /// Stores all entries in prefetched waves, in order; each carries its answer.
  errc set_many(namespace_id ns, std::span<set_request> requests);

  /// Calls `visit` for about `count` entries and moves the cursor. An entry
  /// that is there during the whole scan is shown at least once; others may be
  /// shown or not. `visit` must not call into this store's write operations.
  /// With `with_values` false, scan_entry::value is empty.
  errc scan(namespace_id ns, scan_cursor& cursor, std::size_t count,
            const std::function<void(const scan_entry&)>& visit,
            bool with_values = true) const;

  /// Removes expired entries met in about `count` entries after the cursor.
  errc sweep_expired(namespace_id ns, scan_cursor& cursor, std::size_t count,
                     std::size_t& removed);

  /// Removes all entries of the namespace; answers how many.
  errc clear(namespace_id ns, std::uint64_t& removed);

  // -- memory pressure --------------------------------------------------------

  /// Percent of the pool (of its reserved size) that live entries may take
  /// before namespaces with a policy begin to give entries up: 1 to 100, 85 at
  /// first. For all processes. `config`.
  expected<void> set_eviction_percent(std::uint32_t percent);

  /// Percent of the pool where eviction begins.
  [[nodiscard]] std::uint32_t eviction_percent() const;

  /// Share of the pool, as far as it may grow, that live entries take: 0 to 1.
  [[nodiscard]] double pressure() const;

  /// Gives up entries, lowest class first, at most `most`, while the pool is
  /// fuller than the threshold; answers how many. For a caller who wants
  /// writers to find room; they make it for themselves otherwise. At most
  /// limits::eviction_batch are given up between two looks at the threshold.
  errc relieve_pressure(std::size_t most, std::size_t& evicted);

  // -- the segment ------------------------------------------------------------

  /// Commits more of the reserved size to the pool. `no_space`.
  expected<void> expand_pool(std::uint64_t additional_bytes);

  /// Starts doubling the index now; operations carry it along. `no_space` when
  /// the reserved index cannot hold it, `busy` when it is doubling already.
  expected<void> grow_index();

  /// Cleans up after dead participants; answers how many threads were found
  /// dead. Cheap when there are none. Called by the node several times a
  /// second.
  expected<std::size_t> recover();

  /// Moves live entries together, about `max_bytes` of them (one at least if
  /// any), so that sparse spans become free pages. Others go on reading and
  /// writing. `done` in the answer says that nothing more pays at present.
  expected<compaction_result>
  compact(std::uint64_t max_bytes = limits::compaction_step_bytes);

  /// Compacts until nothing more pays, or until as much was moved as the pool
  /// holds, which only happens beside busy writers.
  expected<defragmentation_result> defragment();

  /// How the memory is used, class by class. Reads the page directory.
  [[nodiscard]] expected<utilization_report> utilization() const;

  /// How near the pool is to its end. Cheap: counters only.
  [[nodiscard]] expected<pressure_report> memory_pressure() const;

  /// Cleans up after the dead, removes what has expired, defragments, and says
  /// what it would take to do better.
  expected<optimization_result> optimize();

  /// Reads every entry and checks offsets, lengths and checksums. Answers the
  /// number of damaged ones.
  expected<std::uint64_t> verify() const;

  /// Cheap: counters only.
  [[nodiscard]] store_stats stats() const;

  /// Bytes of our mapping that huge pages back, as the kernel tells. It walks
  /// the page tables for that: milliseconds a GiB.
  [[nodiscard]] std::uint64_t huge_page_bytes() const;

  /// What became of the memory policy that this attachment asked for.
  [[nodiscard]] const placement_report& memory_placement() const noexcept;

  [[nodiscard]] const std::string& path() const noexcept;
  [[nodiscard]] access_mode mode() const noexcept;

private:
  friend class detail::store_impl;

  explicit store(std::unique_ptr<detail::store_impl> impl) noexcept;

  std::unique_ptr<detail::store_impl> impl_;
};

} // namespace neuroplex::memory
