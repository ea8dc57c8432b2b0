#include "tests/sim/hybrid/host.hpp"

#include "tests/sim/hybrid/registers.hpp"

namespace neuroplex::sim {

namespace {

/// More than a replica asks for in one life.
constexpr std::uint64_t requests_of_a_life = 1'000'000;

/// Whether a packet says that its sender stopped.
bool tells_stop(const pbft::packet& one, hybrid::node_id sender) {
  auto read = hybrid::decode_message(one.bytes);
  const auto* said = read ? std::get_if<hybrid::stop>(&read->body) : nullptr;
  return said != nullptr && said->replica == sender;
}

} // namespace

hybrid_replica::hybrid_replica(kernel& world, machine& box, carrier carry,
                               hybrid_invariants& invariants,
                               const hybrid_replica_settings& settings,
                               const hybrid::replica_keys& keys)
  : core_host{world, box, settings.host,
              world.stream("replica", settings.core.agreement.id)},
    carry_{std::move(carry)},
    invariants_{invariants}, settings_{settings.core}, keys_{keys} {
}

std::unique_ptr<hybrid::core>
hybrid_replica::make(hybrid::durable_state found) {
  auto made = hybrid::core::create(
    settings_, keys_, std::make_unique<plain_registers>(), std::move(found),
    ++lives_ * requests_of_a_life, box_.local_now());
  if (!made) {
    world_.fail("recovery: replica " + std::to_string(settings_.agreement.id)
                + " refuses what it wrote: " + made.error().to_string());
    return nullptr;
  }
  invariants_.saw_start(settings_.agreement.id);
  return std::make_unique<hybrid::core>(*std::move(made));
}

void hybrid_replica::ending() {
  counts_ = seen();
}

hybrid_replica::counts hybrid_replica::seen() const {
  auto result = counts_;
  result.stopped_by_disk = stopped_by_disk_;
  if (node() != nullptr) {
    const auto state = node()->state();
    result.epochs_by_raft += state.epochs_by_raft;
    result.rolled_back += state.rolled_back;
    result.evidence += state.evidence;
    result.transfers += state.agreement.transfers;
  }
  return result;
}

bool hybrid_replica::carry_out(hybrid::effects& wanted) {
  const auto id = settings_.agreement.id;
  const auto now = node()->state();
  invariants_.saw_suspicion(now);
  for (const auto& one : wanted.packets) {
    if (!box_.survives()) {
      return false;
    }
    if (now.stopped_epoch && tells_stop(one, id)) {
      invariants_.saw_stop(id, now.where.epoch);
    }
    carry_(id, one, 0);
  }
  if (wanted.write && !write(std::move(*wanted.write))) {
    return false;
  }
  if (wanted.replaced) {
    invariants_.saw_replaced(id);
  }
  for (const auto& one : wanted.executed) {
    world_.note("executed", id, one.position, one.where.epoch);
    invariants_.saw_execution(id, one);
  }
  if (wanted.switched) {
    world_.note("switched", id, wanted.switched->epoch,
                wanted.switched->leader);
    world_.tell([&] {
      return "replica " + std::to_string(id) + " begins epoch "
             + std::to_string(wanted.switched->epoch)
             + (wanted.switched->how == hybrid::mode::raft
                  ? " by Raft under " + std::to_string(wanted.switched->leader)
                  : " by PBFT");
    });
    invariants_.saw_switch(id, *wanted.switched);
  }
  invariants_.saw_status(id, node()->state());
  return true;
}

} // namespace neuroplex::sim
