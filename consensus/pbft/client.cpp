#include "consensus/pbft/client.hpp"

#include <algorithm>

namespace neuroplex::pbft {

expected<client> client::create(const options& settings,
                                std::shared_ptr<const crypto> with,
                                timestamp first) {
  if (auto valid = settings.validate_client(); !valid)
    return valid.error();
  return client{settings, std::move(with), std::max<timestamp>(first, 1)};
}

void client::invoke(const slice& operation, bool read_only, time now,
                    client_effects& out) {
  asked_.reset();
  operation_ = operation;
  wait_ = options_.request_timeout / 2;
  ask(read_only, read_only, asked_count_++ < options_.probation_requests, now,
      out);
}

void client::ask(bool read_only, bool everybody, bool with_signature, time now,
                 client_effects& out) {
  if (!asked_) {
    replies_.clear();
    asked_ = make_request(options_.group, options_.id, next_++, read_only,
                          operation_.view());
    std::string tags;
    for (auto replica : options_.replicas) {
      auto tag = crypto_->authenticate(replica, asked_->core.view());
      tags.append(reinterpret_cast<const char*>(tag.bytes.data()),
                  tag.bytes.size());
    }
    asked_->tags = slice::copy_of(tags);
  }
  if (with_signature && asked_->signed_by.empty()) {
    auto by = crypto_->sign(asked_->core.view());
    asked_->signed_by = slice::copy_of(
      {reinterpret_cast<const char*>(by.bytes.data()), by.bytes.size()});
  }
  deadline_ = now + wait_;
  auto bytes =
    encode_message({options_.group, options_.id, request_message{*asked_}});
  for (auto replica : options_.replicas)
    if (everybody || replica == options_.primary_of(view_))
      out.packets.push_back(
        {replica, bytes, crypto_->authenticate(replica, bytes.view())});
}

void client::tick(time now, client_effects& out) {
  if (!asked_ || now < deadline_)
    return;
  wait_ = std::min(2 * wait_, options_.request_timeout);
  // A read that replicas answer differently is ordered like a write.
  if (asked_->read_only)
    asked_.reset();
  ask(false, true, true, now, out);
}

void client::receive(const packet& what, time now, client_effects& out) {
  auto from = claimed_sender(what.bytes.view());
  if (!asked_ || !options_.index_of(from)
      || !crypto_->is_authentic(from, what.bytes.view(), what.tag))
    return;
  auto read = decode_message(what.bytes);
  const auto* heard = read ? std::get_if<reply>(&read->body) : nullptr;
  if (heard == nullptr || read->group != options_.group
      || heard->number != asked_->number
      || heard->read_only != asked_->read_only)
    return;
  replies_[from] = *heard;
  auto same =
    std::count_if(replies_.begin(), replies_.end(), [&](const auto& one) {
      return one.second.result == heard->result;
    });
  if (static_cast<std::size_t>(same) < options_.quorum()) {
    if (replies_.size() == options_.replicas.size() && asked_->read_only)
      tick(std::max(now, deadline_), out);
    return;
  }
  std::vector<view_number> views;
  for (const auto& [replica, one] : replies_)
    views.push_back(one.view);
  std::sort(views.begin(), views.end(), std::greater<>{});
  view_ = views[options_.faults];
  out.result = heard->result;
  asked_.reset();
}

} // namespace neuroplex::pbft
