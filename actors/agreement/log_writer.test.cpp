#include "actors/agreement/log_writer.hpp"

#include "memory/eventually.test.hpp"
#include "memory/temporary_directory.test.hpp"

#include <catch2/catch.hpp>

using namespace neuroplex;
using namespace neuroplex::agreement;
using memory::testing::eventually;

namespace {

constexpr std::uint64_t segment_bytes = 16 << 10;

log_writer::opened open_log(const memory::testing::temporary_directory& room) {
  auto where = memory::open_disk_directory(room.path(), false, "test");
  REQUIRE(where);
  auto log = log_writer::open(std::move(*where), {{}, 1},
                              {.segment_bytes = segment_bytes, .seed = 1});
  if (!log)
    FAIL(log.error().message());
  return std::move(*log);
}

raft::entry entry_at(raft::log_index index) {
  return {1, index, raft::entry_kind::command,
          raft::slice::copy_of(std::string(500, 'e'))};
}

// Writes one and waits until it is durable.
void write(log_writer& to, group_id group, raft::disk_write what) {
  std::vector<log_writer::written> done;
  auto id = what.id;
  to.submit({{group, std::move(what)}});
  REQUIRE(eventually([&] {
    REQUIRE(to.collect(done));
    return std::any_of(done.begin(), done.end(), [&](const auto& one) {
      return one.group == group && one.write == id;
    });
  }));
}

} // namespace

TEST_CASE("the log does not grow for the sake of idle groups", "[threads]") {
  memory::testing::temporary_directory room;
  {
    auto log = open_log(room);
    log.writer->start([] {});
    for (group_id idle = 2; idle < 10; ++idle)
      write(
        *log.writer, idle,
        {.id = 1, .entries = {entry_at(1)}, .hard = raft::hard_state{1, 3, 1}});
    // One group writes 40 segments full, and needs its last entry only.
    for (raft::log_index index = 1; index <= 1'200; ++index)
      write(*log.writer, 1,
            {.id = index,
             .entries = {entry_at(index)},
             .hard = raft::hard_state{1, 1, index},
             .compact_to = index - 1});
    CHECK(log.writer->state().bytes > 35 * segment_bytes);
    CHECK(log.writer->state().segments < 6);
    log.writer->stop();
  }
  auto again = open_log(room);
  REQUIRE(again.groups.size() == 9);
  CHECK(again.groups.at(1).log.back().index == 1'200);
  for (group_id idle = 2; idle < 10; ++idle) {
    CHECK(again.groups.at(idle).hard == raft::hard_state{1, 3, 1});
    CHECK(again.groups.at(idle).log == std::vector{entry_at(1)});
  }
}
