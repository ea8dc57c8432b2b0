#include "actors/agreement/log_records.hpp"

#include "consensus/wire.hpp"

#include <algorithm>
#include <string>

namespace neuroplex::agreement {

namespace {

// Kinds of records. Entries have the number of their raft::entry_kind.
constexpr std::uint8_t kind_hard_state = 16;
constexpr std::uint8_t kind_truncate = 17; // index: the first entry to go
constexpr std::uint8_t kind_reset = 18;    // index: the log begins after it

// What a record takes beside its payload, its padding included.
constexpr std::uint64_t record_overhead = 48;

} // namespace

std::uint64_t record_bytes(const raft::disk_write& what) {
  std::uint64_t bytes = 4 * record_overhead;
  for (const auto& one : what.entries)
    bytes += record_overhead + one.data.size();
  return bytes;
}

errc add_records(group_id group, const raft::disk_write& what,
                 storage::log_batch& batch) {
  auto add = [&](std::uint8_t kind, raft::term_number term,
                 raft::log_index index, std::string_view payload) {
    return batch.add({group, kind, term, index, payload});
  };
  if (what.reset_to)
    if (auto code = add(kind_reset, 0, *what.reset_to, {}); code != errc::ok)
      return code;
  if (what.truncate_from)
    if (auto code = add(kind_truncate, 0, *what.truncate_from, {});
        code != errc::ok)
      return code;
  for (const auto& one : what.entries)
    if (auto code = add(static_cast<std::uint8_t>(one.kind), one.term,
                        one.index, one.data.view());
        code != errc::ok)
      return code;
  if (!what.hard)
    return errc::ok;
  std::string vote;
  wire_writer{vote}.put(what.hard->vote);
  return add(kind_hard_state, what.hard->term, what.hard->commit, vote);
}

// -- where entries lie --------------------------------------------------------

void batch_index::note(const raft::disk_write& what,
                       storage::batch_number batch) {
  if (what.reset_to)
    places_.clear();
  if (what.truncate_from)
    note_truncation(*what.truncate_from);
  if (!what.entries.empty())
    note_entry(what.entries.front().index, batch);
}

void batch_index::note_entry(raft::log_index index,
                             storage::batch_number batch) {
  note_truncation(index);
  if (places_.empty() || places_.back().batch != batch)
    places_.push_back({index, batch});
}

void batch_index::note_truncation(raft::log_index from) {
  if (from == 0)
    places_.clear();
  while (!places_.empty() && places_.back().first >= from)
    places_.pop_back();
}

storage::batch_number batch_index::keep_after(raft::log_index index,
                                              storage::batch_number latest) {
  while (places_.size() > 1 && places_[1].first <= index + 1)
    places_.pop_front();
  return places_.empty() ? latest : std::min(places_.front().batch, latest);
}

// -- replay -------------------------------------------------------------------

void log_replay::take(const storage::log_record& record,
                      storage::batch_number batch) {
  auto& group = groups_[record.group];
  auto refuse = [&](const char* what) {
    if (!wrong_)
      wrong_ = failure{errc::corrupt,
                       "raft log: group " + std::to_string(record.group)
                         + ", index " + std::to_string(record.index) + ": "
                         + what + ": restore this node from its peers"};
  };
  auto truncate = [&](raft::log_index from) {
    while (!group.log.empty() && group.log.back().index >= from)
      group.log.pop_back();
    group.batches.note_truncation(from);
  };
  switch (record.kind) {
    case kind_reset:
      group.log.clear();
      group.batches.note_truncation(0);
      break;
    case kind_truncate:
      truncate(record.index);
      break;
    case kind_hard_state: {
      wire_reader in{record.payload};
      group.hard = {record.term, in.take<std::uint64_t>(), record.index};
      if (!in.complete())
        refuse("a term and vote that cannot be read");
      break;
    }
    default:
      if (record.kind >= raft::entry_kind_count)
        return refuse("a record of an unknown kind");
      truncate(record.index);
      if (!group.log.empty() && group.log.back().index + 1 != record.index)
        return refuse("an entry that does not follow the one before");
      group.log.push_back({record.term, record.index,
                           static_cast<raft::entry_kind>(record.kind),
                           raft::slice::copy_of(record.payload)});
      group.batches.note_entry(record.index, batch);
  }
}

expected<std::map<group_id, log_replay::group_state>> log_replay::finish() {
  if (wrong_)
    return *wrong_;
  return std::move(groups_);
}

} // namespace neuroplex::agreement
