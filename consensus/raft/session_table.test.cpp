#include "consensus/raft/session_table.hpp"

#include <catch2/catch.hpp>

#include <random>
#include <set>

using namespace neuroplex;
using namespace neuroplex::raft;

TEST_CASE("a request that comes twice is executed once") {
  session_table table{8, 4};
  auto id = table.open(10);
  REQUIRE(table.begin(id, 1, 0).verdict == session_verdict::execute);
  table.remember(id, 1, "first");
  auto again = table.begin(id, 1, 0);
  CHECK(again.verdict == session_verdict::repeated);
  CHECK(again.answer == "first");
}

TEST_CASE("requests may overtake each other within the window") {
  session_table table{8, 4};
  auto id = table.open(1);
  for (std::uint64_t sequence : {3, 1, 4, 2}) {
    REQUIRE(table.begin(id, sequence, 0).verdict == session_verdict::execute);
    table.remember(id, sequence, std::to_string(sequence));
  }
  CHECK(table.begin(id, 5, 0).verdict == session_verdict::too_far);
  CHECK(table.begin(id, 5, 3).verdict == session_verdict::execute);
  CHECK(table.begin(id, 2, 0).verdict == session_verdict::forgotten);
  CHECK(table.begin(id, 4, 0).answer == "4");
}

TEST_CASE("the session that was used longest ago makes room") {
  session_table table{2, 4};
  auto a = table.open(1);
  auto b = table.open(2);
  CHECK(table.begin(a, 1, 0).verdict == session_verdict::execute);
  auto c = table.open(3);
  CHECK(table.size() == 2);
  CHECK(table.begin(b, 1, 0).verdict == session_verdict::unknown);
  CHECK(table.begin(a, 1, 0).verdict == session_verdict::execute);
  CHECK(table.close(c));
  CHECK_FALSE(table.close(c));
}

TEST_CASE("a table that was saved and loaded goes on as the one it was") {
  std::mt19937_64 random{3};
  session_table table{5, 6};
  std::vector<session_id> ids;
  std::set<std::pair<session_id, std::uint64_t>> executed;
  for (log_index index = 1; index < 3'000; ++index) {
    if (random() % 50 == 0 || ids.empty()) {
      ids.push_back(table.open(index));
      continue;
    }
    auto id = ids[random() % ids.size()];
    auto sequence = 1 + random() % 20;
    auto found = table.begin(id, sequence, random() % 10);
    if (found.verdict == session_verdict::execute) {
      REQUIRE(executed.emplace(id, sequence).second);
      table.remember(id, sequence, std::to_string(index));
    }
    std::string bytes;
    table.save(bytes);
    auto loaded = session_table::load(bytes);
    REQUIRE(loaded);
    std::string again;
    loaded->save(again);
    REQUIRE(bytes == again);
    table = *std::move(loaded);
  }
  CHECK(executed.size() > 100);
}

TEST_CASE("what is not a saved table is refused") {
  session_table table{5, 6};
  auto id = table.open(7);
  table.remember(id, 1, "answer");
  std::string bytes;
  table.save(bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK(session_table::load(bytes.substr(0, size)).code() == errc::corrupt);
  CHECK(session_table::load(bytes + "x").code() == errc::corrupt);
}
