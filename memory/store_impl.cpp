#include "memory/store_impl.hpp"

#include "memory/boot_id.hpp"
#include "memory/content_recount.hpp"
#include "memory/inline_store.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>
#include <unordered_map>

#include <pthread.h>
#include <time.h>
#include <unistd.h>

namespace neuroplex::memory::detail {

namespace {

/// Owner of a thread slot whose process left while others pinned its blocks.
constexpr std::uint32_t orphan = ~std::uint32_t{0};

/// How often a writer looks whether somebody died.
constexpr std::int64_t look_around_period_ms = 250;

/// All attachments of this process by their id, for threads that end and for
/// fork(). Never destroyed: threads may end after static destructors ran.
struct registry {
  std::mutex mutex;
  std::unordered_map<std::uint64_t, store_impl*> stores;
  std::uint64_t next_id = 1;

  static registry& instance() {
    static auto* the = [] {
      auto* made = new registry;
      pthread_atfork([] { registry::instance().mutex.lock(); },
                     [] { registry::instance().mutex.unlock(); },
                     [] {
                       auto& here = registry::instance();
                       for (auto& [id, store] : here.stores)
                         store->abandon_after_fork();
                       here.stores.clear();
                       here.mutex.unlock();
                     });
      return made;
    }();
    return *the;
  }
};

/// This thread's contexts in all stores it has used.
struct thread_contexts {
  struct entry {
    std::uint64_t store_id;
    store_impl::context* context;
  };

  std::vector<entry> all;

  ~thread_contexts() {
    auto& registry = registry::instance();
    std::lock_guard guard{registry.mutex};
    for (auto& each : all)
      if (auto found = registry.stores.find(each.store_id);
          found != registry.stores.end())
        found->second->thread_ended(each.context);
  }
};

thread_local thread_contexts this_thread;

std::uint64_t start_time_of_this_process() {
  // Field 22 of /proc/self/stat, after the parenthesised name.
  std::ifstream file{"/proc/self/stat"};
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  auto close = text.rfind(')');
  if (close == std::string::npos)
    return 0;
  std::istringstream fields{text.substr(close + 1)};
  std::string field;
  constexpr int fields_before = 20;
  for (int i = 0; i < fields_before && fields >> field; ++i)
    ;
  std::uint64_t value = 0;
  std::from_chars(field.data(), field.data() + field.size(), value);
  return value;
}

} // namespace

// -- attach and leave ---------------------------------------------------------

store_impl::store_impl(mapping file, const geometry& shape, std::string path,
                       access_mode mode)
  : file_{std::move(file)}, path_{std::move(path)}, mode_{mode},
    engine_{
      arena_type{file_.base(), shape},
      {this,
       [](void* owner, std::uint64_t bytes) {
         auto* store = static_cast<store_impl*>(owner);
         return store->expand_for(bytes) == errc::ok;
       },
       [](void* owner) {
         auto found = static_cast<store_impl*>(owner)->recover();
         return found && *found > 0;
       },
       [](void* owner) { static_cast<store_impl*>(owner)->look_around(); },
       [](void* owner, std::uint32_t index_state) {
         auto* store = static_cast<store_impl*>(owner);
         return store->grow_index(index_state) == errc::ok;
       },
       [](void* owner, context& self, std::uint64_t bytes) {
         return static_cast<store_impl*>(owner)->squeeze(self, bytes);
       }}} {
  auto& registry = registry::instance();
  std::lock_guard guard{registry.mutex};
  id_ = registry.next_id++;
  registry.stores.emplace(id_, this);
  for (auto& view : views_)
    view.fill(arena(), id_);
}

expected<std::unique_ptr<store_impl>> store_impl::attach(mapping file,
                                                         const geometry& shape,
                                                         std::string path,
                                                         access_mode mode) {
  std::unique_ptr<store_impl> result{
    new store_impl{std::move(file), shape, std::move(path), mode}};
  if (mode == access_mode::read_write)
    if (auto joined = result->join(); !joined)
      return joined.error();
  return result;
}

expected<void> store_impl::join() {
  auto& control = arena().control();
  // First a number that nobody ever used or left properly, else a dead one's.
  for (bool take_dead : {false, true}) {
    for (unsigned i = 0; i < shape().participant_count && !joined_; ++i) {
      auto& record = arena().participant(i);
      bool was_attached =
        record.state.load(std::memory_order_acquire)
        == static_cast<std::uint32_t>(layout::participant_state::attached);
      if (was_attached != take_dead || !file_.try_lock(i))
        continue;
      participant_ = i;
      joined_ = true;
    }
  }
  if (!joined_)
    return failure{errc::too_many,
                   "segment " + path_ + ": "
                     + std::to_string(shape().participant_count)
                     + " processes are attached; detach one first"};
  auto& record = arena().participant(participant_);
  was_clean_ = participants() == 0
               && control.clean_shutdown.load(std::memory_order_acquire) != 0;
  arena().backup().attached_boot_id.store(boot_id(), std::memory_order_relaxed);
  control.clean_shutdown.store(0, std::memory_order_release);
  // Attached from here on: whatever we take is found if we die.
  record.state.store(
    static_cast<std::uint32_t>(layout::participant_state::attached),
    std::memory_order_release);
  record.pid.store(static_cast<std::uint32_t>(::getpid()),
                   std::memory_order_relaxed);
  record.start_time.store(start_time_of_this_process(),
                          std::memory_order_relaxed);
  record.incarnation.store(
    control.incarnations.fetch_add(1, std::memory_order_relaxed) + 1,
    std::memory_order_relaxed);
  auto* context = self();
  if (context == nullptr)
    return failure{errc::too_many, "segment " + path_ + ": all "
                                     + std::to_string(shape().thread_count)
                                     + " thread slots are in use"};
  // Thread slots that still carry our number belong to a dead predecessor.
  std::size_t dead_threads = 0;
  recover_participant(participant_, *context, dead_threads);
  if (auto recovered = recover(); !recovered)
    return recovered.error();
  restore_ghosts();
  return {};
}

store_impl::~store_impl() {
  close();
  auto& registry = registry::instance();
  std::lock_guard guard{registry.mutex};
  registry.stores.erase(id_);
}

void store_impl::close() noexcept {
  auto open = errc::ok;
  if (!condition_.compare_exchange_strong(open, errc::closed))
    return;
  close_views();
  if (joined_)
    leave();
}

void store_impl::close_views() noexcept {
  for (auto& view : views_)
    view.open_levels.store(0, std::memory_order_relaxed);
}

void store_impl::leave() noexcept {
  std::lock_guard guard{mutex_};
  compactor_.abandon();
  for (auto& context : contexts_) {
    auto clean = engine_.pool().flush(*context);
    for (auto& pin : context->slot->pins)
      pin.store(0, std::memory_order_release);
    context->slot->participant_plus_one.store(clean ? 0 : orphan,
                                              std::memory_order_release);
  }
  arena()
    .participant(participant_)
    .state.store(static_cast<std::uint32_t>(layout::participant_state::free),
                 std::memory_order_release);
  if (participants() == 0)
    arena().control().clean_shutdown.store(1, std::memory_order_release);
  file_.unlock(participant_);
}

void store_impl::abandon_after_fork() noexcept {
  auto open = errc::ok;
  condition_.compare_exchange_strong(open, errc::forked);
  close_views();
  file_.close_after_fork();
}

// -- threads ------------------------------------------------------------------

thread_local constinit store_impl::recent store_impl::last_used{};

store_impl::context* store_impl::find_self() noexcept {
  // Counts the reads of who has no slot to count them in.
  static thread_local std::atomic<std::uint64_t> lost_reads;
  if (mode_ == access_mode::read_only) {
    last_used = {id_, nullptr, &lost_reads, last_used.value_bytes};
    return nullptr;
  }
  auto& known = this_thread.all;
  auto mine = std::find_if(known.begin(), known.end(),
                           [this](auto& each) { return each.store_id == id_; });
  if (mine == known.end()) {
    auto* made = acquire_context();
    if (made == nullptr)
      return nullptr; // asked for again: a slot may become free
    mine = known.insert(known.end(), {id_, made});
  }
  last_used = {id_, mine->context, &mine->context->slot->reads,
               last_used.value_bytes};
  return mine->context;
}

void store_impl::count_read(errc answer) noexcept {
  auto* mine = self();
  if (mine == nullptr)
    return;
  bump(mine->slot->reads, 1U);
  if (answer == errc::ok)
    return;
  bump(mine->slot->misses, 1U);
  if (answer == errc::corrupt)
    bump(mine->slot->corrupt_reads, 1U);
}

store_impl::context* store_impl::acquire_context() {
  std::lock_guard guard{mutex_};
  if (!idle_.empty()) {
    auto* result = idle_.back();
    idle_.pop_back();
    return result;
  }
  return take_thread_slot();
}

store_impl::context* store_impl::take_thread_slot() {
  auto& control = arena().control();
  for (unsigned i = 0; i < shape().thread_count; ++i) {
    auto& slot = arena().thread(i);
    std::uint32_t nobody = 0;
    if (slot.participant_plus_one.load(std::memory_order_relaxed) != 0
        || !slot.participant_plus_one.compare_exchange_strong(
          nobody, participant_ + 1, std::memory_order_acq_rel))
      continue;
    auto high = control.threads_high.load(std::memory_order_relaxed);
    while (high < i + 1
           && !control.threads_high.compare_exchange_weak(
             high, i + 1, std::memory_order_seq_cst))
      ;
    auto made = std::make_unique<context>();
    made->slot = &slot;
    made->owner = i + 1;
    made->adviser = &adviser_;
    contexts_.push_back(std::move(made));
    return contexts_.back().get();
  }
  return nullptr;
}

void store_impl::thread_ended(context* used) noexcept {
  std::lock_guard guard{mutex_};
  if (condition_.load(std::memory_order_relaxed) != errc::ok)
    return;
  engine_.pool().flush(*used);
  idle_.push_back(used);
}

std::uint32_t store_impl::participants() const noexcept {
  std::uint32_t count = 0;
  for (unsigned i = 0; i < shape().participant_count; ++i)
    if (arena().participant(i).state.load(std::memory_order_acquire)
        == static_cast<std::uint32_t>(layout::participant_state::attached))
      ++count;
  return count;
}

std::uint32_t store_impl::threads() const noexcept {
  std::uint32_t count = 0;
  for (unsigned i = 0; i < shape().thread_count; ++i)
    if (arena().thread(i).participant_plus_one.load(std::memory_order_acquire)
        != 0)
      ++count;
  return count;
}

// -- recovery -----------------------------------------------------------------

bool store_impl::recover_participant(unsigned index, context& helper,
                                     std::size_t& threads_found) {
  bool found = false;
  for (unsigned i = 0; i < shape().thread_count; ++i) {
    auto& slot = arena().thread(i);
    if (&slot == helper.slot
        || slot.participant_plus_one.load(std::memory_order_acquire)
             != index + 1)
      continue;
    recover_inline(arena(), i);
    engine_.recovery().run(helper, i);
    slot.participant_plus_one.store(0, std::memory_order_release);
    ++threads_found;
    found = true;
  }
  return found;
}

expected<std::size_t> store_impl::recover() {
  if (auto state = usable(); state != errc::ok)
    return state;
  if (mode_ == access_mode::read_only)
    return errc::read_only;
  auto* helper = self();
  if (helper == nullptr)
    return errc::too_many;
  std::lock_guard guard{mutex_};
  return recover_with(*helper);
}

void store_impl::look_around() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  auto now_ms = now.tv_sec * std::int64_t{1000} + now.tv_nsec / 1'000'000;
  auto last_ms = looked_around_ms_.load(std::memory_order_relaxed);
  if (now_ms - last_ms < look_around_period_ms
      || !looked_around_ms_.compare_exchange_strong(last_ms, now_ms,
                                                    std::memory_order_relaxed))
    return;
  std::unique_lock guard{mutex_, std::try_to_lock};
  auto* helper = self();
  if (guard && helper != nullptr)
    recover_with(*helper);
}

/// Under the mutex.
std::size_t store_impl::recover_with(context& helper) {
  std::size_t threads_found = 0;
  for (unsigned i = 0; i < shape().participant_count; ++i) {
    auto& record = arena().participant(i);
    auto attached =
      static_cast<std::uint32_t>(layout::participant_state::attached);
    if (i == participant_
        || record.state.load(std::memory_order_acquire) != attached
        || file_.is_locked_elsewhere(i) || !file_.try_lock(i))
      continue;
    // Holding its lock makes us the only one who recovers it.
    if (record.state.load(std::memory_order_acquire) == attached) {
      recover_participant(i, helper, threads_found);
      record.state.store(
        static_cast<std::uint32_t>(layout::participant_state::free),
        std::memory_order_release);
    }
    file_.unlock(i);
  }
  for (unsigned i = 0; i < shape().thread_count; ++i) {
    auto& slot = arena().thread(i);
    if (slot.participant_plus_one.load(std::memory_order_acquire) != orphan
        || !file_.try_lock(orphan_lock))
      continue;
    if (slot.participant_plus_one.load(std::memory_order_acquire) == orphan) {
      recover_inline(arena(), i);
      engine_.recovery().run(helper, i);
      slot.participant_plus_one.store(0, std::memory_order_release);
    }
    file_.unlock(orphan_lock);
  }
  auto recount = engine_.recount();
  basic_content_recount<native_sync> contents{engine_};
  if ((recount.needed() || contents.needed()) && file_.try_lock(recount_lock)) {
    // What is still in doubt, the next one counts.
    (void)contents.run(helper);
    (void)recount.run();
    file_.unlock(recount_lock);
  }
  return threads_found;
}

// -- growth -------------------------------------------------------------------

errc store_impl::expand_pool(std::uint64_t additional_bytes) {
  return expand(additional_bytes, additional_bytes);
}

errc store_impl::expand_for(std::uint64_t block_bytes) {
  // An eighth more at a time, so that growing is rare; one page for the span's
  // own header.
  auto eighth = arena().committed_pages() / 8 * shape().page_bytes;
  return expand(block_bytes + shape().page_bytes, eighth);
}

/// Commits `wanted` bytes or what is left, but at least `least`.
errc store_impl::expand(std::uint64_t least, std::uint64_t wanted) {
  if (mode_ == access_mode::read_only)
    return errc::read_only;
  // Asked by every write to a full pool: no lock to learn that it has grown up.
  if (arena().committed_pages() == shape().reserved_pages)
    return errc::no_space;
  std::lock_guard guard{mutex_};
  if (!file_.lock(growth_lock, cold_lock_timeout_ms))
    return errc::busy;
  auto grown = [&] {
    auto pages = arena().committed_pages();
    auto left = (shape().reserved_pages - pages) * shape().page_bytes;
    if (left == 0 || least > left)
      return errc::no_space;
    auto bytes = std::min(std::max(least, wanted), left);
    bytes = (bytes + shape().page_bytes - 1) & ~(shape().page_bytes - 1);
    auto offset = shape().pool_offset + pages * shape().page_bytes;
    file_.prefer_huge_pages(offset, bytes);
    if (auto committed = file_.commit(offset, bytes); committed != errc::ok)
      return committed;
    arena().control().committed_pages.store(
      static_cast<std::uint32_t>(pages + bytes / shape().page_bytes),
      std::memory_order_release);
    return errc::ok;
  }();
  file_.unlock(growth_lock);
  return grown;
}

errc store_impl::grow_index(std::uint32_t index_state) {
  if (mode_ == access_mode::read_only)
    return errc::read_only;
  auto level = arena().level_of(index_state);
  if ((index_state & layout::index_migrating) != 0)
    return errc::busy;
  if (level + 1 >= shape().index_levels)
    return errc::no_space;
  // Committing twice does no harm, so nobody needs to wait for another here.
  auto table = shape().table_offset(level + 1);
  auto table_bytes = shape().lines(level + 1) * layout::line_bytes;
  file_.prefer_huge_pages(table, table_bytes);
  if (auto committed = file_.commit(table, table_bytes); committed != errc::ok)
    return committed;
  // Fewer ghosts than there could be do no harm.
  if (arena().control().ghost_bits.load(std::memory_order_relaxed) != 0)
    (void)prepare_ghosts(level + 1);
  return engine_.index().begin_doubling(index_state) ? errc::ok : errc::busy;
}

/// Commits the ghosts that go with the index at `level`. They are a matter of
/// the whole segment: whoever comes later finds them there.
errc store_impl::prepare_ghosts(unsigned level) {
  auto bits = shape().ghost_bits(level);
  auto& present = arena().control().ghost_bits;
  if (present.load(std::memory_order_relaxed) >= bits)
    return errc::ok;
  auto committed =
    file_.commit(shape().ghosts_offset, sizeof(std::uint32_t) << bits);
  if (committed == errc::ok)
    // Pairs with the acquire in basic_ghosts: who sees the number may use them.
    present.store(bits, std::memory_order_release);
  return committed;
}

/// A segment that was restored has policies, but no ghosts yet.
void store_impl::restore_ghosts() {
  for (unsigned i = 0; i < limits::max_namespaces; ++i)
    if (has_ghosts(engine_.evictor().policy_of(static_cast<std::uint8_t>(i)))) {
      (void)prepare_ghosts(index_level());
      return;
    }
}

unsigned store_impl::index_level() const noexcept {
  return arena().level_of(
    arena().control().index_state.load(std::memory_order_acquire));
}

void store_impl::note_use(context& self,
                          const basic_location<native_sync>& where) {
  if (engine_type::index_type::noted(where))
    return;
  engine_type::index_type::note_use(where);
  self.adviser->note_first_use(where);
}

// -- helpers of the public class ----------------------------------------------

errc store_impl::view(std::uint64_t hash, namespace_id ns, std::string_view key,
                      value_view& result) {
  auto* mine = self();
  if (mine == nullptr)
    return errc::too_many;
  std::uint8_t form = 0;
  auto pinned = pin_for(*mine, hash, ns, key, result, form);
  for (missing_content missing;
       pinned == errc::ok && form == layout::flag_refers;) {
    pinned = pin_content(*mine, ns, result, form);
    if (pinned != errc::not_found)
      break;
    pinned = missing.look_again(result.version_)
               ? pin_for(*mine, hash, ns, key, result, form)
               : errc::corrupt;
  }
  if (pinned != errc::ok || form != layout::flag_packed)
    return pinned;
  auto plain = std::make_unique<std::string>();
  auto whole = unpack(result.bytes_, shape().max_value_bytes, *plain);
  result.release();
  if (!whole)
    return errc::corrupt;
  result.bytes_ = *plain;
  result.unpacked_ = std::move(plain);
  return errc::ok;
}

errc store_impl::pin_for(context& mine, std::uint64_t hash, namespace_id ns,
                         std::string_view key, value_view& result,
                         std::uint8_t& form) {
  for (auto& pin : mine.slot->pins) {
    if (pin.load(std::memory_order_relaxed) != 0)
      continue;
    return engine_.pin(
      hash, static_cast<std::uint8_t>(ns), key, pin, [&](const auto& where) {
        result.hazard_ = &pin;
        result.bytes_ = {reinterpret_cast<const char*>(where.payload())
                           + where.fields.key_bytes(),
                         where.fields.value_bytes};
        result.version_ = engine_.token_of(where);
        form = where.fields.form();
        note_use(mine, where);
      });
  }
  return errc::too_many;
}

std::uint64_t store_impl::position_after(std::uint64_t line,
                                         std::uint64_t lines) noexcept {
  if (line + 1 >= lines)
    return ~std::uint64_t{0};
  // The least 32-bit fraction whose line is line + 1.
  return (((line + 1) << 32) + lines - 1) / lines;
}

} // namespace neuroplex::memory::detail
