// What the host says and hears on its connections.

#include "actors/agreement/host_implementation.hpp"

#include <algorithm>

namespace neuroplex::agreement {

greeting host::implementation::greet() const {
  return {.incarnation = formation_->incarnation(),
          .groups = options_.groups,
          .first = formation_->first()};
}

// Keys would be in other groups there, or not in groups at all.
bool host::implementation::agrees(const greeting& what) {
  if (what.groups == options_.groups && what.how == protocol::raft)
    return true;
  auto problem = what.how != protocol::raft
                   ? other_protocol(what.from, what.how, protocol::raft)
                   : "raft: node " + std::to_string(what.from) + " has "
                       + std::to_string(what.groups) + " groups, this node "
                       + std::to_string(options_.groups)
                       + ": raft.groups must be the same on all nodes";
  if (std::find(problems_.begin(), problems_.end(), problem) == problems_.end())
    problems_.push_back(std::move(problem));
  return false;
}

void host::implementation::heard(const greeting& what) {
  peers_.at(what.from).incarnation = what.incarnation;
  formation_->heard(what.from, what.incarnation, what.first);
  if (formed_)
    return;
  auto begun = formation_->begin(*state_directory_);
  if (begun && !*begun)
    return;
  auto made = begun ? begin_groups() : expected<void>{begun.error()};
  if (!made) {
    problems_.push_back(made.error().message());
    return;
  }
  campaign_at_home();
  mesh_->greet_again();
}

void host::implementation::met(raft::node_id peer) {
  peers_.at(peer).met_at = now_;
  touch_all();
}

void host::implementation::lost(raft::node_id peer, bool ours) {
  if (ours && formed_)
    for (auto& one : seats_)
      one->part->lost_peer(peer, now_);
  touch_all();
}

void host::implementation::take(raft::node_id from, frame what) {
  if (auto* one = std::get_if<reply_frame>(&what)) {
    if (is_order_tag(one->tag))
      return take_order_reply(*one);
    // Only who leads is asked, so nobody else can answer.
    if (auto* where = find_seat(one->group);
        where != nullptr && from == where->asks.leader()) {
      where->asks.take(std::move(*one), now_);
      touch(*where);
    }
  } else if (!formed_) {
    return;
  } else if (auto* beats = std::get_if<beats_frame>(&what)) {
    take_beats(from, *beats);
  } else if (auto* message = std::get_if<raft_frame>(&what)) {
    if (auto* where = find_seat(message->group);
        where != nullptr && message->what.from == from
        && where->part->receive(std::move(message->what), now_))
      touch(*where);
  } else if (auto* request = std::get_if<request_frame>(&what)) {
    if (auto* where = find_seat(request->group)) {
      where->part->request(from, std::move(*request));
      touch(*where);
    }
  } else if (auto* order = std::get_if<order_frame>(&what)) {
    take_order(from, *order);
  }
}

void host::implementation::take_beats(raft::node_id from,
                                      const beats_frame& what) {
  for (const auto& one : what.beats) {
    auto* where = find_seat(one.group);
    if (where == nullptr)
      continue;
    raft::message message{.from = from,
                          .to = options_.self,
                          .incarnation = what.incarnation,
                          .term = one.term};
    if (what.replies)
      message.body = raft::heartbeat_reply{one.round};
    else
      message.body = raft::heartbeat{one.commit, one.round};
    if (where->part->receive(std::move(message), now_))
      touch(*where);
  }
}

} // namespace neuroplex::agreement
