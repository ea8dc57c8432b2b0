#include "actors/dedup_table.hpp"

#include "consensus/placement/slots.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace neuroplex::actors {

namespace {

// Chains pieces so that their boundaries count.
class fingerprint_builder {
public:
  void add(std::string_view bytes) {
    state_ = placement::fingerprint(bytes, state_ + bytes.size());
  }

  void add(std::uint64_t number) {
    state_ = (std::rotl(state_, 23) ^ number) * 0x9e3779b97f4a7c15ULL;
  }

  [[nodiscard]] std::uint64_t result() const {
    return state_;
  }

private:
  std::uint64_t state_ = 1;
};

std::size_t bytes_of(const reply& answer) {
  return sizeof(reply) + answer.value.size();
}

std::size_t bytes_of(const batch_reply& answer) {
  auto bytes = sizeof(batch_reply);
  for (const auto& item : answer.answers)
    bytes += sizeof(batch_answer) + item.value.size();
  return bytes;
}

std::size_t bytes_of(const dedup_table::answer& answer) {
  return std::visit([](const auto& x) { return bytes_of(x); }, answer);
}

} // namespace

std::uint64_t body_fingerprint(const request& what) {
  fingerprint_builder body;
  body.add(static_cast<std::uint64_t>(what.op) | std::uint64_t{1} << 32);
  body.add(what.space);
  body.add(what.key);
  body.add(what.value);
  body.add(what.expected);
  body.add(static_cast<std::uint64_t>(what.ttl_ms));
  body.add(what.keep_ttl ? 1 : 0);
  body.add(static_cast<std::uint64_t>(what.delta));
  body.add(what.version);
  return body.result();
}

std::uint64_t body_fingerprint(const batch_request& what) {
  fingerprint_builder body;
  body.add(static_cast<std::uint64_t>(what.op) | std::uint64_t{2} << 32);
  body.add(what.space);
  for (const auto& item : what.items) {
    body.add(item.key);
    body.add(item.value);
    body.add(static_cast<std::uint64_t>(item.ttl_ms));
  }
  return body.result();
}

dedup_table::finding dedup_table::find(const request_id& id,
                                       std::uint64_t fingerprint,
                                       std::int64_t now_ms) {
  auto client = clients_.find(id.client);
  if (client == clients_.end())
    return {make_room_for_client(now_ms) ? verdict::fresh : verdict::full,
            nullptr};
  auto& entries = client->second.entries;
  auto found = entries.find(id.sequence);
  if (found == entries.end()) {
    if (id.sequence <= client->second.forgotten_up_to)
      return {verdict::forgotten, nullptr};
    return {};
  }
  if (found->second.fingerprint != fingerprint)
    return {verdict::conflict, nullptr};
  return {verdict::repeat, &found->second.what};
}

void dedup_table::remember(const request_header& header,
                           std::uint64_t fingerprint, answer what,
                           std::int64_t now_ms) {
  auto& client = clients_[header.id.client];
  auto bytes = bytes_of(what);
  auto [_, inserted] = client.entries.try_emplace(
    header.id.sequence, entry{fingerprint, std::move(what)});
  if (!inserted)
    return;
  client.last_deadline_ms =
    std::max(client.last_deadline_ms, header.deadline_ms);
  order_.push_back({header.id.client, header.id.sequence, header.deadline_ms});
  bytes_ += bytes;
  while (!order_.empty()
         && (order_.front().deadline_ms < now_ms
             || order_.size() > bounds_.answers || bytes_ > bounds_.bytes))
    forget_oldest(now_ms);
}

void dedup_table::forget_oldest(std::int64_t now_ms) {
  auto oldest = order_.front();
  order_.pop_front();
  auto& client = clients_.find(oldest.client)->second;
  auto found = client.entries.find(oldest.sequence);
  bytes_ -= bytes_of(found->second.what);
  client.entries.erase(found);
  if (oldest.deadline_ms >= now_ms)
    client.forgotten_up_to = std::max(client.forgotten_up_to, oldest.sequence);
}

bool dedup_table::make_room_for_client(std::int64_t now_ms) {
  if (clients_.size() < bounds_.clients)
    return true;
  std::erase_if(clients_, [now_ms](const auto& x) {
    return x.second.entries.empty() && x.second.last_deadline_ms < now_ms;
  });
  return clients_.size() < bounds_.clients;
}

} // namespace neuroplex::actors
