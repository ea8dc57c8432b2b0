#include "actors/agreement/frames.hpp"

#include <catch2/catch.hpp>

#include <random>

using namespace neuroplex;
using namespace neuroplex::agreement;

namespace {

// One frame of each type.
std::vector<std::string> frames_of_all_types() {
  std::vector<std::string> all(7);
  raft::configuration first;
  first.voters = {{1, 7}, {2, 8}, {3, 9}};
  append_frame(greeting{"local", 1, 2, protocol::hybrid, 7, 4, first, "key"},
               all[0]);
  raft::append_request body;
  body.entries = {
    {4, 11, raft::entry_kind::command, raft::slice::copy_of("payload")}};
  append_raft_frame(5, {1, 2, 7, 4, body}, all[1]);
  append_frame(beats_frame{true, 7, {{5, 4, 3, 2}, {6, 5, 4, 3}}}, all[2]);
  append_frame(request_frame{5, 6, true, 7, 8, 9, "batch"}, all[3]);
  append_frame(reply_frame{5, 6, reply_verdict::done, errc::ok, 2, 10, "bytes"},
               all[4]);
  append_frame(order_frame{5, 6, order_kind::remove, 3}, all[5]);
  append_packet_frame(5, "message", "tag", all[6]);
  return all;
}

} // namespace

TEST_CASE("frames are read as they were written") {
  auto all = frames_of_all_types();
  for (std::size_t i = 0; i < all.size(); ++i) {
    CHECK(**frame_bytes(all[i]) == all[i].size());
    auto read = decode_frame(raft::slice::copy_of(all[i]));
    REQUIRE(read);
    CHECK(read->index() == i);
  }
  auto hello = decode_frame(raft::slice::copy_of(all[0]));
  CHECK(std::get<greeting>(*hello).first->voters.size() == 3);
  CHECK(std::get<greeting>(*hello).groups == 4);
  CHECK(std::get<greeting>(*hello).how == protocol::hybrid);
  CHECK(std::get<greeting>(*hello).key == "key");
  auto packet = decode_frame(raft::slice::copy_of(all[6]));
  CHECK(std::get<packet_frame>(*packet).to == 5);
  CHECK(std::get<packet_frame>(*packet).packet.view() == "messagetag");
  auto beats = decode_frame(raft::slice::copy_of(all[2]));
  CHECK(std::get<beats_frame>(*beats).beats.at(1).commit == 4);
  auto message = decode_frame(raft::slice::copy_of(all[1]));
  const auto& body =
    std::get<raft::append_request>(std::get<raft_frame>(*message).what.body);
  CHECK(body.entries.at(0).data.view() == "payload");
}

TEST_CASE("a frame that is cut, too long or changed is refused or read, never "
          "more") {
  std::mt19937_64 chance{7};
  for (const auto& whole : frames_of_all_types()) {
    // What a packet holds is its reader's business.
    auto opaque = decode_frame(raft::slice::copy_of(whole))->index() == 6;
    auto longest = opaque ? std::size_t{13} : whole.size();
    for (std::size_t cut = 5; cut < longest; ++cut)
      CHECK_FALSE(decode_frame(raft::slice::copy_of(whole.substr(0, cut))));
    for (int round = 0; round < 2'000; ++round) {
      auto changed = whole;
      changed[chance() % changed.size()] = static_cast<char>(chance());
      static_cast<void>(decode_frame(raft::slice::copy_of(changed)));
    }
  }
  CHECK_FALSE(frame_bytes(std::string(8, '\xFF')));
  CHECK_FALSE(frame_bytes(std::string(8, '\0')));
  CHECK_FALSE(*frame_bytes("\1\0\0"));
}
