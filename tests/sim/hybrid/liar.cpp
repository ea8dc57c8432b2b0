#include "tests/sim/hybrid/liar.hpp"

#include "consensus/raft/codec.hpp"
#include "tests/sim/hybrid/registers.hpp"
#include "tests/sim/pbft/keys.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::sim {

hybrid_lies draw_hybrid_lies(dice& thrown, std::size_t replicas) {
  hybrid_lies result;
  result.told = draw_lies(thrown, replicas);
  // Who says little is soon replaced, and does no more harm.
  if (thrown.below(4) != 0) {
    result.told.silence_ppm = 0;
    result.told.wrong_tag_ppm = 0;
    result.told.wrong_digest_ppm /= 100;
  }
  const auto share = [&](std::uint64_t most) {
    const auto value = static_cast<std::uint32_t>(thrown.below(most));
    return thrown.coin() ? value : 0;
  };
  result.forks = thrown.coin();
  result.answers_early = thrown.below(4) == 0;
  result.wrong_stop_ppm = share(1'000'000);
  result.wrong_order_ppm = share(900'000);
  result.wrong_standing_ppm = share(20'000);
  result.wrong_entries_ppm = share(500'000);
  return result;
}

hybrid_liar::hybrid_liar(kernel& world, machine& box, carrier carry,
                         const hybrid::options& settings,
                         const hybrid_lies& told, std::vector<int> faces,
                         const hybrid::replica_keys& keys)
  : world_{world}, box_{box}, carry_{std::move(carry)}, settings_{settings},
    told_{told}, faces_{std::move(faces)}, keys_{keys},
    dice_{world.stream("liar", settings.agreement.id)} {
  box_.on_start = [this] {
    auto control = settings_.agreement;
    control.id = hybrid::control_client_of(control.id);
    schemer_ = std::make_unique<pbft::client>(*pbft::client::create(
      control, keys_.control,
      static_cast<pbft::timestamp>(world_.now().count()) + (1ULL << 40)));
    for (int face = 0; face < (told_.told.two_faces ? 2 : 1); ++face) {
      auto& one = twins_[static_cast<std::size_t>(face)];
      one = {};
      auto made = hybrid::core::create(
        settings_, keys_, std::make_unique<plain_registers>(), {},
        static_cast<pbft::timestamp>(world_.now().count()) + 1,
        box_.local_now());
      if (!made) {
        world_.fail("setup: " + made.error().to_string());
        return;
      }
      one.node = std::make_unique<hybrid::core>(*std::move(made));
      feed(face, hybrid::tick{});
    }
  };
}

bool hybrid_liar::shows(int face, pbft::node_id to) const {
  const auto place = settings_.agreement.index_of(to);
  return !told_.told.two_faces || !place || faces_[*place] == face
         || faces_[*place] < 0;
}

// What others say of an epoch may be of use when it ends.
void hybrid_liar::note(const hybrid::message& what) {
  if (const auto* one = std::get_if<hybrid::stop>(&what.body)) {
    stops_[one->epoch].emplace(one->replica, *one);
    heads_[one->epoch].emplace(one->last, one->by_leader);
  }
  if (const auto* one = std::get_if<hybrid::holding>(&what.body)) {
    holdings_[one->epoch].push_back(*one);
  }
  if (const auto* one = std::get_if<hybrid::standing>(&what.body)) {
    if (one->where.how == hybrid::mode::raft) {
      heads_[one->where.epoch].emplace(one->accepted, one->by_leader);
    }
  }
}

void hybrid_liar::receive(const pbft::packet& packet, int face) {
  const auto from = pbft::claimed_sender(packet.bytes.view());
  if (hybrid::is_hybrid(packet.bytes.view())) {
    if (const auto read = hybrid::decode_message(packet.bytes)) {
      note(*read);
      const auto* asked = std::get_if<hybrid::ask>(&read->body);
      if (asked != nullptr && told_.answers_early) {
        answer_early(0, *asked);
      }
    }
  }
  for (int own = 0; own < (told_.told.two_faces ? 2 : 1); ++own) {
    if (face < 0 ? shows(own, from) : face == own || !told_.told.two_faces) {
      feed(own, hybrid::received{packet});
    }
  }
}

// "Done", though nothing was.
void hybrid_liar::answer_early(int face, const hybrid::ask& what) {
  const auto& node = twins_[0].node;
  if (!node || node->state().where.leader != settings_.agreement.id) {
    return;
  }
  ++lies_told_;
  const hybrid::answer said{node->state().where, what.what.number, true,
                            pack_reply({outcome::ok, dice_.below(100)})};
  const auto bytes = hybrid::encode_message(
    {settings_.agreement.group, settings_.agreement.id, said});
  carry_(settings_.agreement.id,
         {what.what.client, bytes,
          keys_.own->authenticate(what.what.client, bytes.view())},
         face);
}

void hybrid_liar::feed(int face, const hybrid::input& what) {
  auto& one = twins_[static_cast<std::size_t>(face)];
  if (!one.node) {
    return;
  }
  hybrid::effects wanted;
  one.node->step(what, box_.local_now(), wanted);
  for (const auto& packet : wanted.packets) {
    if (shows(face, packet.to)) {
      send(face, packet);
    }
  }
  // It needs no disk: who lies does not mind contradicting itself.
  if (wanted.write) {
    feed(face, hybrid::persisted{wanted.write->id});
  }
  arm(face);
}

void hybrid_liar::arm(int face) {
  auto& one = twins_[static_cast<std::size_t>(face)];
  const auto deadline = one.node->next_deadline();
  if (deadline >= one.armed_for || deadline == pbft::time::max()) {
    return;
  }
  one.armed_for = deadline;
  box_.at_local(deadline, [this, face, deadline] {
    auto& due = twins_[static_cast<std::size_t>(face)];
    if (due.armed_for == deadline) {
      due.armed_for = nanoseconds::max();
      feed(face, hybrid::tick{});
    }
  });
}

void hybrid_liar::send(int face, const pbft::packet& what) {
  const auto id = settings_.agreement.id;
  const auto place = settings_.agreement.index_of(what.to);
  if ((place && told_.told.ignored[*place])
      || dice_.chance_ppm(told_.told.silence_ppm)) {
    ++lies_told_;
    return;
  }
  if (dice_.chance_ppm(told_.told.replay_ppm) && !said_.empty()) {
    ++lies_told_;
    carry_(id, said_[dice_.below(said_.size())], face);
  }
  if (said_.size() < packets_remembered) {
    said_.push_back(what);
  } else if (dice_.below(8) == 0) {
    said_[dice_.below(said_.size())] = what;
  }
  carry_(id, tell_lie(face, what), face);
}

pbft::packet hybrid_liar::tell_lie(int face, pbft::packet what) {
  if (dice_.chance_ppm(told_.told.wrong_tag_ppm)) {
    ++lies_told_;
    what.tag.bytes[dice_.below(what.tag.bytes.size())] ^= 1;
    return what;
  }
  if (!hybrid::is_hybrid(what.bytes.view())) {
    return what;
  }
  auto read = hybrid::decode_message(what.bytes);
  if (!read) {
    return what;
  }
  note(*read);
  if (!alter(face, what.to, read->body)) {
    return what;
  }
  ++lies_told_;
  what.bytes = hybrid::encode_message(*read);
  what.tag = keys_.own->authenticate(what.to, what.bytes.view());
  return what;
}

// Every entry of a client becomes one without a command, or one that it asked
// for before: each follows on the one before, and the leader signs for it.
bool hybrid_liar::show_fork(int face, pbft::node_id to,
                            hybrid::raft_message& said) {
  const auto place = settings_.agreement.index_of(to);
  const auto& node = twins_[static_cast<std::size_t>(face)].node;
  if (!told_.forks || !place || *place % 2 == 0 || !node
      || node->state().where.leader != settings_.agreement.id) {
    return false;
  }
  auto read = raft::decode_message(said.encoded);
  auto* sent = read ? std::get_if<raft::append_request>(&read->body) : nullptr;
  if (sent == nullptr || sent->entries.empty()) {
    return false;
  }
  auto& shown = forks_[to];
  if (shown.epoch != said.epoch) {
    shown = {said.epoch, {}, {}};
    const auto& where = node->state().where;
    // The start of the chain is what everybody's is.
    shown.chain[0] = pbft::digest{};
    const auto known = heads_[said.epoch].begin();
    if (where.epoch != said.epoch || known == heads_[said.epoch].end()
        || known->first.index != 0) {
      shown.epoch = 0;
      return false;
    }
    shown.chain[0] = known->first.chain;
  }
  const auto before = shown.chain.find(sent->prev_index);
  if (before == shown.chain.end()) {
    return false;
  }
  auto chain = before->second;
  for (auto& one : sent->entries) {
    auto [known, fresh] = shown.entries.try_emplace(one.index, one);
    if (fresh && one.kind == raft::entry_kind::command && dice_.below(3) != 0) {
      ++forks_shown_;
      known->second.kind = raft::entry_kind::nothing;
      known->second.data = {};
    }
    one = known->second;
    chain = hybrid::chain_after(*keys_.own, chain, one);
    shown.chain[one.index] = chain;
  }
  said.by_leader = keys_.own->sign(
    hybrid::head_statement(settings_.agreement.group, said.epoch,
                           {sent->entries.back().index, chain}));
  std::string bytes;
  raft::encode_message(*read, bytes);
  said.encoded = slice::copy_of(bytes);
  return true;
}

bool hybrid_liar::alter(int face, pbft::node_id to,
                        hybrid::message_body& body) {
  const auto group = settings_.agreement.group;
  if (auto* said = std::get_if<hybrid::raft_message>(&body)) {
    return show_fork(face, to, *said);
  }
  if (auto* said = std::get_if<hybrid::stop>(&body)) {
    if (!dice_.chance_ppm(told_.wrong_stop_ppm)) {
      return false;
    }
    const auto& heads = heads_[said->epoch];
    const auto leads =
      twins_[static_cast<std::size_t>(face)].node->state().where.leader
      == settings_.agreement.id;
    if (leads && dice_.coin()) {
      // Of a chain that nobody has.
      said->last = {said->last.index + 1 + dice_.below(4), any_digest(dice_)};
      said->by_leader =
        keys_.own->sign(hybrid::head_statement(group, said->epoch, said->last));
    } else if (!heads.empty()) {
      // Less than it accepted.
      auto chosen = heads.begin();
      std::advance(
        chosen, static_cast<std::ptrdiff_t>(dice_.below(1 + heads.size() / 2)));
      if (chosen == heads.end()) {
        chosen = heads.begin();
      }
      said->last = chosen->first;
      said->by_leader = chosen->second;
    }
    said->by = keys_.own->sign(hybrid::stop_statement(group, *said));
    return true;
  }
  if (auto* said = std::get_if<hybrid::standing>(&body)) {
    scheme(face);
    if (!dice_.chance_ppm(told_.wrong_standing_ppm)) {
      return false;
    }
    if (dice_.coin()) {
      hybrid::doubt alone{settings_.agreement.id, said->where.epoch, {}};
      alone.by = keys_.own->sign(hybrid::doubt_statement(group, alone));
      body = alone;
    } else {
      said->root = any_digest(dice_);
      said->begun = keys_.own->sign(
        hybrid::begun_statement(group, said->where, said->root));
    }
    return true;
  }
  if (auto* said = std::get_if<hybrid::entries_sent>(&body)) {
    if (!dice_.chance_ppm(told_.wrong_entries_ppm) || said->entries.empty()) {
      return false;
    }
    said->entries.back().data = slice::copy_of("something else");
    return true;
  }
  return false;
}

// An order to close the epoch with another history than a quorum stopped with.
void hybrid_liar::scheme(int face) {
  const auto& node = twins_[static_cast<std::size_t>(face)].node;
  const auto where = node->state().where;
  if (where.how != hybrid::mode::raft
      || !dice_.chance_ppm(told_.wrong_order_ppm)) {
    return;
  }
  hybrid::close_order order{where.epoch, {}, {}};
  for (const auto& [replica, one] : stops_[where.epoch]) {
    order.stops.push_back(one);
  }
  std::sort(order.stops.begin(), order.stops.end(),
            [](const auto& x, const auto& y) { return x.last < y.last; });
  const auto quorum = settings_.agreement.quorum();
  switch (dice_.below(4)) {
    case 0: // fewer than a quorum, those who had least
      order.stops.resize(
        std::min(order.stops.size(), settings_.agreement.weak_quorum()));
      break;
    case 1: // words that the others never said
      for (auto id : settings_.agreement.replicas) {
        const auto known =
          std::any_of(order.stops.begin(), order.stops.end(),
                      [id](const auto& one) { return one.replica == id; });
        if (!known && order.stops.size() < quorum && !order.stops.empty()) {
          auto invented = order.stops.front();
          invented.replica = id;
          invented.by = keys_.own->sign(
            hybrid::stop_statement(settings_.agreement.group, invented));
          order.stops.push_back(invented);
        }
      }
      for (auto& one : order.stops) {
        one.last = order.stops.front().last;
        one.by_leader = order.stops.front().by_leader;
      }
      break;
    case 2: // one word several times
      while (!order.stops.empty() && order.stops.size() < quorum) {
        order.stops.push_back(order.stops.front());
      }
      break;
    default: // the true ones, without anybody who holds the entries
      break;
  }
  if (order.stops.empty()) {
    return;
  }
  if (dice_.coin()) {
    order.holdings = holdings_[where.epoch];
    order.holdings.resize(
      std::min(order.holdings.size(), settings_.agreement.replicas.size()));
  }
  ++lies_told_;
  pbft::client_effects wanted;
  schemer_->invoke(hybrid::encode_order(order), false, world_.now(), wanted);
  schemer_->tick(world_.now() + settings_.agreement.longest_timeout, wanted);
  for (const auto& one : wanted.packets) {
    if (one.to == settings_.agreement.id) {
      feed(face, hybrid::received{one});
    } else {
      carry_(settings_.agreement.id, one, face);
    }
  }
}

} // namespace neuroplex::sim
