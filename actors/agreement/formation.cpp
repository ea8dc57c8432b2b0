#include "actors/agreement/formation.hpp"

#include "consensus/raft/codec.hpp"
#include "consensus/wire.hpp"

#include <xxhash.h>

#include <algorithm>

namespace neuroplex::agreement {

namespace {

constexpr const char* file_name = "formation";
constexpr std::uint32_t file_version = 2;

// Had one group, and did not say so.
constexpr std::uint32_t version_of_one_group = 1;

constexpr std::size_t max_file_bytes = 65'536;

failure unreadable(const memory::disk_directory& where, const char* why) {
  return {errc::corrupt, where.where() + "/" + file_name + ": " + why
                           + ": remove the directory and add the node anew"};
}

expected<std::string> read_whole(memory::disk_directory& where) {
  auto file = where.open(file_name, false);
  if (!file)
    return file.error();
  auto size = (*file)->size();
  if (!size)
    return size.error();
  if (*size > max_file_bytes)
    return unreadable(where, "too long");
  std::string bytes(static_cast<std::size_t>(*size), '\0');
  auto read = memory::read_fully(**file, 0, bytes);
  if (!read)
    return read.error();
  return bytes;
}

} // namespace

expected<formation> formation::open(memory::disk_directory& where,
                                    raft::node_id self,
                                    std::vector<raft::node_id> members,
                                    std::uint64_t groups,
                                    raft::incarnation_number fresh) {
  formation result{self, std::move(members), groups};
  auto bytes = read_whole(where);
  if (!bytes && bytes.code() != errc::not_found)
    return bytes.error();
  if (!bytes) {
    result.incarnation_ = fresh;
    if (auto saved = result.save(where); !saved)
      return saved.error();
    return result;
  }
  wire_reader in{*bytes};
  auto version = in.take<std::uint32_t>();
  result.incarnation_ = in.take<std::uint64_t>();
  auto groups_then = version == version_of_one_group ? std::uint64_t{1}
                                                     : in.take<std::uint64_t>();
  auto has_first = in.take_bool();
  auto first = in.take_bytes(max_file_bytes);
  auto checked = bytes->size() - std::min(bytes->size(), in.left());
  auto checksum = in.take<std::uint64_t>();
  if (!in.complete() || checksum != XXH3_64bits(bytes->data(), checked))
    return unreadable(where, "damaged");
  if (version != file_version && version != version_of_one_group)
    return failure{errc::version, where.where() + "/" + file_name + ": version "
                                    + std::to_string(version) + "; this is "
                                    + std::to_string(file_version)};
  if (groups_then != groups)
    return failure{errc::config,
                   where.where() + "/" + file_name + ": "
                     + std::to_string(groups_then) + " groups, configured are "
                     + std::to_string(groups) + ": set raft.groups to "
                     + std::to_string(groups_then)};
  if (has_first) {
    auto members_then = raft::decode_configuration(first);
    if (!members_then)
      return unreadable(where, "a configuration that cannot be read");
    result.first_ = std::move(*members_then);
  }
  return result;
}

void formation::heard(raft::node_id from, raft::incarnation_number incarnation,
                      const std::optional<raft::configuration>& first) {
  if (std::find(members_.begin(), members_.end(), from) == members_.end())
    return;
  heard_[from] = incarnation;
  if (first && !told_)
    told_ = first;
}

expected<bool> formation::begin(memory::disk_directory& where) {
  if (first_)
    return false;
  if (told_) {
    first_ = told_;
  } else {
    heard_[self_] = incarnation_;
    if (heard_.size() < members_.size())
      return false;
    raft::configuration first;
    for (auto [id, incarnation] : heard_)
      first.voters.push_back({id, incarnation});
    first_ = std::move(first);
  }
  if (auto saved = save(where); !saved) {
    first_.reset();
    return saved.error();
  }
  return true;
}

expected<void> formation::save(memory::disk_directory& where) const {
  std::string bytes;
  wire_writer out{bytes};
  out.put(file_version);
  out.put(incarnation_);
  out.put(groups_);
  out.put_bool(first_.has_value());
  out.put_bytes(first_ ? raft::encode_configuration(*first_).view()
                       : std::string_view{});
  out.put(XXH3_64bits(bytes.data(), bytes.size()));
  return memory::replace_file(where, file_name, bytes);
}

} // namespace neuroplex::agreement
