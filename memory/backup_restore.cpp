// Reading a backup: into a new segment, or only to see whether it is whole.
//
// The log is read from its end to its beginning, then the base, whose frames
// several threads share. A region is taken from the newest record that there is
// of it; older ones only yield the long entries that newer ones keep by name.
#include "memory/backup.hpp"
#include "memory/backup_chain.hpp"
#include "memory/backup_marks.hpp"
#include "memory/inline_store.hpp"
#include "memory/store_impl.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include <stdio.h>
#include <unistd.h>

namespace neuroplex::memory {

namespace format = backup_format;

using detail::backup_chain;
using detail::backup_frame;
using detail::store_impl;

namespace {

/// An entry in a record.
struct record_entry {
  format::entry_header header{};
  std::int64_t expires = 0;
  std::uint64_t hash = 0;
  std::string_view key;
  std::string_view value;

  [[nodiscard]] bool kept() const noexcept {
    return (format::flags_of(header) & format::flag_kept) != 0;
  }

  /// Whether the bytes are those that were stored under the key.
  [[nodiscard]] bool intact() const noexcept {
    return value_checksum(
             checksum_seed(hash, header.length_and_form(), expires), value)
           == header.checksum;
  }
};

/// Takes the entry at the front of `record`. False: no entry can begin there.
bool take_entry(std::span<const char>& record, record_entry& entry) {
  if (record.size() < sizeof entry.header)
    return false;
  std::memcpy(&entry.header, record.data(), sizeof entry.header);
  auto size = format::bytes_of(entry.header);
  if (size > record.size()
      || (format::flags_of(entry.header) & ~format::known_flags) != 0)
    return false;
  auto* at = record.data() + sizeof entry.header;
  if (entry.kept()) {
    std::memcpy(&entry.hash, at, sizeof entry.hash);
  } else {
    entry.expires = 0;
    if (entry.header.expires()) {
      std::memcpy(&entry.expires, at, sizeof entry.expires);
      at += sizeof entry.expires;
    }
    entry.key = {at, entry.header.key_bytes()};
    entry.value = {at + entry.key.size(), entry.header.value_bytes};
    entry.hash = hash_key(entry.header.ns(), entry.key);
  }
  record = record.subspan(size);
  return !entry.key.empty() || entry.kept();
}

/// What threads count, each for itself.
struct tally {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::uint64_t expired = 0;
  std::uint64_t corrupt = 0;
  std::uint64_t lost = 0;
  std::uint64_t damaged_records = 0;

  void add(const tally& other) noexcept {
    entries += other.entries;
    bytes += other.bytes;
    expired += other.expired;
    corrupt += other.corrupt;
    lost += other.lost;
    damaged_records += other.damaged_records;
  }

  [[nodiscard]] bool damage() const noexcept {
    return corrupt != 0 || lost != 0 || damaged_records != 0;
  }
};

/// One pass over a chain. Threads: `run` shares the base's frames among them.
class backup_reader {
public:
  /// `target` is null to look only. Stops at the first damage if `refuse`.
  backup_reader(const backup_chain& chain, store_impl* target, bool refuse,
                const backup_progress& progress)
    : chain_{chain}, target_{target}, refuse_{refuse}, progress_{progress},
      taken_from_(chain.header.region_count) {
    for (auto& each : chain.namespaces)
      known_namespaces_[each.row.id] = true;
  }

  expected<tally> run(unsigned threads) {
    std::vector<char> buffer;
    for (auto at = chain_.log_frames.rbegin();
         at != chain_.log_frames.rend() && !stop_; ++at)
      read_frame(*chain_.log, log_header(), *at, buffer, total_);
    std::atomic<std::size_t> next{0};
    auto work = [&] {
      std::vector<char> mine;
      tally counted;
      for (;;) {
        auto i = next.fetch_add(1, std::memory_order_relaxed);
        if (i >= chain_.base_frames.size()
            || stop_.load(std::memory_order_relaxed))
          break;
        read_frame(*chain_.base, chain_.header, chain_.base_frames[i], mine,
                   counted);
      }
      std::lock_guard guard{mutex_};
      total_.add(counted);
    };
    auto most = static_cast<unsigned>(
      std::min<std::size_t>(threads, chain_.base_frames.size()));
    std::vector<std::thread> helpers;
    for (unsigned i = 1; i < most; ++i)
      helpers.emplace_back(work);
    work();
    for (auto& each : helpers)
      each.join();
    if (failure_)
      return *failure_;
    // Entries named as kept that no older generation has.
    for (auto& [region, entries] : kept_)
      total_.lost += entries.size();
    return total_;
  }

private:
  [[nodiscard]] format::file_header log_header() const noexcept {
    auto header = chain_.header;
    header.kind = format::file_kind::log;
    return header;
  }

  void fail(const failure& why) {
    std::lock_guard guard{mutex_};
    if (!failure_)
      failure_ = why;
    stop_.store(true, std::memory_order_relaxed);
  }

  void read_frame(const disk_file& file, const format::file_header& header,
                  const backup_frame& frame, std::vector<char>& buffer,
                  tally& counted) {
    std::vector<format::region_row> rows;
    auto table = read_table(file, header, frame, rows);
    if (!table)
      return fail(table.error());
    auto payload = frame.offset + sizeof frame.header
                   + rows.size() * sizeof(format::region_row);
    if (!*table) { // it was whole a moment ago
      counted.lost += frame.header.entries;
      return;
    }
    if (buffer.size() < frame.header.payload_bytes)
      buffer.resize(frame.header.payload_bytes);
    std::span<char> bytes{buffer.data(), frame.header.payload_bytes};
    auto whole = read_fully(file, payload, bytes);
    if (!whole)
      return fail(whole.error());
    if (!*whole) {
      counted.lost += frame.header.entries;
      return;
    }
    auto seed = format::place_seed(header.chain_id, header.kind, frame.offset);
    std::span<const char> rest{bytes};
    for (auto& row : rows) {
      read_record(row, frame.header.generation, rest.first(row.bytes), seed,
                  counted);
      rest = rest.subspan(row.bytes);
      if (refuse_ && counted.damage())
        stop_.store(true, std::memory_order_relaxed);
      if (stop_.load(std::memory_order_relaxed))
        return;
    }
    tell(frame.header.payload_bytes);
  }

  void tell(std::uint64_t bytes) {
    if (!progress_)
      return;
    std::lock_guard guard{mutex_};
    done_ += bytes;
    progress_(std::min(done_, chain_.file_bytes), chain_.file_bytes);
  }

  void read_record(const format::region_row& row, std::uint64_t generation,
                   std::span<const char> record, std::uint64_t seed,
                   tally& counted) {
    bool whole =
      format::checksum_of(record.data(), record.size(), seed) == row.checksum;
    if (!whole)
      ++counted.damaged_records;
    // Only the thread that reads the log writes here, and it is done before the
    // others begin.
    auto& from = taken_from_[row.region];
    bool in_log = generation != chain_.header.base_generation;
    if (from == 0 && in_log)
      from = generation;
    bool newest = from == 0 || from == generation;
    if (!newest && !has_kept(row.region))
      return;
    std::uint32_t seen = 0;
    for (; seen < row.entries; ++seen) {
      record_entry entry;
      if (!take_entry(record, entry))
        break;
      if (!newest)
        take_kept(row.region, entry, counted);
      else if (entry.kept())
        keep(row.region, entry);
      else if (region_of_hash(entry.hash) != row.region || !entry.intact())
        ++counted.corrupt;
      else
        load(entry, counted);
    }
    if (newest)
      counted.lost += row.entries - seen;
  }

  [[nodiscard]] std::uint32_t
  region_of_hash(std::uint64_t hash) const noexcept {
    return static_cast<std::uint32_t>(
      line_of(hash, chain_.header.region_count));
  }

  // -- entries that newer generations keep by name
  // ------------------------------

  [[nodiscard]] bool has_kept(std::uint32_t region) {
    std::lock_guard guard{kept_mutex_};
    return kept_.contains(region);
  }

  void keep(std::uint32_t region, const record_entry& entry) {
    std::lock_guard guard{kept_mutex_};
    kept_[region].push_back(entry);
  }

  /// Loads the entry of an older generation if a newer one keeps it.
  void take_kept(std::uint32_t region, const record_entry& entry,
                 tally& counted) {
    if (entry.kept())
      return; // the newer one asks for it still
    {
      std::lock_guard guard{kept_mutex_};
      auto wanted = kept_.find(region);
      if (wanted == kept_.end())
        return;
      auto& all = wanted->second;
      auto match = std::find_if(all.begin(), all.end(), [&](auto& each) {
        return each.hash == entry.hash && each.header.ns() == entry.header.ns()
               && each.header.checksum == entry.header.checksum
               && each.header.value_bytes == entry.header.value_bytes;
      });
      if (match == all.end())
        return;
      all.erase(match);
      if (all.empty())
        kept_.erase(wanted);
    }
    if (entry.intact())
      load(entry, counted);
    else
      ++counted.corrupt;
  }

  // -- into the segment -------------------------------------------------------

  void load(const record_entry& entry, tally& counted) {
    if (!known_namespaces_[entry.header.ns()]) {
      // Dropped while the generation was written, unless their table is lost.
      if (chain_.damaged_frames != 0)
        ++counted.lost;
      return;
    }
    if (entry.expires != 0 && entry.expires <= unix_time_ms()) {
      ++counted.expired;
      return;
    }
    if (target_ != nullptr) {
      if (auto stored = store_entry(entry); stored != errc::ok)
        return fail({stored, "segment " + target_->path()
                               + ": cannot hold what is in the backup: "
                               + std::string{describe(stored)}});
    }
    ++counted.entries;
    counted.bytes += entry.key.size() + entry.value.size();
  }

  [[nodiscard]] errc store_entry(const record_entry& entry) const {
    return detail::load_entry(*target_, entry.header.ns(), entry.hash,
                              entry.key, entry.value, entry.expires,
                              entry.header.form(), condition::always);
  }

  const backup_chain& chain_;
  store_impl* target_;
  bool refuse_;
  const backup_progress& progress_;
  /// Generation that a region was taken from, while the log is read.
  std::vector<std::uint64_t> taken_from_;
  std::array<bool, limits::max_namespaces> known_namespaces_{};
  std::atomic<bool> stop_{false};
  std::mutex mutex_; ///< of what follows
  tally total_;
  std::uint64_t done_ = 0;
  std::optional<failure> failure_;
  std::mutex kept_mutex_;
  std::unordered_map<std::uint32_t, std::vector<record_entry>> kept_;
};

restore_report report_of(const backup_chain& chain) {
  restore_report report;
  report.base_generation = chain.header.base_generation;
  report.generation = chain.generation;
  report.lost_generations = chain.lost_generations;
  report.lost = chain.lost_entries;
  report.damaged_frames = chain.damaged_frames;
  report.file_bytes = chain.file_bytes;
  report.ignored_bytes = chain.ignored_bytes;
  report.made_at_ms = chain.made_at_ms;
  return report;
}

void count_in(restore_report& report, const tally& counted) {
  report.entries += counted.entries;
  report.bytes += counted.bytes;
  report.expired += counted.expired;
  report.corrupt += counted.corrupt;
  report.lost += counted.lost;
  report.damaged_frames += counted.damaged_records;
}

failure damage(const std::string& where, const restore_report& report) {
  return {errc::corrupt,
          "backup " + where
            + ": damaged: " + std::to_string(report.damaged_frames)
            + " pieces, " + std::to_string(report.corrupt)
            + " entries corrupt, " + std::to_string(report.lost) + " lost, "
            + std::to_string(report.lost_generations)
            + " generations unreadable; repair keeps what is whole"};
}

segment_options shape_of(const format::file_header& header) {
  segment_options options;
  options.segment_bytes = std::clamp(
    header.segment_bytes, limits::min_segment_bytes, limits::max_segment_bytes);
  // Room to grow, should the entries not pack as well as they did.
  constexpr std::uint64_t least_room = std::uint64_t{16} << 20;
  options.reserved_bytes = std::min(
    std::max(header.reserved_bytes,
             options.segment_bytes + options.segment_bytes / 8 + least_room),
    limits::max_segment_bytes);
  options.bucket_count = header.bucket_count;
  return options;
}

/// Gives a new segment the namespaces of the backup, under their numbers.
expected<void> make_namespaces(store_impl& target, const backup_chain& chain) {
  auto& control = target.arena().control();
  for (auto& each : chain.namespaces) {
    auto& record = target.arena().name_record(each.row.id);
    record.name_hash = hash_name(each.name);
    record.name_bytes = each.row.name_bytes;
    std::memcpy(record.name, each.name.data(), each.name.size());
    record.priority_class.store(each.row.priority_class,
                                std::memory_order_relaxed);
    record.storing.store(each.row.compression & layout::storing_compression,
                         std::memory_order_relaxed);
    record.share_from.store(each.row.share_from, std::memory_order_relaxed);
    record.default_ttl_ms.store(each.row.default_ttl_ms,
                                std::memory_order_relaxed);
    if (each.row.is_inline == 0)
      std::copy(std::begin(each.row.reserved), std::end(each.row.reserved),
                std::begin(record.reserved_0));
    control.namespace_states[each.row.id].store(
      layout::with_namespace_state(0, layout::namespace_state::live),
      std::memory_order_seq_cst);
    if (each.row.is_inline == 0)
      continue;
    layout::inline_shape shape{};
    std::memcpy(&shape, each.row.reserved, sizeof shape);
    if (auto made = target.make_inline(namespace_id{each.row.id},
                                       detail::options_of(shape));
        !made)
      return made.error();
  }
  target.make_all_contents();
  return {};
}

/// What could make the segment evict entries or refuse them is set when all of
/// them are in.
void set_limits(const store_impl& target, const backup_chain& chain) {
  for (auto& each : chain.namespaces) {
    auto& record = target.arena().name_record(each.row.id);
    record.policy.store(each.row.policy, std::memory_order_relaxed);
    record.quota_bytes.store(each.row.quota_bytes, std::memory_order_relaxed);
  }
}

/// Removes an unfinished segment unless it was finished.
class unfinished_segment {
public:
  explicit unfinished_segment(std::string path) : path_{std::move(path)} {
    // What a restore that was killed left.
    ::unlink(path_.c_str());
  }

  unfinished_segment(const unfinished_segment&) = delete;
  unfinished_segment& operator=(const unfinished_segment&) = delete;

  ~unfinished_segment() {
    ::unlink(path_.c_str());
  }

  [[nodiscard]] const std::string& path() const noexcept {
    return path_;
  }

  /// Gives it its name, unless another has it.
  [[nodiscard]] expected<void> finish(const std::string& name) const {
    if (::link(path_.c_str(), name.c_str()) == 0)
      return {};
    int error = errno;
    return failure{error == EEXIST ? errc::exists : errc::bad_path,
                   "segment " + name
                     + ": cannot give it its name: " + std::strerror(error)};
  }

private:
  std::string path_;
};

unsigned threads_for(const restore_options& options) {
  constexpr unsigned most = 16;
  auto wanted = options.threads != 0 ? options.threads
                                     : std::thread::hardware_concurrency();
  return std::clamp(wanted, 1U, most);
}

std::int64_t since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
           std::chrono::steady_clock::now() - began)
    .count();
}

} // namespace

expected<restore_report> restore_backup(disk_directory& medium,
                                        const std::string& path,
                                        const restore_options& options) {
  auto began = std::chrono::steady_clock::now();
  auto chain = backup_chain::open(medium);
  if (!chain)
    return chain.error();
  auto report = report_of(*chain);
  bool refuse = options.policy == repair_policy::refuse;
  if (refuse && !report.intact())
    return damage(medium.where(), report);
  if (::access(path.c_str(), F_OK) == 0)
    return failure{errc::exists, "segment " + path
                                   + ": there is a file already; remove it, or"
                                     " restore to another path"};
  unfinished_segment unfinished{path + ".restoring"};
  auto made = store::create(unfinished.path(),
                            options.segment.value_or(shape_of(chain->header)));
  if (!made)
    return made.error();
  auto& target = store_impl::of(*made);
  if (auto ready = make_namespaces(target, *chain); !ready)
    return ready.error();
  backup_reader reader{*chain, &target, refuse, options.progress};
  auto counted = reader.run(threads_for(options));
  if (!counted)
    return counted.error();
  count_in(report, *counted);
  if (refuse && !report.intact())
    return damage(medium.where(), report);
  set_limits(target, *chain);
  made->close();
  if (auto finished = unfinished.finish(path); !finished)
    return finished.error();
  report.took_ns = since(began);
  return report;
}

expected<restore_report> restore_backup(const std::string& directory,
                                        const std::string& path,
                                        const restore_options& options) {
  auto medium = open_disk_directory(directory, false, "backup");
  if (!medium)
    return medium.error();
  return restore_backup(**medium, path, options);
}

expected<restore_report> verify_backup(disk_directory& medium,
                                       const backup_progress& progress) {
  auto began = std::chrono::steady_clock::now();
  auto chain = backup_chain::open(medium);
  if (!chain)
    return chain.error();
  auto report = report_of(*chain);
  backup_reader reader{*chain, nullptr, false, progress};
  auto counted = reader.run(threads_for({}));
  if (!counted)
    return counted.error();
  count_in(report, *counted);
  report.took_ns = since(began);
  return report;
}

expected<restore_report> verify_backup(const std::string& directory,
                                       const backup_progress& progress) {
  auto medium = open_disk_directory(directory, false, "backup");
  if (!medium)
    return medium.error();
  return verify_backup(**medium, progress);
}

} // namespace neuroplex::memory
