#include "consensus/placement/hash_slots.hpp"

#include <algorithm>
#include <map>
#include <string>

namespace neuroplex::placement {

namespace {

// Owners of all shards while they are being assigned; 0 marks a free place.
class assignment {
public:
  assignment(std::uint32_t shards, std::uint32_t copies,
             const std::vector<replica_id>& members, load_balancing balancing)
    : copies_{copies},
      owners_(std::size_t{shards} * copies, 0), balancing_{balancing} {
    for (auto member : members)
      loads_[member] = 0;
  }

  // Takes over a place of an older table unless its owner is gone.
  void keep(std::size_t place, replica_id owner) {
    auto load = loads_.find(owner);
    if (load == loads_.end())
      return;
    owners_[place] = owner;
    ++load->second;
  }

  // Every member's share of all places. Members that hold the most already get
  // the places that do not divide evenly, since that moves the least.
  void set_quotas() {
    std::vector<node_load> by_load;
    for (auto [member, units] : loads_)
      by_load.push_back({member, units});
    std::stable_sort(
      by_load.begin(), by_load.end(),
      [](const auto& a, const auto& b) { return a.units > b.units; });
    auto even = owners_.size() / loads_.size();
    auto rest = owners_.size() % loads_.size();
    for (std::size_t i = 0; i < by_load.size(); ++i)
      quotas_[by_load[i].node] = even + (i < rest ? 1 : 0);
  }

  // Frees places of members above their quota, copies before primaries.
  void trim() {
    for (std::uint32_t copy = copies_; copy-- > 0;)
      for (auto place = std::size_t{copy}; place < owners_.size();
           place += copies_) {
        auto owner = owners_[place];
        if (owner != 0 && loads_[owner] > quotas_[owner]) {
          --loads_[owner];
          owners_[place] = 0;
        }
      }
  }

  // Gives every free place to a member that has no copy of the shard yet; one
  // below its quota when there is such a one.
  void fill() {
    for (std::size_t place = 0; place < owners_.size(); ++place)
      if (owners_[place] == 0) {
        auto owner = choose(place / copies_);
        owners_[place] = owner;
        ++loads_[owner];
      }
  }

  std::vector<replica_id> release() && {
    return std::move(owners_);
  }

private:
  replica_id choose(std::size_t shard) const {
    std::vector<node_load> below;
    std::vector<node_load> rest;
    auto begin = owners_.begin() + static_cast<std::ptrdiff_t>(shard * copies_);
    for (auto [member, units] : loads_) {
      if (std::find(begin, begin + copies_, member) != begin + copies_)
        continue;
      (units < quotas_.at(member) ? below : rest).push_back({member, units});
    }
    return pick(balancing_, below.empty() ? rest : below);
  }

  std::uint32_t copies_;
  std::vector<replica_id> owners_;
  load_balancing balancing_;
  std::map<replica_id, std::uint64_t> loads_;
  std::map<replica_id, std::uint64_t> quotas_;
};

expected<std::vector<replica_id>> checked(const placement_options& options,
                                          std::vector<replica_id> members) {
  std::sort(members.begin(), members.end());
  if (members.empty() || members.front() == 0)
    return failure{errc::config, "placement: members must be named by replica "
                                 "ids from 1 on"};
  auto twice = std::adjacent_find(members.begin(), members.end());
  if (twice != members.end())
    return failure{errc::config, "placement: replica id "
                                   + std::to_string(*twice)
                                   + " is named twice"};
  if (options.shards == 0 || options.shards > slot_count)
    return failure{errc::config,
                   "placement.shards: " + std::to_string(options.shards)
                     + ": expected 1 to 65536"};
  if (options.replication_factor == 0
      || options.replication_factor > members.size())
    return failure{errc::config, "placement.replication_factor: "
                                   + std::to_string(options.replication_factor)
                                   + ": expected 1 to the number of nodes, "
                                   + std::to_string(members.size())};
  return members;
}

} // namespace

hash_slots::hash_slots(const placement_options& options,
                       std::vector<replica_id> members, std::uint64_t epoch,
                       std::vector<replica_id> owners)
  : options_{options}, members_{std::move(members)}, epoch_{epoch},
    owners_{std::move(owners)} {
  std::string text;
  auto append = [&text](std::uint64_t number) {
    for (int byte = 0; byte < 8; ++byte)
      text += static_cast<char>(number >> (8 * byte) & 0xff);
  };
  append(epoch_);
  append(options_.shards);
  append(options_.replication_factor);
  for (auto owner : owners_)
    append(owner);
  fingerprint_ = ::neuroplex::placement::fingerprint(text);
}

expected<std::shared_ptr<const hash_slots>>
hash_slots::make(const placement_options& options,
                 std::vector<replica_id> members) {
  auto sorted = checked(options, std::move(members));
  if (!sorted)
    return sorted.error();
  assignment table{options.shards, options.replication_factor, *sorted,
                   options.balancing};
  table.set_quotas();
  table.fill();
  return std::shared_ptr<const hash_slots>{
    new hash_slots(options, std::move(*sorted), 1, std::move(table).release())};
}

expected<std::shared_ptr<const hash_slots>>
hash_slots::rebalance(std::vector<replica_id> members) const {
  auto sorted = checked(options_, std::move(members));
  if (!sorted)
    return sorted.error();
  assignment table{options_.shards, options_.replication_factor, *sorted,
                   options_.balancing};
  for (std::size_t place = 0; place < owners_.size(); ++place)
    table.keep(place, owners_[place]);
  table.set_quotas();
  table.trim();
  table.fill();
  return std::shared_ptr<const hash_slots>{new hash_slots(
    options_, std::move(*sorted), epoch_ + 1, std::move(table).release())};
}

std::span<const replica_id>
hash_slots::owners_of(shard_index shard) const noexcept {
  auto copies = std::size_t{options_.replication_factor};
  return {owners_.data() + shard * copies, copies};
}

shard_index hash_slots::shard_of_slot(slot_index slot) const noexcept {
  // The inverse of first_slot: the largest i with first_slot(i) <= slot.
  return range_of_slot(slot, options_.shards);
}

slot_index hash_slots::first_slot(shard_index shard) const noexcept {
  return static_cast<slot_index>(std::uint64_t{shard} * slot_count
                                 / options_.shards);
}

} // namespace neuroplex::placement
