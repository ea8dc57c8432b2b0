#include "tests/sim/raft/client.hpp"

#include <utility>

namespace neuroplex::sim {

using namespace std::chrono_literals;

raft_client::raft_client(kernel& world, network& links, history& told,
                         const client_settings& settings,
                         std::vector<std::unique_ptr<raft_host>>& nodes)
  : register_client{world, told, settings}, links_{links}, settings_{settings},
    nodes_{nodes}, place_{links.add(
                     [](const network::delivery& arrive) { arrive(); })} {
}

void raft_client::send() {
  perhaps_taken_ = settings_.requests_may_repeat;
  tries_ = 0;
  try_once();
}

void raft_client::try_once() {
  if (tries_ == settings_.most_tries) {
    finish({perhaps_taken_ ? outcome::unknown : outcome::failed, absent});
    return;
  }
  const auto attempt = ++tries_;
  const auto sequence = asked().sequence;
  const auto target = believed_leader_;
  client_request wish;
  wish.asked = asked();
  wish.answer = [this, target, attempt, sequence](reply what,
                                                  raft::node_id leader) {
    links_.send(static_cast<network::end_point>(target), place_,
                [this, attempt, sequence, what, leader] {
                  heard(sequence, attempt, what, leader);
                });
  };
  links_.send(place_, static_cast<network::end_point>(target),
              [node = nodes_[target].get(), wish] { node->serve(wish); });
  world_.after(settings_.patience, [this, attempt, sequence] {
    if (awaits(sequence) && attempt == tries_) {
      perhaps_taken_ = true;
      believed_leader_ = dice_.below(nodes_.size());
      try_once();
    }
  });
}

void raft_client::heard(std::uint64_t sequence, unsigned attempt, reply what,
                        raft::node_id leader) {
  // An answer to an earlier try is as good, unless it is only a refusal.
  if (!awaits(sequence)) {
    return;
  }
  if (what.result == outcome::ok || what.result == outcome::mismatch) {
    finish(what);
    return;
  }
  if (attempt != tries_) {
    return;
  }
  perhaps_taken_ = perhaps_taken_ || what.result == outcome::unknown;
  believed_leader_ = leader != raft::nobody && dice_.below(4) != 0
                       ? static_cast<std::size_t>(leader - 1)
                       : dice_.below(nodes_.size());
  // A little later, unless the patience for this try ends before.
  world_.after(dice_.between(1ms, settings_.patience / 4),
               [this, sequence, attempt] {
                 if (awaits(sequence) && attempt == tries_) {
                   try_once();
                 }
               });
}

} // namespace neuroplex::sim
