#include "tests/sim/pbft/world.hpp"

#include "tests/sim/agreement_world.hpp"
#include "tests/sim/pbft/client.hpp"
#include "tests/sim/pbft/keys.hpp"
#include "tests/sim/pbft/liar.hpp"

#include <algorithm>
#include <array>

namespace neuroplex::sim {

using namespace std::chrono_literals;

namespace {

/// How long after all was mended a new write may take, in longest timeouts:
/// f primaries that lie, each for a timeout of its own and of its view change,
/// after views that nobody could begin.
constexpr std::int64_t pbft_recovery_bound = 8;

/// A client that lies may cost primaries their office, but ever less often: so
/// many views within so many timeouts where no replica lies and nothing fails.
constexpr std::int64_t steady_span = 40;
constexpr std::uint64_t steady_views = 8;

struct pbft_setup {
  std::size_t replicas = 4;
  std::size_t faults = 1;
  std::size_t liars = 0;
  std::size_t clients = 3;
  bool client_lies = false;
  bool real = false; ///< real cryptography
  nanoseconds chaos{};
  replica_settings replica;
  group_client_settings client;
};

/// Small limits, so that a run of seconds meets them.
pbft_setup draw_pbft_setup(dice thrown, const run_request& asked) {
  pbft_setup result;
  constexpr std::array<std::size_t, 8> sizes{4, 4, 4, 4, 4, 5, 6, 7};
  result.replicas = sizes[thrown.below(sizes.size())];
  result.faults = (result.replicas - 1) / 3;
  result.liars = thrown.below(result.faults + 1);
  if (thrown.coin()) {
    result.liars = result.faults;
  }
  result.clients = thrown.between(2, std::uint64_t{4});
  result.client_lies = thrown.below(3) == 0;
  result.real = thrown.below(32) == 0;
  result.chaos = thrown.between(2s, 5s) / 1000 * asked.length_ppt;
  auto& core = result.replica.core;
  core.group = thrown.next();
  core.faults = result.faults;
  for (pbft::node_id id = 1; id <= result.replicas; ++id) {
    core.replicas.push_back(id);
  }
  core.request_timeout = thrown.between(100ms, 250ms);
  core.longest_timeout = 8 * core.request_timeout;
  core.resend_interval = core.request_timeout / 5;
  constexpr std::array<std::size_t, 4> intervals{1, 2, 5, 16};
  constexpr std::array<std::size_t, 4> batches{1, 2, 8, 64};
  constexpr std::array<std::size_t, 4> pipelines{1, 2, 4, 32};
  constexpr std::array<std::uint32_t, 4> probations{0, 1, 4, 16};
  core.checkpoint_interval = intervals[thrown.below(intervals.size())];
  core.window = core.checkpoint_interval * thrown.between(2, std::uint64_t{4});
  core.max_batch_requests = batches[thrown.below(batches.size())];
  core.max_pipeline = pipelines[thrown.below(pipelines.size())];
  core.probation_requests = probations[thrown.between(1, std::uint64_t{3})];
  result.replica.host.batches = thrown.coin();
  result.replica.host.answer_before_sync =
    asked.mistake == "answer_before_sync";
  result.replica.host.forget_disk = asked.mistake == "forget_disk";
  if (asked.mistake == "too_many_liars") {
    result.liars = result.faults + 1;
  }
  result.client.keys = agreement_keys;
  result.client.patience =
    thrown.between(3, std::uint64_t{8}) * core.request_timeout;
  result.client.longest_thought = thrown.between(20ms, 150ms);
  return result;
}

class pbft_world final : public agreement_world {
public:
  explicit pbft_world(const run_request& asked)
    : agreement_world{asked}, setup_{draw_pbft_setup(world_.stream("setup"),
                                                     asked)},
      invariants_{world_} {
    build();
  }

private:
  void build();
  void build_replicas(const std::vector<bool>& lies);
  void build_clients();
  [[nodiscard]] std::shared_ptr<const pbft::crypto> keys_of(pbft::node_id id);
  void carry(pbft::node_id from, const pbft::packet& what, int face);
  void arrive(std::uint32_t place, const pbft::packet& what, int face);
  [[nodiscard]] std::size_t parties() const noexcept {
    return setup_.replicas + setup_.clients + 2;
  }

  [[nodiscard]] agreement_pace pace() const override {
    return {setup_.chaos, setup_.replica.core.longest_timeout,
            pbft_recovery_bound, 8};
  }

  [[nodiscard]] std::string describe() const override {
    return std::to_string(setup_.replicas) + " replicas, "
           + std::to_string(setup_.liars) + " of them lie"
           + (setup_.client_lies ? ", and a client" : "");
  }

  void begin_more() override {
    if (lying_client_)
      lying_client_->begin(setup_.client.longest_thought);
  }

  void crash_stopped() override {
    for (const auto& one : correct_)
      if (one)
        one->crash_if_stopped();
  }

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

  void look_further() override;
  [[nodiscard]] std::string disagreement() const override;
  void count_more(counters& counts) const override;

  pbft_setup setup_;
  pbft_invariants invariants_;
  std::uint64_t secret_ = 0;
  std::vector<std::unique_ptr<pbft_replica>> correct_; ///< by place, or null
  std::vector<std::unique_ptr<pbft_liar>> liars_;      ///< by place, or null
  std::vector<pbft_client*> askers_;                   ///< of `clients_`
  std::unique_ptr<lying_client> lying_client_;
};

std::shared_ptr<const pbft::crypto> pbft_world::keys_of(pbft::node_id id) {
  return setup_.real ? real_keys(secret_, id, parties())
                     : simulated_keys(secret_, id);
}

void pbft_world::build() {
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
  add_nemesis();
}

void pbft_world::build_replicas(const std::vector<bool>& lies) {
  auto thrown = world_.stream("faces");
  // Which face of a liar a correct replica sees; liars see both.
  std::vector<int> faces;
  for (std::size_t place = 0; place < setup_.replicas; ++place) {
    faces.push_back(lies[place] ? -1 : static_cast<int>(thrown.below(2)));
  }
  std::vector<pbft::node_id> clients;
  for (std::size_t number = 0; number < setup_.clients; ++number) {
    clients.push_back(setup_.replicas + 1 + number);
  }
  const auto carry = [this](pbft::node_id from, const pbft::packet& what,
                            int face) { this->carry(from, what, face); };
  correct_.resize(setup_.replicas);
  liars_.resize(setup_.replicas);
  for (std::uint32_t place = 0; place < setup_.replicas; ++place) {
    auto& box = add_machine();
    auto settings = setup_.replica;
    settings.core.id = place + 1;
    if (!lies[place]) {
      correct_[place] = std::make_unique<pbft_replica>(
        world_, box, carry, invariants_, settings, keys_of(place + 1));
      continue;
    }
    auto told = draw_lies(thrown, setup_.replicas);
    if (setup_.liars > setup_.faults) {
      // Those who can win together say nothing that would give them away.
      told = {};
      told.two_faces = true;
      told.ignored.resize(setup_.replicas);
    }
    liars_[place] =
      std::make_unique<pbft_liar>(world_, box, carry, settings.core, told,
                                  faces, clients, keys_of(place + 1));
  }
}

void pbft_world::build_clients() {
  const auto carry = [this](pbft::node_id from, const pbft::packet& what,
                            int face) { this->carry(from, what, face); };
  for (std::uint32_t number = 0; number <= setup_.clients; ++number) {
    links_.add([](const network::delivery& arrive) { arrive(); });
    auto settings = setup_.client;
    settings.core = setup_.replica.core;
    settings.core.id = setup_.replicas + 1 + number;
    settings.number = number;
    if (number == setup_.clients) {
      settings.patience = agreement_bound * settings.core.longest_timeout;
    }
    client_watch watched;
    watched.sends = [this](const pbft::packet& what) {
      const auto read = pbft::decode_message(what.bytes);
      const auto* asked =
        read ? std::get_if<pbft::request_message>(&read->body) : nullptr;
      if (asked != nullptr) {
        invariants_.saw_request(asked->what);
      }
    };
    auto client = std::make_unique<pbft_client>(
      world_, carry, history_, watched, settings, keys_of(settings.core.id));
    askers_.push_back(client.get());
    clients_.push_back(std::move(client));
  }
  if (setup_.client_lies) {
    links_.add([](const network::delivery& arrive) { arrive(); });
    auto settings = setup_.replica.core;
    settings.id = parties();
    invariants_.expect_anything_of(settings.id);
    lying_client_ = std::make_unique<lying_client>(
      world_, carry, settings, agreement_keys, keys_of(settings.id));
  }
}

void pbft_world::carry(pbft::node_id from, const pbft::packet& what, int face) {
  const auto place = [](pbft::node_id id) {
    return static_cast<network::end_point>(id - 1);
  };
  if (what.to == pbft::nobody || what.to > parties()
      || (what.to == parties() && !lying_client_)) {
    return;
  }
  links_.send(place(from), place(what.to), [this, what, face] {
    arrive(static_cast<std::uint32_t>(what.to - 1), what, face);
  });
}

void pbft_world::arrive(std::uint32_t place, const pbft::packet& what,
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

void pbft_world::look_further() {
  if (setup_.liars != 0 || !lying_client_)
    return;
  const auto before = invariants_.highest_view();
  world_.run_until(world_.now()
                   + steady_span * setup_.replica.core.request_timeout);
  const auto views = invariants_.highest_view() - before;
  if (views > steady_views && !world_.failed()) {
    world_.fail("steadiness: " + std::to_string(views)
                + " primaries deposed though no replica lies");
  }
}

std::string pbft_world::disagreement() const {
  pbft::sequence_number last = 0;
  for (const auto& one : correct_) {
    if (one && one->node() != nullptr) {
      last = std::max(last, one->node()->state().executed);
    }
  }
  for (const auto& one : correct_) {
    if (one && one->node() != nullptr
        && one->node()->state().executed != last) {
      return "replica " + std::to_string(one->node()->state().id)
             + " has executed " + std::to_string(one->node()->state().executed)
             + " of " + std::to_string(last);
    }
  }
  return "";
}

void pbft_world::count_more(counters& counts) const {
  counts["batches executed"] = invariants_.executed();
  counts["views"] = invariants_.highest_view();
  counts["replicas that lie"] = setup_.liars;
  counts["clients that lie"] = setup_.client_lies ? 1 : 0;
  counts["runs with real keys"] = setup_.real ? 1 : 0;
  for (const auto& one : liars_) {
    counts["lies"] += one ? one->lies_told() : 0;
  }
  for (const auto& one : correct_) {
    if (!one) {
      continue;
    }
    const auto seen = one->seen();
    counts["view changes asked for"] += seen.view_changes;
    counts["states fetched"] += seen.transfers;
    counts["states installed"] += seen.installs;
    counts["misdeeds seen"] += seen.misdeeds;
    counts["replicas stopped by their disk"] += seen.stopped_by_disk;
  }
}

} // namespace

run_result run_pbft(const run_request& asked) {
  pbft_world world{asked};
  return world.run();
}

std::string_view pbft_mistakes() noexcept {
  return "answer_before_sync, forget_disk, too_many_liars";
}

} // namespace neuroplex::sim
