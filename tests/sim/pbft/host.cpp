#include "tests/sim/pbft/host.hpp"

#include "consensus/wire.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::sim {

namespace {

/// Small, so that a state has several.
constexpr std::size_t piece_bytes = 48;

} // namespace

slice pack_reply(const reply& what) {
  std::string bytes;
  wire_writer out{bytes};
  out.put(static_cast<std::uint8_t>(what.result));
  out.put(what.value);
  return slice::copy_of(bytes);
}

reply unpack_reply(std::string_view bytes) {
  wire_reader in{bytes};
  reply result;
  result.result = static_cast<outcome>(in.take<std::uint8_t>());
  result.value = in.take<register_value>();
  return in.complete() ? result : reply{};
}

slice replicated_registers::execute(const pbft::request& what) {
  const auto asked = unpack_command(what.operation.view());
  if (asked.what == verb::get) {
    return pack_reply({outcome::ok, registers_.get(asked.key)});
  }
  registers_.apply(
    {1, registers_.index() + 1, raft::entry_kind::command, what.operation});
  const auto* known = registers_.answer_to(asked.client, asked.sequence);
  return pack_reply(known != nullptr ? *known : reply{});
}

slice replicated_registers::read(std::string_view operation) const {
  return pack_reply(
    {outcome::ok, registers_.get(unpack_command(operation).key)});
}

std::vector<slice> replicated_registers::pieces() const {
  const auto whole = slice::copy_of(registers_.save(true));
  std::vector<slice> result;
  for (std::size_t at = 0; at < whole.size(); at += piece_bytes) {
    result.push_back(whole.part(whole.view().substr(at, piece_bytes)));
  }
  return result;
}

bool replicated_registers::load(const std::vector<slice>& pieces) {
  std::string whole;
  for (const auto& one : pieces) {
    whole += one.view();
  }
  return registers_.load(whole);
}

pbft_replica::pbft_replica(kernel& world, machine& box, carrier carry,
                           pbft_invariants& invariants,
                           const replica_settings& settings,
                           std::shared_ptr<const pbft::crypto> keys)
  : core_host{world, box, settings.host,
              world.stream("replica", settings.core.id)},
    carry_{std::move(carry)},
    invariants_{invariants}, settings_{settings.core}, keys_{std::move(keys)} {
}

std::unique_ptr<pbft::core> pbft_replica::make(pbft::durable_state found) {
  auto made =
    pbft::core::create(settings_, keys_, std::move(found), box_.local_now());
  if (!made) {
    world_.fail("recovery: replica " + std::to_string(settings_.id)
                + " refuses what it wrote: " + made.error().to_string());
    return nullptr;
  }
  state_ = {};
  executed_ = 0;
  invariants_.saw_start(settings_.id, made->state().view);
  return std::make_unique<pbft::core>(*std::move(made));
}

void pbft_replica::ending() {
  counts_ = seen();
}

pbft_replica::counts pbft_replica::seen() const {
  auto result = counts_;
  result.stopped_by_disk = stopped_by_disk_;
  if (node() != nullptr) {
    const auto state = node()->state();
    result.view_changes += state.view_changes;
    result.transfers += state.transfers;
    result.misdeeds += state.misdeeds;
  }
  return result;
}

bool pbft_replica::carry_out(pbft::effects& wanted) {
  if (wanted.view) {
    world_.note("view", settings_.id, wanted.view->view,
                wanted.view->active ? 1 : 0);
    world_.tell([&] {
      return "replica " + std::to_string(settings_.id) + " is in view "
             + std::to_string(wanted.view->view)
             + (wanted.view->active ? "" : ", which has not begun");
    });
    invariants_.saw_view(settings_.id, wanted.view->view);
  }
  if (!send_all(wanted.packets)) {
    return false;
  }
  if (wanted.write && !write(std::move(*wanted.write))) {
    return false;
  }
  if (wanted.install) {
    install(*wanted.install);
  }
  for (const auto& one : wanted.executions) {
    if (!box_.survives() || !execute(one)) {
      return false;
    }
  }
  for (const auto& one : wanted.reads) {
    feed(pbft::read_answered{one.client, one.number,
                             state_.read(one.operation.view())});
  }
  return true;
}

bool pbft_replica::send_all(const std::vector<pbft::packet>& packets) {
  for (const auto& one : packets) {
    if (!box_.survives()) {
      return false;
    }
    ++counts_.packets;
    const auto read = pbft::decode_message(one.bytes);
    if (!read) {
      world_.fail("codec: what replica " + std::to_string(settings_.id)
                  + " sends cannot be read: " + read.error().to_string());
      return false;
    }
    invariants_.saw_packet(settings_.id, *read, durable());
    carry_(settings_.id, one, 0);
  }
  return true;
}

bool pbft_replica::execute(const pbft::execution& what) {
  const auto id = settings_.id;
  invariants_.saw_execution(id, what);
  if (what.sequence != executed_ + 1) {
    world_.fail("no gaps: replica " + std::to_string(id) + " executes "
                + std::to_string(what.sequence) + " after "
                + std::to_string(executed_));
    return false;
  }
  executed_ = what.sequence;
  pbft::executed done{what.sequence, {}, {}};
  for (const auto& one : what.requests) {
    done.results.push_back(state_.execute(one));
  }
  if (what.checkpoint) {
    done.pieces = state_.pieces();
  }
  world_.note("executed", id, what.sequence, state_.digest());
  world_.tell([&] {
    return "replica " + std::to_string(id) + " executes "
           + std::to_string(what.requests.size()) + " requests at "
           + std::to_string(what.sequence);
  });
  invariants_.saw_state(id, what.sequence, state_.digest());
  feed(std::move(done));
  return true;
}

void pbft_replica::install(const pbft::install& what) {
  if (!state_.load(what.pieces)) {
    world_.fail("a state that a quorum signed cannot be read");
    return;
  }
  ++counts_.installs;
  world_.note("installed", settings_.id, what.sequence);
  executed_ = what.sequence;
  invariants_.saw_state(settings_.id, what.sequence, state_.digest());
  feed(pbft::installed{what.sequence});
}

} // namespace neuroplex::sim
