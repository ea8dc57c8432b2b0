#include "storage/concept/write_rings.hpp"

#include "memory/temporary_directory.test.hpp"
#include "storage/concept/concurrent_memory.hpp"
#include "storage/concept/entry_codec.hpp"
#include "storage/concept/fixture.test.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace neuroplex;
using namespace neuroplex::concepts;
using namespace neuroplex::concepts::testing;
using namespace std::chrono_literals;

namespace {

write_rings_options small_rings(const memory::testing::temporary_directory& in,
                                std::uint32_t rings = 2) {
  return {in.path() / "rings", rings, 4096};
}

write_entry concept_of(std::uint64_t number, std::string_view content = {}) {
  write_entry entry;
  REQUIRE(make_learn_concept(id_of(number), {.content = content}, entry)
          == errc::ok);
  return entry;
}

/// Writes until the ring is full; answers how many.
std::uint64_t fill(ring_producer& producer) {
  std::uint64_t written = 0;
  while (producer.write(concept_of(written)) == errc::ok)
    ++written;
  REQUIRE(producer.write(concept_of(written)) == errc::busy);
  return written;
}

/// A log that rings are drained to by hand.
struct drained {
  write_log log{{.capacity = 1000, .policy = overflow_policy::reject}};
  association_types types;
  std::vector<write_entry> taken;

  std::size_t from(write_rings& rings) {
    rings.drain(log, types);
    auto before = taken.size();
    REQUIRE(log.take(taken, 1000));
    return taken.size() - before;
  }
};

} // namespace

TEST_CASE("what another writes into a ring is learnt, types by their names",
          "[rings]") {
  memory::testing::temporary_directory folder;
  memory_options options;
  options.rings = small_rings(folder);
  auto memory = concurrent_memory::make(options);
  REQUIRE(memory);
  auto producer = ring_producer::attach(options.rings.path);
  REQUIRE(producer);
  REQUIRE(producer->write(concept_of(1, "one")) == errc::ok);
  REQUIRE(producer->write(concept_of(2)) == errc::ok);
  write_entry link;
  REQUIRE(make_learn_association({id_of(1), id_of(2)}, link) == errc::ok);
  // An association has a type, and nothing else has.
  CHECK(producer->write(link) == errc::bad_argument);
  CHECK(producer->write(concept_of(3), "near") == errc::bad_argument);
  CHECK(producer->write(concept_of(3, std::string(5000, 'x')))
        == errc::value_size);
  REQUIRE(producer->write(link, "near") == errc::ok);
  REQUIRE(producer->wait_visible(60s) == errc::ok);
  auto now = (*memory)->load();
  REQUIRE(now);
  CHECK((*now)->concept_count == 2);
  CHECK((*now)->association_count == 1);
  CHECK(find_concept(**now, id_of(1))->content() == "one");
  CHECK((*memory)->types().find("near"));
  auto stats = (*memory)->stats().rings;
  CHECK(stats.producers == 1);
  CHECK(stats.entries == 3);
}

TEST_CASE("a ring is shared by nobody, and taken by the next one", "[rings]") {
  memory::testing::temporary_directory folder;
  auto options = small_rings(folder, 1);
  CHECK(ring_producer::attach(options.path).code() == errc::not_found);
  {
    auto rings = write_rings::make(options);
    REQUIRE(rings);
    CHECK(write_rings::make(options).code() == errc::locked);
    auto first = ring_producer::attach(options.path);
    REQUIRE(first);
    CHECK(ring_producer::attach(options.path).code() == errc::too_many);
    REQUIRE(first->write(concept_of(1)) == errc::ok);
    { auto ended = std::move(*first); }
    auto second = ring_producer::attach(options.path);
    REQUIRE(second);
    REQUIRE(second->write(concept_of(2)) == errc::ok);
    drained to;
    CHECK(to.from(**rings) == 2);
    CHECK(to.taken[0].id == id_of(1));
    CHECK(to.taken[1].id == id_of(2));
  }
  CHECK(ring_producer::attach(options.path).code() == errc::unavailable);
  options.ring_bytes = 5000;
  CHECK(write_rings::make(options).code() == errc::bad_argument);
}

TEST_CASE("a full ring answers busy until what is in it can be seen",
          "[rings]") {
  memory::testing::temporary_directory folder;
  auto options = small_rings(folder);
  auto rings = write_rings::make(options);
  REQUIRE(rings);
  auto producer = ring_producer::attach(options.path);
  REQUIRE(producer);
  drained to;
  // Often enough that frames lie around the end of the ring.
  for (int round = 0; round < 50; ++round) {
    auto written = fill(*producer);
    CHECK((*rings)->presses());
    CHECK(producer->wait_visible(0ms) == errc::deadline);
    CHECK(to.from(**rings) == written);
    CHECK(producer->write(concept_of(0)) == errc::busy);
    (*rings)->note_visible(to.taken.back().sequence);
    CHECK(producer->wait_visible(0ms) == errc::ok);
    CHECK_FALSE((*rings)->presses());
  }
}

TEST_CASE("what the log has no room for stays in its ring", "[rings]") {
  memory::testing::temporary_directory folder;
  auto options = small_rings(folder);
  auto rings = write_rings::make(options);
  REQUIRE(rings);
  auto producer = ring_producer::attach(options.path);
  REQUIRE(producer);
  auto written = fill(*producer);
  write_log log{{.capacity = 2, .policy = overflow_policy::reject}};
  association_types types;
  std::vector<write_entry> taken;
  for (auto left = written; left > 0;
       left -= std::min<std::uint64_t>(left, log.capacity())) {
    (*rings)->drain(log, types);
    CHECK(log.stats().rejected == 0);
    REQUIRE(log.take(taken, written));
  }
  REQUIRE(taken.size() == written);
  for (std::uint64_t i = 0; i < written; ++i)
    CHECK(taken[i].id == id_of(i));
}

TEST_CASE("after its reader is gone a ring begins with what nobody could see",
          "[rings]") {
  memory::testing::temporary_directory folder;
  auto options = small_rings(folder);
  auto rings = write_rings::make(options);
  REQUIRE(rings);
  auto producer = ring_producer::attach(options.path);
  REQUIRE(producer);
  drained to;
  REQUIRE(producer->write(concept_of(1)) == errc::ok);
  REQUIRE(to.from(**rings) == 1);
  (*rings)->note_visible(to.taken.back().sequence);
  REQUIRE(producer->write(concept_of(2)) == errc::ok);
  REQUIRE(to.from(**rings) == 1);
  rings->reset();
  CHECK(producer->wait_visible(60s) == errc::unavailable);
  auto next = write_rings::make(options);
  REQUIRE(next);
  REQUIRE(producer->write(concept_of(3)) == errc::ok);
  CHECK(to.from(**next) == 2);
  CHECK(to.taken.back().id == id_of(3));
}

TEST_CASE("wrong bytes in a ring are never learnt, and cost that ring only",
          "[rings]") {
  memory::testing::temporary_directory folder;
  auto options = small_rings(folder);
  auto rings = write_rings::make(options);
  REQUIRE(rings);
  std::mt19937_64 random{1};
  for (int round = 0; round < 100; ++round) {
    auto producer = ring_producer::attach(options.path);
    auto other = ring_producer::attach(options.path);
    REQUIRE((producer && other));
    REQUIRE(producer->write(concept_of(1, "content")) == errc::ok);
    REQUIRE(other->write(concept_of(2)) == errc::ok);
    // Somebody scribbles a bit of the frame, the last in the file.
    {
      auto length = 8 + encoded_bytes(concept_of(1, "content"));
      auto ring_begin = 4096 * 3;
      std::fstream file{options.path,
                        std::ios::in | std::ios::out | std::ios::binary};
      auto at = static_cast<std::streamoff>(ring_begin + random() % length);
      file.seekg(at);
      auto byte = static_cast<char>(file.get());
      file.seekp(at);
      file.put(static_cast<char>(byte ^ 1 << random() % 8));
    }
    drained to;
    CHECK(to.from(**rings) == 1);
    CHECK(to.taken[0].id == id_of(2));
    CHECK(producer->write(concept_of(3)) == errc::corrupt);
    CHECK((*rings)->stats().corrupt == static_cast<std::uint64_t>(round) + 1);
    {
      auto ended = std::move(*producer);
      auto also = std::move(*other);
    }
    // Begun anew, and empty. What the other had written can be seen.
    CHECK(to.from(**rings) == 0);
    (*rings)->note_visible(to.taken.back().sequence);
  }
}

TEST_CASE("a file that is none of rings is refused", "[rings]") {
  memory::testing::temporary_directory folder;
  auto options = small_rings(folder);
  REQUIRE(write_rings::make(options));
  auto change = [&](std::streamoff at, std::string_view bytes) {
    std::fstream file{options.path,
                      std::ios::in | std::ios::out | std::ios::binary};
    file.seekp(at) << bytes;
  };
  SECTION("another version") {
    change(8, "\x02");
    CHECK(write_rings::make(options).code() == errc::version);
  }
  SECTION("another format") {
    change(0, "\x02");
    CHECK(write_rings::make(options).code() == errc::corrupt);
  }
  SECTION("more rings than there is room for") {
    change(12, "\x03");
    CHECK(write_rings::make(options).code() == errc::corrupt);
  }
  SECTION("cut short") {
    std::filesystem::resize_file(options.path, 4096);
    CHECK(write_rings::make(options).code() == errc::corrupt);
    std::filesystem::resize_file(options.path, 3);
    CHECK(ring_producer::attach(options.path).code() == errc::corrupt);
  }
  SECTION("open to others") {
    std::filesystem::permissions(options.path, std::filesystem::perms{0644});
    CHECK(write_rings::make(options).code() == errc::segment_mode);
  }
  SECTION("a folder") {
    options.path = folder.path();
    CHECK(write_rings::make(options).code() == errc::bad_path);
  }
}

TEST_CASE("a producer that is killed leaves what it had written, and no more",
          "[rings]") {
  memory::testing::temporary_directory folder;
  memory_options options;
  options.interval = 1ms;
  options.own_thread = false;
  options.rings = small_rings(folder, 1);
  auto memory = concurrent_memory::make(options);
  REQUIRE(memory);
  // How many entries the child was told are written.
  auto* told = static_cast<std::atomic<std::uint64_t>*>(::mmap(
    nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  REQUIRE(told != MAP_FAILED);
  std::mt19937_64 random{1};
  std::uint64_t first = 0;
  for (int round = 0; round < 15; ++round) {
    told->store(0);
    auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      auto producer = ring_producer::attach(options.rings.path);
      for (std::uint64_t i = 0; producer; ++i) {
        write_entry entry;
        (void)make_learn_concept(id_of(first + i), {.content = "written"},
                                 entry);
        while (producer->write(entry) == errc::busy)
          std::this_thread::yield();
        told->store(i + 1);
      }
      ::_exit(1);
    }
    int status = 0;
    for (auto wanted = 1 + random() % 100; told->load() < wanted;) {
      REQUIRE((*memory)->reconcile());
      REQUIRE(::waitpid(child, &status, WNOHANG) == 0);
    }
    ::kill(child, SIGKILL);
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    // The next one finds the ring free, and what was left in it first.
    auto next = ring_producer::attach(options.rings.path);
    REQUIRE(next);
    while (next->wait_visible(0ms) != errc::ok)
      REQUIRE((*memory)->reconcile());
    auto now = (*memory)->load();
    auto written = (*now)->concept_count - first;
    CHECK((written == told->load() || written == told->load() + 1));
    for (std::uint64_t i = 0; i < written; ++i)
      CHECK(find_concept(**now, id_of(first + i)) != nullptr);
    first += written;
  }
  CHECK((*memory)->stats().rings.corrupt == 0);
  ::munmap(told, 4096);
}
