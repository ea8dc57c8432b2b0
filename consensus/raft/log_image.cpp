#include "consensus/raft/log_image.hpp"

#include "consensus/wire.hpp"

#include <algorithm>
#include <iterator>

namespace neuroplex::raft {

namespace {

// Kinds of records: a head, or an entry of some kind.
constexpr std::uint8_t head_record = 1;
constexpr std::uint8_t first_entry_record = 2;

constexpr std::uint8_t head_version = 1;
constexpr std::uint8_t says_reset = 1;
constexpr std::uint8_t says_truncate = 2;

constexpr std::size_t head_payload_bytes = 2 + 5 * sizeof(std::uint64_t);

std::size_t record_bytes_of(const entry& what) noexcept {
  return storage::record_bytes(what.data.size());
}

log_index base_after(log_index base, const disk_write& write) noexcept {
  return std::max(write.reset_to.value_or(base), write.compact_to.value_or(0));
}

} // namespace

std::size_t record_bytes(const disk_write& write) noexcept {
  auto bytes = storage::record_bytes(head_payload_bytes);
  for (const auto& what : write.entries)
    bytes += record_bytes_of(what);
  return bytes;
}

expected<disk_write> next_piece(disk_write& rest, std::size_t max_bytes) {
  auto room =
    max_bytes - std::min(max_bytes, storage::record_bytes(head_payload_bytes));
  std::size_t count = 0;
  while (count < rest.entries.size()
         && record_bytes_of(rest.entries[count]) <= room) {
    room -= record_bytes_of(rest.entries[count]);
    ++count;
  }
  if (count == 0 && !rest.entries.empty())
    return failure{errc::value_size,
                   "raft: entry " + std::to_string(rest.entries.front().index)
                     + " of " + std::to_string(rest.entries.front().data.size())
                     + " bytes is larger than a batch of the log holds: larger "
                       "segments, or smaller payloads"};
  disk_write piece;
  piece.id = rest.id;
  piece.reset_to = std::exchange(rest.reset_to, std::nullopt);
  piece.truncate_from = std::exchange(rest.truncate_from, std::nullopt);
  piece.compact_to = std::exchange(rest.compact_to, std::nullopt);
  piece.hard = rest.hard;
  auto end = rest.entries.begin() + static_cast<std::ptrdiff_t>(count);
  piece.entries.assign(std::make_move_iterator(rest.entries.begin()),
                       std::make_move_iterator(end));
  rest.entries.erase(rest.entries.begin(), end);
  return piece;
}

failure log_image::corrupt(log_index index, std::string_view what) const {
  return failure{errc::corrupt, "raft: group " + std::to_string(group_)
                                  + ": the log " + std::string{what} + " at "
                                  + std::to_string(index)
                                  + ": restore the node from its peers"};
}

void log_image::add_to(storage::log_batch& batch, const disk_write& write) {
  base_said_ = base_after(base_said_, write);
  auto hard = write.hard.value_or(hard_);
  std::string head;
  head.reserve(head_payload_bytes);
  wire_writer out{head};
  out.put(head_version);
  out.put(
    static_cast<std::uint8_t>((write.reset_to ? says_reset : 0)
                              | (write.truncate_from ? says_truncate : 0)));
  out.put(hard.vote);
  out.put(hard.commit);
  out.put(base_said_);
  out.put(write.reset_to.value_or(0));
  out.put(write.truncate_from.value_or(0));
  auto added = batch.add({group_, head_record, hard.term, 0, head});
  NEUROPLEX_ENSURE(added == errc::ok);
  for (const auto& what : write.entries) {
    added = batch.add({group_,
                       static_cast<std::uint8_t>(
                         first_entry_record + static_cast<unsigned>(what.kind)),
                       what.term, what.index, what.data.view()});
    NEUROPLEX_ENSURE(added == errc::ok);
  }
}

void log_image::cut(std::optional<log_index> reset_to,
                    std::optional<log_index> truncate_from, log_index base) {
  if (reset_to) {
    entries_.clear();
    batches_.clear();
  }
  while (truncate_from && !entries_.empty()
         && entries_.back().index >= *truncate_from) {
    entries_.pop_back();
    batches_.pop_back();
  }
  base_ = base;
  while (!entries_.empty() && entries_.front().index <= base_) {
    entries_.pop_front();
    batches_.pop_front();
  }
}

void log_image::wrote(const disk_write& write, storage::batch_number batch) {
  cut(write.reset_to, write.truncate_from, base_after(base_, write));
  base_said_ = std::max(base_said_, base_);
  for (const auto& what : write.entries) {
    entries_.push_back(what);
    batches_.push_back(batch);
  }
  hard_ = write.hard.value_or(hard_);
  last_batch_ = batch;
}

expected<void> log_image::read(const storage::log_record& record,
                               storage::batch_number batch) {
  return record.kind == head_record ? read_head(record, batch)
                                    : read_entry(record, batch);
}

expected<void> log_image::read_head(const storage::log_record& record,
                                    storage::batch_number batch) {
  wire_reader in{record.payload};
  auto version = in.take<std::uint8_t>();
  auto says = in.take<std::uint8_t>();
  hard_state hard;
  hard.term = record.term;
  hard.vote = in.take<node_id>();
  hard.commit = in.take<log_index>();
  auto base = in.take<log_index>();
  auto reset_to = in.take<log_index>();
  auto truncate_from = in.take<log_index>();
  if (version != head_version)
    return failure{errc::version,
                   "raft: group " + std::to_string(group_) + ": record version "
                     + std::to_string(version) + ", this release reads version "
                     + std::to_string(head_version)};
  if (!in.complete() || base < base_ || hard.term < hard_.term)
    return corrupt(base, "contradicts itself");
  auto said = [](bool is, log_index index) {
    return is ? std::optional{index} : std::nullopt;
  };
  cut(said((says & says_reset) != 0, reset_to),
      said((says & says_truncate) != 0, truncate_from), base);
  hard_ = hard;
  base_said_ = base_;
  last_batch_ = batch;
  return {};
}

expected<void> log_image::read_entry(const storage::log_record& record,
                                     storage::batch_number batch) {
  auto kind = record.kind - first_entry_record;
  if (record.kind < first_entry_record || kind >= entry_kind_count)
    return corrupt(record.index, "has a record of an unknown kind");
  // What came before the first may have gone with its segment.
  if (!entries_.empty() && record.index != entries_.back().index + 1)
    return corrupt(record.index, "has a gap");
  if (record.index <= base_)
    return {};
  entries_.push_back({record.term, record.index, static_cast<entry_kind>(kind),
                      slice::copy_of(record.payload)});
  batches_.push_back(batch);
  return {};
}

expected<void> log_image::check() const {
  if (!entries_.empty() && entries_.front().index != base_ + 1)
    return corrupt(base_ + 1, "lacks entries");
  return {};
}

storage::batch_number log_image::first_needed() const noexcept {
  return batches_.empty() ? last_batch_ : batches_.front();
}

std::size_t log_image::record_bytes() const noexcept {
  auto bytes = storage::record_bytes(head_payload_bytes);
  for (const auto& what : entries_)
    bytes += record_bytes_of(what);
  return bytes;
}

disk_write log_image::whole() const {
  disk_write write;
  write.reset_to = base_;
  write.entries.assign(entries_.begin(), entries_.end());
  write.hard = hard_;
  return write;
}

} // namespace neuroplex::raft
