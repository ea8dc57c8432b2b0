#include "tests/sim/pbft/liar.hpp"

#include "tests/sim/pbft/keys.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::sim {

namespace {

constexpr std::size_t most_remembered = 64;

} // namespace

pbft::digest any_digest(dice& thrown) {
  pbft::digest result;
  for (auto& byte : result.bytes) {
    byte = static_cast<std::uint8_t>(thrown.next());
  }
  return result;
}

lies draw_lies(dice& thrown, std::size_t replicas) {
  lies told;
  const auto share = [&](std::uint64_t most) {
    const auto value = static_cast<std::uint32_t>(thrown.below(most));
    return thrown.coin() ? value : 0;
  };
  told.two_faces = thrown.coin();
  told.silence_ppm = thrown.below(6) == 0 ? 1'000'000 : share(400'000);
  told.wrong_digest_ppm = share(300'000);
  told.wrong_tag_ppm = share(200'000);
  told.replay_ppm = share(200'000);
  told.wrong_state_ppm = share(800'000);
  told.wrong_history_ppm = share(900'000);
  told.forged_request_ppm = share(300'000);
  told.ignored.resize(replicas);
  if (thrown.below(3) == 0) {
    told.ignored[thrown.below(replicas)] = true;
  }
  return told;
}

pbft_liar::pbft_liar(kernel& world, machine& box, carrier carry,
                     const pbft::options& settings, const lies& told,
                     std::vector<int> faces, std::vector<pbft::node_id> clients,
                     std::shared_ptr<const pbft::crypto> keys)
  : world_{world}, box_{box}, carry_{std::move(carry)}, settings_{settings},
    told_{told}, faces_{std::move(faces)}, clients_{std::move(clients)},
    keys_{std::move(keys)}, dice_{world.stream("liar", settings.id)},
    salt_{dice_.next()} {
  box_.on_start = [this] {
    for (int face = 0; face < (told_.two_faces ? 2 : 1); ++face) {
      auto& one = twins_[static_cast<std::size_t>(face)];
      one = {};
      auto made = pbft::core::create(settings_, gullible_keys(keys_), {},
                                     box_.local_now());
      if (!made) {
        world_.fail("setup: " + made.error().to_string());
        return;
      }
      one.node = std::make_unique<pbft::core>(*std::move(made));
      feed(face, pbft::tick{});
    }
  };
}

bool pbft_liar::shows(int face, pbft::node_id to) const {
  const auto place = settings_.index_of(to);
  return !told_.two_faces || !place || faces_[*place] == face
         || faces_[*place] < 0;
}

// A view-change that it is sent becomes one that tells of nothing: so it leads
// into a view without what was prepared, if that can be done without keys.
pbft::packet pbft_liar::twist(const pbft::packet& what) {
  auto read = pbft::decode_message(what.bytes);
  auto* said = read ? std::get_if<pbft::view_change>(&read->body) : nullptr;
  if (said == nullptr
      || mix(said->view ^ salt_) % 1'000'000 >= told_.wrong_history_ppm) {
    return what;
  }
  ++lies_told_;
  said->prepared.clear();
  said->pre_prepared.clear();
  pbft::seal(*said, settings_.group, *keys_);
  auto twisted = what;
  twisted.bytes = pbft::encode_message(*read);
  // The key of a pair works both ways.
  twisted.tag = keys_->authenticate(read->from, twisted.bytes.view());
  return twisted;
}

void pbft_liar::receive(const pbft::packet& packet, int face) {
  const auto from = pbft::claimed_sender(packet.bytes.view());
  const auto what = twist(packet);
  for (int own = 0; own < (told_.two_faces ? 2 : 1); ++own) {
    if (face < 0 ? shows(own, from) : face == own || !told_.two_faces) {
      feed(own, pbft::received{what});
    }
  }
}

void pbft_liar::feed(int face, const pbft::input& what) {
  auto& one = twins_[static_cast<std::size_t>(face)];
  if (!one.node) {
    return;
  }
  pbft::effects wanted;
  one.node->step(what, box_.local_now(), wanted);
  carry_out(face, wanted);
  arm(face);
}

void pbft_liar::arm(int face) {
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
      feed(face, pbft::tick{});
    }
  });
}

void pbft_liar::carry_out(int face, pbft::effects& wanted) {
  auto& one = twins_[static_cast<std::size_t>(face)];
  for (const auto& packet : wanted.packets) {
    if (shows(face, packet.to)) {
      send(face, packet);
    }
  }
  // It needs no disk: who lies does not mind contradicting itself.
  if (wanted.install && one.state.load(wanted.install->pieces)) {
    feed(face, pbft::installed{wanted.install->sequence});
  }
  for (const auto& what : wanted.executions) {
    pbft::executed done{what.sequence, {}, {}};
    for (const auto& asked : what.requests) {
      done.results.push_back(one.state.execute(asked));
    }
    if (what.checkpoint) {
      done.pieces = one.state.pieces();
    }
    feed(face, done);
  }
  for (const auto& what : wanted.reads) {
    feed(face, pbft::read_answered{what.client, what.number,
                                   one.state.read(what.operation.view())});
  }
  if (wanted.write) {
    feed(face, pbft::persisted{wanted.write->id});
  }
}

void pbft_liar::send(int face, const pbft::packet& what) {
  const auto place = settings_.index_of(what.to);
  if ((place && told_.ignored[*place]) || dice_.chance_ppm(told_.silence_ppm)) {
    ++lies_told_;
    return;
  }
  if (dice_.chance_ppm(told_.replay_ppm) && !said_.empty()) {
    ++lies_told_;
    carry_(settings_.id, said_[dice_.below(said_.size())], face);
  }
  if (said_.size() < most_remembered) {
    said_.push_back(what);
  } else if (dice_.below(8) == 0) {
    said_[dice_.below(said_.size())] = what;
  }
  carry_(settings_.id, tell_lie(what), face);
}

pbft::packet pbft_liar::tell_lie(pbft::packet what) {
  if (dice_.chance_ppm(told_.wrong_tag_ppm)) {
    ++lies_told_;
    what.tag.bytes[dice_.below(what.tag.bytes.size())] ^= 1;
    return what;
  }
  auto read = pbft::decode_message(what.bytes);
  if (!read || !alter(read->body)) {
    return what;
  }
  ++lies_told_;
  what.bytes = pbft::encode_message(*read);
  what.tag = keys_->authenticate(what.to, what.bytes.view());
  return what;
}

// In the name of a client whose keys it does not have: the same to all, or it
// would not get far.
bool pbft_liar::forge_request(pbft::pre_prepare& said) {
  const auto [found, fresh] =
    forged_.try_emplace({said.view, said.sequence, said.of});
  auto& forged = found->second;
  if (fresh && dice_.chance_ppm(told_.forged_request_ppm)) {
    auto requests = *said.requests;
    const auto client = clients_[dice_.below(clients_.size())];
    auto one = pbft::make_request(
      settings_.group, client, dice_.between(1, std::uint64_t{1'000'000}),
      false, pack_command({1, dice_.next(), verb::put, 0, dice_.next(), 0}, 0));
    one.tags = slice::copy_of(
      std::string(settings_.replicas.size() * sizeof(pbft::mac_tag), 'f'));
    requests.push_back(std::move(one));
    forged = std::make_shared<const pbft::batch>(std::move(requests));
  }
  if (!forged) {
    return false;
  }
  said.of = pbft::digest_of(*keys_, *forged);
  said.requests = forged;
  return true;
}

bool pbft_liar::alter(pbft::message_body& body) {
  if (auto* vote = std::get_if<pbft::prepare>(&body)) {
    if (!dice_.chance_ppm(told_.wrong_digest_ppm)) {
      return false;
    }
    vote->of = any_digest(dice_);
    return true;
  }
  if (auto* vote = std::get_if<pbft::commit>(&body)) {
    if (!dice_.chance_ppm(told_.wrong_digest_ppm)) {
      return false;
    }
    vote->of = any_digest(dice_);
    return true;
  }
  if (auto* said = std::get_if<pbft::checkpoint>(&body)) {
    if (!dice_.chance_ppm(told_.wrong_digest_ppm)) {
      return false;
    }
    said->root = any_digest(dice_);
    said->by = keys_->sign(
      pbft::checkpoint_statement(settings_.group, said->sequence, said->root));
    return true;
  }
  if (auto* said = std::get_if<pbft::reply>(&body)) {
    if (!dice_.chance_ppm(told_.wrong_digest_ppm)) {
      return false;
    }
    said->result = pack_reply({outcome::ok, dice_.next()});
    return true;
  }
  if (auto* said = std::get_if<pbft::pre_prepare>(&body)) {
    return forge_request(*said);
  }
  if (auto* said = std::get_if<pbft::view_change>(&body)) {
    if (!dice_.chance_ppm(told_.wrong_history_ppm)) {
      return false;
    }
    if (dice_.coin()) {
      said->prepared.clear();
      said->pre_prepared.clear();
    }
    if (said->view > 0 && dice_.coin()) {
      const pbft::claim invented{said->stable.sequence + 1, said->view - 1,
                                 any_digest(dice_)};
      if (said->prepared.empty()
          || said->prepared.front().sequence > invented.sequence) {
        said->prepared.insert(said->prepared.begin(), invented);
      } else {
        said->prepared.front().of = invented.of;
        said->prepared.front().view = invented.view;
      }
    }
    pbft::seal(*said, settings_.group, *keys_);
    return true;
  }
  if (auto* said = std::get_if<pbft::new_view>(&body)) {
    if (!dice_.chance_ppm(told_.wrong_history_ppm) || said->proof.empty()) {
      return false;
    }
    // One word less than it takes, or what the others never said.
    if (dice_.coin()) {
      said->proof.pop_back();
    } else {
      for (auto& one : said->proof) {
        one.prepared.clear();
        one.pre_prepared.clear();
        pbft::seal(one, settings_.group, *keys_);
      }
    }
    pbft::seal(*said, settings_.group, *keys_);
    return true;
  }
  if (!dice_.chance_ppm(told_.wrong_state_ppm)) {
    return false;
  }
  if (auto* sent = std::get_if<pbft::piece>(&body)) {
    sent->data = slice::copy_of("something else");
    return true;
  }
  if (auto* sent = std::get_if<pbft::manifest>(&body)) {
    sent->pieces.push_back(any_digest(dice_));
    return true;
  }
  if (auto* sent = std::get_if<pbft::committed>(&body)) {
    sent->requests = std::make_shared<const pbft::batch>();
    sent->of = pbft::digest_of(*keys_, {});
    return true;
  }
  if (auto* sent = std::get_if<pbft::stable_proof>(&body)) {
    sent->sequence += settings_.checkpoint_interval;
    return true;
  }
  if (auto* sent = std::get_if<pbft::status_message>(&body)) {
    sent->executed = dice_.next();
    return true;
  }
  return false;
}

} // namespace neuroplex::sim
