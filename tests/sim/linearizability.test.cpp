#include "tests/sim/linearizability.hpp"

#include <algorithm>
#include <vector>

#include <catch2/catch.hpp>

using namespace neuroplex::sim;

namespace {

operation sim_op(verb what, outcome result, register_value value, int call,
                 int answered, register_value expect = absent,
                 register_value saw = absent) {
  static std::uint32_t client = 0;
  operation one;
  one.what = what;
  one.result = result;
  one.client = client++;
  one.value = value;
  one.expect = expect;
  one.saw = saw;
  one.call = nanoseconds{call};
  one.answered = nanoseconds{answered};
  return one;
}

history sim_history_of(const std::vector<operation>& operations) {
  history told;
  for (const auto& one : operations) {
    told.begin(one);
  }
  return told;
}

bool sim_good(const std::vector<operation>& operations) {
  const auto result = judge(sim_history_of(operations));
  REQUIRE(result.undecided_keys == 0);
  return result.violation.empty();
}

/// Tries every order: slow and obvious.
bool sim_good_by_trying(std::vector<operation> left, register_value value) {
  bool all_optional = true;
  for (const auto& one : left) {
    all_optional = all_optional && one.result == outcome::unknown;
  }
  if (all_optional) {
    return true;
  }
  for (std::size_t number = 0; number < left.size(); ++number) {
    const auto one = left[number];
    const auto is_first =
      std::all_of(left.begin(), left.end(), [&](const operation& other) {
        return other.result == outcome::unknown || other.answered >= one.call;
      });
    auto next = value;
    bool fits = is_first;
    if (one.what == verb::get) {
      fits = fits && (one.result == outcome::unknown || one.value == value);
    } else if (one.what == verb::put) {
      next = one.value;
    } else if (one.result == outcome::mismatch) {
      fits = fits && one.saw == value && value != one.expect;
    } else {
      fits = fits && value == one.expect;
      next = one.value;
    }
    if (fits) {
      auto rest = left;
      rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(number));
      if (sim_good_by_trying(rest, next)) {
        return true;
      }
    }
  }
  return false;
}

} // namespace

TEST_CASE("a read that overlaps a write may see either value") {
  using enum outcome;
  REQUIRE(
    sim_good({sim_op(verb::put, ok, 1, 0, 10), sim_op(verb::put, ok, 2, 20, 40),
              sim_op(verb::get, ok, 1, 25, 30)}));
  REQUIRE(
    sim_good({sim_op(verb::put, ok, 1, 0, 10), sim_op(verb::put, ok, 2, 20, 40),
              sim_op(verb::get, ok, 2, 25, 30)}));
}

TEST_CASE("a stale read and a lost write are found") {
  using enum outcome;
  REQUIRE_FALSE(
    sim_good({sim_op(verb::put, ok, 1, 0, 10), sim_op(verb::put, ok, 2, 20, 30),
              sim_op(verb::get, ok, 1, 40, 50)}));
  REQUIRE_FALSE(sim_good(
    {sim_op(verb::put, ok, 1, 0, 10), sim_op(verb::get, ok, absent, 20, 30)}));
}

TEST_CASE("two reads may not go back in time") {
  using enum outcome;
  REQUIRE_FALSE(sim_good(
    {sim_op(verb::put, ok, 1, 0, 10), sim_op(verb::put, ok, 2, 20, 90),
     sim_op(verb::get, ok, 2, 25, 30), sim_op(verb::get, ok, 1, 40, 50)}));
}

TEST_CASE("a write of unknown outcome may come late, or never") {
  using enum outcome;
  REQUIRE(sim_good({sim_op(verb::put, unknown, 1, 0, 0),
                    sim_op(verb::get, ok, absent, 20, 30),
                    sim_op(verb::get, ok, 1, 40, 50)}));
  REQUIRE(sim_good({sim_op(verb::put, unknown, 1, 0, 0),
                    sim_op(verb::get, ok, absent, 20, 30)}));
  // Not taken back, though.
  REQUIRE_FALSE(sim_good({sim_op(verb::put, unknown, 1, 0, 0),
                          sim_op(verb::get, ok, 1, 20, 30),
                          sim_op(verb::get, ok, absent, 40, 50)}));
}

TEST_CASE("a write that failed may not be seen") {
  using enum outcome;
  REQUIRE_FALSE(sim_good(
    {sim_op(verb::put, failed, 1, 0, 10), sim_op(verb::get, ok, 1, 20, 30)}));
}

TEST_CASE("of two swaps of one value one succeeds") {
  using enum outcome;
  REQUIRE_FALSE(sim_good({sim_op(verb::put, ok, 1, 0, 10),
                          sim_op(verb::cas, ok, 2, 20, 40, 1),
                          sim_op(verb::cas, ok, 3, 20, 40, 1)}));
  REQUIRE(sim_good({sim_op(verb::put, ok, 1, 0, 10),
                    sim_op(verb::cas, ok, 2, 20, 40, 1),
                    sim_op(verb::cas, mismatch, 3, 20, 40, 1, 2)}));
  // An unknown write that only a mismatch saw.
  REQUIRE(sim_good({sim_op(verb::put, ok, 1, 0, 10),
                    sim_op(verb::put, unknown, 5, 12, 0),
                    sim_op(verb::cas, mismatch, 3, 20, 40, 1, 5)}));
}

TEST_CASE("the search agrees with trying every order") {
  dice thrown{42};
  int good = 0;
  for (int round = 0; round < 3000; ++round) {
    std::vector<operation> operations;
    const auto count = thrown.between(std::uint64_t{2}, std::uint64_t{6});
    for (register_value number = 1; number <= count; ++number) {
      const auto call = static_cast<int>(thrown.below(20));
      const auto answered =
        call + static_cast<int>(thrown.between(std::uint64_t{1}, 8));
      const auto unknown = thrown.below(5) == 0;
      const auto some = thrown.below(count + 1);
      switch (thrown.below(3)) {
        case 0:
          operations.push_back(
            sim_op(verb::get, outcome::ok, some, call, answered));
          break;
        case 1:
          operations.push_back(sim_op(verb::put,
                                      unknown ? outcome::unknown : outcome::ok,
                                      number, call, answered));
          break;
        default:
          operations.push_back(sim_op(verb::cas,
                                      unknown         ? outcome::unknown
                                      : thrown.coin() ? outcome::ok
                                                      : outcome::mismatch,
                                      number, call, answered, some,
                                      thrown.below(count + 1)));
      }
    }
    const auto expected = sim_good_by_trying(operations, absent);
    good += expected ? 1 : 0;
    REQUIRE(sim_good(operations) == expected);
  }
  REQUIRE(good > 300);
  REQUIRE(good < 2700);
}

TEST_CASE("a history is written with a new process after an unknown outcome") {
  history told;
  operation one;
  one.what = verb::put;
  one.value = 5;
  one.call = nanoseconds{10};
  told.begin(one);
  one.what = verb::get;
  one.call = nanoseconds{20};
  told.end(told.begin(one), nanoseconds{30}, outcome::ok, absent);
  REQUIRE(
    told.to_json_lines(9)
    == R"({"format":"hist-v1","clock":"simulated","seed":"9","init":"empty"}
{"process":0,"op":"put","key":"k0","value":"5","call_ns":10,"return_ns":null,"result":"unknown"}
{"process":1,"op":"get","key":"k0","value":null,"call_ns":20,"return_ns":30,"result":"ok"}
)");
}
