#include "tests/sim/raft/wal.hpp"

#include "tests/sim/packing.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include <xxhash.h>

namespace neuroplex::sim {

namespace {

constexpr std::uint64_t record_magic = 0x5EC04D0F57A7E5ULL;
constexpr std::size_t record_unit = 16;

struct record_head {
  std::uint64_t magic;
  std::uint64_t number;      ///< in its file, from 1
  std::uint64_t vouches_for; ///< records up to this number were durable
  std::uint64_t link;        ///< checksum of the record before
  std::uint64_t payload_bytes;
  std::uint64_t checksum; ///< of all above and of the payload
};

std::uint64_t record_checksum(const record_head& head,
                              std::string_view payload) {
  return XXH3_64bits_withSeed(
    payload.data(), payload.size(),
    XXH3_64bits(&head, offsetof(record_head, checksum)));
}

/// The record at `offset`, if its bytes are those that were written.
std::optional<record_head> record_at(const disk::bytes& file,
                                     std::size_t offset) {
  record_head head{};
  if (file.size() < offset + sizeof head) {
    return std::nullopt;
  }
  std::memcpy(&head, file.data() + offset, sizeof head);
  const auto room = file.size() - offset - sizeof head;
  if (head.magic != record_magic || head.payload_bytes > room) {
    return std::nullopt;
  }
  const std::string_view payload{reinterpret_cast<const char*>(file.data())
                                   + offset + sizeof head,
                                 head.payload_bytes};
  if (record_checksum(head, payload) != head.checksum) {
    return std::nullopt;
  }
  return head;
}

std::size_t whole_size(const record_head& head) {
  return (sizeof head + head.payload_bytes + record_unit - 1) / record_unit
         * record_unit;
}

/// Whether a record from `offset` on says that record `number` was durable.
bool vouched_for(const disk::bytes& file, std::size_t offset,
                 std::uint64_t number) {
  for (; offset + sizeof(record_head) <= file.size(); offset += record_unit) {
    const auto head = record_at(file, offset);
    if (head && head->number > number && head->vouches_for >= number) {
      return true;
    }
  }
  return false;
}

std::string log_name(std::uint64_t number) {
  auto digits = std::to_string(number);
  return "log." + std::string(10 - digits.size(), '0') + digits;
}

std::string snapshot_name(raft::log_index index) {
  auto digits = std::to_string(index);
  return "snapshot." + std::string(10 - digits.size(), '0') + digits;
}

void pack_members(packer& out, const std::vector<raft::member>& list) {
  out.number(static_cast<std::uint32_t>(list.size()));
  for (const auto& who : list) {
    out.number(who.id);
    out.number(who.incarnation);
  }
}

std::vector<raft::member> unpack_members(unpacker& in) {
  std::vector<raft::member> list;
  for (auto left = in.number<std::uint32_t>(); left > 0 && in.good(); --left) {
    const auto id = in.number<raft::node_id>();
    list.push_back({id, in.number<raft::incarnation_number>()});
  }
  return list;
}

std::string pack_snapshot(const stored_snapshot& taken) {
  packer out;
  out.number(taken.meta.index);
  out.number(taken.meta.term);
  pack_members(out, taken.meta.members.voters);
  pack_members(out, taken.meta.members.outgoing);
  pack_members(out, taken.meta.members.learners);
  pack_members(out, taken.meta.members.learners_next);
  out.number(taken.meta.members.auto_leave);
  out.number(taken.meta.bytes);
  out.number(taken.meta.checksum);
  out.text(taken.state);
  packer file;
  file.number(XXH3_64bits(out.view().data(), out.view().size()));
  file.text(out.view());
  return std::string{file.view()};
}

std::optional<stored_snapshot> unpack_snapshot(const disk::bytes& bytes) {
  unpacker file{bytes};
  const auto checksum = file.number<std::uint64_t>();
  const auto body = file.text();
  if (!file.good() || XXH3_64bits(body.data(), body.size()) != checksum) {
    return std::nullopt;
  }
  unpacker in{body};
  stored_snapshot taken;
  taken.meta.index = in.number<raft::log_index>();
  taken.meta.term = in.number<raft::term_number>();
  taken.meta.members.voters = unpack_members(in);
  taken.meta.members.outgoing = unpack_members(in);
  taken.meta.members.learners = unpack_members(in);
  taken.meta.members.learners_next = unpack_members(in);
  taken.meta.members.auto_leave = in.number<bool>();
  taken.meta.bytes = in.number<std::uint64_t>();
  taken.meta.checksum = in.number<std::uint64_t>();
  taken.state = in.text();
  return taken;
}

template <class Number>
void pack_optional(packer& out, const std::optional<Number>& value) {
  out.number(value.has_value());
  out.number(value.value_or(0));
}

template <class Number>
std::optional<Number> unpack_optional(unpacker& in) {
  const auto has = in.number<bool>();
  const auto value = in.number<Number>();
  return has ? std::optional{value} : std::nullopt;
}

std::string pack_write(const raft::disk_write& write) {
  packer out;
  pack_optional(out, write.reset_to);
  pack_optional(out, write.truncate_from);
  out.number(write.hard.has_value());
  const auto hard = write.hard.value_or(raft::hard_state{});
  out.number(hard.term);
  out.number(hard.vote);
  out.number(hard.commit);
  out.number(static_cast<std::uint32_t>(write.entries.size()));
  for (const auto& one : write.entries) {
    out.number(one.term);
    out.number(one.index);
    out.number(one.kind);
    out.text(one.data.view());
  }
  return std::string{out.view()};
}

raft::disk_write unpack_write(std::string_view payload) {
  unpacker in{payload};
  raft::disk_write write;
  write.reset_to = unpack_optional<raft::log_index>(in);
  write.truncate_from = unpack_optional<raft::log_index>(in);
  const auto has_hard = in.number<bool>();
  raft::hard_state hard;
  hard.term = in.number<raft::term_number>();
  hard.vote = in.number<raft::node_id>();
  hard.commit = in.number<raft::log_index>();
  if (has_hard) {
    write.hard = hard;
  }
  for (auto left = in.number<std::uint32_t>(); left > 0 && in.good(); --left) {
    raft::entry one;
    one.term = in.number<raft::term_number>();
    one.index = in.number<raft::log_index>();
    one.kind = in.number<raft::entry_kind>();
    one.data = raft::slice::copy_of(in.text());
    write.entries.push_back(std::move(one));
  }
  return write;
}

void apply_write(raft::durable_state& state, raft::log_index& base,
                 const raft::disk_write& write) {
  auto& log = state.log;
  if (write.reset_to) {
    log.clear();
    base = *write.reset_to;
  }
  if (write.truncate_from) {
    while (!log.empty() && log.back().index >= *write.truncate_from) {
      log.pop_back();
    }
  }
  log.insert(log.end(), write.entries.begin(), write.entries.end());
  if (write.hard) {
    state.hard = *write.hard;
  }
  if (write.compact_to) {
    const auto first_kept =
      std::find_if(log.begin(), log.end(), [&](const raft::entry& one) {
        return one.index > *write.compact_to;
      });
    log.erase(log.begin(), first_kept);
    base = std::max(base, *write.compact_to);
  }
}

} // namespace

void wal::found_group(const raft::configuration& members) {
  stored_snapshot first;
  first.meta.members = members;
  const auto text = pack_snapshot(first);
  const auto bytes = std::as_bytes(std::span{text.data(), text.size()});
  box_.storage().prepare(snapshot_name(0), {bytes.begin(), bytes.end()});
}

void wal::load_snapshots() {
  snapshot_ = {};
  for (const auto& name : box_.storage().list()) {
    if (name.starts_with("snapshot.")) {
      // The names are sorted, so that the newest comes last.
      if (auto taken = unpack_snapshot(box_.storage().read(name))) {
        snapshot_ = std::move(*taken);
      }
    }
  }
}

wal::found wal::load() {
  load_snapshots();
  image_ = {};
  base_ = 0;
  places_.clear();
  synced_records_ = 0;
  last_checksum_ = 0;
  end_ = 0;
  auto result = found::nothing;
  auto names = box_.storage().list();
  std::reverse(names.begin(), names.end());
  for (const auto& name : names) {
    if (!name.starts_with("log.")) {
      continue;
    }
    if (result == found::nothing) {
      file_ = std::strtoull(name.c_str() + 4, nullptr, 10);
      result = load_file(file_);
      if (result == found::damaged) {
        return result;
      }
      if (result == found::whole) {
        continue;
      }
    }
    box_.storage().remove(name);
  }
  if (base_ > snapshot_.meta.index) {
    return found::damaged;
  }
  image_.snapshot = snapshot_.meta;
  durable_ = image_;
  durable_base_ = base_;
  return result == found::nothing && snapshot_.meta.index == 0 ? found::nothing
                                                               : found::whole;
}

wal::found wal::load_file(std::uint64_t number) {
  const auto& file = box_.storage().read(log_name(number));
  places_.clear();
  end_ = 0;
  last_checksum_ = 0;
  while (const auto head = record_at(file, end_)) {
    if (head->number != places_.size() + 1 || head->link != last_checksum_) {
      break;
    }
    apply_write(image_, base_,
                unpack_write({reinterpret_cast<const char*>(file.data()) + end_
                                + sizeof *head,
                              head->payload_bytes}));
    places_.push_back({end_, whole_size(*head), head->vouches_for});
    end_ += whole_size(*head);
    last_checksum_ = head->checksum;
  }
  synced_records_ = places_.size();
  if (!cuts_damage && vouched_for(file, end_, places_.size() + 1)) {
    return found::damaged;
  }
  return places_.empty() ? found::nothing : found::whole;
}

errc wal::append(std::string_view payload) {
  record_head head{record_magic,   places_.size() + 1, synced_records_,
                   last_checksum_, payload.size(),     0};
  head.checksum = record_checksum(head, payload);
  disk::bytes bytes(whole_size(head));
  std::memcpy(bytes.data(), &head, sizeof head);
  std::memcpy(bytes.data() + sizeof head, payload.data(), payload.size());
  const auto code = box_.storage().write(log_name(file_), end_, bytes);
  if (code == errc::ok) {
    places_.push_back({end_, bytes.size(), synced_records_});
    end_ += bytes.size();
    last_checksum_ = head.checksum;
  }
  return code;
}

errc wal::begin_file(const raft::disk_write& write) {
  auto next = image_;
  raft::disk_write whole;
  auto next_base = base_;
  apply_write(next, next_base, write);
  whole.reset_to = next_base;
  whole.entries = next.log;
  whole.hard = next.hard;
  const auto end = std::exchange(end_, 0);
  const auto synced = std::exchange(synced_records_, 0);
  const auto checksum = std::exchange(last_checksum_, 0);
  auto places = std::exchange(places_, {});
  ++file_;
  const auto code = append(pack_write(whole));
  if (code != errc::ok) {
    --file_;
    places_ = std::move(places);
    end_ = end;
    synced_records_ = synced;
    last_checksum_ = checksum;
  }
  return code;
}

errc wal::store(const raft::disk_write& write, answer done) {
  const auto old_file = file_;
  const auto code =
    write.compact_to ? begin_file(write) : append(pack_write(write));
  if (code != errc::ok) {
    return code;
  }
  apply_write(image_, base_, write);
  if (file_ == old_file) {
    sync(write, std::move(done));
    return errc::ok;
  }
  sync(write, [this, old_file, done = std::move(done)](errc result) {
    if (result == errc::ok) {
      box_.storage().remove(log_name(old_file));
    }
    done(result);
  });
  return errc::ok;
}

void wal::sync(const raft::disk_write& write, answer done) {
  box_.storage().sync(log_name(file_), [this, write, file = file_,
                                        records = places_.size(),
                                        done = std::move(done)](errc code) {
    if (code == errc::ok) {
      apply_write(durable_, durable_base_, write);
      if (file == file_) {
        synced_records_ = std::max(synced_records_, records);
      }
    }
    done(code);
  });
}

errc wal::store_snapshot(const stored_snapshot& taken, answer done) {
  const auto name = snapshot_name(taken.meta.index);
  const auto text = pack_snapshot(taken);
  const auto code = box_.storage().write(
    name, 0, std::as_bytes(std::span{text.data(), text.size()}));
  if (code != errc::ok) {
    return code;
  }
  box_.storage().sync(
    name, [this, name, taken, done = std::move(done)](errc result) {
      if (result == errc::ok && taken.meta.index >= snapshot_.meta.index) {
        snapshot_ = taken;
        image_.snapshot = taken.meta;
        durable_.snapshot = taken.meta;
        for (const auto& other : box_.storage().list()) {
          if (other.starts_with("snapshot.") && other < name) {
            box_.storage().remove(other);
          }
        }
      }
      done(result);
    });
  return errc::ok;
}

bool wal::holds_durably(raft::log_index index, raft::term_number term) const {
  if (index <= durable_.snapshot.index) {
    return true;
  }
  const auto& log = durable_.log;
  if (log.empty() || index < log.front().index || index > log.back().index) {
    return false;
  }
  return log[index - log.front().index].term == term;
}

bool wal::rot_somewhere(dice& thrown) {
  auto& storage = box_.storage();
  const auto bit = static_cast<unsigned>(thrown.below(8));
  if (base_ > 0 && thrown.below(4) == 0) {
    const auto name = snapshot_name(snapshot_.meta.index);
    storage.rot(name, thrown.below(storage.read(name).size()), bit);
    return true;
  }
  if (synced_records_ == 0) {
    return false;
  }
  const auto vouched = places_[synced_records_ - 1].vouches_for;
  if (vouched == 0) {
    return false;
  }
  const auto& place = places_[thrown.below(vouched)];
  storage.rot(log_name(file_), place.offset + thrown.below(place.size), bit);
  return true;
}

} // namespace neuroplex::sim
