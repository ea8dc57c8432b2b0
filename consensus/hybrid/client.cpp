#include "consensus/hybrid/client.hpp"

#include "consensus/pbft/codec.hpp"

#include <algorithm>

namespace neuroplex::hybrid {

expected<client> client::create(const pbft::options& settings,
                                std::shared_ptr<const crypto> keys,
                                timestamp first) {
  auto ordered = pbft::client::create(settings, keys, first);
  if (!ordered)
    return ordered.error();
  return client{settings, std::move(keys), *std::move(ordered), first};
}

client::client(const pbft::options& settings,
               std::shared_ptr<const crypto> keys, pbft::client ordered,
               timestamp first)
  : options_{settings}, keys_{std::move(keys)}, ordered_{std::move(ordered)},
    next_number_{std::max<timestamp>(first, 1)} {
}

time client::next_deadline() const noexcept {
  if (!busy_)
    return time::max();
  return where_.how == mode::raft ? deadline_ : ordered_.next_deadline();
}

void client::invoke(const slice& operation, bool read_only, time now,
                    client_effects& out) {
  busy_ = true;
  read_only_ = read_only;
  operation_ = encode_order(command{next_number_++, operation});
  begin(now, out);
}

// Asks in the mode that the group is believed to be in.
void client::begin(time now, client_effects& out) {
  asked_.reset();
  wait_ = options_.request_timeout / 2;
  if (where_.how == mode::raft) {
    ask_leader(false, now, out);
    return;
  }
  pbft::client_effects wanted;
  ordered_.invoke(operation_, read_only_, now, wanted);
  take(wanted, now, out);
}

void client::ask_leader(bool everybody, time now, client_effects& out) {
  if (!asked_) {
    asked_ = pbft::make_request(raft_side_of(options_.group), options_.id,
                                next_number_, read_only_, operation_.view());
    std::string tags;
    for (auto replica : options_.replicas) {
      auto tag = keys_->authenticate(replica, asked_->core.view());
      tags.append(reinterpret_cast<const char*>(tag.bytes.data()),
                  tag.bytes.size());
    }
    asked_->tags = slice::copy_of(tags);
  }
  if (everybody && asked_->signed_by.empty()) {
    auto by = keys_->sign(asked_->core.view());
    asked_->signed_by = slice::copy_of(
      {reinterpret_cast<const char*>(by.bytes.data()), by.bytes.size()});
  }
  deadline_ = now + wait_;
  auto bytes = encode_message({options_.group, options_.id, ask{*asked_}});
  for (auto replica : options_.replicas)
    if (everybody || replica == where_.leader)
      out.packets.push_back(
        {replica, bytes, keys_->authenticate(replica, bytes.view())});
}

void client::tick(time now, client_effects& out) {
  if (!busy_ || now < next_deadline())
    return;
  if (where_.how == mode::raft) {
    wait_ = std::min(2 * wait_, options_.request_timeout);
    ask_leader(true, now, out);
    return;
  }
  pbft::client_effects wanted;
  ordered_.tick(now, wanted);
  take(wanted, now, out);
}

void client::receive(const pbft::packet& what, time now, client_effects& out) {
  if (!busy_)
    return;
  if (!is_hybrid(what.bytes.view())) {
    pbft::client_effects wanted;
    ordered_.receive(what, now, wanted);
    take(wanted, now, out);
    return;
  }
  auto from = pbft::claimed_sender(what.bytes.view());
  if (!options_.index_of(from)
      || !keys_->is_authentic(from, what.bytes.view(), what.tag))
    return;
  auto read = decode_message(what.bytes);
  const auto* heard = read ? std::get_if<answer>(&read->body) : nullptr;
  if (heard == nullptr || read->group != options_.group)
    return;
  if (heard->done) {
    if (asked_ && where_.how == mode::raft && from == where_.leader
        && heard->where == where_ && heard->number == asked_->number) {
      busy_ = false;
      asked_.reset();
      out.result = heard->result;
      out.believed = from;
    }
    return;
  }
  told_[from] = heard->where;
  learn(now, out);
}

// A weak quorum that says the same of a later epoch holds a correct replica.
void client::learn(time now, client_effects& out) {
  for (const auto& heard : told_) {
    const auto& one = heard.second;
    auto same =
      std::count_if(told_.begin(), told_.end(),
                    [&](const auto& other) { return other.second == one; });
    if (one.epoch > where_.epoch
        && static_cast<std::size_t>(same) >= options_.weak_quorum()) {
      where_ = one;
      begin(now, out);
      return;
    }
  }
}

void client::take(pbft::client_effects& from, time now, client_effects& out) {
  for (auto& one : from.packets)
    out.packets.push_back(std::move(one));
  if (!from.result || where_.how != mode::pbft)
    return;
  auto read = decode_result(*from.result);
  if (read && read->kind == result_kind::moved) {
    if (read->where.epoch > where_.epoch)
      where_ = read->where;
    begin(now, out);
    return;
  }
  busy_ = false;
  out.result = read ? read->bytes : slice{};
}

} // namespace neuroplex::hybrid
