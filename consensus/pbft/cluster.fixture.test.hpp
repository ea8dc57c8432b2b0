// A small PBFT group in memory, for tests: cores with real keys, a queue of
// packets that the test may look at, and disks that finish at once unless the
// test says otherwise.
//
// Threads: one at a time. Everything is deterministic.
#pragma once

#include "consensus/pbft/client.hpp"
#include "consensus/pbft/core.hpp"
#include "consensus/pbft/sodium_crypto.hpp"

#include <catch2/catch.hpp>

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace neuroplex::pbft::testing {

using namespace std::chrono_literals;

inline constexpr node_id first_client = 100;

inline secret_seed seed_of(node_id id) {
  secret_seed seed;
  seed.bytes.fill(static_cast<std::uint8_t>(id));
  return seed;
}

/// The keys of replicas 1 to `replicas` and of some clients.
inline std::map<node_id, public_key> keys_of(std::size_t replicas) {
  std::map<node_id, public_key> keys;
  for (node_id id = 1; id <= replicas; ++id)
    keys[id] = *public_key_of(seed_of(id));
  for (node_id id = first_client; id < first_client + 4; ++id)
    keys[id] = *public_key_of(seed_of(id));
  return keys;
}

inline options options_for(node_id id, std::size_t replicas = 4,
                           std::size_t faults = 1) {
  options settings;
  settings.group = 7;
  settings.id = id;
  settings.faults = faults;
  for (node_id one = 1; one <= replicas; ++one)
    settings.replicas.push_back(one);
  settings.checkpoint_interval = 4;
  settings.window = 16;
  return settings;
}

/// A state machine that joins the operations it is given. What is appended
/// leaves all pieces of its state as they were but the last.
struct journal {
  static constexpr std::size_t piece_bytes = 16;

  std::string text{};

  [[nodiscard]] std::vector<slice> pieces() const {
    std::vector<slice> result;
    for (std::size_t at = 0; at < text.size(); at += piece_bytes)
      result.push_back(
        slice::copy_of(std::string_view{text}.substr(at, piece_bytes)));
    return result;
  }

  slice execute(const request& what) {
    text += std::string{what.operation.view()} + ";";
    return slice::copy_of(std::to_string(text.size()));
  }
};

struct replica {
  std::unique_ptr<core> brain{};
  durable_state disk{};
  journal state{};
  std::vector<sequence_number> executed{};
  bool up = true;
  bool disk_works = true;
  std::vector<disk_write> unwritten{};
};

class group {
public:
  explicit group(std::size_t replicas = 4, std::size_t faults = 1)
    : count_{replicas}, faults_{faults}, keys_{keys_of(replicas)} {
    for (node_id id = 1; id <= replicas; ++id)
      start(id);
    settle();
  }

  /// Starts a replica from what its disk has.
  void start(node_id id) {
    auto& one = nodes[id];
    auto made = core::create(options_for(id, count_, faults_), crypto_of(id),
                             one.disk, now);
    REQUIRE(made);
    one.brain = std::make_unique<core>(*std::move(made));
    one.state = {};
    one.unwritten.clear();
    one.up = true;
    turn(id, tick{});
  }

  void stop(node_id id) {
    nodes[id].up = false;
    nodes[id].brain.reset();
  }

  std::shared_ptr<const crypto> crypto_of(node_id id) {
    auto& known = cryptos_[id];
    if (!known) {
      auto made = sodium_crypto::make(seed_of(id), keys_);
      REQUIRE(made);
      known = *std::move(made);
    }
    return known;
  }

  void turn(node_id id, const input& what) {
    auto& one = nodes[id];
    if (!one.up)
      return;
    effects out;
    one.brain->step(what, now, out);
    carry_out(id, out);
  }

  void carry_out(node_id id, effects& out) {
    auto& one = nodes[id];
    for (auto& packet : out.packets)
      packets.push_back({id, std::move(packet)});
    if (out.write)
      one.unwritten.push_back(std::move(*out.write));
    if (out.install) {
      one.state.text.clear();
      for (const auto& piece : out.install->pieces)
        one.state.text += piece.view();
      turn(id, installed{out.install->sequence});
    }
    for (const auto& what : out.executions) {
      executed done{what.sequence, {}, {}};
      for (const auto& asked : what.requests)
        done.results.push_back(one.state.execute(asked));
      if (what.checkpoint)
        done.pieces = one.state.pieces();
      one.executed.push_back(what.sequence);
      turn(id, done);
    }
    for (const auto& read : out.reads)
      turn(id, read_answered{read.client, read.number,
                             slice::copy_of(one.state.text)});
    if (one.disk_works)
      finish_writes(id);
  }

  void finish_writes(node_id id) {
    auto writes = std::exchange(nodes[id].unwritten, {});
    for (const auto& write : writes) {
      for (const auto& record : write.records)
        nodes[id].disk.apply(record);
      turn(id, persisted{write.id});
    }
  }

  /// Delivers until nothing is under way. `pass` may hold packets back.
  void settle() {
    while (!packets.empty()) {
      auto [from, what] = std::move(packets.front());
      packets.pop_front();
      if (pass && !pass(from, what))
        continue;
      if (nodes.contains(what.to))
        turn(what.to, received{what});
      else
        to_clients.push_back(std::move(what));
    }
  }

  /// Time passes; all timers that are due run.
  void wait(time length) {
    for (auto end = now + length; now < end;) {
      now += 50ms;
      for (auto& [id, one] : nodes)
        if (one.up && one.brain->next_deadline() <= now)
          turn(id, tick{});
      settle();
      tick_client();
    }
  }

  /// One operation by a real client, until it is answered or time is over.
  std::optional<std::string> ask(const std::string& operation,
                                 bool read_only = false, time patience = 5s) {
    auto& who = client_of(first_client);
    client_effects out;
    who.invoke(slice::copy_of(operation), read_only, now, out);
    send_of_client(out);
    auto end = now + patience;
    settle();
    hear();
    while (who.is_busy() && now < end) {
      wait(50ms);
      hear();
    }
    return std::exchange(answer, std::nullopt);
  }

  client& client_of(node_id id) {
    auto& known = clients_[id];
    if (!known) {
      auto made = client::create(options_for(id, count_, faults_),
                                 crypto_of(id), ++first_number_ * 1'000);
      REQUIRE(made);
      known = std::make_unique<client>(*std::move(made));
    }
    return *known;
  }

  core& at(node_id id) {
    return *nodes[id].brain;
  }

  /// A message from `from` that only `to` will believe.
  packet forge(node_id from, node_id to, message_body body) {
    auto bytes = encode_message({7, from, std::move(body)});
    return {to, bytes, crypto_of(from)->authenticate(to, bytes.view())};
  }

  std::map<node_id, replica> nodes{};
  std::deque<std::pair<node_id, packet>> packets{};
  std::vector<packet> to_clients{};
  std::function<bool(node_id, const packet&)> pass{};
  std::optional<std::string> answer{};
  time now{1s};

private:
  void send_of_client(client_effects& out) {
    for (auto& one : out.packets)
      packets.push_back({first_client, std::move(one)});
    if (out.result)
      answer = std::string{out.result->view()};
  }

  void tick_client() {
    auto found = clients_.find(first_client);
    if (found == clients_.end() || found->second->next_deadline() > now)
      return;
    client_effects out;
    found->second->tick(now, out);
    send_of_client(out);
    settle();
  }

  void hear() {
    for (auto& one : std::exchange(to_clients, {})) {
      client_effects out;
      client_of(first_client).receive(one, now, out);
      send_of_client(out);
    }
    settle();
  }

  std::size_t count_;
  std::size_t faults_;
  std::map<node_id, public_key> keys_;
  std::map<node_id, std::shared_ptr<const crypto>> cryptos_;
  std::map<node_id, std::unique_ptr<client>> clients_;
  timestamp first_number_ = 0;
};

/// The body of a packet, whatever its tag.
inline message_body body_of(const packet& what) {
  auto read = decode_message(what.bytes);
  REQUIRE(read);
  return read->body;
}

} // namespace neuroplex::pbft::testing
