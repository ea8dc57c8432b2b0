#include "actors/agreement/requester.hpp"

#include <catch2/catch.hpp>

using namespace neuroplex;
using namespace neuroplex::agreement;
using namespace std::chrono_literals;

namespace {

// A requester and what became of its wishes.
class asking {
public:
  requester subject{{.group = 1, .self = 1}};
  std::vector<request_frame> sent;
  std::vector<errc> outcomes;
  raft::time now{1s};

  void wish_for(const char* batch, bool read = false,
                raft::time patience = 1s) {
    auto place = outcomes.size();
    outcomes.push_back(errc::locked); // not yet
    subject.add({.read = read,
                 .batch = batch,
                 .deadline = now + patience,
                 .done = [this, place](const outcome& what) {
                   outcomes[place] = what.code;
                 }});
    collect();
  }

  void collect() {
    sent.clear();
    subject.requests(sent, now);
  }

  void answer(const request_frame& to, reply_verdict verdict,
              raft::session_id session = 0) {
    subject.take(
      {.group = 1, .tag = to.tag, .verdict = verdict, .session = session}, now);
  }

  // Has a leader, and a session of number 10.
  void begin() {
    subject.set_leader(2, true, 1);
    wish_for("first");
    REQUIRE(sent.size() == 1);
    REQUIRE(sent[0].batch.empty());
    answer(sent[0], reply_verdict::done, 10);
    collect();
    REQUIRE(sent.size() == 1);
    REQUIRE(sent[0].sequence == 1);
    answer(sent[0], reply_verdict::done);
    REQUIRE(outcomes == std::vector<errc>{errc::ok});
    outcomes.clear();
  }
};

} // namespace

TEST_CASE("nothing is sent while nobody leads, and that is unavailable") {
  asking client;
  client.wish_for("w");
  CHECK(client.sent.empty());
  client.now += 2s;
  client.subject.tick(client.now);
  CHECK(client.outcomes[0] == errc::unavailable);
}

TEST_CASE("a write that was sent and not answered is unknown, a read is not") {
  asking client;
  client.begin();
  client.wish_for("w");
  client.wish_for("r", true);
  client.now += 2s;
  client.subject.tick(client.now);
  CHECK(client.outcomes[0] == errc::unknown_outcome);
  CHECK(client.outcomes[1] == errc::unavailable);
}

TEST_CASE(
  "a new leader is sent all again, in order and under the same numbers") {
  asking client;
  client.begin();
  client.wish_for("a");
  auto first = client.sent.at(0);
  client.wish_for("b");
  auto second = client.sent.at(0);
  client.subject.set_leader(3, true, 1);
  client.collect();
  REQUIRE(client.sent.size() == 2);
  CHECK(client.sent[0].sequence == first.sequence);
  CHECK(client.sent[1].sequence == second.sequence);
  CHECK(client.sent[0].session == 10);
  CHECK(client.sent[0].acknowledged == first.sequence);
  client.answer(client.sent[0], reply_verdict::done);
  client.answer(client.sent[0], reply_verdict::done); // the late one of before
  CHECK(client.outcomes == std::vector<errc>{errc::ok, errc::locked});
}

TEST_CASE("a leader that cannot now is asked again a little later") {
  asking client;
  client.begin();
  client.wish_for("a");
  auto asked = client.sent.at(0);
  client.answer(asked, reply_verdict::try_again);
  client.collect();
  CHECK(client.sent.empty());
  CHECK(client.subject.next_deadline() <= client.now + 5ms);
  client.now += 5ms;
  client.collect();
  REQUIRE(client.sent.size() == 1);
  CHECK(client.sent[0].sequence == asked.sequence);
}

TEST_CASE("a session that nobody knows any more leaves its writes unknown") {
  asking client;
  client.begin();
  client.wish_for("a");
  auto asked = client.sent.at(0);
  client.answer(asked, reply_verdict::no_session);
  CHECK(client.outcomes[0] == errc::unknown_outcome);
  client.wish_for("b");
  REQUIRE(client.sent.size() == 1);
  CHECK(client.sent[0].batch.empty()); // opens another one
}

TEST_CASE(
  "what was done and forgotten is unknown, what was refused is refused") {
  asking client;
  client.begin();
  client.wish_for("a");
  client.answer(client.sent.at(0), reply_verdict::forgotten);
  client.wish_for("b");
  client.subject.take({.group = 1,
                       .tag = client.sent.at(0).tag,
                       .verdict = reply_verdict::refused,
                       .code = errc::bad_argument},
                      client.now);
  CHECK(client.outcomes
        == std::vector<errc>{errc::unknown_outcome, errc::bad_argument});
}

TEST_CASE("a refusal says nothing about an earlier sending") {
  asking client;
  client.begin();
  client.wish_for("a");
  client.subject.set_leader(3, true, 1);
  client.collect();
  client.subject.take({.group = 1,
                       .tag = client.sent.at(0).tag,
                       .verdict = reply_verdict::refused,
                       .code = errc::no_space},
                      client.now);
  CHECK(client.outcomes[0] == errc::unknown_outcome);
}

TEST_CASE("wishes beyond the limit are refused at once") {
  requester subject{{.group = 1, .self = 1, .max_outstanding = 1}};
  std::vector<errc> outcomes;
  auto add = [&] {
    subject.add(
      {.batch = "w", .deadline = 1s, .done = [&](const outcome& what) {
         outcomes.push_back(what.code);
       }});
  };
  add();
  add();
  CHECK(outcomes == std::vector<errc>{errc::busy});
  subject.give_up();
  CHECK(outcomes == std::vector<errc>{errc::busy, errc::unavailable});
}
