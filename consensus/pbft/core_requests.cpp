// Clients: whom to believe, what waits, what is proposed and answered.
#include "consensus/pbft/core.hpp"

#include <algorithm>

namespace neuroplex::pbft {

namespace {

/// A request that waits for so many timeouts while others are served is
/// starved on purpose.
constexpr int starved_after_timeouts = 4;

constexpr std::size_t gone_arrivals_kept = 64;

constexpr std::uint32_t longest_probation = 1U << 20;

} // namespace

bool core::vouched_by_mac(const request& what) const {
  return is_of_group(what, options_.group)
         && what.tags.size()
              == options_.replicas.size() * sizeof(mac_tag::bytes)
         && crypto_->is_authentic(what.client, what.core.view(),
                                  tag_at(what.tags, self_));
}

bool core::vouched_by_signature(const request& what) const {
  return is_of_group(what, options_.group) && !what.signed_by.empty()
         && crypto_->is_signed(what.client, what.core.view(),
                               signature_from(what.signed_by));
}

// What a backup asks of a proposed request.
bool core::is_authentic(const request& what) const {
  return is_waiting(what) || vouched_by_mac(what) || vouched_by_signature(what);
}

bool core::is_waiting(const request& what) const {
  auto found = waiting_.find(what.client);
  return found != waiting_.end() && found->second.what.core == what.core;
}

void core::doubt_client(node_id client) {
  auto found = trust_.find(client);
  if (found == trust_.end() && trust_.size() >= options_.max_clients)
    return;
  auto& known = trust_[client];
  known.penalty =
    std::clamp(2 * known.penalty, options_.probation_requests,
               std::max(longest_probation, options_.probation_requests));
  known.left = known.penalty;
}

void core::believe_client(node_id client) {
  auto found = trust_.find(client);
  if (found == trust_.end()) {
    if (trust_.size() < options_.max_clients && options_.probation_requests > 0)
      trust_[client] = {options_.probation_requests - 1,
                        options_.probation_requests};
    return;
  }
  if (found->second.left > 0)
    --found->second.left;
}

void core::receive(node_id from, const request_message& body) {
  const auto& what = body.what;
  if (what.client == nobody || options_.index_of(what.client)
      || what.number == 0
      || what.operation.size() > options_.max_operation_bytes) {
    accuse(from, misdeed::malformed);
    return;
  }
  if (what.read_only)
    take_read(what);
  else
    take_request(from, what);
}

void core::take_read(const request& what) {
  if (reading_.size() >= options_.max_waiting_requests || installing_
      || executed_ < read_floor_
      || reading_.contains({what.client, what.number}))
    return;
  if (!vouched_by_mac(what)) {
    accuse(what.client, misdeed::bad_mac);
    return;
  }
  reading_.emplace(what.client, what.number);
  pending_.reads.push_back({what.client, what.number, what.operation});
}

void core::on(const read_answered& what) {
  if (reading_.erase({what.client, what.number}) > 0)
    send_reply(what.client, what.number, true, what.result);
}

void core::take_request(node_id from, const request& what) {
  auto done = ordered_.find(what.client);
  if (done != ordered_.end() && what.number <= done->second) {
    answer_again(what);
    return;
  }
  if (!is_waiting(what)) {
    auto known = waiting_.find(what.client);
    if (known != waiting_.end() && known->second.what.number >= what.number)
      return;
    if (known == waiting_.end()
        && waiting_.size() >= options_.max_waiting_requests)
      return;
    // The MAC alone is not enough on probation, since it may be right here and
    // wrong elsewhere, and a proposal would cost the primary its office; nor at
    // a backup, whose impatience it would cause.
    auto trust = trust_.find(what.client);
    auto proven = trust != trust_.end() ? trust->second.left == 0
                                        : options_.probation_requests == 0;
    auto enough = leads() && proven && vouched_by_mac(what);
    auto is_signed = !enough && vouched_by_signature(what);
    if (!enough && !is_signed) {
      if (!vouched_by_mac(what))
        accuse(what.client, misdeed::bad_mac);
      return;
    }
    waiting_[what.client] = {what, now_, is_signed};
    arrivals_.push_back({what.client, what.number});
    if (leads())
      queue_.push_back({what.client, what.number});
  }
  if (active_ && !leads() && from == what.client)
    send(options_.primary_of(view_), request_message{what}, 0);
}

// The last request of a client, executed already: its reply was lost.
void core::answer_again(const request& what) {
  const auto* known = clients_.find(what.client);
  if (known != nullptr && known->last == what.number
      && (vouched_by_mac(what) || vouched_by_signature(what)))
    send_reply(what.client, what.number, false, known->result);
}

void core::send_reply(node_id client, timestamp number, bool read_only,
                      const slice& result) {
  send(client, reply{view_, number, read_only, result}, executed_after_);
}

void core::propose() {
  while (leads() && !installing_ && !queue_.empty()
         && is_in_window(next_sequence_)
         && next_sequence_ <= handed_out_ + options_.max_pipeline) {
    auto requests = gather_batch();
    if (requests->empty())
      return;
    auto of = digest_of(*crypto_, *requests);
    auto sequence = next_sequence_++;
    accept(sequence, of, requests);
    broadcast(pre_prepare{view_, sequence, of, requests},
              slot_at(sequence).prepare_after);
  }
}

shared_batch core::gather_batch() {
  auto requests = std::make_shared<batch>();
  std::size_t bytes = 0;
  while (!queue_.empty() && requests->size() < options_.max_batch_requests) {
    auto next = queue_.front();
    auto& proposed = proposed_[next.client];
    if (!still_waits(next) || next.number <= proposed) {
      queue_.pop_front();
      continue;
    }
    const auto& what = waiting_.at(next.client).what;
    bytes += what.core.size();
    if (!requests->empty() && bytes > options_.max_batch_bytes)
      break;
    proposed = next.number;
    requests->push_back(what);
    queue_.pop_front();
  }
  return requests;
}

// In a new view all that waits is proposed anew, and has its time anew. What a
// primary took by its MAC it cannot expect of the next: the client sends it
// again, signed.
void core::requeue_waiting() {
  queue_.clear();
  proposed_.clear();
  if (!leads())
    std::erase_if(waiting_,
                  [](const auto& one) { return !one.second.is_signed; });
  forget_gone_arrivals();
  std::size_t passed_on = 0;
  for (const auto& one : arrivals_) {
    if (!still_waits(one))
      continue;
    auto& known = waiting_.at(one.client);
    known.since = now_;
    if (leads())
      queue_.push_back(one);
    else if (passed_on++ < options_.max_batch_requests)
      send(options_.primary_of(view_), request_message{known.what}, 0);
  }
}

void core::forget_waiting(node_id client, timestamp up_to) {
  auto found = waiting_.find(client);
  if (found != waiting_.end() && found->second.what.number <= up_to)
    waiting_.erase(found);
}

bool core::still_waits(const arrival& one) const {
  auto found = waiting_.find(one.client);
  return found != waiting_.end() && found->second.what.number == one.number;
}

// The oldest of those that are left comes to the front; those behind it are
// looked at when they are many.
void core::forget_gone_arrivals() {
  while (!arrivals_.empty() && !still_waits(arrivals_.front()))
    arrivals_.pop_front();
  for (auto* all : {&arrivals_, &queue_})
    if (all->size() > 2 * waiting_.size() + gone_arrivals_kept)
      std::erase_if(*all,
                    [this](const arrival& one) { return !still_waits(one); });
}

// What this primary proposed by its MACs, and could not get prepared: perhaps
// they were right here only.
void core::doubt_unprepared() {
  for (const auto& [sequence, one] : slots_)
    if (one.accepted && !one.prepared)
      if (auto requests = find_batch(one, *one.accepted))
        for (const auto& what : *requests) {
          auto known = waiting_.find(what.client);
          if (known != waiting_.end() && !known->second.is_signed)
            doubt_client(what.client);
        }
}

// When this replica loses its patience with the primary: nothing is executed
// while something waits, or one request waits while others are executed.
time core::request_deadline() const {
  if (arrivals_.empty() || transfer_ || installing_)
    return time::max();
  auto found = waiting_.find(arrivals_.front().client);
  if (found == waiting_.end())
    return time::max();
  auto since = found->second.since;
  return std::min(std::max(since, progress_at_) + timeout_,
                  since + starved_after_timeouts * timeout_);
}

} // namespace neuroplex::pbft
