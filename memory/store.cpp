#include "memory/store.hpp"

#include "memory/store_impl.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <random>
#include <thread>

#include <sys/stat.h>
#include <unistd.h>

namespace neuroplex::memory {

using detail::store_impl;

namespace {

using context = store_impl::context;

std::uint64_t random_id() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

void initialise_segment(std::byte* base, const layout::header& header) {
  auto shape = read_geometry(header, header.file_bytes, "(new)");
  NEUROPLEX_ENSURE(static_cast<bool>(shape));
  basic_arena<native_sync> arena{base, *shape};
  // All else begins as zeros: free pages, free slots, closed lines.
  for (std::uint64_t i = 0; i < shape->lines(0); ++i) {
    auto& line = arena.line(0, i);
    for (auto& slot : line.slots)
      slot.store(layout::slot_empty, std::memory_order_relaxed);
    line.meta.store(layout::meta_open, std::memory_order_relaxed);
  }
  auto& control = arena.control();
  control.committed_pages.store(header.initial_pages,
                                std::memory_order_relaxed);
  control.clean_shutdown.store(1, std::memory_order_relaxed);
  control.carve_epoch.store(1, std::memory_order_relaxed);
  constexpr std::string_view default_name = "default";
  auto& record = arena.name_record(0);
  record.name_hash = hash_name(default_name);
  record.name_bytes = static_cast<std::uint8_t>(default_name.size());
  std::memcpy(record.name, default_name.data(), default_name.size());
  control.namespace_states[0].store(
    static_cast<std::uint32_t>(layout::namespace_state::live),
    std::memory_order_relaxed);
  std::memcpy(base, &header, sizeof header);
}

errc check_key(std::string_view key) noexcept {
  if (key.empty()) [[unlikely]]
    return errc::bad_key;
  if (key.size() > limits::max_key_bytes) [[unlikely]]
    return errc::key_size;
  return errc::ok;
}

errc check_options(const set_options& options) noexcept {
  if (options.ttl_ms == 0) [[likely]]
    return errc::ok;
  if (options.ttl_ms < 0 || options.ttl_ms > limits::max_ttl_ms
      || options.keep_ttl)
    return errc::bad_ttl;
  return errc::ok;
}

/// What every write checks before it starts.
errc check_write(store_impl& impl, namespace_id ns, std::string_view key,
                 std::size_t value_bytes, const set_options& options) {
  if (auto state = impl.writable(ns); state != errc::ok) [[unlikely]]
    return state;
  if (auto bad = check_key(key); bad != errc::ok) [[unlikely]]
    return bad;
  if (value_bytes > impl.shape().max_value_bytes) [[unlikely]]
    return errc::value_size;
  return check_options(options);
}

std::int64_t new_expiry(const set_options& options, std::int64_t present) {
  if (options.ttl_ms != 0)
    return unix_time_ms() + options.ttl_ms;
  return options.keep_ttl ? present : 0;
}

/// Parses a decimal integer in its one canonical spelling.
bool parse_integer(std::string_view text, std::int64_t& value) {
  auto [end, error] =
    std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    return false;
  auto digits = text.substr(text.starts_with('-') ? 1 : 0);
  return digits.size() == 1 || digits.front() != '0';
}

entry_info info_of(const store_impl& impl, const auto& where,
                   std::int64_t expires) {
  entry_info result;
  result.version = impl.engine().token_of(where);
  result.expires_at_ms = expires;
  result.value_bytes = where.fields.value_bytes;
  auto bytes = where.fields.total_bytes();
  const auto& classes = impl.shape().classes;
  result.block_bytes = static_cast<std::uint32_t>(
    bytes <= classes.largest() ? classes.bytes_of(classes.class_of(bytes))
                               : bytes);
  return result;
}

/// Reads one entry whose hash is known; `Value` is made to fit the bytes.
errc read_value(store_impl& impl, context* self, std::uint64_t hash,
                std::uint8_t ns, std::string_view key, std::string& value,
                entry_info* info) {
  auto answer = impl.engine().read(
    hash, ns, key, [&](const auto& where, std::int64_t expires) {
      value.resize(where.fields.value_bytes);
      native_sync::read(value.data(), where.payload() + where.fields.key_bytes,
                        value.size());
      if (!store_impl::engine_type::intact(hash, where, expires, value))
        return errc::corrupt;
      if (info != nullptr)
        *info = info_of(impl, where, expires);
      return errc::ok;
    });
  if (self != nullptr) {
    bump(self->slot->reads, 1U);
    if (answer == errc::ok)
      bump(self->slot->hits, 1U);
    else if (answer == errc::corrupt)
      bump(self->slot->corrupt_reads, 1U);
  }
  return answer;
}

std::uint8_t number(namespace_id ns) noexcept {
  return static_cast<std::uint8_t>(ns);
}

} // namespace

// -- options and views --------------------------------------------------------

expected<void> segment_options::validate() const {
  auto refuse = [](std::string what) {
    return failure{errc::config, std::move(what)};
  };
  if (segment_bytes < limits::min_segment_bytes
      || segment_bytes > limits::max_segment_bytes)
    return refuse("segment_bytes: " + std::to_string(segment_bytes)
                  + ": 1 MiB to 64 GiB are allowed");
  if (reserved_bytes != 0
      && (reserved_bytes < segment_bytes
          || reserved_bytes > limits::max_segment_bytes))
    return refuse("reserved_bytes: " + std::to_string(reserved_bytes)
                  + ": 0, or segment_bytes to 64 GiB");
  constexpr std::uint64_t min_bytes_a_line = 128;
  auto most = std::max(segment_bytes, reserved_bytes) / min_bytes_a_line;
  if (bucket_count > most)
    return refuse("bucket_count: " + std::to_string(bucket_count) + ": at most "
                  + std::to_string(most) + " for this segment");
  if (max_entries / 10 > most)
    return refuse("max_entries: " + std::to_string(max_entries) + ": at most "
                  + std::to_string(most * 10) + " for this segment");
  return {};
}

value_view::value_view(value_view&& other) noexcept
  : hazard_{std::exchange(other.hazard_, nullptr)},
    bytes_{std::exchange(other.bytes_, {})}, version_{other.version_} {
}

value_view& value_view::operator=(value_view&& other) noexcept {
  if (this != &other) {
    release();
    hazard_ = std::exchange(other.hazard_, nullptr);
    bytes_ = std::exchange(other.bytes_, {});
    version_ = other.version_;
  }
  return *this;
}

value_view::~value_view() {
  release();
}

void value_view::release() noexcept {
  if (hazard_ == nullptr)
    return;
  // Release: our reads of the block come before its reuse.
  static_cast<std::atomic<std::uint32_t>*>(hazard_)->store(
    0, std::memory_order_release);
  hazard_ = nullptr;
  bytes_ = {};
}

// -- life ---------------------------------------------------------------------

store::store(std::unique_ptr<store_impl> impl) noexcept
  : impl_{std::move(impl)} {
}

store::store(store&&) noexcept = default;
store& store::operator=(store&&) noexcept = default;
store::~store() = default;

expected<store> store::create(const std::string& path,
                              const segment_options& options) {
  auto header = plan_segment(options, random_id());
  if (!header)
    return header.error();
  auto shape = read_geometry(*header, header->file_bytes, path);
  if (!shape)
    return shape.error();
  // From the header to the end of the first table; the directory follows later
  // in the file, right before the pool.
  auto file = mapping::create(
    path, *header, shape->table_offset(1), shape->directory_offset,
    shape->pool_offset - shape->directory_offset
      + std::uint64_t{shape->initial_pages} * shape->page_bytes,
    options.huge_pages, initialise_segment);
  if (!file)
    return file.error();
  auto impl =
    store_impl::attach(std::move(*file), *shape, path, access_mode::read_write);
  if (!impl)
    return impl.error();
  return store{std::move(*impl)};
}

expected<store> store::open(const std::string& path, access_mode mode) {
  layout::header header{};
  auto file = mapping::open(path, mode, header);
  if (!file)
    return file.error();
  auto shape = read_geometry(header, file->bytes(), path);
  if (!shape)
    return shape.error();
  auto impl = store_impl::attach(std::move(*file), *shape, path, mode);
  if (!impl)
    return impl.error();
  return store{std::move(*impl)};
}

expected<store> store::open_or_create(const std::string& path,
                                      const segment_options& options) {
  constexpr int attempts = 8;
  for (int i = 0;; ++i) {
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0)
      return open(path);
    auto made = create(path, options);
    if (made || made.code() != errc::exists || i >= attempts)
      return made;
  }
}

expected<void> store::remove(const std::string& path) {
  if (::unlink(path.c_str()) == 0)
    return {};
  return failure{errc::bad_path, "segment " + path + ": cannot remove: "
                                   + std::strerror(errno)};
}

void store::close() noexcept {
  impl_->close();
}

const std::string& store::path() const noexcept {
  return impl_->path();
}

access_mode store::mode() const noexcept {
  return impl_->mode();
}

// -- namespaces ---------------------------------------------------------------

expected<namespace_id> store::open_namespace(std::string_view name) {
  return impl_->open_namespace(name);
}

expected<namespace_id> store::find_namespace(std::string_view name) const {
  if (auto state = impl_->usable(); state != errc::ok)
    return state;
  return impl_->find_namespace(name);
}

expected<void> store::drop_namespace(std::string_view name) {
  return impl_->drop_namespace(name);
}

std::vector<namespace_info> store::namespaces() const {
  std::vector<namespace_info> result;
  if (impl_->usable() != errc::ok)
    return result;
  for (unsigned i = 0; i < limits::max_namespaces; ++i) {
    auto state = impl_->arena().control().namespace_states[i].load(
      std::memory_order_acquire);
    if (state != static_cast<std::uint32_t>(layout::namespace_state::live))
      continue;
    auto& record = impl_->arena().name_record(i);
    result.push_back({namespace_id{static_cast<std::uint8_t>(i)},
                      {record.name, record.name_bytes},
                      record.entries.load(std::memory_order_relaxed),
                      record.block_bytes.load(std::memory_order_relaxed)});
  }
  return result;
}

// -- reading ------------------------------------------------------------------

errc store::get(namespace_id ns, std::string_view key, std::string& value,
                entry_info* info) const {
  if (auto state = impl_->usable(); state != errc::ok) [[unlikely]]
    return state;
  if (auto bad = check_key(key); bad != errc::ok) [[unlikely]]
    return bad;
  return read_value(*impl_, impl_->self(), hash_key(number(ns), key),
                    number(ns), key, value, info);
}

errc store::get(namespace_id ns, std::string_view key, std::span<char> buffer,
                std::size_t& value_bytes) const {
  if (auto state = impl_->usable(); state != errc::ok) [[unlikely]]
    return state;
  if (auto bad = check_key(key); bad != errc::ok) [[unlikely]]
    return bad;
  auto hash = hash_key(number(ns), key);
  auto answer = impl_->engine().read(
    hash, number(ns), key, [&](const auto& where, std::int64_t expires) {
      value_bytes = where.fields.value_bytes;
      if (value_bytes > buffer.size())
        return errc::value_size;
      native_sync::read(buffer.data(), where.payload() + where.fields.key_bytes,
                        value_bytes);
      return store_impl::engine_type::intact(hash, where, expires,
                                             {buffer.data(), value_bytes})
               ? errc::ok
               : errc::corrupt;
    });
  if (auto* self = impl_->self(); self != nullptr) {
    bump(self->slot->reads, 1U);
    if (answer == errc::ok)
      bump(self->slot->hits, 1U);
    else if (answer == errc::corrupt)
      bump(self->slot->corrupt_reads, 1U);
  }
  return answer;
}

errc store::view(namespace_id ns, std::string_view key,
                 value_view& result) const {
  if (auto state = impl_->usable(); state != errc::ok) [[unlikely]]
    return state;
  if (impl_->mode() == access_mode::read_only)
    return errc::read_only;
  if (auto bad = check_key(key); bad != errc::ok) [[unlikely]]
    return bad;
  result.release();
  return impl_->view(hash_key(number(ns), key), ns, key, result);
}

bool store::contains(namespace_id ns, std::string_view key) const {
  entry_info ignored;
  return info(ns, key, ignored) == errc::ok;
}

errc store::info(namespace_id ns, std::string_view key,
                 entry_info& result) const {
  if (auto state = impl_->usable(); state != errc::ok) [[unlikely]]
    return state;
  if (auto bad = check_key(key); bad != errc::ok) [[unlikely]]
    return bad;
  return impl_->engine().read(hash_key(number(ns), key), number(ns), key,
                              [&](const auto& where, std::int64_t expires) {
                                result = info_of(*impl_, where, expires);
                                return errc::ok;
                              });
}

// -- writing ------------------------------------------------------------------

namespace {

/// set in its three conditions. A kept expiry depends on the present entry.
errc store_value(store_impl& impl, namespace_id ns, std::string_view key,
                 std::string_view value, const set_options& options,
                 condition when) {
  if (auto bad = check_write(impl, ns, key, value.size(), options);
      bad != errc::ok) [[unlikely]]
    return bad;
  auto* self = impl.self();
  if (self == nullptr)
    return errc::too_many;
  auto hash = hash_key(number(ns), key);
  if (!options.keep_ttl) [[likely]]
    return impl.engine().put(*self, hash, number(ns), key, value,
                             options.ttl_ms, when);
  return impl.engine().modify(
    *self, hash, number(ns), key,
    [&](const std::string* present, std::int64_t expires, version_token,
        auto& change) {
      if (when == condition::if_absent && present != nullptr)
        return errc::exists;
      if (when == condition::if_present && present == nullptr)
        return errc::not_found;
      change.head = value;
      change.expires_at_ms = new_expiry(options, expires);
      return errc::ok;
    });
}

/// Runs a change that depends on the present value; `decide` as in
/// basic_engine::modify.
template <class Decide>
errc change_value(store_impl& impl, namespace_id ns, std::string_view key,
                  std::size_t value_bytes, const set_options& options,
                  Decide&& decide) {
  if (auto bad = check_write(impl, ns, key, value_bytes, options);
      bad != errc::ok) [[unlikely]]
    return bad;
  auto* self = impl.self();
  if (self == nullptr)
    return errc::too_many;
  return impl.engine().modify(*self, hash_key(number(ns), key), number(ns), key,
                              std::forward<Decide>(decide));
}

} // namespace

errc store::set(namespace_id ns, std::string_view key, std::string_view value,
                const set_options& options) {
  return store_value(*impl_, ns, key, value, options, condition::always);
}

errc store::set_if_absent(namespace_id ns, std::string_view key,
                          std::string_view value, const set_options& options) {
  return store_value(*impl_, ns, key, value, options, condition::if_absent);
}

errc store::set_if_present(namespace_id ns, std::string_view key,
                           std::string_view value, const set_options& options) {
  return store_value(*impl_, ns, key, value, options, condition::if_present);
}

errc store::exchange(namespace_id ns, std::string_view key,
                     std::string_view value, std::string& previous,
                     bool& had_previous, const set_options& options) {
  return change_value(*impl_, ns, key, value.size(), options,
                      [&](const std::string* present, std::int64_t expires,
                          version_token, auto& change) {
                        had_previous = present != nullptr;
                        if (had_previous)
                          previous = *present;
                        change.head = value;
                        change.expires_at_ms = new_expiry(options, expires);
                        return errc::ok;
                      });
}

errc store::compare_and_swap(namespace_id ns, std::string_view key,
                             std::string_view expected_value,
                             std::string_view desired, std::string* actual,
                             const set_options& options) {
  return change_value(*impl_, ns, key, desired.size(), options,
                      [&](const std::string* present, std::int64_t expires,
                          version_token, auto& change) {
                        if (present == nullptr)
                          return errc::not_found;
                        if (*present != expected_value) {
                          if (actual != nullptr)
                            *actual = *present;
                          return errc::mismatch;
                        }
                        change.head = desired;
                        change.expires_at_ms = new_expiry(options, expires);
                        return errc::ok;
                      });
}

errc store::compare_and_swap(namespace_id ns, std::string_view key,
                             version_token expected_version,
                             std::string_view desired, version_token* actual,
                             const set_options& options) {
  return change_value(*impl_, ns, key, desired.size(), options,
                      [&](const std::string* present, std::int64_t expires,
                          version_token version, auto& change) {
                        if (present == nullptr)
                          return errc::not_found;
                        if (version != expected_version) {
                          if (actual != nullptr)
                            *actual = version;
                          return errc::mismatch;
                        }
                        change.head = desired;
                        change.expires_at_ms = new_expiry(options, expires);
                        return errc::ok;
                      });
}

errc store::increment(namespace_id ns, std::string_view key, std::int64_t delta,
                      std::int64_t& result) {
  std::array<char, 24> digits{};
  return change_value(
    *impl_, ns, key, 0, {},
    [&](const std::string* present, std::int64_t expires, version_token,
        auto& change) {
      std::int64_t value = 0;
      if (present != nullptr && !parse_integer(*present, value))
        return errc::not_integer;
      std::int64_t sum = 0;
      if (__builtin_add_overflow(value, delta, &sum))
        return errc::overflow;
      auto* end =
        std::to_chars(digits.data(), digits.data() + digits.size(), sum).ptr;
      change.head = {digits.data(),
                     static_cast<std::size_t>(end - digits.data())};
      change.expires_at_ms = expires;
      result = sum;
      return errc::ok;
    });
}

errc store::append(namespace_id ns, std::string_view key,
                   std::string_view suffix, std::size_t& value_bytes) {
  auto most = impl_->shape().max_value_bytes;
  return change_value(*impl_, ns, key, suffix.size(), {},
                      [&](const std::string* present, std::int64_t expires,
                          version_token, auto& change) {
                        if (present != nullptr)
                          change.head = *present;
                        change.tail = suffix;
                        change.expires_at_ms = expires;
                        value_bytes = change.head.size() + suffix.size();
                        return value_bytes > most ? errc::value_size : errc::ok;
                      });
}

errc store::erase(namespace_id ns, std::string_view key) {
  if (auto bad = check_write(*impl_, ns, key, 0, {}); bad != errc::ok)
    [[unlikely]]
    return bad;
  auto* self = impl_->self();
  if (self == nullptr)
    return errc::too_many;
  return impl_->engine().erase(*self, hash_key(number(ns), key), number(ns),
                               key);
}

errc store::take(namespace_id ns, std::string_view key, std::string& value) {
  return change_value(
    *impl_, ns, key, 0, {},
    [&](const std::string* present, std::int64_t, version_token, auto& change) {
      if (present == nullptr)
        return errc::not_found;
      value = *present;
      change.erase = true;
      return errc::ok;
    });
}

errc store::expire(namespace_id ns, std::string_view key, std::int64_t ttl_ms) {
  if (ttl_ms <= 0 || ttl_ms > limits::max_ttl_ms)
    return errc::bad_ttl;
  return change_value(
    *impl_, ns, key, 0, {},
    [&](const std::string* present, std::int64_t, version_token, auto& change) {
      if (present == nullptr)
        return errc::not_found;
      change.head = *present;
      change.expires_at_ms = unix_time_ms() + ttl_ms;
      return errc::ok;
    });
}

errc store::persist(namespace_id ns, std::string_view key) {
  return change_value(*impl_, ns, key, 0, {},
                      [&](const std::string* present, std::int64_t expires,
                          version_token, auto& change) {
                        if (present == nullptr)
                          return errc::not_found;
                        if (expires == 0)
                          return errc::mismatch;
                        change.head = *present;
                        return errc::ok;
                      });
}

// -- batches ------------------------------------------------------------------

namespace {

/// Runs `work(i, hash)` over a batch: in each wave first all lines are asked
/// for, then all blocks, then the work is done on what has arrived.
template <class KeyOf, class Work>
void in_waves(store_impl& impl, std::uint8_t ns, std::size_t count,
              KeyOf&& key_of, Work&& work) {
  std::array<std::uint64_t, limits::batch_wave> hashes{};
  for (std::size_t begin = 0; begin < count; begin += hashes.size()) {
    auto size = std::min(hashes.size(), count - begin);
    for (std::size_t i = 0; i < size; ++i) {
      hashes[i] = hash_key(ns, key_of(begin + i));
      impl.engine().index().prefetch(hashes[i]);
    }
    for (std::size_t i = 0; i < size; ++i)
      impl.engine().index().prefetch_block(hashes[i]);
    for (std::size_t i = 0; i < size; ++i)
      work(begin + i, hashes[i]);
  }
}

} // namespace

errc store::get_many(namespace_id ns, std::span<get_request> requests) const {
  if (auto state = impl_->usable(); state != errc::ok)
    return state;
  auto* self = impl_->self();
  auto result = errc::ok;
  in_waves(
    *impl_, number(ns), requests.size(),
    [&](std::size_t i) { return requests[i].key; },
    [&](std::size_t i, std::uint64_t hash) {
      auto& request = requests[i];
      request.status = check_key(request.key);
      if (request.status == errc::ok)
        request.status = read_value(*impl_, self, hash, number(ns), request.key,
                                    request.value, nullptr);
      if (request.status != errc::ok && request.status != errc::not_found)
        result = request.status;
    });
  return result;
}

errc store::set_many(namespace_id ns, std::span<set_request> requests) {
  if (auto state = impl_->writable(ns); state != errc::ok)
    return state;
  auto* self = impl_->self();
  if (self == nullptr)
    return errc::too_many;
  auto result = errc::ok;
  in_waves(
    *impl_, number(ns), requests.size(),
    [&](std::size_t i) { return requests[i].key; },
    [&](std::size_t i, std::uint64_t hash) {
      auto& request = requests[i];
      request.status = check_write(*impl_, ns, request.key,
                                   request.value.size(), request.options);
      if (request.status == errc::ok)
        request.status =
          request.options.keep_ttl
            ? store_value(*impl_, ns, request.key, request.value,
                          request.options, condition::always)
            : impl_->engine().put(*self, hash, number(ns), request.key,
                                  request.value, request.options.ttl_ms,
                                  condition::always);
      if (request.status != errc::ok)
        result = request.status;
    });
  return result;
}

// -- scans --------------------------------------------------------------------

namespace {

/// Lines one call looks at for each entry asked for, so that a call over an
/// almost empty table ends soon.
constexpr std::size_t lines_a_call = 256;
constexpr std::size_t lines_an_entry = 4;

/// Walks home lines from the cursor on, calling `visit(location, key)` for each
/// live entry of `ns` whose home the line is, until about `count` were shown.
template <class Visit>
void walk(store_impl& impl, std::uint8_t ns, scan_cursor& cursor,
          std::size_t count, Visit&& visit) {
  std::string key;
  std::size_t shown = 0;
  auto lines_left = lines_a_call + count * lines_an_entry;
  constexpr std::uint64_t fraction_end = std::uint64_t{1} << 32;
  if (cursor.position >= fraction_end)
    cursor.position = ~std::uint64_t{0};
  while (!cursor.done() && shown < std::max<std::size_t>(count, 1)
         && lines_left-- > 0) {
    const auto& index = impl.engine().index();
    auto at = index.home_of(cursor.position << 32);
    auto lines = impl.shape().lines(at.level);
    std::size_t on_line = 0;
    index.visit_line(at, [&](const auto& where) {
      if (where.fields.ns != ns
          || where.fields.total_bytes() > impl.arena().room_after(where.block))
        return;
      key.resize(where.fields.key_bytes);
      native_sync::read(key.data(), where.payload(), key.size());
      auto hash = hash_key(ns, key);
      if (line_of(hash, lines) != at.line || !index.unchanged(at, where))
        return;
      if (visit(at, where, hash, std::string_view{key}))
        ++on_line;
    });
    // Carried over in the middle: the line is shown again in its new place.
    if (!index.still_home(at))
      continue;
    shown += on_line;
    cursor.position = store_impl::position_after(at.line, lines);
  }
}

} // namespace

errc store::scan(namespace_id ns, scan_cursor& cursor, std::size_t count,
                 const std::function<void(const scan_entry&)>& visit,
                 bool with_values) const {
  if (auto state = impl_->usable(); state != errc::ok)
    return state;
  std::string value;
  walk(*impl_, number(ns), cursor, count,
       [&](const home& at, const auto& where, std::uint64_t hash,
           std::string_view key) {
         auto expires = impl_->engine().expiry_of(where);
         if (expires != 0 && expires <= unix_time_ms())
           return false;
         if (with_values) {
           value.resize(where.fields.value_bytes);
           native_sync::read(value.data(), where.payload() + key.size(),
                             value.size());
         }
         if (!impl_->engine().index().unchanged(at, where)) {
           // Replaced while we copied: show what is there now, if anything.
           entry_info info;
           if (read_value(*impl_, nullptr, hash, number(ns), key, value, &info)
               != errc::ok)
             return false;
           visit({key, with_values ? std::string_view{value} : "", info});
           return true;
         }
         if (with_values
             && !store_impl::engine_type::intact(hash, where, expires, value))
           return false;
         visit({key, with_values ? std::string_view{value} : "",
                info_of(*impl_, where, expires)});
         return true;
       });
  return errc::ok;
}

errc store::sweep_expired(namespace_id ns, scan_cursor& cursor,
                          std::size_t count, std::size_t& removed) {
  if (auto state = impl_->writable(ns); state != errc::ok)
    return state;
  auto* self = impl_->self();
  if (self == nullptr)
    return errc::too_many;
  std::vector<std::string> expired;
  walk(
    *impl_, number(ns), cursor, count,
    [&](const home&, const auto& where, std::uint64_t, std::string_view key) {
      auto expires = impl_->engine().expiry_of(where);
      if (expires != 0 && expires <= unix_time_ms())
        expired.emplace_back(key);
      return true;
    });
  auto before = self->slot->expired.load(std::memory_order_relaxed);
  for (auto& key : expired)
    (void)impl_->engine().erase_expired(*self, hash_key(number(ns), key),
                                        number(ns), key);
  removed = static_cast<std::size_t>(
    self->slot->expired.load(std::memory_order_relaxed) - before);
  return errc::ok;
}

errc store::clear(namespace_id ns, std::uint64_t& removed) {
  removed = 0;
  if (auto state = impl_->writable(ns); state != errc::ok)
    return state;
  return impl_->clear(ns, removed);
}

// -- the segment --------------------------------------------------------------

expected<void> store::expand_pool(std::uint64_t additional_bytes) {
  if (auto state = impl_->usable(); state != errc::ok)
    return state;
  if (additional_bytes == 0)
    return failure{errc::bad_argument,
                   "expand_pool: 0 bytes: give at least one"};
  return impl_->expand_pool(additional_bytes);
}

expected<void> store::grow_index() {
  if (auto state = impl_->usable(); state != errc::ok)
    return state;
  return impl_->grow_index(
    impl_->arena().control().index_state.load(std::memory_order_acquire));
}

expected<std::size_t> store::recover() {
  return impl_->recover();
}

expected<std::uint64_t> store::verify() const {
  if (auto state = impl_->usable(); state != errc::ok)
    return state;
  std::uint64_t damaged = 0;
  std::string value;
  for (unsigned ns = 0; ns < limits::max_namespaces; ++ns) {
    auto state = impl_->arena().control().namespace_states[ns].load(
      std::memory_order_acquire);
    if (state != static_cast<std::uint32_t>(layout::namespace_state::live))
      continue;
    scan_cursor cursor;
    while (!cursor.done())
      walk(
        *impl_, static_cast<std::uint8_t>(ns), cursor, 1024,
        [&](const home& at, const auto& where, std::uint64_t hash,
            std::string_view key) {
          auto expires = impl_->engine().expiry_of(where);
          value.resize(where.fields.value_bytes);
          native_sync::read(value.data(), where.payload() + key.size(),
                            value.size());
          if (impl_->engine().index().unchanged(at, where)
              && !store_impl::engine_type::intact(hash, where, expires, value))
            ++damaged;
          return true;
        });
  }
  return damaged;
}

store_stats store::stats() const {
  store_stats result;
  result.path = impl_->path();
  if (impl_->usable() != errc::ok)
    return result;
  const auto& shape = impl_->shape();
  const auto& arena = impl_->arena();
  auto& control = arena.control();
  auto index_state = control.index_state.load(std::memory_order_acquire);
  auto level = arena.level_of(index_state);
  auto growing = (index_state & layout::index_migrating) != 0;
  auto pages = arena.committed_pages();
  result.layout_version = layout::version;
  result.segment_bytes =
    shape.committed_bytes(level + (growing ? 1 : 0), pages);
  result.reserved_bytes = shape.file_bytes;
  result.pool_bytes = pages * shape.page_bytes;
  result.pool_used_bytes =
    control.used_pages.load(std::memory_order_relaxed) * shape.page_bytes;
  result.index_lines = shape.lines(level);
  result.index_slots = result.index_lines * layout::slots_per_line;
  result.index_bytes = result.index_lines * layout::line_bytes;
  result.index_doublings =
    control.index_doublings.load(std::memory_order_relaxed);
  result.index_growing = growing;
  for (auto& each : namespaces()) {
    result.entries += each.entries;
    result.live_block_bytes += each.block_bytes;
  }
  result.max_value_bytes = shape.max_value_bytes;
  result.huge_page_bytes = impl_->file().huge_page_bytes();
  result.participants = impl_->participants();
  result.max_participants = shape.participant_count;
  result.threads = impl_->threads();
  result.max_threads = shape.thread_count;
  result.recoveries = control.recoveries.load(std::memory_order_relaxed);
  result.clean_shutdown = impl_->was_clean();
  auto high = std::min<std::uint32_t>(
    control.threads_high.load(std::memory_order_acquire), shape.thread_count);
  for (std::uint32_t i = 0; i < high; ++i) {
    auto& slot = arena.thread(i);
    auto value = [](const auto& counter) {
      return counter.load(std::memory_order_relaxed);
    };
    result.reads += value(slot.reads);
    result.hits += value(slot.hits);
    result.writes += value(slot.writes);
    result.retries += value(slot.retries);
    result.expired += value(slot.expired);
    result.corrupt_reads += value(slot.corrupt_reads);
  }
  return result;
}

} // namespace neuroplex::memory
