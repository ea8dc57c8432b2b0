// One process' attachment: mapping, participant record, thread contexts, and
// the engine. The public `store` forwards to it.
//
// Threads: `self()` hands each thread its own context; contexts of threads that
// ended are reused. Attach, close and growth take `mutex_`; operations do not.
#pragma once

#include "memory/compact.hpp"
#include "memory/compression.hpp"
#include "memory/dedup.hpp"
#include "memory/engine.hpp"
#include "memory/mapping.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace neuroplex::memory {

template <class Sync>
class basic_inline_table;

} // namespace neuroplex::memory

namespace neuroplex::memory::detail {

// Numbers of locks on the segment, beyond the participants'.
inline constexpr std::uint32_t namespace_lock = 1U << 20;
inline constexpr std::uint32_t growth_lock = namespace_lock + 1;
inline constexpr std::uint32_t orphan_lock = namespace_lock + 2;
inline constexpr std::uint32_t recount_lock = namespace_lock + 3;
inline constexpr int cold_lock_timeout_ms = 2000;

/// A namespace as the engine counts it.
inline std::uint8_t number(namespace_id ns) noexcept {
  return static_cast<std::uint8_t>(ns);
}

class store_impl {
public:
  using engine_type = basic_engine<native_sync>;
  using arena_type = basic_arena<native_sync>;
  using context = basic_thread_context<native_sync>;

  static expected<std::unique_ptr<store_impl>> attach(mapping file,
                                                      const geometry& shape,
                                                      std::string path,
                                                      access_mode mode);

  store_impl(const store_impl&) = delete;
  store_impl& operator=(const store_impl&) = delete;
  ~store_impl();

  /// What is behind a store, for the parts of this folder that work on it.
  [[nodiscard]] static store_impl& of(const store& handle) noexcept {
    return *handle.impl_;
  }

  void close() noexcept;

  /// ok, closed or forked; one relaxed load.
  [[nodiscard]] errc usable() const noexcept {
    return condition_.load(std::memory_order_relaxed);
  }

  /// Whether writes are possible in `ns`; if so, the calling thread's context
  /// in `self`, which remembers the namespace's word until the write is done.
  [[nodiscard]] NEUROPLEX_INLINE errc begin_write(namespace_id ns,
                                                  context*& self) noexcept {
    if (auto state = usable(); state != errc::ok) [[unlikely]]
      return state;
    if (mode_ == access_mode::read_only) [[unlikely]]
      return errc::read_only;
    auto word =
      arena().control().namespace_states[static_cast<unsigned>(ns)].load(
        std::memory_order_acquire);
    if (layout::namespace_state_of(word) != layout::namespace_state::live)
      [[unlikely]]
      return errc::bad_namespace;
    self = this->self();
    if (self == nullptr) [[unlikely]]
      return errc::too_many;
    self->namespace_word = word;
    self->quota_bytes = arena()
                          .name_record(static_cast<unsigned>(ns))
                          .quota_bytes.load(std::memory_order_relaxed);
    return errc::ok;
  }

  /// The calling thread's context, or null: read-only, or no slot left.
  [[nodiscard]] NEUROPLEX_INLINE context* self() noexcept {
    if (last_used.store_id == id_) [[likely]]
      return last_used.context;
    return find_self();
  }

  using lookup_view = basic_lookup_view<native_sync>;

  /// The copy of the view half a page from `stack`, an address in the caller's
  /// frame. Processors of Intel take a load for one of what an earlier store
  /// writes while the two addresses agree in their last twelve bits ("4 KiB
  /// aliasing", Intel optimization manual), and hold it up until that store
  /// retires. Stores to the stack retire after the block before them has come
  /// from memory, so a view that happened to lie like the stack would undo all
  /// overlap of one lookup with the next.
  [[nodiscard]] NEUROPLEX_INLINE const lookup_view&
  view_far_from(const void* stack) const noexcept {
    constexpr auto half = sizeof views_ / 2;
    constexpr auto mask = sizeof views_ - sizeof(lookup_view);
    auto offset = (reinterpret_cast<std::uintptr_t>(stack) + half) & mask;
    return *reinterpret_cast<const lookup_view*>(
      reinterpret_cast<const std::byte*>(views_.data()) + offset);
  }

  /// A context that no thread has, or null; given back by `thread_ended`.
  context* acquire_context();

  /// What the calling thread used last, of whatever store.
  struct recent {
    std::uint64_t store_id;
    basic_thread_context<native_sync>* context;
    /// Its counter of reads.
    std::atomic<std::uint64_t>* reads;
    /// Length of the last short value it read. Where the next one is as long,
    /// the addresses of the copy do not hang on a number that is still on its
    /// way from memory.
    std::uint32_t value_bytes;
  };
  static thread_local constinit recent last_used;

  /// Counts a read in the thread's slot, if it has one.
  void count_read(errc answer) noexcept;

  [[nodiscard]] engine_type& engine() noexcept {
    return engine_;
  }

  [[nodiscard]] const engine_type& engine() const noexcept {
    return engine_;
  }

  [[nodiscard]] const arena_type& arena() const noexcept {
    return engine_.arena();
  }

  [[nodiscard]] const geometry& shape() const noexcept {
    return engine_.arena().shape();
  }

  [[nodiscard]] const std::string& path() const noexcept {
    return path_;
  }

  /// Tells this attachment from others of the process.
  [[nodiscard]] std::uint64_t id() const noexcept {
    return id_;
  }

  [[nodiscard]] access_mode mode() const noexcept {
    return mode_;
  }

  [[nodiscard]] const mapping& file() const noexcept {
    return file_;
  }

  /// Cleans up after dead participants; answers the number of dead threads.
  expected<std::size_t> recover();

  /// The same if it was not done lately, nor is being done; never waits. So
  /// among writers the dead are noticed within a second.
  void look_around();

  expected<namespace_id> open_namespace(std::string_view name);
  [[nodiscard]] expected<namespace_id>
  find_namespace(std::string_view name) const;
  expected<void> drop_namespace(std::string_view name);
  expected<namespace_id> open_inline_namespace(std::string_view name,
                                               const inline_options& options);

  /// Makes a live and empty namespace of a segment that nobody else uses
  /// inline.
  expected<void> make_inline(namespace_id ns, const inline_options& options);

  using inline_table = basic_inline_table<native_sync>;

  /// The table of an inline namespace, or null when `ns` is not one. It stays
  /// where it is until the store is destroyed.
  [[nodiscard]] inline_table* inline_table_of(namespace_id ns);
  [[nodiscard]] expected<namespace_settings> settings(namespace_id ns) const;
  expected<void> configure(namespace_id ns, const namespace_settings& settings);

  /// Lifetime of entries stored without one; what is scribbled counts as none.
  [[nodiscard]] NEUROPLEX_INLINE std::int64_t
  default_ttl_ms(namespace_id ns) const noexcept {
    auto ttl = arena()
                 .name_record(static_cast<unsigned>(ns))
                 .default_ttl_ms.load(std::memory_order_relaxed);
    return ttl <= static_cast<std::uint64_t>(limits::max_ttl_ms)
             ? static_cast<std::int64_t>(ttl)
             : 0;
  }

  /// Whether each value of `ns` is stored as it is, in its entry.
  [[nodiscard]] NEUROPLEX_INLINE bool
  stores_plainly(namespace_id ns) const noexcept {
    return storing(ns) == 0;
  }

  /// Whether values of `ns` may be packed; what is scribbled counts as no.
  [[nodiscard]] compression_mode compression(namespace_id ns) const noexcept {
    auto mode = storing(ns) & layout::storing_compression;
    return mode == static_cast<int>(compression_mode::adaptive)
             ? compression_mode::adaptive
             : compression_mode::off;
  }

  using deduplicator = basic_deduplicator<native_sync>;
  using acquisition = basic_acquisition<native_sync>;

  /// Shortest value of `ns` that is shared with equal ones, 0 for none.
  [[nodiscard]] std::uint32_t share_from(namespace_id ns) const noexcept {
    return arena()
      .name_record(static_cast<unsigned>(ns))
      .share_from.load(std::memory_order_relaxed);
  }

  /// Stores a value in the form that its namespace asks for: shared, packed or
  /// as it is. `begin_write` came before.
  [[nodiscard]] errc put_in_form(context& self, std::uint64_t hash,
                                 namespace_id ns, std::string_view key,
                                 std::string_view value, std::int64_t expires,
                                 condition when);

  /// Stores what was stored elsewhere in form `form`: packed or as it is.
  [[nodiscard]] errc put_stored(context& self, std::uint64_t hash,
                                namespace_id ns, std::string_view key,
                                std::string_view stored, std::uint8_t form,
                                std::int64_t expires, condition when);

  /// Gives each namespace that shares values one for its contents. In a new
  /// segment that nobody else is attached to; where all numbers are taken,
  /// values are stored in their entries.
  void make_all_contents();

  /// A value as its writer gave it, from `stored` of form `form` in an entry of
  /// `ns`. `not_found`: the entry has changed.
  [[nodiscard]] errc plain_value(namespace_id ns, std::string_view stored,
                                 std::uint8_t form, std::string& plain);

  /// Puts `change` of `key`, a value as its writer gave it, into that form.
  /// `share` holds what is acquired, `buffers` what is joined or packed, until
  /// the change is done.
  [[nodiscard]] errc form_change(context& self, namespace_id ns,
                                 std::string_view key,
                                 std::optional<acquisition>& share,
                                 std::array<std::string, 2>& buffers,
                                 engine_type::change& change);

  [[nodiscard]] value_packer& packing() noexcept {
    return packing_;
  }

  /// Adds to `info` what is known of shared values of `ns`.
  void count_shared(namespace_id ns, namespace_info& info) const;

  errc expand_pool(std::uint64_t additional_bytes);

  /// Commits enough for one block of `block_bytes`, and some more.
  errc expand_for(std::uint64_t block_bytes);
  errc grow_index(std::uint32_t index_state);
  errc prepare_ghosts(unsigned level);
  void restore_ghosts();
  [[nodiscard]] unsigned index_level() const noexcept;

  /// Compacts for about `max_bytes`; false when nothing more pays.
  [[nodiscard]] bool compact(context& self, std::uint64_t max_bytes,
                             compaction_work& work);

  [[nodiscard]] std::uint64_t reclaimable_bytes() const noexcept {
    return compactor_.reclaimable_bytes();
  }

  /// Pins an entry for a `value_view`.
  errc view(std::uint64_t hash, namespace_id ns, std::string_view key,
            value_view& result);

  /// Removes all entries of `ns`.
  errc clear(namespace_id ns, std::uint64_t& removed);

  /// Length of an entry's value as its writer gave it.
  [[nodiscard]] static std::uint32_t
  plain_bytes(const basic_location<native_sync>& where) noexcept {
    auto stored = where.fields.value_bytes;
    if (where.fields.refers()) [[unlikely]]
      return stored == sizeof(shared_reference)
               ? native_sync::read_object<std::uint32_t>(
                 where.payload() + where.fields.key_bytes()
                 + offsetof(shared_reference, value_bytes))
               : 0;
    if (!where.fields.packed() || stored < packed_header_bytes) [[likely]]
      return stored;
    std::array<char, packed_header_bytes> head{};
    native_sync::read(head.data(), where.payload() + where.fields.key_bytes(),
                      head.size());
    return static_cast<std::uint32_t>(
      unpacked_bytes({head.data(), head.size()}));
  }

  /// Tells eviction that an entry was used.
  static void note_use(context& self, const basic_location<native_sync>& where);

  /// What is told of an entry that the engine found.
  [[nodiscard]] entry_info info_of(const basic_location<native_sync>& where,
                                   std::int64_t expires) const noexcept {
    entry_info result;
    result.version = engine_.token_of(where);
    result.expires_at_ms = expires;
    result.value_bytes = plain_bytes(where);
    result.block_bytes = static_cast<std::uint32_t>(
      engine_.block_bytes(where.fields.total_bytes()));
    result.pinned =
      (where.block->link.load(std::memory_order_relaxed) & stamp::pinned) != 0;
    return result;
  }

  [[nodiscard]] bool was_clean() const noexcept {
    return was_clean_;
  }

  [[nodiscard]] std::uint32_t participants() const noexcept;
  [[nodiscard]] std::uint32_t threads() const noexcept;

  /// In a forked child: the attachment belongs to the parent.
  void abandon_after_fork() noexcept;

  /// A thread that used context `used` ended.
  void thread_ended(context* used) noexcept;

  /// The end of a line's range as a cursor position, so that it stays valid
  /// when the index doubles.
  [[nodiscard]] static std::uint64_t
  position_after(std::uint64_t line, std::uint64_t lines) noexcept;

private:
  store_impl(mapping file, const geometry& shape, std::string path,
             access_mode mode);

  context* find_self() noexcept;
  expected<void> join();
  errc expand(std::uint64_t least, std::uint64_t wanted);
  void finish_drops();
  errc drop(unsigned index, std::uint32_t word);
  expected<namespace_id> make_namespace(std::string_view name,
                                        std::uint32_t inline_granule);
  expected<std::uint32_t> new_table(context& self, std::string_view name,
                                    const inline_options& options);
  std::uint32_t allocate_table(context& self, std::uint64_t bytes);
  void adopt_table(context& self, unsigned index, std::uint32_t granule);
  void free_table(context& self, unsigned index);
  [[nodiscard]] bool inline_writers(unsigned index) const noexcept;
  [[nodiscard]] errc await_inline_writers(unsigned index);
  context* take_thread_slot();
  std::size_t recover_with(context& helper);
  bool recover_participant(unsigned index, context& helper,
                           std::size_t& threads_found);
  void leave() noexcept;
  [[nodiscard]] std::optional<unsigned> claim_number(unsigned first);
  void open_number(unsigned index, layout::namespace_state as);
  void reset_record(unsigned index);

  /// The first namespace of which `wanted(state word, record)` is true.
  template <class Wanted>
  [[nodiscard]] std::optional<unsigned> first_namespace(Wanted&& wanted) const {
    for (unsigned i = 0; i < limits::max_namespaces; ++i)
      if (wanted(arena().control().namespace_states[i].load(
                   std::memory_order_acquire),
                 arena().name_record(i)))
        return i;
    return std::nullopt;
  }

  std::uint32_t squeeze(context& self, std::uint64_t bytes);

  [[nodiscard]] NEUROPLEX_INLINE std::uint8_t
  storing(namespace_id ns) const noexcept {
    return arena()
      .name_record(static_cast<unsigned>(ns))
      .storing.load(std::memory_order_relaxed);
  }

  expected<void> make_contents(unsigned index, priority_class priority);
  [[nodiscard]] std::optional<unsigned>
  contents_of(unsigned index) const noexcept;

  void close_views() noexcept;
  errc pin_for(context& mine, std::uint64_t hash, namespace_id ns,
               std::string_view key, value_view& result, std::uint8_t& form);
  errc pin_content(context& mine, namespace_id ns, value_view& result,
                   std::uint8_t& form);

  /// Copies of one view, a page of them; see `view_far_from`.
  alignas(4096) std::array<lookup_view, 8> views_;
  static_assert(sizeof views_ == 4096);
  mapping file_;
  std::string path_;
  access_mode mode_;
  engine_type engine_;
  basic_adviser<native_sync> adviser_{engine_.arena()};
  value_packer packing_;
  std::mutex compaction_mutex_; ///< threads of this process take turns
  basic_compactor<native_sync> compactor_{engine_};
  std::atomic<errc> condition_{errc::ok};
  std::uint64_t id_;
  unsigned participant_ = 0;
  bool joined_ = false;
  bool was_clean_ = false;
  std::mutex mutex_;
  std::atomic<std::int64_t> looked_around_ms_{0};
  std::vector<std::unique_ptr<context>> contexts_;
  std::vector<context*> idle_;
  /// Tables of inline namespaces by id, as they were last seen; all that ever
  /// were are kept for those who still look at them.
  std::array<std::atomic<inline_table*>, limits::max_namespaces> tables_{};
  std::mutex tables_mutex_;
  std::vector<std::unique_ptr<inline_table>> all_tables_;
};

} // namespace neuroplex::memory::detail
