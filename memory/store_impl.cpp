#include "memory/store_impl.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>
#include <unordered_map>

#include <pthread.h>
#include <unistd.h>

namespace neuroplex::memory::detail {

namespace {

// Lock numbers beyond the participants'.
constexpr std::uint32_t namespace_lock = 1U << 20;
constexpr std::uint32_t growth_lock = namespace_lock + 1;
constexpr std::uint32_t orphan_lock = namespace_lock + 2;
constexpr int cold_lock_timeout_ms = 2000;

/// Owner of a thread slot whose process left while others pinned its blocks.
constexpr std::uint32_t orphan = ~std::uint32_t{0};

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

bool same_name(const layout::namespace_record<native_sync>& record,
               std::string_view name) {
  return record.name_bytes == name.size()
         && std::memcmp(record.name, name.data(), name.size()) == 0;
}

} // namespace

// -- attach and leave ---------------------------------------------------------

store_impl::store_impl(mapping file, const geometry& shape, std::string path,
                       access_mode mode)
  : file_{std::move(file)}, path_{std::move(path)}, mode_{mode},
    engine_{arena_type{file_.base(), shape},
            {this,
             [](void* owner) {
               auto* store = static_cast<store_impl*>(owner);
               return store->expand_pool(0) == errc::ok;
             },
             [](void* owner, std::uint32_t index_state) {
               auto* store = static_cast<store_impl*>(owner);
               return store->grow_index(index_state) == errc::ok;
             }}} {
  auto& registry = registry::instance();
  std::lock_guard guard{registry.mutex};
  id_ = registry.next_id++;
  registry.stores.emplace(id_, this);
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
  record.pid.store(static_cast<std::uint32_t>(::getpid()),
                   std::memory_order_relaxed);
  record.start_time.store(start_time_of_this_process(),
                          std::memory_order_relaxed);
  record.incarnation.store(
    control.incarnations.fetch_add(1, std::memory_order_relaxed) + 1,
    std::memory_order_relaxed);
  was_clean_ = participants() == 0
               && control.clean_shutdown.load(std::memory_order_acquire) != 0;
  control.clean_shutdown.store(0, std::memory_order_release);
  auto* context = self();
  if (context == nullptr)
    return failure{errc::too_many, "segment " + path_ + ": all "
                                     + std::to_string(shape().thread_count)
                                     + " thread slots are in use"};
  // Thread slots that still carry our number belong to a dead predecessor.
  std::size_t dead_threads = 0;
  recover_participant(participant_, *context, dead_threads);
  record.state.store(
    static_cast<std::uint32_t>(layout::participant_state::attached),
    std::memory_order_release);
  if (auto recovered = recover(); !recovered)
    return recovered.error();
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
  if (joined_)
    leave();
}

void store_impl::leave() noexcept {
  std::lock_guard guard{mutex_};
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
  file_.close_after_fork();
}

// -- threads ------------------------------------------------------------------

thread_local constinit store_impl::recent store_impl::last_used{0, nullptr};

store_impl::context* store_impl::find_self() noexcept {
  if (mode_ == access_mode::read_only)
    return nullptr;
  auto& known = this_thread.all;
  auto mine = std::find_if(known.begin(), known.end(),
                           [this](auto& each) { return each.store_id == id_; });
  if (mine == known.end()) {
    auto* made = acquire_context();
    if (made == nullptr)
      return nullptr;
    mine = known.insert(known.end(), {id_, made});
  }
  last_used = {id_, mine->context};
  return mine->context;
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
    engine_.recover_thread(helper, i);
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
  std::size_t threads_found = 0;
  std::lock_guard guard{mutex_};
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
      recover_participant(i, *helper, threads_found);
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
      engine_.recover_thread(*helper, i);
      slot.participant_plus_one.store(0, std::memory_order_release);
    }
    file_.unlock(orphan_lock);
  }
  return threads_found;
}

// -- namespaces ---------------------------------------------------------------

errc store_impl::writable(namespace_id ns) const noexcept {
  if (auto state = usable(); state != errc::ok) [[unlikely]]
    return state;
  if (mode_ == access_mode::read_only) [[unlikely]]
    return errc::read_only;
  auto state =
    arena().control().namespace_states[static_cast<unsigned>(ns)].load(
      std::memory_order_acquire);
  return state == static_cast<std::uint32_t>(layout::namespace_state::live)
           ? errc::ok
           : errc::bad_namespace;
}

expected<namespace_id> store_impl::find_namespace(std::string_view name) const {
  auto hash = hash_name(name);
  for (unsigned i = 0; i < limits::max_namespaces; ++i) {
    auto state =
      arena().control().namespace_states[i].load(std::memory_order_acquire);
    auto& record = arena().name_record(i);
    if (state == static_cast<std::uint32_t>(layout::namespace_state::live)
        && record.name_hash == hash && same_name(record, name))
      return namespace_id{static_cast<std::uint8_t>(i)};
  }
  return failure{errc::not_found, "namespace '" + std::string{name}
                                    + "': not found; create it first"};
}

expected<namespace_id> store_impl::open_namespace(std::string_view name) {
  if (auto state = usable(); state != errc::ok)
    return state;
  if (name.empty() || name.size() > limits::max_namespace_name_bytes)
    return failure{errc::bad_namespace, "namespace name of "
                                          + std::to_string(name.size())
                                          + " bytes: 1 to 255 are allowed"};
  if (auto found = find_namespace(name); found)
    return found;
  if (mode_ == access_mode::read_only)
    return errc::read_only;
  std::lock_guard guard{mutex_};
  if (!file_.lock(namespace_lock, cold_lock_timeout_ms))
    return errc::busy;
  auto made = [&]() -> expected<namespace_id> {
    // Another process may have been faster while we waited.
    if (auto found = find_namespace(name); found)
      return found;
    for (unsigned i = 0; i < limits::max_namespaces; ++i) {
      auto& state = arena().control().namespace_states[i];
      auto present = static_cast<layout::namespace_state>(
        state.load(std::memory_order_acquire));
      // `creating` under our lock is left by one who died on the way.
      if (present != layout::namespace_state::free
          && present != layout::namespace_state::creating)
        continue;
      state.store(static_cast<std::uint32_t>(layout::namespace_state::creating),
                  std::memory_order_relaxed);
      auto& record = arena().name_record(i);
      record.entries.store(0, std::memory_order_relaxed);
      record.block_bytes.store(0, std::memory_order_relaxed);
      record.name_hash = hash_name(name);
      record.name_bytes = static_cast<std::uint8_t>(name.size());
      std::memcpy(record.name, name.data(), name.size());
      state.store(static_cast<std::uint32_t>(layout::namespace_state::live),
                  std::memory_order_seq_cst);
      return namespace_id{static_cast<std::uint8_t>(i)};
    }
    return failure{errc::namespace_full,
                   "namespace '" + std::string{name}
                     + "': 256 namespaces exist; drop one first"};
  }();
  file_.unlock(namespace_lock);
  return made;
}

expected<void> store_impl::drop_namespace(std::string_view name) {
  if (auto state = usable(); state != errc::ok)
    return state;
  if (mode_ == access_mode::read_only)
    return errc::read_only;
  auto found = find_namespace(name);
  if (!found)
    return found.error();
  auto index = static_cast<unsigned>(*found);
  if (index == 0)
    return failure{errc::bad_argument,
                   "namespace 'default' cannot be dropped; clear it instead"};
  auto& state = arena().control().namespace_states[index];
  auto live = static_cast<std::uint32_t>(layout::namespace_state::live);
  auto dropping = static_cast<std::uint32_t>(layout::namespace_state::dropping);
  if (!state.compare_exchange_strong(live, dropping, std::memory_order_seq_cst))
    return errc::busy;
  std::uint64_t removed = 0;
  auto cleared = clear(*found, removed);
  if (cleared != errc::ok) {
    state.store(static_cast<std::uint32_t>(layout::namespace_state::live),
                std::memory_order_seq_cst);
    return cleared;
  }
  state.store(static_cast<std::uint32_t>(layout::namespace_state::free),
              std::memory_order_seq_cst);
  return {};
}

// -- growth -------------------------------------------------------------------

errc store_impl::expand_pool(std::uint64_t additional_bytes) {
  if (mode_ == access_mode::read_only)
    return errc::read_only;
  std::lock_guard guard{mutex_};
  if (!file_.lock(growth_lock, cold_lock_timeout_ms))
    return errc::busy;
  auto grown = [&] {
    auto pages = arena().committed_pages();
    auto left = shape().reserved_pages - pages;
    if (left == 0)
      return errc::no_space;
    // By default an eighth more, so that growing is rare.
    auto wanted =
      additional_bytes == 0
        ? std::max<std::uint64_t>(pages / 8, 64)
        : (additional_bytes + shape().page_bytes - 1) / shape().page_bytes;
    if (additional_bytes != 0 && wanted > left)
      return errc::no_space;
    wanted = std::min<std::uint64_t>(wanted, left);
    auto offset = shape().pool_offset + pages * shape().page_bytes;
    auto bytes = wanted * shape().page_bytes;
    if (auto committed = file_.commit(offset, bytes); committed != errc::ok)
      return committed;
    file_.collapse(offset, bytes);
    arena().control().committed_pages.store(
      static_cast<std::uint32_t>(pages + wanted), std::memory_order_release);
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
  if (auto committed =
        file_.commit(shape().table_offset(level + 1),
                     shape().lines(level + 1) * layout::line_bytes);
      committed != errc::ok)
    return committed;
  file_.collapse(shape().table_offset(level + 1),
                 shape().lines(level + 1) * layout::line_bytes);
  return engine_.index().begin_doubling(index_state) ? errc::ok : errc::busy;
}

// -- helpers of the public class ----------------------------------------------

errc store_impl::view(std::uint64_t hash, namespace_id ns, std::string_view key,
                      value_view& result) {
  auto* mine = self();
  if (mine == nullptr)
    return errc::too_many;
  for (auto& pin : mine->slot->pins) {
    if (pin.load(std::memory_order_relaxed) != 0)
      continue;
    return engine_.pin(
      hash, static_cast<std::uint8_t>(ns), key, pin, [&](const auto& where) {
        result.hazard_ = &pin;
        result.bytes_ = {reinterpret_cast<const char*>(where.payload())
                           + where.fields.key_bytes,
                         where.fields.value_bytes};
        result.version_ = engine_.token_of(where);
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

errc store_impl::clear(namespace_id ns, std::uint64_t& removed) {
  auto* mine = self();
  if (mine == nullptr)
    return errc::too_many;
  auto number = static_cast<std::uint8_t>(ns);
  std::vector<std::string> keys;
  for (std::uint64_t position = 0; position != ~std::uint64_t{0};) {
    auto at = engine_.index().home_of(position << 32);
    keys.clear();
    engine_.index().visit_line(at, [&](const auto& where) {
      if (where.fields.ns != number
          || where.fields.total_bytes() > arena().room_after(where.block))
        return;
      auto& key = keys.emplace_back(where.fields.key_bytes, '\0');
      native_sync::read(key.data(), where.payload(), key.size());
    });
    if (!engine_.index().still_home(at))
      continue;
    for (auto& key : keys) {
      auto erased = engine_.erase(*mine, hash_key(number, key), number, key);
      if (erased == errc::ok)
        ++removed;
      else if (erased != errc::not_found)
        return erased;
    }
    position = position_after(at.line, shape().lines(at.level));
  }
  return errc::ok;
}

} // namespace neuroplex::memory::detail
