// Anomalies that were seen in other systems, each with what is right, by the
// ids of anomalies.json in the shared data.
#include "crdt/causal_types.hpp"
#include "crdt/fixture.test.hpp"
#include "crdt/g_set.hpp"
#include "crdt/lww.hpp"
#include "crdt/two_phase_set.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <limits>

using namespace neuroplex;
using namespace neuroplex::crdt;

namespace {

constexpr replica_id t{9};

using strings = std::set<std::string>;
using set_store = add_wins_store<std::string>;
using map_of_sets = or_map<std::string, set_store>;

constexpr auto most = std::numeric_limits<std::int64_t>::max();

auto adding(std::string element) {
  return [element = std::move(element)](const auto& set, const auto& how) {
    return set.add(how, element);
  };
}

auto removing(std::string element) {
  return [element = std::move(element)](const auto& set, const auto& how) {
    return set.remove(how, element);
  };
}

template <class Type, class Other>
void merge(Type& into, const Other& from) {
  REQUIRE(into.merge(from));
}

// All six orders in which three states may be merged.
void check_orders(const std::array<const string_set*, 3>& states,
                  const strings& wanted) {
  std::array<std::size_t, 3> order{0, 1, 2};
  do {
    string_set merged;
    for (auto i : order)
      merge(merged, *states[i]);
    CHECK(merged.value() == wanted);
    CHECK(merged.size() == wanted.size());
  } while (std::next_permutation(order.begin(), order.end()));
}

strings elements_at(const map_of_sets& map, const std::string& key) {
  const auto* found = map.find(key);
  return found == nullptr ? strings{} : found->value();
}

} // namespace

TEST_CASE("anomaly orset-present-but-removed") {
  string_set at_a, at_b, at_c;
  REQUIRE(at_a.add(a, "Z"));
  merge(at_c, at_a);
  REQUIRE(at_a.remove(a, "Z"));
  REQUIRE(at_b.add(b, "Z"));
  merge(at_a, at_b);
  REQUIRE(at_b.remove(b, "Z"));
  check_orders({&at_a, &at_c, &at_b}, {});
}

TEST_CASE("anomaly orset-no-dots-left") {
  string_set at_a, at_b, at_c;
  REQUIRE(at_a.add(a, "Z"));
  REQUIRE(at_b.add(b, "Z"));
  merge(at_c, at_a);
  REQUIRE(at_a.remove(a, "Z"));
  merge(at_a, at_b);
  REQUIRE(at_b.remove(b, "Z"));
  merge(at_b, at_c);
  check_orders({&at_a, &at_b, &at_c}, {});
}

TEST_CASE("anomaly orset-batch-order") {
  string_set at_a;
  REQUIRE(at_a.add(a, "bar"));
  REQUIRE(at_a.add(a, "baz"));
  string_set at_b = at_a;
  auto batch = at_a.remove(a, "baz");
  REQUIRE(batch);
  merge(*batch, *at_a.add(a, "baz"));
  CHECK(at_a.value() == strings{"bar", "baz"});
  merge(at_b, *batch);
  CHECK(at_b.value() == strings{"bar", "baz"});
}

TEST_CASE("anomaly orset-churn-metadata") {
  or_set<std::uint64_t> at_a;
  for (std::uint64_t i = 1; i <= 100'000; ++i) {
    REQUIRE(at_a.add(a, i));
    REQUIRE(at_a.remove(a, i));
  }
  or_set<std::uint64_t> at_b;
  merge(at_b, at_a);
  CHECK(at_a.size() == 0);
  CHECK(at_b.size() == 0);
  CHECK(at_a.encode().size() <= 64);
  CHECK(at_b.encode().size() <= 64);
  CHECK(at_a.bytes() < 4'096);
}

TEST_CASE("anomaly delta-gap") {
  string_set n1, n2, n3, n4;
  REQUIRE(n1.add(a, "a"));
  merge(n2, n1);
  merge(n3, n1);
  merge(n4, n1);
  auto d1 = n1.add(a, "b");
  auto d2 = n1.add(a, "c");
  auto d3 = n2.add(b, "d");
  merge(n3, *d3);
  merge(n3, *d2);
  CHECK(n3.value() == strings{"a", "c", "d"});
  merge(n4, *d1);
  merge(n4, *d2);
  merge(n4, *d3);
  merge(n3, n4);
  CHECK(n3.value() == strings{"a", "b", "c", "d"});
  CHECK(n4.value() == strings{"a", "b", "c", "d"});
}

TEST_CASE("anomaly delta-duplicate-reorder") {
  string_set at_a, at_b;
  auto d1 = at_a.add(a, "x");
  auto d2 = at_a.remove(a, "x");
  auto d3 = at_a.add(a, "x");
  for (const auto* one : {&*d3, &*d1, &*d2, &*d3, &*d1})
    merge(at_b, *one);
  CHECK(at_a.value() == strings{"x"});
  CHECK(at_b.value() == strings{"x"});
}

TEST_CASE("anomaly delta-mixed-3") {
  string_set n1, n2, at_t;
  merge(at_t, *n1.add(a, "a"));
  merge(at_t, *n1.add(a, "b"));
  merge(n2, n1);
  merge(n1, *n2.add(b, "a"));
  auto d4 = n1.remove(a, "a");
  REQUIRE(at_t.add(t, "a"));
  merge(at_t, *d4);
  CHECK(n1.value() == strings{"b"});
  CHECK(at_t.value() == strings{"a", "b"});
}

TEST_CASE("anomaly replica-id-collision") {
  string_set at_a, at_b;
  REQUIRE(at_a.add({7}, "x"));
  REQUIRE(at_b.add({7}, "y"));
  auto into_a = at_a.merge(at_b);
  auto into_b = at_b.merge(*at_a.difference({}));
  CHECK(into_a.code() == errc::conflict);
  CHECK(into_b.code() == errc::conflict);
  CHECK(at_a.value() == strings{"x"});
  CHECK(at_b.value() == strings{"y"});
  // Under a new incarnation nothing is lost.
  string_set again;
  REQUIRE(again.add({7, 1}, "y"));
  merge(at_a, again);
  CHECK(at_a.value() == strings{"x", "y"});
}

TEST_CASE("anomaly copy-aliasing") {
  string_set at_a;
  REQUIRE(at_a.add(a, "1"));
  auto copy = at_a;
  REQUIRE(copy.add(a, "2"));
  causal_context first;
  first.add(dot{a, 1});
  CHECK(at_a.context() == first);
  string_set d;
  merge(d, at_a);
  merge(d, copy);
  CHECK(d.value() == strings{"1", "2"});
}

TEST_CASE("anomaly lww-element-tie-arrival-order") {
  lww_set<std::string> at_a, at_b;
  REQUIRE(at_a.add(a, "a", 1));
  REQUIRE(at_b.remove(b, "a", 1));
  auto before = at_a;
  merge(at_a, at_b);
  merge(at_b, before);
  CHECK(at_a == at_b);
  CHECK(at_a.value() == at_b.value());
}

TEST_CASE("anomaly gcounter-overflow") {
  g_counter counter;
  REQUIRE(counter.increment(a, most));
  auto before = counter;
  CHECK(counter.increment(a, 1).code() == errc::overflow);
  CHECK(counter == before);
  CHECK(counter.value() == most);
}

TEST_CASE("anomaly pncounter-value-range") {
  pn_counter at_a, at_b;
  REQUIRE(at_a.increment(a, most));
  REQUIRE(at_b.increment(b, most));
  REQUIRE(at_a.decrement(a, most));
  merge(at_a, at_b);
  CHECK(at_a.value() == most);
  REQUIRE(at_a.increment(c, most));
  CHECK(at_a.value() == wide_integer{most} * 2);
}

TEST_CASE("anomaly pncounter-duplicate-delta") {
  pn_counter at_a, at_b;
  auto d = at_a.increment(a, 5);
  for (int i = 0; i < 3; ++i)
    merge(at_b, *d);
  CHECK(at_b.value() == 5);
}

TEST_CASE("anomaly ormap-reset-remove") {
  map_of_sets at_a, at_b;
  REQUIRE(at_a.apply(a, "X", adding("0")));
  merge(at_b, at_a);
  REQUIRE(at_a.erase(a, "X"));
  REQUIRE(at_b.apply(b, "X", adding("1")));
  merge(at_a, at_b);
  CHECK(elements_at(at_a, "X") == strings{"1"});
  REQUIRE(at_b.apply(b, "X", adding("2")));
  merge(at_a, at_b);
  merge(at_a, at_b);
  CHECK(elements_at(at_a, "X") == strings{"1", "2"});
}

TEST_CASE("anomaly ormap-assoc") {
  map_of_sets at_a, at_b, at_c;
  REQUIRE(at_a.apply(a, "X", adding("0")));
  REQUIRE(at_b.apply(b, "X", adding("0")));
  REQUIRE(at_b.apply(b, "X", removing("0")));
  merge(at_c, at_a);
  REQUIRE(at_c.erase(c, "X"));
  auto join = [](map_of_sets x, const map_of_sets& y) {
    merge(x, y);
    return x;
  };
  auto first = join(at_a, join(at_b, at_c));
  CHECK(first == join(join(at_a, at_b), at_c));
  CHECK(first == join(join(at_a, at_c), at_b));
  CHECK(first.value().empty());
}

TEST_CASE("anomaly ormap-clock") {
  map_of_sets at_a, at_b;
  REQUIRE(at_a.apply(a, "X", adding("0")));
  merge(at_b, at_a);
  REQUIRE(at_b.apply(b, "X", adding("1")));
  REQUIRE(at_a.apply(a, "X", removing("0")));
  REQUIRE(at_a.erase(a, "X"));
  REQUIRE(at_a.apply(a, "X", adding("2")));
  merge(at_a, at_b);
  CHECK(elements_at(at_a, "X") == strings{"1", "2"});
}

namespace {

// Keys of several types: a map for each type, side by side.
using typed_maps = store_product<map_store<std::string, set_store>,
                                 map_store<std::string, flag_store>,
                                 map_store<std::string, counter_store>>;
using typed_state = replicated<causal<typed_maps>>;

template <std::size_t Part, class Verb>
auto at_key(std::string key, Verb verb) {
  return
    [key = std::move(key), verb](const typed_maps& maps, const mutation& how) {
      return maps.apply<Part>(how, [&](const auto& map, const mutation& inner) {
        return map.apply(inner, key, verb);
      });
    };
}

} // namespace

TEST_CASE("anomaly ormap-same-dot-two-fields") {
  typed_state at_a, at_b;
  auto enable = [](const flag_store& flag, const mutation& how) {
    return flag.enable(how);
  };
  auto batch = at_a.apply(a, at_key<0>("X", adding("a")));
  REQUIRE(batch);
  merge(*batch, *at_a.apply(a, at_key<1>("X", enable)));
  merge(at_b, *batch);
  REQUIRE(at_b.apply(b, [](const typed_maps& maps, const mutation& how) {
    return maps.apply<0>(how, [](const auto& map, const mutation& inner) {
      return map.erase(inner, "X");
    });
  }));
  merge(at_a, at_b);
  merge(at_b, at_a);
  for (const auto* one : {&at_a, &at_b}) {
    const auto& maps = one->value().store;
    CHECK(maps.part<0>().find("X") == nullptr);
    REQUIRE(maps.part<1>().find("X") != nullptr);
    CHECK(maps.part<1>().find("X")->value());
  }
}

TEST_CASE("anomaly ormap-nested") {
  using outer_map = or_map<std::string, map_store<std::string, set_store>>;
  outer_map at_a, at_b;
  auto add_in_s = [](std::string element) {
    return [element = std::move(element)](const auto& map, const auto& how) {
      return map.apply(how, "s", adding(element));
    };
  };
  REQUIRE(at_a.apply(a, "m", add_in_s("1")));
  merge(at_b, at_a);
  REQUIRE(at_a.erase(a, "m"));
  REQUIRE(at_b.apply(b, "m", add_in_s("2")));
  merge(at_a, at_b);
  merge(at_b, at_a);
  for (const auto* one : {&at_a, &at_b}) {
    REQUIRE(one->find("m") != nullptr);
    REQUIRE(one->find("m")->find("s") != nullptr);
    CHECK(one->find("m")->find("s")->value() == strings{"2"});
  }
}

TEST_CASE("anomaly ormap-counter-same-actor") {
  // 8, not 3: the sum of a replica moves to its latest dot as a whole, and what
  // an erase has seen of it comes back with it (`counter_store`).
  or_map<std::string, counter_store> at_a, at_b;
  auto add_amount = [](std::int64_t amount) {
    return [amount](const counter_store& counter, const mutation& how) {
      return counter.add(how, amount);
    };
  };
  REQUIRE(at_a.apply(a, "c", add_amount(5)));
  merge(at_b, at_a);
  REQUIRE(at_b.erase(b, "c"));
  REQUIRE(at_a.apply(a, "c", add_amount(3)));
  merge(at_a, at_b);
  merge(at_b, at_a);
  CHECK(at_a == at_b);
  REQUIRE(at_a.find("c") != nullptr);
  CHECK(at_a.find("c")->value() == 8);
}

TEST_CASE("anomaly ormap-type-change") {
  typed_state at_a, at_b;
  auto count = [](const counter_store& counter, const mutation& how) {
    return counter.add(how, 1);
  };
  REQUIRE(at_a.apply(a, at_key<2>("k", count)));
  REQUIRE(at_a.apply(a, [](const typed_maps& maps, const mutation& how) {
    return maps.apply<2>(how, [](const auto& map, const mutation& inner) {
      return map.erase(inner, "k");
    });
  }));
  REQUIRE(at_a.apply(a, at_key<0>("k", adding("x"))));
  REQUIRE(at_b.apply(b, at_key<2>("k", count)));
  merge(at_a, at_b);
  const auto& maps = at_a.value().store;
  REQUIRE(maps.part<0>().find("k") != nullptr);
  CHECK(maps.part<0>().find("k")->value() == strings{"x"});
  REQUIRE(maps.part<2>().find("k") != nullptr);
  CHECK(maps.part<2>().find("k")->value() == 1);
  // Bytes of one type are never taken for another.
  g_counter counter;
  REQUIRE(counter.increment(a));
  CHECK(g_set<std::string>::decode(counter.encode()).code()
        == errc::wrong_type);
}

TEST_CASE("anomaly mvreg-concurrent") {
  mv_register<std::string> at_a, at_b;
  REQUIRE(at_a.write(a, "1"));
  REQUIRE(at_b.write(b, "2"));
  merge(at_a, at_b);
  merge(at_b, at_a);
  CHECK(at_a.value() == strings{"1", "2"});
  CHECK(at_b.value() == strings{"1", "2"});
  REQUIRE(at_a.write(a, "3"));
  merge(at_b, at_a);
  CHECK(at_b.value() == strings{"3"});
}

TEST_CASE("anomaly twopset-readd") {
  two_phase_set<std::string> at_a, at_b;
  REQUIRE(at_a.add(a, "x"));
  REQUIRE(at_a.remove(a, "x"));
  REQUIRE(at_a.add(a, "x"));
  merge(at_b, at_a);
  CHECK(at_a.value().empty());
  CHECK(at_b.value().empty());
}

TEST_CASE("anomaly remove-then-partition-stale-peer") {
  string_set at_a, at_b, at_c;
  for (const auto* element : {"e", "f", "d"})
    REQUIRE(at_a.add(a, element));
  merge(at_b, at_a);
  merge(at_c, at_a);
  REQUIRE(at_c.remove(c, "f"));
  REQUIRE(at_b.add(b, "f"));
  merge(at_a, at_c);
  merge(at_a, at_b);
  merge(at_c, at_b);
  CHECK(at_a.value() == strings{"d", "e", "f"});
  CHECK(at_c.value() == strings{"d", "e", "f"});
}
