#include "memory/latency_recorder.hpp"

#include <catch2/catch.hpp>

#include <random>

using namespace neuroplex::memory;

TEST_CASE("A recorder without samples shows zeros", "[latency]") {
  latency_recorder recorder{0};
  CHECK(recorder.recent().samples == 0);
  CHECK(recorder.lifetime().samples == 0);
  CHECK(recorder.lifetime().min_ns == 0);
}

TEST_CASE("The figures of one to a hundred are known", "[latency]") {
  latency_recorder recorder{0};
  for (std::uint64_t i = 100; i > 0; --i)
    recorder.add(i);
  for (auto shown : {recorder.recent(), recorder.lifetime()}) {
    CHECK(shown.samples == 100);
    CHECK(shown.min_ns == 1);
    CHECK(shown.median_ns == 50);
    CHECK(shown.mean_ns == Approx(50.5));
    CHECK(shown.p95_ns == 95);
    CHECK(shown.p99_ns == 99);
    CHECK(shown.p999_ns == 100);
    CHECK(shown.max_ns == 100);
  }
}

TEST_CASE("The recorder's own cost is taken off, and never too much",
          "[latency]") {
  latency_recorder recorder{30};
  recorder.add(100);
  recorder.add(10);
  CHECK(recorder.own_cost_ns() == 30);
  CHECK(recorder.recent().max_ns == 70);
  CHECK(recorder.recent().min_ns == 0);
}

TEST_CASE("The ring keeps the last ten thousand, the histogram all",
          "[latency]") {
  latency_recorder recorder{0};
  for (int i = 0; i < 5'000; ++i)
    recorder.add(1'000'000);
  for (std::size_t i = 0; i < latency_recorder::ring_samples; ++i)
    recorder.add(7);
  CHECK(recorder.recent().samples == latency_recorder::ring_samples);
  CHECK(recorder.recent().max_ns == 7);
  CHECK(recorder.lifetime().samples == 5'000 + latency_recorder::ring_samples);
  CHECK(recorder.lifetime().max_ns == 1'000'000);
  recorder.clear();
  CHECK(recorder.lifetime().samples == 0);
}

TEST_CASE("The histogram is at most one in 64 above the truth", "[latency]") {
  std::mt19937_64 random{7};
  latency_recorder recorder{0};
  for (int i = 0; i < 9'999; ++i)
    recorder.add(random() >> (random() % 64));
  auto exact = recorder.recent();
  auto shown = recorder.lifetime();
  auto close = [](std::uint64_t truth, std::uint64_t seen) {
    return seen >= truth && seen - truth <= truth / 64;
  };
  CHECK(close(exact.median_ns, shown.median_ns));
  CHECK(close(exact.p95_ns, shown.p95_ns));
  CHECK(close(exact.p99_ns, shown.p99_ns));
  CHECK(close(exact.p999_ns, shown.p999_ns));
  CHECK(exact.max_ns == shown.max_ns);
  CHECK(exact.min_ns == shown.min_ns);
}

TEST_CASE("Recorders of several threads are put together", "[latency]") {
  latency_recorder sum{0};
  latency_recorder other{0};
  sum.add(1);
  other.add(3);
  other.add(9);
  sum.merge(other);
  CHECK(sum.recent().samples == 3);
  CHECK(sum.recent().median_ns == 3);
  CHECK(sum.lifetime().max_ns == 9);
  sum.merge(sum);
  CHECK(sum.samples() == 6);
  CHECK(sum.recent().samples == 6);
}

TEST_CASE("Timing something answers what it answers", "[latency]") {
  latency_recorder recorder;
  CHECK(recorder.time([] { return 42; }) == 42);
  auto called = false;
  recorder.time([&called] { called = true; });
  CHECK(called);
  CHECK(recorder.samples() == 2);
}
