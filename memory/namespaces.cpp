// Namespaces of a segment: finding, making and dropping them. Making and
// dropping are rare, so they are serialised by a lock on the file, which ends
// with its holder: who holds it and meets a namespace half made or half dropped
// knows that its maker died, and finishes the work.
#include "memory/store_impl.hpp"
#include "memory/store_policies.hpp"

#include <cstring>

namespace neuroplex::memory::detail {

namespace {

bool same_name(const layout::namespace_record<native_sync>& record,
               std::string_view name) {
  return record.name_bytes == name.size()
         && std::memcmp(record.name, name.data(), name.size()) == 0;
}

/// Who writes meanwhile may see part of them.
void write_settings(layout::namespace_record<native_sync>& record,
                    const namespace_settings& settings) {
  record.quota_bytes.store(settings.quota_bytes, std::memory_order_relaxed);
  record.default_ttl_ms.store(
    static_cast<std::uint64_t>(settings.default_ttl_ms),
    std::memory_order_relaxed);
  record.priority_class.store(static_cast<std::uint8_t>(settings.priority),
                              std::memory_order_relaxed);
  record.share_from.store(settings.share_from, std::memory_order_relaxed);
  // Once there are contents, there are.
  auto shared =
    record.storing.load(std::memory_order_relaxed) & layout::storing_shared;
  record.storing.store(
    static_cast<std::uint8_t>(static_cast<int>(settings.compression) | shared),
    std::memory_order_relaxed);
  record.policy.store(static_cast<std::uint8_t>(settings.policy),
                      std::memory_order_relaxed);
}

std::string policy_choices() {
  std::string result;
  for (auto name : store_policy_names)
    result.append(result.empty() ? "" : ", ").append(name);
  return result;
}

expected<void> validate(const namespace_settings& settings) {
  if (!is_store_policy(settings.policy))
    return failure{errc::config,
                   "policy '" + std::string{to_string(settings.policy)}
                     + "': a namespace of the store can have one of "
                     + policy_choices()};
  if (settings.priority > priority_class::critical)
    return failure{errc::config,
                   "priority class "
                     + std::to_string(static_cast<unsigned>(settings.priority))
                     + ": 0 (general) to 3 (critical)"};
  if (settings.compression > compression_mode::adaptive)
    return failure{errc::config, "compression "
                                   + std::to_string(static_cast<unsigned>(
                                     settings.compression))
                                   + ": 0 (off) or 1 (adaptive)"};
  if (settings.share_from != 0
      && (settings.share_from < limits::least_shared_bytes
          || settings.share_from > limits::max_value_bytes))
    return failure{errc::config,
                   "values shared from " + std::to_string(settings.share_from)
                     + " bytes: 0 (none) or "
                     + std::to_string(limits::least_shared_bytes) + " to "
                     + std::to_string(limits::max_value_bytes)};
  if (settings.default_ttl_ms < 0
      || settings.default_ttl_ms > limits::max_ttl_ms)
    return failure{errc::config, "default lifetime of "
                                   + std::to_string(settings.default_ttl_ms)
                                   + " ms: 0 (for ever) to "
                                   + std::to_string(limits::max_ttl_ms)};
  return {};
}

} // namespace

expected<namespace_settings> store_impl::settings(namespace_id ns) const {
  if (auto state = usable(); state != errc::ok)
    return state;
  auto index = static_cast<unsigned>(ns);
  auto word =
    arena().control().namespace_states[index].load(std::memory_order_acquire);
  if (!layout::is_live(word))
    return failure{errc::bad_namespace,
                   "namespace " + std::to_string(index) + ": there is none"};
  const auto& record = arena().name_record(index);
  namespace_settings result;
  auto policy = record.policy.load(std::memory_order_relaxed);
  auto priority = record.priority_class.load(std::memory_order_relaxed);
  // Numbers that nobody gives were scribbled there and count as the default.
  if (policy < policy_kind_count)
    result.policy = static_cast<policy_kind>(policy);
  if (priority <= static_cast<std::uint8_t>(priority_class::critical))
    result.priority = static_cast<priority_class>(priority);
  result.quota_bytes = record.quota_bytes.load(std::memory_order_relaxed);
  result.default_ttl_ms = default_ttl_ms(ns);
  result.compression = compression(ns);
  result.share_from = share_from(ns);
  return result;
}

expected<void> store_impl::configure(namespace_id ns,
                                     const namespace_settings& settings) {
  if (auto valid = validate(settings); !valid)
    return valid;
  if (auto present = this->settings(ns); !present)
    return present.error();
  if (inline_table_of(ns) != nullptr)
    return failure{errc::wrong_type,
                   "namespace " + std::to_string(number(ns))
                     + ": inline; it has no policy, quota or lifetime to set"};
  if (mode_ == access_mode::read_only)
    return errc::read_only;
  std::lock_guard guard{mutex_};
  if (has_ghosts(settings.policy))
    if (auto ready = prepare_ghosts(index_level()); ready != errc::ok)
      return ready;
  if (!file_.lock(namespace_lock, cold_lock_timeout_ms))
    return errc::busy;
  auto index = static_cast<unsigned>(ns);
  auto made = expected<void>{};
  if (settings.share_from != 0 || contents_of(index))
    made = make_contents(index, settings.priority);
  if (made)
    write_settings(arena().name_record(index), settings);
  file_.unlock(namespace_lock);
  return made;
}

expected<namespace_id> store_impl::find_namespace(std::string_view name) const {
  auto hash = hash_name(name);
  auto found = first_namespace([&](auto word, const auto& record) {
    return layout::is_live(word) && record.name_hash == hash
           && same_name(record, name);
  });
  if (found)
    return namespace_id{static_cast<std::uint8_t>(*found)};
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
  if (self() == nullptr)
    return errc::too_many;
  return make_namespace(name, 0);
}

/// Makes a namespace, or answers the one that somebody else was faster to make.
/// With `inline_granule`, a held block with an empty table, it is inline.
expected<namespace_id>
store_impl::make_namespace(std::string_view name,
                           std::uint32_t inline_granule) {
  std::lock_guard guard{mutex_};
  if (!file_.lock(namespace_lock, cold_lock_timeout_ms))
    return errc::busy;
  auto made = [&]() -> expected<namespace_id> {
    // Another process may have been faster while we waited.
    if (auto found = find_namespace(name); found)
      return found;
    finish_drops();
    auto index = claim_number(0);
    if (!index)
      return failure{errc::namespace_full,
                     "namespace '" + std::string{name}
                       + "': 256 namespaces exist; drop one first"};
    auto& record = arena().name_record(*index);
    record.name_hash = hash_name(name);
    record.name_bytes = static_cast<std::uint8_t>(name.size());
    std::memcpy(record.name, name.data(), name.size());
    auto live = layout::namespace_state::live;
    if (inline_granule != 0) {
      adopt_table(*self(), *index, inline_granule);
      live = layout::namespace_state::live_inline;
    }
    open_number(*index, live);
    return namespace_id{static_cast<std::uint8_t>(*index)};
  }();
  file_.unlock(namespace_lock);
  return made;
}

/// Under the lock: takes a free number, not below `first`, with a record as new
/// and in state `creating`.
std::optional<unsigned> store_impl::claim_number(unsigned first) {
  for (unsigned i = first; i < limits::max_namespaces; ++i) {
    auto& state = arena().control().namespace_states[i];
    auto word = state.load(std::memory_order_acquire);
    auto present = layout::namespace_state_of(word);
    // `creating` under our lock is left by one who died on the way.
    if (present != layout::namespace_state::free
        && present != layout::namespace_state::creating)
      continue;
    state.store(layout::with_namespace_state(layout::next_namespace(word),
                                             layout::namespace_state::creating),
                std::memory_order_relaxed);
    free_table(*self(), i);
    reset_record(i);
    return i;
  }
  return std::nullopt;
}

/// Publishes what `claim_number` took.
void store_impl::open_number(unsigned index, layout::namespace_state as) {
  auto& state = arena().control().namespace_states[index];
  state.store(
    layout::with_namespace_state(state.load(std::memory_order_relaxed), as),
    std::memory_order_seq_cst);
}

/// A record as that of a namespace which never held anything.
void store_impl::reset_record(unsigned index) {
  auto& record = arena().name_record(index);
  record.entries.store(0, std::memory_order_relaxed);
  record.block_bytes.store(0, std::memory_order_relaxed);
  record.references.store(0, std::memory_order_relaxed);
  record.referred_bytes.store(0, std::memory_order_relaxed);
  record.newcomer_share.store(0, std::memory_order_relaxed);
  record.ruling_order.store(0, std::memory_order_relaxed);
  for (auto& count : record.order_won)
    count.store(0, std::memory_order_relaxed);
  for (auto& count : record.order_lost)
    count.store(0, std::memory_order_relaxed);
  record.storing.store(0, std::memory_order_relaxed);
  record.contents.store(0, std::memory_order_relaxed);
  record.name_bytes = 0;
  write_settings(record, {});
}

expected<void> store_impl::drop_namespace(std::string_view name) {
  if (auto state = usable(); state != errc::ok)
    return state;
  if (mode_ == access_mode::read_only)
    return errc::read_only;
  if (self() == nullptr)
    return errc::too_many;
  std::lock_guard guard{mutex_};
  if (!file_.lock(namespace_lock, cold_lock_timeout_ms))
    return errc::busy;
  auto dropped = [&]() -> expected<void> {
    auto found = find_namespace(name);
    if (!found)
      return found.error();
    auto index = static_cast<unsigned>(*found);
    if (index == 0)
      return failure{errc::bad_argument, "namespace 'default' cannot be "
                                         "dropped; clear it instead"};
    auto word =
      arena().control().namespace_states[index].load(std::memory_order_acquire);
    return drop(index, word);
  }();
  file_.unlock(namespace_lock);
  return dropped;
}

/// Under the lock: hides the namespace, removes its entries, frees its id. A
/// failure on the way leaves it hidden, and the next call goes on.
errc store_impl::drop(unsigned index, std::uint32_t word) {
  auto& state = arena().control().namespace_states[index];
  // seq_cst: a writer who publishes after our sweep sees this.
  state.store(
    layout::with_namespace_state(word, layout::namespace_state::dropping),
    std::memory_order_seq_cst);
  if (arena().name_record(index).inline_granule != 0) {
    if (auto alone = await_inline_writers(index); alone != errc::ok)
      return alone;
    free_table(*self(), index);
  }
  std::uint64_t removed = 0;
  if (auto cleared =
        clear(namespace_id{static_cast<std::uint8_t>(index)}, removed);
      cleared != errc::ok)
    return cleared;
  // Its contents go as a whole. Until they are gone, the namespace is there to
  // say that they are to go.
  if (auto contents = contents_of(index)) {
    auto contents_word = arena().control().namespace_states[*contents].load(
      std::memory_order_acquire);
    if (auto dropped = drop(*contents, contents_word); dropped != errc::ok)
      return dropped;
  }
  state.store(layout::with_namespace_state(word, layout::namespace_state::free),
              std::memory_order_seq_cst);
  return errc::ok;
}

/// Under the lock: drops that somebody died over.
void store_impl::finish_drops() {
  for (unsigned i = 1; i < limits::max_namespaces; ++i) {
    auto word =
      arena().control().namespace_states[i].load(std::memory_order_acquire);
    if (layout::namespace_state_of(word) == layout::namespace_state::dropping)
      (void)drop(i, word);
  }
}

errc store_impl::clear(namespace_id ns, std::uint64_t& removed) {
  auto* mine = self();
  if (mine == nullptr)
    return errc::too_many;
  auto number = static_cast<std::uint8_t>(ns);
  std::vector<std::string> keys;
  // A line is looked at again when it was carried over meanwhile; the bound is
  // for a segment somebody scribbles over.
  constexpr unsigned repeats_a_line = 64;
  unsigned repeats = 0;
  for (std::uint64_t position = 0; position != ~std::uint64_t{0};) {
    auto at = engine_.index().home_of(position << 32);
    keys.clear();
    engine_.index().visit_line(at, [&](const auto& where) {
      if (where.fields.ns() != number)
        return true;
      auto& key = keys.emplace_back(where.fields.key_bytes(), '\0');
      native_sync::read(key.data(), where.payload(), key.size());
      return engine_.index().unchanged(at, where);
    });
    if (!engine_.index().still_home(at) && ++repeats < repeats_a_line)
      continue;
    repeats = 0;
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
