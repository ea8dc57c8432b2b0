#include "consensus/hybrid/codec.hpp"

#include "consensus/pbft/codec.hpp"

#include <catch2/catch.hpp>

using namespace neuroplex;
using namespace neuroplex::hybrid;

namespace {

digest some_digest(std::uint8_t with) {
  digest result;
  result.bytes.fill(with);
  return result;
}

signature some_signature(std::uint8_t with) {
  signature result;
  result.bytes.fill(with);
  return result;
}

std::vector<message_body> one_of_each() {
  auto asked = pbft::make_request(7, 100, 3, false, "operation");
  asked.tags = slice::copy_of("sixteen bytes ..");
  epoch_info where{3, mode::raft, 2};
  head last{9, some_digest(1)};
  return {
    raft_message{3, slice::copy_of("inner"), some_signature(2)},
    raft_message{3, slice::copy_of("inner"), std::nullopt},
    ask{asked},
    answer{where, 3, true, slice::copy_of("result")},
    standing{where, some_digest(4), some_signature(5), last, some_signature(6)},
    doubt{2, 3, some_signature(10)},
    stop{2, 3, last, some_signature(7), some_signature(8)},
    holding{2, 3, last, some_signature(9)},
    entries_wanted{3, last},
    entries_sent{
      3,
      last,
      some_digest(3),
      {{1, 8, raft::entry_kind::nothing, {}},
       {1, 9, raft::entry_kind::command, slice::copy_of("command")}}}};
}

std::vector<record> one_record_of_each() {
  head last{9, some_digest(1)};
  return {
    pbft::record{pbft::executed_record{4}},
    began_record{3, some_digest(2)},
    raft_record{3,
                raft::hard_state{1, 2, 3},
                {{1, 1, raft::entry_kind::command, slice::copy_of("command")}}},
    raft_record{3, std::nullopt, {}},
    head_record{3, last, some_signature(1)},
    branch_record{3, 4, {{1, 5, raft::entry_kind::nothing, {}}}},
    stopped_record{3},
    closed_record{3, 17}};
}

} // namespace

TEST_CASE("hybrid codec: what is written is read as the same", "[hybrid]") {
  for (const auto& body : one_of_each()) {
    message what{7, 2, body};
    auto bytes = encode_message(what);
    CHECK(is_hybrid(bytes.view()));
    CHECK(pbft::claimed_sender(bytes.view()) == 2);
    auto read = decode_message(bytes);
    REQUIRE(read);
    CHECK(*read == what);
  }
  for (const auto& what : one_record_of_each()) {
    std::string bytes;
    encode_record(what, bytes);
    auto read = decode_record(slice::copy_of(bytes));
    REQUIRE(read);
    CHECK(*read == what);
  }
  order wish = open_vote{4, true, {1, 2}};
  CHECK(*decode_order(encode_order(wish)) == wish);
  result answered{
    result_kind::moved, {2, mode::raft, 4}, slice::copy_of("bytes")};
  CHECK(*decode_result(encode_result(answered)) == answered);
}

TEST_CASE("hybrid codec: nothing cut short or too long is read", "[hybrid]") {
  for (const auto& body : one_of_each()) {
    auto bytes = encode_message({7, 2, body});
    for (std::size_t size = 0; size < bytes.size(); ++size)
      CHECK_FALSE(decode_message(bytes.part(bytes.view().substr(0, size))));
    auto longer = std::string{bytes.view()} + "x";
    CHECK_FALSE(decode_message(slice::copy_of(longer)));
  }
  for (const auto& what : one_record_of_each()) {
    std::string bytes;
    encode_record(what, bytes);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      CHECK_FALSE(decode_record(slice::copy_of(bytes.substr(0, size))));
  }
}

TEST_CASE("hybrid codec: another version is named", "[hybrid]") {
  auto bytes = std::string{encode_message({7, 2, entries_wanted{}}).view()};
  bytes[0] = static_cast<char>(0x82);
  auto read = decode_message(slice::copy_of(bytes));
  REQUIRE_FALSE(read);
  CHECK(read.error().code() == errc::version);
}

TEST_CASE("hybrid codec: no signature of one statement fits another",
          "[hybrid]") {
  head last{1, some_digest(1)};
  CHECK(head_statement(7, 1, last) != head_statement(8, 1, last));
  CHECK(head_statement(7, 1, last) != head_statement(7, 2, last));
  CHECK(stop_statement(7, {1, 1, last, {}, {}})
        != holding_statement(7, {1, 1, last, {}}));
}
