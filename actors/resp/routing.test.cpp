#include "actors/resp/reply_merge.hpp"
#include "actors/resp/session.hpp"
#include "actors/resp/store_fixture.test.hpp"

#include <catch2/catch.hpp>

#include <deque>
#include <string>

using namespace neuroplex;
using namespace neuroplex::resp;

namespace {

// Another node: owns the keys that begin with "far", and answers when told to.
struct far_node final : remote {
  explicit far_node(service& peer) : far{&peer} {
  }

  owner_id owner_of(std::uint32_t, std::string_view key) const override {
    return key.starts_with("far") ? owner_id{1} : owner_id::here;
  }

  std::vector<owner_id> others() const override {
    return {owner_id{1}};
  }

  void submit(owner_id, remote_command command,
              remote_completion completion) override {
    waiting.push_back({std::move(command), std::move(completion)});
  }

  bool answer_next(errc code = errc::ok) {
    if (waiting.empty())
      return false;
    auto [command, completion] = std::move(waiting.front());
    waiting.pop_front();
    if (code != errc::ok) {
      completion({code, {}});
      return true;
    }
    std::vector<std::string_view> views{command.arguments.begin(),
                                        command.arguments.end()};
    completion({errc::ok, session::execute_once(*far, command.database,
                                                command.protocol, views)});
    return true;
  }

  struct call {
    remote_command command;
    remote_completion completion;
  };

  service* far;
  std::deque<call> waiting;
};

// Nodes that agree on everything; keys that begin with the same letter have one
// owner.
struct agreeing_nodes final : remote {
  owner_id owner_of(std::uint32_t, std::string_view key) const override {
    return owner_id{static_cast<std::uint8_t>(key.empty() ? '-' : key[0])};
  }

  std::vector<owner_id> others() const override {
    return {};
  }

  bool agreed(std::uint32_t database) const override {
    return database == 0;
  }

  std::size_t other_copies(std::uint32_t database) const override {
    return database == 0 ? 2 : 0;
  }

  void submit(owner_id owner, remote_command command,
              remote_completion completion) override {
    executed.emplace_back(owner, command.gathered);
    completion({errc::ok, "*2\r\n+OK\r\n:1\r\n"});
  }

  std::vector<std::pair<owner_id, std::vector<std::vector<std::string>>>>
    executed;
};

struct two_nodes {
  memory::store far_data = testing::make_store();
  memory::store data = testing::make_store();
  service far_service{far_data, {}};
  far_node cluster{far_service};
  service shared{data, {}, &cluster};
  session talk{shared, {}};
  std::string input;

  std::string say(std::string_view text) {
    input += text;
    byte_buffer output;
    input.erase(0, talk.consume(input, output));
    return std::string{output.view()};
  }

  std::string arrive(errc code = errc::ok) {
    cluster.answer_next(code);
    byte_buffer output;
    talk.take_ready(output);
    return std::string{output.view()};
  }

  // Says, lets everything arrive, and answers all replies.
  std::string ask(std::string_view text) {
    auto replies = say(text);
    while (talk.has_pending()) {
      cluster.answer_next();
      byte_buffer output;
      talk.take_ready(output);
      replies += output.view();
    }
    return replies;
  }
};

} // namespace

TEST_CASE("Replies keep the order of their commands while one is outstanding") {
  two_nodes n;
  CHECK(n.say("SET near 1\r\nSET far 2\r\nGET near\r\nGET far\r\nPING\r\n")
        == "+OK\r\n");
  CHECK(n.arrive() == "+OK\r\n$1\r\n1\r\n");
  CHECK(n.arrive() == "$1\r\n2\r\n+PONG\r\n");
  CHECK(n.talk.held_bytes() == 0);
  CHECK(n.far_data.contains({}, "far"));
  CHECK_FALSE(n.data.contains({}, "far"));
}

TEST_CASE("Commands with keys of several owners are split and put together") {
  two_nodes n;
  CHECK(n.ask("MSET a 1 far1 2 b 3 far2 4\r\n") == "+OK\r\n");
  CHECK(n.ask("MGET far2 a none far1 b\r\n")
        == "*5\r\n$1\r\n4\r\n$1\r\n1\r\n$-1\r\n$1\r\n2\r\n$1\r\n3\r\n");
  CHECK(n.ask("EXISTS a far1 x\r\nDEL a far1 far2\r\n") == ":2\r\n:3\r\n");
}

TEST_CASE("Commands on all keys reach all nodes") {
  two_nodes n;
  n.ask("MSET a 1 far1 2 far2 3\r\n");
  CHECK(n.ask("DBSIZE\r\n") == ":3\r\n");
  CHECK(n.ask("KEYS far?\r\n").starts_with("*2\r\n"));
  CHECK(n.ask("RANDOMKEY\r\n").starts_with("$"));
  std::string seen;
  std::string cursor = "0";
  do {
    auto reply = n.ask("SCAN " + cursor + "\r\n");
    auto elements = reply_elements(reply);
    REQUIRE(elements);
    cursor = bulk_content((*elements)[0]).value();
    seen += (*elements)[1];
  } while (cursor != "0");
  for (auto key : {"\r\na\r\n", "far1", "far2"})
    CHECK(seen.find(key) != std::string::npos);
  CHECK(n.ask("SCAN nonsense\r\n") == "-ERR invalid cursor\r\n");
  CHECK(n.ask("FLUSHALL\r\nDBSIZE\r\n") == "+OK\r\n:0\r\n");
}

TEST_CASE("A dead owner is an error of its own and of nothing else") {
  two_nodes n;
  CHECK(n.say("GET far\r\nPING\r\n").empty());
  CHECK(n.arrive(errc::unavailable)
        == "-UNAVAILABLE the node that owns this key is down: nothing was "
           "applied; retry later\r\n+PONG\r\n");
  CHECK(n.say("MGET a far\r\n").empty());
  CHECK(n.arrive(errc::unknown_outcome).starts_with("-UNKNOWN "));
}

TEST_CASE("Outstanding replies are bounded; then commands wait") {
  two_nodes n;
  for (std::size_t i = 0; i < bounds::max_pending_replies + 10; ++i)
    n.say("GET far\r\n");
  CHECK(n.cluster.waiting.size() == bounds::max_pending_replies);
  CHECK(n.talk.waits_for_replies());
  CHECK(n.arrive() == "$-1\r\n");
  n.say("");
  CHECK(n.cluster.waiting.size() == bounds::max_pending_replies);
}

TEST_CASE("A client that leaves does not miss its replies") {
  memory::store far_data = testing::make_store();
  memory::store data = testing::make_store();
  service far_service{far_data, {}};
  far_node cluster{far_service};
  service shared{data, {}, &cluster};
  {
    session talk{shared, {}};
    byte_buffer output;
    talk.consume("GET far\r\nMGET a far\r\n", output);
  }
  CHECK(cluster.answer_next());
  CHECK(cluster.answer_next());
}

TEST_CASE("Muted commands stay muted when another node answers") {
  two_nodes n;
  CHECK(n.ask("CLIENT REPLY SKIP\r\nGET far\r\nPING\r\n") == "+PONG\r\n");
}

TEST_CASE("Replies of other nodes are measured with bounds") {
  CHECK(reply_length("+OK\r\n") == 5);
  CHECK(reply_length("*2\r\n:1\r\n$1\r\na\r\nrest") == 15);
  for (auto broken : {"", "x", "$5\r\nab\r\n", "*2\r\n:1\r\n", "$-2\r\n",
                      "*9223372036854775807\r\n", "$9223372036854775807\r\n"})
    CHECK_FALSE(reply_length(broken));
  std::string deep;
  for (int i = 0; i < 100'000; ++i)
    deep += "*1\r\n";
  CHECK_FALSE(reply_length(deep));
  std::vector<remote_reply> parts{{errc::ok, ":1\r\n"}, {errc::ok, "+OK\r\n"}};
  CHECK(merge_replies(merge_rule::sum, parts, {}).starts_with("-ERR"));
  CHECK(merge_replies(merge_rule::in_order, parts, {}).starts_with("-ERR"));
}

TEST_CASE("A transaction goes as a whole to the one owner of its keys") {
  auto data = testing::make_store();
  agreeing_nodes nodes;
  service shared{data, {}, &nodes, {}};
  session client{shared, {}};
  auto say = [&client](const std::string& input) {
    byte_buffer output;
    client.consume(input, output);
    client.take_ready(output);
    return std::string{output.view()};
  };
  CHECK(say("EXEC\r\n") == "-ERR EXEC without MULTI\r\n");
  CHECK(say("DISCARD\r\n") == "-ERR DISCARD without MULTI\r\n");
  CHECK(say("MULTI\r\nEXEC\r\n") == "+OK\r\n*0\r\n");
  CHECK(say("MULTI\r\nSET a1 v\r\nINCR a2\r\n")
        == "+OK\r\n+QUEUED\r\n+QUEUED\r\n");
  CHECK(nodes.executed.empty());
  CHECK(say("EXEC\r\n") == "*2\r\n+OK\r\n:1\r\n");
  REQUIRE(nodes.executed.size() == 1);
  CHECK(nodes.executed[0].first == owner_id{'a'});
  CHECK(nodes.executed[0].second
        == std::vector<std::vector<std::string>>{{"SET", "a1", "v"},
                                                 {"INCR", "a2"}});
  // Nothing of what was broken, given up or discarded is executed.
  const std::string aborted = "-EXECABORT Transaction discarded because of "
                              "previous errors.\r\n";
  CHECK(say("MULTI\r\nSET a v\r\n") == "+OK\r\n+QUEUED\r\n");
  CHECK(say("MGET a b\r\n").starts_with("-CROSSSLOT"));
  CHECK(say("EXEC\r\n") == aborted);
  CHECK(say("MULTI\r\nGET\r\nEXEC\r\n").ends_with(aborted));
  CHECK(say("MULTI\r\nPING\r\nEXEC\r\n").ends_with(aborted));
  CHECK(say("MULTI\r\nMULTI\r\n").ends_with("can not be nested\r\n"));
  CHECK(say("SET a v\r\nDISCARD\r\nEXEC\r\n")
        == "+QUEUED\r\n+OK\r\n-ERR EXEC without MULTI\r\n");
  CHECK(say("MULTI\r\nRESET\r\nEXEC\r\n")
        == "+OK\r\n+RESET\r\n-ERR EXEC without MULTI\r\n");
  CHECK(nodes.executed.size() == 1);
  CHECK(say("WAIT 1 0\r\n") == ":2\r\n");
  CHECK(say("WAIT x 0\r\n").starts_with("-ERR value is not an integer"));
  CHECK(say("WAIT 1 -1\r\n") == "-ERR timeout is negative\r\n");
  CHECK(say("SELECT 1\r\nWAIT 1 0\r\n") == "+OK\r\n:0\r\n");
  CHECK(say("MULTI\r\n").starts_with("-ERR MULTI needs a database"));
}
