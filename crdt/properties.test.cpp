// Properties of every type, under changes and deltas in any order.
//
// A random run lets replicas change their states, loses, doubles and reorders
// the deltas, joins some into groups, and merges whole states. A model that
// knows nothing of CRDTs follows it: a list of all operations, which of them a
// replica has been told of, and for each operation which earlier ones it
// replaced. What a replica shows must follow from the operations that it was
// told of (Burckhardt, Gotsman, Yang, Zawirski, "Replicated data types:
// specification, verification, optimality", 2014, section 3).
#include "crdt/bounded_counter.hpp"
#include "crdt/causal_types.hpp"
#include "crdt/extremes.hpp"
#include "crdt/g_set.hpp"
#include "crdt/lww.hpp"
#include "crdt/or_set.hpp"
#include "crdt/random_run.test.hpp"
#include "crdt/two_phase_set.hpp"

#include <catch2/catch.hpp>
#include <set>

using namespace neuroplex;
using namespace neuroplex::crdt;

namespace {

constexpr std::size_t replicas = 4;

replica_id id(std::size_t index) {
  return {static_cast<std::uint32_t>(index + 1), 0};
}

using told = std::set<std::size_t>;

/// An operation as the model knows it.
struct operation {
  std::size_t by = 0;
  int verb = 0;
  int key = 0;
  std::int64_t amount = 0;
  told replaced; ///< earlier ones that stopped counting with this
  told named;    ///< of those, the ones that counted where it was done
};

struct model {
  std::vector<operation> all;
  std::array<told, replicas> seen;

  /// Of those that `replica` was told of: the ones that count.
  [[nodiscard]] told counting(const told& known) const {
    auto result = known;
    for (auto one : known)
      for (auto gone : all[one].replaced)
        result.erase(gone);
    return result;
  }
};

/// How the model and a type do the same things. `change` does operation `verb`
/// with argument `key`; `replaces` says whether it replaces a counting one;
/// `matches` compares what a replica shows with what counts.
template <class Subject>
class any_run {
  using type = typename Subject::type;
  using delta = typename type::delta_type;

  struct packet {
    std::string bytes;
    told operations;
  };

public:
  void take(const step& what) {
    auto [kind, a, b, c] = what;
    auto at = a % replicas;
    auto other = b % replicas;
    switch (kind % 8) {
      case 0:
      case 1:
      case 2:
      case 3:
        change(at, b % Subject::verbs, c);
        break;
      case 4:
      case 5:
        if (!packets_.empty())
          deliver(at, packets_[c % packets_.size()]);
        break;
      case 6:
        if (!packets_.empty())
          group(packets_[b % packets_.size()], packets_[c % packets_.size()]);
        break;
      default:
        merge(at, other);
    }
    NEUROPLEX_HOLDS(
      Subject::matches(states_[at], model_, model_.counting(model_.seen[at])));
  }

  void finish() {
    // All deltas of one replica in one order, of another in the other.
    for (const auto& one : packets_)
      deliver(0, one);
    for (auto one = packets_.rbegin(); one != packets_.rend(); ++one)
      deliver(1, *one);
    NEUROPLEX_HOLDS(states_[0] == states_[1]);
    NEUROPLEX_HOLDS(states_[0].digest() == states_[1].digest());
    NEUROPLEX_HOLDS(states_[0].encode() == states_[1].encode());
    for (std::size_t i = 2; i < replicas; ++i) {
      // What one lacks is told by its digest.
      auto digest = state_digest::decode(states_[i].digest().encode());
      NEUROPLEX_HOLDS(digest && *digest == states_[i].digest());
      if (auto lacking = states_[0].difference(*digest))
        NEUROPLEX_HOLDS(merged(states_[i], *lacking));
      NEUROPLEX_HOLDS(states_[i] == states_[0]);
      NEUROPLEX_HOLDS(!states_[0].difference(states_[i].digest()));
    }
    laws();
  }

private:
  void change(std::size_t at, int verb, int argument) {
    operation op{at, verb, argument % 4, argument, {}, {}};
    auto counting = model_.counting(model_.seen[at]);
    auto made = Subject::change(states_[at], model_, counting, op);
    if (!made)
      return;
    auto live = counting;
    if constexpr (requires { Subject::sees_all(op); })
      if (Subject::sees_all(op))
        add_unseen(at, counting);
    for (auto one : counting)
      if (Subject::replaces(op, model_.all[one])) {
        op.replaced.insert(one);
        if (live.contains(one))
          op.named.insert(one);
      }
    auto number = model_.all.size();
    packet sent{made->encode(), {number}};
    // A share that only grows tells of all that went before.
    if (Subject::cumulative)
      for (auto one : model_.seen[at])
        if (model_.all[one].by == at)
          sent.operations.insert(one);
    model_.all.push_back(std::move(op));
    model_.seen[at].insert(number);
    packets_.push_back(std::move(sent));
  }

  /// Those that a remove at `at` must wait for: what was not told of there, nor
  /// named as gone.
  void add_unseen(std::size_t at, told& counting) const {
    told known = model_.seen[at];
    for (auto one : model_.seen[at])
      known.insert(model_.all[one].named.begin(), model_.all[one].named.end());
    for (std::size_t one = 0; one < model_.all.size(); ++one)
      if (!known.contains(one))
        counting.insert(one);
  }

  void deliver(std::size_t at, const packet& what) {
    auto received = delta::decode(what.bytes);
    NEUROPLEX_HOLDS(bool(received));
    NEUROPLEX_HOLDS(received->encode() == what.bytes);
    NEUROPLEX_HOLDS(merged(states_[at], *received));
    model_.seen[at].insert(what.operations.begin(), what.operations.end());
  }

  void group(const packet& a, const packet& b) {
    auto joined = delta::decode(a.bytes);
    NEUROPLEX_HOLDS(joined && merged(*joined, *delta::decode(b.bytes)));
    packet both{joined->encode(), a.operations};
    both.operations.insert(b.operations.begin(), b.operations.end());
    packets_.push_back(std::move(both));
  }

  void merge(std::size_t to, std::size_t from) {
    auto copy = type::decode(states_[from].encode());
    NEUROPLEX_HOLDS(copy && *copy == states_[from]);
    NEUROPLEX_HOLDS(merged(states_[to], *copy));
    model_.seen[to].insert(model_.seen[from].begin(), model_.seen[from].end());
  }

  template <class State, class Other>
  static bool merged(State& into, const Other& what) {
    count_merge();
    return bool(into.merge(what));
  }

  static type join(type a, const type& b) {
    NEUROPLEX_HOLDS(merged(a, b));
    return a;
  }

  void laws() const {
    const auto& [a, b, c, d] = states_;
    NEUROPLEX_HOLDS(join(a, a) == a);
    NEUROPLEX_HOLDS(join(c, d) == join(d, c));
    NEUROPLEX_HOLDS(join(join(b, c), d) == join(b, join(c, d)));
  }

  std::array<type, replicas> states_;
  model model_;
  std::vector<packet> packets_;
};

template <class Subject>
bool holds(const std::string& what) {
  return holds_for_random_runs<any_run<Subject>>(what);
}

std::set<int> keys_of(const model& all, const told& counting, int verb) {
  std::set<int> result;
  for (auto one : counting)
    if (all.all[one].verb == verb)
      result.insert(all.all[one].key);
  return result;
}

std::int64_t sum_of(const model& all, const told& counting, int verb) {
  std::int64_t sum = 0;
  for (auto one : counting)
    if (all.all[one].verb == verb)
      sum += all.all[one].amount;
  return sum;
}

template <class Type>
struct replacing {
  using type = Type;
  static constexpr bool cumulative = false;
  static constexpr int verbs = 2;
};

template <class Type>
struct growing {
  using type = Type;
  static constexpr bool cumulative = true;
  static constexpr int verbs = 2;

  static bool replaces(const operation&, const operation&) {
    return false;
  }
};

// The sets: verb 0 adds, verb 1 removes.

struct add_wins : replacing<or_set<int>> {
  static auto change(type& set, const model&, const told&,
                     const operation& op) {
    return op.verb == 0 ? set.add(id(op.by), op.key)
                        : set.remove(id(op.by), op.key);
  }

  static bool replaces(const operation& op, const operation& earlier) {
    return op.key == earlier.key;
  }

  static bool matches(const type& set, const model& all, const told& counting) {
    auto wanted = keys_of(all, counting, 0);
    auto right = set.value() == wanted && set.size() == wanted.size();
    for (int key = 0; key < 4; ++key)
      right = right && set.contains(key) == wanted.contains(key);
    return right;
  }
};

// Verb 2 removes by the context of a client that has seen everything so far.
struct removes_ahead : add_wins {
  static constexpr int verbs = 3;

  static bool sees_all(const operation& op) {
    return op.verb == 2;
  }

  static auto change(type& set, const model& all, const told& counting,
                     const operation& op) {
    if (op.verb != 2)
      return add_wins::change(set, all, counting, op);
    causal_context observed;
    std::array<std::uint64_t, replicas> adds{};
    for (const auto& earlier : all.all)
      if (earlier.verb == 0)
        observed.add(dot{id(earlier.by), ++adds[earlier.by]});
    return set.remove(id(op.by), op.key, observed);
  }

  static bool matches(const type& set, const model& all, const told& counting) {
    return add_wins::matches(set, all, counting)
           && (counting.size() != all.all.size() || set.deferred().empty());
  }
};

struct remove_wins : replacing<remove_wins_set<int>> {
  static auto change(type& set, const model&, const told&,
                     const operation& op) {
    return op.verb == 0 ? set.add(id(op.by), op.key)
                        : set.remove(id(op.by), op.key);
  }

  static bool replaces(const operation& op, const operation& earlier) {
    return op.key == earlier.key;
  }

  static bool matches(const type& set, const model& all, const told& counting) {
    auto wanted = keys_of(all, counting, 0);
    for (auto gone : keys_of(all, counting, 1))
      wanted.erase(gone);
    return set.value() == wanted;
  }
};

struct registers : replacing<mv_register<int>> {
  static auto change(type& value, const model&, const told&,
                     const operation& op) {
    return value.write(id(op.by), op.verb * 4 + op.key);
  }

  static bool replaces(const operation&, const operation&) {
    return true;
  }

  static bool matches(const type& value, const model& all,
                      const told& counting) {
    std::set<int> wanted;
    for (auto one : counting)
      wanted.insert(all.all[one].verb * 4 + all.all[one].key);
    return value.value() == wanted;
  }
};

struct flags : replacing<enable_wins_flag> {
  static auto change(type& flag, const model&, const told&,
                     const operation& op) {
    return op.verb == 0 ? flag.enable(id(op.by)) : flag.disable(id(op.by));
  }

  static bool replaces(const operation&, const operation&) {
    return true;
  }

  static bool matches(const type& flag, const model& all,
                      const told& counting) {
    return flag.value() == !keys_of(all, counting, 0).empty();
  }
};

// A map of maps of sets: keys 0..3 are two outer and two inner ones; verb 0
// adds, 1 erases the inner key, 2 the outer one.
using inner_map = map_store<int, add_wins_store<std::string>>;

struct maps_of_maps : replacing<or_map<std::string, inner_map>> {
  static constexpr int verbs = 3;

  static std::string outer(int key) {
    return key < 2 ? "left" : "right";
  }

  static auto change(type& map, const model&, const told&,
                     const operation& op) {
    if (op.verb == 2)
      return map.erase(id(op.by), outer(op.key));
    return map.apply(id(op.by), outer(op.key),
                     [&](const auto& inner, const auto& how) {
                       if (op.verb == 1)
                         return inner.erase(how, op.key % 2);
                       return inner.apply(how, op.key % 2,
                                          [&](const auto& set, const auto& by) {
                                            return set.add(by, "element");
                                          });
                     });
  }

  static bool replaces(const operation& op, const operation& earlier) {
    return op.verb == 2 ? op.key / 2 == earlier.key / 2 : op.key == earlier.key;
  }

  static bool matches(const type& map, const model& all, const told& counting) {
    std::set<int> shown;
    for (const auto& [key, inner] : map.value())
      for (const auto& [number, set] : inner.entries())
        shown.insert((key == "left" ? 0 : 2) + number);
    return shown == keys_of(all, counting, 0);
  }
};

// Verb 0 adds to a counter in a map, verb 1 erases it. A replica's sum moves
// to its latest add.
struct counters_in_maps : replacing<or_map<int, counter_store>> {
  static auto change(type& map, const model& all, const told& counting,
                     operation& op) {
    auto amount = op.amount;
    if (op.verb == 1) {
      op.amount = 0;
      return map.erase(id(op.by), op.key);
    }
    for (auto one : counting)
      if (replaces(op, all.all[one]))
        op.amount += all.all[one].amount;
    return map.apply(id(op.by), op.key,
                     [&](const auto& counter, const auto& how) {
                       return counter.add(how, amount);
                     });
  }

  static bool replaces(const operation& op, const operation& earlier) {
    return op.key == earlier.key && (op.verb == 1 || op.by == earlier.by);
  }

  static bool matches(const type& map, const model& all, const told& counting) {
    std::map<int, wide_integer> wanted;
    for (auto one : counting)
      if (all.all[one].verb == 0)
        wanted[all.all[one].key] += all.all[one].amount;
    std::map<int, wide_integer> shown;
    for (const auto& [key, counter] : map.value())
      shown[key] = counter.value();
    return shown == wanted;
  }
};

struct grow_counters : growing<g_counter> {
  static auto change(type& counter, const model&, const told&, operation& op) {
    op.verb = 0;
    return counter.increment(id(op.by), op.amount);
  }

  static bool matches(const type& counter, const model& all,
                      const told& counting) {
    return counter.value() == sum_of(all, counting, 0);
  }
};

struct two_way_counters : growing<pn_counter> {
  static auto change(type& counter, const model&, const told&,
                     const operation& op) {
    return op.verb == 0 ? counter.increment(id(op.by), op.amount)
                        : counter.decrement(id(op.by), op.amount);
  }

  static bool matches(const type& counter, const model& all,
                      const told& counting) {
    return counter.value()
           == sum_of(all, counting, 0) - sum_of(all, counting, 1);
  }
};

struct grow_sets : growing<g_set<int>> {
  static constexpr bool cumulative = false;

  static auto change(type& set, const model&, const told&, operation& op) {
    op.verb = 0;
    return set.add(id(op.by), op.key);
  }

  static bool matches(const type& set, const model& all, const told& counting) {
    return set.value() == keys_of(all, counting, 0);
  }
};

// A remove counts where the element was seen to be there, and then its delta
// tells of an add too.
struct two_phase_sets : growing<two_phase_set<int>> {
  static constexpr bool cumulative = false;

  static auto change(type& set, const model& all, const told& counting,
                     operation& op) {
    auto present = keys_of(all, counting, 0).contains(op.key)
                   && !keys_of(all, counting, 1).contains(op.key);
    auto removes = op.verb == 1;
    if (removes && !present)
      op.verb = 2;
    return removes ? set.remove(id(op.by), op.key) : set.add(id(op.by), op.key);
  }

  static bool matches(const type& set, const model& all, const told& counting) {
    auto wanted = keys_of(all, counting, 0);
    for (auto gone : keys_of(all, counting, 1))
      wanted.erase(gone);
    return set.value() == wanted;
  }
};

struct last_writers : growing<lww_register<int>> {
  static constexpr bool cumulative = false;

  static auto change(type& value, const model&, const told&,
                     const operation& op) {
    return value.write(id(op.by), op.key,
                       static_cast<std::uint64_t>(op.amount / 16));
  }

  static bool matches(const type& value, const model& all,
                      const told& counting) {
    std::optional<std::tuple<std::int64_t, std::size_t, int>> last;
    for (auto one : counting) {
      const auto& op = all.all[one];
      last = std::max(last, {{op.amount / 16, op.by, op.key}});
    }
    return last ? value.value() == std::get<2>(*last) : !value.value();
  }
};

struct largest : growing<max_register<int>> {
  static constexpr bool cumulative = false;

  static auto change(type& value, const model&, const told&,
                     const operation& op) {
    return value.write(id(op.by), static_cast<int>(op.amount) - 100);
  }

  static bool matches(const type& value, const model& all,
                      const told& counting) {
    std::optional<int> most;
    for (auto one : counting)
      most = std::max(
        most, std::optional{static_cast<int>(all.all[one].amount) - 100});
    return value.value() == most;
  }
};

struct smallest : growing<min_register<int>> {
  static constexpr bool cumulative = false;

  static auto change(type& value, const model&, const told&,
                     const operation& op) {
    return value.write(id(op.by), static_cast<int>(op.amount) - 100);
  }

  static bool matches(const type& value, const model& all,
                      const told& counting) {
    std::set<int> written;
    for (auto one : counting)
      written.insert(static_cast<int>(all.all[one].amount) - 100);
    return written.empty() ? !value.value() : value.value() == *written.begin();
  }
};

// A delta may tell of more than its own operation, so that only what must hold
// at all times is looked at: never below zero, and no right twice.
struct bounded_counters : growing<bounded_counter> {
  static constexpr bool cumulative = false;
  static constexpr int verbs = 3;

  static std::optional<bounded_counter>
  change(type& counter, const model&, const told&, const operation& op) {
    auto made =
      op.verb == 0 ? counter.increment(id(op.by), op.amount)
      : op.verb == 1
        ? counter.decrement(id(op.by), op.amount)
        : counter.transfer(id(op.by), id(static_cast<std::size_t>(op.key)),
                           op.amount / 4);
    if (!made)
      return std::nullopt;
    return *std::move(made);
  }

  static bool matches(const type& counter, const model&, const told&) {
    wide_integer rights = 0;
    for (std::size_t i = 0; i < replicas; ++i) {
      if (counter.rights_of(id(i)) < 0)
        return false;
      rights += counter.rights_of(id(i));
    }
    return rights == counter.value() && counter.value() >= 0;
  }
};

} // namespace

TEST_CASE("an add-wins set follows its specification under any deltas") {
  CHECK(holds<add_wins>("add-wins set"));
  CHECK(holds<removes_ahead>("add-wins set with removes ahead of adds"));
}

TEST_CASE("a remove-wins set follows its specification under any deltas") {
  CHECK(holds<remove_wins>("remove-wins set"));
}

TEST_CASE("a multi-value register follows its specification") {
  CHECK(holds<registers>("multi-value register"));
}

TEST_CASE("an enable-wins flag follows its specification") {
  CHECK(holds<flags>("enable-wins flag"));
}

TEST_CASE("a map of maps of sets follows its specification") {
  CHECK(holds<maps_of_maps>("map of maps"));
}

TEST_CASE("a counter in a map loses what an erase has seen") {
  CHECK(holds<counters_in_maps>("counter in a map"));
}

TEST_CASE("counters follow their specification under any deltas") {
  CHECK(holds<grow_counters>("counter that grows"));
  CHECK(holds<two_way_counters>("counter"));
}

TEST_CASE("sets without contexts follow their specification") {
  CHECK(holds<grow_sets>("grow-only set"));
  CHECK(holds<two_phase_sets>("two-phase set"));
}

TEST_CASE("registers that keep one value follow their specification") {
  CHECK(holds<last_writers>("last writer"));
  CHECK(holds<largest>("largest"));
  CHECK(holds<smallest>("smallest"));
}

TEST_CASE("a bounded counter never goes below zero, nor does anybody's share") {
  CHECK(holds<bounded_counters>("bounded counter"));
}
