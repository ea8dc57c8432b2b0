// Types whose operations travel, against a model of what was delivered: the
// largest part of what was received that lacks no cause.
#include "crdt/operation_types.hpp"
#include "crdt/random_run.test.hpp"

#include <catch2/catch.hpp>

using namespace neuroplex;
using namespace neuroplex::crdt;

namespace {

using told = std::set<std::size_t>;

struct told_operation {
  bool adds = false;
  int element = 0;
  std::int64_t amount = 0;
  told after; ///< what its replica had delivered
};

class operation_run {
public:
  operation_run() {
    for (std::size_t i = 0; i < replicas; ++i) {
      sets_.emplace_back(id(i));
      counters_.emplace_back(id(i));
    }
  }

  void take(const step& what) {
    auto [kind, a, b, c] = what;
    auto at = a % replicas;
    if (kind % 3 == 0) {
      operate(at, b % 3 != 0, c % 4, static_cast<std::int64_t>(c) - 100);
    } else if (!operations_.empty()) {
      receive(at, (b * 256U + c) % operations_.size());
    }
    look_at(at);
  }

  void finish() {
    for (std::size_t at = 0; at < replicas; ++at) {
      for (auto number = operations_.size(); number-- != 0;)
        receive(at, at % 2 == 0 ? number : operations_.size() - 1 - number);
      look_at(at);
      NEUROPLEX_HOLDS(sets_[at].delivery().waiting() == 0);
      NEUROPLEX_HOLDS(sets_[at].value() == sets_[0].value());
      NEUROPLEX_HOLDS(counters_[at].value() == counters_[0].value());
    }
  }

private:
  static constexpr std::size_t replicas = 4;

  static replica_id id(std::size_t index) {
    return {static_cast<std::uint32_t>(index + 1), 0};
  }

  void operate(std::size_t at, bool adds, int element, std::int64_t amount) {
    auto told_set = adds ? sets_[at].add(element) : sets_[at].remove(element);
    auto told_counter = counters_[at].add(amount);
    NEUROPLEX_HOLDS(told_set && told_counter);
    operations_.push_back({adds, element, amount, delivered(at)});
    received_[at].insert(operations_.size() - 1);
    set_messages_.push_back(told_set->encode());
    counter_messages_.push_back(told_counter->encode());
  }

  void receive(std::size_t at, std::size_t number) {
    auto to_set = op_set<int>::message_type::decode(set_messages_[number]);
    auto to_counter =
      op_counter::message_type::decode(counter_messages_[number]);
    NEUROPLEX_HOLDS(to_set && to_counter);
    NEUROPLEX_HOLDS(to_set->encode() == set_messages_[number]);
    NEUROPLEX_HOLDS(sets_[at].receive(*to_set)
                    && counters_[at].receive(*to_counter));
    count_merge();
    received_[at].insert(number);
  }

  /// Numbers follow causes, so one walk finds all.
  [[nodiscard]] told delivered(std::size_t at) const {
    told result;
    for (auto number : received_[at]) {
      const auto& after = operations_[number].after;
      if (std::includes(result.begin(), result.end(), after.begin(),
                        after.end()))
        result.insert(number);
    }
    return result;
  }

  void look_at(std::size_t at) const {
    auto known = delivered(at);
    wide_integer sum = 0;
    std::set<int> elements;
    for (auto number : known) {
      const auto& op = operations_[number];
      sum += op.amount;
      auto counts =
        op.adds && std::none_of(known.begin(), known.end(), [&](auto later) {
          return operations_[later].element == op.element
                 && operations_[later].after.contains(number);
        });
      if (counts)
        elements.insert(op.element);
    }
    NEUROPLEX_HOLDS(counters_[at].value() == sum);
    NEUROPLEX_HOLDS(sets_[at].value() == elements);
    NEUROPLEX_HOLDS(sets_[at].delivery().waiting()
                    == received_[at].size() - known.size());
  }

  std::vector<op_set<int>> sets_;
  std::vector<op_counter> counters_;
  std::vector<told_operation> operations_;
  std::vector<std::string> set_messages_;
  std::vector<std::string> counter_messages_;
  std::array<told, replicas> received_;
};

} // namespace

TEST_CASE("a set and a counter of operations follow their specification") {
  CHECK(holds_for_random_runs<operation_run>("operations"));
}
