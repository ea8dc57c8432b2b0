#include "memory/raw_blocks.hpp"

#include "memory/fixture.test.hpp"
#include "memory/temporary_directory.test.hpp"

#include <catch2/catch.hpp>
#include <csignal>
#include <cstring>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace neuroplex;
using namespace neuroplex::memory;

namespace {

segment_options four_mebibytes() {
  segment_options options;
  options.segment_bytes = 4U << 20;
  options.huge_pages = false;
  return options;
}

struct place {
  testing::temporary_directory room;
  std::string path = room.path() / "segment";
  store db = *store::create(path, four_mebibytes());
};

// Lends blocks of this size until there is no memory; answers how many.
std::size_t lend_all(raw_blocks& lender, std::uint64_t bytes) {
  raw_block block;
  while (lender.allocate(bytes, block) == errc::ok)
    ;
  return lender.count();
}

} // namespace

TEST_CASE("a block that was lent is the same memory in every attachment",
          "[raw]") {
  place p;
  auto lender = raw_blocks::make(p.db);
  REQUIRE(lender);
  auto other = store::open(p.path);
  REQUIRE(other);
  std::vector<raw_block> lent;
  for (std::uint64_t bytes : {1U, 8U, 100U, 4'000U, 20'000U, 500'000U}) {
    raw_block block;
    REQUIRE(lender->allocate(bytes, block) == errc::ok);
    CHECK(block.offset % 8 == 0);
    lent.push_back(block);
    std::span<std::byte> memory;
    REQUIRE(map_raw_block(p.db, block, memory) == errc::ok);
    REQUIRE(memory.size() == bytes);
    std::memset(memory.data(), static_cast<int>(lent.size()), memory.size());
  }
  // What the store does meanwhile does not touch them.
  for (int i = 0; i < 2'000; ++i)
    REQUIRE(p.db.set(namespace_id::default_namespace,
                     "key" + std::to_string(i % 100), std::string(500, 'x'))
            == errc::ok);
  for (std::size_t i = 0; i < lent.size(); ++i) {
    std::span<std::byte> memory;
    REQUIRE(map_raw_block(*other, lent[i], memory) == errc::ok);
    for (auto each : memory)
      if (each != static_cast<std::byte>(i + 1))
        FAIL("block " << i << " was written over");
  }
  CHECK(*p.db.verify() == 0);
  CHECK(lender->count() == lent.size());
  for (auto& block : lent)
    CHECK(lender->deallocate(block) == errc::ok);
  CHECK(lender->count() == 0);
}

TEST_CASE("a handle of a block that was given back maps nothing", "[raw]") {
  place p;
  auto lender = raw_blocks::make(p.db);
  REQUIRE(lender);
  raw_block block;
  REQUIRE(lender->allocate(64, block) == errc::ok);
  REQUIRE(lender->deallocate(block) == errc::ok);
  std::span<std::byte> memory;
  CHECK(map_raw_block(p.db, block, memory) == errc::not_found);
  CHECK(lender->deallocate(block) == errc::not_found);
  for (int i = 0; i < 200; ++i) {
    raw_block next;
    REQUIRE(lender->allocate(64, next) == errc::ok);
    CHECK(map_raw_block(p.db, block, memory) == errc::not_found);
    CHECK(lender->deallocate(block) == errc::not_found);
    REQUIRE(lender->deallocate(next) == errc::ok);
  }
}

TEST_CASE("handles that name no block are refused", "[raw]") {
  place p;
  std::span<std::byte> memory;
  for (std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{7},
                               std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    CAPTURE(offset);
    CHECK(
      map_raw_block(p.db, {.offset = offset, .bytes = 8, .token = 1}, memory)
      == errc::bad_argument);
  }
  auto lender = raw_blocks::make(p.db);
  REQUIRE(lender);
  raw_block block;
  REQUIRE(lender->allocate(64, block) == errc::ok);
  auto longer = block;
  longer.bytes = ~std::uint64_t{0};
  CHECK(map_raw_block(p.db, longer, memory) == errc::bad_argument);
  CHECK(lender->allocate(0, block) == errc::value_size);
  CHECK(lender->allocate(p.db.stats().max_value_bytes + 1, block)
        == errc::value_size);
  auto reader = store::open(p.path, access_mode::read_only);
  REQUIRE(reader);
  CHECK(raw_blocks::make(*reader).code() == errc::read_only);
  CHECK(map_raw_block(*reader, block, memory) == errc::read_only);
}

TEST_CASE("all memory that was lent comes back", "[raw]") {
  place p;
  for (std::uint64_t bytes : {3'000U, 300'000U}) {
    CAPTURE(bytes);
    std::size_t first = 0;
    for (int round = 0; round < 3; ++round) {
      auto lender = raw_blocks::make(p.db);
      REQUIRE(lender);
      auto count = lend_all(*lender, bytes);
      if (round == 0)
        first = count;
      CHECK(count > 0);
      CHECK(count >= first);
    }
  }
}

TEST_CASE("blocks of a process that was killed are taken back", "[raw]") {
  place p;
  std::size_t alone = 0;
  {
    auto lender = raw_blocks::make(p.db);
    REQUIRE(lender);
    alone = lend_all(*lender, 2'000);
  }
  auto child = ::fork();
  if (child == 0) {
    auto theirs = store::open(p.path);
    auto lender = raw_blocks::make(*theirs);
    raw_block large;
    auto ok = lender->allocate(400'000, large) == errc::ok
              && lend_all(*lender, 2'000) > 1;
    ::kill(::getpid(), ok ? SIGKILL : SIGTERM);
    ::_exit(1);
  }
  REQUIRE(child > 0);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  REQUIRE(WTERMSIG(status) == SIGKILL);
  auto found = p.db.recover();
  REQUIRE(found);
  CHECK(*found >= 1);
  auto lender = raw_blocks::make(p.db);
  REQUIRE(lender);
  CHECK(lend_all(*lender, 2'000) + 8 >= alone);
}
