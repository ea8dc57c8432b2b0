#include "storage/concept/concept_files.hpp"

#include "storage/concept/attribute_list.hpp"
#include "storage/concept/entry_codec.hpp"
#include "storage/concept/unix_time.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <unordered_set>

namespace neuroplex::concepts {

namespace {

constexpr std::string_view segment_prefix = "segment-";

/// Of records in the log.
constexpr std::uint64_t log_group = 1;
constexpr std::uint8_t kind_entries = 1;
constexpr std::uint8_t kind_types = 2;

/// Entries lie together in records of about this size.
constexpr std::size_t record_target_bytes = std::size_t{64} << 10;

/// A segment that is at most so many times as large as the new one is merged
/// into it.
constexpr std::size_t merge_ratio = 2;

std::string segment_name(std::uint64_t number) {
  constexpr std::size_t digits = 10;
  auto text = std::to_string(number);
  return std::string{segment_prefix}
         + std::string(digits - std::min(digits, text.size()), '0') + text;
}

std::optional<std::uint64_t> segment_number(std::string_view name) {
  if (!name.starts_with(segment_prefix))
    return std::nullopt;
  name.remove_prefix(segment_prefix.size());
  std::uint64_t number = 0;
  auto* end = name.data() + name.size();
  auto [stopped, problem] = std::from_chars(name.data(), end, number);
  if (problem != std::errc{} || stopped != end
      || segment_name(number).size() != segment_prefix.size() + name.size())
    return std::nullopt;
  return number;
}

struct id_hash {
  std::size_t operator()(const concept_id& id) const noexcept {
    return hash_of(id, 0);
  }
};
using id_set = std::unordered_set<concept_id, id_hash>;

expected<std::string> read_file(memory::disk_directory& where,
                                const std::string& name) {
  auto file = where.open(name, false);
  if (!file)
    return file.error();
  auto size = (*file)->size();
  if (!size)
    return size.error();
  std::string bytes(*size, '\0');
  auto whole = memory::read_fully(**file, 0, bytes);
  if (!whole)
    return whole.error();
  if (!*whole)
    return failure{errc::io,
                   where.where() + '/' + name + ": shorter than it was"};
  return bytes;
}

} // namespace

expected<std::unique_ptr<concept_files>>
concept_files::open(const std::string& folder, bool make,
                    const file_options& options, association_types& types) {
  auto where = memory::open_disk_directory(folder, make, "folder of concepts");
  if (!where)
    return where.error();
  auto log = memory::open_disk_directory(
    (std::filesystem::path{folder} / "log").string(), true, "log of concepts");
  if (!log)
    return log.error();
  return open(std::move(*where), std::move(*log), options, types);
}

expected<std::unique_ptr<concept_files>>
concept_files::open(std::unique_ptr<memory::disk_directory> segments,
                    std::unique_ptr<memory::disk_directory> log,
                    const file_options& options, association_types& types) {
  // Numbers of types in the log are those of a registry that began empty.
  NEUROPLEX_ENSURE(types.size() == 0);
  if (auto locked = segments->lock(); !locked)
    return locked.error();
  std::unique_ptr<concept_files> made{
    new concept_files{std::move(segments), options, types}};
  auto spill = spill_file::open(*made->where_);
  if (!spill)
    return spill.error();
  made->spill_ = std::move(*spill);
  if (auto opened = made->open_log(std::move(log)); !opened)
    return opened.error();
  return made;
}

expected<void>
concept_files::open_log(std::unique_ptr<memory::disk_directory> log) {
  // Who keeps no log reads what another one kept, and makes none.
  if (options_.keep == durability::none) {
    auto names = log->list();
    if (!names)
      return names.error();
    if (names->empty())
      return {};
  }
  storage::log_recovery met;
  auto opened = storage::durable_log::open(
    std::move(log), {},
    {.segment_bytes = options_.log_file_bytes, .seed = options_.seed},
    [this](const storage::log_record& record, storage::batch_number) {
      read_log(record);
    },
    &met);
  if (!opened)
    return opened.error();
  if (bad_log_)
    return *bad_log_;
  cut_bytes_ = met.cut_bytes;
  log_.emplace(std::move(*opened));
  return {};
}

void concept_files::read_log(const storage::log_record& record) {
  if (bad_log_)
    return;
  auto rest = record.payload;
  if (record.kind == kind_types) {
    std::string_view name;
    std::string_view phrase;
    while (attribute_list::next(rest, name, phrase))
      if (auto known = types_.intern(name, phrase); !known)
        bad_log_ = known.error();
    return;
  }
  while (!rest.empty()) {
    write_entry entry;
    if (decode(rest, entry) != errc::ok) {
      bad_log_ = failure{errc::corrupt,
                         where_->where()
                           + ": log: an entry that none of this release "
                             "writes: open it with the release that wrote it"};
      return;
    }
    logged_.push_back(std::move(entry));
  }
}

expected<concept_files::found> concept_files::recover(graph& to) {
  found met;
  met.cut_bytes = cut_bytes_;
  if (auto read = read_segments(to, met); !read)
    return read.error();
  // What the segments hold is not to be written again.
  (void)to.take_changes();
  for (auto& entry : std::exchange(logged_, {}))
    replay(to, entry, met);
  std::vector<write_entry> spilled;
  if (auto taken = spill_->take(spilled, spill_->size()); !taken)
    return taken.error();
  for (auto& entry : spilled)
    replay(to, entry, met);
  met.concepts = to.working().concept_count;
  logged_types_ = types_.size();
  std::vector<retired_block> left;
  (void)to.publish(met.last_sequence, unix_time_us(), left);
  for (const auto& block : left)
    to.give_back(block);
  // So that neither log nor spill is needed any more.
  if (met.replayed != 0)
    if (auto done = flush(to); !done)
      return done.error();
  return met;
}

errc concept_files::replay(graph& to, const write_entry& entry, found& met) {
  if (entry.sequence <= met.last_sequence)
    return errc::exists;
  met.last_sequence = entry.sequence;
  ++met.replayed;
  // One that was refused then is refused again.
  return to.apply(entry, unix_time_us());
}

expected<void> concept_files::read_segments(graph& to, found& met) {
  auto names = where_->list();
  if (!names)
    return names.error();
  std::vector<std::uint64_t> numbers;
  for (const auto& name : *names)
    if (auto number = segment_number(name))
      numbers.push_back(*number);
  std::sort(numbers.rbegin(), numbers.rend());
  if (!numbers.empty())
    next_number_ = numbers.front() + 1;
  id_set known;
  struct winner {
    std::uint64_t segment;
    std::uint64_t entry;
  };
  std::vector<winner> winners;
  std::vector<std::string> files;
  std::vector<segment_view> views;
  std::vector<std::vector<association_type>> type_numbers;
  std::vector<std::uint64_t> replaced;
  auto oldest_needed = ~std::uint64_t{0};
  std::string buffer;
  for (auto number : numbers) {
    if (number >= oldest_needed) {
      replaced.push_back(number);
      continue;
    }
    auto bytes = read_file(*where_, segment_name(number));
    if (!bytes)
      return bytes.error();
    files.push_back(std::move(*bytes));
    auto view = segment_view::parse(files.back(), where_->where() + '/'
                                                    + segment_name(number));
    if (!view)
      return view.error();
    if (auto whole = view->verify(); !whole)
      return whole;
    auto types = view->read_types(types_);
    if (!types)
      return types.error();
    oldest_needed = view->header().first_number;
    met.last_sequence = std::max(met.last_sequence, view->header().sequence);
    segment here{view->header().first_number, number, {}};
    for (std::uint64_t i = 0; i < view->header().concept_count; ++i) {
      auto entry = view->at(i);
      if (!entry)
        return entry.error();
      concept_id id{(*entry)->id_high, (*entry)->id_low};
      here.ids.push_back(id);
      if (!known.insert(id).second
          || ((*entry)->flags & segment_format::is_forgotten) != 0)
        continue;
      winners.push_back({views.size(), i});
      auto body = view->read_body(**entry, buffer);
      if (!body)
        return body.error();
      write_entry learnt;
      auto made =
        make_learn_concept(id,
                           {body->content, body->vector, (*entry)->strength,
                            (*entry)->confidence, body->attributes},
                           learnt);
      if (made == errc::ok)
        made = to.restore(learnt, (*entry)->created_us, (*entry)->changed_us);
      if (made != errc::ok)
        return failure{made, where_->where() + '/' + segment_name(number)
                               + ": a concept that cannot be: "
                               + std::string{describe(made)}};
    }
    segments_.insert(segments_.begin(), std::move(here));
    views.push_back(std::move(*view));
    type_numbers.push_back(std::move(*types));
  }
  for (auto [segment_index, entry_index] : winners) {
    const auto& view = views[segment_index];
    auto entry = view.at(entry_index);
    if (!entry)
      return entry.error();
    auto links = view.associations(**entry);
    if (!links)
      return links.error();
    for (const auto& link : *links) {
      const auto& types = type_numbers[segment_index];
      write_entry learnt;
      auto made = errc::corrupt;
      if (link.type < types.size())
        made = make_learn_association({{link.source_high, link.source_low},
                                       {link.target_high, link.target_low},
                                       types[link.type],
                                       link.qualifier,
                                       link.weight,
                                       link.confidence},
                                      learnt);
      if (made == errc::ok)
        made = to.apply(learnt, 0);
      if (made != errc::ok)
        return failure{made, where_->where()
                               + ": an association that cannot be: "
                               + std::string{describe(made)}};
    }
  }
  met.segments = segments_.size();
  for (auto number : replaced)
    if (auto removed = remove(number); !removed)
      return removed;
  return {};
}

expected<void> concept_files::remove(std::uint64_t number) const {
  return where_->remove(segment_name(number));
}

expected<void> concept_files::keep(std::span<const write_entry> batch) {
  if (options_.keep == durability::none)
    return {};
  storage::log_batch records{log_->max_batch_bytes()};
  auto add = [&](std::uint8_t kind, std::uint64_t index,
                 std::string_view payload) -> expected<void> {
    storage::log_record record{log_group, kind, 0, index, payload};
    auto added = records.add(record);
    if (added != errc::busy)
      return added;
    if (auto done = append_to_log(records); !done)
      return done;
    return records.add(record);
  };
  if (auto count = types_.size(); count > logged_types_) {
    std::string names;
    for (std::size_t i = 0; i < count; ++i) {
      auto type = static_cast<association_type>(i);
      attribute_list::add(names, types_.name(type), types_.phrase(type));
    }
    if (auto added = add(kind_types, 0, names); !added)
      return added;
    logged_types_ = count;
  }
  std::string payload;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    encode(batch[i], payload);
    if (payload.size() < record_target_bytes && i + 1 < batch.size())
      continue;
    if (auto added = add(kind_entries, batch[i].sequence, payload); !added)
      return added;
    payload.clear();
  }
  return append_to_log(records);
}

expected<void> concept_files::append_to_log(storage::log_batch& batch) {
  auto number = log_->append(batch);
  if (!number)
    return number.error();
  batch.clear();
  return {};
}

expected<void> concept_files::applied(graph& store, const read_view& view) {
  if (writing_.valid()) {
    if (writing_.wait_for(std::chrono::seconds{0}) == std::future_status::ready)
      if (auto done = await_segment(); !done)
        return done;
  } else if (store.changed_count() >= options_.flush_threshold
             || (!log_
                 && spill_->read_bytes() > limits::max_read_spill_bytes)) {
    if (!options_.write_beside)
      return flush(store);
    auto shown = view.load("segment file");
    if (!shown)
      return {}; // readers hold all there may be: after the next batch then
    job_ = std::make_unique<segment_job>(begin_segment(store));
    writing_ = std::async(std::launch::async,
                          [this, from = std::move(*shown)]() mutable {
                            // Given up as soon as it is written.
                            auto version = std::move(from);
                            return write_segment(*version, *job_);
                          });
  }
  // What was taken from the spill is in the log by now, if there is one.
  return log_ ? spill_->trim(spill_->read_bytes()) : expected<void>{};
}

expected<void> concept_files::close(graph& store) {
  return flush(store);
}

expected<void> concept_files::flush(graph& store) {
  if (auto done = await_segment(); !done)
    return done;
  auto job = begin_segment(store);
  if (job.changes.slots.empty() && job.changes.forgotten.empty())
    return {};
  auto done = write_segment(store.working(), job);
  return done ? end_segment(job) : done;
}

expected<void> concept_files::await_segment() {
  if (!writing_.valid())
    return {};
  auto done = writing_.get();
  return done ? end_segment(*job_) : done;
}

concept_files::segment_job concept_files::begin_segment(graph& store) {
  segment_job job{{next_number_, next_number_, {}},
                  segments_.size(),
                  store.take_changes(),
                  log_ ? log_->last_batch() : 0,
                  spill_->read_bytes()};
  // The youngest segments that are not much larger go along.
  auto size = job.changes.slots.size() + job.changes.forgotten.size();
  while (job.kept != 0
         && segments_[job.kept - 1].ids.size() <= size * merge_ratio) {
    --job.kept;
    size += segments_[job.kept].ids.size();
    job.made.first_number = segments_[job.kept].first_number;
  }
  return job;
}

/// In any thread; nothing else changes `segments_` meanwhile.
expected<void> concept_files::write_segment(const graph_version& from,
                                            segment_job& job) const {
  auto& [slots, forgotten] = job.changes;
  id_set known;
  for (auto slot : slots)
    known.insert(from.records[slot].id);
  for (const auto& id : forgotten)
    known.insert(id);
  for (auto i = job.kept; i < segments_.size(); ++i)
    for (const auto& id : segments_[i].ids) {
      if (!known.insert(id).second)
        continue;
      if (auto slot = from.find(id))
        slots.push_back(*slot);
      else
        forgotten.push_back(id);
    }
  // Nothing older is left that would have to be contradicted.
  if (job.kept == 0)
    forgotten.clear();
  auto& made = job.made;
  auto bytes = build_segment(from, slots, forgotten, types_,
                             {made.first_number, made.number, unix_time_us()});
  auto done = memory::replace_file(*where_, segment_name(made.number), bytes);
  for (auto i = job.kept; done && i < segments_.size(); ++i)
    done = remove(segments_[i].number);
  made.ids.reserve(slots.size() + forgotten.size());
  for (auto slot : slots)
    made.ids.push_back(from.records[slot].id);
  made.ids.insert(made.ids.end(), forgotten.begin(), forgotten.end());
  return done;
}

/// The segment stands: what it stands for is not needed any more.
expected<void> concept_files::end_segment(segment_job& job) {
  segments_.resize(job.kept);
  segments_.push_back(std::move(job.made));
  ++next_number_;
  flushes_.fetch_add(1, std::memory_order_relaxed);
  if (log_)
    log_->keep_from(log_group, job.logged + 1);
  return spill_->trim(job.spill_read);
}

} // namespace neuroplex::concepts
