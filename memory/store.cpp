#include "memory/store.hpp"

#include "memory/inline_store.hpp"
#include "memory/store_impl.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

namespace neuroplex::memory {

using detail::store_impl;

namespace {

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
  : hazard_{std::exchange(other.hazard_, nullptr)}, unpacked_{std::move(
                                                      other.unpacked_)},
    bytes_{std::exchange(other.bytes_, {})}, version_{other.version_} {
}

value_view& value_view::operator=(value_view&& other) noexcept {
  if (this != &other) {
    release();
    hazard_ = std::exchange(other.hazard_, nullptr);
    unpacked_ = std::move(other.unpacked_);
    bytes_ = std::exchange(other.bytes_, {});
    version_ = other.version_;
  }
  return *this;
}

value_view::~value_view() {
  release();
}

void value_view::release() noexcept {
  if (unpacked_ != nullptr) {
    unpacked_.reset();
    bytes_ = {};
  }
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
    options, initialise_segment);
  if (!file)
    return file.error();
  auto impl =
    store_impl::attach(std::move(*file), *shape, path, access_mode::read_write);
  if (!impl)
    return impl.error();
  return store{std::move(*impl)};
}

expected<store> store::open(const std::string& path, access_mode mode,
                            const numa_options& numa) {
  layout::header header{};
  auto file = mapping::open(path, mode, header, numa);
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
      return open(path, access_mode::read_write, options.numa);
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
    auto word = impl_->arena().control().namespace_states[i].load(
      std::memory_order_acquire);
    if (!layout::is_live(word))
      continue;
    auto& record = impl_->arena().name_record(i);
    auto id = namespace_id{static_cast<std::uint8_t>(i)};
    auto settings = impl_->settings(id);
    if (!settings) // dropped meanwhile
      continue;
    namespace_info info{.id = id,
                        .name = {record.name, record.name_bytes},
                        .entries = not_negative(record.entries),
                        .block_bytes = not_negative(record.block_bytes),
                        .settings = *settings,
                        .order = order(id)};
    if (auto* table = impl_->inline_table_of(id)) {
      info.is_inline = true;
      info.entries = table->entries();
      info.block_bytes = info.entries * table->shape().record_bytes();
    }
    impl_->count_shared(id, info);
    result.push_back(std::move(info));
  }
  return result;
}

expected<namespace_settings> store::settings(namespace_id ns) const {
  return impl_->settings(ns);
}

std::string_view store::order(namespace_id ns) const {
  return to_string(impl_->settings(ns)
                     ? impl_->engine().evictor().order_of(detail::number(ns))
                     : eviction_order::none);
}

expected<void> store::configure(namespace_id ns,
                                const namespace_settings& settings) {
  return impl_->configure(ns, settings);
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

std::uint64_t store::huge_page_bytes() const {
  return impl_->usable() == errc::ok ? impl_->file().huge_page_bytes() : 0;
}

const placement_report& store::memory_placement() const noexcept {
  return impl_->file().placement();
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
    result.shared_entries += each.shared_entries;
    result.shared_bytes += each.shared_bytes;
    result.contents += each.contents;
    result.content_block_bytes += each.content_block_bytes;
  }
  result.max_value_bytes = shape.max_value_bytes;
  result.eviction_percent = impl_->engine().evictor().threshold_percent();
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
    auto reads = value(slot.reads);
    result.reads += reads;
    result.hits += reads - std::min(value(slot.misses), reads);
    result.writes += value(slot.writes);
    result.retries += value(slot.retries);
    result.expired += value(slot.expired);
    result.evicted += value(slot.evicted);
    result.corrupt_reads += value(slot.corrupt_reads);
    result.damage += value(slot.damage);
  }
  return result;
}

} // namespace neuroplex::memory
