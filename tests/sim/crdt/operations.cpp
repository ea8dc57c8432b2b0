#include "tests/sim/crdt/operations.hpp"

#include "crdt/operation_types.hpp"
#include "tests/sim/crdt/world.hpp"
#include "tests/sim/machine.hpp"
#include "tests/sim/nemesis.hpp"
#include "tests/sim/network.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

namespace neuroplex::sim {

namespace {

using namespace std::chrono_literals;

constexpr nanoseconds asking_period{20'000'000};
constexpr nanoseconds longest_telling = 60s;
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
class operation_host {
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
    : around_{around}, machine_{around.world, faults, number},
      dice_{around.world.stream("client", number)} {
    machine_.on_start = [this] { start(); };
    machine_.on_stop = [this] { ++life_; };
  }

  void change_until(nanoseconds when) {
    change_until_ = when;
  }

  [[nodiscard]] machine& computer() noexcept {
    return machine_;
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
  void start() {
    state_.emplace(crdt::replica_id{machine_.number() + 1, ++starts_});
    for (const auto& one : log_)
      if (!state_->receive(one))
        return around_.world.fail("a log that was written is refused");
    turn_in(dice_.between(nanoseconds{0}, asking_period));
  }

  void turn_in(nanoseconds delay) {
    machine_.at_local(machine_.local_now() + delay, [this, life = life_] {
      if (life == life_)
        turn();
    });
  }

  void turn() {
    if (around_.world.now() < change_until_ && dice_.below(4) == 0 && !change())
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
    turn_in(asking_period);
  }

  // An operation is told to others when it is in the log, and not before.
  bool change() {
    auto message = Subject::change(*state_, dice_);
    if (!message) {
      around_.world.fail("an operation is refused: "
                         + message.error().message());
      return false;
    }
    if (!machine_.survives())
      return false;
    log_.push_back(*message);
    known_.insert(message->id);
    if (!machine_.survives())
      return false;
    around_.acknowledged.insert(message->id);
    around_.world.note("changed", machine_.number(), message->id.counter);
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
      return around_.world.fail("an operation cannot be read: "
                                + message.error().message());
    if (known_.contains(message->id))
      return;
    if (!machine_.survives())
      return;
    known_.insert(message->id);
    log_.push_back(*message);
    if (auto taken = state_->receive(*message); !taken)
      around_.world.fail("an operation is refused: " + taken.error().message());
  }

  surroundings& around_;
  machine machine_;
  dice dice_;
  std::vector<message_type> log_; ///< its own and what it was told; durable
  std::set<crdt::dot> known_;     ///< in the log
  std::optional<type> state_;
  std::uint32_t starts_ = 0; ///< durable
  std::uint64_t life_ = 0;
  nanoseconds change_until_{0};
};

template <class Subject>
class operations_run {
public:
  using host = operation_host<Subject>;

  explicit operations_run(const run_request& asked)
    : asked_{asked}, world_{asked.seed}, faults_{draw_crdt_plan(world_, asked)},
      links_{world_, faults_}, around_{world_, links_, {}, 0, {}} {
    world_.log().listen(asked.listener);
    auto count = draw_group_size(world_.stream("size"));
    for (std::uint32_t i = 0; i < count; ++i) {
      around_.all.push_back(std::make_unique<host>(around_, faults_, i));
      auto& computer = around_.all.back()->computer();
      machines_.push_back(&computer);
      links_.add([&computer](network::delivery arrive) {
        computer.deliver(std::move(arrive));
      });
    }
  }

  run_result run() {
    nemesis bad{world_, faults_, links_, machines_};
    for (auto* one : machines_)
      one->start();
    bad.begin();
    auto length =
      world_.stream("length").between(1s, 6s) * asked_.length_ppt / 1000;
    auto ends = world_.stream("ends");
    for (auto& one : around_.all)
      one->change_until(ends.between(0ns, length));
    world_.run_until(length);
    bad.end();
    settle();
    if (!world_.failed())
      judge();
    return result(bad);
  }

private:
  [[nodiscard]] bool is_settled() const {
    return std::all_of(around_.all.begin(), around_.all.end(),
                       [&](const auto& one) {
                         return one->is_settled_with(*around_.all.front());
                       });
  }

  void settle() {
    auto mended = world_.now();
    while (!world_.failed() && !is_settled()
           && world_.now() < mended + longest_telling)
      world_.run_until(world_.now() + asking_period);
    if (!world_.failed() && !is_settled())
      world_.fail("replicas do not deliver the same operations");
  }

  void judge() {
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

  [[nodiscard]] run_result result(const nemesis& bad) {
    run_result result;
    result.failure = world_.failure();
    if (!result.failure.empty())
      result.failure += " (" + std::string{Subject::name} + ")";
    result.events = world_.events();
    result.simulated = world_.now();
    result.drawn = faults_.kinds;
    std::uint64_t crashes = 0;
    for (const auto* one : machines_)
      crashes += one->crashes();
    result.counts = {
      {"changes acknowledged", around_.acknowledged.size()},
      {"operations sent", around_.told},
      {"crashes", crashes},
      {"messages lost", links_.seen().lost},
      {"messages duplicated", links_.seen().duplicated},
      {"deeds of the nemesis", bad.deeds()},
      {"runs of " + std::string{Subject::name}, 1},
    };
    result.hash = world_.log().hash();
    return result;
  }

  run_request asked_;
  kernel world_;
  plan faults_;
  network links_;
  typename host::surroundings around_;
  std::vector<machine*> machines_;
};

} // namespace

run_result run_operation_counters(const run_request& asked) {
  return operations_run<operation_counters>{asked}.run();
}

run_result run_operation_sets(const run_request& asked) {
  return operations_run<operation_sets>{asked}.run();
}

} // namespace neuroplex::sim
