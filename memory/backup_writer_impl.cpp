#include "memory/backup_writer_impl.hpp"

#include "memory/backup_chain.hpp"
#include "memory/backup_marks.hpp"
#include "memory/boot_id.hpp"
#include "memory/inline_store.hpp"

#include <algorithm>
#include <random>
#include <utility>

namespace neuroplex::memory::detail {

namespace format = backup_format;

namespace {

std::uint64_t random_id() {
  std::random_device device;
  // Never 0, which is what a new segment's record holds.
  return (std::uint64_t{device()} << 32) | device() | 1U;
}

std::uint64_t creation_id(const basic_arena<native_sync>& arena) {
  return reinterpret_cast<const layout::header*>(arena.base())->creation_id;
}

/// A row for each namespace that `wanted(index)` says.
template <class Wanted>
std::string encode_rows(const basic_arena<native_sync>& arena,
                        Wanted&& wanted) {
  std::string result;
  for (unsigned i = 0; i < limits::max_namespaces; ++i) {
    if (!wanted(i))
      continue;
    const auto& record = arena.name_record(i);
    auto word =
      arena.control().namespace_states[i].load(std::memory_order_acquire);
    auto table =
      layout::namespace_state_of(word) == layout::namespace_state::live_inline
        ? find_inline_table(arena, i)
        : nullptr;
    format::namespace_row row{};
    row.id = static_cast<std::uint8_t>(i);
    row.policy = record.policy.load(std::memory_order_relaxed);
    row.priority_class = record.priority_class.load(std::memory_order_relaxed);
    row.compression = record.storing.load(std::memory_order_relaxed)
                      & layout::storing_compression;
    row.share_from = record.share_from.load(std::memory_order_relaxed);
    row.name_bytes = record.name_bytes;
    row.quota_bytes = record.quota_bytes.load(std::memory_order_relaxed);
    row.default_ttl_ms = record.default_ttl_ms.load(std::memory_order_relaxed);
    std::copy(std::begin(record.reserved_0), std::end(record.reserved_0),
              std::begin(row.reserved));
    if (table != nullptr) {
      row.is_inline = 1;
      std::memcpy(row.reserved, &table->shape(), sizeof table->shape());
    }
    result.append(reinterpret_cast<const char*>(&row), sizeof row);
    result.append(record.name, row.name_bytes);
  }
  return result;
}

} // namespace

// -- opening ------------------------------------------------------------------

backup_writer_impl::backup_writer_impl(store_impl& source, mapping guard,
                                       std::unique_ptr<disk_directory> medium,
                                       const backup_options& options)
  : source_{source}, guard_{std::move(guard)}, medium_{std::move(medium)},
    options_{options}, capture_{source} {
}

expected<std::unique_ptr<backup_writer_impl>>
backup_writer_impl::open(store_impl& source,
                         std::unique_ptr<disk_directory> medium,
                         const backup_options& options) {
  if (auto valid = options.validate(); !valid)
    return valid.error();
  if (auto state = source.usable(); state != errc::ok)
    return state;
  if (source.mode() == access_mode::read_only)
    return errc::read_only;
  if (auto locked = medium->lock(); !locked)
    return locked.error();
  // A description of the file of our own, so that its locks are ours alone.
  layout::header header{};
  auto guard = mapping::open(source.path(), access_mode::read_write, header);
  if (!guard)
    return guard.error();
  if (header.creation_id != creation_id(source.arena()))
    return failure{errc::bad_path,
                   "segment " + source.path()
                     + ": another one has its name now; open that one"};
  if (!guard->try_lock(backup_lock))
    return failure{errc::locked, "segment " + source.path()
                                   + ": another writer backs it up already"};
  std::unique_ptr<backup_writer_impl> result{new backup_writer_impl{
    source, std::move(*guard), std::move(medium), options}};
  if (auto found = result->go_on_with_what_is_there(); !found)
    return found.error();
  return result;
}

expected<void> backup_writer_impl::go_on_with_what_is_there() {
  auto chain = backup_chain::open(*medium_);
  if (!chain) {
    // Nothing there, or nothing that can be read: a base makes it good. What a
    // newer program wrote is not ours to replace.
    if (chain.code() == errc::not_found || chain.code() == errc::corrupt)
      return {};
    return chain.error();
  }
  highest_ = chain->highest_seen;
  generation_ = chain->generation;
  const auto& record = arena().backup();
  appendable_ =
    record.in_progress.load(std::memory_order_acquire) == 0
    && record.chain_id.load(std::memory_order_relaxed) == chain->header.chain_id
    && record.generation.load(std::memory_order_relaxed) == generation_
    && record.boot_id.load(std::memory_order_relaxed) == boot_id()
    && chain->header.segment_id == creation_id(arena())
    && chain->header.region_count == arena().shape().backup_regions
    && chain->damaged_frames == 0 && chain->lost_entries == 0
    && chain->lost_generations == 0;
  if (!appendable_)
    return {};
  chain_id_ = chain->header.chain_id;
  base_generation_ = chain->header.base_generation;
  base_bytes_ = chain->base_bytes;
  fold_at_ = base_bytes_ / 100 * options_.fold_percent;
  // Of a log without a header nothing counts; it is made anew.
  if (chain->log_end != 0) {
    log_ = std::move(chain->log);
    log_end_ = chain->log_end;
  }
  for (auto& each : chain->namespaces) {
    rows_.append(reinterpret_cast<const char*>(&each.row), sizeof each.row);
    rows_.append(each.name);
  }
  return {};
}

backup_writer_impl::~backup_writer_impl() {
  if (in_progress())
    fail(failure{errc::closed});
}

// -- a generation -------------------------------------------------------------

expected<std::optional<backup_report>>
backup_writer_impl::step(std::uint64_t budget_bytes) {
  if (auto state = source_.usable(); state != errc::ok)
    return state;
  if (!in_progress()) {
    began_ = std::chrono::steady_clock::now();
    bool fold = !appendable_ || log_end_ > fold_at_;
    next_ = fold ? 0 : next_region(0);
    words_ = read_namespace_words();
    if (!fold && next_ == arena().shape().backup_regions
        && namespace_rows(words_) == rows_)
      return std::optional{backup_report{.generation = generation_}};
    if (auto begun = begin(); !begun)
      return fail(begun.error());
  }
  auto before = frames_->bytes();
  auto count = arena().shape().backup_regions;
  while (next_ < count) {
    auto region = next_;
    bool known = true;
    if (take_mark(arena(), region))
      taken_.push_back(region);
    next_ = base_ != nullptr ? region + 1 : next_region(region + 1);
    if (next_ < count)
      capture_.prefetch(next_);
    frames_->begin_region(region);
    known = capture_.read(region, base_ == nullptr, frames_->record(),
                          [&] { frames_->entry_added(); });
    frames_->end_region();
    ++regions_;
    if (!known)
      return fail({errc::version,
                   "backup " + medium_->where()
                     + ": the segment holds entries of a kind that this format"
                       " does not know"});
    if (!frames_->failed())
      return fail(frames_->failed().error());
    if (frames_->bytes() - before >= budget_bytes && next_ < count)
      return std::optional<backup_report>{};
  }
  auto committed = commit();
  if (!committed)
    return fail(committed.error());
  return std::optional{*committed};
}

/// The next region that was written to; in a base, `from` itself.
std::uint32_t
backup_writer_impl::next_region(std::uint32_t from) const noexcept {
  auto count = arena().shape().backup_regions;
  while (from < count
         && arena().mark(from).load(std::memory_order_relaxed) == 0)
    ++from;
  return from;
}

expected<void> backup_writer_impl::begin() {
  ++highest_;
  taken_.clear();
  regions_ = 0;
  broken_ = false;
  capture_.reset_counts();
  capture_.begin_generation();
  // seq_cst: before the first mark is taken away.
  arena().backup().in_progress.store(1, std::memory_order_seq_cst);
  return !appendable_ || log_end_ > fold_at_ ? begin_base() : begin_log();
}

expected<void> backup_writer_impl::begin_base() {
  auto made = medium_->create(std::string{format::unfinished_name});
  if (!made)
    return made.error();
  base_ = std::move(*made);
  new_chain_id_ = random_id();
  capture_.forget();
  auto header = make_header(format::file_kind::base);
  if (auto written = write_fully(
        *base_, 0, {reinterpret_cast<const char*>(&header), sizeof header});
      !written)
    return written.error();
  frames_.emplace(*base_, format::file_kind::base, new_chain_id_, highest_,
                  sizeof header);
  // Once more at the end; twice, since no entry is of use without them.
  frames_->add_namespaces(namespace_rows(words_));
  return {};
}

expected<void> backup_writer_impl::begin_log() {
  if (log_ == nullptr) {
    auto made =
      medium_->create(file_name(format::log_prefix, base_generation_));
    if (!made)
      return made.error();
    log_ = std::move(*made);
    new_log_ = true;
    auto header = make_header(format::file_kind::log);
    if (auto written = write_fully(
          *log_, 0, {reinterpret_cast<const char*>(&header), sizeof header});
        !written)
      return written.error();
    log_end_ = sizeof header;
  } else if (auto cut = log_->truncate(log_end_); !cut) {
    return cut.error();
  }
  frames_.emplace(*log_, format::file_kind::log, chain_id_, highest_, log_end_);
  return {};
}

expected<backup_report> backup_writer_impl::commit() {
  auto counted = capture_.counted();
  format::commit_totals totals{};
  totals.entries = counted.entries;
  totals.regions = regions_;
  totals.corrupt = counted.corrupt;
  totals.at_ms = unix_time_ms();
  auto rows = namespace_rows(words_);
  frames_->add_namespaces(rows);
  if (!frames_->failed())
    return frames_->failed().error();
  totals.frame_bytes = frames_->bytes();
  auto& file = base_ != nullptr ? *base_ : *log_;
  auto flush = [&]() -> expected<void> {
    auto synced = file.sync();
    broken_ = broken_ || !synced;
    return synced;
  };
  // In a log, what is committed is on the disk before the commit is: who finds
  // a commit behind something else than its generation has found damage. A base
  // gets its name afterwards, which says the same.
  if (base_ == nullptr)
    if (auto flushed = flush(); !flushed)
      return flushed.error();
  frames_->commit(totals);
  if (!frames_->failed())
    return frames_->failed().error();
  if (auto flushed = flush(); !flushed)
    return flushed.error();
  backup_report report;
  report.base = base_ != nullptr;
  report.written = true;
  report.bytes = frames_->bytes();
  if (base_ != nullptr) {
    if (auto published = publish_base(); !published)
      return published.error();
  } else {
    if (new_log_) {
      if (auto synced = medium_->sync_names(); !synced) {
        broken_ = true;
        return synced.error();
      }
      new_log_ = false;
    }
    log_end_ = frames_->offset();
  }
  generation_ = highest_;
  rows_ = std::move(rows);
  auto& record = arena().backup();
  record.chain_id.store(chain_id_, std::memory_order_relaxed);
  record.generation.store(generation_, std::memory_order_relaxed);
  record.boot_id.store(boot_id(), std::memory_order_relaxed);
  record.in_progress.store(0, std::memory_order_release);
  frames_.reset();
  if (report.base)
    remove_superseded();
  report.generation = generation_;
  report.entries = counted.entries;
  report.kept = counted.kept;
  report.corrupt = counted.corrupt;
  report.regions = regions_;
  report.took_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                     std::chrono::steady_clock::now() - began_)
                     .count();
  return report;
}

/// Gives the finished base its name, and goes on behind it.
expected<void> backup_writer_impl::publish_base() {
  auto name = file_name(format::base_prefix, highest_);
  // From here on a reader may find either base, so the old log must not go on.
  broken_ = true;
  if (auto renamed =
        medium_->rename(std::string{format::unfinished_name}, name);
      !renamed)
    return renamed.error();
  if (auto synced = medium_->sync_names(); !synced)
    return synced.error();
  broken_ = false;
  chain_id_ = new_chain_id_;
  base_generation_ = highest_;
  base_bytes_ = frames_->offset();
  fold_at_ = base_bytes_ / 100 * options_.fold_percent;
  log_ = nullptr;
  log_end_ = 0;
  base_ = nullptr;
  appendable_ = true;
  return {};
}

/// Undoes a generation: the marks are put back, what was on the disk stays.
failure backup_writer_impl::fail(const failure& why) {
  frames_.reset();
  for (auto region : taken_)
    arena().mark(region).store(1, std::memory_order_seq_cst);
  taken_.clear();
  // What was captured by this generation is in no file.
  capture_.forget();
  if (broken_) {
    appendable_ = false;
    log_ = nullptr;
    log_end_ = 0;
  } else if (base_ != nullptr) {
    // Tried again when there is as much to write once more.
    fold_at_ += std::max<std::uint64_t>(base_bytes_ / 4, 1U << 20);
  } else if (new_log_) {
    log_ = nullptr;
    log_end_ = 0;
  } else if (log_ != nullptr) {
    (void)log_->truncate(log_end_); // done again before it goes on
  }
  new_log_ = false;
  base_ = nullptr;
  (void)medium_->remove(std::string{format::unfinished_name});
  if (appendable_)
    arena().backup().in_progress.store(0, std::memory_order_release);
  return why;
}

/// Files of older bases. Failing to remove them is harmless: they are tried
/// again after the next base, and never read while there is a newer one.
void backup_writer_impl::remove_superseded() {
  auto names = medium_->list();
  if (!names)
    return;
  for (auto& name : *names)
    for (auto prefix : {format::base_prefix, format::log_prefix})
      if (auto number = generation_in(name, prefix);
          number != 0 && number < base_generation_)
        (void)medium_->remove(name);
}

// -- what the files tell ------------------------------------------------------

format::file_header
backup_writer_impl::make_header(format::file_kind kind) const {
  const auto& shape = arena().shape();
  auto state = arena().control().index_state.load(std::memory_order_acquire);
  auto level = arena().level_of(state);
  if ((state & layout::index_migrating) != 0 && level + 1 < shape.index_levels)
    ++level;
  bool base = kind == format::file_kind::base;
  format::file_header header{};
  header.magic = format::file_magic;
  header.version = format::version;
  header.kind = kind;
  header.chain_id = base ? new_chain_id_ : chain_id_;
  header.base_generation = base ? highest_ : base_generation_;
  header.segment_id = creation_id(arena());
  header.segment_bytes =
    shape.committed_bytes(level, arena().committed_pages());
  header.reserved_bytes = shape.file_bytes;
  header.bucket_count = shape.lines(level);
  header.region_count = shape.backup_regions;
  header.layout_version = layout::version;
  header.made_at_ms = unix_time_ms();
  header.checksum = format::checksum_of(header);
  return header;
}

backup_writer_impl::namespace_words
backup_writer_impl::read_namespace_words() const noexcept {
  namespace_words result{};
  for (unsigned i = 0; i < limits::max_namespaces; ++i)
    result[i] =
      arena().control().namespace_states[i].load(std::memory_order_seq_cst);
  return result;
}

/// Rows of the namespaces that are live now, but for those that have been given
/// to another name since `before`: entries of the former one may have been
/// captured under the number. They are in the next generation.
std::string
backup_writer_impl::namespace_rows(const namespace_words& before) const {
  auto now = read_namespace_words();
  return encode_rows(arena(), [&](unsigned i) {
    auto was = layout::namespace_state_of(before[i]);
    return layout::is_live(now[i])
           && (now[i] == before[i] || was == layout::namespace_state::free
               || was == layout::namespace_state::creating);
  });
}

} // namespace neuroplex::memory::detail
