// How replicas tell each other: deltas and acknowledgements, operations,
// clocks, ranges that move. Anomalies by the ids of anomalies.json.
#include "crdt/conflict_resolver.hpp"
#include "crdt/delta_synchronizer.hpp"
#include "crdt/fixture.test.hpp"
#include "crdt/g_set.hpp"
#include "crdt/handover.hpp"
#include "crdt/hybrid_clock.hpp"
#include "crdt/lww.hpp"
#include "crdt/membership.hpp"
#include "crdt/operation_types.hpp"

#include <catch2/catch.hpp>
#include <deque>
#include <random>

using namespace neuroplex;
using namespace neuroplex::crdt;

namespace {

using namespace std::chrono_literals;

// A replica, and what its messages are given to.
template <class State>
struct member {
  replica_id id;
  State state;
  delta_synchronizer<State> sync;
};

/// Hands a message over, and all that is answered.
template <class State>
void deliver(member<State>& from, member<State>& to,
             std::optional<sync_message<State>> message) {
  auto* sender = &from;
  auto* receiver = &to;
  while (message) {
    auto answer = receiver->sync.receive(sender->id, *message, receiver->state);
    REQUIRE(answer);
    message = *answer;
    std::swap(sender, receiver);
  }
}

} // namespace

TEST_CASE("anomaly delta-buffer-lost-ack") {
  member<string_set> at_a{a, {}, delta_synchronizer<string_set>{}};
  member<string_set> at_b{b, {}, delta_synchronizer<string_set>{}};
  at_a.sync.add_peer(b);
  at_b.sync.add_peer(a);
  at_a.sync.record(*at_a.state.add(a, "1"));
  auto lost = at_a.sync.message_for(b);
  REQUIRE(lost);
  at_a.sync.record(*at_a.state.add(a, "2"));
  auto message = at_a.sync.message_for(b);
  REQUIRE(message);
  CHECK(message->first == 1);
  CHECK(message->last == 2);
  auto answer = at_b.sync.receive(a, *message, at_b.state);
  REQUIRE(answer);
  REQUIRE(*answer);
  CHECK(at_a.sync.buffered() == 2);
  REQUIRE(at_a.sync.receive(b, **answer, at_a.state));
  REQUIRE(at_a.sync.receive(b, **answer, at_a.state));
  CHECK(at_b.state.value() == std::set<std::string>{"1", "2"});
  CHECK(at_a.sync.buffered() == 0);
  CHECK(!at_a.sync.message_for(b));
}

TEST_CASE("anomaly delta-sender-restart") {
  member<string_set> at_a{a, {}, delta_synchronizer<string_set>{}};
  member<string_set> at_b{b, {}, delta_synchronizer<string_set>{}};
  member<string_set> at_c{c, {}, delta_synchronizer<string_set>{}};
  at_a.sync.add_peer(b);
  at_a.sync.add_peer(c);
  at_b.sync.add_peer(a);
  at_c.sync.add_peer(a);
  for (int i = 1; i <= 10; ++i)
    at_a.sync.record(*at_a.state.add(a, std::to_string(i)));
  deliver(at_a, at_b, at_a.sync.message_for(b));
  CHECK(at_a.sync.buffered() == 10);
  // The state and the count are durable, the buffer is not.
  at_a.sync = delta_synchronizer<string_set>{at_a.sync.recorded()};
  at_a.sync.add_peer(b, 10);
  at_a.sync.add_peer(c, 0);
  at_a.sync.record(*at_a.state.add(a, "11"));
  auto for_b = at_a.sync.message_for(b);
  REQUIRE(for_b);
  CHECK(for_b->first == 11);
  deliver(at_a, at_b, for_b);
  auto for_c = at_a.sync.message_for(c);
  REQUIRE(for_c);
  CHECK(for_c->kind == sync_kind::ask);
  deliver(at_a, at_c, for_c);
  CHECK(at_b.state == at_a.state);
  CHECK(at_c.state == at_a.state);
  CHECK(at_c.state.size() == 11);
  CHECK(at_a.sync.buffered() == 0);
  // Had the count been lost as well, the first acknowledgement would tell.
  delta_synchronizer<string_set> forgetful;
  forgetful.add_peer(b);
  sync_message<string_set> acknowledged{sync_kind::acknowledge, 0, 11, {}, {}};
  CHECK(forgetful.receive(b, acknowledged, at_a.state).code()
        == errc::conflict);
}

TEST_CASE("a full buffer of deltas gives way to a digest, and loses nothing") {
  member<string_set> at_a{a, {}, delta_synchronizer<string_set>{0, 4}};
  member<string_set> at_b{b, {}, delta_synchronizer<string_set>{}};
  at_a.sync.add_peer(b);
  at_b.sync.add_peer(a);
  for (int i = 0; i < 100; ++i) {
    at_a.sync.record(*at_a.state.add(a, std::to_string(i)));
    if (i % 3 == 0)
      at_a.sync.record(*at_a.state.remove(a, std::to_string(i)));
  }
  CHECK(at_a.sync.buffered() == 4);
  deliver(at_a, at_b, at_a.sync.message_for(b));
  CHECK(at_b.state == at_a.state);
  CHECK(at_a.sync.buffered() == 0);
}

TEST_CASE("what came from one who left is told by those who have it") {
  member<string_set> at_b{b, {}, delta_synchronizer<string_set>{}};
  member<string_set> at_c{c, {}, delta_synchronizer<string_set>{}};
  at_b.sync.add_peer(c);
  at_c.sync.add_peer(b);
  string_set at_a;
  REQUIRE(at_b.state.merge(*at_a.add(a, "x")));
  CHECK(!at_b.sync.message_for(c));
  deliver(at_b, at_c, std::optional{at_b.sync.ask()});
  CHECK(at_c.state == at_b.state);
  at_c.sync.record(*at_c.state.add(c, "y"));
  deliver(at_c, at_b, std::optional{at_c.sync.ask()});
  CHECK(at_b.state == at_c.state);
  CHECK(at_c.sync.buffered() == 0);
}

TEST_CASE("messages that contradict themselves are refused whole") {
  member<string_set> at_b{b, {}, delta_synchronizer<string_set>{}};
  at_b.sync.add_peer(a);
  string_set other;
  sync_message<string_set> message{
    sync_kind::deltas, 2, 1, *other.add(a, "x"), {}};
  CHECK(at_b.sync.receive(a, message, at_b.state).code() == errc::protocol);
  message.first = 0;
  CHECK(at_b.sync.receive(a, message, at_b.state).code() == errc::protocol);
  message.first = 1;
  CHECK(at_b.sync.receive(c, message, at_b.state).code() == errc::denied);
  message.delta.reset();
  CHECK(at_b.sync.receive(a, message, at_b.state).code() == errc::protocol);
  CHECK(at_b.state.size() == 0);
}

namespace {

/// A member of a group that changes.
template <class State>
struct grouped {
  replica_id id;
  State state;
  membership group;

  /// Joins the state of another, if the group allows it.
  expected<void> receive(const grouped& from) {
    auto allowed = group.check(from.id, from.group.epoch());
    return allowed ? state.merge(from.state) : allowed;
  }
};

} // namespace

TEST_CASE("anomaly gc-removed-node") {
  membership group{{a, b, c}};
  grouped<pn_counter> at_a{a, {}, group};
  grouped<pn_counter> at_b{b, {}, group};
  grouped<pn_counter> at_c{c, {}, group};
  REQUIRE(at_a.state.increment(a, 5));
  REQUIRE(at_a.state.decrement(a, 1));
  REQUIRE(at_b.receive(at_a));
  REQUIRE(group.remove(a));
  at_b.group = group;
  // C, away, has nothing of A: what B has is not stable.
  REQUIRE(group.confirm(b, a, *at_b.state.held_of(a)));
  REQUIRE(group.confirm(c, a, *at_c.state.held_of(a)));
  CHECK(group.retire(a).code() == errc::busy);
  // C still takes what A sends; B does not any more.
  REQUIRE(at_c.receive(at_a));
  CHECK(at_b.receive(at_a).code() == errc::denied);
  CHECK(at_b.receive(at_c).code() == errc::mismatch);
  // Then C is given up too, and all that is left has the same of A.
  REQUIRE(group.remove(c));
  REQUIRE(group.confirm(b, a, *at_b.state.held_of(a)));
  REQUIRE(group.retire(a));
  at_b.group = group;
  at_b.state = *at_b.state.without(a, b);
  CHECK(at_b.state.value() == 4);
  CHECK(at_b.state.lattice().entries.size() == 1);
  // C still has A's share. It is refused, whatever it knows of epochs.
  CHECK(at_c.state.value() == 4);
  CHECK(at_b.receive(at_c).code() == errc::denied);
  at_c.group = group;
  CHECK(at_b.receive(at_c).code() == errc::denied);
  CHECK(group.add(c).code() == errc::conflict);
  // It takes the state, and comes back as another.
  at_c.id = {c.node, c.incarnation + 1};
  at_c.state = *pn_counter::decode(at_b.state.encode());
  REQUIRE(group.add(at_c.id));
  at_b.group = group;
  at_c.group = group;
  REQUIRE(at_c.state.increment(at_c.id, 3));
  REQUIRE(at_b.receive(at_c));
  REQUIRE(at_c.receive(at_b));
  CHECK(at_b.state.value() == 7);
  CHECK(at_c.state == at_b.state);
}

TEST_CASE("a context forgets who is gone when nobody can bring it back") {
  membership group{{a, b, c}};
  grouped<string_set> at_a{a, {}, group};
  grouped<string_set> at_b{b, {}, group};
  grouped<string_set> at_c{c, {}, group};
  REQUIRE(at_a.state.add(a, "x"));
  REQUIRE(at_b.receive(at_a));
  REQUIRE(at_c.receive(at_a));
  auto stale = at_c;
  REQUIRE(group.remove(a));
  at_b.group = group;
  at_c.group = group;
  CHECK(at_b.state.held_of(a).code() == errc::busy);
  CHECK(at_b.state.without(a).code() == errc::busy);
  REQUIRE(at_b.state.remove(b, "x"));
  REQUIRE(at_c.receive(at_b));
  for (const auto* one : {&at_b, &at_c})
    REQUIRE(group.confirm(one->id, a, *one->state.held_of(a)));
  REQUIRE(group.retire(a));
  for (auto* one : {&at_b, &at_c}) {
    one->group = group;
    one->state = *one->state.without(a);
    CHECK(one->state.context().empty());
  }
  CHECK(at_b.state == at_c.state);
  // C as it was, restored from an old copy, would bring the element back.
  auto merged = at_b.state;
  REQUIRE(merged.merge(stale.state));
  CHECK(merged.contains("x"));
  CHECK(at_b.receive(stale).code() == errc::mismatch);
  CHECK(at_b.state.size() == 0);
}

TEST_CASE("what members held in an older epoch is not stable") {
  membership group{{a, b, c}};
  REQUIRE(group.remove(a));
  REQUIRE(group.confirm(b, a, 1));
  REQUIRE(group.confirm(c, a, 1));
  CHECK(group.is_stable(a));
  REQUIRE(group.add({4}));
  CHECK(!group.is_stable(a));
  CHECK(group.retire(a).code() == errc::busy);
  CHECK(group.retire(b).code() == errc::not_found);
  CHECK(group.confirm(a, a, 1).code() == errc::bad_argument);
  CHECK(group.leaving() == std::set<replica_id>{a});
}

TEST_CASE("anomaly orset-remove-context-dead-node") {
  string_set at_a, at_b;
  REQUIRE(at_a.add(a, "A"));
  REQUIRE(at_b.merge(at_a));
  REQUIRE(at_b.add(b, "B"));
  REQUIRE(at_a.remove(a, "A", at_b.context()));
  CHECK(at_a.size() == 0);
  // What was in the context, and not in the remove, comes through.
  REQUIRE(at_a.merge(at_b));
  CHECK(at_a.value() == std::set<std::string>{"B"});
  CHECK(at_a.deferred().empty());
}

TEST_CASE("a remove waits for adds that its client saw elsewhere") {
  string_set at_a, at_b, at_c;
  REQUIRE(at_b.add(b, "x"));
  auto y = at_b.add(b, "y");
  auto context = at_b.context();
  REQUIRE(at_b.add(b, "z"));
  auto again = at_b.add(b, "x"); // the client did not see this one
  auto remove_y = at_a.remove(a, "y", context);
  REQUIRE(remove_y);
  REQUIRE(at_a.remove(a, "x", context));
  CHECK(at_a.size() == 0);
  CHECK(at_a.deferred().elements().size() == 2);
  // It waits over a restart, and travels by delta and by digest.
  auto copy = string_set::decode(at_a.encode());
  REQUIRE(copy);
  CHECK(*copy == at_a);
  CHECK(copy->digest() == at_a.digest());
  REQUIRE(at_c.merge(*remove_y));
  REQUIRE(at_c.merge(*y));
  CHECK(at_c.size() == 0);
  auto lacking = at_a.difference(at_c.digest());
  REQUIRE(lacking);
  REQUIRE(at_c.merge(*lacking));
  CHECK(at_c.difference(at_a.digest()));
  // In any order all come to the same.
  auto expected = std::set<std::string>{"x", "z"};
  auto first = at_b;
  REQUIRE(first.merge(at_a));
  REQUIRE(first.merge(at_c));
  REQUIRE(at_c.merge(at_b));
  REQUIRE(at_a.merge(at_c.whole()));
  REQUIRE(at_a.merge(*again));
  CHECK(first.value() == expected);
  CHECK(at_a == first);
  CHECK(at_c == first);
  CHECK(first.deferred().empty());
}

TEST_CASE("anomaly partition-lost-adds") {
  using data = g_set<std::uint64_t>;
  std::mt19937_64 random{489};
  std::vector<member<data>> centres;
  std::vector<replica_id> ids{a, b, c};
  for (auto id : ids) {
    centres.push_back({id, {}, delta_synchronizer<data>{0, 64}});
    for (auto peer : ids)
      if (peer != id)
        centres.back().sync.add_peer(peer);
  }
  std::set<std::uint64_t> acknowledged;
  std::uint64_t next = 0;
  auto exchange = [&](bool whole, unsigned lost_percent) {
    for (std::size_t from = 0; from < 3; ++from)
      for (std::size_t to = 0; to < 3; ++to) {
        if (from == to || (!whole && (from == 2 || to == 2))
            || random() % 100 < lost_percent)
          continue;
        deliver(centres[from], centres[to],
                centres[from].sync.message_for(ids[to]));
      }
  };
  for (int second = 0; second < 50; ++second) {
    for (int i = 0; i < 50; ++i) {
      auto& at = centres[random() % 3];
      at.sync.record(*at.state.add(at.id, next));
      acknowledged.insert(next++);
    }
    // Five times ten seconds, of which every other the third is cut off.
    exchange(second / 10 % 2 == 0, 30);
  }
  exchange(true, 0);
  for (const auto& one : centres) {
    CHECK(one.state.value() == acknowledged);
    CHECK(one.sync.buffered() == 0);
  }
}

TEST_CASE("anomaly migration-double-owner") {
  string_set at_b;
  ownership old_owner{7, true};
  ownership new_owner{7, false};
  REQUIRE(at_b.add(b, "x"));
  CHECK(old_owner.check(7));
  CHECK(new_owner.check(7).code() == errc::unavailable);
  auto at_a = *string_set::decode(at_b.encode());
  // Between release and take nobody answers, before and after one does.
  auto epoch = old_owner.release(at_a.digest(), at_b.digest());
  REQUIRE(epoch);
  for (std::uint64_t view : {7, 8}) {
    CHECK(!old_owner.check(view));
    CHECK(!new_owner.check(view));
  }
  REQUIRE(new_owner.take(*epoch));
  CHECK(!old_owner.check(7));
  CHECK(!old_owner.check(8));
  CHECK(!new_owner.check(7));
  CHECK(new_owner.check(8));
  CHECK(new_owner.take(8).code() == errc::bad_argument);
  CHECK(at_a.contains("x"));
}

TEST_CASE("anomaly migrated-crdt-mutation") {
  string_set at_b;
  ownership owner{1, true};
  REQUIRE(at_b.add(b, "x"));
  auto moved = *string_set::decode(at_b.encode());
  auto first = moved.digest();
  REQUIRE(at_b.add(b, "y"));
  CHECK(owner.release(first, at_b.digest()).code() == errc::mismatch);
  CHECK(owner.check(1));
  REQUIRE(moved.merge(*at_b.difference(first)));
  CHECK(owner.release(moved.digest(), at_b.digest()));
  CHECK(owner.release(moved.digest(), at_b.digest()).code()
        == errc::bad_argument);
  CHECK(moved.contains("y"));
}

TEST_CASE("anomaly opcounter-causal-cross") {
  op_set<std::string> at_a{a}, at_b{b}, at_c{c};
  auto m1 = at_a.add("x");
  REQUIRE(at_b.receive(*m1));
  auto m2 = at_b.remove("x");
  REQUIRE(at_c.receive(*m2));
  CHECK(at_c.delivery().waiting() == 1);
  CHECK(at_c.delivery().delivered().empty());
  REQUIRE(at_c.receive(*m1));
  CHECK(at_c.delivery().waiting() == 0);
  CHECK(at_c.delivery().delivered() == version_vector{{a, 1}, {b, 1}});
  CHECK(!at_c.contains("x"));
}

TEST_CASE("operations count once and in causal order, however they arrive") {
  std::mt19937_64 random{20260101};
  for (int run = 0; run < 200; ++run) {
    std::vector<op_set<int>> sets;
    std::vector<op_counter> counters;
    for (auto id : {a, b, c}) {
      sets.emplace_back(id);
      counters.emplace_back(id);
    }
    std::vector<op_set<int>::message_type> set_messages;
    std::vector<op_counter::message_type> counter_messages;
    std::int64_t sum = 0;
    for (int i = 0; i < 30; ++i) {
      auto at = random() % 3;
      auto element = static_cast<int>(random() % 4);
      set_messages.push_back(*(random() % 3 == 0 ? sets[at].remove(element)
                                                 : sets[at].add(element)));
      counter_messages.push_back(*counters[at].add(element - 2));
      sum += element - 2;
      auto some = random() % set_messages.size();
      REQUIRE(sets[random() % 3].receive(set_messages[some]));
      REQUIRE(counters[random() % 3].receive(counter_messages[some]));
    }
    for (std::size_t at = 0; at < 3; ++at) {
      std::shuffle(set_messages.begin(), set_messages.end(), random);
      std::shuffle(counter_messages.begin(), counter_messages.end(), random);
      for (const auto& one : set_messages) {
        auto copy = op_set<int>::message_type::decode(one.encode());
        REQUIRE(copy);
        REQUIRE(*copy == one);
        REQUIRE(sets[at].receive(*copy));
        REQUIRE(sets[at].receive(one));
      }
      for (const auto& one : counter_messages)
        REQUIRE(counters[at].receive(one));
      CHECK(sets[at].delivery().waiting() == 0);
      CHECK(sets[at].value() == sets[0].value());
      CHECK(counters[at].value() == sum);
    }
  }
}

TEST_CASE("operations that wait have a limit, and foreign ones of one's own "
          "name are refused") {
  causal_delivery<std::int64_t> from{a};
  causal_delivery<std::int64_t> to{b, 2};
  std::vector<operation_message<std::int64_t>> messages;
  messages.reserve(4);
  for (int i = 0; i < 4; ++i)
    messages.push_back(*from.send(i));
  CHECK(to.receive(messages[1]));
  CHECK(to.receive(messages[2]));
  CHECK(to.receive(messages[3]).code() == errc::busy);
  auto ready = to.receive(messages[0]);
  REQUIRE(ready);
  CHECK(ready->size() == 3);
  CHECK(to.receive(messages[3])->size() == 1);
  causal_delivery<std::int64_t> twin{a};
  CHECK(twin.receive(messages[0]).code() == errc::conflict);
}

TEST_CASE("anomaly lww-future-clock") {
  auto now = 1'700'000'000'000ms;
  hybrid_clock fast{2h}, slow{2h}, strict{1min};
  lww_register<std::string> at_a, at_b;
  auto x = fast.tick(now + 1h);
  REQUIRE(at_a.write(a, "x", x->bits));
  REQUIRE(slow.observe(*x, now));
  REQUIRE(at_b.merge(at_a));
  auto y = slow.tick(now);
  REQUIRE(y);
  CHECK(*y > *x);
  REQUIRE(at_b.write(b, "y", y->bits));
  REQUIRE(at_a.merge(at_b));
  CHECK(at_a.value() == "y");
  CHECK(at_b.value() == "y");
  auto before = strict.last();
  CHECK(strict.observe(*x, now).code() == errc::bad_argument);
  CHECK(strict.last() == before);
}

TEST_CASE("anomaly hlc-counter-overflow") {
  hybrid_clock clock;
  hybrid_timestamp last;
  for (int i = 0; i < 70'000; ++i) {
    auto next = clock.tick(1'000ms);
    REQUIRE(next);
    if (!(*next > last))
      FAIL("event " << i);
    last = *next;
  }
  CHECK(last.time() == 1'001ms);
}

TEST_CASE("a hybrid clock survives a restart and a clock that goes back") {
  hybrid_clock clock;
  auto first = clock.tick(5'000ms);
  auto second = clock.tick(1'000ms);
  CHECK(*second > *first);
  auto again = hybrid_clock::restored(*second);
  CHECK(*again.tick(10ms) > *second);
  auto full = hybrid_clock::restored({UINT64_MAX});
  CHECK(full.tick(1ms).code() == errc::overflow);
}

TEST_CASE("a resolver replaces what was concurrent, and nothing else") {
  using number = versioned_register<int>;
  number at_a, at_b, at_c;
  REQUIRE(at_a.write(a, {{10}, a, 1}));
  REQUIRE(at_b.write(b, {{20}, b, 2}));
  REQUIRE(at_c.write(c, {{30}, c, 4}));
  REQUIRE(at_a.merge(at_b));
  conflict_resolver<int> sum = [](const std::vector<version<int>>& versions) {
    int result = 0;
    for (const auto& one : versions)
      result += one.value;
    return result;
  };
  REQUIRE(resolve(at_a, a, sum));
  CHECK(at_a.value() == std::set<version<int>>{{{20}, a, 3}});
  // What the resolution has not seen stays beside it.
  REQUIRE(at_a.merge(at_c));
  CHECK(at_a.value().size() == 2);
  REQUIRE(resolve(at_a, a, last_writer_wins<int>()));
  CHECK(at_a.value() == std::set<version<int>>{{{30}, a, 4}});
}

TEST_CASE("a client takes away what it has read, wherever it read it") {
  // Read at A; then B adds to what was read, and the client is at B.
  auto adding = [](const auto& set, const auto& how) {
    return set.add(how, 1);
  };
  or_map<int, add_wins_store<int>> map_a, map_b;
  REQUIRE(map_a.apply(a, 7, adding));
  auto seen_in_map = map_a.context();
  CHECK(map_b.erase(b, 7, seen_in_map).code() == errc::busy);
  CHECK(map_b.context().empty());
  REQUIRE(map_b.merge(map_a));
  REQUIRE(map_b.apply(
    b, 7, [](const auto& set, const auto& how) { return set.add(how, 2); }));
  REQUIRE(map_a.merge(*map_b.erase(b, 7, seen_in_map)));
  CHECK(map_b.find(7)->value() == std::set<int>{2});
  CHECK(map_a.size() == 0);
  REQUIRE(map_b.erase(b, 7));
  CHECK(!map_b.contains(7));

  enable_wins_flag flag_a, flag_b;
  REQUIRE(flag_a.enable(a));
  auto seen_in_flag = flag_a.context();
  CHECK(flag_b.disable(b, seen_in_flag).code() == errc::busy);
  REQUIRE(flag_b.merge(flag_a));
  REQUIRE(flag_b.enable(b));
  REQUIRE(flag_b.disable(b, seen_in_flag));
  CHECK(flag_b.value());
  REQUIRE(flag_b.disable(b, flag_b.context()));
  CHECK(!flag_b.value());

  mv_register<int> register_a, register_b;
  REQUIRE(register_a.write(a, 1));
  REQUIRE(register_b.write(b, 2));
  auto seen_in_register = register_a.context();
  CHECK(register_b.write(b, 3, seen_in_register).code() == errc::busy);
  REQUIRE(register_b.merge(register_a));
  REQUIRE(register_b.write(b, 3, seen_in_register));
  CHECK(register_b.value() == std::set<int>{2, 3});

  remove_wins_set<int> set_a, set_b;
  REQUIRE(set_a.remove(a, 1));
  auto seen_in_set = set_a.context();
  REQUIRE(set_b.merge(set_a));
  REQUIRE(set_b.remove(b, 1));
  REQUIRE(set_b.add(b, 1, seen_in_set));
  CHECK(!set_b.contains(1));
  REQUIRE(set_b.add(b, 1));
  CHECK(set_b.size() == 1);
}

TEST_CASE("a dot that is used at two keys is refused, however deep") {
  using map = or_map<int, map_store<int, add_wins_store<int>>>;
  auto at = [](int inner) {
    return [inner](const auto& maps, const auto& how) {
      return maps.apply(how, inner, [](const auto& set, const auto& by) {
        return set.add(by, 1);
      });
    };
  };
  map mine, outer, inner;
  REQUIRE(mine.apply(a, 1, at(1)));
  REQUIRE(outer.apply(a, 2, at(1)));
  REQUIRE(inner.apply(a, 1, at(2)));
  auto before = mine;
  CHECK(mine.merge(outer).code() == errc::conflict);
  CHECK(mine.merge(inner).code() == errc::conflict);
  CHECK(mine == before);
  // Where nobody checks, the dot dies, and nothing is left that points to it.
  auto unchecked = mine.lattice();
  unchecked.join(outer.lattice());
  unchecked.join(inner.lattice());
  CHECK(unchecked.store.empty());
  CHECK(!unchecked.store.find_dot(dot{a, 1}));
  unchecked.join(mine.lattice());
  CHECK(unchecked.store.empty());
}
