#include "consensus/store_machine/store_machine.hpp"

#include "memory/temporary_directory.test.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>

using namespace neuroplex;
using namespace neuroplex::store_machine;

namespace {

using kind = operation_kind;

// A segment of its own and a machine on it.
class replica {
public:
  explicit replica(std::uint64_t segment_bytes = std::uint64_t{8} << 20) {
    memory::segment_options options;
    options.segment_bytes = segment_bytes;
    options.huge_pages = false;
    auto made = memory::store::create(room_.path() / "segment", options);
    REQUIRE(made);
    store_.emplace(std::move(*made));
    machine_.emplace(*store_, machine_options{64, 32, {}, true});
    REQUIRE(machine_->begin({"default"}));
  }

  // A machine with some of the keys of a store that others use as well.
  replica(memory::store& shared, std::function<bool(std::string_view)> holds) {
    machine_.emplace(shared, machine_options{64, 32, std::move(holds), true});
    REQUIRE(machine_->begin({"default"}));
  }

  machine& operator*() {
    return *machine_;
  }

  machine* operator->() {
    return &*machine_;
  }

  memory::store& store() {
    return *store_;
  }

  // An entry with one batch of a session, at the next index.
  command_answer run(const std::vector<operation>& operations,
                     std::uint64_t sequence) {
    auto batch = encode_batch(operations);
    return apply({.time_ms = time_ms,
                  .commands = {{.session = session,
                                .sequence = sequence,
                                .acknowledged = sequence - 1,
                                .batch = batch}}});
  }

  std::vector<result> run(const std::vector<operation>& operations) {
    auto answer = run(operations, ++sequence_);
    REQUIRE(answer.verdict == raft::session_verdict::execute);
    auto results = decode_answer(answer.bytes);
    REQUIRE(results);
    return *results;
  }

  result run(const operation& one) {
    return run(std::vector{one}).front();
  }

  command_answer apply(const log_entry& what) {
    auto answers = machine_->apply(++index_, encode_entry(what));
    REQUIRE(answers);
    REQUIRE(answers->size() == 1);
    return answers->front();
  }

  void open() {
    session = apply({.time_ms = time_ms,
                     .commands = {{.kind = command_kind::open_session}}})
                .session;
  }

  std::string get(std::string_view key) {
    auto results = machine_->read({{.key = key}});
    REQUIRE(results);
    auto& one = results->front();
    return one.status == errc::ok ? one.value : "(none)";
  }

  raft::session_id session = 0;
  std::int64_t time_ms = 1'000;

private:
  memory::testing::temporary_directory room_;
  std::optional<memory::store> store_;
  std::optional<machine> machine_;
  raft::log_index index_ = 0;
  std::uint64_t sequence_ = 0;
};

} // namespace

TEST_CASE("a command that comes twice is executed once") {
  replica one;
  one.open();
  auto first = one.run({{.kind = kind::increment, .key = "n", .delta = 2}}, 1);
  auto again = one.run({{.kind = kind::increment, .key = "n", .delta = 2}}, 1);
  CHECK(again.verdict == raft::session_verdict::repeated);
  CHECK(again.bytes == first.bytes);
  CHECK(one.get("n") == "2");
}

TEST_CASE("a command of an unknown session is not executed") {
  replica one;
  one.session = 77;
  auto answer = one.run({{.kind = kind::set, .key = "k", .value = "v"}}, 1);
  CHECK(answer.verdict == raft::session_verdict::unknown);
  CHECK(one.get("k") == "(none)");
}

TEST_CASE("operations answer as those of a store do") {
  replica one;
  one.open();
  CHECK(one.run({.kind = kind::erase, .key = "a"}).status == errc::not_found);
  CHECK(one.run({.kind = kind::set_if_present, .key = "a", .value = "1"}).status
        == errc::not_found);
  CHECK(one.run({.kind = kind::set_if_absent, .key = "a", .value = "1"}).status
        == errc::ok);
  CHECK(one.run({.kind = kind::set_if_absent, .key = "a", .value = "2"}).status
        == errc::exists);
  auto swapped = one.run({.kind = kind::compare_and_swap,
                          .key = "a",
                          .value = "3",
                          .expected = "2"});
  CHECK(swapped.status == errc::mismatch);
  CHECK(swapped.value == "1");
  auto before = one.run({.kind = kind::exchange, .key = "a", .value = "x"});
  CHECK(before.found);
  CHECK(before.value == "1");
  CHECK(one.run({.kind = kind::increment, .key = "a", .delta = 1}).status
        == errc::not_integer);
  CHECK(one.run({.kind = kind::append, .key = "a", .value = "yz"}).number == 3);
  auto taken = one.run({.kind = kind::take, .key = "a"});
  CHECK(taken.value == "xyz");
  CHECK(one.get("a") == "(none)");
  CHECK(one.run({.kind = kind::set, .key = "", .value = "v"}).status
        == errc::bad_key);
  std::string large(store_machine::limits::max_value_bytes + 1, 'x');
  CHECK(one.run({.kind = kind::set, .key = "a", .value = large}).status
        == errc::value_size);
}

TEST_CASE("an entry expires when the log's time passes, whatever the clock") {
  replica one;
  one.open();
  one.run({.kind = kind::set, .key = "k", .value = "v", .ttl_ms = 100});
  CHECK(one->next_expiry_ms() == 1'100);
  one.time_ms = 1'099;
  one.run({.kind = kind::set, .key = "other", .value = "v"});
  CHECK(one.get("k") == "v");
  // A leader whose clock is behind does not bring time back.
  one.time_ms = 500;
  auto kept = one.run({.kind = kind::get, .key = "k"});
  CHECK(kept.expires_at_ms == 1'100);
  CHECK(one->time_ms() == 1'099);
  one.time_ms = 1'100;
  CHECK(one.run({.kind = kind::get, .key = "k"}).status == errc::not_found);
  CHECK(one->next_expiry_ms() == 0);
}

TEST_CASE("an overwritten entry lives as its last writer said") {
  replica one;
  one.open();
  one.run({.kind = kind::set, .key = "k", .value = "1", .ttl_ms = 100});
  one.run({.kind = kind::set, .keep_ttl = true, .key = "k", .value = "2"});
  CHECK(one->next_expiry_ms() == 1'100);
  one.run({.kind = kind::increment, .key = "k", .delta = 1});
  CHECK(one->next_expiry_ms() == 1'100);
  CHECK(one.run({.kind = kind::persist, .key = "k"}).status == errc::ok);
  CHECK(one.run({.kind = kind::persist, .key = "k"}).status == errc::mismatch);
  CHECK(one->next_expiry_ms() == 0);
  CHECK(one.run({.kind = kind::expire, .key = "k", .ttl_ms = 7}).status
        == errc::ok);
  one.run({.kind = kind::set, .key = "k", .value = "3"});
  CHECK(one->next_expiry_ms() == 0);
  CHECK(one.run({.kind = kind::expire, .key = "k", .ttl_ms = -1}).status
        == errc::bad_ttl);
}

TEST_CASE("what was agreed on and does not fit ends the replica") {
  replica small{std::uint64_t{1} << 20};
  small.open();
  std::string large(store_machine::limits::max_value_bytes, 'x');
  auto batch = encode_batch({{.kind = kind::set, .key = "k", .value = large}});
  auto answers =
    small->apply(9, encode_entry({.commands = {{.session = small.session,
                                                .sequence = 1,
                                                .batch = batch}}}));
  CHECK_FALSE(answers);
}

TEST_CASE("bytes that are no entry, batch, answer or snapshot are refused") {
  replica one;
  one.open();
  one.run({.kind = kind::set, .key = "k", .value = "v"});
  auto batch = encode_batch({{.key = "k"}, {.kind = kind::erase, .key = "l"}});
  auto whole = encode_entry({.commands = {{.session = 1, .batch = batch}}});
  auto answer = encode_answer({{.value = "v"}});
  auto snapshot = one->save();
  REQUIRE(snapshot);
  for (std::size_t cut = 0; cut < whole.size(); ++cut)
    CHECK_FALSE(decode_entry(std::string_view{whole}.substr(0, cut)));
  for (std::size_t cut = 0; cut < batch.size(); ++cut)
    CHECK_FALSE(decode_batch(std::string_view{batch}.substr(0, cut)));
  for (std::size_t cut = 0; cut < answer.size(); ++cut)
    CHECK_FALSE(decode_answer(std::string_view{answer}.substr(0, cut)));
  for (std::size_t cut = 0; cut < snapshot->size(); ++cut)
    CHECK_FALSE(one->restore(std::string_view{*snapshot}.substr(0, cut)));
  CHECK(one.get("k") == "v");
  // A count is never believed before the bytes are there.
  CHECK_FALSE(decode_batch(std::string(4, '\xFF')));
}

TEST_CASE("replicas agree with a simple model, and with each other") {
  replica first;
  replica second{std::uint64_t{24} << 20};
  for (auto* one : {&first, &second})
    one->open();
  std::map<std::string, std::string> model;
  std::mt19937_64 chance{20'261'122};
  for (std::uint64_t round = 1; round <= 3'000; ++round) {
    auto key = "k" + std::to_string(chance() % 24);
    auto value = std::to_string(chance() % 8);
    auto present = model.find(key);
    auto expected_status = errc::ok;
    operation what{.key = key, .value = value};
    switch (chance() % 5) {
      case 0:
        what.kind = kind::set;
        model[key] = value;
        break;
      case 1:
        what.kind = kind::set_if_absent;
        if (!model.emplace(key, value).second)
          expected_status = errc::exists;
        break;
      case 2:
        what.kind = kind::compare_and_swap;
        what.expected = "3";
        if (present == model.end())
          expected_status = errc::not_found;
        else if (present->second != "3")
          expected_status = errc::mismatch;
        else
          present->second = value;
        break;
      case 3:
        what.kind = kind::increment;
        what.delta = 5;
        model[key] = std::to_string(
          (present == model.end() ? 0 : std::stoll(present->second)) + 5);
        break;
      default:
        what.kind = kind::erase;
        if (model.erase(key) == 0)
          expected_status = errc::not_found;
    }
    auto one = first.run({what}, round % 32 == 0 ? round - 1 : round);
    auto other = second.run({what}, round % 32 == 0 ? round - 1 : round);
    REQUIRE(one.verdict == other.verdict);
    REQUIRE(one.bytes == other.bytes);
    if (round % 32 == 0) { // it was sent twice: the second changed nothing
      REQUIRE(one.verdict == raft::session_verdict::repeated);
      model.clear();
      for (int i = 0; i < 24; ++i)
        if (auto now = first.get("k" + std::to_string(i)); now != "(none)")
          model["k" + std::to_string(i)] = now;
      continue;
    }
    REQUIRE(decode_answer(one.bytes)->front().status == expected_status);
    REQUIRE(first.get(key)
            == (model.contains(key) ? model[key] : std::string{"(none)"}));
  }
  auto one = first->save();
  auto other = second->save();
  REQUIRE(one);
  REQUIRE(other);
  CHECK(*one == *other);
  // A third one takes the state over and goes on alike.
  replica third;
  REQUIRE(third->restore(*one));
  CHECK(*third->save() == *one);
  third.session = first.session;
  auto next = std::vector<operation>{
    {.kind = kind::increment, .key = "counter", .delta = 1}};
  CHECK(third.run(next, 3'001).bytes == first.run(next, 3'001).bytes);
}

TEST_CASE("a segment that is nearly full takes nothing that grows") {
  replica one{std::uint64_t{2} << 20};
  one.open();
  auto larger = encode_batch({{.kind = kind::set, .key = "k", .value = "v"}});
  auto smaller = encode_batch({{.kind = kind::erase, .key = "k0"}});
  std::string value(20'000, 'x');
  std::deque<std::string> names;
  int count = 0;
  while (one->has_room_for(larger) && count < 1'000)
    REQUIRE(one
              .run({.kind = kind::set,
                    .key = names.emplace_back("k" + std::to_string(count++)),
                    .value = value})
              .status
            == errc::ok);
  CHECK(count < 1'000);
  CHECK(one->has_room_for(smaller));
  // A few more, which were under way, still fit.
  for (int i = 0; i < 4; ++i)
    CHECK(one
            .run({.kind = kind::set,
                  .key = names.emplace_back("late" + std::to_string(i)),
                  .value = value})
            .status
          == errc::ok);
}

TEST_CASE("machines that share a namespace have their own keys") {
  replica whole; // lends its store
  REQUIRE(machine::empty(whole.store(), {"default"}));
  auto begins_with = [](char letter) {
    return [letter](std::string_view key) { return key.starts_with(letter); };
  };
  replica first{whole.store(), begins_with('a')};
  replica second{whole.store(), begins_with('b')};
  first.open();
  second.open();
  CHECK(first.run({.kind = kind::set, .key = "a1", .value = "x"}).status
        == errc::ok);
  auto saved = first->save();
  REQUIRE(saved);
  CHECK(first.run({.kind = kind::set, .key = "a2", .value = "y"}).status
        == errc::ok);
  CHECK(second.run({.kind = kind::set, .key = "b1", .value = "z"}).status
        == errc::ok);
  // Not in the other's snapshot, nor for the other to change.
  CHECK(saved->find("a1") != std::string::npos);
  CHECK(first->save()->find("b1") == std::string::npos);
  CHECK(first.run({.kind = kind::erase, .key = "b1"}).status
        == errc::bad_argument);
  REQUIRE(first->restore(*saved));
  CHECK(first.get("a1") == "x");
  CHECK(first->read({{.key = "a2"}})->front().status == errc::not_found);
  CHECK(second.get("b1") == "z");
}

TEST_CASE("changes are told as they were made") {
  replica one;
  one.open();
  using changes = std::vector<change>;
  auto set = [](std::string key, std::string value) {
    return change{
      .space = "default", .key = std::move(key), .value = std::move(value)};
  };
  auto gone = [](store_machine::change_kind how, std::string key) {
    return change{.kind = how, .space = "default", .key = std::move(key)};
  };
  one.run({.kind = kind::set, .key = "k", .value = "1", .ttl_ms = 50});
  CHECK(one->take_changes() == changes{set("k", "1")});
  CHECK(one->take_changes().empty());
  one.run({.kind = kind::increment, .key = "k", .delta = 4});
  CHECK(one->take_changes() == changes{set("k", "5")});
  one.run({.kind = kind::append, .key = "k", .value = "0"});
  CHECK(one->take_changes() == changes{set("k", "50")});

  // What was refused or only read is no change, nor is a lifetime.
  one.run({.kind = kind::set_if_absent, .key = "k", .value = "2"});
  one.run({.key = "k"});
  one.run({.kind = kind::erase, .key = "other"});
  one.run({.kind = kind::expire, .key = "k", .ttl_ms = 100});
  CHECK(one->take_changes().empty());

  one.run(
    std::vector<operation>{{.kind = kind::set, .key = "a", .value = "x"},
                           {.kind = kind::take, .key = "a"},
                           {.kind = kind::exchange, .key = "b", .value = "y"}});
  CHECK(one->take_changes()
        == changes{set("a", "x"), gone(store_machine::change_kind::erase, "a"),
                   set("b", "y")});

  one.time_ms += 1'000;
  one.run({.key = "b"});
  CHECK(one->take_changes()
        == changes{gone(store_machine::change_kind::expire, "k")});
}

TEST_CASE("an entry that makes long values again and again is noted in part") {
  replica one;
  one.open();
  std::string half(store_machine::limits::max_value_bytes / 2, 'x');
  one.run({.kind = kind::set, .key = "k", .value = half});
  std::vector<operation> many(40,
                              {.kind = kind::append, .key = "k", .value = "y"});
  one.run(many);
  auto noted = one->take_changes();
  REQUIRE(noted.size() == many.size());
  CHECK(noted.front().value == half + "y");
  CHECK_FALSE(noted.front().value_omitted);
  CHECK(noted.back().value.empty());
  CHECK(noted.back().value_omitted);
}
