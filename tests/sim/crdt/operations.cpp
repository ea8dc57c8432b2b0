#include "tests/sim/crdt/operations.hpp"

#include "crdt/operation_types.hpp"
#include "tests/sim/crdt/replica_world.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

namespace neuroplex::sim {

namespace {

constexpr std::size_t operations_a_message = 32;

struct operation_counters {
  using type = crdt::op_counter;
  static constexpr std::string_view name = "op_counter";

  static auto change(type& counter, dice& chance) {
    return counter.add(static_cast<std::int64_t>(chance.below(19)) - 9);
  }

  static auto specified(const std::vector<type::message_type>& all) {
    crdt::wide_integer sum = 0;
    for (const auto& one : all)
      sum += one.payload;
    return sum;
  }
};

struct operation_sets {
  using type = crdt::op_set<std::uint64_t>;
  static constexpr std::string_view name = "op_set";

  static auto change(type& set, dice& chance) {
    auto element = chance.below(24);
    return chance.below(3) == 0 ? set.remove(element) : set.add(element);
  }

  // An element is there if an add of it was seen by no remove.
  static auto specified(const std::vector<type::message_type>& all) {
    std::set<std::uint64_t> result;
    for (const auto& add : all)
      if (add.payload.first
          && std::none_of(all.begin(), all.end(), [&](const auto& one) {
               return !one.payload.first
                      && one.payload.second == add.payload.second
                      && covers(one.after, add.id);
             }))
        result.insert(add.payload.second);
    return result;
  }
};

template <class Subject>
class operation_host final : public replica_machine {
public:
  using type = typename Subject::type;
  using message_type = typename type::message_type;
  using hosts = std::vector<std::unique_ptr<operation_host>>;

  struct surroundings {
    kernel& world;
    network& links;
    std::set<crdt::dot> acknowledged;
    std::uint64_t told = 0;
    hosts all;
  };

  operation_host(surroundings& around, const plan& faults, std::uint32_t number)
    : replica_machine{around.world, faults, number}, around_{around} {
  }

  [[nodiscard]] const type& state() const noexcept {
    return *state_;
  }

  /// Its own operations and those that it was told, in the order they came.
  [[nodiscard]] const std::vector<message_type>& log() const noexcept {
    return log_;
  }

  [[nodiscard]] bool is_settled_with(const operation_host& other) const {
    return state_->delivery().delivered()
             == other.state_->delivery().delivered()
           && state_->delivery().waiting() == 0;
  }

private:
  void start() override {
    state_.emplace(crdt::replica_id{machine_.number() + 1, ++starts_});
    for (const auto& one : log_)
      if (!state_->receive(one))
        return world_.fail("a log that was written is refused");
    turn_in(dice_.between(nanoseconds{0}, turn_period));
  }

  void turn() override {
    if (is_changed_now() && !change())
      return;
    auto to = static_cast<std::uint32_t>(dice_.below(around_.all.size()));
    if (to != machine_.number()) {
      if (!machine_.survives())
        return;
      around_.links.send(machine_.number(), to,
                         [&around = around_, to, from = machine_.number(),
                          has = state_->delivery().delivered()] {
                           around.all[to]->tell(from, has);
                         });
    }
    turn_in(turn_period);
  }

  // An operation is told to others when it is in the log, and not before.
  bool change() {
    auto message = Subject::change(*state_, dice_);
    if (!message) {
      world_.fail("an operation is refused: " + message.error().message());
      return false;
    }
    if (!machine_.survives())
      return false;
    log_.push_back(*message);
    known_.insert(message->id);
    if (!machine_.survives())
      return false;
    around_.acknowledged.insert(message->id);
    world_.note("changed", machine_.number(), message->id.counter);
    return true;
  }

  // Sends some of what another one lacks, in no order.
  void tell(std::uint32_t to, const crdt::version_vector& has) {
    std::vector<std::string> lacking;
    for (const auto& one : log_)
      if (!covers(has, one.id) && lacking.size() < operations_a_message)
        lacking.push_back(one.encode());
    for (std::size_t i = 0; i < lacking.size(); ++i) {
      std::swap(lacking[i], lacking[i + dice_.below(lacking.size() - i)]);
      if (!machine_.survives())
        return;
      ++around_.told;
      around_.links.send(machine_.number(), to,
                         [&around = around_, to, bytes = lacking[i]] {
                           around.all[to]->receive(bytes);
                         });
    }
  }

  void receive(const std::string& bytes) {
    auto message = message_type::decode(bytes);
    if (!message)
      return world_.fail("an operation cannot be read: "
                         + message.error().message());
    if (known_.contains(message->id))
      return;
    if (!machine_.survives())
      return;
    known_.insert(message->id);
    log_.push_back(*message);
    if (auto taken = state_->receive(*message); !taken)
      world_.fail("an operation is refused: " + taken.error().message());
  }

  surroundings& around_;
  std::vector<message_type> log_; ///< its own and what it was told; durable
  std::set<crdt::dot> known_;     ///< in the log
  std::optional<type> state_;
  std::uint32_t starts_ = 0; ///< durable
};

template <class Subject>
class operations_world final : public replica_world {
public:
  using host = operation_host<Subject>;

  explicit operations_world(const run_request& asked)
    : replica_world{asked, "replicas do not deliver the same operations"},
      around_{world_, links_, {}, 0, {}} {
    auto count = draw_size();
    for (std::uint32_t i = 0; i < count; ++i) {
      around_.all.push_back(std::make_unique<host>(around_, faults_, i));
      add(*around_.all.back());
    }
  }

private:
  [[nodiscard]] bool is_settled() const override {
    return std::all_of(around_.all.begin(), around_.all.end(),
                       [&](const auto& one) {
                         return one->is_settled_with(*around_.all.front());
                       });
  }

  void judge() override {
    const auto wanted = Subject::specified(around_.all.front()->log());
    for (const auto& one : around_.all) {
      std::set<crdt::dot> there;
      for (const auto& message : one->log())
        there.insert(message.id);
      if (!std::includes(there.begin(), there.end(),
                         around_.acknowledged.begin(),
                         around_.acknowledged.end()))
        return world_.fail("an acknowledged operation is lost");
      if (one->state().value() != wanted)
        return world_.fail("a replica shows what its operations do not say");
    }
  }

  [[nodiscard]] std::string_view subject() const override {
    return Subject::name;
  }

  [[nodiscard]] counters happened() const override {
    return {{"changes acknowledged", around_.acknowledged.size()},
            {"operations sent", around_.told}};
  }

  typename host::surroundings around_;
};

} // namespace

run_result run_operations(std::size_t subject, const run_request& asked) {
  return subject == 0 ? operations_world<operation_counters>{asked}.run()
                      : operations_world<operation_sets>{asked}.run();
}

} // namespace neuroplex::sim
