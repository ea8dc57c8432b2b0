#include "consensus/hybrid/trust.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace neuroplex;
using namespace neuroplex::hybrid;
using namespace std::chrono_literals;

namespace {

trust_options short_memory() {
  trust_options settings;
  settings.half_life = 10s;
  settings.silent_after = 1s;
  return settings;
}

} // namespace

TEST_CASE("trust: whoever did nothing wrong is trusted", "[hybrid]") {
  trust_book book{short_memory(), {1, 2, 3}, 0s};
  CHECK(book.score(2, 500ms) == 1.0);
  CHECK(book.trusts_all(500ms));
}

TEST_CASE("trust: one equivocation is enough, one wrong MAC is not",
          "[hybrid]") {
  trust_book book{short_memory(), {1, 2, 3}, 0s};
  book.saw(2, fault_kind::bad_mac, 0s);
  CHECK(book.trusts(2, 0s));
  book.saw(3, fault_kind::equivocation, 0s);
  CHECK_FALSE(book.trusts(3, 0s));
  CHECK_FALSE(book.trusts_all(0s));
  CHECK(book.lowest_score(0s) < 0.4);
  for (int i = 0; i < 4; ++i)
    book.saw(2, fault_kind::bad_mac, 0s);
  CHECK_FALSE(book.trusts(2, 0s));
}

TEST_CASE("trust: evidence fades by half in a half-life", "[hybrid]") {
  trust_book book{short_memory(), {1}, 0s};
  book.saw(1, fault_kind::divergent_digest, 0s);
  book.heard(1, 10s);
  CHECK(book.score(1, 10s) == Approx(std::exp(-0.25)));
  book.heard(1, 20s);
  CHECK(book.score(1, 20s) == Approx(std::exp(-0.125)));
}

TEST_CASE("trust: the way back is longer than the way down", "[hybrid]") {
  trust_book book{short_memory(), {1}, 0s};
  book.saw(1, fault_kind::divergent_digest, 0s);
  CHECK_FALSE(book.trusts(1, 0s));
  hybrid::time now{0s};
  while (book.score(1, now) < 0.8) {
    now += 100ms;
    book.heard(1, now);
  }
  CHECK_FALSE(book.trusts(1, now));
  while (book.score(1, now) < 0.9) {
    now += 100ms;
    book.heard(1, now);
  }
  CHECK(book.trusts(1, now));
}

TEST_CASE("trust: silence alone makes nobody distrusted", "[hybrid]") {
  trust_book book{short_memory(), {1, 2}, 0s};
  CHECK(book.hears(1, 1s));
  CHECK_FALSE(book.hears(1, 2s));
  CHECK(book.score(1, 2s) < 1.0);
  CHECK(book.trusts_all(24h));
}

TEST_CASE("trust: strangers are not counted", "[hybrid]") {
  trust_book book{short_memory(), {1}, 0s};
  book.saw(9, fault_kind::equivocation, 0s);
  CHECK(book.cases() == 0);
  CHECK_FALSE(book.trusts(9, 0s));
}

TEST_CASE("trust: thresholds that contradict each other are refused",
          "[hybrid]") {
  trust_options settings;
  CHECK(settings.validate());
  settings.distrusted_below = 0.95;
  CHECK(settings.validate().error().code() == errc::config);
  settings = {};
  settings.silence_cost = 0.5;
  CHECK(settings.validate().error().code() == errc::config);
}
