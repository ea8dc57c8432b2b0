#include "tests/sim/pbft/world.hpp"

#include "tests/sim/linearizability.hpp"
#include "tests/sim/nemesis.hpp"
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

/// How long correct replicas may take to get to the same state.
constexpr std::int64_t pbft_agreement_bound = 40;

/// A client that lies may cost primaries their office, but ever less often: so
/// many views within so many timeouts where no replica lies and nothing fails.
constexpr std::int64_t steady_span = 40;
constexpr std::uint64_t steady_views = 8;

constexpr std::uint32_t pbft_key_count = 4;

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
  result.client.keys = pbft_key_count;
  result.client.patience =
    thrown.between(3, std::uint64_t{8}) * core.request_timeout;
  result.client.longest_thought = thrown.between(20ms, 150ms);
  return result;
}

class pbft_world {
public:
  explicit pbft_world(const run_request& asked)
    : asked_{asked}, world_{asked.seed}, faults_{draw_plan(
                                           world_.stream("plan"),
                                           asked.allowed)},
      setup_{draw_pbft_setup(world_.stream("setup"), asked)},
      links_{world_, faults_}, invariants_{world_} {
    world_.log().listen(asked.listener);
    build();
  }

  run_result run();

private:
  void build();
  void build_replicas(const std::vector<bool>& lies);
  void build_clients();
  [[nodiscard]] std::shared_ptr<const pbft::crypto> keys_of(pbft::node_id id);
  void carry(pbft::node_id from, const pbft::packet& what, int face);
  void arrive(std::uint32_t place, const pbft::packet& what, int face);
  void mend();
  void await_progress();
  void probe();
  void see_steadiness();
  void await_agreement();
  [[nodiscard]] std::string disagreement() const;
  void read_everything();
  void read_next(std::uint32_t key);
  void judge_history();
  void count(run_result& result) const;
  [[nodiscard]] std::size_t parties() const noexcept {
    return setup_.replicas + setup_.clients + 2;
  }

  run_request asked_;
  kernel world_;
  plan faults_;
  pbft_setup setup_;
  network links_;
  pbft_invariants invariants_;
  std::uint64_t secret_ = 0;
  std::vector<std::unique_ptr<machine>> machines_;
  std::vector<std::unique_ptr<pbft_replica>> correct_; ///< by place, or null
  std::vector<std::unique_ptr<pbft_liar>> liars_;      ///< by place, or null
  std::unique_ptr<nemesis> nemesis_;
  history history_;
  std::vector<std::unique_ptr<pbft_client>> clients_; ///< the last one probes
  std::unique_ptr<lying_client> lying_client_;
  nanoseconds mended_at_{0};
  nanoseconds recovered_at_{0};
  bool all_read_ = false;
  judgement judgement_;
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
  std::vector<machine*> boxes;
  for (const auto& box : machines_) {
    boxes.push_back(box.get());
  }
  nemesis_ = std::make_unique<nemesis>(world_, faults_, links_, boxes);
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
    machines_.push_back(std::make_unique<machine>(world_, faults_, place));
    auto& box = *machines_.back();
    links_.add(
      [&box](const network::delivery& arrive) { box.deliver(arrive); });
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
      settings.patience = pbft_agreement_bound * settings.core.longest_timeout;
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
    clients_.push_back(std::make_unique<pbft_client>(
      world_, carry, history_, watched, settings, keys_of(settings.core.id)));
  }
  if (setup_.client_lies) {
    links_.add([](const network::delivery& arrive) { arrive(); });
    auto settings = setup_.replica.core;
    settings.id = parties();
    invariants_.expect_anything_of(settings.id);
    lying_client_ = std::make_unique<lying_client>(
      world_, carry, settings, pbft_key_count, keys_of(settings.id));
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
    if (number < clients_.size()) {
      clients_[number]->receive(what);
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

run_result pbft_world::run() {
  world_.tell([&] {
    return "faults: " + to_string(faults_.kinds) + "; "
           + std::to_string(setup_.replicas) + " replicas, "
           + std::to_string(setup_.liars) + " of them lie"
           + (setup_.client_lies ? ", and a client" : "");
  });
  for (const auto& box : machines_) {
    box->start();
  }
  for (std::size_t number = 0; number < setup_.clients; ++number) {
    clients_[number]->begin();
  }
  if (lying_client_) {
    lying_client_->begin(setup_.client.longest_thought);
  }
  nemesis_->begin();
  world_.run_until(setup_.chaos);
  if (!world_.failed()) {
    mend();
    await_progress();
  }
  if (!world_.failed() && setup_.liars == 0 && lying_client_) {
    see_steadiness();
  }
  if (!world_.failed()) {
    await_agreement();
  }
  if (!world_.failed()) {
    read_everything();
  }
  if (!world_.failed()) {
    judge_history();
  }
  run_result result;
  result.failure = world_.failure();
  world_.note("events", world_.events(), world_.log().notes());
  result.hash = world_.log().hash();
  result.events = world_.events();
  result.simulated = world_.now();
  result.drawn = faults_.kinds;
  result.recovery_ppt = static_cast<std::uint64_t>(
    (recovered_at_ - mended_at_) * 1000 / setup_.replica.core.longest_timeout);
  if (asked_.keep_history) {
    result.history = history_.to_json_lines(asked_.seed);
  }
  count(result);
  return result;
}

void pbft_world::mend() {
  for (const auto& one : correct_) {
    if (one) {
      one->crash_if_stopped();
    }
  }
  nemesis_->end();
  mended_at_ = world_.now();
  for (const auto& box : machines_) {
    mended_at_ = std::max(mended_at_, box->storage().busy_until());
  }
  world_.run_until(mended_at_);
}

void pbft_world::probe() {
  clients_.back()->ask(verb::put, 0, [this](bool good) {
    if (good) {
      recovered_at_ = world_.now();
    }
  });
}

void pbft_world::await_progress() {
  const auto timeout = setup_.replica.core.longest_timeout;
  probe();
  const auto limit = mended_at_ + pbft_recovery_bound * timeout;
  while (recovered_at_ == 0ns && world_.now() < limit && !world_.failed()) {
    world_.run_until(std::min(limit, world_.now() + timeout / 20));
  }
  if (recovered_at_ == 0ns && !world_.failed()) {
    world_.fail("progress: no write succeeded within "
                + std::to_string(pbft_recovery_bound)
                + " longest timeouts after all was mended");
  }
}

void pbft_world::see_steadiness() {
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

void pbft_world::await_agreement() {
  for (const auto& client : clients_) {
    client->end();
  }
  const auto timeout = setup_.replica.core.longest_timeout;
  const auto limit = world_.now() + pbft_agreement_bound * timeout;
  const auto busy = [&] {
    return std::any_of(clients_.begin(), clients_.end(),
                       [](const auto& one) { return one->is_busy(); });
  };
  std::string why = "?";
  while (!world_.failed() && !why.empty() && world_.now() < limit) {
    world_.run_until(world_.now() + timeout / 8);
    why = busy() ? "a client still waits" : disagreement();
    // What a client gave up may have been executed by few: what comes after
    // it brings the others there.
    if (!why.empty() && !clients_.back()->is_busy()) {
      probe();
    }
  }
  if (!why.empty() && !world_.failed()) {
    world_.fail("progress: long after all was mended, " + why);
  }
}

void pbft_world::read_next(std::uint32_t key) {
  if (key == pbft_key_count) {
    all_read_ = true;
    return;
  }
  clients_.back()->ask(verb::get, key, [this, key](bool good) {
    read_next(good ? key + 1 : key);
  });
}

void pbft_world::read_everything() {
  read_next(0);
  const auto timeout = setup_.replica.core.longest_timeout;
  const auto limit = world_.now() + pbft_agreement_bound * timeout;
  while (!all_read_ && !world_.failed() && world_.now() < limit) {
    world_.run_until(world_.now() + timeout / 20);
  }
  if (!all_read_ && !world_.failed()) {
    world_.fail("progress: a calm group does not answer reads");
  }
}

void pbft_world::judge_history() {
  judgement_ = judge(history_);
  if (!judgement_.violation.empty()) {
    world_.fail(judgement_.violation);
  }
}

void pbft_world::count(run_result& result) const {
  auto& counts = result.counts;
  const auto& net = links_.seen();
  counts["messages"] = net.sent;
  counts["messages lost"] = net.lost + net.blocked;
  counts["messages duplicated"] = net.duplicated;
  counts["batches executed"] = invariants_.executed();
  counts["views"] = invariants_.highest_view();
  counts["deeds of the nemesis"] = nemesis_->deeds();
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
  for (const auto& box : machines_) {
    counts["crashes"] += box->crashes();
    counts["writes torn"] += box->storage().seen().torn;
    counts["writes refused"] += box->storage().seen().refused;
    counts["syncs"] += box->storage().seen().syncs;
  }
  counts["operations"] = history_.operations().size();
  counts["operations of unknown outcome"] =
    static_cast<std::uint64_t>(std::count_if(
      history_.operations().begin(), history_.operations().end(),
      [](const operation& one) { return one.result == outcome::unknown; }));
  counts["keys undecided"] = judgement_.undecided_keys;
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
