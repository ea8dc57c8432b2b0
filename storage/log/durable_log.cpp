#include "storage/log/durable_log.hpp"

#include "storage/log/segment_reader.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <xxhash.h>

namespace neuroplex::storage {

namespace {

using namespace log_format;

constexpr std::uint64_t least_segment_bytes = 4096;
constexpr std::uint64_t most_segment_bytes = std::uint64_t{4} << 30;
constexpr std::uint64_t zeros_at_once = std::uint64_t{1} << 20;

template <class T>
std::span<const char> bytes_of(const T& value) noexcept {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

} // namespace

std::size_t record_bytes(std::size_t payload_bytes) noexcept {
  return sizeof(record_head) + payload_bytes;
}

errc log_batch::add(const log_record& record) {
  auto size = record_bytes(record.payload.size());
  if (size > max_bytes_)
    return errc::value_size;
  if (bytes_.size() + size > max_bytes_)
    return errc::busy;
  record_head head{};
  head.group = record.group;
  head.term = record.term;
  head.index = record.index;
  head.bytes = static_cast<std::uint32_t>(record.payload.size());
  head.kind = record.kind;
  bytes_.append(reinterpret_cast<const char*>(&head), sizeof head);
  bytes_.append(record.payload);
  if (groups_.empty() || groups_.back() != record.group)
    groups_.push_back(record.group);
  ++records_;
  return errc::ok;
}

durable_log::durable_log(std::unique_ptr<memory::disk_directory> where,
                         const log_identity& whose, const log_options& options)
  : where_{std::move(where)}, whose_{whose}, options_{options},
    salt_state_{options.seed} {
}

expected<durable_log>
durable_log::open(std::unique_ptr<memory::disk_directory> where,
                  const log_identity& whose, const log_options& options,
                  const visitor& tell, log_recovery* met) {
  if (options.segment_bytes < least_segment_bytes
      || options.segment_bytes > most_segment_bytes
      || options.segment_bytes % unit != 0)
    return failure{errc::config,
                   "log " + where->where() + ": segments of "
                     + std::to_string(options.segment_bytes)
                     + " bytes: 4096 to 4294967296, a multiple of 16"};
  if (auto locked = where->lock(); !locked)
    return locked.error();
  durable_log log{std::move(where), whose, options};
  log_recovery found;
  if (auto read = log.recover(tell, found); !read)
    return read.error();
  if (met != nullptr)
    *met = found;
  return log;
}

/// Reads all that is there, and then removes the files that hold nothing.
///
/// Whose last flush failed, or never came, may have left a batch that can be
/// read and is not on the disk: the kernel takes for clean what it could not
/// write. So the last batch is written once more before it is believed, and the
/// names are flushed.
expected<void> durable_log::recover(const visitor& tell, log_recovery& found) {
  auto names = where_->list();
  if (!names)
    return names.error();
  std::vector<std::uint64_t> numbers;
  for (const auto& name : *names)
    if (auto number = segment_number(name))
      numbers.push_back(*number);
  std::sort(numbers.begin(), numbers.end());
  auto note = [&](const log_record& record, batch_number batch) {
    needed_from_.try_emplace(record.group, batch);
    tell(record, batch);
  };
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] != numbers.front() + i)
      return failure{errc::corrupt,
                     "log " + where_->where() + ": "
                       + segment_name(numbers.front() + i)
                       + " is missing: restore the node from its peers"};
    auto opened = segment_reader::open(*where_, numbers[i], whose_);
    if (!opened)
      return opened.error();
    const auto& head = opened->head();
    if (i == 0)
      next_batch_ = head.first_batch;
    else if (head.first_batch != next_batch_)
      // The head was written when all before it was durable.
      return failure{errc::corrupt,
                     "log " + where_->where() + "/"
                       + segment_name(numbers[i - 1]) + ": damaged at byte "
                       + std::to_string(end_)
                       + ", before what was written later: restore the node "
                         "from its peers"};
    segments_.push_back(
      {head.segment, head.first_batch, head.salt, head.bytes});
    auto end = opened->read(note, found);
    if (!end)
      return end.error();
    end_ = *end;
    next_batch_ = opened->next_batch();
    if (i + 1 < numbers.size())
      continue;
    auto torn = opened->check_tail(end_);
    if (!torn)
      return torn.error();
    found.cut_bytes = *torn;
    if (auto done = opened->write_last_again(end_); !done)
      return done.error();
    if (auto done = where_->sync_names(); !done)
      return done.error();
    file_ = opened->take_file();
  }
  found.segments = numbers.size();
  if (!numbers.empty())
    next_file_ = numbers.back() + 1;
  return remove_spares(*names);
}

/// A blank file may be left of a start of a segment that failed: its zeros can
/// be read and are not on the disk, nor is its size.
expected<void>
durable_log::remove_spares(const std::vector<std::string>& names) {
  for (const auto& name : names) {
    if (!name.starts_with(spare_prefix))
      continue;
    if (auto removed = where_->remove(name); !removed)
      return removed.error();
  }
  return {};
}

std::uint64_t durable_log::max_batch_bytes() const noexcept {
  return options_.segment_bytes - padded(sizeof(segment_head))
         - sizeof(batch_head);
}

expected<batch_number> durable_log::append(const log_batch& batch) {
  if (failed_)
    return failure{errc::io, "log " + where_->where()
                               + ": stopped after a failed write: start the "
                                 "node again when the disk is sound"};
  if (batch.bytes() > max_batch_bytes())
    return failure{errc::value_size, "log " + where_->where() + ": a batch of "
                                       + std::to_string(batch.bytes())
                                       + " bytes: at most "
                                       + std::to_string(max_batch_bytes())};
  auto size = padded(sizeof(batch_head) + batch.bytes());
  if (file_ == nullptr || end_ + size > segments_.back().bytes)
    if (auto begun = begin_segment(); !begun)
      return begun.error();
  batch_head head{};
  head.magic = batch_magic;
  head.records = batch.records_;
  head.number = next_batch_;
  head.bytes = batch.bytes();
  head.head_checksum = head_checksum_of(segments_.back().salt, head);
  head.checksum = checksum_of(head, batch.bytes_);
  buffer_.assign(reinterpret_cast<const char*>(&head), sizeof head);
  buffer_ += batch.bytes_;
  buffer_.resize(size);
  if (auto written = memory::write_fully(*file_, end_, buffer_); !written)
    return give_up(written.error());
  if (auto synced = file_->sync(); !synced)
    return give_up(synced.error());
  end_ += size;
  for (auto group : batch.groups_)
    needed_from_.try_emplace(group, next_batch_);
  return next_batch_++;
}

/// A new segment to write to. Its head is durable before its name is, and both
/// before any batch.
expected<void> durable_log::begin_segment() {
  segment next;
  next.number = next_file_;
  next.first_batch = next_batch_;
  next.salt = next_salt();
  next.bytes = options_.segment_bytes;
  std::string name;
  std::unique_ptr<memory::disk_file> file;
  if (!spares_.empty()) {
    name = spares_.back();
    auto opened = where_->open(name, true);
    if (!opened)
      return give_up(opened.error());
    file = std::move(*opened);
    spares_.pop_back();
  } else {
    name = spare_name(next.number);
    auto made = blank_file(name);
    if (!made)
      return made.error().code() == errc::no_space ? made.error()
                                                   : give_up(made.error());
    file = std::move(*made);
  }
  segment_head head{};
  head.magic = segment_magic;
  head.version = log_format::version;
  head.cluster = whose_.cluster;
  head.node = whose_.node;
  head.segment = next.number;
  head.first_batch = next.first_batch;
  head.bytes = next.bytes;
  head.salt = next.salt;
  head.checksum = checksum_of(head);
  auto done = memory::write_fully(*file, 0, bytes_of(head));
  if (done)
    done = file->sync();
  if (done)
    done = where_->rename(name, segment_name(next.number));
  if (done)
    done = where_->sync_names();
  if (!done)
    return give_up(done.error());
  file_ = std::move(file);
  end_ = padded(sizeof(segment_head));
  segments_.push_back(next);
  ++next_file_;
  return {};
}

/// A file of zeros, all of it on the disk, so that later flushes carry no news
/// about the file itself. Without room nothing is left behind.
expected<std::unique_ptr<memory::disk_file>>
durable_log::blank_file(const std::string& name) {
  auto made = where_->create(name);
  if (!made)
    return made;
  const std::string zeros(std::min(zeros_at_once, options_.segment_bytes),
                          '\0');
  for (std::uint64_t at = 0; at < options_.segment_bytes; at += zeros.size()) {
    auto size =
      std::min<std::uint64_t>(zeros.size(), options_.segment_bytes - at);
    auto written =
      memory::write_fully(**made, at, std::string_view{zeros}.substr(0, size));
    if (!written) {
      made->reset();
      (void)where_->remove(name);
      return written.error();
    }
  }
  return made;
}

void durable_log::keep_from(std::uint64_t group, batch_number first) {
  auto found = needed_from_.find(group);
  if (found == needed_from_.end() || found->second >= first)
    return;
  auto held_the_oldest =
    segments_.size() > 1 && found->second < segments_[1].first_batch;
  found->second = first;
  if (held_the_oldest)
    release_segments();
}

void durable_log::forget(std::uint64_t group) {
  if (needed_from_.erase(group) != 0)
    release_segments();
}

std::vector<std::uint64_t> durable_log::laggards() const {
  std::vector<std::uint64_t> result;
  if (segments_.size() < 2)
    return result;
  for (auto [group, first] : needed_from_)
    if (first < segments_[1].first_batch)
      result.push_back(group);
  return result;
}

batch_number durable_log::first_needed() const noexcept {
  auto first = next_batch_;
  for (auto [group, from] : needed_from_)
    first = std::min(first, from);
  return first;
}

/// Gives up segments from the oldest on. Each is gone for good before the next,
/// so that what is left is always without a gap.
void durable_log::release_segments() {
  auto first = first_needed();
  while (!failed_ && segments_.size() > 1
         && segments_[1].first_batch <= first) {
    const auto& oldest = segments_.front();
    auto name = segment_name(oldest.number);
    auto spare = spare_name(oldest.number);
    auto reuse = oldest.bytes == options_.segment_bytes
                 && spares_.size() < options_.spare_segments;
    auto done = reuse ? where_->rename(name, spare) : where_->remove(name);
    if (done)
      done = where_->sync_names();
    if (!done) {
      (void)give_up(done.error());
      return;
    }
    if (reuse)
      spares_.push_back(std::move(spare));
    segments_.erase(segments_.begin());
  }
}

/// A step of splitmix64.
std::uint64_t durable_log::next_salt() noexcept {
  salt_state_ += 0x9E37'79B9'7F4A'7C15U;
  auto mixed = salt_state_ ^ next_file_;
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58'476D'1CE4'E5B9U;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D0'49BB'1331'11EBU;
  return mixed ^ (mixed >> 31);
}

failure durable_log::give_up(const failure& why) {
  failed_ = true;
  file_.reset();
  return failure{errc::io, why.message()
                             + ": what is on the disk is unknown: start the "
                               "node again when the disk is sound"};
}

} // namespace neuroplex::storage
