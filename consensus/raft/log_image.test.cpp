#include "consensus/raft/log_image.hpp"

#include "memory/faulty_disk.test.hpp"

#include <random>

#include <catch2/catch.hpp>

using namespace neuroplex;
using namespace neuroplex::raft;

namespace {

constexpr std::uint64_t our_group = 7;
constexpr storage::log_options little{.segment_bytes = 4096, .seed = 3};

entry image_entry(term_number term, log_index index, std::size_t bytes = 8) {
  return {term, index, entry_kind::command,
          slice::copy_of(std::string(bytes, static_cast<char>('a' + term)))};
}

struct image_reader {
  log_image image{our_group};
  expected<void> problem{};

  explicit image_reader(memory::testing::faulty_disk& disk) {
    auto log = storage::durable_log::open(
      disk.medium(), {}, little,
      [this](const storage::log_record& record, storage::batch_number batch) {
        if (problem && record.group == our_group)
          problem = image.read(record, batch);
      });
    REQUIRE(log);
  }
};

/// What a core does to its log, at random.
disk_write some_write(std::mt19937& random, const log_image& image) {
  disk_write write;
  auto hard = image.hard();
  hard.term += random() % 2;
  hard.vote = random() % 3;
  auto last = image.last_index();
  auto base = image.base();
  switch (random() % 8) {
    case 0:
      write.reset_to = last = base = last + random() % 20;
      break;
    case 1:
      if (last > base) {
        write.truncate_from = base + 1 + random() % (last - base);
        last = *write.truncate_from - 1;
      }
      break;
    case 2:
      write.compact_to = base + random() % (last - base + 1);
      break;
    default:
      break;
  }
  hard.commit = base;
  for (auto count = random() % 6; count > 0; --count)
    write.entries.push_back(image_entry(hard.term, ++last, random() % 300));
  write.hard = hard;
  return write;
}

bool same_image(const log_image& one, const log_image& other) {
  return one.hard() == other.hard() && one.base() == other.base()
         && one.entries() == other.entries();
}

} // namespace

TEST_CASE("a log that is read back says what its writes said, whatever was cut "
          "and given up") {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    std::mt19937 random{seed};
    memory::testing::faulty_disk disk;
    std::size_t most_segments = 0;
    log_image image{our_group};
    {
      auto log = storage::durable_log::open(disk.medium(), {}, little,
                                            [](const auto&, auto) {});
      REQUIRE(log);
      for (int turn = 0; turn < 300; ++turn) {
        auto rest = some_write(random, image);
        do {
          auto piece = next_piece(rest, log->max_batch_bytes());
          REQUIRE(piece);
          storage::log_batch batch{log->max_batch_bytes()};
          REQUIRE(record_bytes(*piece) <= batch.room());
          image.add_to(batch, *piece);
          REQUIRE(batch.bytes() == record_bytes(*piece));
          auto number = log->append(batch);
          REQUIRE(number);
          image.wrote(*piece, *number);
        } while (!rest.entries.empty());
        if (turn % 50 == 49) {
          // Who is asked to free old segments says all he has once more.
          auto all = image.whole();
          storage::log_batch batch{1 << 20};
          image.add_to(batch, all);
          if (batch.bytes() <= log->max_batch_bytes())
            image.wrote(all, *log->append(batch));
        }
        log->keep_from(our_group, image.first_needed());
        most_segments = std::max(most_segments, log->segments());
      }
    }
    image_reader again{disk};
    INFO("seed " << seed);
    REQUIRE(again.problem);
    REQUIRE(again.image.check());
    REQUIRE(same_image(again.image, image));
    REQUIRE(most_segments > 1);
    REQUIRE(again.image.first_needed() == image.first_needed());
  }
}

TEST_CASE("writes of one batch each begin where the one before has put the "
          "beginning") {
  log_image image{our_group};
  disk_write compacts;
  compacts.hard = hard_state{1, 0, 4};
  compacts.compact_to = 4;
  disk_write follows;
  follows.hard = hard_state{1, 0, 5};
  follows.entries = {image_entry(1, 5)};
  memory::testing::faulty_disk disk;
  auto log = storage::durable_log::open(disk.medium(), {}, little,
                                        [](const auto&, auto) {});
  REQUIRE(log);
  storage::log_batch batch{log->max_batch_bytes()};
  image.add_to(batch, compacts);
  image.add_to(batch, follows);
  auto number = log->append(batch);
  REQUIRE(number);
  image.wrote(compacts, *number);
  image.wrote(follows, *number);
  image_reader again{disk};
  REQUIRE(again.problem);
  REQUIRE(again.image.check());
  REQUIRE(again.image.base() == 4);
  REQUIRE(same_image(again.image, image));
}

TEST_CASE("a write that no batch holds is cut into pieces that say the same") {
  log_image whole{our_group};
  log_image pieces{our_group};
  disk_write write;
  write.id = 5;
  write.reset_to = 9;
  write.hard = hard_state{3, 2, 9};
  for (log_index index = 10; index < 60; ++index)
    write.entries.push_back(image_entry(3, index, index));
  whole.wrote(write, 1);
  auto rest = write;
  int count = 0;
  do {
    auto piece = next_piece(rest, 400);
    REQUIRE(piece);
    REQUIRE(piece->id == write.id);
    REQUIRE(record_bytes(*piece) <= 400);
    pieces.wrote(*piece, ++count);
  } while (!rest.entries.empty());
  REQUIRE(count > 5);
  REQUIRE(same_image(whole, pieces));

  write.entries = {image_entry(3, 60, 500)};
  REQUIRE(next_piece(write, 400).error().code() == errc::value_size);
}

TEST_CASE("records that contradict each other are refused") {
  log_image image{our_group};
  storage::log_batch batch{4096};
  disk_write write;
  write.hard = hard_state{2, 1, 0};
  write.entries = {image_entry(2, 5)};
  image.add_to(batch, write);
  SECTION("entries are missing after the base") {
    REQUIRE(image.read({our_group, 3, 2, 5, "x"}, 1));
    REQUIRE(image.check().error().code() == errc::corrupt);
  }
  SECTION("entries are missing between two") {
    REQUIRE(image.read({our_group, 3, 2, 1, "x"}, 1));
    REQUIRE(image.read({our_group, 3, 2, 3, "x"}, 1).error().code()
            == errc::corrupt);
  }
  SECTION("a kind that nobody writes") {
    REQUIRE(image.read({our_group, 9, 2, 1, "x"}, 1).error().code()
            == errc::corrupt);
    REQUIRE(image.read({our_group, 0, 2, 1, "x"}, 1).error().code()
            == errc::corrupt);
  }
  SECTION("a head that is cut short") {
    REQUIRE(image.read({our_group, 1, 2, 0, std::string_view{"\1\0\0", 3}}, 1)
              .error()
              .code()
            == errc::corrupt);
  }
  SECTION("a head of a newer release") {
    const std::string newer(42, '\2');
    REQUIRE(image.read({our_group, 1, 2, 0, newer}, 1).error().code()
            == errc::version);
  }
}
