// Bytes from outside: what is no state is refused whole, with one clear line.
#include "crdt/bounded_counter.hpp"
#include "crdt/causal_types.hpp"
#include "crdt/fixture.test.hpp"
#include "crdt/lww.hpp"
#include "crdt/sequence.hpp"

#include <catch2/catch.hpp>
#include <random>

using namespace neuroplex;
using namespace neuroplex::crdt;

namespace {

std::string sample_set() {
  string_set set;
  for (int i = 0; i < 8; ++i)
    REQUIRE(set.add(i % 2 == 0 ? a : b, std::to_string(i)));
  REQUIRE(set.remove(a, "3"));
  return set.encode();
}

std::string sample_map() {
  or_map<std::string, add_wins_store<std::string>> map;
  for (const auto* key : {"x", "y"})
    REQUIRE(map.apply(a, key, [](const auto& set, const auto& how) {
      return set.add(how, "element");
    }));
  return map.encode();
}

std::string sample_text() {
  sequence<std::string> text;
  for (const auto* word : {"one", "two", "three"})
    REQUIRE(text.insert(a, 0, std::string{word}));
  REQUIRE(text.remove(b, 1));
  return text.encode();
}

// A message of `kind` with one new replica and this body.
std::string message(std::uint32_t kind, const std::string& body) {
  std::string bytes{"\x01"};
  for (auto shift = 0U; shift < 32; shift += 8)
    bytes.push_back(static_cast<char>(kind >> shift));
  return bytes + std::string{"\0\1\7\0", 4} + body;
}

template <class Type>
void check_damage(const std::string& good) {
  auto whole = Type::decode(good);
  REQUIRE(whole);
  CHECK(whole->encode() == good);
  for (std::size_t length = 0; length < good.size(); ++length)
    CHECK(!Type::decode(std::string_view{good}.substr(0, length)));
  CHECK(Type::decode(good + '\0').code() == errc::protocol);
  // Whatever is accepted of what was damaged is written as it was read.
  std::mt19937 random{7};
  for (int i = 0; i < 3'000; ++i) {
    auto bytes = good;
    for (auto changes = 1 + random() % 3; changes-- != 0;)
      bytes[5 + random() % (bytes.size() - 5)] =
        static_cast<char>(random() % 256);
    if (auto read = Type::decode(bytes)) {
      CHECK(read->encode() == bytes);
      auto copy = *read;
      CHECK(copy.merge(*read));
      CHECK(copy == *read);
    }
  }
}

} // namespace

TEST_CASE("damaged bytes are refused, or mean what they say") {
  check_damage<string_set>(sample_set());
  check_damage<or_map<std::string, add_wins_store<std::string>>>(sample_map());
  check_damage<sequence<std::string>>(sample_text());
}

TEST_CASE("a newer version and another type are refused by name") {
  auto bytes = sample_set();
  CHECK(sequence<std::string>::decode(bytes).code() == errc::wrong_type);
  bytes[0] = 2;
  CHECK(string_set::decode(bytes).code() == errc::version);
}

TEST_CASE("a context that goes back, or beyond the last counter, is refused") {
  auto kind = enable_wins_flag::kind();
  // One replica, one interval, counter 1; no live dot.
  CHECK(enable_wins_flag::decode(message(kind, {"\1\0\0\0\0", 5})));
  // A counter of 2^63 - 1.
  CHECK(enable_wins_flag::decode(
          message(kind, std::string{"\1\0\0", 3}
                          + "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                          + std::string{"\0", 1}))
          .code()
        == errc::protocol);
  // A live dot that the context does not have.
  CHECK(enable_wins_flag::decode(message(kind, {"\1\0\0\0\1\0\0\1", 8})).code()
        == errc::protocol);
}

TEST_CASE("a million replicas are refused before they take memory") {
  auto kind = g_counter::kind();
  std::string bytes{"\x01"};
  for (auto shift = 0U; shift < 32; shift += 8)
    bytes.push_back(static_cast<char>(kind >> shift));
  bytes.push_back('\0');
  bytes += "\xc0\x84\x3d"; // 1,000,000
  // Told, but not there.
  CHECK(g_counter::decode(bytes).code() == errc::protocol);
  bytes.append(2'000'000, '\x01');
  CHECK(g_counter::decode(bytes).code() == errc::protocol);
}

namespace {

// Deltas that are small by themselves must not add up to a million replicas.
template <class State, class Verb>
void check_replica_limit(Verb verb) {
  constexpr std::uint32_t half = crdt::limits::max_replicas / 2 + 1;
  State mine;
  State theirs;
  auto made = true;
  for (std::uint32_t i = 1; i <= half; ++i)
    made &= bool{verb(mine, replica_id{i, 0})}
            && bool{verb(theirs, replica_id{half + i, 0})};
  REQUIRE(made);
  auto before = mine;
  CHECK(mine.merge(theirs).code() == errc::too_many);
  CHECK(mine == before);
  // Those that are known already are welcome.
  CHECK(mine.merge(before));
}

} // namespace

TEST_CASE("a merge that makes too many replicas is refused whole") {
  check_replica_limit<g_counter>(
    [](auto& state, replica_id by) { return state.increment(by, 1); });
  check_replica_limit<pn_counter>(
    [](auto& state, replica_id by) { return state.decrement(by, 1); });
  check_replica_limit<enable_wins_flag>(
    [](auto& state, replica_id by) { return state.enable(by); });
  check_replica_limit<mv_register<std::string>>(
    [](auto& state, replica_id by) { return state.write(by, "v"); });
  check_replica_limit<string_set>(
    [](auto& state, replica_id by) { return state.add(by, "e"); });
  check_replica_limit<string_set>([](auto& state, replica_id by) {
    causal_context observed;
    observed.add(dot{by, 1});
    return state.remove(a, "e", observed);
  });
}

namespace {

// A state that is put together at once: thousands of verbs would take long.
template <class State, class Fill>
expected<State> filled(Fill fill) {
  typename State::lattice_type made;
  fill(made);
  replica_table table;
  encoder out{table};
  made.write(out);
  return State::decode(out.finish(State::kind()));
}

constexpr std::uint32_t most_replicas = crdt::limits::max_replicas;

// One element for each replica; or all by one replica, each hanging on what
// another one made, which never comes.
expected<sequence<int>> text_of(std::uint32_t first, std::uint32_t last,
                                bool hangs) {
  return filled<sequence<int>>([&](auto& change) {
    for (auto i = first; i <= last; ++i)
      if (hangs)
        change.add_node({{1}, i}, {{{{i}, 1}, false}, 1});
      else
        change.add_node({{i}, 1}, {{}, 1});
    change.rebuild();
  });
}

expected<bounded_counter> rights_of(std::uint32_t first, std::uint32_t last,
                                    std::uint32_t receivers) {
  return filled<bounded_counter>([&](auto& change) {
    auto& rights = change.template part<0>().entries;
    for (auto i = first; i <= last; ++i)
      for (std::uint32_t k = 0; k < receivers; ++k)
        rights[{{i}, {i + k}}] = {receivers};
  });
}

template <class State>
void check_too_many(State mine, const State& theirs) {
  auto before = mine;
  CHECK(mine.merge(theirs).code() == errc::too_many);
  CHECK(mine == before);
}

} // namespace

TEST_CASE("a text names so many replicas, those that never came included") {
  for (auto hangs : {false, true}) {
    check_too_many(*text_of(1, most_replicas / 2, hangs),
                   *text_of(most_replicas / 2 + 1, most_replicas + 1, hangs));
    CHECK(text_of(2, most_replicas + 2, hangs).code() == errc::protocol);
  }
  auto full = text_of(1, most_replicas, false);
  CHECK(full->insert({most_replicas + 1}, 0, 1).code() == errc::too_many);
  CHECK(full->size() == most_replicas);
  CHECK(full->insert({most_replicas}, 0, 1));
}

TEST_CASE("a bounded counter names so many replicas, and pairs of them") {
  check_too_many(*rights_of(1, most_replicas / 2, 1),
                 *rights_of(most_replicas / 2 + 1, most_replicas + 1, 1));
  auto full = rights_of(1, most_replicas, 1);
  CHECK(full->increment({most_replicas + 1}).code() == errc::too_many);
  CHECK(full->increment({most_replicas}));
  auto half = crdt::limits::max_transfers / 2;
  auto replicas = static_cast<std::uint32_t>(half / 64);
  check_too_many(*rights_of(1, replicas, 64),
                 *rights_of(replicas + 1, 2 * replicas + 1, 64));
  CHECK(rights_of(1, 2 * replicas + 1, 64).code() == errc::protocol);
}

TEST_CASE("a counter of all replicas that may be takes no further one") {
  auto full = filled<g_counter>([](auto& change) {
    for (std::uint32_t i = 1; i <= most_replicas; ++i)
      change.entries[{i}] = {1};
  });
  CHECK(full->increment({most_replicas + 1}).code() == errc::too_many);
  CHECK(full->increment({most_replicas}));
  CHECK(full->value() == most_replicas + 1);
}

TEST_CASE("limits of a decoder may be lower than those of the library") {
  auto bytes = sample_set();
  CHECK(string_set::decode(bytes, {.max_bytes = 16}).code() == errc::protocol);
  CHECK(string_set::decode(bytes, {.max_replicas = 1}).code()
        == errc::protocol);
  lww_register<std::string> large;
  REQUIRE(large.write(a, std::string(100, 'x'), 1));
  CHECK(
    lww_register<std::string>::decode(large.encode(), {.max_element_bytes = 99})
      .code()
    == errc::protocol);
  CHECK(large.write(a, std::string(crdt::limits::max_element_bytes + 1, 'x'), 2)
          .code()
        == errc::value_size);
}

TEST_CASE("a delta with one change is a few bytes on a link") {
  or_set<std::uint64_t> set;
  replica_table link;
  auto body = [&](const auto& delta) {
    return delta->encode(link).size() - 7; // version, kind, table
  };
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    auto delta = set.add(a, i * 0x9E3779B97F4A7C15U);
    if (i == 0)
      (void)delta->encode(link);
  }
  CHECK(body(set.add(a, 1)) <= 24);
  CHECK(body(set.add(a, 1)) <= 24);
  CHECK(body(set.remove(a, 1)) <= 10);
  CHECK(set.bytes() <= 32 * set.size());
  auto state = set.encode();
  CHECK(state.size() <= 10 * set.size() + 16);
}

TEST_CASE("a table of replicas is kept from message to message") {
  replica_table sender;
  replica_table receiver;
  string_set set;
  auto first = set.add(a, "x")->encode(sender);
  auto second = set.add(a, "y")->encode(sender);
  CHECK(second.size() + 2 == first.size());
  using delta = string_set::delta_type;
  CHECK(delta::decode(second, receiver).code() == errc::protocol);
  CHECK(receiver.ids().empty());
  CHECK(delta::decode(first, receiver));
  CHECK(delta::decode(second, receiver));
  CHECK(delta::decode(first, receiver).code() == errc::protocol);
  CHECK(receiver.ids() == std::vector<replica_id>{a});
}

TEST_CASE("intervals join, meet and part as the sets of their counters") {
  std::mt19937 random{11};
  for (int run = 0; run < 500; ++run) {
    std::set<std::uint64_t> left, right;
    interval_set mine, theirs;
    for (int i = 0; i < 30; ++i) {
      auto first = 1 + random() % 60;
      auto last = first + random() % 4;
      auto to_mine = random() % 2 == 0;
      (to_mine ? mine : theirs).add(interval{first, last});
      for (auto each = first; each <= last; ++each)
        (to_mine ? left : right).insert(each);
    }
    auto merged = mine;
    merged.merge(theirs);
    auto both = mine.intersection(theirs);
    auto rest = mine.difference(theirs);
    std::uint64_t place = 0;
    place_cursor places{mine.intervals()};
    place_cursor counters{mine.intervals()};
    for (std::uint64_t each = 1; each < 70; ++each) {
      auto l = left.contains(each);
      auto r = right.contains(each);
      CHECK(mine.contains(each) == l);
      CHECK(merged.contains(each) == (l || r));
      CHECK(both.contains(each) == (l && r));
      CHECK(rest.contains(each) == (l && !r));
      if (l) {
        CHECK(places.place_of(each) == place);
        CHECK(counters.counter_at(place++) == each);
      }
    }
    CHECK(counters.counter_at(place) == 0);
    CHECK(mine.size() == left.size());
    CHECK(merged.includes(mine));
    CHECK(
      mine.includes(theirs)
      == std::includes(left.begin(), left.end(), right.begin(), right.end()));
  }
}

TEST_CASE("what lives in an index is what a set of counters says") {
  std::mt19937_64 random{16};
  for (int run = 0; run < 60; ++run) {
    dot_index index;
    std::map<std::uint64_t, std::uint32_t> live;
    // Dense, with gaps, and far apart.
    auto width = std::uint64_t{100} << run % 12;
    for (int i = 0; i < 2'000; ++i) {
      auto counter = 1 + random() % width;
      if (live.contains(counter)) {
        index.erase(counter);
        live.erase(counter);
      } else if (random() % 8 != 0 || i < 1'000) {
        auto hash = static_cast<std::uint32_t>(random() | 1);
        index.insert(counter, hash);
        live.emplace(counter, hash);
      }
      if (index.find(counter) != (live.contains(counter) ? live[counter] : 0))
        FAIL("counter " << counter << " of run " << run);
    }
    auto first = random() % width;
    auto last = first + random() % width;
    std::map<std::uint64_t, std::uint32_t> found;
    index.for_each(first, last, [&](std::uint64_t counter, std::uint32_t hash) {
      found.emplace(counter, hash);
    });
    CHECK(found == std::map(live.lower_bound(first), live.upper_bound(last)));
    CHECK(index.count(first, last) == found.size());
    CHECK(index.pages().size() <= 8 * live.size());
    for (const auto& [counter, hash] : live)
      index.erase(counter);
    CHECK(index.bytes() == 0);
  }
}

TEST_CASE("large sets merge to the same whether much or little is new") {
  std::mt19937_64 random{17};
  for (auto fresh : {3, 40, 3'000}) {
    or_set<std::uint64_t> left, right;
    for (std::uint64_t i = 0; i < 2'000; ++i)
      REQUIRE(left.add(a, random() % 3'000));
    REQUIRE(right.merge(left));
    for (int i = 0; i < fresh; ++i) {
      auto element = random() % 4'000;
      REQUIRE((i % 3 == 0 ? right.remove(b, element) : right.add(b, element)));
      // Both have some elements under a dot of their own.
      if (i % 5 == 0)
        REQUIRE(left.add(c, element));
    }
    auto by_delta = left;
    REQUIRE(by_delta.merge(right.whole()));
    auto other_way = right;
    REQUIRE(other_way.merge(left));
    REQUIRE(left.merge(right));
    CHECK(left == by_delta);
    CHECK(left == other_way);
    CHECK(left.size() == left.value().size());
    for (std::uint64_t element = 0; element < 4'000; ++element)
      if (left.contains(element) != by_delta.contains(element))
        FAIL("element " << element);
    auto all = left.value();
    for (auto element : all)
      REQUIRE(left.remove(a, element));
    CHECK(left.size() == 0);
    CHECK(left.value().empty());
  }
}
