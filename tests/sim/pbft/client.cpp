#include "tests/sim/pbft/client.hpp"

#include <utility>

namespace neuroplex::sim {

template <class Node>
group_client<Node>::group_client(kernel& world, carrier carry, history& told,
                                 client_watch watched,
                                 const group_client_settings& settings,
                                 std::shared_ptr<const pbft::crypto> keys)
  : world_{world}, carry_{std::move(carry)}, told_{told}, watched_{std::move(
                                                            watched)},
    settings_{settings}, dice_{world.stream("client", settings.number)},
    last_seen_(settings.keys) {
  auto made = Node::create(settings_.core, std::move(keys), 1);
  if (!made) {
    world_.fail("setup: " + made.error().to_string());
    return;
  }
  node_ = std::make_unique<Node>(*std::move(made));
}

template <class Node>
void group_client<Node>::begin() {
  active_ = true;
  think();
}

template <class Node>
void group_client<Node>::think() {
  world_.after(
    dice_.between(nanoseconds{0}, settings_.longest_thought), [this] {
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

template <class Node>
void group_client<Node>::ask(verb what, std::uint32_t key,
                             std::function<void(bool)> done) {
  busy_ = true;
  done_ = std::move(done);
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
  wishes wanted;
  const auto alone = what == verb::get && dice_.below(4) != 0;
  const auto operation = slice::copy_of(pack_command(asked_, dice_.below(64)));
  if (watched_.asks) {
    watched_.asks(settings_.core.id, operation.view());
  }
  node_->invoke(operation, alone, world_.now(), wanted);
  carry_out(wanted);
  world_.after(settings_.patience, [this, sequence = sequence_] {
    if (busy_ && sequence == asked_.sequence) {
      finish({outcome::unknown, absent});
    }
  });
}

template <class Node>
void group_client<Node>::carry_out(wishes& wanted) {
  for (const auto& one : wanted.packets) {
    if (watched_.sends) {
      watched_.sends(one);
    }
    carry_(settings_.core.id, one, -1);
  }
  if (wanted.result && busy_) {
    auto result = unpack_reply(wanted.result->view());
    if constexpr (std::is_same_v<Node, hybrid::client>) {
      if (watched_.lies && watched_.lies(wanted.believed)) {
        result = {outcome::unknown, absent};
      }
    }
    finish(result);
  }
  arm();
}

template <class Node>
void group_client<Node>::arm() {
  const auto deadline = node_->next_deadline();
  if (!busy_ || deadline == pbft::time::max()) {
    return;
  }
  world_.at(deadline, [this, sequence = sequence_, deadline] {
    if (busy_ && sequence == sequence_ && node_->next_deadline() == deadline) {
      wishes wanted;
      node_->tick(world_.now(), wanted);
      carry_out(wanted);
    }
  });
}

template <class Node>
void group_client<Node>::receive(const pbft::packet& what) {
  if (!busy_) {
    return;
  }
  wishes wanted;
  node_->receive(what, world_.now(), wanted);
  if (wanted.result || !wanted.packets.empty()) {
    carry_out(wanted);
  }
}

template <class Node>
void group_client<Node>::finish(const reply& what) {
  busy_ = false;
  const auto good =
    what.result == outcome::ok || what.result == outcome::mismatch;
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

template class group_client<pbft::client>;
template class group_client<hybrid::client>;

lying_client::lying_client(kernel& world, carrier carry, pbft::options settings,
                           std::uint32_t key,
                           std::shared_ptr<const pbft::crypto> keys)
  : world_{world}, carry_{std::move(carry)}, settings_{std::move(settings)},
    key_{key}, keys_{std::move(keys)}, dice_{world.stream("lying client",
                                                          settings_.id)} {
}

void lying_client::begin(nanoseconds pace) {
  pace_ = pace;
  say();
}

void lying_client::say() {
  ++number_;
  const auto everywhere = dice_.below(4) == 0;
  const auto two_contents = dice_.below(4) == 0;
  const auto with_signature = dice_.below(3) == 0;
  const auto good_at = dice_.below(settings_.replicas.size());
  for (std::size_t place = 0; place < settings_.replicas.size(); ++place) {
    command wish{
      1'000, number_, verb::put, key_, two_contents ? dice_.next() : number_,
      0};
    auto asked = pbft::make_request(settings_.group, settings_.id, number_,
                                    false, pack_command(wish, 0));
    std::string tags;
    for (std::size_t other = 0; other < settings_.replicas.size(); ++other) {
      auto tag =
        keys_->authenticate(settings_.replicas[other], asked.core.view());
      if (!everywhere && other != good_at) {
        tag.bytes[0] ^= 1;
      }
      tags.append(reinterpret_cast<const char*>(tag.bytes.data()),
                  tag.bytes.size());
    }
    asked.tags = slice::copy_of(tags);
    if (with_signature) {
      auto by = keys_->sign(asked.core.view());
      asked.signed_by = slice::copy_of(
        {reinterpret_cast<const char*>(by.bytes.data()), by.bytes.size()});
    }
    const auto bytes = pbft::encode_message(
      {settings_.group, settings_.id, pbft::request_message{asked}});
    const auto to = settings_.replicas[place];
    carry_(settings_.id, {to, bytes, keys_->authenticate(to, bytes.view())},
           -1);
  }
  world_.after(dice_.between(nanoseconds{0}, 2 * pace_), [this] { say(); });
}

} // namespace neuroplex::sim
