// What an add-wins set costs beside a flat hash set that keeps nothing but its
// elements, in the same run: elements of 8 bytes, in random order. And what a
// change of one key costs a map of sets, few or many.
//
// usage: bench_crdt [elements]   (1,000,000)
#include "crdt/or_set.hpp"
#include "bench/memory/chase.hpp"
#include "bench/memory/clock.hpp"
#include "crdt/causal_types.hpp"

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

using namespace neuroplex;
using namespace neuroplex::crdt;
using set = or_set<std::uint64_t>;

constexpr replica_id here{1};
constexpr replica_id there{2};

/// The peer: linear probing in a power of two of slots, at most 7/8 used,
/// deletion by shifting back. 0 is no element.
class flat_set {
public:
  bool insert(std::uint64_t element) {
    if ((used_ + 1) * 8 > slots_.size() * 7)
      grow();
    auto at = find(element);
    if (slots_[at] == element)
      return false;
    slots_[at] = element;
    ++used_;
    return true;
  }

  [[nodiscard]] bool contains(std::uint64_t element) const {
    return slots_[find(element)] == element;
  }

  void erase(std::uint64_t element) {
    auto free = find(element);
    if (slots_[free] == 0)
      return;
    auto mask = slots_.size() - 1;
    for (auto i = (free + 1) & mask; slots_[i] != 0; i = (i + 1) & mask) {
      if (((i - home(slots_[i])) & mask) < ((i - free) & mask))
        continue;
      slots_[free] = slots_[i];
      free = i;
    }
    slots_[free] = 0;
    --used_;
  }

private:
  [[nodiscard]] std::size_t home(std::uint64_t element) const {
    return spread(element + 1) & (slots_.size() - 1);
  }

  [[nodiscard]] std::size_t find(std::uint64_t element) const {
    auto at = home(element);
    while (slots_[at] != 0 && slots_[at] != element)
      at = (at + 1) & (slots_.size() - 1);
    return at;
  }

  void grow() {
    std::vector<std::uint64_t> old(slots_.size() * 2);
    old.swap(slots_);
    for (auto element : old)
      if (element != 0)
        slots_[find(element)] = element;
  }

  std::vector<std::uint64_t> slots_ = std::vector<std::uint64_t>(16);
  std::size_t used_ = 0;
};

template <class Work>
double ns_each(std::size_t count, Work work) {
  auto begin = bench::thread_cpu_ns();
  for (std::size_t i = 0; i < count; ++i)
    work(i);
  return (bench::thread_cpu_ns() - begin) / static_cast<double>(count);
}

std::uint64_t element(std::size_t i) {
  return spread(i + 1) | 1;
}

// Elements of the set in an order that has nothing to do with that of adding.
__extension__ using wide = unsigned __int128;

std::uint64_t shuffled(std::size_t i, std::size_t count) {
  return element(
    static_cast<std::size_t>(static_cast<wide>(spread(i + 77)) * count >> 64));
}

void check(bool right) {
  if (!right) {
    std::puts("a set does not hold what it should");
    std::exit(1);
  }
}

void row(const char* what, double ours, double peer, double wanted) {
  std::printf("%-28s %8.0f ns  %8.0f ns  %5.2f x  (wanted <= %.0f x)\n", what,
              ours, peer, ours / peer, wanted);
}

using map_of_sets = or_map<std::uint64_t, add_wins_store<std::uint64_t>>;

/// Joins deltas of another replica, one key each, into a map of `count` sets of
/// one element.
double join_into_map(std::size_t count) {
  map_of_sets mine;
  auto add = [](map_of_sets& map, replica_id by, std::uint64_t key,
                std::uint64_t value) {
    auto delta =
      map.apply(by, key, [&](const auto& values, const mutation& how) {
        return values.add(how, value);
      });
    check(bool(delta));
    return *std::move(delta);
  };
  for (std::size_t i = 0; i < count; ++i)
    (void)add(mine, here, element(i), i);
  auto theirs = mine;
  std::vector<map_of_sets> deltas;
  constexpr std::size_t changes = 2'000;
  for (std::size_t i = 0; i < changes; ++i) {
    auto key = shuffled(i, count);
    if (i % 2 == 0)
      deltas.push_back(add(theirs, there, key, count + i));
    else
      deltas.push_back(*theirs.erase(there, key));
  }
  auto spent = ns_each(
    changes, [&](std::size_t i) { check(bool(mine.merge(deltas[i]))); });
  check(mine == theirs);
  return spent;
}

} // namespace

int main(int argument_count, char** arguments) {
  auto count = static_cast<std::size_t>(
    argument_count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 1'000'000);
  if (count == 0)
    return 2;
  bench::pointer_chase chase{std::size_t{256} << 20};
  auto miss = chase.measure_ns(0.5);
  std::printf("%zu elements of 8 bytes; a dependent miss takes D = %.0f ns\n",
              count, miss);
  std::printf("%-28s %11s  %11s\n", "", "or_set", "flat set");

  set ours;
  flat_set peer;
  auto add = ns_each(
    count, [&](std::size_t i) { check(bool(ours.add(here, element(i)))); });
  auto insert = ns_each(count, [&](std::size_t i) { peer.insert(element(i)); });
  row("add, from nothing", add, insert, 6);
  auto memory = static_cast<double>(ours.bytes()) / static_cast<double>(count);
  auto state = static_cast<double>(ours.encode().size());

  std::size_t found = 0;
  auto contains = ns_each(count, [&](std::size_t i) {
    found += ours.contains(shuffled(i, count)) ? 1 : 0;
  });
  auto peer_contains = ns_each(count, [&](std::size_t i) {
    found += peer.contains(shuffled(i, count)) ? 1 : 0;
  });
  check(found == 2 * count);
  row("contains, there", contains, peer_contains, 2);
  contains = ns_each(count, [&](std::size_t i) {
    found += ours.contains(element(i + count)) ? 1 : 0;
  });
  peer_contains = ns_each(count, [&](std::size_t i) {
    found += peer.contains(element(i + count)) ? 1 : 0;
  });
  check(found == 2 * count);
  row("contains, not there", contains, peer_contains, 2);

  // Deltas of another replica, each joined into a set of full size. They are
  // decoded a few at a time, as they would come from a link.
  auto writer = ours;
  std::vector<std::string> adds;
  std::vector<std::string> removes;
  constexpr std::size_t changes = 20'000;
  for (std::size_t i = 0; i < changes; ++i)
    adds.push_back(writer.add(there, element(count + i))->encode());
  for (std::size_t i = 0; i < changes; ++i)
    removes.push_back(writer.remove(there, shuffled(i, count))->encode());
  auto join = [&](const std::vector<std::string>& messages) {
    constexpr std::size_t few = 32;
    double spent = 0;
    for (std::size_t i = 0; i < messages.size(); i += few) {
      std::vector<set::delta_type> deltas;
      for (auto k = i; k < i + few && k < messages.size(); ++k)
        deltas.push_back(*set::delta_type::decode(messages[k]));
      spent += ns_each(1, [&](std::size_t) {
        for (const auto& delta : deltas)
          check(bool(ours.merge(delta)));
      });
    }
    return spent / static_cast<double>(messages.size());
  };
  auto join_add = join(adds);
  auto join_remove = join(removes);
  check(ours.size() == writer.size());

  auto remove = ns_each(count / 2, [&](std::size_t i) {
    check(bool(ours.remove(here, element(i * 2))));
  });
  auto erase =
    ns_each(count / 2, [&](std::size_t i) { peer.erase(element(i * 2)); });
  row("remove", remove, erase, 6);

  // Two whole states that share half of what they have.
  set left;
  for (std::size_t i = 0; i < count / 2; ++i)
    check(bool(left.add(here, element(i))));
  auto right = left;
  for (std::size_t i = count / 2; i < count; ++i)
    check(bool(right.add(there, element(i))));
  auto merge = ns_each(1, [&](std::size_t) { check(bool(left.merge(right))); });
  check(left.size() == count);
  auto again = ns_each(1, [&](std::size_t) { check(bool(left.merge(right))); });

  std::printf("%-28s %8.0f ns  (wanted <= 3 D = %.0f ns)\n",
              "join a delta of one add", join_add, 3 * miss);
  std::printf("%-28s %8.0f ns  (wanted <= 3 D = %.0f ns)\n",
              "join a delta of one remove", join_remove, 3 * miss);
  std::printf("%-28s %8.1f ns an element (wanted <= 60 ns)\n",
              "merge, half of it new", merge / static_cast<double>(count));
  std::printf("%-28s %8.1f ns an element\n", "merge, nothing new",
              again / static_cast<double>(count));
  for (auto keys : {count / 100 + 1, count / 10 + 1, count})
    std::printf("%-28s %8.0f ns (%zu keys)\n", "join one change of a map",
                join_into_map(keys), keys);
  std::printf("%-28s %8.1f bytes an element (wanted <= 32)\n", "memory",
              memory);
  std::printf("%-28s %8.2f bytes an element (wanted <= 10)\n", "whole state",
              state / static_cast<double>(count));
}
