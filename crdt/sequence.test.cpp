// A sequence against the strong specification of a list (Attiya, Burckhardt,
// Gotsman, Morrison, Yang, Zawirski, "Specification and complexity of
// collaborative text editing", 2016, section 3): a replica shows what was
// inserted and not removed in the operations that it was told of; an insert
// goes where it was asked to go; and one order of all elements explains all
// that was ever shown anywhere.
#include "crdt/sequence.hpp"
#include "crdt/random_run.test.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <set>

using namespace neuroplex;
using namespace neuroplex::crdt;

namespace {

using text = sequence<std::uint32_t>;
using values = std::vector<std::uint32_t>;
using told = std::set<std::size_t>;

/// Each value is inserted once.
struct edit {
  values inserted;
  values removed;
  told after; ///< what its replica had been told
};

class list_run {
public:
  void take(const step& what) {
    auto [kind, a, b, c] = what;
    auto at = a % replicas;
    switch (kind % 8) {
      case 0:
      case 1:
      case 2:
        insert(at, b, 1 + c % 4);
        break;
      case 3:
        remove(at, b, c % 3);
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
        merge(at, b % replicas);
    }
    look_at(at);
  }

  void finish() {
    for (const auto& one : packets_)
      deliver(0, one);
    for (auto one = packets_.rbegin(); one != packets_.rend(); ++one)
      deliver(1, *one);
    look_at(0);
    NEUROPLEX_HOLDS(states_[0] == states_[1]);
    NEUROPLEX_HOLDS(states_[0].encode() == states_[1].encode());
    auto both = states_[2];
    NEUROPLEX_HOLDS(merged(both, states_[1]) && merged(states_[1], states_[2]));
    NEUROPLEX_HOLDS(both == states_[1]);
    // One order explains all that was shown.
    std::map<dot, std::size_t> place;
    for (const auto& [id, shown] : states_[0].lattice().order())
      place.emplace(id, place.size());
    for (const auto& shown : history_)
      for (std::size_t i = 1; i < shown.size(); ++i)
        NEUROPLEX_HOLDS(place.at(ids_.at(shown[i - 1]))
                        < place.at(ids_.at(shown[i])));
  }

private:
  static constexpr std::size_t replicas = 3;

  struct packet {
    std::string bytes;
    told operations;
  };

  static replica_id id(std::size_t index) {
    return {static_cast<std::uint32_t>(index + 1), 0};
  }

  void insert(std::size_t at, std::size_t where, std::size_t count) {
    auto before = states_[at].value();
    where %= before.size() + 1;
    edit op;
    for (std::size_t i = 0; i < count; ++i)
      op.inserted.push_back(next_++);
    auto delta = states_[at].insert(
      id(at), where, std::span<const std::uint32_t>{op.inserted});
    NEUROPLEX_HOLDS(bool(delta));
    before.insert(before.begin() + static_cast<std::ptrdiff_t>(where),
                  op.inserted.begin(), op.inserted.end());
    NEUROPLEX_HOLDS(states_[at].value() == before);
    for (const auto& [what, node] : delta->lattice().nodes())
      ids_.emplace(node.value, what);
    record(at, std::move(op), delta->encode());
  }

  void remove(std::size_t at, std::size_t where, std::size_t count) {
    auto before = states_[at].value();
    where %= before.size() + 1;
    count = std::min(count, before.size() - where);
    auto delta = states_[at].remove(id(at), where, count);
    NEUROPLEX_HOLDS(bool(delta));
    auto first = before.begin() + static_cast<std::ptrdiff_t>(where);
    auto last = first + static_cast<std::ptrdiff_t>(count);
    edit op;
    op.removed.assign(first, last);
    before.erase(first, last);
    NEUROPLEX_HOLDS(states_[at].value() == before);
    record(at, std::move(op), delta->encode());
  }

  void record(std::size_t at, edit op, std::string bytes) {
    op.after = seen_[at];
    auto number = operations_.size();
    operations_.push_back(std::move(op));
    seen_[at].insert(number);
    packets_.push_back({std::move(bytes), {number}});
  }

  void deliver(std::size_t at, const packet& what) {
    auto received = text::decode(what.bytes);
    NEUROPLEX_HOLDS(received && received->encode() == what.bytes);
    NEUROPLEX_HOLDS(merged(states_[at], *received));
    seen_[at].insert(what.operations.begin(), what.operations.end());
  }

  void group(const packet& a, const packet& b) {
    auto joined = text::decode(a.bytes);
    NEUROPLEX_HOLDS(joined && merged(*joined, *text::decode(b.bytes)));
    packet both{joined->encode(), a.operations};
    both.operations.insert(b.operations.begin(), b.operations.end());
    packets_.push_back(std::move(both));
  }

  void merge(std::size_t to, std::size_t from) {
    auto copy = text::decode(states_[from].encode());
    NEUROPLEX_HOLDS(copy && *copy == states_[from]);
    NEUROPLEX_HOLDS(merged(states_[to], *copy));
    seen_[to].insert(seen_[from].begin(), seen_[from].end());
  }

  static bool merged(text& into, const text& what) {
    count_merge();
    return bool(into.merge(what));
  }

  void look_at(std::size_t at) {
    auto shown = states_[at].value();
    NEUROPLEX_HOLDS(shown.size() == states_[at].size());
    std::set<std::uint32_t> wanted;
    auto complete = true;
    for (auto number : seen_[at]) {
      const auto& op = operations_[number];
      wanted.insert(op.inserted.begin(), op.inserted.end());
      complete = complete
                 && std::includes(seen_[at].begin(), seen_[at].end(),
                                  op.after.begin(), op.after.end());
    }
    for (auto number : seen_[at])
      for (auto gone : operations_[number].removed)
        wanted.erase(gone);
    std::set<std::uint32_t> found{shown.begin(), shown.end()};
    NEUROPLEX_HOLDS(found.size() == shown.size());
    // What was told before its causes may have to wait.
    if (complete)
      NEUROPLEX_HOLDS(found == wanted);
    else
      NEUROPLEX_HOLDS(std::includes(wanted.begin(), wanted.end(), found.begin(),
                                    found.end()));
    history_.push_back(std::move(shown));
  }

  std::array<text, replicas> states_;
  std::array<told, replicas> seen_;
  std::vector<edit> operations_;
  std::vector<packet> packets_;
  std::vector<values> history_;
  std::map<std::uint32_t, dot> ids_;
  std::uint32_t next_ = 1;
};

} // namespace

TEST_CASE("a sequence follows the strong specification of a list") {
  CHECK(holds_for_random_runs<list_run>("sequence"));
}

TEST_CASE("runs that are typed at one place do not interleave") {
  // Each of two types ten elements, forwards, backwards, or one of each.
  for (int how = 0; how < 4; ++how) {
    text at_a, at_b;
    REQUIRE(at_a.insert({1}, 0, values{1, 2}));
    REQUIRE(at_b.merge(at_a));
    for (std::uint32_t i = 0; i < 10; ++i) {
      REQUIRE(at_a.insert({1}, (how & 1) != 0 ? 1 : 1 + i, 100 + i));
      REQUIRE(at_b.insert({2}, (how & 2) != 0 ? 1 : 1 + i, 200 + i));
    }
    REQUIRE(at_a.merge(at_b));
    REQUIRE(at_b.merge(at_a));
    auto shown = at_a.value();
    CHECK(shown == at_b.value());
    auto changes = 0;
    for (std::size_t i = 2; i + 1 < shown.size(); ++i)
      changes += shown[i] / 100 != shown[i - 1] / 100 ? 1 : 0;
    CHECK(changes == 1);
  }
}
