#include "tests/sim/pbft/client.hpp"

#include <utility>

namespace neuroplex::sim {

template <class Node>
group_client<Node>::group_client(kernel& world, carrier carry, history& told,
                                 client_watch watched,
                                 const group_client_settings& settings,
                                 std::shared_ptr<const pbft::crypto> keys)
  : register_client{world, told, settings}, carry_{std::move(carry)},
    watched_{std::move(watched)}, id_{settings.core.id}, patience_{
                                                           settings.patience} {
  auto made = Node::create(settings.core, std::move(keys), 1);
  if (!made) {
    world_.fail("setup: " + made.error().to_string());
    return;
  }
  node_ = std::make_unique<Node>(*std::move(made));
}

template <class Node>
void group_client<Node>::send() {
  wishes wanted;
  const auto alone = asked().what == verb::get && dice_.below(4) != 0;
  const auto operation = slice::copy_of(pack_command(asked(), dice_.below(64)));
  if (watched_.asks) {
    watched_.asks(id_, operation.view());
  }
  node_->invoke(operation, alone, world_.now(), wanted);
  carry_out(wanted);
  world_.after(patience_, [this, sequence = asked().sequence] {
    if (awaits(sequence)) {
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
    carry_(id_, one, -1);
  }
  if (wanted.result && is_busy()) {
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
  if (!is_busy() || deadline == pbft::time::max()) {
    return;
  }
  world_.at(deadline, [this, sequence = asked().sequence, deadline] {
    if (awaits(sequence) && node_->next_deadline() == deadline) {
      wishes wanted;
      node_->tick(world_.now(), wanted);
      carry_out(wanted);
    }
  });
}

template <class Node>
void group_client<Node>::receive(const pbft::packet& what) {
  if (!is_busy()) {
    return;
  }
  wishes wanted;
  node_->receive(what, world_.now(), wanted);
  if (wanted.result || !wanted.packets.empty()) {
    carry_out(wanted);
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
