// Replicas over a network that loses, doubles and reorders, on disks that
// forget what they had not written, from a seed.

#include "actors/replica/fixture.test.hpp"

#include <algorithm>

namespace neuroplex::replica {

namespace {

using testing::world;

// What clients were told, in the end.
struct told {
  std::map<std::uint32_t, std::int64_t> counted; // acknowledged, by node
  std::set<std::string> added;                   // acknowledged, never removed
};

class run_of {
public:
  run_of(std::uint64_t seed, promise gives)
    : random_{seed}, nodes_{2 + static_cast<std::uint32_t>(random_() % 3)},
      all_{nodes_, options_of(gives)} {
  }

  void go(std::size_t steps) {
    for (std::size_t i = 0; i < steps; ++i)
      step(i);
    all_.heal();
    REQUIRE(all_.settle(300));
    check();
  }

private:
  static core_options options_of(promise gives) {
    core_options result;
    result.gives = gives;
    result.staleness = milliseconds{300};
    result.anti_entropy = milliseconds{1'000};
    return result;
  }

  std::uint32_t any_node() {
    return 1 + static_cast<std::uint32_t>(random_() % nodes_);
  }

  void step(std::size_t number) {
    auto id = any_node();
    switch (random_() % 16) {
      case 0:
      case 1: {
        auto reply = all_.ask(id, {"INCRBY", "sum", "3"});
        if (reply.front() == ':')
          pending_[id].counted += 3;
        break;
      }
      case 2:
      case 3: {
        auto name = "m" + std::to_string(number);
        if (all_.ask(id, {"SADD", "set", name}) == ":1\r\n")
          pending_[id].added.push_back(name);
        break;
      }
      case 4:
        static_cast<void>(all_.ask(id, {"SET", key(), value(number)}));
        break;
      case 5:
        static_cast<void>(all_.ask(id, {"HSET", "hash", key(), value(number)}));
        break;
      case 6:
        static_cast<void>(all_.ask(id, {"DEL", key()}));
        break;
      case 7:
        static_cast<void>(all_.ask(id, {"HDEL", "hash", key()}));
        break;
      case 8:
      case 9:
        write(id);
        break;
      case 10:
        if (nodes_ > 1 && random_() % 8 == 0) {
          auto other = any_node();
          if (other != id)
            all_.cut(id, other);
        }
        break;
      case 11:
        if (random_() % 8 == 0)
          all_.heal();
        break;
      case 12:
        if (random_() % 16 == 0) {
          pending_.erase(id);
          all_.crash(id);
        }
        break;
      case 13:
        all_.pass(milliseconds{random_() % 300});
        break;
      default:
        network();
    }
  }

  // Some of what is under way: lost, doubled or late.
  void network() {
    for (auto i = 0; i < 6 && all_.under_way() > 0; ++i) {
      auto which = random_() % all_.under_way();
      auto fate = random_() % 10;
      if (fate == 0)
        all_.drop(which);
      else
        all_.deliver(which, fate == 1);
    }
  }

  // A client is answered when the disk has it.
  void write(std::uint32_t id) {
    all_.write(id);
    auto done = std::move(pending_[id]);
    pending_.erase(id);
    told_.counted[id] += done.counted;
    told_.added.insert(done.added.begin(), done.added.end());
  }

  std::string key() {
    return "k" + std::to_string(random_() % 6);
  }

  static std::string value(std::size_t number) {
    return "v" + std::to_string(number);
  }

  void check() {
    std::int64_t least = 0;
    for (const auto& [id, sum] : told_.counted)
      least += sum;
    std::string sum = all_.ask(1, {"GET", "sum"});
    if (least > 0) {
      auto shown = std::stoll(sum.substr(sum.find('\n') + 1));
      CHECK(shown >= least);
      CHECK(shown % 3 == 0);
    }
    for (const auto& name : told_.added)
      CHECK(all_.ask(nodes_, {"SISMEMBER", "set", name}) == ":1\r\n");
    for (std::uint32_t id = 1; id <= nodes_; ++id)
      CHECK(all_.ask(id, {"HGETALL", "hash"})
            == all_.ask(1, {"HGETALL", "hash"}));
    CHECK(all_.refusals.empty());
  }

  struct unanswered {
    std::int64_t counted = 0;
    std::vector<std::string> added{};
  };

  std::mt19937_64 random_;
  std::uint32_t nodes_;
  world all_;
  std::map<std::uint32_t, unanswered> pending_;
  told told_;
};

} // namespace

TEST_CASE("replicas converge and lose nothing that was answered") {
  auto gives = GENERATE(promise::eventual, promise::causal);
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed << ", " << (gives == promise::causal ? "causal" : ""));
    run_of{seed, gives}.go(400);
  }
}

} // namespace neuroplex::replica
