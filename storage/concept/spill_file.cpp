#include "storage/concept/spill_file.hpp"

#include "storage/concept/entry_codec.hpp"

#include <xxhash.h>

namespace neuroplex::concepts {

namespace {

struct frame_head {
  std::uint32_t magic;
  std::uint32_t entries;
  std::uint64_t bytes;
  std::uint64_t checksum; ///< of all above and of the entries
};
static_assert(sizeof(frame_head) == 24);

constexpr std::uint32_t frame_magic = 0x4C4C5053U; // SPLL

/// Entries a frame has at most: what a step of the reconciler takes is about as
/// much.
constexpr std::size_t frame_entries = 1024;
constexpr std::uint64_t max_frame_bytes = std::uint64_t{4} << 30;

std::uint64_t checksum_of(const frame_head& head,
                          std::string_view entries) noexcept {
  return XXH3_64bits_withSeed(
    entries.data(), entries.size(),
    XXH3_64bits(&head, sizeof head - sizeof head.checksum));
}

} // namespace

expected<std::unique_ptr<spill_file>>
spill_file::open(memory::disk_directory& where, std::uint64_t max_bytes) {
  std::string name{file_name};
  auto file = where.open(name, true);
  if (!file && file.error().code() == errc::not_found)
    file = where.create(name);
  if (!file)
    return file.error();
  std::unique_ptr<spill_file> made{
    new spill_file{std::move(*file), where.where() + '/' + name, max_bytes}};
  if (auto counted = made->count_frames(); !counted)
    return counted.error();
  return made;
}

expected<void> spill_file::count_frames() {
  std::string entries;
  for (;;) {
    std::uint64_t count = 0;
    auto whole = read_frame(end_, entries, count);
    if (!whole)
      return whole.error();
    if (!*whole)
      return file_->truncate(end_);
    entries_ += count;
    end_ += sizeof(frame_head) + entries.size();
  }
}

/// False: no whole frame is there.
expected<bool> spill_file::read_frame(std::uint64_t at, std::string& entries,
                                      std::uint64_t& count) const {
  auto file_bytes = file_->size();
  if (!file_bytes)
    return file_bytes.error();
  frame_head head{};
  if (at > *file_bytes || *file_bytes - at < sizeof head)
    return false;
  auto read = memory::read_fully(*file_, at,
                                 {reinterpret_cast<char*>(&head), sizeof head});
  if (!read || !*read)
    return read;
  if (head.magic != frame_magic || head.bytes > *file_bytes - at - sizeof head)
    return false;
  entries.resize(head.bytes);
  read = memory::read_fully(*file_, at + sizeof head, entries);
  if (!read || !*read)
    return read;
  count = head.entries;
  return head.checksum == checksum_of(head, entries);
}

expected<void> spill_file::put(std::vector<write_entry>& entries) {
  std::string frames;
  for (std::size_t begin = 0; begin < entries.size();) {
    std::string encoded;
    auto i = begin;
    for (; i < entries.size() && i - begin < frame_entries; ++i) {
      if (encoded.size() + encoded_bytes(entries[i]) > max_frame_bytes)
        break;
      encode(entries[i], encoded);
    }
    frame_head head{frame_magic, static_cast<std::uint32_t>(i - begin),
                    encoded.size(), 0};
    head.checksum = checksum_of(head, encoded);
    frames.append(reinterpret_cast<const char*>(&head), sizeof head);
    frames += encoded;
    begin = i;
  }
  std::scoped_lock guard{mutex_};
  if (frames.size() > max_bytes_ || end_ > max_bytes_ - frames.size())
    return failure{errc::no_space,
                   where_ + ": has " + std::to_string(end_)
                     + " bytes and may have " + std::to_string(max_bytes_)
                     + ": write more slowly, or with a faster disk"};
  auto done = memory::write_fully(*file_, end_, frames);
  if (done)
    done = file_->sync();
  if (!done)
    return done;
  end_ += frames.size();
  entries_ += entries.size();
  return {};
}

expected<void> spill_file::take(std::vector<write_entry>& to,
                                std::size_t most) {
  std::scoped_lock guard{mutex_};
  std::string entries;
  for (std::size_t taken = 0; begin_ < end_ && taken < most;) {
    std::uint64_t count = 0;
    auto whole = read_frame(begin_, entries, count);
    if (!whole)
      return whole.error();
    std::string_view rest{entries};
    for (std::uint64_t i = 0; *whole && i < count; ++i) {
      write_entry entry;
      *whole = decode(rest, entry) == errc::ok;
      if (*whole)
        to.push_back(std::move(entry));
    }
    if (!*whole)
      return failure{errc::corrupt,
                     where_ + ": damaged at byte " + std::to_string(begin_)
                       + ": restore it from a copy, or remove it and lose "
                       + std::to_string(entries_) + " entries"};
    begin_ += sizeof(frame_head) + entries.size();
    entries_ -= count;
    taken += count;
  }
  return {};
}

std::uint64_t spill_file::read_bytes() const {
  std::scoped_lock guard{mutex_};
  return begin_;
}

expected<void> spill_file::trim(std::uint64_t read) {
  std::scoped_lock guard{mutex_};
  if (begin_ != end_ || end_ == 0 || begin_ != read)
    return {};
  auto done = file_->truncate(0);
  if (done)
    begin_ = end_ = 0;
  return done;
}

} // namespace neuroplex::concepts
