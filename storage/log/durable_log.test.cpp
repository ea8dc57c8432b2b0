#include "storage/log/durable_log.hpp"

#include "memory/faulty_disk.test.hpp"
#include "memory/temporary_directory.test.hpp"
#include "storage/log/segment_reader.hpp"

#include <algorithm>
#include <random>
#include <set>

#include <catch2/catch.hpp>

using namespace neuroplex;
using namespace neuroplex::storage;
using memory::testing::disk_fault;
using memory::testing::faulty_disk;

namespace {

constexpr log_options little{.segment_bytes = 4096, .seed = 7};
constexpr log_identity ours{{1, 2, 3}, 5};

struct told {
  std::uint64_t group;
  std::uint64_t term;
  std::uint64_t index;
  std::uint8_t kind;
  std::string payload;
  batch_number batch;

  friend bool operator==(const told&, const told&) = default;
};

struct opened {
  expected<durable_log> log;
  std::vector<told> records{};
  log_recovery met{};
};

opened open_log(faulty_disk& disk, const log_options& options = little,
                const log_identity& whose = ours) {
  opened result{errc::internal};
  result.log = durable_log::open(
    disk.medium(), whose, options,
    [&](const log_record& record, batch_number batch) {
      result.records.push_back({record.group, record.term, record.index,
                                record.kind, std::string{record.payload},
                                batch});
    },
    &result.met);
  return result;
}

log_batch batch_of(const std::vector<log_record>& records) {
  log_batch batch{1 << 20};
  for (const auto& record : records)
    REQUIRE(batch.add(record) == errc::ok);
  return batch;
}

std::string payload_of(std::uint64_t seed, std::size_t size) {
  std::string text(size, '\0');
  std::mt19937_64 random{seed};
  for (auto& c : text)
    c = static_cast<char>(random());
  return text;
}

/// A group that appends entries, now and then has no need of the older ones,
/// and knows what must be read back.
class client {
public:
  /// What was said to be durable, and what may be.
  std::vector<told> durable;
  std::vector<told> under_way;

  /// False when the log failed; a full disk is met again later.
  bool work(durable_log& log, unsigned appends, std::uint64_t seed,
            bool releases = true) {
    std::mt19937_64 random{seed};
    for (unsigned i = 0; i < appends; ++i) {
      auto records = 1 + random() % 3;
      std::vector<std::string> payloads;
      std::vector<log_record> views;
      under_way.clear();
      for (std::uint64_t r = 0; r < records; ++r)
        payloads.push_back(payload_of(random(), random() % 700));
      for (std::uint64_t r = 0; r < records; ++r) {
        ++index_;
        auto group = random() % 3;
        views.push_back({group, 2, 9, index_, payloads[r]});
        under_way.push_back({group, 9, index_, 2, payloads[r], 0});
      }
      auto number = log.append(batch_of(views));
      if (!number) {
        if (log.failed())
          return false;
        REQUIRE(number.error().code() == errc::no_space);
        under_way.clear();
        continue;
      }
      for (auto& each : under_way) {
        each.batch = *number;
        durable.push_back(each);
      }
      under_way.clear();
      // Everything older than a few batches has gone into a snapshot.
      if (!releases || *number <= 6)
        continue;
      needed_ = *number - 3;
      for (auto group : log.laggards())
        log.keep_from(group, needed_);
    }
    return true;
  }

  /// What was read back holds all that is needed, nothing that never was, and
  /// nothing in another order.
  void check(const std::vector<told>& read) const {
    std::vector<told> expected;
    for (auto& each : durable)
      if (!read.empty() && each.batch >= read.front().batch)
        expected.push_back(each);
    if (read.empty())
      REQUIRE(durable.empty());
    else if (!durable.empty())
      REQUIRE(read.front().batch <= std::max<batch_number>(needed_, 1));
    REQUIRE(read.size() >= expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i)
      REQUIRE(read[i] == expected[i]);
    // What was under way is there as a whole or not at all.
    auto beyond = read.size() - expected.size();
    REQUIRE((beyond == 0 || beyond == under_way.size()));
    for (std::size_t i = 0; i < beyond; ++i)
      REQUIRE(read[expected.size() + i].payload == under_way[i].payload);
  }

  /// After a start, what was read is what there is.
  void adopt(const std::vector<told>& read) {
    durable = read;
    under_way.clear();
  }

private:
  std::uint64_t index_ = 0;
  batch_number needed_ = 0;
};

} // namespace

TEST_CASE("records come back in order, over segments", "[log]") {
  faulty_disk disk;
  client writer;
  {
    auto first = open_log(disk);
    REQUIRE(first.log);
    CHECK(first.records.empty());
    REQUIRE(writer.work(*first.log, 40, 1, false));
    CHECK(first.log->segments() > 1);
    CHECK(first.log->last_batch() == 40);
  }
  auto again = open_log(disk);
  REQUIRE(again.log);
  writer.check(again.records);
  CHECK(again.met.cut_bytes == 0);
  CHECK(again.met.records == again.records.size());
  CHECK(again.log->last_batch() == 40);
  REQUIRE(writer.work(*again.log, 40, 2));
}

TEST_CASE("segments that nobody needs are used again, without what they held",
          "[log]") {
  faulty_disk disk;
  auto log = open_log(disk);
  REQUIRE(log.log);
  std::set<std::string> names;
  for (std::uint64_t i = 1; i <= 500; ++i) {
    auto payload = payload_of(i, 300);
    auto number = log.log->append(batch_of({{1, 0, 1, i, payload}}));
    REQUIRE(number);
    log.log->keep_from(1, *number);
    CHECK(log.log->segments() <= 2);
    for (auto& [name, file] : disk.files())
      names.insert(name.substr(0, 6));
    CHECK(disk.files().size() <= 5);
  }
  CHECK(names.contains("spare-"));
  auto again = open_log(disk);
  REQUIRE(again.log);
  REQUIRE(!again.records.empty());
  CHECK(again.records.back().index == 500);
  for (std::size_t i = 1; i < again.records.size(); ++i)
    CHECK(again.records[i].index == again.records[i - 1].index + 1);
}

TEST_CASE("an idle group holds segments until it carries over what it needs",
          "[log]") {
  faulty_disk disk;
  auto log = open_log(disk);
  REQUIRE(log.log);
  REQUIRE(log.log->append(batch_of({{7, 1, 1, 1, "vote"}})));
  auto payload = payload_of(1, 1000);
  for (std::uint64_t i = 1; i <= 20; ++i) {
    auto number = log.log->append(batch_of({{1, 0, 1, i, payload}}));
    REQUIRE(number);
    log.log->keep_from(1, *number);
  }
  CHECK(log.log->segments() > 3);
  CHECK(log.log->laggards() == std::vector<std::uint64_t>{7});
  auto carried = log.log->append(batch_of({{7, 1, 1, 1, "vote"}}));
  REQUIRE(carried);
  log.log->keep_from(7, *carried);
  CHECK(log.log->laggards().empty());
  CHECK(log.log->segments() <= 2);
  log.log->forget(1);
  log.log->forget(7);
  CHECK(log.log->segments() == 1);
}

TEST_CASE("a batch is bounded, and so is what a segment takes", "[log]") {
  log_batch batch{100};
  CHECK(batch.add({1, 0, 1, 1, std::string(100, 'x')}) == errc::value_size);
  CHECK(batch.add({1, 0, 1, 1, std::string(30, 'x')}) == errc::ok);
  CHECK(batch.add({1, 0, 1, 2, std::string(30, 'x')}) == errc::busy);
  CHECK(batch.records() == 1);
  batch.clear();
  CHECK(batch.empty());
  faulty_disk disk;
  auto log = open_log(disk);
  REQUIRE(log.log);
  auto most = log.log->max_batch_bytes() - 32;
  CHECK(log.log->append(batch_of({{1, 0, 1, 1, std::string(most, 'x')}})));
  auto refused =
    log.log->append(batch_of({{1, 0, 1, 1, std::string(most + 1, 'x')}}));
  REQUIRE(!refused);
  CHECK(refused.error().code() == errc::value_size);
  CHECK(!log.log->failed());
}

TEST_CASE("options that cannot be are refused by name", "[log]") {
  faulty_disk disk;
  for (std::uint64_t bytes : {0U, 4095U, 4100U}) {
    auto log = open_log(disk, {.segment_bytes = bytes});
    REQUIRE(!log.log);
    CHECK(log.log.error().code() == errc::config);
  }
}

TEST_CASE("whoever is killed or loses power at any step keeps what was durable",
          "[log][faults]") {
  constexpr unsigned appends = 24;
  std::uint64_t steps = 0;
  {
    faulty_disk disk;
    auto log = open_log(disk);
    disk.set({});
    client writer;
    REQUIRE(log.log);
    REQUIRE(writer.work(*log.log, appends, 3));
    steps = disk.steps();
  }
  REQUIRE(steps > 50);
  using kind = disk_fault::kind;
  for (auto what : {kind::killed, kind::killed_after, kind::io_error})
    for (std::uint64_t at = 0; at < steps; ++at)
      for (std::uint32_t power = 0; power < 3; ++power) {
        CAPTURE(static_cast<int>(what), at, power);
        faulty_disk disk;
        client writer;
        {
          auto log = open_log(disk);
          REQUIRE(log.log);
          disk.set({what, at});
          auto went_well = writer.work(*log.log, appends, 3);
          REQUIRE((went_well || log.log->failed()));
          if (log.log->failed()) {
            // It takes nothing more, and flushes nothing again.
            auto before = disk.steps();
            auto refused = log.log->append(batch_of({{1, 0, 1, 1, "x"}}));
            REQUIRE(!refused);
            CHECK(refused.error().code() == errc::io);
            CHECK(disk.steps() == before);
          }
        }
        if (power == 0)
          disk.go_on();
        else
          disk.lose_power(static_cast<std::uint32_t>(at * 3 + power));
        auto again = open_log(disk);
        if (!again.log)
          FAIL(again.log.error().to_string());
        writer.check(again.records);
        writer.adopt(again.records);
        REQUIRE(writer.work(*again.log, 12, at));
        auto at_last = open_log(disk);
        REQUIRE(at_last.log);
        writer.check(at_last.records);
      }
}

TEST_CASE("what was read back after a flush that failed or never came is there "
          "after the power went, too",
          "[log][faults]") {
  using kind = disk_fault::kind;
  for (auto what : {kind::killed, kind::killed_after, kind::io_error,
                    kind::io_error_unseen})
    for (std::uint64_t at = 0; at < 70; ++at) {
      CAPTURE(static_cast<int>(what), at);
      faulty_disk disk;
      {
        auto log = open_log(disk);
        REQUIRE(log.log);
        disk.set({what, at});
        client writer;
        (void)writer.work(*log.log, 12, 3);
      }
      disk.go_on();
      auto again = open_log(disk);
      REQUIRE(again.log);
      // What was told may have been promised to others since; and what was
      // left half done is not built upon.
      auto promised = again.records;
      for (std::uint64_t i = 0; i < at % 4; ++i) {
        auto number = again.log->append(batch_of({{9, 1, 1, i, "x"}}));
        REQUIRE(number);
        promised.push_back({9, 1, i, 1, "x", *number});
      }
      again.log = errc::internal;
      disk.lose_power(static_cast<std::uint32_t>(at));
      auto at_last = open_log(disk);
      REQUIRE(at_last.log);
      REQUIRE(at_last.records == promised);
    }
}

TEST_CASE(
  "a batch that landed elsewhere in its segment is not taken for a torn "
  "tail",
  "[log][faults]") {
  constexpr std::size_t batch_bytes = 48 + 32 + 432;
  constexpr std::size_t first_at = 80;
  // The batch that is misdirected, and the place where it lands.
  for (std::size_t which = 0; which < 4; ++which)
    for (std::size_t place = 0; place < 7; ++place) {
      if (place == which)
        continue;
      CAPTURE(which, place);
      faulty_disk disk;
      {
        auto log = open_log(disk);
        REQUIRE(log.log);
        for (std::uint64_t i = 0; i < 4; ++i)
          REQUIRE(
            log.log->append(batch_of({{1, 0, 1, i, std::string(432, 'x')}})));
      }
      auto& bytes = disk.files().at(segment_name(1))->now;
      const auto moved =
        bytes.substr(first_at + which * batch_bytes, batch_bytes);
      bytes.replace(first_at + which * batch_bytes, batch_bytes, batch_bytes,
                    '\0');
      bytes.replace(first_at + place * batch_bytes, batch_bytes, moved);
      auto again = open_log(disk);
      REQUIRE(!again.log);
      CHECK(again.log.error().code() == errc::corrupt);
    }
}

TEST_CASE("a full disk is told before anything is written, and met again",
          "[log][faults]") {
  using kind = disk_fault::kind;
  for (auto what : {kind::no_space, kind::out_of_space})
    for (std::uint64_t at = 0; at < 120; ++at) {
      CAPTURE(static_cast<int>(what), at);
      faulty_disk disk;
      client writer;
      auto log = open_log(disk);
      REQUIRE(log.log);
      disk.set({what, at});
      (void)writer.work(*log.log, 20, 5);
      disk.go_on();
      if (!log.log->failed())
        REQUIRE(writer.work(*log.log, 10, 6));
      auto again = open_log(disk);
      REQUIRE(again.log);
      writer.check(again.records);
    }
}

TEST_CASE("no byte of a log can be wrong without being noticed",
          "[log][faults]") {
  faulty_disk disk;
  std::vector<told> whole;
  {
    auto log = open_log(disk);
    REQUIRE(log.log);
    client writer;
    REQUIRE(writer.work(*log.log, 9, 4));
    whole = writer.durable;
  }
  REQUIRE(disk.files().size() >= 2);
  auto last = whole.back().batch;
  std::size_t refused = 0;
  std::size_t cut = 0;
  std::size_t harmless = 0;
  for (auto& [name, file] : disk.files())
    for (std::size_t i = 0; i < file->now.size(); ++i) {
      CAPTURE(name, i);
      auto before = file->now[i];
      file->now[i] = static_cast<char>(before ^ (1 << (i % 8)));
      auto read = open_log(disk);
      file->now[i] = before;
      if (!read.log) {
        auto code = read.log.error().code();
        REQUIRE((code == errc::corrupt || code == errc::version));
        ++refused;
        continue;
      }
      // Wrong in the last batch of all, or where nothing is said.
      auto same = read.records == whole;
      std::vector<told> shorter;
      for (auto& each : whole)
        if (each.batch < last)
          shorter.push_back(each);
      REQUIRE((same || read.records == shorter));
      ++(same ? harmless : cut);
    }
  CHECK(refused > 1000);
  CHECK(cut > 100);
  CHECK(harmless > 100);
}

TEST_CASE("an empty batch vouches for the one before it", "[log][faults]") {
  faulty_disk disk;
  {
    auto log = open_log(disk);
    REQUIRE(log.log);
    REQUIRE(log.log->append(batch_of({{1, 0, 1, 1, "of use"}})));
    REQUIRE(log.log->vouch());
  }
  auto& bytes = disk.files().begin()->second->now;
  auto at = bytes.find("of use");
  REQUIRE(at != std::string::npos);
  bytes[at] = 'x';
  auto again = open_log(disk);
  REQUIRE(!again.log);
  CHECK(again.log.error().code() == errc::corrupt);
}

TEST_CASE("what a client stores is never taken for a batch", "[log]") {
  faulty_disk disk;
  {
    auto log = open_log(disk);
    REQUIRE(log.log);
    REQUIRE(log.log->append(batch_of({{1, 0, 1, 1, "first"}})));
    REQUIRE(log.log->append(batch_of({{1, 0, 1, 2, "second"}})));
  }
  // A whole batch of another log that has the same numbers.
  auto copy = disk.files().begin()->second->now.substr(80, 500);
  faulty_disk other;
  {
    auto log = open_log(other, {.segment_bytes = 4096, .seed = 8});
    REQUIRE(log.log);
    REQUIRE(log.log->append(batch_of({{1, 0, 1, 1, copy}})));
  }
  // Its first batch is torn; what it carried would follow it.
  other.files().begin()->second->now[80] ^= 1;
  auto again = open_log(other, {.segment_bytes = 4096, .seed = 8});
  REQUIRE(again.log);
  CHECK(again.records.empty());
}

TEST_CASE("another's log, a newer one and one with a gap are refused",
          "[log]") {
  faulty_disk disk;
  {
    auto log = open_log(disk);
    REQUIRE(log.log);
    client writer;
    REQUIRE(writer.work(*log.log, 20, 4, false));
    REQUIRE(log.log->segments() >= 3);
  }
  auto refused = [&](errc code, std::string_view part,
                     const log_identity& whose = ours) {
    auto log = open_log(disk, little, whose);
    REQUIRE(!log.log);
    CHECK(log.log.error().code() == code);
    CAPTURE(log.log.error().message());
    CHECK(log.log.error().message().find(part) != std::string::npos);
  };
  refused(errc::config, "belongs to node 5, this is node 6", {{1, 2, 3}, 6});
  refused(errc::config, "another cluster", {{1, 2, 4}, 5});
  auto& newest = disk.files().rbegin()->second->now;
  newest[8] = 2;
  refused(errc::version, "format version 2");
  newest[8] = 1;
  auto second = std::next(disk.files().begin());
  auto kept = *second;
  disk.files().erase(second);
  refused(errc::corrupt, "is missing");
  disk.files().insert(kept);
  auto cut = disk.files().begin()->second->now;
  disk.files().begin()->second->now.resize(cut.size() - 1);
  refused(errc::corrupt, "renamed or cut");
  disk.files().begin()->second->now = cut;
  CHECK(open_log(disk).log);
}

TEST_CASE("a log in a directory of the file system is one process's", "[log]") {
  memory::testing::temporary_directory directory;
  auto open = [&] {
    auto where =
      memory::open_disk_directory(directory.path().string(), true, "log");
    REQUIRE(where);
    return durable_log::open(std::move(*where), ours, little,
                             [](const log_record&, batch_number) {});
  };
  auto log = open();
  REQUIRE(log);
  REQUIRE(log->append(batch_of({{1, 0, 1, 1, "durable"}})));
  auto second = open();
  REQUIRE(!second);
  CHECK(second.error().code() == errc::locked);
}

namespace {

/// A log of version 1, from its first byte to where zeros begin: batch 1 with
/// two records, batch 2 with none.
constexpr std::string_view golden_v1 =
  "4e504c584c4f4731010000000000000001020300000000000000000000000000"
  "0500000000000000010000000000000001000000000000000010000000000000"
  "363695efb051569e021ba121d04d779242544348020000000100000000000000"
  "5200000000000000722e5087a41e6e1c105a636ca85462290000000000000000"
  "0300000000000000020000000000000004000000000000000500000001000000"
  "66697273740500000000000000060000000000000007000000000000000d0000"
  "00000000007365636f6e64207265636f72640000000000000000000000000000"
  "425443480000000002000000000000000000000000000000b10234a4d7175b5f"
  "5ed66eda6380bc9a0000000000000000";

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes +=
      static_cast<char>(std::stoi(std::string{hex.substr(i, 2)}, nullptr, 16));
  return bytes;
}

} // namespace

TEST_CASE("a log of format version 1 is read, and written the same", "[log]") {
  auto golden = from_hex(golden_v1);
  faulty_disk disk;
  {
    auto log = open_log(disk);
    REQUIRE(log.log);
    REQUIRE(log.log->append(
      batch_of({{3, 1, 2, 4, "first"}, {5, 0, 6, 7, "second record"}})));
    REQUIRE(log.log->vouch());
  }
  auto& written = disk.files().begin()->second->now;
  CHECK(disk.files().begin()->first == "segment-0000000000000001");
  CHECK(written.substr(0, golden.size()) == golden);
  CHECK(written.find_first_not_of('\0', golden.size()) == std::string::npos);
  written = golden;
  written.resize(little.segment_bytes);
  auto read = open_log(disk);
  REQUIRE(read.log);
  CHECK(read.records
        == std::vector<told>{{3, 2, 4, 1, "first", 1},
                             {5, 6, 7, 0, "second record", 1}});
  CHECK(read.log->last_batch() == 2);
}
