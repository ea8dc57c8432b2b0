#include "memory/checked_open.hpp"

#include "memory/boot_id.hpp"
#include "memory/inline_store.hpp"
#include "memory/mapping.hpp"
#include "memory/store_impl.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

namespace neuroplex::memory {

using detail::store_impl;

namespace {

using arena_type = basic_arena<native_sync>;
using location = basic_location<native_sync>;

inline constexpr std::uint32_t check_lock = detail::namespace_lock + 17;

/// An entry copied out of a segment.
struct copied_entry {
  std::uint8_t ns = 0;
  std::uint8_t form = 0; ///< of the value, as a flag of the entry
  std::uint64_t hash = 0;
  std::int64_t expires = 0;
  std::string key;
  std::string value;
};

enum class finding { whole, corrupt, astray, nothing };

/// Looks at segments of which nothing is believed, that nobody writes to.
class salvage {
public:
  salvage(const arena_type& arena, check_report& report)
    : arena_{arena}, index_{arena}, report_{report} {
  }

  /// Calls `keep(entry)` for every whole entry that any table of the index
  /// names, those of the open table first.
  template <class Keep>
  expected<void> run(Keep&& keep) {
    auto state = arena_.control().index_state.load(std::memory_order_acquire);
    auto open = arena_.level_of(state);
    // The state of the index may be older than its tables: the table before
    // and the one behind may be the ones that hold the entries.
    std::vector<unsigned> levels{open};
    if (open + 1 < arena_.shape().index_levels)
      levels.push_back(open + 1);
    if (open > 0)
      levels.push_back(open - 1);
    for (auto level : levels)
      for (std::uint64_t line = 0; line < arena_.lines(level); ++line)
        for (auto& slot : arena_.line(level, line).slots) {
          auto found = look(level, line, slot);
          if (found == finding::corrupt)
            ++report_.corrupt;
          else if (found == finding::astray)
            ++report_.astray;
          else if (found == finding::whole)
            if (auto kept = keep(entry_); !kept)
              return kept.error();
        }
    for (unsigned ns = 0; ns < limits::max_namespaces; ++ns)
      if (auto kept = run_inline(static_cast<std::uint8_t>(ns), keep); !kept)
        return kept.error();
    return {};
  }

private:
  /// The same in the table of an inline namespace.
  template <class Keep>
  expected<void> run_inline(std::uint8_t ns, Keep&& keep) {
    auto word =
      arena_.control().namespace_states[ns].load(std::memory_order_acquire);
    if (layout::namespace_state_of(word)
        != layout::namespace_state::live_inline)
      return {};
    auto table = detail::find_inline_table(arena_, ns);
    if (table == nullptr) {
      ++report_.corrupt; // the head of it, and so all that was in it
      return {};
    }
    expected<void> result;
    auto visit = [&](const auto&, std::uint64_t hash, std::string_view key,
                     std::string_view value, std::int64_t expires,
                     bool intact) {
      if (!intact) {
        ++report_.corrupt;
      } else if (result) {
        entry_ = {ns, 0, hash, expires, std::string{key}, std::string{value}};
        result = keep(entry_);
      }
    };
    for (std::uint32_t group = 0; group < table->groups() && result; ++group)
      table->visit_group(group, visit);
    return result;
  }

  finding look(unsigned level, std::uint64_t line,
               std::atomic<std::uint32_t>& slot) {
    location where;
    where.slot = &slot;
    where.raw = slot.load(std::memory_order_acquire);
    if (!layout::holds_block(where.raw))
      return finding::nothing;
    where.block = arena_.block(where.granule());
    if (where.block == nullptr)
      return finding::astray;
    where.word = where.block->word.load(std::memory_order_acquire);
    // Whoever was inserting it had not finished; or it was erased, or it went
    // on to the next table.
    if (layout::state_of(where.word) != layout::block_state::live)
      return finding::nothing;
    if (!index_.read_fields(where) || where.fields.key_bytes() == 0)
      return finding::corrupt;
    entry_.ns = where.fields.ns();
    auto word = arena_.control().namespace_states[entry_.ns].load(
      std::memory_order_acquire);
    if (layout::namespace_state_of(word) == layout::namespace_state::contents)
      return finding::nothing; // kept with those who refer to it
    if ((where.fields.kind >> 24 & ~layout::entry_flags & ~layout::flag_refers)
        != 0)
      return finding::corrupt;
    entry_.form = where.fields.form();
    entry_.key.resize(where.fields.key_bytes());
    native_sync::read(entry_.key.data(), where.payload(), entry_.key.size());
    entry_.hash = hash_key(entry_.ns, entry_.key);
    auto home = line_of(entry_.hash, arena_.lines(level));
    entry_.expires = 0;
    if (where.fields.expires())
      native_sync::read(&entry_.expires,
                        reinterpret_cast<const std::byte*>(where.block)
                          + sizeof(layout::block_header<native_sync>),
                        sizeof entry_.expires);
    entry_.value.resize(where.fields.value_bytes);
    auto sum = read_summed<native_sync>(
      entry_.value.data(), where.payload() + entry_.key.size(),
      entry_.value.size(),
      checksum_seed(entry_.hash, where.fields.length_and_form(),
                    entry_.expires));
    if (sum != where.fields.checksum
        || (where.fields.refers() && !follow_reference()))
      return finding::corrupt;
    if (home / layout::lines_per_group != line / layout::lines_per_group
        || layout::namespace_state_of(word) != layout::namespace_state::live)
      return finding::astray;
    return finding::whole;
  }

  /// Puts what the entry refers to in its place.
  bool follow_reference() {
    shared_reference reference;
    auto reads = shared_reference::read(entry_.value, reference);
    entry_.form = 0;
    return reads
           && store_impl::deduplicator{engine_}.read(entry_.ns, reference,
                                                     entry_.value)
                == errc::ok;
  }

  const arena_type& arena_;
  basic_index<native_sync> index_;
  basic_engine<native_sync> engine_{arena_, {}}; ///< to read with
  check_report& report_;
  copied_entry entry_;
};

failure damaged(const std::string& path, const check_report& report) {
  return {errc::corrupt,
          "segment " + path + ": " + std::to_string(report.corrupt)
            + " entries are damaged, " + std::to_string(report.entries)
            + " are whole; repair keeps those"};
}

// -- after a kill -------------------------------------------------------------

/// The entries of inline namespaces.
expected<void> check_inline(store_impl& impl, bool erase,
                            check_report& report) {
  for (unsigned i = 0; i < limits::max_namespaces; ++i) {
    auto* table =
      impl.inline_table_of(namespace_id{static_cast<std::uint8_t>(i)});
    if (table == nullptr)
      continue;
    std::uint64_t damaged = 0;
    for (std::uint32_t group = 0; group < table->groups(); ++group)
      table->visit_group(
        group, [&](const auto&, std::uint64_t, std::string_view key,
                   std::string_view value, std::int64_t, bool intact) {
          if (!intact) {
            ++damaged;
            return;
          }
          ++report.entries;
          report.bytes += key.size() + value.size();
        });
    report.corrupt += damaged;
    if (erase && damaged != 0)
      if (auto removed = detail::inline_remove_damaged(impl, *table);
          removed != errc::ok)
        return removed;
  }
  return {};
}

/// Reads all entries of an attached segment, and erases the damaged ones if it
/// may.
expected<void> check_attached(store& segment, bool erase,
                              check_report& report) {
  auto& impl = store_impl::of(segment);
  const auto& index = impl.engine().index();
  std::vector<std::pair<std::uint8_t, std::string>> damaged_keys;
  std::string key;
  std::string value;
  std::string plain;
  unsigned repeats = 0;
  for (std::uint64_t position = 0; position != ~std::uint64_t{0};) {
    auto at = index.home_of(position << 32);
    auto lines = impl.shape().lines(at.level);
    check_report on_line;
    damaged_keys.clear();
    index.visit_line(at, [&](const location& where) {
      auto ns = where.fields.ns();
      key.resize(where.fields.key_bytes());
      native_sync::read(key.data(), where.payload(), key.size());
      auto hash = hash_key(ns, key);
      auto expires = impl.engine().expiry_of(where);
      if (!index.unchanged(at, where))
        return false;
      if (line_of(hash, lines) != at.line)
        return true;
      auto word = impl.arena().control().namespace_states[ns].load(
        std::memory_order_acquire);
      if (layout::namespace_state_of(word) == layout::namespace_state::contents)
        return true; // checked with those who refer to it
      value.resize(where.fields.value_bytes);
      auto sum = read_summed<native_sync>(
        value.data(), where.payload() + key.size(), value.size(),
        checksum_seed(hash, where.fields.length_and_form(), expires));
      auto whole = sum == where.fields.checksum;
      if (whole && where.fields.refers()) {
        whole =
          impl.plain_value(namespace_id{ns}, value, layout::flag_refers, plain)
          == errc::ok;
        value.swap(plain);
      }
      if (!index.unchanged(at, where))
        return false;
      if (whole) {
        ++on_line.entries;
        on_line.bytes += key.size() + value.size();
      } else {
        ++on_line.corrupt;
        damaged_keys.emplace_back(ns, key);
      }
      return true;
    });
    // Carried over in the middle: looked at again in its new place. The bound
    // is for a segment somebody scribbles over.
    constexpr unsigned most_repeats = 64;
    if (!index.still_home(at) && ++repeats < most_repeats)
      continue;
    repeats = 0;
    report.entries += on_line.entries;
    report.bytes += on_line.bytes;
    report.corrupt += on_line.corrupt;
    if (erase)
      for (auto& [ns, name] : damaged_keys) {
        auto erased = segment.erase(namespace_id{ns}, name);
        if (erased != errc::ok && erased != errc::not_found)
          return erased;
      }
    position = store_impl::position_after(at.line, lines);
  }
  return check_inline(impl, erase, report);
}

expected<checked_store> attach_checked(const std::string& path,
                                       repair_policy policy,
                                       check_report report,
                                       std::uint64_t recoveries_before) {
  auto opened = store::open(path);
  if (!opened)
    return opened.error();
  auto recoveries = opened->stats().recoveries;
  report.recovered_threads =
    recoveries - std::min(recoveries_before, recoveries);
  if (auto checked =
        check_attached(*opened, policy == repair_policy::repair, report);
      !checked)
    return checked.error();
  if (policy == repair_policy::refuse && report.corrupt != 0)
    return damaged(path, report);
  return checked_store{std::move(*opened), report};
}

// -- after a loss of power ----------------------------------------------------

/// Namespaces and their settings, under the same numbers.
expected<void> copy_namespaces(const arena_type& from, store_impl& made) {
  const auto& to = made.arena();
  for (unsigned i = 0; i < limits::max_namespaces; ++i) {
    auto word =
      from.control().namespace_states[i].load(std::memory_order_acquire);
    if (!layout::is_live(word))
      continue;
    auto& target = to.name_record(i);
    std::memcpy(static_cast<void*>(&target),
                static_cast<const void*>(&from.name_record(i)), sizeof target);
    // Nothing is to be evicted or refused while it is copied.
    target.policy.store(0, std::memory_order_relaxed);
    target.quota_bytes.store(0, std::memory_order_relaxed);
    target.entries.store(0, std::memory_order_relaxed);
    target.block_bytes.store(0, std::memory_order_relaxed);
    target.inline_granule = 0;
    target.inline_block_word = 0;
    target.storing.fetch_and(layout::storing_compression,
                             std::memory_order_relaxed);
    target.contents.store(0, std::memory_order_relaxed);
    to.control().namespace_states[i].store(
      layout::with_namespace_state(word, layout::namespace_state::live),
      std::memory_order_seq_cst);
    auto table =
      layout::namespace_state_of(word) == layout::namespace_state::live_inline
        ? detail::find_inline_table(from, i)
        : nullptr;
    if (table == nullptr)
      continue;
    if (auto empty =
          made.make_inline(namespace_id{static_cast<std::uint8_t>(i)},
                           detail::options_of(table->shape()));
        !empty)
      return empty.error();
  }
  return {};
}

segment_options shape_of(const arena_type& arena) {
  const auto& shape = arena.shape();
  auto state = arena.control().index_state.load(std::memory_order_acquire);
  auto level = arena.level_of(state);
  segment_options options;
  options.segment_bytes =
    std::clamp(shape.committed_bytes(level, arena.committed_pages()),
               limits::min_segment_bytes, limits::max_segment_bytes);
  // Room to grow, should the entries not pack as well as they did.
  constexpr std::uint64_t least_room = std::uint64_t{16} << 20;
  options.reserved_bytes = std::min(
    std::max(shape.file_bytes,
             options.segment_bytes + options.segment_bytes / 8 + least_room),
    limits::max_segment_bytes);
  options.bucket_count = shape.lines(level);
  return options;
}

expected<void> flush_file(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  bool flushed = fd >= 0 && ::fsync(fd) == 0;
  int error = errno;
  if (fd >= 0)
    ::close(fd);
  if (!flushed)
    return failure{errc::io, "segment " + path
                               + ": cannot flush it: " + std::strerror(error)};
  return {};
}

/// Copies all whole entries to a new segment at `path`.
expected<void> copy_whole(const arena_type& from, const std::string& path,
                          check_report& report) {
  auto made = store::create(path, shape_of(from));
  if (!made)
    return made.error();
  auto& target = store_impl::of(*made);
  if (auto ready = copy_namespaces(from, target); !ready)
    return ready.error();
  target.make_all_contents();
  salvage source{from, report};
  auto copied = source.run([&](const copied_entry& entry) -> expected<void> {
    if (entry.expires != 0 && entry.expires <= unix_time_ms()) {
      ++report.expired;
      return {};
    }
    auto stored =
      detail::load_entry(target, entry.ns, entry.hash, entry.key, entry.value,
                         entry.expires, entry.form, condition::if_absent);
    if (stored == errc::exists) {
      ++report.astray; // named twice; the first is kept
      return {};
    }
    if (stored != errc::ok)
      return failure{stored, "segment " + path + ": cannot hold what was kept: "
                               + std::string{describe(stored)}};
    ++report.entries;
    report.bytes += entry.key.size() + entry.value.size();
    return {};
  });
  if (!copied)
    return copied.error();
  for (unsigned i = 0; i < limits::max_namespaces; ++i) {
    auto& record = target.arena().name_record(i);
    const auto& before = from.name_record(i);
    record.policy.store(before.policy.load(std::memory_order_relaxed),
                        std::memory_order_relaxed);
    record.quota_bytes.store(before.quota_bytes.load(std::memory_order_relaxed),
                             std::memory_order_relaxed);
  }
  made->close();
  return flush_file(path);
}

expected<checked_store> rebuild(const arena_type& from, const std::string& path,
                                repair_policy policy, check_report report) {
  auto unfinished = path + ".rebuilding";
  ::unlink(unfinished.c_str());
  auto copied = copy_whole(from, unfinished, report);
  if (copied && policy == repair_policy::refuse && report.corrupt != 0)
    copied = damaged(path, report);
  if (copied && ::rename(unfinished.c_str(), path.c_str()) != 0)
    copied = failure{errc::io, "segment " + path + ": cannot replace it: "
                                 + std::strerror(errno)};
  if (!copied) {
    ::unlink(unfinished.c_str());
    return copied.error();
  }
  report.rebuilt = true;
  auto opened = store::open(path);
  if (!opened)
    return opened.error();
  return checked_store{std::move(*opened), report};
}

// -- how it was left ----------------------------------------------------------

/// A segment before anybody attached to it.
struct left_segment {
  mapping file;
  geometry shape;
  check_report report; ///< `clean` and `power_lost` alone
  bool alive = false;  ///< others are using it
  std::uint64_t recoveries = 0;

  [[nodiscard]] arena_type arena() const {
    return {file.base(), shape};
  }
};

expected<left_segment> look_at(const std::string& path) {
  layout::header header{};
  auto file = mapping::open(path, access_mode::read_write, header);
  if (!file)
    return file.error();
  auto shape = read_geometry(header, file->bytes(), path);
  if (!shape)
    return shape.error();
  left_segment left{std::move(*file), *shape, {}};
  auto arena = left.arena();
  const auto& control = arena.control();
  bool attached = false;
  for (unsigned i = 0; i < shape->participant_count; ++i) {
    attached =
      attached
      || arena.participant(i).state.load(std::memory_order_acquire)
           == static_cast<std::uint32_t>(layout::participant_state::attached);
    left.alive = left.alive || left.file.is_locked_elsewhere(i);
  }
  left.report.clean =
    !attached && control.clean_shutdown.load(std::memory_order_acquire) != 0;
  auto boot = arena.backup().attached_boot_id.load(std::memory_order_relaxed);
  // A segment that was left properly in an earlier run of the machine may have
  // been on its way to the disk as well.
  left.report.power_lost = !left.alive && boot != boot_id();
  left.recoveries = control.recoveries.load(std::memory_order_relaxed);
  return left;
}

std::string counted(std::uint64_t count, std::string_view one,
                    std::string_view more) {
  return std::to_string(count) + ' ' + std::string{count == 1 ? one : more};
}

} // namespace

expected<checked_store> open_checked(const std::string& path,
                                     repair_policy policy) {
  auto left = look_at(path);
  if (!left)
    return left.error();
  if (!left->file.try_lock(check_lock))
    return failure{errc::locked,
                   "segment " + path + ": another process is checking it"};
  if (left->report.power_lost)
    return rebuild(left->arena(), path, policy, left->report);
  return attach_checked(path, policy, left->report, left->recoveries);
}

expected<found_segment> open_or_create_checked(const std::string& path,
                                               const segment_options& options) {
  if (::access(path.c_str(), F_OK) != 0) {
    auto made = store::create(path, options);
    if (made)
      return found_segment{
        std::move(*made), true, false, false, {.clean = true}};
    if (made.code() != errc::exists) // else: somebody was faster
      return made.error();
  }
  auto left = look_at(path);
  if (!left)
    return left.error();
  auto report = left->report;
  if (report.power_lost) {
    left = errc::closed; // whoever checks it takes the lock for himself
    auto opened = open_checked(path, repair_policy::repair);
    if (!opened)
      return opened.error();
    return found_segment{std::move(opened->segment), false, true, false,
                         opened->report};
  }
  auto opened = store::open(path, access_mode::read_write, options.numa);
  if (!opened)
    return opened.error();
  auto stats = opened->stats();
  report.entries = stats.entries;
  report.bytes = stats.live_block_bytes;
  report.recovered_threads =
    stats.recoveries - std::min(left->recoveries, stats.recoveries);
  return found_segment{std::move(*opened), false, false, left->alive, report};
}

std::string found_segment::describe() const {
  if (made)
    return "made, it is empty";
  auto text = "kept " + counted(report.entries, "entry", "entries") + " of "
              + counted(report.bytes, "byte", "bytes");
  if (shared)
    return text + ": others are using it";
  if (report.power_lost)
    text += ": the machine was stopped since it was last used";
  else if (report.clean)
    text += ": it was left properly";
  else
    text += ": whoever used it last was killed, "
            + counted(report.recovered_threads, "thread of his was",
                      "threads of his were")
            + " cleaned up after";
  if (checked)
    text += ", each entry was checked, "
            + counted(report.corrupt + report.astray, "was", "were")
            + " not whole and dropped, " + counted(report.expired, "had", "had")
            + " expired";
  return text;
}

} // namespace neuroplex::memory
