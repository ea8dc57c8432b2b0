#include "cli/load/loader.hpp"

#include "cli/load/csv.hpp"
#include "cli/load/input.hpp"
#include "cli/load/segment_check.hpp"
#include "memory/store.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <map>

#include <unistd.h>

using namespace neuroplex;
using namespace neuroplex::cli;
using namespace std::chrono_literals;

namespace {

// Gives key-0, key-1, ...; perhaps a failure in the end.
class counting_reader final : public record_reader {
public:
  explicit counting_reader(std::uint64_t count, bool fails = false)
    : count_{count}, fails_{fails} {
  }

  expected<read_step> next(record& result) override {
    if (given_ == count_) {
      if (fails_)
        return failure{errc::protocol, "in:9: expected something else"};
      return read_step::end;
    }
    result.key = "key-" + std::to_string(given_);
    result.value = "value-" + std::to_string(given_);
    ++given_;
    return read_step::record;
  }

  [[nodiscard]] std::uint64_t bytes_read() const noexcept override {
    return given_;
  }

  [[nodiscard]] std::uint64_t total_bytes() const noexcept override {
    return count_;
  }

private:
  std::uint64_t count_;
  bool fails_;
  std::uint64_t given_ = 0;
};

loader_options quick() {
  return {.batch_entries = 10,
          .batch_bytes = std::size_t{1} << 20,
          .attempts = 4,
          .first_pause = 0ms};
}

bool go_on(const load_report&) {
  return true;
}

} // namespace

TEST_CASE("all entries arrive once, in batches") {
  std::map<std::string, std::string> stored;
  std::size_t largest = 0;
  loader under_test{[&](auto batch) -> expected<void> {
                      largest = std::max(largest, batch.size());
                      for (std::size_t i = 0; i < batch.size(); ++i) {
                        stored[std::string{batch[i].key}] = batch[i].value;
                        batch[i].status = errc::ok;
                      }
                      return {};
                    },
                    quick()};
  counting_reader reader{95};
  auto report = under_test.load(reader, go_on);
  REQUIRE(report);
  CHECK(report->entries == 95);
  CHECK(report->batches == 10);
  CHECK(report->sent_again == 0);
  CHECK(stored.size() == 95);
  CHECK(stored.at("key-94") == "value-94");
  CHECK(largest == 10);
}

TEST_CASE("only entries that may succeed later are sent again") {
  std::map<std::string, int> sends;
  loader under_test{[&](auto batch) -> expected<void> {
                      for (std::size_t i = 0; i < batch.size(); ++i) {
                        auto count = ++sends[std::string{batch[i].key}];
                        batch[i].status =
                          batch[i].key.ends_with('7') && count < 3
                            ? errc::unknown_outcome
                            : errc::ok;
                      }
                      return {};
                    },
                    quick()};
  counting_reader reader{30};
  auto report = under_test.load(reader, go_on);
  REQUIRE(report);
  CHECK(report->entries == 30);
  CHECK(report->sent_again == 6);
  for (const auto& [key, count] : sends)
    CHECK(count == (key.ends_with('7') ? 3 : 1));
}

TEST_CASE("an entry that stays refused ends the load and is named") {
  for (auto [code, tries] :
       {std::pair{errc::busy, 4}, std::pair{errc::no_space, 1}}) {
    int sends = 0;
    loader under_test{[&, code = code](auto batch) -> expected<void> {
                        ++sends;
                        for (std::size_t i = 0; i < batch.size(); ++i)
                          batch[i].status =
                            batch[i].key == "key-13" ? code : errc::ok;
                        return {};
                      },
                      quick()};
    counting_reader reader{30};
    auto report = under_test.load(reader, go_on);
    REQUIRE(!report);
    CHECK(report.code() == code);
    CHECK(report.error().message().starts_with("\"key-13\": "));
    CHECK(report.error().message().ends_with("(stored: 19 entries)"));
    CHECK(sends == 1 + tries);
    CHECK(under_test.report().entries == 19);
  }
}

TEST_CASE("what stood before a fault of the input is stored") {
  std::size_t stored = 0;
  loader under_test{[&](auto batch) -> expected<void> {
                      stored += batch.size();
                      for (auto& entry : batch)
                        entry.status = errc::ok;
                      return {};
                    },
                    quick()};
  counting_reader reader{25, true};
  auto report = under_test.load(reader, go_on);
  REQUIRE(!report);
  CHECK(stored == 25);
  CHECK(report.error().message()
        == "in:9: expected something else (stored before it: 25 entries)");
}

TEST_CASE("a load stops when it is told to") {
  loader under_test{[&](auto batch) -> expected<void> {
                      for (auto& entry : batch)
                        entry.status = errc::ok;
                      return {};
                    },
                    quick()};
  counting_reader reader{1'000'000};
  auto report = under_test.load(
    reader, [](const load_report& so_far) { return so_far.entries < 50; });
  REQUIRE(!report);
  CHECK(report.code() == errc::deadline);
  CHECK(under_test.report().entries == 50);
}

TEST_CASE("segments are compared with the input byte for byte") {
  const auto base = std::filesystem::temp_directory_path()
                    / ("neuroplex-check-" + std::to_string(::getpid()));
  std::vector<std::string> paths{base.string() + "-a", base.string() + "-b"};
  memory::segment_options options;
  options.segment_bytes = std::uint64_t{2} << 20;
  auto first = memory::store::create(paths[0], options);
  auto second = memory::store::create(paths[1], options);
  REQUIRE(first);
  REQUIRE(second);
  auto space = first->open_namespace("data");
  auto other_space = second->open_namespace("data");
  REQUIRE(space);
  REQUIRE(other_space);
  for (std::uint64_t i = 0; i < 100; ++i) {
    auto& target = i % 3 == 0 ? *first : *second;
    REQUIRE(target.set(i % 3 == 0 ? *space : *other_space,
                       "key-" + std::to_string(i), "value-" + std::to_string(i))
            == errc::ok);
  }
  auto compare = [&] {
    auto check = segment_check::open(paths, "data");
    REQUIRE(check);
    counting_reader reader{100};
    record entry;
    while (*reader.next(entry) == read_step::record)
      check->compare(entry);
    return check->finish();
  };
  auto result = compare();
  CHECK(result.same());
  CHECK(result.equal_by_segment == std::vector<std::uint64_t>{34, 66});
  CHECK(result.first_difference.empty());

  REQUIRE(first->set(*space, "key-3", "value-4") == errc::ok);
  result = compare();
  CHECK_FALSE(result.same());
  CHECK(result.different == 1);
  CHECK(result.first_difference == "\"key-3\" differs in " + paths[0]);

  REQUIRE(first->set(*space, "key-3", "value-3") == errc::ok);
  REQUIRE(second->set(*other_space, "key-3", "value-3") == errc::ok);
  result = compare();
  CHECK_FALSE(result.same());
  CHECK(result.repeated == 1);

  REQUIRE(second->erase(*other_space, "key-3") == errc::ok);
  REQUIRE(second->erase(*other_space, "key-1") == errc::ok);
  result = compare();
  CHECK_FALSE(result.same());
  CHECK(result.missing == 1);
  CHECK(result.first_difference == "\"key-1\" is in no segment");

  REQUIRE(second->set(*other_space, "key-1", "value-1") == errc::ok);
  REQUIRE(second->set(*other_space, "more", "x") == errc::ok);
  result = compare();
  CHECK_FALSE(result.same());
  CHECK(result.first_difference
        == "the segments hold 101 entries, the input has 100");

  auto absent = segment_check::open(paths, "nothing");
  REQUIRE(!absent);
  CHECK(absent.code() == errc::not_found);
  for (const auto& path : paths)
    CHECK(memory::store::remove(path));
}
