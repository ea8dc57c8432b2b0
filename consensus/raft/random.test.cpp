// Random histories: messages lost, doubled and overtaken, disks that finish
// late, crashes, changes of membership, snapshots, transfers, reads. The
// cluster checks after every step that Raft's promises hold; here, that reads
// are never stale and that all goes on once the weather is fine.
#include "consensus/raft/cluster.fixture.test.hpp"

#include <random>

using namespace neuroplex;
using namespace neuroplex::raft;
using namespace neuroplex::raft::testing;

namespace {

struct weather {
  bool lease_reads = false;
  bool changes = false;
  bool lost_disks = false;
};

class storm {
public:
  storm(std::uint64_t seed, weather what)
    : random_{seed}, weather_{what}, all_{settings_for(seed, what)} {
    for (node_id id : {1, 2, 3})
      all_.add(id, voters_of({1, 2, 3}));
    if (what.changes)
      for (node_id id : {4, 5})
        all_.add(id, {});
    for (auto& [id, one] : all_.nodes)
      one.storage.automatic = false;
  }

  void rage(int steps) {
    for (int i = 0; i < steps; ++i) {
      step();
      look_at_reads();
    }
  }

  // All nodes up, all messages delivered: somebody must lead and commit.
  void clear_up() {
    for (auto& [id, one] : all_.nodes) {
      if (one.down)
        all_.start(id);
      one.storage.automatic = true;
      all_.sync(id);
    }
    all_.pass(8s);
    auto leader = all_.leader();
    REQUIRE(leader != nobody);
    auto request = all_.propose_to(leader, "calm");
    all_.deliver();
    all_.pass(1s);
    auto answers = all_.answers_to(leader, request);
    REQUIRE(answers.size() == 1);
    REQUIRE(answers[0].kind == answer_kind::accepted);
    CHECK(all_.at(leader).state().commit >= answers[0].index);
    for (const auto& one : all_.at(leader).state().members.voters)
      if (all_.nodes[one.id].settings.incarnation == one.incarnation)
        CHECK(all_.at(one.id).state().commit >= answers[0].index);
    look_at_reads();
  }

  [[nodiscard]] log_index committed() const {
    log_index most = 0;
    for (const auto& [id, one] : all_.nodes)
      if (!one.down)
        most = std::max(most, one.brain->state().commit);
    return most;
  }

private:
  static options settings_for(std::uint64_t seed, weather what) {
    options base;
    base.seed = seed;
    base.pre_vote = seed % 4 != 1;
    base.check_quorum = what.lease_reads || seed % 4 != 2;
    base.lease_reads = what.lease_reads;
    base.voters_begin_as_learners = what.lost_disks;
    base.kept_entries = seed % 3;
    base.max_append_entries = 1 + seed % 4;
    base.max_inflight_messages = 1 + seed % 5;
    base.max_unapplied_entries = 1 + seed % 7;
    return base;
  }

  std::uint64_t below(std::uint64_t limit) {
    return random_() % limit;
  }

  node_id any_node() {
    auto at = all_.nodes.begin();
    std::advance(at, static_cast<long>(below(all_.nodes.size())));
    return at->first;
  }

  node_id leader_or_any() {
    auto leader = all_.leader();
    return leader == nobody || below(8) == 0 ? any_node() : leader;
  }

  void step() {
    auto dice = below(1'000);
    if (dice < 600)
      move_message();
    else if (dice < 780)
      all_.sync(any_node(), 1 + below(2));
    else if (dice < 850)
      let_time_pass();
    else if (dice < 910)
      all_.propose_to(leader_or_any(), std::to_string(all_.requests));
    else if (dice < 940)
      ask_read();
    else if (dice < 955)
      crash_or_start();
    else if (dice < 970)
      snapshot();
    else if (dice < 975)
      all_.give(leader_or_any(),
                transfer_leadership{++all_.requests, any_node()});
    else if (dice < 980)
      all_.give(any_node(), peer_unreachable{any_node()});
    else
      change();
  }

  void move_message() {
    if (all_.network.empty())
      return;
    // Mostly in order, now and then not.
    auto at = below(3) == 0 ? below(all_.network.size()) : 0;
    auto what = all_.network[at];
    auto fate = below(100);
    if (fate >= 10)
      all_.network.erase(all_.network.begin() + static_cast<long>(at));
    if (fate >= 90)
      return;
    auto to = what.to;
    if (!all_.nodes[to].down)
      all_.give(to, received{std::move(what)});
  }

  void let_time_pass() {
    all_.now += raft::time{below(60'000'000)};
    for (auto& [id, one] : all_.nodes)
      if (!one.down && all_.at(id).next_deadline() <= all_.now)
        all_.give(id, tick{});
  }

  void ask_read() {
    auto id = leader_or_any();
    auto request = ++all_.requests;
    asked_[request] = committed();
    all_.give(id, raft::read{request});
  }

  void look_at_reads() {
    for (auto& [id, one] : all_.nodes) {
      for (const auto& what : one.answers)
        if (what.kind == answer_kind::read_ready)
          REQUIRE(what.index >= asked_[what.request]);
      one.answers.clear();
    }
  }

  void crash_or_start() {
    auto id = any_node();
    auto& one = all_.nodes[id];
    if (!one.down) {
      if (below(4) == 0)
        all_.crash(id);
      return;
    }
    if (weather_.lost_disks && (lost_ == nobody || lost_ == id)
        && below(4) == 0) {
      // The same node on an empty disk.
      lost_ = id;
      one.storage.durable = {};
      one.snapshots.clear();
      ++one.settings.incarnation;
    }
    all_.start(id);
  }

  void snapshot() {
    auto id = any_node();
    if (!all_.nodes[id].down)
      all_.take_snapshot(id);
  }

  void change() {
    auto request = ++all_.requests;
    if (lost_ != nobody && below(2) == 0) {
      all_.give(leader_or_any(),
                change_membership{request,
                                  {{below(2) == 0 ? change_kind::add_learner
                                                  : change_kind::add_voter,
                                    lost_, 0}}});
      return;
    }
    if (!weather_.changes)
      return;
    change_membership wish{request, {}, change_transition::automatic};
    for (auto count = below(4); count > 0; --count) {
      auto kind = below(5) == 0   ? change_kind::remove
                  : below(4) == 0 ? change_kind::add_learner
                                  : change_kind::add_voter;
      wish.changes.push_back({kind, any_node(), 0});
    }
    if (below(3) == 0)
      wish.transition = change_transition::joint_explicit;
    all_.give(leader_or_any(), wish);
  }

  std::mt19937_64 random_;
  weather weather_;
  cluster all_;
  std::map<request_id, log_index> asked_;
  node_id lost_ = nobody;
};

void rage_over_seeds(std::uint64_t count, weather what) {
  log_index most = 0;
  for (std::uint64_t seed = 1; seed <= count; ++seed) {
    INFO("seed " << seed);
    storm one{seed, what};
    one.rage(4'000);
    one.clear_up();
    most = std::max(most, one.committed());
  }
  CHECK(most > 20);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t storms = 10; // ten times as slow
#else
constexpr std::uint64_t storms = 50;
#endif

} // namespace

TEST_CASE("whatever the weather, nodes agree and reads are fresh") {
  rage_over_seeds(storms, {});
}

TEST_CASE("whatever the weather, lease reads are fresh") {
  rage_over_seeds(storms, {.lease_reads = true});
}

TEST_CASE("whatever the weather, members come and go and nodes agree") {
  rage_over_seeds(storms, {.changes = true});
  rage_over_seeds(storms / 2, {.lease_reads = true, .changes = true});
}

TEST_CASE("whatever the weather, a voter that lost its disk loses nothing") {
  rage_over_seeds(storms, {.lost_disks = true});
}
