#include "tests/sim/crdt/world.hpp"

#include "crdt/delta_synchronizer.hpp"
#include "crdt/or_set.hpp"
#include "tests/sim/machine.hpp"
#include "tests/sim/nemesis.hpp"
#include "tests/sim/network.hpp"

#include <memory>
#include <set>

namespace neuroplex::sim {

namespace {

using namespace std::chrono_literals;
using crdt_set = crdt::or_set<std::uint64_t>;
using crdt_message = crdt::sync_message<crdt_set>;

constexpr nanoseconds gossip_period = 20ms;
constexpr std::size_t gossip_fan_out = 3;
/// From when all is mended: enough rounds for the largest group to be told of
/// everything by everyone, in turn.
constexpr nanoseconds longest_settling = 60s;

struct crdt_mistakes_made {
  bool send_before_save = false;
  bool acknowledge_before_save = false;
};

/// What clients were told, of elements that are each added once.
struct crdt_ledger {
  std::uint64_t next = 1;
  std::set<std::uint64_t> added;   ///< acknowledged
  std::set<std::uint64_t> removed; ///< acknowledged
  std::set<std::uint64_t> touched; ///< a remove was begun
  std::uint64_t deltas = 0;
  std::uint64_t digests = 0;
};

/// What outlives a crash. A save is whole or not at all.
struct crdt_disk {
  std::string state = crdt_set{}.encode();
  std::uint64_t recorded = 0;
};

class replica_host {
public:
  replica_host(kernel& world, network& links, const plan& faults,
               std::uint32_t number, std::uint32_t group_size,
               crdt_mistakes_made mistakes, crdt_ledger& ledger)
    : world_{world}, links_{links}, machine_{world, faults, number},
      dice_{world.stream("client", number)},
      group_size_{group_size}, mistakes_{mistakes}, ledger_{ledger} {
    machine_.on_start = [this] { start(); };
    machine_.on_stop = [this] { ++life_; };
  }

  void receive(std::uint32_t from, const std::string& delta,
               crdt_message message) {
    if (!delta.empty()) {
      auto decoded = crdt_set::delta_type::decode(delta);
      if (!decoded)
        return world_.fail("a delta cannot be read: "
                           + decoded.error().message());
      message.delta = *std::move(decoded);
    }
    auto answer = sync_.receive(id_of(from), message, state_);
    if (!answer)
      return world_.fail("a message of replica " + std::to_string(from)
                         + " is refused: " + answer.error().message());
    // Whoever says that it has something must have it after a crash too.
    if (message.kind == crdt::sync_kind::deltas
        && !mistakes_.acknowledge_before_save && !save())
      return;
    if (*answer)
      send(from, std::move(**answer));
  }

  /// Clients change nothing here from `when` on.
  void change_until(nanoseconds when) {
    change_until_ = when;
  }

  [[nodiscard]] sim::machine& computer() noexcept {
    return machine_;
  }

  [[nodiscard]] const crdt_set& state() const noexcept {
    return state_;
  }

  [[nodiscard]] std::size_t buffered() const noexcept {
    return sync_.buffered();
  }

  std::vector<std::unique_ptr<replica_host>>* all = nullptr;

private:
  [[nodiscard]] static crdt::replica_id id_of(std::uint32_t number) noexcept {
    return {number + 1, 0};
  }

  void start() {
    auto read = crdt_set::decode(disk_.state);
    if (!read)
      return world_.fail("a saved state cannot be read");
    state_ = *std::move(read);
    sync_ = crdt::delta_synchronizer<crdt_set>{disk_.recorded, 16};
    for (std::uint32_t peer = 0; peer < group_size_; ++peer)
      if (peer != machine_.number())
        sync_.add_peer(id_of(peer));
    turn_in(dice_.between(0ns, gossip_period));
  }

  void turn_in(nanoseconds delay) {
    machine_.at_local(machine_.local_now() + delay, [this, life = life_] {
      if (life == life_)
        turn();
    });
  }

  void turn() {
    if (world_.now() < change_until_ && dice_.below(4) == 0 && !change())
      return;
    for (std::size_t i = 0; i < gossip_fan_out; ++i) {
      next_peer_ = (next_peer_ + 1) % group_size_;
      if (next_peer_ == machine_.number())
        continue;
      if (auto message = sync_.message_for(id_of(next_peer_)))
        if (!send(next_peer_, *std::move(message)))
          return;
    }
    turn_in(gossip_period);
  }

  /// A client adds an element, or removes one that it sees.
  bool change() {
    auto own = id_of(machine_.number());
    auto victim = dice_.below(ledger_.next);
    auto removes = dice_.below(3) == 0 && state_.contains(victim);
    auto element = removes ? victim : ledger_.next++;
    auto delta =
      removes ? state_.remove(own, element) : state_.add(own, element);
    if (!delta) {
      world_.fail("a change is refused");
      return false;
    }
    if (removes)
      ledger_.touched.insert(element);
    sync_.record(*std::move(delta));
    if (mistakes_.send_before_save) {
      for (std::uint32_t peer = 0; peer < group_size_; ++peer)
        if (auto message = sync_.message_for(id_of(peer)))
          if (!send(peer, *std::move(message)))
            return false;
    }
    if (!save())
      return false;
    (removes ? ledger_.removed : ledger_.added).insert(element);
    world_.note(removes ? "removed" : "added", element);
    return true;
  }

  bool save() {
    if (!machine_.survives())
      return false;
    disk_ = {state_.encode(), sync_.recorded()};
    return machine_.survives();
  }

  bool send(std::uint32_t to, crdt_message message) {
    if (!machine_.survives())
      return false;
    ++(message.delta ? ledger_.deltas : ledger_.digests);
    std::string delta;
    if (message.delta)
      delta = message.delta->encode();
    message.delta.reset();
    links_.send(
      machine_.number(), to,
      [this, to, delta = std::move(delta), message = std::move(message)] {
        (*all)[to]->receive(machine_.number(), delta, message);
      });
    return true;
  }

  kernel& world_;
  network& links_;
  sim::machine machine_;
  dice dice_;
  std::uint32_t group_size_;
  crdt_mistakes_made mistakes_;
  crdt_ledger& ledger_;
  crdt_disk disk_;
  crdt_set state_;
  crdt::delta_synchronizer<crdt_set> sync_;
  std::uint32_t next_peer_ = 0;
  std::uint64_t life_ = 0;
  nanoseconds change_until_{0};
};

using replica_hosts = std::vector<std::unique_ptr<replica_host>>;

bool is_settled(const replica_hosts& hosts) {
  for (const auto& one : hosts)
    if (one->buffered() != 0 || !(one->state() == hosts.front()->state()))
      return false;
  return true;
}

void check_ledger(kernel& world, const crdt_ledger& ledger,
                  const crdt_set& state) {
  for (auto element : ledger.added)
    if (!ledger.touched.contains(element) && !state.contains(element))
      world.fail("an acknowledged add is lost: " + std::to_string(element));
  for (auto element : ledger.removed)
    if (state.contains(element))
      world.fail("an acknowledged remove is lost: " + std::to_string(element));
}

std::uint32_t draw_group_size(dice from) {
  // Large ones are slow, and seldom tell more.
  return static_cast<std::uint32_t>(from.below(50) == 0 ? from.between(17, 64)
                                                        : from.between(3, 8));
}

} // namespace

std::string_view crdt_mistakes() noexcept {
  return "send_before_save,acknowledge_before_save";
}

run_result run_crdt(const run_request& asked) {
  kernel world{asked.seed};
  world.log().listen(asked.listener);
  auto faults = draw_plan(world.stream("plan"), asked.allowed);
  network links{world, faults};
  crdt_ledger ledger;
  crdt_mistakes_made mistakes{asked.mistake == "send_before_save",
                              asked.mistake == "acknowledge_before_save"};
  auto count = draw_group_size(world.stream("size"));
  replica_hosts hosts;
  std::vector<machine*> machines;
  for (std::uint32_t i = 0; i < count; ++i) {
    hosts.push_back(std::make_unique<replica_host>(world, links, faults, i,
                                                   count, mistakes, ledger));
    hosts.back()->all = &hosts;
    auto& computer = hosts.back()->computer();
    machines.push_back(&computer);
    links.add([&computer](network::delivery arrive) {
      computer.deliver(std::move(arrive));
    });
  }
  nemesis bad{world, faults, links, machines};
  for (auto* one : machines)
    one->start();
  bad.begin();
  auto length =
    world.stream("length").between(1s, 6s) * asked.length_ppt / 1000;
  // What a replica told last must be safe though nothing follows it.
  auto ends = world.stream("ends");
  for (auto& one : hosts)
    one->change_until(ends.between(0ns, length));
  world.run_until(length);
  bad.end();
  auto mended = world.now();
  while (!world.failed() && !is_settled(hosts)
         && world.now() < mended + longest_settling)
    world.run_until(world.now() + gossip_period);
  if (!world.failed() && !is_settled(hosts))
    world.fail("replicas do not come to one state with empty buffers");
  if (!world.failed())
    check_ledger(world, ledger, hosts.front()->state());

  run_result result;
  result.failure = world.failure();
  result.hash = world.log().hash();
  result.events = world.events();
  result.simulated = world.now();
  result.drawn = faults.kinds;
  std::uint64_t crashes = 0;
  for (const auto* one : machines)
    crashes += one->crashes();
  result.counts = {
    {"changes acknowledged", ledger.added.size() + ledger.removed.size()},
    {"removes acknowledged", ledger.removed.size()},
    {"deltas sent", ledger.deltas},
    {"digests and acknowledgements sent", ledger.digests},
    {"crashes", crashes},
    {"messages lost", links.seen().lost},
    {"messages duplicated", links.seen().duplicated},
    {"deeds of the nemesis", bad.deeds()},
  };
  return result;
}

} // namespace neuroplex::sim
