#include "actors/replica/service.hpp"

#include "actors/replica/redis_commands.hpp"
#include "memory/temporary_directory.test.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

namespace neuroplex::replica {

namespace {

using memory::testing::temporary_directory;

constexpr moment start{milliseconds{1'000}, milliseconds{1'700'000'000'000}};

const shard_name the_shard{"default", 0};

// A node that is alone, with its disk.
struct lone_node {
  std::unique_ptr<disk> files;
  std::unique_ptr<service> replica;
};

disk_options disk_in(const temporary_directory& where) {
  return {.directory = (where.path() / "replicas").string(),
          .node = 1,
          .segment_bytes = 1U << 20,
          .snapshot_after_bytes = 1U << 16,
          .seed = 7};
}

expected<lone_node> open(const temporary_directory& where,
                         service_options options = {}) {
  lone_node result;
  auto files = disk::open(disk_in(where), {the_shard});
  if (!files)
    return files.error();
  result.files = std::move(*files);
  options.name = the_shard;
  options.core.self = 1;
  auto made = service::open(options, *result.files, start);
  if (!made)
    return made.error();
  result.replica = std::move(*made);
  return result;
}

// Hands a command over; the code of its end and its reply come later.
struct asked {
  std::optional<errc> code{};
  std::shared_ptr<resp::byte_buffer> output =
    std::make_shared<resp::byte_buffer>();

  [[nodiscard]] std::string reply() const {
    return std::string{output->view()};
  }
};

std::shared_ptr<asked> ask(service& replica, const command_words& words,
                           milliseconds patience = milliseconds{1'000}) {
  auto result = std::make_shared<asked>();
  auto nature = nature_of(words);
  REQUIRE(nature.refusal.empty());
  static_cast<void>(replica.submit(
    {.changes = nature.changes,
     .bytes = nature.bytes,
     .deadline = start.steady + patience,
     .run =
       [result, words](core& on, const moment& now) {
         execute(on, now, words, concurrent_values::last, 2, *result->output);
       },
     .finish = [result](errc code) { result->code = code; }}));
  return result;
}

// One round of the disk.
void write(lone_node& here) {
  auto written = here.files->write_waiting();
  REQUIRE(written);
  for (const auto& part : *written)
    here.replica->written(part, start);
  here.replica->step(start);
}

} // namespace

TEST_CASE("a write is answered when it is on the disk, a read at once") {
  temporary_directory where;
  auto here = open(where);
  REQUIRE(here);
  auto set = ask(*here->replica, {"SET", "k", "v"});
  auto get = ask(*here->replica, {"GET", "k"});
  CHECK(here->replica->step(start));
  CHECK_FALSE(set->code);
  CHECK(get->code == errc::ok);
  CHECK(get->reply() == "$1\r\nv\r\n");
  write(*here);
  CHECK(set->code == errc::ok);
  CHECK(here->replica->waiting() == 0);
}

TEST_CASE("a write that the disk has not confirmed in time has no outcome") {
  temporary_directory where;
  auto here = open(where);
  REQUIRE(here);
  auto set = ask(*here->replica, {"SET", "k", "v"}, milliseconds{10});
  here->replica->step(start);
  here->replica->step({start.steady + milliseconds{11}, start.unix_time});
  CHECK(set->code == errc::unknown_outcome);
  auto late = ask(*here->replica, {"SET", "k", "v"}, milliseconds{-1});
  here->replica->step(start);
  CHECK(late->code == errc::unavailable);
}

TEST_CASE("after the disk has failed nothing more is written") {
  temporary_directory where;
  auto here = open(where);
  REQUIRE(here);
  auto set = ask(*here->replica, {"SET", "k", "v"});
  here->replica->step(start);
  here->replica->disk_failed("it is broken");
  here->replica->step(start);
  CHECK(set->code == errc::unknown_outcome);
  auto next = ask(*here->replica, {"SET", "k", "w"});
  auto get = ask(*here->replica, {"GET", "k"});
  here->replica->step(start);
  CHECK(next->reply().find("it is broken") != std::string::npos);
  CHECK(get->reply() == "$1\r\nv\r\n");
}

TEST_CASE("a read that would be too old waits or is refused") {
  temporary_directory where;
  service_options options;
  options.core.peers = {2};
  options.core.gives = promise::bounded_staleness;
  options.core.staleness = milliseconds{100};
  options.when_stale = GENERATE(stale_reads::wait, stale_reads::refuse);
  auto here = open(where, options);
  REQUIRE(here);
  auto get = ask(*here->replica, {"GET", "k"}, milliseconds{50});
  here->replica->step(start);
  if (options.when_stale == stale_reads::refuse) {
    CHECK(get->code == errc::unavailable);
    return;
  }
  CHECK_FALSE(get->code);
  here->replica->step({start.steady + milliseconds{51}, start.unix_time});
  CHECK(get->code == errc::unavailable);
}

TEST_CASE("what was written is there after a start, from log and snapshot") {
  temporary_directory where;
  crdt::state_digest before;
  {
    auto here = open(where);
    REQUIRE(here);
    const std::string value(1'000, 'v');
    for (auto i = 0; i < 3'000; ++i) {
      static_cast<void>(
        ask(*here->replica, {"SET", "k" + std::to_string(i % 100), value}));
      here->replica->step(start);
      if (i % 50 == 49)
        write(*here);
    }
    write(*here);
    // The log was let go: 3 MB went through it.
    CHECK(here->files->report().snapshots > 0);
    before = here->replica->replica().state().digest();
  }
  auto again = open(where);
  REQUIRE(again);
  CHECK(again->replica->replica().state().digest() == before);
  auto get = ask(*again->replica, {"DBSIZE"});
  again->replica->step(start);
  CHECK(get->reply() == ":100\r\n");
}

TEST_CASE("a damaged snapshot is named, and nothing is served") {
  temporary_directory where;
  {
    auto here = open(where);
    REQUIRE(here);
    const std::string value(100'000, 'v');
    static_cast<void>(ask(*here->replica, {"SET", "k", value}));
    for (auto i = 0; i < 3; ++i) {
      here->replica->step(start);
      write(*here);
    }
    write(*here);
    REQUIRE(here->files->report().snapshots > 0);
  }
  std::filesystem::path path;
  for (const auto& one :
       std::filesystem::directory_iterator{where.path() / "replicas/states"})
    if (one.path().filename().string().starts_with("state-"))
      path = one.path();
  REQUIRE_FALSE(path.empty());
  {
    std::fstream file{path, std::ios::in | std::ios::out | std::ios::binary};
    file.seekp(1'000);
    file.put('x');
  }
  auto again = open(where);
  REQUIRE_FALSE(again);
  CHECK(again.code() == errc::corrupt);
  CHECK(again.error().message().find("state-") != std::string::npos);
}

} // namespace neuroplex::replica
