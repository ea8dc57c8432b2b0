// A shopping cart that two people fill while they cannot reach each other: a
// type of our own, put together from stores of the library. Delta, merge, bytes
// and digest come with it.
#include "crdt/state.hpp"
#include "crdt/stores.hpp"

#include <cstdio>
#include <string>

using namespace neuroplex;
using namespace neuroplex::crdt;

// How many of each article, and whether the cart was paid for.
using articles = map_store<std::string, counter_store>;
using cart_store = store_product<articles, flag_store>;

class cart : public state<cart, causal<cart_store>> {
public:
  [[nodiscard]] expected<cart> put(replica_id by, const std::string& article,
                                   std::int64_t count) {
    return commit_by(by, [&](const cart_store& store, const mutation& how) {
      return store.apply<0>(how, [&](const articles& all, const mutation& in) {
        return all.apply(in, article,
                         [&](const counter_store& one, const mutation& here) {
                           return one.add(here, count);
                         });
      });
    });
  }

  [[nodiscard]] expected<cart> take_out(replica_id by,
                                        const std::string& article) {
    return commit_by(by, [&](const cart_store& store, const mutation& how) {
      return store.apply<0>(how, [&](const articles& all, const mutation& in) {
        return all.erase(in, article);
      });
    });
  }

  [[nodiscard]] std::string value() const {
    std::string text;
    for (const auto& [article, count] : lattice().store.part<0>().entries())
      text += article + " x "
              + std::to_string(static_cast<long long>(count.value())) + ", ";
    return text + (lattice().store.part<1>().value() ? "paid" : "not paid");
  }
};

int main() {
  constexpr replica_id ann{1};
  constexpr replica_id bob{2};
  cart at_ann;
  cart at_bob;

  // Bob starts with what Ann has.
  auto apples = at_ann.put(ann, "apples", 3);
  auto pears = at_ann.put(ann, "pears", 2);
  if (!apples || !pears || !at_bob.merge(at_ann))
    return 1;

  // Both go on without the other: Bob takes the apples out, Ann adds pears.
  auto from_bob = at_bob.take_out(bob, "apples");
  auto from_ann = at_ann.put(ann, "pears", 4);
  if (!from_bob || !from_ann)
    return 1;

  // Only the changes travel, as bytes.
  auto bytes = from_ann->encode();
  auto received = cart::decode(bytes);
  if (!received || !at_bob.merge(*received) || !at_ann.merge(*from_bob))
    return 1;
  std::printf("%zu bytes for a change\n", bytes.size());
  std::printf("Ann: %s\nBob: %s\n", at_ann.value().c_str(),
              at_bob.value().c_str());
  return at_ann == at_bob ? 0 : 1;
}
