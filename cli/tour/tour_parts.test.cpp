#include "cli/tour/corpus.hpp"
#include "cli/tour/latency.hpp"
#include "cli/tour/process_memory.hpp"
#include "cli/tour/segment_timing.hpp"

#include "cli/load/csv.hpp"

#include <catch2/catch.hpp>

#include <filesystem>

#include <unistd.h>

using namespace neuroplex;
using namespace neuroplex::cli;
using namespace std::chrono_literals;

TEST_CASE("percentiles are nearest ranks less the clock's cost") {
  latency_samples samples{100};
  for (int i = 100; i >= 1; --i)
    samples.add(std::chrono::nanoseconds{i * 10});
  auto summary = samples.summary(20ns);
  CHECK(summary.samples == 100);
  CHECK(summary.p50_ns == 480);
  CHECK(summary.p99_ns == 970);
  CHECK(summary.worst_ns == 980);
  CHECK(samples.summary(2ms).p50_ns == 0);
  CHECK(latency_samples{0}.summary().samples == 0);
  CHECK(measure_clock_cost() < 100us);
}

TEST_CASE("the corpus holds what the reader gave") {
  csv_reader reader{string_source("in", "key,value\na,1\nbb,22\n"), {}};
  auto all = read_corpus(reader, [](std::uint64_t) { return true; });
  REQUIRE(all);
  REQUIRE(all->entries.size() == 2);
  CHECK(all->entries[1].key == "bb");
  CHECK(all->key_bytes == 3);
  CHECK(all->bytes() == 6);
}

TEST_CASE("timing a segment leaves it as it was") {
  const auto path = (std::filesystem::temp_directory_path()
                     / ("neuroplex-timing-" + std::to_string(::getpid())))
                      .string();
  memory::segment_options options;
  options.segment_bytes = std::uint64_t{2} << 20;
  auto segment = memory::store::create(path, options);
  REQUIRE(segment);
  auto space = segment->open_namespace("data");
  REQUIRE(space);
  std::vector<record> entries(100);
  for (std::size_t i = 0; i < entries.size(); ++i)
    entries[i] = {"key-" + std::to_string(i), std::to_string(i * i), 0};
  std::vector<const record*> pointers;
  pointers.reserve(entries.size());
  for (const auto& entry : entries) {
    REQUIRE(segment->set(*space, entry.key, entry.value) == errc::ok);
    pointers.push_back(&entry);
  }
  auto timing = measure_segment(*segment, *space, pointers, 2'000);
  REQUIRE(timing);
  auto gets = timing->gets.summary();
  CHECK(gets.samples == 2'000);
  CHECK(timing->sets.summary().samples == 2'000);
  CHECK(gets.p99_ns >= gets.p50_ns);
  CHECK(gets.worst_ns > 0);
  std::string value;
  for (const auto& entry : entries) {
    CHECK(segment->get(*space, entry.key, value) == errc::ok);
    CHECK(value == entry.value);
  }
  REQUIRE(segment->set(*space, "key-7", "other") == errc::ok);
  auto refused = measure_segment(*segment, *space, pointers, 2'000);
  REQUIRE(!refused);
  CHECK(refused.code() == errc::corrupt);
  CHECK(memory::store::remove(path));
}

TEST_CASE("a process's memory is told, a missing process refused") {
  auto own = memory_of_process(::getpid());
  REQUIRE(own);
  CHECK(own->own_bytes > 100'000);
  CHECK(memory_of_process(-1).code() == errc::not_found);
}
