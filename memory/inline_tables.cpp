// Inline namespaces of a store: making them, finding their tables, giving their
// memory back.
//
// The block that holds a table is held by nobody's thread (state held, owner
// 0), so neither recovery nor the pool touches it; the namespace's record names
// block and word. Whoever makes one holds the block himself until then, so a
// death on the way leaves it to recovery, and a death after the record was
// written to the next one who makes or drops a namespace.
#include "memory/inline_namespace.hpp"
#include "memory/inline_store.hpp"

#include <chrono>
#include <cstring>
#include <thread>

namespace neuroplex::memory {

expected<void> inline_options::validate() const {
  auto refuse = [](const char* field, std::uint64_t value, std::string limits) {
    return failure{errc::config, std::string{field} + ": "
                                   + std::to_string(value) + ": "
                                   + std::move(limits)};
  };
  if (key_bytes < 1 || key_bytes > limits::max_inline_entry_bytes)
    return refuse("key_bytes", key_bytes,
                  "1 to " + std::to_string(limits::max_inline_entry_bytes)
                    + " are allowed");
  if (value_bytes < 1
      || value_bytes > limits::max_inline_entry_bytes - key_bytes)
    return refuse(
      "value_bytes", value_bytes,
      "1 to " + std::to_string(limits::max_inline_entry_bytes - key_bytes)
        + " are allowed beside keys of " + std::to_string(key_bytes));
  if (capacity < 1 || capacity > limits::max_inline_capacity)
    return refuse("capacity", capacity,
                  "1 to " + std::to_string(limits::max_inline_capacity)
                    + " are allowed");
  return {};
}

expected<namespace_id>
store::open_inline_namespace(std::string_view name,
                             const inline_options& options) {
  return impl_->open_inline_namespace(name, options);
}

expected<inline_namespace> store::inline_handle(namespace_id ns) {
  if (auto state = impl_->usable(); state != errc::ok)
    return state;
  auto* table = impl_->inline_table_of(ns);
  if (table == nullptr)
    return failure{errc::wrong_type,
                   "namespace " + std::to_string(detail::number(ns))
                     + ": not inline; make it with open_inline_namespace"};
  return inline_namespace{impl_.get(), table};
}

namespace detail {

namespace {

using layout::inline_header;
using layout::inline_shape;

std::uint64_t shape_checksum(const inline_shape& shape) noexcept {
  return XXH3_64bits(&shape, sizeof shape);
}

bool is_prime(std::uint64_t number) noexcept {
  if (number < 4)
    return number > 1;
  if (number % 2 == 0)
    return false;
  for (std::uint64_t divisor = 3; divisor * divisor <= number; divisor += 2)
    if (number % divisor == 0)
      return false;
  return true;
}

inline_shape shape_for(const inline_options& options) noexcept {
  auto groups = (options.capacity * 10 + layout::capacity_of_ten_groups - 1)
                / layout::capacity_of_ten_groups;
  while (groups > 1 && !is_prime(groups))
    ++groups;
  return {.magic = layout::inline_magic,
          .key_bytes = static_cast<std::uint32_t>(options.key_bytes),
          .value_bytes = static_cast<std::uint32_t>(options.value_bytes),
          .groups = static_cast<std::uint32_t>(groups),
          .has_expiry = options.expiry ? 1U : 0U,
          .reserved = 0,
          .capacity = options.capacity};
}

/// Where the table in a block begins: records want to lie on few lines.
template <class Block>
std::byte* table_in(const std::byte* base, Block* block) noexcept {
  constexpr std::uintptr_t step = layout::inline_header_bytes;
  auto* after = reinterpret_cast<std::byte*>(block + 1);
  auto offset = static_cast<std::uintptr_t>(after - base);
  return after + ((offset + step - 1) / step * step - offset);
}

std::uint64_t block_bytes_for(const inline_shape& shape) noexcept {
  return sizeof(layout::block_header<native_sync>) + layout::inline_header_bytes
         + shape.table_bytes();
}

/// Whether a shape read from the segment can be believed of a table that has
/// `room` bytes.
bool plausible(const inline_header& header, std::uint64_t room) noexcept {
  const auto& shape = header.shape;
  if (shape.magic != layout::inline_magic
      || header.checksum != shape_checksum(shape) || shape.has_expiry > 1
      || !inline_options{shape.key_bytes, shape.value_bytes, shape.capacity}
            .validate())
    return false;
  auto group_bytes =
    layout::records_per_group * shape.record_bytes() + layout::line_bytes;
  return is_prime(shape.groups) || shape.groups == 1
           ? shape.groups <= room / group_bytes && shape.table_bytes() <= room
           : false;
}

} // namespace

expected<namespace_id>
store_impl::open_inline_namespace(std::string_view name,
                                  const inline_options& options) {
  if (auto state = usable(); state != errc::ok)
    return state;
  if (auto good = options.validate(); !good)
    return good.error();
  if (name.empty() || name.size() > limits::max_namespace_name_bytes)
    return failure{errc::bad_namespace, "namespace name of "
                                          + std::to_string(name.size())
                                          + " bytes: 1 to 255 are allowed"};
  auto same = [&](namespace_id found) -> expected<namespace_id> {
    auto* table = inline_table_of(found);
    if (table != nullptr && table->shape().key_bytes == options.key_bytes
        && table->shape().value_bytes == options.value_bytes
        && (table->shape().has_expiry != 0) == options.expiry)
      return found;
    return failure{errc::exists, "namespace '" + std::string{name}
                                   + "': there with other sizes, or not "
                                     "inline; drop it or take another name"};
  };
  if (auto found = find_namespace(name); found)
    return same(*found);
  if (mode_ == access_mode::read_only)
    return errc::read_only;
  auto* mine = self();
  if (mine == nullptr)
    return errc::too_many;
  auto granule = new_table(*mine, name, options);
  if (!granule)
    return granule.error();
  auto made = make_namespace(name, *granule);
  // Not taken: somebody was faster, or there is no room for a name.
  if (mine->slot->pending.load(std::memory_order_relaxed) == *granule)
    engine_.pool().give_back(*mine, *granule);
  return made ? same(*made) : made;
}

expected<void> store_impl::make_inline(namespace_id ns,
                                       const inline_options& options) {
  if (auto good = options.validate(); !good)
    return good.error();
  auto* mine = self();
  if (mine == nullptr)
    return errc::too_many;
  auto index = static_cast<unsigned>(ns);
  const auto& record = arena().name_record(index);
  auto granule = new_table(*mine, {record.name, record.name_bytes}, options);
  if (!granule)
    return granule.error();
  adopt_table(*mine, index, *granule);
  auto& state = arena().control().namespace_states[index];
  state.store(
    layout::with_namespace_state(state.load(std::memory_order_relaxed),
                                 layout::namespace_state::live_inline),
    std::memory_order_seq_cst);
  return {};
}

/// A held block with an empty table.
expected<std::uint32_t> store_impl::new_table(context& self,
                                              std::string_view name,
                                              const inline_options& options) {
  auto shape = shape_for(options);
  auto granule = allocate_table(self, block_bytes_for(shape));
  if (granule == 0)
    return failure{errc::no_space,
                   "namespace '" + std::string{name} + "': a table for "
                     + std::to_string(options.capacity) + " entries takes "
                     + std::to_string(shape.table_bytes())
                     + " bytes in a row; the pool does not have them"};
  auto* table = table_in(arena().base(), arena().block(granule));
  inline_header header{shape, shape_checksum(shape)};
  std::memcpy(table, &header, sizeof header);
  // Versions of new records begin above all that the memory may have had.
  constexpr unsigned epoch_shift = 40;
  auto epoch =
    arena().control().carve_epoch.fetch_add(1, std::memory_order_relaxed);
  inline_table::initialise(table, shape, epoch << epoch_shift);
  return granule;
}

std::uint32_t store_impl::allocate_table(context& self, std::uint64_t bytes) {
  auto granule = engine_.pool().allocate(self, bytes);
  if (granule == 0 && expand_for(bytes) == errc::ok)
    granule = engine_.pool().allocate(self, bytes);
  if (granule == 0) {
    engine_.pool().flush(self);
    engine_.pool().scavenge(self);
    granule = engine_.pool().allocate(self, bytes);
  }
  return granule;
}

/// Under the lock: the table becomes that of namespace `index`.
void store_impl::adopt_table(context& self, unsigned index,
                             std::uint32_t granule) {
  auto& record = arena().name_record(index);
  auto& word = arena().block(granule)->word;
  auto nobodys = layout::next_word(word.load(std::memory_order_relaxed),
                                   layout::block_state::held, 0);
  record.inline_block_word = nobodys;
  record.inline_granule = granule;
  word.store(nobodys, std::memory_order_release);
  self.slot->pending.store(0, std::memory_order_release);
}

/// Under the lock: frees the table of a namespace that nobody uses any more.
void store_impl::free_table(context& self, unsigned index) {
  auto& record = arena().name_record(index);
  auto granule = record.inline_granule;
  if (granule == 0)
    return;
  // All its entries are gone at once, wherever a backup would look for them.
  for (std::uint32_t i = 0; i < shape().backup_regions; ++i)
    arena().mark(i).store(1, std::memory_order_seq_cst);
  if (auto* block = arena().block(granule); block != nullptr) {
    self.slot->pending.store(granule, std::memory_order_release);
    auto word = record.inline_block_word;
    if (block->word.compare_exchange_strong(
          word, layout::next_word(word, layout::block_state::held, self.owner),
          std::memory_order_acq_rel))
      engine_.pool().give_back(self, granule);
    self.slot->pending.store(0, std::memory_order_release);
  }
  record.inline_granule = 0;
  record.inline_block_word = 0;
}

/// Whether any thread is in the middle of a write to inline namespace `index`.
bool store_impl::inline_writers(unsigned index) const noexcept {
  for (unsigned i = 0; i < shape().thread_count; ++i) {
    // seq_cst: pairs with the intent that a writer states before it looks at
    // the namespace's state again.
    auto intent = arena().thread(i).intent.load(std::memory_order_seq_cst);
    if (layout::is_inline_intent(intent)
        && layout::inline_intent_ns(intent) == index)
      return true;
  }
  return false;
}

/// Under the mutex: waits for the writers of a namespace that is being dropped.
/// The dead among them are recovered, the stopped are not waited for for ever.
errc store_impl::await_inline_writers(unsigned index) {
  auto deadline = std::chrono::steady_clock::now()
                  + std::chrono::milliseconds{cold_lock_timeout_ms};
  for (unsigned round = 0; inline_writers(index); ++round) {
    if (std::chrono::steady_clock::now() > deadline)
      return errc::busy;
    constexpr unsigned rounds_a_look = 64;
    if (round % rounds_a_look == rounds_a_look - 1)
      recover_with(*self());
    std::this_thread::yield();
  }
  return errc::ok;
}

std::unique_ptr<store_impl::inline_table>
find_inline_table(const store_impl::arena_type& arena, unsigned index) {
  auto state =
    arena.control().namespace_states[index].load(std::memory_order_acquire);
  auto granule = arena.name_record(index).inline_granule;
  auto* block = arena.block(granule);
  if (granule == 0 || block == nullptr
      || arena.room_after(block)
           < sizeof *block + 2 * layout::inline_header_bytes)
    return nullptr;
  auto* table = table_in(arena.base(), block);
  auto header = native_sync::read_object<inline_header>(table);
  if (!plausible(header, arena.room_after(table)))
    return nullptr;
  return std::make_unique<store_impl::inline_table>(
    arena, table, header.shape, static_cast<std::uint8_t>(index), state);
}

store_impl::inline_table* store_impl::inline_table_of(namespace_id ns) {
  auto index = static_cast<unsigned>(ns);
  auto word =
    arena().control().namespace_states[index].load(std::memory_order_acquire);
  if (layout::namespace_state_of(word) != layout::namespace_state::live_inline)
    return nullptr;
  auto* known = tables_[index].load(std::memory_order_acquire);
  if (known != nullptr && known->live_state() == word) [[likely]]
    return known;
  std::lock_guard guard{tables_mutex_};
  auto found = find_inline_table(arena(), index);
  if (!found || found->live_state() != word || !found->stands())
    return nullptr;
  tables_[index].store(found.get(), std::memory_order_release);
  all_tables_.push_back(std::move(found));
  return tables_[index].load(std::memory_order_relaxed);
}

void recover_inline(const store_impl::arena_type& arena, unsigned dead_index) {
  auto& dead = arena.thread(dead_index);
  auto intent = dead.intent.load(std::memory_order_acquire);
  if (!layout::is_inline_intent(intent))
    return;
  if (auto table = find_inline_table(arena, layout::inline_intent_ns(intent)))
    table->recover(dead, dead_index + 1);
  dead.intent.store(0, std::memory_order_release);
}

} // namespace detail

} // namespace neuroplex::memory
