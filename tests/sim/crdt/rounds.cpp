#include "tests/sim/crdt/rounds.hpp"

#include "crdt/delta_synchronizer.hpp"
#include "crdt/g_set.hpp"
#include "tests/sim/dice.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>

namespace neuroplex::sim {

namespace {

constexpr std::size_t replica_count = 1'024;
constexpr std::size_t fan_out = 3;
constexpr std::uint64_t loss_ppm = 300'000;
constexpr std::uint64_t most_rounds = 100;

using state_type = crdt::g_set<std::uint64_t>;
using sync_type = crdt::delta_synchronizer<state_type>;
using maybe_message = std::optional<sync_type::message_type>;

crdt::replica_id id_of(std::size_t index) {
  return {static_cast<std::uint32_t>(index), 0};
}

struct replica {
  state_type state;
  sync_type sync;
};

/// One that talks to another, and what both say.
struct conversation {
  std::size_t from = 0;
  std::size_t to = 0;
  maybe_message push;
  maybe_message pull;
};

class gossip {
public:
  gossip(rounds_start start, std::uint64_t seed)
    : dice_{dice{mix(seed)}.fork("gossip")}, replicas_(replica_count) {
    for (std::size_t i = 0; i < replica_count; ++i) {
      auto& [state, sync] = replicas_[i];
      for (std::size_t peer = 0; peer < replica_count; ++peer)
        if (peer != i)
          sync.add_peer(id_of(peer));
      if (start == rounds_start::single_origin) {
        if (i == 0)
          sync.record(*state.add(id_of(i), 0));
        continue;
      }
      // Each half is of one mind, and knows it.
      sync.record(*state.add(id_of(i), i % 2));
      for (auto peer = i % 2; peer < replica_count; peer += 2)
        if (peer != i)
          sync.add_peer(id_of(peer), 1);
    }
    wanted_ = start == rounds_start::healed_halves ? 2 : 1;
  }

  std::uint64_t run() {
    std::uint64_t rounds = 0;
    for (; rounds < most_rounds && !is_done(); ++rounds)
      round();
    return rounds;
  }

private:
  [[nodiscard]] bool is_done() const {
    return std::all_of(
      replicas_.begin(), replicas_.end(),
      [this](const replica& one) { return one.state.size() == wanted_; });
  }

  void round() {
    std::vector<conversation> all;
    all.reserve(replica_count * fan_out);
    for (std::size_t from = 0; from < replica_count; ++from)
      for (auto to : draw_peers(from))
        all.push_back({from, to, replicas_[from].sync.message_for(id_of(to)),
                       replicas_[to].sync.message_for(id_of(from))});
    for (auto& one : all) {
      if (is_lost())
        continue;
      auto answer = deliver(one.from, one.to, one.push);
      // The answer and what is pulled are one message.
      if (is_lost())
        continue;
      deliver(one.to, one.from, answer);
      deliver(one.to, one.from, one.pull);
    }
  }

  [[nodiscard]] std::array<std::size_t, fan_out> draw_peers(std::size_t from) {
    std::array<std::size_t, fan_out> drawn{};
    for (std::size_t i = 0; i < fan_out; ++i) {
      do
        drawn[i] = dice_.below(replica_count);
      while (drawn[i] == from
             || std::find(drawn.begin(), drawn.begin() + i, drawn[i])
                  != drawn.begin() + i);
    }
    return drawn;
  }

  [[nodiscard]] bool is_lost() {
    return dice_.chance_ppm(loss_ppm);
  }

  maybe_message deliver(std::size_t from, std::size_t to,
                        const maybe_message& message) {
    if (!message)
      return std::nullopt;
    auto& [state, sync] = replicas_[to];
    auto before = state.size();
    auto answer = sync.receive(id_of(from), *message, state);
    NEUROPLEX_ENSURE(answer);
    if (state.size() != before)
      sync.record(*message->delta);
    return *std::move(answer);
  }

  dice dice_;
  std::vector<replica> replicas_;
  std::size_t wanted_ = 0;
};

bool measure(std::string_view name, rounds_start start, std::uint64_t runs,
             std::uint64_t wanted) {
  std::vector<std::uint64_t> rounds;
  for (std::uint64_t seed = 1; seed <= runs; ++seed)
    rounds.push_back(rounds_to_converge(start, seed));
  std::sort(rounds.begin(), rounds.end());
  auto most_usual = rounds[(rounds.size() * 99 + 99) / 100 - 1];
  std::printf("%.*s: %llu runs, rounds: median %llu, 99 %% %llu, most %llu "
              "(wanted: 99 %% within %llu)\n",
              static_cast<int>(name.size()), name.data(),
              static_cast<unsigned long long>(runs),
              static_cast<unsigned long long>(rounds[rounds.size() / 2]),
              static_cast<unsigned long long>(most_usual),
              static_cast<unsigned long long>(rounds.back()),
              static_cast<unsigned long long>(wanted));
  return most_usual <= wanted;
}

} // namespace

std::uint64_t rounds_to_converge(rounds_start start, std::uint64_t seed) {
  return gossip{start, seed}.run();
}

bool measure_rounds(std::uint64_t runs) {
  if (runs == 0)
    return false;
  auto halves =
    measure("two halves that heal", rounds_start::healed_halves, runs, 4);
  return measure("a single origin", rounds_start::single_origin, runs, 9)
         && halves;
}

} // namespace neuroplex::sim
