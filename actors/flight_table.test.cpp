#include "actors/flight_table.hpp"

#include <catch2/catch.hpp>

using namespace neuroplex;
using namespace neuroplex::actors;

TEST_CASE("credit bounds what is under way to a peer and of a client") {
  flight_table table{{.per_peer = 3, .per_client = 2, .bytes_per_peer = 1'000}};
  auto first = table.take_off({.peer = 1, .client = 7, .bytes = 10});
  REQUIRE(first);
  REQUIRE(table.take_off({.peer = 1, .client = 7, .bytes = 10}));
  CHECK_FALSE(table.take_off({.peer = 1, .client = 7, .bytes = 10}));
  CHECK_FALSE(table.take_off({.peer = 1, .client = 8, .bytes = 990}));
  REQUIRE(table.take_off({.peer = 1, .client = 8, .bytes = 10}));
  CHECK_FALSE(table.take_off({.peer = 1, .client = 9, .bytes = 10}));
  CHECK(table.take_off({.peer = 2, .client = 9, .bytes = 10}));
  REQUIRE(table.land(*first));
  CHECK_FALSE(table.land(*first));
  CHECK(table.take_off({.peer = 1, .client = 7, .bytes = 10}));
}

TEST_CASE("one request larger than all credit may fly alone") {
  flight_table table{{.per_peer = 3, .per_client = 2, .bytes_per_peer = 1'000}};
  auto large = table.take_off({.peer = 1, .bytes = 5'000});
  REQUIRE(large);
  CHECK_FALSE(table.take_off({.peer = 1, .bytes = 1}));
  REQUIRE(table.land(*large));
  CHECK(table.take_off({.peer = 1, .bytes = 1}));
}

TEST_CASE("losing a peer ends its flights and gives all credit back") {
  flight_table table{{.per_peer = 2, .per_client = 2, .bytes_per_peer = 1'000}};
  auto first = table.take_off({.peer = 1, .client = 7, .effect = true});
  REQUIRE(table.take_off({.peer = 1, .client = 7}));
  auto other = table.take_off({.peer = 2, .client = 8});
  auto lost = table.lose(1);
  CHECK(lost.size() == 2);
  CHECK(table.in_flight(1) == 0);
  CHECK_FALSE(table.under_way(*first));
  CHECK(table.under_way(*other));
  CHECK(table.take_off({.peer = 1, .client = 7}));
  CHECK(outcome_without_answer(true) == errc::unknown_outcome);
  CHECK(outcome_without_answer(false) == errc::unavailable);
}
