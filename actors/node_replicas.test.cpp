// Replicas inside a node, with the only peer played by the test.
#include "actors/node_fixture.test.hpp"
#include "actors/replica/frame.hpp"
#include "actors/replica/shard_state.hpp"
#include "memory/reserved_port.test.hpp"

#include <set>
#include <stdexcept>

namespace neuroplex::actors {

namespace {

using testing::attach;
using testing::eventually;
using testing::start;

constexpr auto patience = std::chrono::milliseconds{testing::patience_ms};

config::node_options with_notes(const testing::directory& where,
                                std::uint32_t shards,
                                const std::string& resolver = "last") {
  auto options = testing::options_in(where);
  config::namespace_options notes;
  notes.name = "notes";
  notes.consistency = config::consistency_level::eventual;
  notes.shards = shards;
  notes.resolver = resolver;
  options.namespaces.push_back(notes);
  return options;
}

std::string key_of(int number) {
  return "key" + std::to_string(number);
}

// A replica's actor that starts, again or for the first time, is missed for a
// moment: `unavailable`.
void write_note(client& user, const std::string& key,
                const std::string& value) {
  REQUIRE(
    eventually([&] { return bool{user.set("notes", key, value)}; }, patience));
}

std::string shown(client& user, const std::string& key) {
  auto value = user.get("notes", key);
  return value ? *value : std::string{code_name(value.code())};
}

std::uint64_t resolved(client& user) {
  auto count = user.resolve_replicas("notes");
  REQUIRE(count);
  return *count;
}

// A write of the replica at node 2 that has seen nothing.
replica_message write_of_peer(const std::string& key, const std::string& value,
                              std::uint64_t number) {
  constexpr crdt::replica_id peer{2, 1};
  replica::shard_state state;
  replica::change_batch changes;
  state.put({peer, number}, {.key = key, .value = value}, changes);
  replica::frame told{.kind = replica::frame_kind::deltas,
                      .from = peer,
                      .first = number,
                      .last = number,
                      .delta = state.collect(changes)};
  return {"notes", 0, peer.node, replica::frame_packer{}.pack(encode(told))};
}

void tell_node(node& here, replica_message what) {
  caf::scoped_actor self{here.system()};
  tell(&*self, here.handle(), gossip_atom_v, std::move(what));
}

replica_report report_of(node& here) {
  auto report = here.report();
  REQUIRE(report);
  REQUIRE(report->replicas.size() == 1);
  return report->replicas.front();
}

} // namespace

TEST_CASE("a replica's actor that dies is started again and goes on") {
  testing::directory where;
  constexpr auto keys = 40;
  {
    auto here = start(with_notes(where, 4));
    auto user = attach(*here);
    for (auto i = 0; i < keys; ++i)
      write_note(user, key_of(i), "before");
    for (const auto* doomed :
         {"replica-notes-0", "replica-notes-3", "replica-disk"})
      REQUIRE(testing::end_child(*here, doomed));
    for (auto i = 0; i < keys; ++i) {
      CHECK(eventually([&] { return shown(user, key_of(i)) == "before"; },
                       patience));
      write_note(user, key_of(i), "after");
    }
    auto report = here->report();
    REQUIRE(report);
    REQUIRE(report->replicas.size() == 4);
    std::uint64_t found = 0;
    for (const auto& one : report->replicas) {
      // Keys are spread over the shards, and each has some.
      CHECK(one.keys > 0);
      found += one.keys;
    }
    CHECK(found == keys);
  }
  // What was answered is there after a start, in every shard.
  auto here = start(with_notes(where, 4));
  auto again = attach(*here);
  for (auto i = 0; i < keys; ++i)
    CHECK(
      eventually([&] { return shown(again, key_of(i)) == "after"; }, patience));
}

TEST_CASE("a namespace resolves by the function that it names") {
  testing::directory where;
  memory::testing::reserved_port closed;
  auto options = with_notes(where, 1, "all-of-them");
  options.peers.push_back({2, "127.0.0.1", closed.number()});
  auto failing = true;
  auto here = start(
    options, {{"all-of-them",
               [&](const std::vector<crdt::version<std::string>>& versions) {
                 if (failing)
                   throw std::runtime_error{"it is not ready"};
                 std::set<std::string> values;
                 for (const auto& one : versions)
                   values.insert(one.value);
                 std::string result;
                 for (const auto& one : values)
                   result += one + ' ';
                 return result;
               }}});
  auto user = attach(*here);
  write_note(user, "greeting", "ahoy");
  tell_node(*here, write_of_peer("greeting", "hello", 1));
  REQUIRE(eventually([&] { return report_of(*here).facts == 2; }, patience));

  auto refused = user.resolve_replicas("notes");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message().find("it is not ready") != std::string::npos);
  CHECK(report_of(*here).facts == 2);

  failing = false;
  CHECK(resolved(user) == 1);
  CHECK(shown(user, "greeting") == "ahoy hello ");
  CHECK(report_of(*here).facts == 1);
  CHECK(resolved(user) == 0);
}

TEST_CASE("a resolver that nobody has is refused as the node starts") {
  testing::directory where;
  auto started = node::start(with_notes(where, 1, "newest"));
  REQUIRE_FALSE(started);
  CHECK(started.code() == errc::config);
  CHECK(started.error().message().find("resolver \"newest\"")
        != std::string::npos);
}

TEST_CASE("what a stranger tells a replica is counted, and it goes on") {
  testing::directory where;
  memory::testing::reserved_port closed;
  auto options = with_notes(where, 1);
  options.peers.push_back({2, "127.0.0.1", closed.number()});
  auto here = start(options);
  auto user = attach(*here);
  write_note(user, "k", "v");
  auto of_stranger = write_of_peer("k", "w", 1);
  of_stranger.from = 7;
  auto torn = write_of_peer("k", "w", 1);
  torn.bytes.pop_back();
  auto elsewhere = write_of_peer("k", "w", 1);
  elsewhere.shard = 9;
  for (const auto& bad : {of_stranger, torn, elsewhere})
    tell_node(*here, bad);
  REQUIRE(eventually([&] { return report_of(*here).messages_refused == 2; },
                     patience));
  CHECK(report_of(*here).facts == 1);
  CHECK(shown(user, "k") == "v");
}

} // namespace neuroplex::actors
