#include "actors/shard_core.hpp"

#include "actors/test_segment.test.hpp"
#include "consensus/placement/hash_slots.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace neuroplex;
using namespace neuroplex::actors;

namespace {

constexpr std::int64_t now = 1'000'000;

request make(operation op, const std::string& key,
             const std::string& value = {}) {
  request what;
  what.header.id = {7, 0};
  what.header.deadline_ms = now + 1'000;
  what.op = op;
  what.key = key;
  what.value = value;
  return what;
}

} // namespace

TEST_CASE("each operation does what the store's function of its name does") {
  test_segment segment;
  shard_core core{segment.store()};
  std::uint64_t sequence = 0;
  auto apply = [&](request what) {
    what.header.id.sequence = ++sequence;
    return core.apply(what, now);
  };
  auto space = GENERATE(std::string{"default"}, std::string{"named"});
  auto in_space = [&](request what) {
    what.space = space;
    return apply(std::move(what));
  };
  CHECK(in_space(make(operation::get, "k")).status == errc::not_found);
  CHECK(in_space(make(operation::set_if_present, "k", "v")).status
        == errc::not_found);
  CHECK(in_space(make(operation::set_if_absent, "k", "v")).status == errc::ok);
  CHECK(in_space(make(operation::set_if_absent, "k", "w")).status
        == errc::exists);
  auto read = in_space(make(operation::get, "k"));
  CHECK(read.value == "v");
  CHECK(read.version != 0);
  CHECK(in_space(make(operation::info, "k")).number == 1);
  auto swapped = make(operation::compare_and_swap, "k", "w");
  swapped.expected = "x";
  auto mismatch = in_space(swapped);
  CHECK(mismatch.status == errc::mismatch);
  CHECK(mismatch.value == "v");
  swapped.expected = "v";
  CHECK(in_space(swapped).status == errc::ok);
  auto by_version = make(operation::compare_and_swap, "k", "z");
  by_version.version = read.version;
  CHECK(in_space(by_version).status == errc::mismatch);
  auto exchanged = in_space(make(operation::exchange, "k", "5"));
  CHECK(exchanged.found);
  CHECK(exchanged.value == "w");
  auto sum = make(operation::increment, "k");
  sum.delta = 37;
  CHECK(in_space(sum).number == 42);
  CHECK(in_space(make(operation::append, "k", "!")).number == 3);
  CHECK(in_space(sum).status == errc::not_integer);
  auto expiring = make(operation::expire, "k");
  expiring.ttl_ms = 60'000;
  CHECK(in_space(expiring).status == errc::ok);
  CHECK(in_space(make(operation::info, "k")).expires_at_ms > 0);
  CHECK(in_space(make(operation::persist, "k")).status == errc::ok);
  CHECK(in_space(make(operation::persist, "k")).status == errc::mismatch);
  CHECK(in_space(make(operation::take, "k")).value == "42!");
  CHECK(in_space(make(operation::erase, "k")).status == errc::not_found);
}

TEST_CASE("a swap keeps the expiry, sets one, or takes it, as it was asked") {
  test_segment segment;
  shard_core core{segment.store()};
  auto by_version = GENERATE(false, true);
  auto expiry = [&] {
    return core.apply(make(operation::info, "k"), now).expires_at_ms;
  };
  auto swap = [&](std::int64_t ttl_ms, bool keep_ttl) {
    auto what = make(operation::compare_and_swap, "k", "v");
    what.header.id = {};
    what.expected = "v";
    if (by_version)
      what.version = core.apply(make(operation::get, "k"), now).version;
    what.ttl_ms = ttl_ms;
    what.keep_ttl = keep_ttl;
    return core.apply(what, now).status;
  };
  auto first = make(operation::set, "k", "v");
  first.ttl_ms = 3'600'000;
  REQUIRE(core.apply(first, now).status == errc::ok);
  auto expires = expiry();
  REQUIRE(expires > 0);
  CHECK(swap(0, true) == errc::ok);
  CHECK(expiry() == expires);
  CHECK(swap(7'200'000, false) == errc::ok);
  CHECK(expiry() > expires);
  CHECK(swap(0, false) == errc::ok);
  CHECK(expiry() == 0);
  CHECK(swap(0, true) == errc::ok);
  CHECK(expiry() == 0);
  CHECK(swap(1'000, true) == errc::bad_ttl);
}

TEST_CASE("an answer carries no more than the node's message limit") {
  test_segment segment;
  const std::string value(50'000, 'x');
  shard_core writer{segment.store()};
  for (const auto* key : {"a", "b", "c"}) {
    auto what = make(operation::set, key, value);
    what.header.id = {};
    REQUIRE(writer.apply(what, now).status == errc::ok);
  }
  shard_core tight{segment.store(), {.message_bytes = 40'000}};
  auto refused = tight.apply(make(operation::get, "a"), now);
  CHECK(refused.status == errc::value_size);
  CHECK(refused.value.starts_with("limits.message_bytes: a value of 50000 "));
  CHECK(refused.value.find("40000") != std::string::npos);
  shard_core roomy{segment.store(), {.message_bytes = 120'000}};
  CHECK(roomy.apply(make(operation::get, "a"), now).value == value);
  batch_request what;
  what.header.deadline_ms = now + 1'000;
  what.items = {{"a", {}, 0}, {"b", {}, 0}, {"c", {}, 0}};
  auto answer = roomy.apply(what, now);
  REQUIRE(answer.answers.size() == 3);
  CHECK(answer.answers[0].status == errc::ok);
  CHECK(answer.answers[1].status == errc::ok);
  CHECK(answer.answers[2].status == errc::busy);
}

TEST_CASE("a page of a scan ends when its keys and values fill it") {
  test_segment segment;
  constexpr std::size_t key_bytes = 10'000;
  constexpr std::size_t count = 120;
  for (std::size_t i = 0; i < count; ++i)
    REQUIRE(segment.store().set(memory::namespace_id::default_namespace,
                                std::string(key_bytes, 'k') + std::to_string(i),
                                "v")
            == errc::ok);
  scan_request what;
  what.header.deadline_ms = now + 1'000;
  what.entries = limits::max_scan_entries;
  std::size_t pages = 0;
  std::set<std::string> seen;
  for (;;) {
    auto page =
      read_page(segment.store(), what, now, {.message_bytes = 200'000});
    REQUIRE(page.status == errc::ok);
    std::size_t bytes = 0;
    for (const auto& entry : page.entries) {
      bytes += entry.key.size() + entry.value.size();
      seen.insert(entry.key);
    }
    CHECK(bytes < 3 * 200'000);
    ++pages;
    if (page.next.member != 0)
      break;
    what.from = page.next;
  }
  CHECK(seen.size() == count);
  CHECK(pages > 2);
}

TEST_CASE("a repeated write happens once and gets its first answer") {
  test_segment segment;
  shard_core core{segment.store()};
  auto add = make(operation::increment, "counter");
  add.header.id.sequence = 1;
  add.delta = 1;
  for (int i = 0; i < 5; ++i)
    CHECK(core.apply(add, now).number == 1);
  CHECK(core.report().repeats == 4);

  SECTION("the same id with another body is a conflict without effect") {
    auto other = add;
    other.delta = 100;
    CHECK(core.apply(other, now).status == errc::conflict);
    auto batch = batch_request{};
    batch.header = add.header;
    batch.op = operation::set;
    batch.items.push_back({"counter", "x", 0});
    CHECK(core.apply(batch, now).status == errc::conflict);
    CHECK(core.apply(make(operation::get, "counter"), now).value == "1");
  }
  SECTION("client 0 is nobody and is never remembered") {
    add.header.id.client = 0;
    CHECK(core.apply(add, now).number == 2);
    CHECK(core.apply(add, now).number == 3);
  }
}

TEST_CASE("a request whose deadline is over has no effect") {
  test_segment segment;
  shard_core core{segment.store()};
  auto late = make(operation::set, "k", "v");
  late.header.deadline_ms = now - 1;
  CHECK(core.apply(late, now).status == errc::deadline);
  CHECK(core.apply(make(operation::get, "k"), now).status == errc::not_found);
  late.header.deadline_ms = now + limits::max_deadline_ms + 1;
  CHECK(core.apply(late, now).status == errc::bad_argument);
  CHECK(core.report().late == 1);
}

TEST_CASE("bytes that are no request are refused") {
  test_segment segment;
  shard_core core{segment.store()};
  auto status_of = [&](const request& what) {
    return core.apply(what, now).status;
  };
  CHECK(status_of(make(static_cast<operation>(200), "k"))
        == errc::bad_argument);
  CHECK(status_of(make(operation::get, "")) == errc::bad_key);
  CHECK(status_of(make(operation::get, std::string(65'536, 'k')))
        == errc::key_size);
  CHECK(status_of(make(operation::set, "k",
                       std::string(limits::max_message_value_bytes + 1, 'v')))
        == errc::value_size);
  auto what = make(operation::set, "k", "v");
  what.space = "";
  CHECK(status_of(what) == errc::bad_namespace);
  what.space = std::string(256, 's');
  CHECK(status_of(what) == errc::bad_namespace);
  what = make(operation::set, "k", "v");
  what.ttl_ms = -5;
  CHECK(status_of(what) == errc::bad_ttl);
  CHECK(status_of(make(operation::expire, "k")) == errc::bad_ttl);
  batch_request batch;
  batch.header.deadline_ms = now + 1'000;
  batch.op = operation::increment;
  CHECK(core.apply(batch, now).status == errc::bad_argument);
  batch.op = operation::get;
  batch.items.resize(limits::max_batch_items + 1);
  CHECK(core.apply(batch, now).status == errc::too_many);
}

TEST_CASE("a shard refuses keys and epochs that are not its own") {
  test_segment segment;
  auto table = *placement::hash_slots::make({.shards = 4}, {1});
  std::vector<std::unique_ptr<shard_core>> shards;
  for (placement::shard_index i = 0; i < 4; ++i)
    shards.push_back(std::make_unique<shard_core>(segment.store(), table, i));
  for (int i = 0; i < 100; ++i) {
    auto what = make(operation::set, "key" + std::to_string(i), "v");
    what.header.id.sequence = static_cast<std::uint64_t>(i) + 1;
    auto owner = table->shard_of(what.key);
    for (placement::shard_index shard = 0; shard < 4; ++shard)
      CHECK(shards[shard]->apply(what, now).status
            == (shard == owner ? errc::ok : errc::conflict));
    what.header.epoch = 2;
    CHECK(shards[owner]->apply(what, now).status == errc::conflict);
  }
  batch_request batch;
  batch.header.deadline_ms = now + 1'000;
  for (int i = 0; i < 100; ++i)
    batch.items.push_back({"key" + std::to_string(i), {}, 0});
  auto answer = shards[2]->apply(batch, now);
  for (std::size_t i = 0; i < 100; ++i)
    CHECK(answer.answers[i].status
          == (table->shard_of(batch.items[i].key) == 2 ? errc::ok
                                                       : errc::conflict));
}

TEST_CASE("a batch answers item by item, within its budget") {
  test_segment segment;
  shard_core core{segment.store()};
  batch_request batch;
  batch.header.id = {7, 1};
  batch.header.deadline_ms = now + 1'000;
  batch.op = operation::set;
  batch.items = {{"a", std::string(600, 'a'), 0},
                 {"", "x", 0},
                 {"b", std::string(600, 'b'), 0},
                 {"c", "c", -1}};
  auto written = core.apply(batch, now);
  REQUIRE(written.status == errc::ok);
  CHECK(written.answers[0].status == errc::ok);
  CHECK(written.answers[1].status == errc::bad_key);
  CHECK(written.answers[2].status == errc::ok);
  CHECK(written.answers[3].status == errc::bad_ttl);
  batch.op = operation::get;
  batch.items = {{"a", {}, 0}, {"absent", {}, 0}, {"b", {}, 0}};
  batch.reply_budget_bytes = 1'000;
  auto read = core.apply(batch, now);
  CHECK(read.answers[0].value == std::string(600, 'a'));
  CHECK(read.answers[1].status == errc::not_found);
  CHECK(read.answers[2].status == errc::busy);
  batch.op = operation::erase;
  batch.header.id.sequence = 2;
  auto erased = core.apply(batch, now);
  CHECK(erased.answers[0].status == errc::ok);
  CHECK(erased.answers[1].status == errc::not_found);
}

TEST_CASE("pages of a scan show every entry and mark values left out") {
  test_segment segment;
  shard_core core{segment.store()};
  std::set<std::string> keys;
  for (int i = 0; i < 500; ++i) {
    auto key = "key" + std::to_string(i);
    keys.insert(key);
    REQUIRE(segment.store().set(memory::namespace_id::default_namespace, key,
                                std::string(i == 7 ? 2 << 20 : 10, 'v'))
            == errc::ok);
  }
  scan_request what;
  what.header.deadline_ms = now + 1'000;
  what.entries = 16;
  std::set<std::string> seen;
  std::size_t omitted = 0;
  while (what.from.member == 0) {
    auto page = read_page(segment.store(), what, now);
    REQUIRE(page.status == errc::ok);
    for (auto& entry : page.entries) {
      seen.insert(entry.key);
      omitted += entry.value_omitted;
      CHECK(entry.value.size() == (entry.value_omitted ? 0 : 10));
    }
    what.from = page.next;
  }
  CHECK(seen == keys);
  CHECK(omitted == 1);
  what.from = {};
  what.space = "absent";
  auto page = read_page(segment.store(), what, now);
  CHECK(page.status == errc::ok);
  CHECK(page.entries.empty());
  CHECK(page.next.member == 1);
  what.entries = 0;
  CHECK(read_page(segment.store(), what, now).status == errc::bad_argument);
}

TEST_CASE("a namespace is counted, cleared and dropped as a whole") {
  test_segment segment;
  shard_core core{segment.store()};
  for (std::uint64_t i = 0; i < 10; ++i) {
    auto what = make(operation::set, "key" + std::to_string(i), "v");
    what.header.id.sequence = i + 1;
    what.space = "temporary";
    REQUIRE(core.apply(what, now).status == errc::ok);
  }
  space_request what;
  what.header.deadline_ms = now + 1'000;
  what.space = "temporary";
  CHECK(apply_to_space(segment.store(), what, now).number == 10);
  what.op = space_operation::clear;
  CHECK(apply_to_space(segment.store(), what, now).number == 10);
  what.op = space_operation::drop;
  CHECK(apply_to_space(segment.store(), what, now).status == errc::ok);
  CHECK(segment.store().find_namespace("temporary").code() == errc::not_found);
  what.op = static_cast<space_operation>(9);
  CHECK(apply_to_space(segment.store(), what, now).status
        == errc::bad_argument);
}
