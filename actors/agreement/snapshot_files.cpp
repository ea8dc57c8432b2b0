#include "actors/agreement/snapshot_files.hpp"

#include "consensus/raft/codec.hpp"
#include "consensus/raft/limits.hpp"
#include "consensus/wire.hpp"

#include <xxhash.h>

#include <algorithm>

namespace neuroplex::agreement {

namespace {

constexpr std::uint64_t magic = 0x31'50'4E'53'58'4C'50'4EU; // NPLXSNP1
constexpr std::size_t max_meta_bytes = 16'384;

std::string head_of(const raft::snapshot_meta& meta) {
  std::string bytes;
  wire_writer out{bytes};
  out.put(magic);
  out.put_bytes(raft::encode_snapshot_meta(meta).view());
  out.put(XXH3_64bits(bytes.data(), bytes.size()));
  return bytes;
}

std::string prefix_of(group_id group) {
  return "snapshot-" + std::to_string(group) + "-";
}

// Sorted by name is sorted by index.
std::string name_of(group_id group, raft::log_index index) {
  auto number = std::to_string(index);
  return prefix_of(group) + std::string(20 - number.size(), '0') + number;
}

} // namespace

void snapshot_files::describe(std::string_view state,
                              raft::snapshot_meta& meta) {
  meta.bytes = state.size();
  meta.checksum = XXH3_64bits(state.data(), state.size());
}

expected<snapshot_files>
snapshot_files::open(memory::disk_directory& where, group_id group,
                     std::vector<std::string>& problems) {
  snapshot_files result{where, group};
  auto names = where.list();
  if (!names)
    return names.error();
  auto prefix = prefix_of(group);
  std::erase_if(*names, [&](const std::string& name) {
    return !name.starts_with(prefix) || name.ends_with(".unfinished");
  });
  std::sort(names->rbegin(), names->rend());
  for (const auto& name : *names) {
    auto meta = result.open_file(name);
    if (meta && name != name_of(group, meta->index))
      meta = failure{errc::corrupt, where.where() + "/" + name
                                      + ": holds a snapshot of another index"};
    if (meta) {
      result.latest_ = *meta;
      if (auto state = result.load(); !state)
        meta = state.error();
    }
    if (meta)
      return result;
    result.latest_.reset();
    result.file_.reset();
    problems.push_back(meta.error().message() + ": passed over");
  }
  return result;
}

expected<raft::snapshot_meta>
snapshot_files::open_file(const std::string& name) {
  auto damaged = [&](const char* why) {
    return failure{errc::corrupt, where_->where() + "/" + name + ": " + why};
  };
  auto file = where_->open(name, false);
  if (!file)
    return file.error();
  auto size = (*file)->size();
  if (!size)
    return size.error();
  std::string head(std::min<std::uint64_t>(*size, max_meta_bytes), '\0');
  if (auto read = memory::read_fully(**file, 0, head); !read)
    return read.error();
  wire_reader in{head};
  auto begins = in.take<std::uint64_t>();
  auto meta_bytes = in.take_bytes(max_meta_bytes);
  auto checked = head.size() - in.left();
  auto checksum = in.take<std::uint64_t>();
  if (in.failed() || begins != magic
      || checksum != XXH3_64bits(head.data(), checked))
    return damaged("no snapshot, or its head is damaged");
  auto meta = raft::decode_snapshot_meta(meta_bytes);
  if (!meta)
    return damaged("its description cannot be read");
  state_offset_ = head.size() - in.left();
  if (*size != state_offset_ + meta->bytes)
    return damaged("it does not have the length that it names");
  file_ = std::move(*file);
  return meta;
}

expected<std::string> snapshot_files::load() const {
  if (!latest_)
    return errc::not_found;
  std::string state(static_cast<std::size_t>(latest_->bytes), '\0');
  auto read = memory::read_fully(*file_, state_offset_, state);
  if (!read)
    return read.error();
  auto found = *latest_;
  describe(state, found);
  if (!*read || found.checksum != latest_->checksum)
    return failure{errc::corrupt, where_->where() + "/"
                                    + name_of(group_, latest_->index)
                                    + ": its checksum is wrong"};
  return state;
}

expected<void> snapshot_files::write(memory::disk_directory& where,
                                     group_id group,
                                     const raft::snapshot_meta& meta,
                                     std::string_view state) {
  auto bytes = head_of(meta);
  bytes += state;
  return memory::replace_file(where, name_of(group, meta.index), bytes);
}

expected<void> snapshot_files::adopt(const raft::snapshot_meta& meta) {
  auto found = open_file(name_of(group_, meta.index));
  if (!found)
    return found.error();
  latest_ = meta;
  forget(meta.index);
  return {};
}

// What cannot be removed now is removed after a later snapshot.
void snapshot_files::forget(raft::log_index before) {
  auto names = where_->list();
  if (!names)
    return;
  auto prefix = prefix_of(group_);
  for (const auto& name : *names)
    if (name.starts_with(prefix) && name < name_of(group_, before))
      static_cast<void>(where_->remove(name));
}

expected<raft::slice> snapshot_files::read(raft::log_index index,
                                           std::uint64_t offset,
                                           std::size_t max_bytes) const {
  if (!latest_ || latest_->index != index || offset > latest_->bytes)
    return errc::not_found;
  auto bytes = std::make_shared<std::string>(
    static_cast<std::size_t>(
      std::min<std::uint64_t>(max_bytes, latest_->bytes - offset)),
    '\0');
  auto read = memory::read_fully(*file_, state_offset_ + offset, *bytes);
  if (!read)
    return read.error();
  if (!*read)
    return errc::corrupt;
  const auto* data = bytes->data();
  auto size = bytes->size();
  return raft::slice{std::move(bytes), data, size};
}

expected<void> snapshot_files::receive(const raft::snapshot_meta& meta,
                                       std::uint64_t offset,
                                       std::string_view piece) {
  if (offset == 0) {
    incoming_ = meta;
    received_.clear();
  }
  if (!incoming_ || !(*incoming_ == meta) || offset != received_.size()
      || piece.size() > meta.bytes - offset)
    return failure{errc::protocol,
                   "raft: a piece of a snapshot that does not follow"};
  received_ += piece;
  return {};
}

expected<std::string>
snapshot_files::complete(const raft::snapshot_meta& meta) {
  auto found = meta;
  describe(received_, found);
  if (!incoming_ || !(*incoming_ == meta) || !(found == meta))
    return failure{errc::corrupt, "raft: a snapshot that came from a leader "
                                  "is not what its description says"};
  if (auto kept = write(*where_, group_, meta, received_); !kept)
    return kept.error();
  if (auto kept = adopt(meta); !kept)
    return kept.error();
  incoming_.reset();
  return std::move(received_);
}

} // namespace neuroplex::agreement
