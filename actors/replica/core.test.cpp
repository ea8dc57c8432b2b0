#include "actors/replica/fixture.test.hpp"

namespace neuroplex::replica {

namespace {

using testing::world;

core_options with(promise gives) {
  core_options result;
  result.gives = gives;
  result.staleness = milliseconds{400};
  return result;
}

} // namespace

TEST_CASE("values of every type converge over three replicas") {
  world all{3};
  CHECK(all.ask(1, {"SET", "name", "anchor"}) == "+OK\r\n");
  CHECK(all.ask(1, {"INCRBY", "hits", "5"}) == ":5\r\n");
  CHECK(all.ask(2, {"INCRBY", "hits", "7"}) == ":7\r\n");
  CHECK(all.ask(3, {"DECRBY", "hits", "2"}) == ":-2\r\n");
  CHECK(all.ask(2, {"SADD", "crew", "ann", "bob"}) == ":2\r\n");
  CHECK(all.ask(3, {"SADD", "crew", "bob", "cid"}) == ":2\r\n");
  CHECK(all.ask(1, {"HSET", "ship", "mast", "2"}) == ":1\r\n");
  CHECK(all.ask(3, {"HINCRBY", "ship", "crew", "4"}) == ":4\r\n");
  REQUIRE(all.settle());
  for (std::uint32_t id = 1; id <= 3; ++id) {
    CHECK(all.ask(id, {"GET", "name"}) == "$6\r\nanchor\r\n");
    CHECK(all.ask(id, {"GET", "hits"}) == "$2\r\n10\r\n");
    CHECK(all.ask(id, {"SMEMBERS", "crew"})
          == "*3\r\n$3\r\nann\r\n$3\r\nbob\r\n$3\r\ncid\r\n");
    CHECK(all.ask(id, {"HGETALL", "ship"})
          == "*4\r\n$4\r\nmast\r\n$1\r\n2\r\n$4\r\ncrew\r\n$1\r\n4\r\n");
    CHECK(all.ask(id, {"TYPE", "ship"}) == "+hash\r\n");
    CHECK(all.ask(id, {"DBSIZE"}) == ":4\r\n");
  }
  CHECK(all.refusals.empty());
}

TEST_CASE("an add wins over a remove that has not seen it") {
  world all{2};
  static_cast<void>(all.ask(1, {"SADD", "s", "x"}));
  REQUIRE(all.settle());
  all.cut(1, 2);
  CHECK(all.ask(1, {"SREM", "s", "x"}) == ":1\r\n");
  CHECK(all.ask(2, {"SADD", "s", "x"}) == ":0\r\n");
  all.heal();
  REQUIRE(all.settle());
  CHECK(all.ask(1, {"SISMEMBER", "s", "x"}) == ":1\r\n");
}

TEST_CASE("a register shows its last write, or all that were concurrent") {
  world all{2};
  all.cut(1, 2);
  CHECK(all.ask(1, {"SET", "r", "early"}) == "+OK\r\n");
  all.pass(milliseconds{10});
  CHECK(all.ask(2, {"SET", "r", "late"}) == "+OK\r\n");
  all.heal();
  REQUIRE(all.settle());
  for (std::uint32_t id = 1; id <= 2; ++id) {
    CHECK(all.ask(id, {"GET", "r"}) == "$4\r\nlate\r\n");
    CHECK(all.ask(id, {"GET", "r"}, concurrent_values::all)
          == "*2\r\n$5\r\nearly\r\n$4\r\nlate\r\n");
  }
  auto how = all.at(1).writer(all.now());
  REQUIRE(how);
  auto resolved = resolve(*how, crdt::last_writer_wins<std::string>());
  REQUIRE(resolved);
  CHECK(*resolved == 1);
  all.at(1).take_turn();
  REQUIRE(all.settle());
  CHECK(all.ask(2, {"GET", "r"}, concurrent_values::all) == "$4\r\nlate\r\n");
}

TEST_CASE("a resolution that fails has changed nothing") {
  world all{2};
  all.cut(1, 2);
  for (const auto* key : {"a", "b"})
    for (std::uint32_t id = 1; id <= 2; ++id)
      CHECK(all.ask(id, {"SET", key, "of " + std::to_string(id)}) == "+OK\r\n");
  all.heal();
  REQUIRE(all.settle());
  const auto before = all.at(1).state().digest();
  auto how = all.at(1).writer(all.now());
  REQUIRE(how);
  auto calls = 0;
  auto resolved = resolve(*how, [&](const auto&) {
    return std::string(++calls == 2 ? limits::max_value_bytes + 1 : 1, 'x');
  });
  CHECK(resolved.code() == errc::value_size);
  resolved = resolve(
    *how, [](const auto&) -> std::string { throw std::runtime_error{"no"}; });
  CHECK(resolved.code() == errc::internal);
  CHECK(all.at(1).state().digest() == before);
  // All of them, in the order of their times.
  resolved = resolve(*how, [](const auto& versions) {
    std::string result;
    for (const auto& one : versions)
      result += one.value + ';';
    return result;
  });
  REQUIRE(resolved);
  CHECK(*resolved == 2);
  all.at(1).take_turn();
  REQUIRE(all.settle());
  for (std::uint32_t id = 1; id <= 2; ++id)
    CHECK(all.ask(id, {"GET", "a"}, concurrent_values::all)
          == "$10\r\nof 1;of 2;\r\n");
}

TEST_CASE("of two types written at once one counts, until it is resolved") {
  world all{2};
  all.cut(1, 2);
  static_cast<void>(all.ask(1, {"SET", "k", "v"}));
  static_cast<void>(all.ask(2, {"SADD", "k", "m"}));
  all.heal();
  REQUIRE(all.settle());
  CHECK(all.ask(1, {"TYPE", "k"}) == "+set\r\n");
  CHECK(all.ask(1, {"GET", "k"}).starts_with("-WRONGTYPE"));
  CHECK(all.at(1).state().facts() == 2);
  auto how = all.at(2).writer(all.now());
  REQUIRE(how);
  CHECK(*resolve(*how, crdt::last_writer_wins<std::string>()) == 1);
  all.at(2).take_turn();
  REQUIRE(all.settle());
  CHECK(all.at(1).state().facts() == 1);
}

TEST_CASE("what replicas cannot promise is refused with where it can be had") {
  world all{1};
  for (const command_words& words :
       {command_words{"SETNX", "k", "v"}, command_words{"INCR", "k"},
        command_words{"SET", "k", "v", "NX"}, command_words{"GETSET", "k", "v"},
        command_words{"APPEND", "k", "v"}})
    CHECK(all.ask(1, words).find("consistency=linearizable")
          != std::string::npos);
  CHECK(all.ask(1, {"EXPIRE", "k", "1"}).find("consistency=single_copy")
        != std::string::npos);
  CHECK(all.ask(1, {"SET", "k", "v", "EX", "1"}).find("no lifetime")
        != std::string::npos);
  CHECK(all.ask(1, {"DBSIZE"}) == ":0\r\n");
}

TEST_CASE("a sum beyond 64 bits is refused and changes nothing") {
  world all{1};
  CHECK(all.ask(1, {"INCRBY", "n", "9223372036854775807"})
        == ":9223372036854775807\r\n");
  CHECK(all.ask(1, {"INCRBY", "n", "1"}).starts_with("-ERR increment"));
  CHECK(all.ask(1, {"GET", "n"}) == "$19\r\n9223372036854775807\r\n");
}

TEST_CASE("nothing is told to others before it is on the disk") {
  world all{2};
  REQUIRE(all.settle());
  static_cast<void>(all.ask(1, {"SET", "k", "v"}));
  CHECK(all.under_way() == 0);
  all.write(1);
  CHECK(all.under_way() == 1);
}

TEST_CASE("what was on the disk survives a crash, and no dot is used again") {
  world all{3};
  for (auto i = 0; i < 20; ++i)
    static_cast<void>(all.ask(1, {"SADD", "s", std::to_string(i)}));
  all.write(1);
  static_cast<void>(all.ask(1, {"SADD", "s", "lost"}));
  auto used = all.at(1).state().context();
  all.crash(1);
  CHECK(all.ask(1, {"SCARD", "s"}) == ":20\r\n");
  static_cast<void>(all.ask(1, {"SADD", "s", "new"}));
  const auto& after = all.at(1).state().context().entries();
  REQUIRE(after.size() == 1);
  CHECK(after.front().seen.largest() > used.entries().front().seen.largest());
  REQUIRE(all.settle());
  CHECK(all.ask(3, {"SCARD", "s"}) == ":21\r\n");
}

TEST_CASE("a snapshot stands for the records before it") {
  world all{1};
  for (auto i = 0; i < 50; ++i)
    static_cast<void>(all.ask(1, {"HSET", "h", std::to_string(i), "v"}));
  auto taken = recovered_state::from_snapshot(all.at(1).snapshot());
  REQUIRE(taken);
  CHECK(taken->sequence == all.at(1).last_sequence());
  CHECK(taken->state.digest() == all.at(1).state().digest());
  all.write(1);
  for (const auto& each : all.node_of(1).disk)
    CHECK(taken->apply(each));
  CHECK(taken->state.digest() == all.at(1).state().digest());
  CHECK_FALSE(taken->apply({record_kind::other, taken->sequence + 2, 0, {}}));
}

TEST_CASE("a node whose disk was wiped comes back as another incarnation") {
  world all{3};
  static_cast<void>(all.ask(1, {"SADD", "s", "before"}));
  REQUIRE(all.settle());
  auto before = all.at(1).status(all.now()).self;
  all.crash(1, true);
  REQUIRE(all.settle());
  auto after = all.at(1).status(all.now()).self;
  CHECK(after.incarnation > before.incarnation);
  static_cast<void>(all.ask(1, {"SADD", "s", "after"}));
  REQUIRE(all.settle());
  CHECK(all.ask(2, {"SCARD", "s"}) == ":2\r\n");
}

TEST_CASE("a node that meets its own id with changes it does not know renews") {
  world all{2};
  REQUIRE(all.settle());
  // Its disk as it was at the beginning.
  auto old = all.node_of(1).disk;
  for (auto i = 0; i < 5; ++i) {
    static_cast<void>(all.ask(1, {"SADD", "s", std::to_string(i)}));
    REQUIRE(all.settle());
  }
  auto before = all.at(1).status(all.now()).self;
  all.node_of(1).disk = old;
  all.crash(1);
  static_cast<void>(all.ask(1, {"SADD", "s", "anew"}));
  REQUIRE(all.settle());
  CHECK(all.ask(1, {"SCARD", "s"}) == ":6\r\n");
  CHECK(all.ask(2, {"SCARD", "s"}) == ":6\r\n");
  CHECK(all.at(1).status(all.now()).self.incarnation >= before.incarnation);
}

TEST_CASE("a peer that was away too long costs bounded memory") {
  world all{2};
  REQUIRE(all.settle());
  all.cut(1, 2);
  const std::string value(100'000, 'v');
  for (auto i = 0; i < 60; ++i) {
    static_cast<void>(all.ask(1, {"SET", "k" + std::to_string(i), value}));
    all.write(1);
    CHECK(all.at(1).status(all.now()).buffered <= 1'024);
  }
  CHECK(all.at(1).status(all.now()).buffered == 0);
  all.heal();
  REQUIRE(all.settle());
  // In parts, since it is more than one message takes.
  CHECK(all.at(1).status(all.now()).digest_syncs > 1);
  CHECK(all.ask(2, {"DBSIZE"}) == ":60\r\n");
}

TEST_CASE("what a replica says it holds is what it would have to send") {
  shard_state state;
  change_batch changes;
  std::uint64_t counter = 0;
  for (const auto* key : {"a", "key"})
    for (auto kind : {fact_kind::field, fact_kind::field_counter,
                      fact_kind::member, fact_kind::counter, fact_kind::text}) {
      fact what{kind, key};
      if (has_name(kind))
        what.name.assign(200, 'n');
      if (is_register(kind))
        what.value.assign(70'000, 'v');
      if (is_counter(kind))
        what.number = -1;
      state.put({{1}, ++counter}, what, changes);
    }
  for (auto dropped : {0, 1}) {
    if (dropped != 0)
      state.drop(crdt::dot{{1}, 4}, changes);
    auto whole = state.whole().encode().size();
    CHECK(state.bytes() < whole);
    // The header, one replica, one interval.
    CHECK(state.bytes() + 20 >= whole);
  }
  state.drop_all(changes);
  CHECK(state.bytes() == 0);
}

TEST_CASE("a part that is told twice is asked on once") {
  // Of messages that node 1 sends until node 2 has 8 MiB, in parts of 2.
  auto sent = [](std::size_t doubled) {
    world all{2};
    all.cut(1, 2);
    constexpr std::size_t value_bytes = 512 << 10;
    for (auto i = 0; i < 16; ++i)
      all.ask(1, {"SET", "k" + std::to_string(i),
                  std::string(value_bytes, static_cast<char>('a' + i))});
    all.write(1);
    const auto before = all.at(1).status(all.now()).messages_sent;
    all.heal();
    for (auto round = 0; !all.same() && round < 200; ++round) {
      all.write(1);
      all.write(2);
      if (all.under_way() != 0) {
        auto keep = doubled != 0;
        doubled -= keep ? 1 : 0;
        all.deliver(0, keep);
      }
      all.pass(milliseconds{1});
    }
    REQUIRE(all.same());
    return all.at(1).status(all.now()).messages_sent - before;
  };
  CHECK(sent(6) <= sent(0) + 6);
}

TEST_CASE("hostile messages are refused whole") {
  world all{2};
  static_cast<void>(all.ask(1, {"SADD", "s", "x"}));
  REQUIRE(all.settle());
  auto& victim = all.at(1);
  const auto before = victim.state().digest();
  auto self = all.at(2).status(all.now()).self;
  frame_packer packer;
  auto send = [&](const frame& what, std::uint32_t as = 2) {
    return victim.receive(as, packer.pack(encode(what)), all.now());
  };
  auto delta_of = [](const crdt::dot& made_by, fact what) {
    fact_delta::lattice_type lattice;
    lattice.context.add(made_by);
    lattice.store.values.emplace_back(made_by, std::move(what));
    return fact_delta::of(std::move(lattice));
  };
  frame what{.kind = frame_kind::deltas, .from = self, .first = 9, .last = 9};
  SECTION("a dot that was seen with another value") {
    auto live = victim.state().whole().facts().front();
    live.second.name = "y";
    what.delta = delta_of(live.first, live.second);
    CHECK(send(what).code() == errc::conflict);
  }
  SECTION("changes of a replica that is no member") {
    what.delta = delta_of({{77, 1}, 1}, {.key = "k", .value = "v"});
    CHECK(send(what).code() == errc::denied);
  }
  SECTION("more replicas than there can be") {
    fact_delta::lattice_type lattice;
    for (std::uint32_t i = 1; i <= limits::max_replicas + 1; ++i)
      lattice.context.add({{2, i}, 1});
    what.delta = fact_delta::of(std::move(lattice));
    CHECK(send(what).code() == errc::protocol);
  }
  SECTION("a value from the future") {
    fact late{.key = "k", .value = "v"};
    late.written.bits = UINT64_MAX;
    what.delta = delta_of({self, 1'000'000'000}, late);
    CHECK(send(what).code() == errc::bad_argument);
  }
  SECTION("another node's name") {
    what.from.node = 1;
    CHECK(send(what).code() == errc::denied);
  }
  SECTION("an older incarnation") {
    --what.from.incarnation;
    CHECK(send(what).code() == errc::conflict);
  }
  SECTION("a node that has no replica here") {
    CHECK(send(what, 5).code() == errc::denied);
  }
  SECTION("changes that end before they begin, or are not there") {
    what.last = 8;
    CHECK(send(what).code() == errc::protocol);
    what.last = 9;
    CHECK(send(what).code() == errc::protocol);
  }
  SECTION("every cut, and bytes that are no message") {
    what.delta = delta_of({self, 1'000'000'000}, {.key = "k", .value = "v"});
    auto whole = packer.pack(encode(what));
    for (std::size_t length = 0; length < whole.size(); ++length)
      CHECK_FALSE(victim.receive(2, std::string_view{whole}.substr(0, length),
                                 all.now()));
    CHECK_FALSE(victim.receive(2, std::string(1'000, 'L'), all.now()));
  }
  victim.take_turn();
  CHECK(victim.state().digest() == before);
  CHECK(victim.status(all.now()).messages_refused > 0);
}

TEST_CASE("where causality counts, an effect is not seen before its cause") {
  world all{3, with(promise::causal)};
  REQUIRE(all.settle());
  all.cut(1, 3);
  static_cast<void>(all.ask(1, {"SET", "cause", "1"}));
  all.write(1);
  while (all.under_way() > 0) {
    all.deliver(0);
    all.write(2);
    all.write(1);
  }
  REQUIRE(all.ask(2, {"GET", "cause"}) == "$1\r\n1\r\n");
  static_cast<void>(all.ask(2, {"SET", "effect", "1"}));
  all.write(2);
  // Whatever has come to node 3 at any time.
  while (all.under_way() > 0) {
    all.deliver(0);
    for (std::uint32_t id = 1; id <= 3; ++id)
      all.write(id);
    auto effect = all.ask(3, {"EXISTS", "effect"});
    if (effect == ":1\r\n")
      CHECK(all.ask(3, {"EXISTS", "cause"}) == ":1\r\n");
  }
  CHECK(all.ask(3, {"EXISTS", "effect"}) == ":1\r\n");
}

TEST_CASE("a session's token says what a node must have before it answers") {
  world all{2, with(promise::causal)};
  REQUIRE(all.settle());
  static_cast<void>(all.ask(1, {"SET", "k", "v"}));
  auto reply = all.ask(1, {"SESSION.TOKEN"});
  auto token = reply.substr(reply.find('\n') + 1);
  token.resize(token.size() - 2);
  auto nature = nature_of({"SESSION.AFTER", token});
  REQUIRE(nature.after);
  CHECK_FALSE(all.at(2).has_seen(*nature.after));
  REQUIRE(all.settle());
  CHECK(all.at(2).has_seen(*nature.after));
  CHECK_FALSE(nature_of({"SESSION.AFTER", "00zz"}).refusal.empty());
}

TEST_CASE("how old a replica is, is measured") {
  world all{2, with(promise::bounded_staleness)};
  CHECK_FALSE(all.at(1).fresh(all.now()));
  REQUIRE(all.settle());
  all.at(1).freshen(all.now());
  REQUIRE(all.settle());
  all.pass(milliseconds{1});
  REQUIRE(all.settle());
  CHECK(all.at(1).fresh(all.now()));
  all.cut(1, 2);
  all.pass(milliseconds{500});
  CHECK_FALSE(all.at(1).fresh(all.now()));
  REQUIRE(all.at(1).age(all.now()));
  CHECK(*all.at(1).age(all.now()) >= milliseconds{500});
  // Changes made meanwhile must be here before it is fresh again.
  static_cast<void>(all.ask(2, {"SET", "k", "v"}));
  all.write(2);
  all.heal();
  for (auto i = 0; i < 100 && !all.at(1).fresh(all.now()); ++i) {
    all.pass(milliseconds{20});
    static_cast<void>(all.settle(1));
    if (all.at(1).fresh(all.now()))
      CHECK(all.ask(1, {"EXISTS", "k"}) == ":1\r\n");
  }
  CHECK(all.at(1).fresh(all.now()));
}

TEST_CASE("a comparison names the keys that differ") {
  world all{3};
  static_cast<void>(all.ask(1, {"SET", "same", "v"}));
  REQUIRE(all.settle());
  // Not on the disk, so that it does not travel.
  static_cast<void>(all.ask(1, {"SET", "here", "v"}));
  static_cast<void>(all.ask(2, {"SET", "there", "v"}));
  all.at(1).compare(7);
  REQUIRE_FALSE(all.at(1).comparison_complete(7));
  all.pass(milliseconds{0});
  while (all.under_way() > 0)
    all.deliver(0);
  REQUIRE(all.at(1).comparison_complete(7));
  auto found = all.at(1).compared(7);
  REQUIRE(found.size() == 2);
  CHECK(found[0].node == 2);
  CHECK_FALSE(found[0].same_context);
  CHECK(found[0].keys == std::vector<std::string>{"here", "there"});
  CHECK(found[1].keys == std::vector<std::string>{"here"});
  REQUIRE(all.settle());
  all.at(1).compare(8);
  REQUIRE(all.settle());
  all.pass(milliseconds{0});
  REQUIRE(all.settle());
  for (const auto& one : all.at(1).compared(8)) {
    CHECK(one.answered);
    CHECK(one.same_context);
    CHECK(one.differing == 0);
  }
}

} // namespace neuroplex::replica
