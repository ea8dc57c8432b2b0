#include "tests/sim/raft/client.hpp"

#include <utility>

namespace neuroplex::sim {

using namespace std::chrono_literals;

raft_client::raft_client(kernel& world, network& links, history& told,
                         const client_settings& settings,
                         std::vector<std::unique_ptr<raft_host>>& nodes)
  : world_{world}, links_{links}, told_{told}, settings_{settings},
    nodes_{nodes}, dice_{world.stream("client", settings.number)},
    place_{links.add([](const network::delivery& arrive) { arrive(); })},
    last_seen_(settings.keys) {
}

void raft_client::begin() {
  active_ = true;
  think();
}

void raft_client::think() {
  world_.after(dice_.between(0ns, settings_.longest_thought), [this] {
    if (!active_ || busy_) {
      return;
    }
    const auto key = static_cast<std::uint32_t>(dice_.below(settings_.keys));
    const auto what = dice_.below(10) < settings_.reads_of_ten ? verb::get
                      : dice_.below(3) == 0                    ? verb::cas
                                                               : verb::put;
    ask(what, key, nullptr);
  });
}

void raft_client::ask(verb what, std::uint32_t key,
                      std::function<void(bool)> done) {
  busy_ = true;
  done_ = std::move(done);
  perhaps_taken_ = settings_.requests_may_repeat;
  tries_ = 0;
  asked_ = {};
  asked_.client = settings_.number;
  asked_.sequence = ++sequence_;
  asked_.what = what;
  asked_.key = key;
  if (what != verb::get) {
    // Never the same number twice, by anybody.
    asked_.value =
      (std::uint64_t{settings_.number} + 1) * 1'000'000 + ++written_;
  }
  if (what == verb::cas) {
    asked_.expect = last_seen_[key];
  }
  operation begun;
  begun.what = what;
  begun.client = settings_.number;
  begun.key = key;
  begun.value = asked_.value;
  begun.expect = asked_.expect;
  begun.call = world_.now();
  entry_ = told_.begin(begun);
  try_once();
}

void raft_client::try_once() {
  if (tries_ == settings_.most_tries) {
    finish({perhaps_taken_ ? outcome::unknown : outcome::failed, absent});
    return;
  }
  const auto attempt = ++tries_;
  const auto sequence = asked_.sequence;
  const auto target = believed_leader_;
  client_request wish;
  wish.asked = asked_;
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
    if (busy_ && sequence == asked_.sequence && attempt == tries_) {
      perhaps_taken_ = true;
      believed_leader_ = dice_.below(nodes_.size());
      try_once();
    }
  });
}

void raft_client::heard(std::uint64_t sequence, unsigned attempt, reply what,
                        raft::node_id leader) {
  // An answer to an earlier try is as good, unless it is only a refusal.
  if (!busy_ || sequence != asked_.sequence) {
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
  world_.after(
    dice_.between(1ms, settings_.patience / 4), [this, sequence, attempt] {
      if (busy_ && sequence == asked_.sequence && attempt == tries_) {
        try_once();
      }
    });
}

void raft_client::finish(reply what) {
  busy_ = false;
  const auto good =
    what.result == outcome::ok || what.result == outcome::mismatch;
  succeeded_ += good ? 1 : 0;
  if (good) {
    last_seen_[asked_.key] =
      what.result == outcome::ok && asked_.what != verb::get ? asked_.value
                                                             : what.value;
  }
  told_.end(entry_, world_.now(), what.result, what.value);
  world_.note("client", settings_.number,
              static_cast<std::uint64_t>(what.result), what.value);
  if (const auto done = std::exchange(done_, nullptr)) {
    done(good);
  }
  if (active_ && !busy_) {
    think();
  }
}

} // namespace neuroplex::sim
