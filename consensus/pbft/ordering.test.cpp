#include "consensus/pbft/cluster.fixture.test.hpp"

using namespace neuroplex;
using namespace neuroplex::pbft;
using namespace neuroplex::pbft::testing;

TEST_CASE("a request is executed by all correct replicas and answered",
          "[pbft]") {
  group four;
  CHECK(four.ask("a") == "2");
  CHECK(four.ask("b") == "4");
  for (auto& [id, one] : four.nodes)
    CHECK(one.state.text == "a;b;");
}

TEST_CASE("a replica that is silent stops nobody", "[pbft]") {
  group four;
  four.stop(3);
  CHECK(four.ask("a") == "2");
  CHECK(four.nodes[1].state.text == "a;");
  CHECK(four.at(1).state().view == 0);
}

TEST_CASE("a read is answered without being ordered", "[pbft]") {
  group four;
  REQUIRE(four.ask("a"));
  auto before = four.at(1).state().executed;
  CHECK(four.ask("?", true) == "a;");
  CHECK(four.at(1).state().executed == before);
}

TEST_CASE("a request that comes again is answered again, not executed again",
          "[pbft]") {
  group four;
  std::vector<packet> requests;
  four.pass = [&](node_id from, const packet& what) {
    if (from == first_client)
      requests.push_back(what);
    return true;
  };
  REQUIRE(four.ask("a"));
  auto executed = four.at(1).state().executed;
  four.to_clients.clear();
  for (const auto& one : requests)
    four.packets.push_back({first_client, one});
  four.settle();
  CHECK(four.at(1).state().executed == executed);
  CHECK_FALSE(four.to_clients.empty());
  CHECK(four.nodes[1].state.text == "a;");
}

TEST_CASE("no prepare leaves before the batch is durable, and no commit before "
          "the replica knows for certain that it is prepared",
          "[pbft]") {
  group four;
  four.nodes[2].disk_works = false;
  std::size_t votes = 0;
  four.pass = [&](node_id from, const packet& what) {
    if (from == 2) {
      auto body = body_of(what);
      votes += std::holds_alternative<prepare>(body)
               || std::holds_alternative<commit>(body);
    }
    return true;
  };
  REQUIRE(four.ask("a"));
  CHECK(votes == 0);
  CHECK(four.nodes[2].unwritten.size() > 0);
  four.finish_writes(2);
  four.settle();
  CHECK(votes > 0);
}

TEST_CASE("a batch with the digest of another is not voted for and is kept as "
          "evidence",
          "[pbft]") {
  group four;
  auto asked = make_request(7, first_client, 5, false, "evil");
  pre_prepare body{0, 1, digest{}, std::make_shared<const batch>(batch{asked})};
  four.turn(2, received{four.forge(1, 2, body)});
  CHECK(four.packets.empty());
  CHECK(four.at(2).misdeeds().count_of(1, misdeed::wrong_digest) == 1);
}

TEST_CASE("a second batch for the same place in a view is refused", "[pbft]") {
  group four;
  auto none = std::make_shared<const batch>();
  auto with = four.crypto_of(1);
  four.turn(2, received{four.forge(
                 1, 2, pre_prepare{0, 1, digest_of(*with, {}), none})});
  digest other;
  other.bytes.fill(9);
  four.turn(2, received{four.forge(1, 2, pre_prepare{0, 1, other, none})});
  CHECK(four.at(2).misdeeds().count_of(1, misdeed::conflicting_pre_prepare)
        == 1);
}

TEST_CASE("what nobody shares a key for is dropped and counted", "[pbft]") {
  group four;
  auto packet = four.forge(1, 2, prepare{});
  packet.tag.bytes[0] ^= 1;
  four.turn(2, received{packet});
  CHECK(four.at(2).misdeeds().count_of(1, misdeed::bad_mac) == 1);
  // Made for another replica.
  four.turn(3, received{four.forge(1, 2, prepare{})});
  CHECK(four.at(3).misdeeds().count_of(1, misdeed::bad_mac) == 1);
}

TEST_CASE("a request that no client sent is not ordered, whatever the primary "
          "says",
          "[pbft]") {
  group four;
  auto asked = make_request(7, first_client, 5, false, "forged");
  asked.tags = slice::copy_of(std::string(64, 't'));
  auto requests = std::make_shared<const batch>(batch{asked});
  auto of = digest_of(*four.crypto_of(1), *requests);
  for (node_id to = 2; to <= 4; ++to)
    four.turn(to, received{four.forge(1, to, pre_prepare{0, 1, of, requests})});
  four.settle();
  for (node_id id = 2; id <= 4; ++id) {
    CHECK(four.at(id).state().executed == 0);
    CHECK(four.at(id).misdeeds().count_of(1, misdeed::unauthentic_request)
          == 1);
  }
}

TEST_CASE("a request whose MACs are right at the primary only costs it no "
          "office while the client is on probation",
          "[pbft]") {
  group four;
  auto asked = make_request(7, first_client, 5, false, "half");
  auto mac = four.crypto_of(first_client)->authenticate(1, asked.core.view());
  std::string tags(64, '\0');
  std::copy(mac.bytes.begin(), mac.bytes.end(), tags.begin());
  asked.tags = slice::copy_of(tags);
  four.turn(1, received{four.forge(first_client, 1, request_message{asked})});
  four.settle();
  four.wait(3s);
  CHECK(four.at(1).state().executed == 0);
  CHECK(four.at(2).state().view == 0);
  // Its signature makes it good everywhere.
  auto by = four.crypto_of(first_client)->sign(asked.core.view());
  asked.signed_by = slice::copy_of(
    {reinterpret_cast<const char*>(by.bytes.data()), by.bytes.size()});
  four.turn(1, received{four.forge(first_client, 1, request_message{asked})});
  four.settle();
  for (auto& [id, one] : four.nodes)
    CHECK(one.state.text == "half;");
}

TEST_CASE("a group that cannot bear its faults is refused with one line",
          "[pbft]") {
  auto three = options_for(1, 3);
  REQUIRE_FALSE(three.validate());
  CHECK(three.validate().error().message().find("it takes 4")
        != std::string::npos);
  auto stranger = options_for(9);
  CHECK(stranger.validate().code() == errc::config);
  auto twice = options_for(1);
  twice.replicas[2] = 2;
  CHECK(twice.validate().code() == errc::config);
  auto none = options_for(1);
  none.faults = 0;
  CHECK(none.validate().code() == errc::config);
  auto narrow = options_for(1);
  narrow.window = narrow.checkpoint_interval;
  CHECK(narrow.validate().code() == errc::config);
  CHECK(options_for(1).validate());
  CHECK(options_for(first_client).validate_client());
  CHECK_FALSE(options_for(2).validate_client());
}

TEST_CASE("quorums share a correct replica for any size of group", "[pbft]") {
  for (std::size_t faults = 1; faults < 6; ++faults)
    for (auto replicas = 3 * faults + 1; replicas < 3 * faults + 6;
         ++replicas) {
      auto quorum = quorum_of(replicas, faults);
      CHECK(2 * quorum - replicas >= faults + 1);
      CHECK(quorum <= replicas - faults);
      CHECK(2 * (quorum - 1) < replicas + faults + 1);
    }
}
