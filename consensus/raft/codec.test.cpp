#include "consensus/raft/codec.hpp"

#include "consensus/raft/limits.hpp"

#include <catch2/catch.hpp>

#include <random>

using namespace neuroplex;
using namespace neuroplex::raft;

namespace {

configuration joint_members() {
  return {{{1, 0}, {2, 7}, {3, 0}}, {{1, 0}, {4, 0}}, {{5, 9}}, {{4, 1}}, true};
}

std::vector<message> one_of_each() {
  snapshot_meta meta{17, 4, joint_members(), 1'000, 0xABCD};
  std::vector<message_body> bodies{
    vote_request{true, false, 12, 3},
    vote_request{false, true, 1, 1},
    vote_reply{true, true},
    vote_reply{false, false},
    append_request{10,
                   2,
                   9,
                   {{3, 11, entry_kind::command, slice::copy_of("hello")},
                    {4, 12, entry_kind::nothing, {}},
                    {4, 13, entry_kind::configuration,
                     encode_configuration(joint_members())}}},
    append_request{},
    append_reply{true, 10, 8, 2},
    append_reply{false, 13, 0, 0},
    heartbeat{9, 77},
    heartbeat_reply{77},
    snapshot_chunk{meta, 512, slice::copy_of("some bytes"), true},
    snapshot_reply{17, false, true, 522},
    snapshot_reply{17, true, false, 0},
    timeout_now{}};
  std::vector<message> all;
  all.reserve(bodies.size());
  for (auto& body : bodies)
    all.push_back({1, 2, 5, 4, std::move(body)});
  return all;
}

std::string encoded(const message& what) {
  std::string bytes;
  encode_message(what, bytes);
  return bytes;
}

// What is accepted must be written as the same bytes.
bool refused_or_exact(const std::string& bytes) {
  auto what = decode_message(slice::copy_of(bytes));
  return !what || encoded(*what) == bytes;
}

} // namespace

TEST_CASE("every message reads as what was written") {
  for (const auto& what : one_of_each()) {
    auto back = decode_message(slice::copy_of(encoded(what)));
    REQUIRE(back);
    CHECK(*back == what);
  }
}

TEST_CASE("a message that is cut short or too long is refused") {
  for (const auto& what : one_of_each()) {
    auto bytes = encoded(what);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      CHECK(decode_message(slice::copy_of(bytes.substr(0, size))).code()
            == errc::protocol);
    CHECK(decode_message(slice::copy_of(bytes + '\0')).code()
          == errc::protocol);
  }
}

TEST_CASE("a message of another version is refused by that name") {
  auto bytes = encoded(one_of_each().front());
  bytes[0] = 2;
  CHECK(decode_message(slice::copy_of(bytes)).code() == errc::version);
}

TEST_CASE("every single changed byte is refused or read as what it says") {
  for (const auto& what : one_of_each()) {
    auto bytes = encoded(what);
    for (std::size_t at = 0; at < bytes.size(); ++at)
      for (int value : {0, 1, 2, 3, 0x7F, 0x80, 0xFF}) {
        auto changed = bytes;
        changed[at] = static_cast<char>(value);
        if (!refused_or_exact(changed))
          FAIL("byte " << at << " to " << value);
      }
  }
}

TEST_CASE("random bytes are refused or read as what they say") {
  std::mt19937_64 random{5};
  auto samples = one_of_each();
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = encoded(samples[random() % samples.size()]);
    for (auto count = 1 + random() % 8; count > 0; --count)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    if (random() % 4 == 0)
      bytes.resize(random() % bytes.size());
    if (!refused_or_exact(bytes))
      FAIL("round " << round);
  }
}

TEST_CASE("a count that lies costs no memory") {
  auto bytes = encoded({1, 2, 0, 1, append_request{}});
  for (std::size_t i = 1; i <= 4; ++i)
    bytes[bytes.size() - i] = '\xFF';
  CHECK(decode_message(slice::copy_of(bytes)).code() == errc::protocol);
}

TEST_CASE("an impossible configuration is refused") {
  CHECK(decode_configuration(encode_configuration(joint_members()).view()));
  CHECK(decode_configuration(encode_configuration({}).view()));
  std::vector<configuration> impossible{
    {{}, {}, {{1, 0}}, {}, false},              // learners only
    {{{1, 0}, {1, 1}}, {}, {}, {}, false},      // an id twice
    {{{2, 0}, {1, 0}}, {}, {}, {}, false},      // not in order
    {{{0, 0}}, {}, {}, {}, false},              // nobody
    {{{1, 0}}, {}, {{1, 0}}, {}, false},        // in two roles
    {{{1, 0}}, {}, {}, {{2, 0}}, false},        // next without a joint
    {{{1, 0}}, {}, {}, {}, true},               // leaves what is not joint
    {{{1, 0}}, {{1, 0}}, {}, {{1, 0}}, false}}; // voter and learner-to-be
  for (const auto& members : impossible)
    CHECK(decode_configuration(encode_configuration(members).view()).code()
          == errc::protocol);
}

TEST_CASE("the meta data of a snapshot reads as what was written") {
  snapshot_meta meta{17, 4, joint_members(), 1'000, 0xABCD};
  auto bytes = encode_snapshot_meta(meta);
  auto back = decode_snapshot_meta(bytes.view());
  REQUIRE(back);
  CHECK(*back == meta);
  CHECK_FALSE(decode_snapshot_meta(bytes.view().substr(1)));
}
