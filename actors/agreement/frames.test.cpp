#include "actors/agreement/frames.hpp"

#include "actors/agreement/log_records.hpp"

#include <catch2/catch.hpp>

#include <random>

using namespace neuroplex;
using namespace neuroplex::agreement;

namespace {

// One frame of each type.
std::vector<std::string> frames_of_all_types() {
  std::vector<std::string> all(4);
  raft::configuration first;
  first.voters = {{1, 7}, {2, 8}, {3, 9}};
  append_frame(greeting{"local", 1, 2, 7, first}, all[0]);
  raft::append_request body;
  body.entries = {
    {4, 11, raft::entry_kind::command, raft::slice::copy_of("payload")}};
  append_raft_frame(5, {1, 2, 7, 4, body}, all[1]);
  append_frame(request_frame{5, 6, true, 7, 8, 9, "batch"}, all[2]);
  append_frame(reply_frame{5, 6, reply_verdict::done, errc::ok, 2, 10, "bytes"},
               all[3]);
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
  auto message = decode_frame(raft::slice::copy_of(all[1]));
  const auto& body =
    std::get<raft::append_request>(std::get<raft_frame>(*message).what.body);
  CHECK(body.entries.at(0).data.view() == "payload");
}

TEST_CASE("a frame that is cut, too long or changed is refused or read, never "
          "more") {
  std::mt19937_64 chance{7};
  for (const auto& whole : frames_of_all_types()) {
    for (std::size_t cut = 5; cut < whole.size(); ++cut)
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

TEST_CASE("a log is replayed as the core wrote it") {
  auto entry = [](raft::term_number term, raft::log_index index) {
    return raft::entry{term, index, raft::entry_kind::command,
                       raft::slice::copy_of(std::to_string(index))};
  };
  std::vector<raft::disk_write> writes(4);
  writes[0].entries = {entry(1, 1), entry(1, 2), entry(1, 3)};
  writes[0].hard = raft::hard_state{1, 2, 0};
  writes[1].truncate_from = 2;
  writes[1].entries = {entry(2, 2)};
  writes[1].hard = raft::hard_state{2, raft::nobody, 1};
  writes[2].reset_to = 9;
  writes[2].hard = raft::hard_state{3, 3, 9};
  writes[3].entries = {entry(3, 10)};
  writes[3].compact_to = 9;
  writes[3].hard = raft::hard_state{3, 3, 9};
  std::vector<std::vector<raft::log_index>> expected_logs{
    {1, 2, 3}, {1, 2}, {}, {10}};
  log_replay replay;
  log_replay so_far;
  for (std::size_t i = 0; i < writes.size(); ++i) {
    // Records can only be read back from a log; their order is what counts.
    auto take = [&](const storage::log_record& one) {
      replay.take(one, i + 1);
      so_far.take(one, i + 1);
    };
    if (writes[i].reset_to)
      take({4, 18, 0, *writes[i].reset_to, {}});
    if (writes[i].truncate_from)
      take({4, 17, 0, *writes[i].truncate_from, {}});
    for (const auto& one : writes[i].entries)
      take({4, static_cast<std::uint8_t>(one.kind), one.term, one.index,
            one.data.view()});
    auto copy = so_far;
    auto groups = copy.finish();
    REQUIRE(groups);
    std::vector<raft::log_index> found;
    for (const auto& one : (*groups)[4].log)
      found.push_back(one.index);
    CHECK(found == expected_logs[i]);
  }
  log_replay gap;
  gap.take({4, 1, 1, 1, "a"}, 1);
  gap.take({4, 1, 1, 3, "c"}, 1);
  CHECK(gap.finish().code() == errc::corrupt);
}

TEST_CASE("a group keeps the batches that its entries lie in") {
  batch_index places;
  raft::disk_write write;
  for (raft::log_index index = 1; index <= 10; ++index) {
    write.entries = {{1, index, raft::entry_kind::command, {}}};
    places.note(write, 100 + index);
  }
  CHECK(places.keep_after(3, 200) == 104);
  CHECK(places.keep_after(3, 102) == 102);
  places.note_truncation(8);
  CHECK(places.keep_after(9, 200) == 107);
}
