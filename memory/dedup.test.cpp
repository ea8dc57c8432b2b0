#include "memory/content_recount.hpp"
#include "memory/dedup_fixture.test.hpp"

#include <array>
#include <vector>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;
using detail::store_impl;

namespace {

const std::string page = bytes_of(5000, 1);
const std::string other_page = bytes_of(5000, 2);

} // namespace

TEST_CASE("values are shared only where that is asked for", "[dedup]") {
  segment s;
  CHECK(s.db.settings(default_ns)->share_from == 0);
  REQUIRE(s.db.set(default_ns, "a", page) == errc::ok);
  REQUIRE(s.db.set(default_ns, "b", page) == errc::ok);
  auto stats = s.db.stats();
  CHECK(stats.shared_entries == 0);
  CHECK(stats.live_block_bytes > 2 * page.size());
  CHECK(s.db.configure(default_ns, {.share_from = 1}).code() == errc::config);
  CHECK(s.db.configure(default_ns, {.share_from = 0xFFFF'FFFFU}).code()
        == errc::config);
  REQUIRE(s.db.configure(default_ns, {.share_from = 1024}));
  CHECK(s.db.settings(default_ns)->share_from == 1024);
  // What holds the contents is no namespace for anybody.
  CHECK(s.db.namespaces().size() == 1);
  CHECK(s.db.set(namespace_id{1}, "a", "x") == errc::bad_namespace);
}

TEST_CASE("equal values are stored once, however many entries hold them",
          "[dedup]") {
  sharing_segment s;
  constexpr std::size_t entries = 100;
  for (std::size_t i = 0; i < entries; ++i)
    REQUIRE(s.db.set(s.ns, key_of(i), i % 2 == 0 ? page : other_page)
            == errc::ok);
  auto info = s.info();
  CHECK(info.entries == entries);
  CHECK(info.shared_entries == entries);
  CHECK(info.contents == 2);
  CHECK(info.shared_bytes == entries * page.size());
  CHECK(info.content_block_bytes < 3 * page.size());
  CHECK(info.block_bytes < info.shared_bytes / 10);
  CHECK(s.db.stats().live_block_bytes == info.block_bytes);
  CHECK(s.db.stats().entries == entries);
  for (std::size_t i = 0; i < entries; ++i)
    CHECK(value_of(s.db, key_of(i), s.ns) == (i % 2 == 0 ? page : other_page));
  CHECK(shared_census{s.db}.exact());
  CHECK(*s.db.verify() == 0);
  for (std::size_t i = 0; i < entries; ++i)
    REQUIRE(s.db.erase(s.ns, key_of(i)) == errc::ok);
  info = s.info();
  CHECK(info.shared_entries == 0);
  CHECK(info.shared_bytes == 0);
  CHECK(info.contents == 0);
  CHECK(info.block_bytes == 0);
}

TEST_CASE("a shared value is read like any other", "[dedup]") {
  auto mode = GENERATE(compression_mode::off, compression_mode::adaptive);
  sharing_segment s{{.segment_bytes = 8 * mebibyte}, {.compression = mode}};
  std::string text;
  while (text.size() < 4000)
    text += "a line of text that compresses well, number "
            + std::to_string(text.size() / 400) + "\n";
  REQUIRE(s.db.set(s.ns, "a", text) == errc::ok);
  REQUIRE(s.db.set(s.ns, "b", text, {.ttl_ms = 1'000'000}) == errc::ok);
  CHECK(s.info().contents == 1);

  std::vector<char> buffer(text.size());
  std::size_t length = 0;
  REQUIRE(s.db.get(s.ns, "b", buffer, length) == errc::ok);
  CHECK(std::string_view{buffer.data(), length} == text);
  length = 0;
  CHECK(s.db.get(s.ns, "b", std::span{buffer}.first(10), length)
        == errc::value_size);
  CHECK(length == text.size());

  entry_info info;
  REQUIRE(s.db.info(s.ns, "b", info) == errc::ok);
  CHECK(info.value_bytes == text.size());
  CHECK(info.expires_at_ms != 0);

  std::vector<get_request> gets{{"a", {}}, {"none", {}}, {"b", {}}};
  REQUIRE(s.db.get_many(s.ns, gets) == errc::ok);
  CHECK(gets[0].value == text);
  CHECK(gets[1].status == errc::not_found);
  CHECK(gets[2].value == text);

  value_view view;
  REQUIRE(s.db.view(s.ns, "a", view) == errc::ok);
  CHECK(view.bytes() == text);
  // The bytes stay as long as they are looked at.
  REQUIRE(s.db.erase(s.ns, "a") == errc::ok);
  REQUIRE(s.db.erase(s.ns, "b") == errc::ok);
  CHECK(s.info().contents == 0);
  for (std::size_t i = 0; i < 200; ++i)
    REQUIRE(s.db.set(s.ns, key_of(i), bytes_of(text.size(), i)) == errc::ok);
  CHECK(view.bytes() == text);
  view.release();

  std::size_t shown = 0;
  for (scan_cursor cursor; !cursor.done();)
    REQUIRE(s.db.scan(s.ns, cursor, 100, [&](const scan_entry& each) {
      CHECK(each.value.size() == text.size());
      CHECK(each.info.value_bytes == text.size());
      ++shown;
    }) == errc::ok);
  CHECK(shown == 200);
  CHECK(shared_census{s.db}.exact());
}

TEST_CASE("every change of a shared value leaves the counts exact", "[dedup]") {
  sharing_segment s;
  auto& db = s.db;
  std::string value;
  bool had = false;
  std::size_t length = 0;
  auto exact = [&](std::uint64_t contents) {
    CHECK(shared_census{db}.exact());
    CHECK(s.info().contents == contents);
  };
  REQUIRE(db.set(s.ns, "a", page) == errc::ok);
  REQUIRE(db.set(s.ns, "b", page) == errc::ok);
  exact(1);
  REQUIRE(db.set(s.ns, "a", page) == errc::ok); // the same once more
  exact(1);
  REQUIRE(db.append(s.ns, "a", "!", length) == errc::ok);
  CHECK(value_of(db, "a", s.ns) == page + "!");
  exact(2);
  REQUIRE(db.exchange(s.ns, "a", other_page, value, had) == errc::ok);
  CHECK(value == page + "!");
  exact(2);
  CHECK(db.compare_and_swap(s.ns, "a", page, "x") == errc::mismatch);
  REQUIRE(db.compare_and_swap(s.ns, "a", other_page, page) == errc::ok);
  exact(1);
  entry_info info;
  REQUIRE(db.info(s.ns, "a", info) == errc::ok);
  REQUIRE(db.compare_and_swap(s.ns, "a", info.version, other_page) == errc::ok);
  exact(2);
  REQUIRE(db.expire(s.ns, "a", 100'000) == errc::ok);
  REQUIRE(db.persist(s.ns, "a") == errc::ok);
  REQUIRE(db.pin(s.ns, "a") == errc::ok);
  REQUIRE(db.unpin(s.ns, "a") == errc::ok);
  CHECK(value_of(db, "a", s.ns) == other_page);
  exact(2);
  CHECK(db.set_if_absent(s.ns, "a", page) == errc::exists);
  CHECK(db.set_if_present(s.ns, "c", page) == errc::not_found);
  exact(2);
  REQUIRE(db.take(s.ns, "a", value) == errc::ok);
  CHECK(value == other_page);
  exact(1);
  REQUIRE(db.set(s.ns, "b", "short") == errc::ok);
  exact(0);
  REQUIRE(db.set(s.ns, "n", "41") == errc::ok);
  std::int64_t sum = 0;
  REQUIRE(db.increment(s.ns, "n", 1, sum) == errc::ok);
  CHECK(sum == 42);
  std::vector<set_request> sets{{"a", page}, {"b", page}, {"c", other_page}};
  REQUIRE(db.set_many(s.ns, sets) == errc::ok);
  exact(2);
  REQUIRE(db.set(s.ns, "c", page, {.ttl_ms = 1}) == errc::ok);
  while (db.get(s.ns, "c", value) == errc::ok)
    ;
  exact(1);
  std::size_t removed = 0;
  scan_cursor cursor;
  REQUIRE(db.sweep_expired(s.ns, cursor, 10'000, removed) == errc::ok);
  CHECK(removed == 1);
  CHECK(s.info().shared_entries == 2);
  std::uint64_t cleared = 0;
  REQUIRE(db.clear(s.ns, cleared) == errc::ok);
  exact(0);
  CHECK(s.info().block_bytes == 0);
}

TEST_CASE("a namespace that is dropped takes its contents along", "[dedup]") {
  sharing_segment s;
  for (std::size_t i = 0; i < 20; ++i)
    REQUIRE(s.db.set(s.ns, key_of(i), bytes_of(3000, i / 2)) == errc::ok);
  REQUIRE(s.db.drop_namespace("shared"));
  CHECK(s.db.stats().live_block_bytes == 0);
  CHECK(shared_census{s.db}.contents.empty());
  // Both numbers are free again.
  for (std::size_t i = 1; i < limits::max_namespaces; ++i)
    REQUIRE(s.db.open_namespace(key_of(i)));
  auto last = s.db.find_namespace(key_of(200));
  REQUIRE(last);
  auto refused = s.db.configure(*last, {.share_from = 1024});
  CHECK(refused.code() == errc::namespace_full);
  CHECK(s.db.settings(*last)->share_from == 0);
}

TEST_CASE("values that are stored stay readable when sharing ends", "[dedup]") {
  sharing_segment s;
  REQUIRE(s.db.set(s.ns, "a", page) == errc::ok);
  REQUIRE(s.db.configure(s.ns, {}));
  REQUIRE(s.db.set(s.ns, "b", page) == errc::ok);
  CHECK(s.info().shared_entries == 1);
  CHECK(value_of(s.db, "a", s.ns) == page);
  REQUIRE(s.db.set(s.ns, "a", page) == errc::ok);
  CHECK(s.info().contents == 0);
  CHECK(value_of(s.db, "a", s.ns) == page);
}

TEST_CASE("an inline namespace shares nothing", "[dedup]") {
  segment s;
  auto ns = s.db.open_inline_namespace(
    "inline", {.key_bytes = 16, .value_bytes = 1024, .capacity = 100});
  REQUIRE(ns);
  CHECK(s.db.configure(*ns, {.share_from = 1024}).code() == errc::wrong_type);
  CHECK(s.db.settings(*ns)->share_from == 0);
}

TEST_CASE("contents with the same hash are kept apart", "[dedup]") {
  sharing_segment s;
  auto& impl = store_impl::of(s.db);
  auto number = detail::number(s.ns);
  auto contents = impl.engine().contents().contents_of(number);
  REQUIRE(contents.known);
  // Two hashes for all values there are.
  store_impl::deduplicator weak{impl.engine(),
                                [](std::string_view, unsigned attempt) {
                                  return content_hash{attempt % 2, 0};
                                }};
  auto plain = [](std::string_view, std::string&) { return false; };
  std::array<shared_reference, 4> references;
  std::array<errc, 4> answers{};
  auto& self = *impl.self();
  for (unsigned i = 0; i < 4; ++i) {
    auto value = bytes_of(1000, i % 3);
    basic_sharing_work<native_sync> work{self};
    answers[i] =
      weak.acquire(self, number, contents, value, references[i], plain);
    std::string read;
    if (answers[i] == errc::ok) {
      REQUIRE(weak.read(number, references[i], read) == errc::ok);
      CHECK(read == value);
    }
  }
  CHECK(answers == std::array{errc::ok, errc::ok, errc::not_found, errc::ok});
  CHECK(references[3] == references[0]);
  CHECK(references[1].number != references[0].number);
  for (unsigned i : {0U, 1U, 3U})
    impl.engine().contents().count_down(self, number, references[i]);
  CHECK(s.info().contents == 0);
}

TEST_CASE("what a death leaves counted is found", "[dedup]") {
  sharing_segment s;
  auto& impl = store_impl::of(s.db);
  auto& self = *impl.self();
  auto number = detail::number(s.ns);
  auto contents = impl.engine().contents().contents_of(number);
  REQUIRE(s.db.set(s.ns, "a", page) == errc::ok);
  store_impl::deduplicator dedup{impl.engine()};
  auto plain = [](std::string_view, std::string&) { return false; };
  shared_reference lost;
  REQUIRE(dedup.acquire(self, number, contents, page, lost, plain) == errc::ok);
  REQUIRE(dedup.acquire(self, number, contents, other_page, lost, plain)
          == errc::ok);
  CHECK_FALSE(shared_census{s.db}.exact());
  auto& control = impl.arena().control();
  control.contents_in_doubt.store(1);
  {
    basic_sharing_work<native_sync> work{self};
    REQUIRE(s.db.recover());
    CHECK(control.contents_in_doubt.load() == 1); // somebody is at work
  }
  REQUIRE(s.db.recover());
  CHECK(control.contents_in_doubt.load() == 0);
  CHECK(shared_census{s.db}.exact());
  CHECK(s.info().contents == 1);
  CHECK(s.info().shared_entries == 1);
  CHECK(s.info().shared_bytes == page.size());
  CHECK(value_of(s.db, "a", s.ns) == page);
}

TEST_CASE("a missing or damaged content is corruption, not a crash",
          "[dedup]") {
  sharing_segment s;
  auto& impl = store_impl::of(s.db);
  auto number = detail::number(s.ns);
  REQUIRE(s.db.set(s.ns, "a", page) == errc::ok);
  REQUIRE(s.db.set(s.ns, "b", page) == errc::ok);
  REQUIRE(s.db.set(s.ns, "c", other_page) == errc::ok);
  auto contents = impl.arena().name_record(number).contents.load();
  impl.engine().contents().remove_bytes(*impl.self(), contents, 1);
  for (auto key : {"a", "b"})
    CHECK(value_of(s.db, key, s.ns) == "(E-CORRUPT)");
  value_view view;
  CHECK(s.db.view(s.ns, "a", view) == errc::corrupt);
  std::size_t length = 0;
  CHECK(s.db.append(s.ns, "a", "x", length) == errc::corrupt);
  CHECK(*s.db.verify() == 2);
  std::size_t shown = 0;
  scan_cursor cursor;
  REQUIRE(s.db.scan(s.ns, cursor, 10'000, [&](const scan_entry& each) {
    CHECK(each.key == "c");
    ++shown;
  }) == errc::ok);
  CHECK(shown == 1);
  CHECK(value_of(s.db, "c", s.ns) == other_page);
  // Equal values are stored again, and the damaged ones can be overwritten.
  for (auto key : {"d", "a", "b"}) {
    REQUIRE(s.db.set(s.ns, key, page) == errc::ok);
    CHECK(value_of(s.db, key, s.ns) == page);
  }
  CHECK(*s.db.verify() == 0);
}

TEST_CASE("a quota covers entries and their contents", "[dedup]") {
  auto policy = GENERATE(policy_kind::noeviction, policy_kind::lru);
  constexpr std::uint64_t quota = 200 * kibibyte;
  sharing_segment s{{.segment_bytes = 8 * mebibyte},
                    {.policy = policy, .quota_bytes = quota}};
  std::size_t refused = 0;
  for (std::size_t i = 0; i < 200; ++i) {
    auto answer = s.db.set(s.ns, key_of(i), bytes_of(4000, i));
    if (answer != errc::ok) {
      CHECK(answer == errc::no_space);
      ++refused;
    }
    REQUIRE(s.info().block_bytes <= quota);
    // What is there already costs little.
    auto copy = s.db.set(s.ns, "copy", bytes_of(4000, 0));
    CHECK((copy == errc::ok || policy == policy_kind::noeviction));
  }
  CHECK((refused != 0) == (policy == policy_kind::noeviction));
  CHECK(s.info().block_bytes > quota / 10 * 9);
  CHECK(shared_census{s.db}.exact());
}

TEST_CASE("eviction frees contents with the last entry that refers to them",
          "[dedup]") {
  auto size = GENERATE(std::size_t{3000}, std::size_t{40'000});
  sharing_segment s{{.segment_bytes = 4 * mebibyte},
                    {.policy = policy_kind::clock}};
  auto values = 12 * mebibyte / size;
  for (std::size_t i = 0; i < values; ++i) {
    auto value = bytes_of(size, i);
    REQUIRE(s.db.set(s.ns, key_of(2 * i), value) == errc::ok);
    REQUIRE(s.db.set(s.ns, key_of(2 * i + 1), value) == errc::ok);
    REQUIRE(value_of(s.db, key_of(2 * i + 1), s.ns) == value);
  }
  CHECK(s.db.stats().evicted > 0);
  CHECK(shared_census{s.db}.exact());
  CHECK(*s.db.verify() == 0);
}

TEST_CASE("no memory for a content leaves nothing behind", "[dedup]") {
  sharing_segment s{{.segment_bytes = mebibyte}};
  std::size_t stored = 0;
  for (; stored < 1000; ++stored)
    if (s.db.set(s.ns, key_of(stored), bytes_of(2000, stored)) != errc::ok)
      break;
  CHECK(stored > 100);
  CHECK(shared_census{s.db}.exact());
  CHECK(s.info().entries == stored);
  CHECK(s.info().contents == stored);
  // To count down takes no memory.
  for (std::size_t i = 0; i < stored; ++i)
    REQUIRE(s.db.erase(s.ns, key_of(i)) == errc::ok);
  CHECK(s.info().block_bytes == 0);
}

TEST_CASE("compaction moves contents and those who refer to them", "[dedup]") {
  sharing_segment s;
  constexpr std::size_t entries = 1500;
  auto value = [](std::size_t i) { return bytes_of(2000, i / 2); };
  for (std::size_t i = 0; i < entries; ++i)
    REQUIRE(s.db.set(s.ns, key_of(i), value(i)) == errc::ok);
  for (std::size_t i = 0; i < entries; ++i)
    if (i % 8 >= 2)
      REQUIRE(s.db.erase(s.ns, key_of(i)) == errc::ok);
  auto before = s.db.stats().pool_used_bytes;
  auto report = s.db.defragment();
  REQUIRE(report);
  CHECK(s.db.stats().pool_used_bytes < before / 2);
  CHECK(shared_census{s.db}.exact());
  for (std::size_t i = 0; i < entries; ++i)
    if (i % 8 < 2)
      CHECK(value_of(s.db, key_of(i), s.ns) == value(i));
}

TEST_CASE("shared values survive doublings of the index and their process",
          "[dedup]") {
  sharing_segment s{{.segment_bytes = 16 * mebibyte, .bucket_count = 64}};
  constexpr std::size_t entries = 3000;
  for (std::size_t i = 0; i < entries; ++i)
    REQUIRE(s.db.set(s.ns, key_of(i), bytes_of(1000, i / 3)) == errc::ok);
  CHECK(s.db.stats().index_doublings > 0);
  CHECK(shared_census{s.db}.exact());
  s.db.close();
  auto again = s.attach();
  for (std::size_t i = 0; i < entries; ++i)
    CHECK(value_of(again, key_of(i), s.ns) == bytes_of(1000, i / 3));
  CHECK(again.stats().contents == entries / 3);
  auto reader = s.attach(access_mode::read_only);
  CHECK(value_of(reader, key_of(7), s.ns) == bytes_of(1000, 2));
}
