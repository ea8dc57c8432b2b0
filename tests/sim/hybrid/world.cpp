#include "tests/sim/hybrid/world.hpp"

#include "tests/sim/agreement_world.hpp"
#include "tests/sim/hybrid/liar.hpp"
#include "tests/sim/pbft/client.hpp"
#include "tests/sim/pbft/keys.hpp"

#include <algorithm>
#include <array>

namespace neuroplex::sim {

using namespace std::chrono_literals;

namespace {

/// How long after all was mended a new write may take, in longest timeouts:
/// f primaries that lie, each for a timeout of its own and of its view change,
/// after views that nobody could begin.
constexpr std::int64_t hybrid_recovery_bound = 8;

struct hybrid_setup {
  std::size_t replicas = 4;
  std::size_t faults = 1;
  std::size_t liars = 0;
  std::size_t clients = 3;
  nanoseconds chaos{};
  hybrid_replica_settings replica;
  group_client_settings client;
};

/// Small limits, so that a run of seconds meets them.
hybrid_setup draw_hybrid_setup(dice thrown, const run_request& asked) {
  hybrid_setup result;
  constexpr std::array<std::size_t, 8> sizes{4, 4, 4, 4, 4, 5, 6, 7};
  result.replicas = sizes[thrown.below(sizes.size())];
  result.faults = (result.replicas - 1) / 3;
  result.liars = thrown.below(result.faults + 1);
  if (thrown.coin()) {
    result.liars = result.faults;
  }
  result.clients = thrown.between(2, std::uint64_t{4});
  result.chaos = thrown.between(2s, 5s) / 1000 * asked.length_ppt;
  auto& all = result.replica.core;
  auto& core = all.agreement;
  core.group = thrown.next();
  core.faults = result.faults;
  for (pbft::node_id id = 1; id <= result.replicas; ++id) {
    core.replicas.push_back(id);
  }
  core.request_timeout = thrown.between(100ms, 250ms);
  core.longest_timeout = 8 * core.request_timeout;
  core.resend_interval = core.request_timeout / 5;
  // A state must be fetched before the next but one takes its place.
  constexpr std::array<std::size_t, 4> intervals{4, 8, 16, 32};
  constexpr std::array<std::size_t, 4> batches{1, 2, 8, 64};
  constexpr std::array<std::size_t, 4> pipelines{1, 2, 4, 32};
  constexpr std::array<std::uint32_t, 4> probations{0, 1, 4, 16};
  core.checkpoint_interval = intervals[thrown.below(intervals.size())];
  core.window = core.checkpoint_interval * thrown.between(2, std::uint64_t{4});
  core.max_batch_requests = batches[thrown.below(batches.size())];
  core.max_pipeline = pipelines[thrown.below(pipelines.size())];
  core.probation_requests = probations[thrown.between(1, std::uint64_t{3})];
  result.replica.host.batches = thrown.coin();
  result.replica.host.forget_disk = asked.mistake == "forget_disk";
  if (asked.mistake == "too_many_liars") {
    result.liars = result.faults + 1;
  }
  all.raft.election_timeout = thrown.between(60ms, 150ms);
  all.raft.heartbeat_interval = all.raft.election_timeout / 5;
  constexpr std::array<std::size_t, 3> appends{1, 4, 1'024};
  all.raft.max_append_entries = appends[thrown.below(appends.size())];
  all.leader_timeout = thrown.between(150ms, 400ms);
  all.calm = thrown.between(50ms, 400ms);
  all.longest_calm = 8 * all.calm;
  all.trust.half_life = thrown.between(100ms, 1s);
  all.trust.silent_after = 3 * core.resend_interval;
  constexpr std::array<std::size_t, 4> lengths{4, 16, 64, 1'024};
  all.max_epoch_entries = lengths[thrown.below(lengths.size())];
  result.client.keys = agreement_keys;
  result.client.patience =
    thrown.between(3, std::uint64_t{8}) * core.request_timeout;
  result.client.longest_thought = thrown.between(20ms, 150ms);
  return result;
}

class hybrid_world final : public agreement_world {
public:
  explicit hybrid_world(const run_request& asked)
    : agreement_world{asked}, setup_{draw_hybrid_setup(world_.stream("setup"),
                                                       asked)},
      invariants_{world_} {
    build();
  }

private:
  void build();
  void build_replicas(const std::vector<bool>& lies);
  void build_clients();
  [[nodiscard]] hybrid::replica_keys replica_keys_of(pbft::node_id id) const;
  void carry(pbft::node_id from, const pbft::packet& what, int face);
  void arrive(std::uint32_t place, const pbft::packet& what, int face);
  [[nodiscard]] std::size_t parties() const noexcept {
    return setup_.replicas + setup_.clients + 1;
  }

  [[nodiscard]] agreement_pace pace() const override {
    return {setup_.chaos, setup_.replica.core.agreement.longest_timeout,
            hybrid_recovery_bound, 8};
  }

  [[nodiscard]] std::string describe() const override {
    return std::to_string(setup_.replicas) + " replicas, "
           + std::to_string(setup_.liars) + " of them lie";
  }

  void crash_stopped() override {
    for (const auto& one : correct_)
      if (one)
        one->crash_if_stopped();
  }

  // Nobody can say how a client fares whose leader lies and is not found out,
  // so an operator who knows better ends its epochs.
  void after_mending() override {
    depose_liars();
  }
  void depose_liars();

  void probe() override {
    prober().ask(verb::put, 0, [this](bool good) {
      if (good)
        recovered();
    });
  }

  // What a client gave up may have been executed by few: what comes after it
  // brings the others there.
  void push_on() override {
    probe();
  }

  [[nodiscard]] std::string disagreement() const override;
  void count_more(counters& counts) const override;

  hybrid_setup setup_;
  hybrid_invariants invariants_;
  std::uint64_t secret_ = 0;
  std::vector<std::unique_ptr<hybrid_replica>> correct_; ///< by place, or null
  std::vector<std::unique_ptr<hybrid_liar>> liars_;      ///< by place, or null
  std::vector<hybrid_client*> askers_;                   ///< of `clients_`
};

hybrid::replica_keys hybrid_world::replica_keys_of(pbft::node_id id) const {
  return {simulated_keys(secret_, id),
          simulated_keys(secret_, hybrid::control_client_of(id))};
}

void hybrid_world::build() {
  auto thrown = world_.stream("liars");
  secret_ = thrown.next();
  std::vector<bool> lies(setup_.replicas);
  for (auto left = setup_.liars; left > 0;) {
    const auto place = thrown.below(setup_.replicas);
    left -= lies[place] ? 0 : 1;
    lies[place] = true;
  }
  build_replicas(lies);
  build_clients();
  // An operator who wants the epoch to end, and does not reach everybody.
  add_nemesis().add_deed(fault::transfer, [this](dice& thrown) {
    for (const auto& one : correct_) {
      if (one && one->node() != nullptr && thrown.coin()) {
        one->feed(hybrid::end_epoch{});
      }
    }
  });
}

void hybrid_world::build_replicas(const std::vector<bool>& lies) {
  auto thrown = world_.stream("faces");
  // Which face of a liar a correct replica sees; liars see both.
  std::vector<int> faces;
  for (std::size_t place = 0; place < setup_.replicas; ++place) {
    faces.push_back(lies[place] ? -1 : static_cast<int>(thrown.below(2)));
  }
  const auto carry = [this](pbft::node_id from, const pbft::packet& what,
                            int face) { this->carry(from, what, face); };
  correct_.resize(setup_.replicas);
  liars_.resize(setup_.replicas);
  for (std::uint32_t place = 0; place < setup_.replicas; ++place) {
    auto& box = add_machine();
    auto settings = setup_.replica;
    settings.core.agreement.id = place + 1;
    if (!lies[place]) {
      correct_[place] = std::make_unique<hybrid_replica>(
        world_, box, carry, invariants_, settings, replica_keys_of(place + 1));
      continue;
    }
    invariants_.expect_lies_of(place + 1);
    auto told = draw_hybrid_lies(thrown, setup_.replicas);
    if (setup_.liars > setup_.faults) {
      // Those who can win together say nothing that would give them away.
      told = {};
      told.told.two_faces = true;
      told.told.ignored.resize(setup_.replicas);
    }
    liars_[place] =
      std::make_unique<hybrid_liar>(world_, box, carry, settings.core, told,
                                    faces, replica_keys_of(place + 1));
  }
}

void hybrid_world::build_clients() {
  const auto carry = [this](pbft::node_id from, const pbft::packet& what,
                            int face) { this->carry(from, what, face); };
  for (std::uint32_t number = 0; number <= setup_.clients; ++number) {
    links_.add([](const network::delivery& arrive) { arrive(); });
    auto settings = setup_.client;
    settings.core = setup_.replica.core.agreement;
    settings.core.id = setup_.replicas + 1 + number;
    settings.number = number;
    if (number == setup_.clients) {
      settings.patience = agreement_bound * settings.core.longest_timeout;
    }
    client_watch watched;
    watched.asks = [this](pbft::node_id client, std::string_view operation) {
      invariants_.saw_wish(client, operation);
    };
    watched.lies = [this](pbft::node_id replica) {
      return invariants_.lies(replica);
    };
    auto client = std::make_unique<hybrid_client>(
      world_, carry, history_, watched, settings,
      simulated_keys(secret_, settings.core.id));
    askers_.push_back(client.get());
    clients_.push_back(std::move(client));
  }
}

void hybrid_world::carry(pbft::node_id from, const pbft::packet& what,
                         int face) {
  // What concerns a replica's control client goes to the replica.
  const auto to = what.to & ~hybrid::control_client_of(0);
  const auto place = [](pbft::node_id id) {
    return static_cast<network::end_point>(id - 1);
  };
  if (to == pbft::nobody || to > parties()) {
    return;
  }
  links_.send(place(from), place(to), [this, what, to, face] {
    arrive(static_cast<std::uint32_t>(to - 1), what, face);
  });
}

void hybrid_world::arrive(std::uint32_t place, const pbft::packet& what,
                          int face) {
  world_.note("packet", place, what.bytes.size(), what.tag.bytes[0]);
  if (place >= setup_.replicas) {
    const auto number = place - setup_.replicas;
    if (number < askers_.size()) {
      askers_[number]->receive(what);
    }
    return;
  }
  if (correct_[place]) {
    correct_[place]->receive(what);
    return;
  }
  const auto sender = pbft::claimed_sender(what.bytes.view());
  const auto fellow =
    sender >= 1 && sender <= setup_.replicas && liars_[sender - 1] != nullptr;
  liars_[place]->receive(what, fellow ? face : -1);
}

void hybrid_world::depose_liars() {
  for (const auto& one : correct_) {
    if (one && one->node() != nullptr
        && invariants_.lies(one->node()->state().where.leader)) {
      one->feed(hybrid::end_epoch{});
    }
  }
  world_.after(setup_.replica.core.agreement.request_timeout,
               [this] { depose_liars(); });
}

std::string hybrid_world::disagreement() const {
  std::uint64_t last = 0;
  hybrid::epoch_number epoch = 0;
  for (const auto& one : correct_) {
    if (one && one->node() != nullptr) {
      last = std::max(last, one->node()->state().running);
      epoch = std::max(epoch, one->node()->state().where.epoch);
    }
  }
  for (const auto& one : correct_) {
    if (!one || one->node() == nullptr) {
      continue;
    }
    const auto state = one->node()->state();
    if (state.where.epoch != epoch) {
      return "replica " + std::to_string(state.agreement.id) + " is in epoch "
             + std::to_string(state.where.epoch) + " of "
             + std::to_string(epoch);
    }
    if (!invariants_.lies(state.where.leader) && state.running != last) {
      return "replica " + std::to_string(state.agreement.id) + " has executed "
             + std::to_string(state.running) + " of " + std::to_string(last);
    }
  }
  return "";
}

void hybrid_world::count_more(counters& counts) const {
  counts["commands by PBFT"] = invariants_.settled(hybrid::mode::pbft);
  counts["commands by Raft"] = invariants_.settled(hybrid::mode::raft);
  counts["switches"] = invariants_.last_epoch();
  counts["replicas that lie"] = setup_.liars;
  for (const auto& one : liars_) {
    counts["lies"] += one ? one->lies_told() : 0;
    counts["entries shown otherwise to some"] += one ? one->forks_shown() : 0;
  }
  for (const auto& one : correct_) {
    if (!one) {
      continue;
    }
    const auto seen = one->seen();
    counts["states fetched"] += seen.transfers;
    counts["misdeeds seen"] += seen.evidence;
    counts["commands taken back"] += seen.rolled_back;
    counts["replicas stopped by their disk"] += seen.stopped_by_disk;
  }
}

} // namespace

run_result run_hybrid(const run_request& asked) {
  hybrid_world world{asked};
  return world.run();
}

std::string_view hybrid_mistakes() noexcept {
  return "forget_disk, too_many_liars";
}

} // namespace neuroplex::sim
