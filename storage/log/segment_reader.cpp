#include "storage/log/segment_reader.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include <xxhash.h>

namespace neuroplex::storage {

using namespace log_format;

namespace {

constexpr std::string_view segment_prefix = "segment-";
constexpr std::size_t number_digits = 16;
constexpr std::uint64_t searched_at_once = std::uint64_t{1} << 20;

std::string numbered(std::string_view prefix, std::uint64_t number) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string name{prefix};
  for (std::size_t i = number_digits; i-- > 0;)
    name += digits[(number >> (4 * i)) & 15];
  return name;
}

template <class T>
std::span<char> bytes_of(T& value) noexcept {
  return {reinterpret_cast<char*>(&value), sizeof value};
}

} // namespace

std::string segment_name(std::uint64_t number) {
  return numbered(segment_prefix, number);
}

std::string spare_name(std::uint64_t number) {
  return numbered(spare_prefix, number);
}

std::optional<std::uint64_t> segment_number(std::string_view name) {
  if (!name.starts_with(segment_prefix)
      || name.size() != segment_prefix.size() + number_digits)
    return std::nullopt;
  std::uint64_t number = 0;
  for (char c : name.substr(segment_prefix.size())) {
    bool decimal = c >= '0' && c <= '9';
    if (!decimal && (c < 'a' || c > 'f'))
      return std::nullopt;
    number =
      number << 4 | static_cast<unsigned>(decimal ? c - '0' : c - 'a' + 10);
  }
  return number;
}

std::uint64_t checksum_of(const segment_head& head) noexcept {
  return XXH3_64bits(&head, offsetof(segment_head, checksum));
}

std::uint64_t head_checksum_of(std::uint64_t salt,
                               const batch_head& head) noexcept {
  return XXH3_64bits_withSeed(&head, offsetof(batch_head, head_checksum), salt);
}

std::uint64_t checksum_of(const batch_head& head,
                          std::string_view records) noexcept {
  return XXH3_64bits_withSeed(records.data(), records.size(),
                              head.head_checksum);
}

failure segment_reader::damaged(std::uint64_t at, std::string_view what) const {
  return failure{errc::corrupt, "log " + path_ + ": byte " + std::to_string(at)
                                  + ": " + std::string{what}
                                  + ": restore the node from its peers"};
}

expected<segment_reader> segment_reader::open(memory::disk_directory& where,
                                              std::uint64_t number,
                                              const log_identity& whose) {
  auto name = segment_name(number);
  auto file = where.open(name, true);
  if (!file)
    return file.error();
  segment_reader reader{std::move(*file), where.where() + "/" + name};
  if (auto good = reader.check_head(number, whose); !good)
    return good.error();
  return reader;
}

expected<void> segment_reader::check_head(std::uint64_t number,
                                          const log_identity& whose) {
  auto whole = memory::read_fully(*file_, 0, bytes_of(head_));
  if (!whole)
    return whole.error();
  if (!*whole || head_.magic != segment_magic)
    return damaged(0, "this is no segment of a log");
  if (head_.version != log_format::version)
    return failure{errc::version, "log " + path_ + ": format version "
                                    + std::to_string(head_.version)
                                    + ", this release reads version "
                                    + std::to_string(log_format::version)};
  if (head_.checksum != checksum_of(head_))
    return damaged(0, "the head is damaged");
  if (head_.cluster != whose.cluster)
    return failure{errc::config, "log " + path_
                                   + ": belongs to another cluster: give the "
                                     "node its own data directory"};
  if (head_.node != whose.node)
    return failure{errc::config, "log " + path_ + ": belongs to node "
                                   + std::to_string(head_.node)
                                   + ", this is node "
                                   + std::to_string(whose.node)
                                   + ": give the node its own data directory"};
  auto size = file_->size();
  if (!size)
    return size.error();
  if (head_.segment != number || head_.first_batch == 0
      || head_.bytes < padded(sizeof(segment_head)) || *size < head_.bytes)
    return damaged(0, "the file was renamed or cut");
  next_batch_ = head_.first_batch;
  return {};
}

expected<std::uint64_t> segment_reader::read(const durable_log::visitor& tell,
                                             log_recovery& found) {
  auto at = padded(sizeof(segment_head));
  last_begin_ = 0;
  batch_head batch{};
  for (;;) {
    auto whole = read_batch(at, batch);
    if (!whole)
      return whole.error();
    if (!*whole || batch.number != next_batch_)
      break;
    auto told = tell_records(batch, tell);
    if (!told)
      return told.error();
    if (!*told)
      return damaged(at, "a batch with a right checksum holds no records");
    ++next_batch_;
    ++found.batches;
    found.records += batch.records;
    last_begin_ = at;
    at += padded(sizeof(batch_head) + batch.bytes);
  }
  return at;
}

expected<std::uint64_t> segment_reader::check_tail(std::uint64_t end) {
  auto follows = batch_from(end);
  if (!follows)
    return follows.error();
  if (*follows)
    return damaged(end, "damage before what was written later");
  batch_head batch{};
  auto torn = read_head(end, batch);
  if (!torn)
    return torn.error();
  return *torn ? sizeof batch + batch.bytes : 0;
}

expected<void> segment_reader::write_last_again(std::uint64_t end) {
  if (last_begin_ == 0)
    return {};
  records_.resize(end - last_begin_);
  auto whole = memory::read_fully(*file_, last_begin_, records_);
  if (!whole)
    return whole.error();
  if (!*whole)
    return damaged(last_begin_, "the file was cut");
  if (auto done = memory::write_fully(*file_, last_begin_, records_); !done)
    return done.error();
  return file_->sync();
}

/// Whether the head of a batch of this segment stands at `at`. It has a
/// checksum of its own, so that no other bytes say how far to read.
expected<bool> segment_reader::read_head(std::uint64_t at, batch_head& batch) {
  batch = {};
  if (at + sizeof batch > head_.bytes)
    return false;
  auto whole = memory::read_fully(*file_, at, bytes_of(batch));
  if (!whole)
    return whole.error();
  return *whole && batch.magic == batch_magic
         && batch.bytes <= head_.bytes - at - sizeof batch
         && batch.head_checksum == head_checksum_of(head_.salt, batch);
}

/// Whether a whole batch begins at `at`.
expected<bool> segment_reader::read_batch(std::uint64_t at, batch_head& batch) {
  auto begins = read_head(at, batch);
  if (!begins || !*begins)
    return begins;
  records_.resize(batch.bytes);
  auto whole = memory::read_fully(*file_, at + sizeof batch, records_);
  if (!whole)
    return whole.error();
  return *whole && batch.checksum == checksum_of(batch, records_);
}

/// False if the bytes of the batch are not so many records.
expected<bool>
segment_reader::tell_records(const batch_head& batch,
                             const durable_log::visitor& tell) const {
  std::string_view rest{records_};
  for (std::uint32_t i = 0; i < batch.records; ++i) {
    record_head head{};
    if (rest.size() < sizeof head)
      return false;
    std::memcpy(&head, rest.data(), sizeof head);
    rest.remove_prefix(sizeof head);
    if (rest.size() < head.bytes)
      return false;
    tell({head.group, head.kind, head.term, head.index,
          rest.substr(0, head.bytes)},
         batch.number);
    rest.remove_prefix(head.bytes);
  }
  return rest.empty();
}

/// Whether the batch that is to come next, or one after it, lies anywhere from
/// `from` on, where it does not begin. A torn one would be whole nowhere.
expected<bool> segment_reader::batch_from(std::uint64_t from) {
  std::string piece;
  while (from + sizeof(batch_head) <= head_.bytes) {
    piece.resize(std::min(searched_at_once, head_.bytes - from));
    auto whole = memory::read_fully(*file_, from, piece);
    if (!whole)
      return whole.error();
    if (!*whole)
      return false;
    for (std::uint64_t at = 0; at + sizeof(std::uint32_t) <= piece.size();
         at += unit) {
      std::uint32_t magic = 0;
      std::memcpy(&magic, piece.data() + at, sizeof magic);
      if (magic != batch_magic)
        continue;
      batch_head batch{};
      auto good = read_batch(from + at, batch);
      if (!good)
        return good.error();
      if (*good && batch.number >= next_batch_)
        return true;
    }
    from += piece.size();
  }
  return false;
}

} // namespace neuroplex::storage
