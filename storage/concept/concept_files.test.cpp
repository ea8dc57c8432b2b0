#include "storage/concept/concept_files.hpp"

#include "memory/faulty_disk.test.hpp"
#include "memory/temporary_directory.test.hpp"
#include "storage/concept/attribute_list.hpp"
#include "storage/concept/concurrent_memory.hpp"
#include "storage/concept/entry_codec.hpp"
#include "storage/concept/fixture.test.hpp"

#include <fstream>

using namespace neuroplex;
using namespace neuroplex::concepts;
using namespace neuroplex::concepts::testing;
using namespace std::chrono_literals;
using memory::testing::disk_fault;
using memory::testing::faulty_disk;

namespace {

/// A memory on two disks that may fail, without its threads.
struct machine {
  faulty_disk segments;
  faulty_disk log;

  void lose_power(std::uint32_t seed) {
    segments.lose_power(seed);
    log.lose_power(seed + 1);
  }
};

struct started {
  std::unique_ptr<association_types> types =
    std::make_unique<association_types>();
  std::unique_ptr<graph> store = std::make_unique<graph>(7);
  std::unique_ptr<concept_files> files;
  concept_files::found met;
};

expected<started> start(machine& on, std::size_t threshold) {
  started result;
  auto files = concept_files::open(
    on.segments.medium(), on.log.medium(),
    {threshold, durability::log, false, 32'768, 5}, *result.types);
  if (!files)
    return files.error();
  result.files = std::move(*files);
  auto met = result.files->recover(*result.store);
  if (!met)
    return met.error();
  result.met = *met;
  for (const auto* name : {"a", "b", "c"})
    REQUIRE(result.types->intern(name));
  return result;
}

void apply(graph& store, std::span<const write_entry> batch) {
  store.apply(batch, 0, [](const write_entry&, errc) {});
  std::vector<retired_block> left;
  (void)store.publish(batch.back().sequence, 0, left);
  for (const auto& block : left)
    store.give_back(block);
}

/// Learns batches until all are done or the disk fails. Answers the sequence
/// number up to which everything was said to be durable.
std::uint64_t work(started& on, std::span<const write_entry> entries,
                   std::size_t batch_entries) {
  std::uint64_t durable = on.met.last_sequence;
  const read_view view{on.store->working()};
  for (auto at = durable; at < entries.size();) {
    auto batch = entries.subspan(
      at,
      std::min(batch_entries, static_cast<std::size_t>(entries.size() - at)));
    if (!on.files->keep(batch))
      return durable;
    at += batch.size();
    durable = batch.back().sequence;
    apply(*on.store, batch);
    if (!on.files->applied(*on.store, view))
      return durable;
  }
  return durable;
}

std::vector<write_entry> random_entries(std::uint64_t seed, std::size_t count) {
  std::mt19937_64 random{seed};
  std::vector<write_entry> entries;
  for (std::size_t i = 0; i < count; ++i) {
    entries.push_back(random_entry(random, 60));
    entries.back().sequence = i + 1;
  }
  return entries;
}

graph_model model_of(std::span<const write_entry> entries) {
  graph_model model;
  for (const auto& entry : entries)
    model.apply(entry);
  return model;
}

std::string small_segment() {
  association_types types;
  (void)types.intern("hypernym", "is a kind of");
  graph store{1};
  std::vector<float> vector{1, 2, 3};
  std::string attributes;
  attribute_list::add(attributes, "name", "dog.n.01");
  auto learn = [&store](std::uint64_t number, const concept_facts& facts) {
    write_entry entry;
    REQUIRE(make_learn_concept(id_of(number), facts, entry) == errc::ok);
    REQUIRE(store.apply(entry, 1'000'000) == errc::ok);
  };
  learn(1, {"a dog", vector, 1.5F, 0.5F, attributes});
  learn(2, {.content = std::string(300, 'a')});
  learn(3, {});
  for (std::uint64_t to : {2, 3}) {
    write_entry entry;
    REQUIRE(make_learn_association({id_of(1), id_of(to)}, entry) == errc::ok);
    REQUIRE(store.apply(entry, 0) == errc::ok);
  }
  std::vector<retired_block> left;
  auto now = store.publish(5, 2'000'000, left);
  std::vector<concept_slot> slots{0, 1, 2};
  std::vector<concept_id> forgotten{id_of(4)};
  return build_segment(now, slots, forgotten, types, {1, 3, 3'000'000});
}

/// Reads all that a segment says, and fails at the first thing that is wrong.
expected<std::string> read_whole(const std::string& bytes) {
  auto view = segment_view::parse(bytes, "segment");
  if (!view)
    return view.error();
  association_types types;
  auto numbers = view->read_types(types);
  if (!numbers)
    return numbers.error();
  std::string told;
  std::string buffer;
  for (std::uint64_t number = 1; number <= 4; ++number) {
    auto entry = view->find(id_of(number));
    if (!entry)
      return entry.error();
    if (*entry == nullptr) {
      told += "none;";
      continue;
    }
    auto body = view->read_body(**entry, buffer);
    auto links = view->associations(**entry);
    if (!body)
      return body.error();
    if (!links)
      return links.error();
    told += std::to_string((*entry)->strength) + std::string{body->content}
            + std::string{body->attributes}
            + std::to_string(body->vector.size())
            + std::to_string((*entry)->flags);
    for (const auto& link : *links)
      told += std::to_string(link.target_low) + ',';
    told += ';';
  }
  return told;
}

} // namespace

TEST_CASE("what was durable is there after a crash at any step of a disk",
          "[concept_files]") {
  constexpr std::size_t threshold = 10;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    auto entries = random_entries(seed, 240);
    auto steps_of = [&](bool of_log) {
      machine quiet;
      auto on = start(quiet, threshold);
      REQUIRE(on);
      (of_log ? quiet.log : quiet.segments).set({});
      REQUIRE(work(*on, entries, 12) == entries.size());
      return (of_log ? quiet.log : quiet.segments).steps();
    };
    for (auto of_log : {false, true}) {
      auto steps = steps_of(of_log);
      REQUIRE(steps > 10);
      for (std::uint64_t at = 0; at <= steps; ++at)
        for (auto kind :
             {disk_fault::kind::killed_after, disk_fault::kind::io_error,
              disk_fault::kind::no_space}) {
          machine disks;
          std::uint64_t durable = 0;
          {
            auto on = start(disks, threshold);
            REQUIRE(on);
            (of_log ? disks.log : disks.segments).set({kind, at});
            durable = work(*on, entries, 12);
          }
          disks.lose_power(static_cast<std::uint32_t>(seed * 1000 + at));
          auto again = start(disks, threshold);
          REQUIRE(again);
          auto there = again->met.last_sequence;
          REQUIRE(there >= durable);
          REQUIRE(there <= entries.size());
          require_same(again->store->working(),
                       model_of(std::span{entries}.first(there)));
          // It goes on from there.
          REQUIRE(work(*again, entries, 12) == entries.size());
          require_same(again->store->working(), model_of(entries));
        }
    }
  }
}

TEST_CASE("segments are merged, and what was forgotten stays so",
          "[concept_files]") {
  machine disks;
  auto entries = random_entries(9, 4000);
  {
    auto on = start(disks, 20);
    REQUIRE(on);
    REQUIRE(work(*on, entries, 16) == entries.size());
    CHECK(on->files->flushes() > 20);
    CHECK(on->files->segment_count() < 8);
    REQUIRE(on->files->close(*on->store));
  }
  auto again = start(disks, 20);
  INFO((again ? "" : again.error().message()));
  REQUIRE(again);
  CHECK(again->met.replayed == 0);
  require_same(again->store->working(), model_of(entries));
}

TEST_CASE("a bit that flips in a segment is found, or changes nothing",
          "[concept_files]") {
  const auto bytes = small_segment();
  const auto right = read_whole(bytes);
  REQUIRE(right);
  REQUIRE(segment_view::parse(bytes, "segment")->verify());
  std::uint64_t found = 0;
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    auto wrong = bytes;
    wrong[bit / 8] = static_cast<char>(wrong[bit / 8] ^ 1 << bit % 8);
    auto view = segment_view::parse(wrong, "segment");
    auto whole = view ? view->verify() : expected<void>{view.error()};
    found += whole ? 0 : 1;
    // Without looking at the sections: nothing wrong is answered but that a
    // concept is not there, which the bloom filter alone says.
    auto told = read_whole(wrong);
    if (told && *told != *right)
      CHECK(!whole);
    // Only the gaps between sections are free.
    if (whole)
      CHECK(told);
  }
  CHECK(found > bytes.size() * 7);
}

TEST_CASE("a segment that is cut short is refused", "[concept_files]") {
  const auto bytes = small_segment();
  for (std::size_t size = 0; size < bytes.size(); ++size)
    REQUIRE_FALSE(
      segment_view::parse(std::string_view{bytes}.substr(0, size), "segment"));
}

TEST_CASE("a segment of a newer release is refused with both versions",
          "[concept_files]") {
  auto bytes = small_segment();
  bytes[8] = 2;
  auto view = segment_view::parse(bytes, "segment-1");
  REQUIRE_FALSE(view);
  CHECK(view.error().code() == errc::version);
  CHECK(view.error().message()
        == "segment-1: has format 2: this release reads 1");
}

TEST_CASE("a segment of the first format is read, and written the same",
          "[concept_files]") {
  auto path = std::string{__FILE__};
  path = path.substr(0, path.rfind('/')) + "/golden/segment-1.hex";
  std::ifstream file{path};
  std::string golden;
  for (std::string line; std::getline(file, line);)
    for (std::size_t i = 0; i < line.size(); i += 2)
      golden += static_cast<char>(std::stoi(line.substr(i, 2), nullptr, 16));
  REQUIRE(!golden.empty());
  auto view = segment_view::parse(golden, path);
  REQUIRE(view);
  REQUIRE(view->verify());
  CHECK(read_whole(golden).operator*() == *read_whole(small_segment()));
  CHECK(golden == small_segment());
}

TEST_CASE("entries come back from bytes, and no other bytes are entries",
          "[concept_files]") {
  auto entries = random_entries(3, 200);
  std::mt19937_64 random{1};
  for (const auto& entry : entries) {
    std::string bytes;
    encode(entry, bytes);
    REQUIRE(bytes.size() == encoded_bytes(entry));
    write_entry read;
    std::string_view rest{bytes};
    REQUIRE(decode(rest, read) == errc::ok);
    CHECK(rest.empty());
    CHECK(read.kind == entry.kind);
    CHECK(read.id == entry.id);
    CHECK(read.target == entry.target);
    CHECK(read.body_view() == entry.body_view());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      std::string_view cut{bytes.data(), size};
      REQUIRE(decode(cut, read) == errc::protocol);
    }
    // Whatever it is, it ends within its bytes.
    for (int i = 0; i < 20; ++i) {
      auto wrong = bytes;
      wrong[random() % wrong.size()] = static_cast<char>(random());
      std::string_view view{wrong};
      (void)decode(view, read);
    }
  }
}

TEST_CASE("a memory in a folder is there again, also what was spilled",
          "[concept_files][threads]") {
  memory::testing::temporary_directory folder;
  auto path = (folder.path() / "concepts").string();
  memory_options options;
  options.interval = 1ms;
  options.max_batch = 50;
  options.flush_threshold = 100;
  options.log.capacity = 8;
  options.keep = durability::log;
  constexpr std::uint64_t concepts = 500;
  {
    auto made = concurrent_memory::open(path, true, options);
    REQUIRE(made);
    auto& memory = **made;
    auto type = memory.types().intern("next", "comes before");
    REQUIRE(type);
    for (std::uint64_t i = 0; i < concepts; ++i) {
      REQUIRE(memory.learn_concept(id_of(i), {.content = "content"})
              == errc::ok);
      if (i != 0)
        REQUIRE(memory.learn_association({id_of(i - 1), id_of(i), *type})
                == errc::ok);
    }
    CHECK(memory.flush(60s) == errc::ok);
    CHECK(memory.stats().write_log.spilled > 0);
    CHECK(memory.stats().disk_flushes > 0);
    // Nobody else may have it meanwhile.
    CHECK(concurrent_memory::open(path, false, options).code() == errc::locked);
    REQUIRE(memory.close());
  }
  auto again = concurrent_memory::open(path, false, options);
  REQUIRE(again);
  auto stats = (*again)->stats();
  CHECK(stats.concepts == concepts);
  CHECK(stats.edges == concepts - 1);
  CHECK((*again)->found().replayed == 0);
  CHECK((*again)->types().find("next"));
  CHECK(
    concurrent_memory::open((folder.path() / "none").string(), false, options)
      .code()
    != errc::ok);
}

TEST_CASE("a spill that was left is read before what is new",
          "[concept_files]") {
  faulty_disk disk;
  auto where = disk.medium();
  auto entries = random_entries(5, 3000);
  {
    auto spill = spill_file::open(*where);
    REQUIRE(spill);
    std::vector<write_entry> some;
    some.reserve(entries.size());
    for (auto& entry : entries)
      some.push_back(std::move(entry));
    REQUIRE((*spill)->put(some));
  }
  auto spill = spill_file::open(*where);
  REQUIRE(spill);
  CHECK((*spill)->size() == 3000);
  std::vector<write_entry> taken;
  while ((*spill)->size() != 0)
    REQUIRE((*spill)->take(taken, 1));
  REQUIRE(taken.size() == 3000);
  for (std::size_t i = 0; i < taken.size(); ++i)
    REQUIRE(taken[i].sequence == i + 1);
  REQUIRE((*spill)->trim((*spill)->read_bytes()));
  CHECK((*spill)->size() == 0);
}

TEST_CASE("a spill that may not grow takes nothing more, and what it has stays",
          "[concept_files]") {
  constexpr std::uint64_t max_bytes = 10'000;
  faulty_disk disk;
  auto where = disk.medium();
  auto spill = spill_file::open(*where, max_bytes);
  REQUIRE(spill);
  std::size_t kept = 0;
  for (;;) {
    auto some = random_entries(7, 20);
    if (auto put = (*spill)->put(some); !put) {
      CHECK(put.code() == errc::no_space);
      CHECK(some.back().sequence == 20); // it is as it was
      break;
    }
    kept += some.size();
    REQUIRE(kept < 1000);
  }
  CHECK((*spill)->size() == kept);
  std::vector<write_entry> taken;
  REQUIRE((*spill)->take(taken, kept));
  CHECK(taken.size() == kept);
  REQUIRE((*spill)->trim((*spill)->read_bytes()));
  auto some = random_entries(7, 20);
  CHECK((*spill)->put(some));
}
