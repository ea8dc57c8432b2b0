#include "consensus/pbft/cluster.fixture.test.hpp"

using namespace neuroplex;
using namespace neuroplex::pbft;
using namespace neuroplex::pbft::testing;

namespace {

std::vector<message> one_of_each(const crypto& with) {
  auto asked = make_request(7, 100, 3, false, "operation");
  asked.tags = slice::copy_of(std::string(64, 't'));
  asked.signed_by = slice::copy_of(std::string(64, 's'));
  auto requests = std::make_shared<const batch>(batch{asked, asked});
  stable_proof proof{8, {}, {{1, {}}, {2, {}}, {3, {}}}};
  view_change changing{2, 3, proof, {{9, 1, {}}}, {{9, 1, {}}, {10, 2, {}}}};
  seal(changing, 7, with);
  new_view begun{3, {changing, changing}};
  seal(begun, 7, with);
  std::vector<message_body> bodies{request_message{asked},
                                   reply{1, 2, true, slice::copy_of("result")},
                                   pre_prepare{1, 2, {}, requests},
                                   prepare{1, 2, {}},
                                   commit{1, 2, {}},
                                   checkpoint{4, {}, {}},
                                   proof,
                                   changing,
                                   begun,
                                   status_message{1, true, 4, 6},
                                   committed{5, {}, requests},
                                   batch_wanted{5, {}},
                                   batch_sent{5, requests},
                                   manifest_wanted{4},
                                   manifest{4, {digest{}, digest{}}},
                                   piece_wanted{4, 1},
                                   piece{4, 1, slice::copy_of("bytes")}};
  std::vector<message> all;
  all.reserve(bodies.size());
  for (auto& body : bodies)
    all.push_back({7, 2, std::move(body)});
  return all;
}

} // namespace

TEST_CASE("every message is read back as it was written", "[pbft]") {
  group four;
  for (const auto& what : one_of_each(*four.crypto_of(1))) {
    auto bytes = encode_message(what);
    auto read = decode_message(bytes);
    REQUIRE(read);
    CHECK(*read == what);
    CHECK(claimed_sender(bytes.view()) == 2);
  }
}

TEST_CASE("no message that is cut short or goes on is read", "[pbft]") {
  group four;
  for (const auto& what : one_of_each(*four.crypto_of(1))) {
    auto bytes = encode_message(what);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      CHECK_FALSE(decode_message(bytes.part(bytes.view().substr(0, size))));
    CHECK_FALSE(
      decode_message(slice::copy_of(std::string{bytes.view()} + "x")));
  }
}

TEST_CASE("a message of another version is named as such", "[pbft]") {
  std::string bytes{encode_message({7, 2, prepare{}}).view()};
  bytes[0] = 9;
  CHECK(decode_message(slice::copy_of(bytes)).code() == errc::version);
}

TEST_CASE("a packet is split where it was joined", "[pbft]") {
  group four;
  auto what = four.forge(1, 2, prepare{3, 4, {}});
  std::string bytes;
  append_packet(what, bytes);
  auto split = split_packet(slice::copy_of(bytes));
  REQUIRE(split);
  CHECK(split->bytes == what.bytes);
  CHECK(split->tag == what.tag);
  CHECK_FALSE(split_packet(slice::copy_of("short")));
}

TEST_CASE("records are read back as they were written", "[pbft]") {
  std::vector<record> all{
    view_record{3, false, slice::copy_of("view")},
    accepted_record{{1, 2, {}}, encode_batch({})},
    prepared_record{{1, 2, {}}},
    checkpoint_record{4, {slice::copy_of("a"), slice::copy_of("")}},
    stable_record{{4, {}, {{1, {}}}}},
    executed_record{5}};
  for (const auto& what : all) {
    std::string bytes;
    encode_record(what, bytes);
    auto read = decode_record(slice::copy_of(bytes));
    REQUIRE(read);
    CHECK(*read == what);
    CHECK_FALSE(decode_record(slice::copy_of(bytes.substr(1))));
  }
}

TEST_CASE("keys convince whom they should and nobody else", "[pbft]") {
  group four;
  auto one = four.crypto_of(1);
  auto two = four.crypto_of(2);
  auto three = four.crypto_of(3);
  auto tag = one->authenticate(2, "text");
  CHECK(two->is_authentic(1, "text", tag));
  CHECK_FALSE(two->is_authentic(1, "test", tag));
  CHECK_FALSE(two->is_authentic(3, "text", tag));
  CHECK_FALSE(three->is_authentic(1, "text", tag));
  CHECK_FALSE(two->is_authentic(99, "text", tag));
  auto by = one->sign("text");
  CHECK(three->is_signed(1, "text", by));
  CHECK_FALSE(three->is_signed(2, "text", by));
  CHECK_FALSE(three->is_signed(1, "test", by));
}
