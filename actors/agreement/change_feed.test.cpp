#include "actors/agreement/change_feed.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <optional>
#include <random>

using namespace neuroplex;
using namespace neuroplex::agreement;
using store_machine::change;
using store_machine::change_kind;

namespace {

constexpr raft::time soon{1'000};

change set(const std::string& key, const std::string& value) {
  return {.space = "default", .key = key, .value = value};
}

// What a watcher got; nothing while it waits.
struct watcher {
  void ask(change_feed& feed, const std::string& prefix = {},
           std::size_t max_changes = 1'000) {
    answer.reset();
    feed.watch({.space = "default",
                .prefix = prefix,
                .after = position,
                .max_changes = max_changes,
                .deadline = soon,
                .done =
                  [this](watch_answer got) {
                    REQUIRE_FALSE(answer);
                    position = got.next;
                    answer = std::move(got);
                  }},
               raft::time{0});
  }

  [[nodiscard]] std::vector<std::string> values() const {
    REQUIRE(answer);
    CHECK(answer->code == errc::ok);
    CHECK_FALSE(answer->gap);
    std::vector<std::string> texts;
    for (const auto& one : answer->changes)
      texts.push_back(one.what.key + "=" + one.what.value);
    return texts;
  }

  watch_position position{};
  std::optional<watch_answer> answer{};
};

using texts = std::vector<std::string>;

} // namespace

TEST_CASE("who watches is told what comes next, once") {
  change_feed feed{{.number = 7}};
  feed.applied(1, 3, {set("early", "0")});
  watcher who;
  who.ask(feed);
  CHECK(who.values().empty()); // where it begins
  who.ask(feed);
  CHECK_FALSE(who.answer);
  feed.applied(1, 4,
               {set("a", "1"),
                {.kind = change_kind::erase, .space = "default", .key = "b"}});
  feed.applied(1, 5, {});
  feed.serve(raft::time{1});
  CHECK(who.values() == texts{"a=1", "b="});
  CHECK(who.answer->changes[1].what.kind == change_kind::erase);
  CHECK(who.answer->changes[1].index == 4);
  who.ask(feed);
  feed.serve(raft::time{1});
  CHECK_FALSE(who.answer);
}

TEST_CASE("only keys of the namespace and prefix are told of") {
  change_feed feed{{.number = 7}};
  watcher who;
  who.ask(feed);
  feed.applied(1, 1, {set("user:1", "a"), set("use", "b"), set("user:2", "c")});
  feed.applied(1, 2, {{.space = "other", .key = "user:3", .value = "d"}});
  who.ask(feed, "user:");
  CHECK(who.values() == texts{"user:1=a", "user:2=c"});
}

TEST_CASE("a watch ends empty when its time is over, and goes on from there") {
  change_feed feed{{.number = 7}};
  watcher who;
  who.ask(feed);
  who.ask(feed, "x");
  CHECK(feed.next_deadline() == soon);
  feed.applied(1, 1, {set("y", "1")});
  feed.serve(raft::time{999});
  CHECK_FALSE(who.answer);
  feed.serve(soon);
  CHECK(who.values().empty());
  CHECK(who.position.seen == std::vector<raft::log_index>{1});
  CHECK(feed.next_deadline() == raft::time::max());
}

TEST_CASE("an answer has as much as was asked for, but never half an entry") {
  change_feed feed{{.number = 7}};
  watcher who;
  who.ask(feed);
  feed.applied(1, 1, {set("a", "1"), set("b", "2")});
  feed.applied(1, 2, {set("c", "3")});
  who.ask(feed, {}, 1);
  CHECK(who.values() == texts{"a=1", "b=2"});
  who.ask(feed, {}, 1);
  CHECK(who.values() == texts{"c=3"});

  std::string long_value(2'000'000, 'x');
  feed.applied(1, 3, {set("d", long_value)});
  feed.applied(1, 4, {set("e", "4")});
  who.ask(feed);
  CHECK(who.values() == texts{"d=" + long_value});
  who.ask(feed);
  CHECK(who.values() == texts{"e=4"});
}

TEST_CASE("what is forgotten or replaced leaves a gap that is told") {
  change_feed feed{{.number = 7, .groups = 2, .history_bytes = 1'000}};
  watcher slow;
  watcher other_group;
  slow.ask(feed);
  for (raft::log_index index = 1; index <= 100; ++index)
    feed.applied(1, index, {set("k", std::string(90, 'x'))});
  slow.ask(feed);
  REQUIRE(slow.answer);
  CHECK(slow.answer->gap);
  CHECK(slow.answer->changes.empty());
  slow.ask(feed);
  CHECK_FALSE(slow.answer); // goes on

  feed.replaced(2, 50);
  feed.serve(raft::time{1});
  REQUIRE(slow.answer);
  CHECK(slow.answer->gap);
  slow.ask(feed);
  feed.applied(2, 51, {set("k", "new")});
  feed.serve(raft::time{1});
  CHECK(slow.values() == texts{"k=new"});
}

TEST_CASE("a position of one node is good on every other") {
  // Two nodes apply the same logs of three groups, each in its own order. A
  // watcher goes from one to the other and misses nothing.
  constexpr std::uint64_t groups = 3;
  auto seed = GENERATE(range(1U, 40U));
  std::mt19937 random{seed};
  std::vector<change_feed> nodes;
  for (std::uint64_t number : {1, 2})
    nodes.emplace_back(
      change_feed::options{.number = number, .groups = groups});
  std::vector<std::map<group_id, raft::log_index>> applied(2);
  watcher who;
  who.ask(nodes[0]);
  std::map<group_id, raft::log_index> told;
  for (int i = 0; i < 300; ++i) {
    auto node = random() % 2;
    auto group = first_group + random() % groups;
    auto index = ++applied[node][group];
    // Every third entry changes nothing.
    nodes[node].applied(group, index,
                        index % 3 == 0
                          ? std::vector<change>{}
                          : std::vector<change>{
                            set(std::to_string(group), std::to_string(index))});
    if (random() % 4 != 0)
      continue;
    auto& asked = nodes[random() % 2];
    who.ask(asked, {}, 1 + random() % 5);
    asked.serve(soon);
    REQUIRE(who.answer);
    REQUIRE_FALSE(who.answer->gap);
    for (const auto& one : who.answer->changes) {
      auto next = told[one.group] + 1;
      REQUIRE(one.index == (next % 3 == 0 ? next + 1 : next));
      told[one.group] = one.index;
    }
  }
  CHECK_FALSE(told.empty());
}

TEST_CASE("a watch that cannot be is refused") {
  change_feed feed{{.number = 7, .groups = 2, .max_watches = 1}};
  watcher first;
  watcher second;
  first.ask(feed);
  second.ask(feed);
  first.ask(feed);
  second.ask(feed);
  CHECK_FALSE(first.answer);
  REQUIRE(second.answer);
  CHECK(second.answer->code == errc::busy);
  feed.give_up();
  REQUIRE(first.answer);
  CHECK(first.answer->code == errc::unavailable);

  watcher stranger;
  stranger.position.seen = {1, 2, 3};
  stranger.ask(feed);
  REQUIRE(stranger.answer);
  CHECK(stranger.answer->code == errc::bad_argument);
}
