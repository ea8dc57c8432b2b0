#include "tests/sim/pbft/invariants.hpp"

#include <algorithm>
#include <string>
#include <type_traits>
#include <utility>
#include <xxhash.h>

namespace neuroplex::sim {

namespace {

std::uint64_t hash_of(const pbft::request& what) {
  return XXH3_64bits(what.core.view().data(), what.core.size());
}

bool has_claim(const std::vector<pbft::claim>& claims, pbft::view_number view,
               const pbft::digest& of) {
  return std::any_of(claims.begin(), claims.end(), [&](const auto& one) {
    return one.of == of && one.view >= view;
  });
}

/// Whether the disk has what a message promises.
struct promise_keeper {
  const pbft::durable_state& disk;

  [[nodiscard]] bool accepted(pbft::view_number view,
                              pbft::sequence_number sequence,
                              const pbft::digest& of) const {
    const auto found = disk.slots.find(sequence);
    return sequence <= disk.stable.sequence
           || (found != disk.slots.end()
               && has_claim(found->second.pre_prepared, view, of));
  }

  bool operator()(const pbft::pre_prepare& body) const {
    return accepted(body.view, body.sequence, body.of)
           && disk.view.view >= body.view;
  }

  bool operator()(const pbft::prepare& body) const {
    return accepted(body.view, body.sequence, body.of)
           && disk.view.view >= body.view;
  }

  bool operator()(const pbft::commit& body) const {
    const auto found = disk.slots.find(body.sequence);
    return body.sequence <= disk.stable.sequence
           || (found != disk.slots.end() && found->second.prepared
               && found->second.prepared->view >= body.view);
  }

  bool operator()(const pbft::checkpoint& body) const {
    return body.sequence <= disk.stable.sequence
           || disk.checkpoints.contains(body.sequence);
  }

  bool operator()(const pbft::view_change& body) const {
    return disk.view.view >= body.view;
  }

  template <class Other>
  bool operator()(const Other& /*body*/) const {
    return true;
  }
};

/// In which view something is promised; 0 where nothing is.
pbft::view_number view_of(const pbft::message& what) {
  return std::visit(
    [](const auto& body) -> pbft::view_number {
      using body_type = std::decay_t<decltype(body)>;
      if constexpr (
        std::is_same_v<
          body_type,
          pbft::
            prepare> || std::is_same_v<body_type, pbft::commit> || std::is_same_v<body_type, pbft::pre_prepare> || std::is_same_v<body_type, pbft::view_change>) {
        return body.view;
      } else {
        return 0;
      }
    },
    what.body);
}

} // namespace

std::string replica_text(pbft::node_id id) {
  return "replica " + std::to_string(id);
}

void pbft_invariants::saw_request(const pbft::request& what) {
  asked_[{what.client, what.number}] = hash_of(what);
}

void pbft_invariants::saw_execution(pbft::node_id replica,
                                    const pbft::execution& what) {
  std::uint64_t all = what.requests.size();
  for (const auto& one : what.requests) {
    const auto hash = hash_of(one);
    all = mix(all ^ hash);
    const auto name = std::make_pair(one.client, one.number);
    if (!liars_.contains(one.client)) {
      const auto asked = asked_.find(name);
      if (asked == asked_.end() || asked->second != hash) {
        world_.fail("validity: " + replica_text(replica)
                    + " executes what client " + std::to_string(one.client)
                    + " never asked for, at " + std::to_string(what.sequence));
        return;
      }
    }
    const auto placed = placed_.try_emplace(name, what.sequence);
    if (placed.first->second != what.sequence) {
      world_.fail("once: request " + std::to_string(one.number) + " of client "
                  + std::to_string(one.client) + " is executed at "
                  + std::to_string(placed.first->second) + " and, by "
                  + replica_text(replica) + ", at "
                  + std::to_string(what.sequence));
      return;
    }
  }
  const auto known = executions_.try_emplace(what.sequence, all);
  if (known.first->second != all) {
    world_.fail("agreement: " + replica_text(replica)
                + " executes other requests at "
                + std::to_string(what.sequence));
  }
}

void pbft_invariants::saw_state(pbft::node_id replica,
                                pbft::sequence_number sequence,
                                std::uint64_t state) {
  const auto known = states_.try_emplace(sequence, state);
  if (known.first->second != state) {
    world_.fail("agreement: " + replica_text(replica)
                + " has another state after " + std::to_string(sequence));
  }
}

void pbft_invariants::check_view(pbft::node_id replica,
                                 pbft::view_number before,
                                 pbft::view_number view) {
  if (view < before) {
    world_.fail("views only grow: " + replica_text(replica) + " went from view "
                + std::to_string(before) + " back to " + std::to_string(view));
  }
  highest_view_ = std::max(highest_view_, view);
}

void pbft_invariants::saw_view(pbft::node_id replica, pbft::view_number view) {
  check_view(replica, std::exchange(views_[replica], view), view);
}

void pbft_invariants::saw_start(pbft::node_id replica, pbft::view_number view) {
  check_view(replica, said_[replica], view);
  views_[replica] = view;
}

void pbft_invariants::saw_packet(pbft::node_id replica,
                                 const pbft::message& what,
                                 const pbft::durable_state& disk) {
  auto& said = said_[replica];
  said = std::max(said, view_of(what));
  if (!std::visit(promise_keeper{disk}, what.body)) {
    world_.fail("promises are durable: a message of kind "
                + std::to_string(what.body.index()) + " left "
                + replica_text(replica) + " before they were");
  }
}

} // namespace neuroplex::sim
