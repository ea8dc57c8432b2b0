// What a cluster of three processes promises while nodes come and go.

#include "tests/actors/cluster.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <csignal>
#include <set>

using namespace neuroplex;
using namespace neuroplex::tests;

namespace {

using steady_clock = std::chrono::steady_clock;

actors::request write_of(const std::string& key, const std::string& value) {
  actors::request what;
  what.op = actors::operation::set;
  what.key = key;
  what.value = value;
  return what;
}

actors::request read_of(const std::string& key) {
  actors::request what;
  what.key = key;
  return what;
}

} // namespace

TEST_CASE("any node of three answers for the keys of all") {
  cluster nodes{3};
  REQUIRE(nodes.start_all());
  std::vector<actors::client> clients;
  for (std::uint32_t id = 1; id <= 3; ++id)
    clients.push_back(nodes.client_of(id));

  SECTION("what one client sets, the others get") {
    for (std::uint32_t owner = 1; owner <= 3; ++owner) {
      auto key = nodes.key_of(owner);
      for (auto& writer : clients) {
        auto value = std::string{"\0bytes\xff", 7} + std::to_string(owner);
        REQUIRE(writer.set("space", key, value));
        for (auto& reader : clients)
          REQUIRE(*reader.get("space", key) == value);
      }
    }
  }

  SECTION("increments through different nodes add up") {
    for (int round = 0; round < 10; ++round)
      for (auto& client : clients)
        REQUIRE(client.increment("default", nodes.key_of(2), 2));
    CHECK(*clients[0].get("default", nodes.key_of(2)) == "60");
  }

  SECTION("refusals of the owner come back as they are") {
    auto key = nodes.key_of(3);
    auto& client = clients[0];
    CHECK(client.get("default", key).code() == errc::not_found);
    CHECK(client.get("nowhere", key).code() == errc::not_found);
    CHECK(client.get("default", "").code() == errc::bad_key);
    CHECK(client.get("default", std::string(65'536, 'k')).code()
          == errc::key_size);
    CHECK(client.set("default", key, std::string((8 << 20) + 1, 'v')).code()
          == errc::value_size);
    CHECK(client.set("default", key, "v", {.ttl_ms = -1}).code()
          == errc::bad_ttl);
    CHECK(client.set_if_absent("default", key, "one"));
    CHECK(client.set_if_absent("default", key, "two").code() == errc::exists);
    std::string actual;
    CHECK(
      client.compare_and_swap("default", key, "two", "three", &actual).code()
      == errc::mismatch);
    CHECK(actual == "one");
    CHECK(client.compare_and_swap("default", key, "one", "three"));
    CHECK(client.erase("default", key));
    CHECK(client.erase("default", key).code() == errc::not_found);
  }

  SECTION("batches and scans cover all nodes") {
    std::vector<std::string> keys;
    std::vector<std::string> values;
    for (int i = 0; i < 5'000; ++i) {
      keys.push_back("batch-" + std::to_string(i));
      values.push_back(std::to_string(i) + std::string(i % 300, 'x'));
    }
    std::vector<memory::set_request> sets;
    std::vector<memory::get_request> gets;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      sets.push_back({.key = keys[i], .value = values[i]});
      gets.push_back({.key = keys[i], .value = {}});
    }
    REQUIRE(clients[0].set_many("batches", sets) == errc::ok);
    gets.push_back({.key = "absent", .value = {}});
    REQUIRE(clients[1].get_many("batches", gets) == errc::ok);
    for (std::size_t i = 0; i < keys.size(); ++i)
      REQUIRE(gets[i].value == values[i]);
    CHECK(gets.back().status == errc::not_found);

    std::set<std::string> seen;
    auto outcome = clients[2].scan(
      "batches", {.page_entries = 50},
      [&](const actors::scanned_entry& entry) { seen.insert(entry.key); });
    REQUIRE(outcome);
    CHECK(outcome->unread_members.empty());
    CHECK(seen == std::set<std::string>(keys.begin(), keys.end()));
    CHECK(*clients[2].count("batches") == keys.size());
    CHECK(*clients[0].clear("batches") == keys.size());
    CHECK(*clients[1].count("batches") == 0);
  }

  SECTION("large values travel alone and in crowds") {
    std::string large(3 << 20, 'x');
    std::vector<std::string> keys;
    std::vector<memory::get_request> gets;
    for (std::uint32_t i = 0; i < 5; ++i)
      keys.push_back(nodes.key_of(i % 3 + 1, i));
    for (auto& key : keys) {
      REQUIRE(clients[0].set("large", key, large));
      gets.push_back({.key = key, .value = {}});
    }
    REQUIRE(clients[1].get_many("large", gets) == errc::ok);
    for (auto& one : gets)
      CHECK(one.value == large);
    std::size_t seen = 0;
    REQUIRE(
      clients[2].scan("large", {}, [&](const actors::scanned_entry& entry) {
        seen += entry.value == large;
      }));
    CHECK(seen == 5);
  }

  clients.clear();
  for (std::uint32_t id = 1; id <= 3; ++id)
    CHECK(nodes.stop(id) == 0);
}

TEST_CASE("a killed node's keys are unavailable at once, and back after its "
          "restart") {
  cluster nodes{3};
  REQUIRE(nodes.start_all());
  auto client = nodes.client_of(1);
  for (std::uint32_t owner = 1; owner <= 3; ++owner)
    for (std::uint32_t i = 0; i < 20; ++i)
      REQUIRE(client.set("default", nodes.key_of(owner, i), "value"));
  auto victim = GENERATE(2u, 3u);
  auto bystander = 5 - victim;

  // At once: what waited for a timeout here would take longer than this test.
  nodes.kill(victim);
  REQUIRE(eventually([&] {
    return client.get("default", nodes.key_of(victim)).code()
           == errc::unavailable;
  }));
  auto asked_at = steady_clock::now();
  for (std::uint32_t i = 0; i < 20; ++i) {
    CHECK(client.get("default", nodes.key_of(victim, i)).code()
          == errc::unavailable);
    CHECK(client.set("default", nodes.key_of(victim, i), "x").code()
          == errc::unavailable);
    CHECK(*client.get("default", nodes.key_of(1, i)) == "value");
    CHECK(*client.get("default", nodes.key_of(bystander, i)) == "value");
    CHECK(client.set("default", nodes.key_of(bystander, i), "value"));
  }
  CHECK(steady_clock::now() - asked_at
        < std::chrono::milliseconds{patience_ms});

  auto scanned = client.scan("default", {}, [](const auto&) {});
  REQUIRE(scanned);
  CHECK(scanned->entries == 40);
  CHECK(scanned->unread_members == std::vector<std::uint32_t>{victim - 1});
  CHECK(client.count("default").code() == errc::unavailable);

  REQUIRE(nodes.start(victim));
  REQUIRE(nodes.await_meetings());
  for (std::uint32_t i = 0; i < 20; ++i)
    CHECK(*client.get("default", nodes.key_of(victim, i)) == "value");
  CHECK(*client.count("default") == 60);
  auto report = client.stats();
  REQUIRE(report);
  for (const auto& peer : report->router.peers)
    if (peer.replica_id == victim) {
      CHECK(peer.meetings == 2);
      CHECK(peer.losses == 1);
    }
}

TEST_CASE("a frozen node is noticed by its silence and met again when it "
          "goes on") {
  cluster nodes{3, 2'000};
  REQUIRE(nodes.start_all());
  auto client = nodes.client_of(1);
  // Where silence is noticed that soon, a busy machine may make some of its
  // own; then the nodes meet again.
  auto stored = [&](std::uint32_t owner) {
    return eventually([&] {
      return client.set("default", nodes.key_of(owner), "value").code()
             == errc::ok;
    });
  };
  REQUIRE(stored(3));
  nodes.signal(3, SIGSTOP);
  REQUIRE(eventually([&] {
    auto asked_at = steady_clock::now();
    auto code = client.get("default", nodes.key_of(3)).code();
    return code == errc::unavailable && steady_clock::now() - asked_at < 50ms;
  }));
  CHECK(stored(2));
  nodes.signal(3, SIGCONT);
  REQUIRE(eventually([&] {
    auto value = client.get("default", nodes.key_of(3));
    return value && *value == "value";
  }));
}

TEST_CASE("writes under way to a node that dies have an unknown outcome, reads "
          "are unavailable") {
  cluster nodes{2};
  REQUIRE(nodes.start_all());
  auto client = nodes.client_of(1);
  nodes.signal(2, SIGSTOP);
  auto write = client.submit(write_of(nodes.key_of(2), "value"));
  auto read = client.submit(read_of(nodes.key_of(2)));
  // The router has both on their way when it says so.
  REQUIRE(eventually([&] {
    auto report = client.stats();
    return report && report->router.peers.at(0).in_flight == 2;
  }));
  nodes.kill(2);
  REQUIRE(write.wait_for(60s) == std::future_status::ready);
  REQUIRE(read.wait_for(60s) == std::future_status::ready);
  CHECK(write.get().status == errc::unknown_outcome);
  CHECK(read.get().status == errc::unavailable);
}

TEST_CASE("a write that is sent again to a slow owner happens once") {
  cluster nodes{2};
  REQUIRE(nodes.start_all());
  auto client = nodes.client_of(1, {.request_timeout_ms = 8'000});
  auto retries = [&] {
    auto report = client.stats();
    return report ? report->router.retries : 0;
  };
  for (int round = 1; round <= 2; ++round) {
    auto before = retries();
    nodes.signal(2, SIGSTOP);
    actors::request add;
    add.op = actors::operation::increment;
    add.key = nodes.key_of(2);
    add.delta = 1;
    auto answer = client.submit(add);
    CHECK(eventually([&] { return retries() > before; }));
    nodes.signal(2, SIGCONT);
    static_cast<void>(answer.get());
    REQUIRE(eventually([&] {
      auto value = client.get("default", nodes.key_of(2));
      return value && *value == std::to_string(round);
    }));
  }
}

TEST_CASE("a client whose node dies is told so, and finds it again") {
  cluster nodes{1};
  REQUIRE(nodes.start_all());
  auto client = nodes.client_of(1);
  REQUIRE(client.set("default", "key", "value"));
  nodes.kill(1);
  REQUIRE(eventually([&] { return !client.connected(); }));
  CHECK(client.get("default", "key").code() == errc::unavailable);
  REQUIRE(nodes.start(1));
  REQUIRE(eventually([&] { return client.connected(); }));
  CHECK(*client.get("default", "key") == "value");
}

TEST_CASE("nodes of different clusters refuse one another by name") {
  cluster nodes{2};
  REQUIRE(nodes.start(1, "blue"));
  REQUIRE(nodes.start(2, "green"));
  auto client = nodes.client_of(2);
  REQUIRE(eventually([&] {
    auto report = client.stats();
    if (!report)
      return false;
    const auto& peer = report->router.peers.at(0);
    return peer.state == actors::peer_state::refused
           && peer.reason.find("\"blue\"") != std::string::npos
           && peer.reason.find("\"green\"") != std::string::npos;
  }));
  CHECK(client.get("default", nodes.key_of(1)).code() == errc::unavailable);
}

TEST_CASE("a second node in the same directory is refused with the holder's "
          "process id") {
  cluster nodes{1};
  REQUIRE(nodes.start(1));
  auto holder = nodes.process(1);
  memory::testing::reserved_port other;
  auto program = std::string{NEUROPLEX_NODE_PROGRAM} + " 1 "
                 + nodes.directory(1) + " " + std::to_string(other.number())
                 + " test 1000 2>&1 </dev/null";
  auto* pipe = ::popen(program.c_str(), "r");
  REQUIRE(pipe != nullptr);
  char buffer[512] = {};
  auto length = std::fread(buffer, 1, sizeof(buffer) - 1, pipe);
  auto status = ::pclose(pipe);
  std::string text{buffer, length};
  CHECK(WEXITSTATUS(status) != 0);
  CHECK(text.find("E-LOCKED") != std::string::npos);
  CHECK(text.find(std::to_string(holder)) != std::string::npos);
}

TEST_CASE("a flood beyond the window answers busy and memory stays bounded") {
  cluster nodes{2};
  REQUIRE(nodes.start_all());
  auto client =
    nodes.client_of(1, {.request_timeout_ms = patience_ms, .window = 1'000});
  constexpr int flood = 1'000'000;
  std::atomic<int> busy{0};
  std::atomic<int> answered{0};
  std::atomic<int> other{0};
  auto before = resident_bytes(::getpid());
  auto node_before = resident_bytes(nodes.process(1));
  auto far_key = nodes.key_of(2);
  auto near_key = nodes.key_of(1);
  for (int i = 0; i < flood; ++i)
    client.submit(read_of(i % 2 == 0 ? near_key : far_key),
                  [&](const actors::reply& answer) {
                    if (answer.status == errc::busy)
                      ++busy;
                    else if (answer.status == errc::not_found)
                      ++answered;
                    else
                      ++other;
                  });
  REQUIRE(eventually([&] { return busy + answered + other == flood; }, 120s));
  CHECK(other == 0);
  CHECK(busy > 0);
  CHECK(answered >= 1'000);
  CHECK(resident_bytes(::getpid()) < before + (64 << 20));
  CHECK(resident_bytes(nodes.process(1)) < node_before + (64 << 20));
  CHECK(client.get("default", near_key).code() == errc::not_found);
}
