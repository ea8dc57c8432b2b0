#include "tests/sim/pbft/host.hpp"

#include "consensus/wire.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::sim {

using namespace std::chrono_literals;

namespace {

constexpr auto longest_turn = 500us;
constexpr auto retry_when_full = 5ms;
constexpr auto longest_stop = 200ms;

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
  : world_{world}, box_{box}, carry_{std::move(carry)},
    invariants_{invariants}, settings_{settings}, keys_{std::move(keys)},
    dice_{world.stream("replica", settings.core.id)} {
  box_.on_start = [this] { start(); };
  box_.on_stop = [this] { end_life(); };
}

void pbft_replica::start() {
  if (settings_.forget_disk) {
    box_.storage().wipe();
  }
  life_ = std::make_unique<life>(box_);
  auto found = life_->log.load();
  make_certain(std::move(found));
}

// What was read may be in the memory of the kernel only.
void pbft_replica::make_certain(pbft::durable_state found) {
  const auto code = life_->log.write_again([this, found](errc result) {
    if (result == errc::ok) {
      begin(found);
    } else {
      crash_soon();
    }
  });
  if (code != errc::ok) {
    box_.at_local(box_.local_now() + retry_when_full,
                  [this, found = std::move(found)] { make_certain(found); });
  }
}

void pbft_replica::begin(pbft::durable_state found) {
  auto made = pbft::core::create(settings_.core, keys_, std::move(found),
                                 box_.local_now());
  if (!made) {
    world_.fail("recovery: replica " + std::to_string(settings_.core.id)
                + " refuses what it wrote: " + made.error().to_string());
    return;
  }
  life_->node = std::make_unique<pbft::core>(*std::move(made));
  invariants_.saw_start(settings_.core.id, life_->node->state().view);
  feed(pbft::tick{});
}

void pbft_replica::end_life() {
  counts_ = seen();
  life_.reset();
}

pbft_replica::counts pbft_replica::seen() const {
  auto result = counts_;
  if (node() != nullptr) {
    const auto state = node()->state();
    result.view_changes += state.view_changes;
    result.transfers += state.transfers;
    result.misdeeds += state.misdeeds;
  }
  return result;
}

void pbft_replica::crash_if_stopped() {
  if (node() != nullptr && node()->state().stopped) {
    box_.crash();
  }
}

void pbft_replica::receive(const pbft::packet& what) {
  if (node() != nullptr) {
    feed(pbft::received{what});
  }
}

void pbft_replica::feed(pbft::input what) {
  life_->inputs.push_back(std::move(what));
  if (life_->draining) {
    return;
  }
  life_->draining = true;
  if (settings_.batches) {
    box_.at_local(box_.local_now() + dice_.between(0ns, longest_turn),
                  [this] { drain(); });
    return;
  }
  drain();
}

void pbft_replica::drain() {
  pbft::effects wanted;
  while (life_ && !life_->inputs.empty()) {
    auto count = settings_.batches ? life_->inputs.size() : 1;
    for (; count > 0; --count) {
      life_->node->absorb(life_->inputs.front(), box_.local_now());
      life_->inputs.pop_front();
    }
    life_->node->flush(box_.local_now(), wanted);
    if (!carry_out(wanted)) {
      return; // crashed on the way
    }
  }
  if (life_) {
    life_->draining = false;
    arm();
  }
}

void pbft_replica::arm() {
  const auto deadline = life_->node->next_deadline();
  if (deadline >= life_->armed_for || deadline == pbft::time::max()) {
    return;
  }
  life_->armed_for = deadline;
  box_.at_local(deadline, [this, deadline] {
    if (life_->armed_for != deadline) {
      return;
    }
    life_->armed_for = nanoseconds::max();
    if (box_.local_now() >= life_->node->next_deadline()) {
      feed(pbft::tick{});
    } else {
      arm();
    }
  });
}

bool pbft_replica::carry_out(pbft::effects& wanted) {
  if (wanted.view) {
    world_.note("view", settings_.core.id, wanted.view->view,
                wanted.view->active ? 1 : 0);
    world_.tell([&] {
      return "replica " + std::to_string(settings_.core.id) + " is in view "
             + std::to_string(wanted.view->view)
             + (wanted.view->active ? "" : ", which has not begun");
    });
    invariants_.saw_view(settings_.core.id, wanted.view->view);
  }
  if (!send_all(wanted.packets)) {
    return false;
  }
  if (wanted.write) {
    if (!box_.survives()) {
      return false;
    }
    life_->unwritten.push_back(std::move(*wanted.write));
    if (life_->unwritten.size() == 1) {
      try_writes();
    }
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
                             life_->state.read(one.operation.view())});
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
      world_.fail("codec: what replica " + std::to_string(settings_.core.id)
                  + " sends cannot be read: " + read.error().to_string());
      return false;
    }
    invariants_.saw_packet(settings_.core.id, *read, life_->log.durable());
    carry_(settings_.core.id, one, 0);
  }
  return true;
}

bool pbft_replica::execute(const pbft::execution& what) {
  const auto id = settings_.core.id;
  invariants_.saw_execution(id, what);
  if (what.sequence != life_->executed + 1) {
    world_.fail("no gaps: replica " + std::to_string(id) + " executes "
                + std::to_string(what.sequence) + " after "
                + std::to_string(life_->executed));
    return false;
  }
  life_->executed = what.sequence;
  pbft::executed done{what.sequence, {}, {}};
  for (const auto& one : what.requests) {
    done.results.push_back(life_->state.execute(one));
  }
  if (what.checkpoint) {
    done.pieces = life_->state.pieces();
  }
  world_.note("executed", id, what.sequence, life_->state.digest());
  world_.tell([&] {
    return "replica " + std::to_string(id) + " executes "
           + std::to_string(what.requests.size()) + " requests at "
           + std::to_string(what.sequence);
  });
  invariants_.saw_state(id, what.sequence, life_->state.digest());
  feed(std::move(done));
  return true;
}

void pbft_replica::install(const pbft::install& what) {
  if (!life_->state.load(what.pieces)) {
    world_.fail("a state that a quorum signed cannot be read");
    return;
  }
  ++counts_.installs;
  world_.note("installed", settings_.core.id, what.sequence);
  life_->executed = what.sequence;
  invariants_.saw_state(settings_.core.id, what.sequence,
                        life_->state.digest());
  feed(pbft::installed{what.sequence});
}

void pbft_replica::try_writes() {
  while (!life_->unwritten.empty()) {
    const auto id = life_->unwritten.front().id;
    const auto code =
      life_->log.store(life_->unwritten.front(),
                       [this, id](errc result) { written(id, result); });
    if (code != errc::ok) {
      box_.at_local(box_.local_now() + retry_when_full,
                    [this] { try_writes(); });
      return;
    }
    life_->unwritten.pop_front();
    if (settings_.answer_before_sync) {
      box_.at_local(box_.local_now(),
                    [this, id] { feed(pbft::persisted{id}); });
    }
  }
}

void pbft_replica::written(pbft::write_id id, errc code) {
  if (code == errc::ok) {
    feed(pbft::persisted{id});
    return;
  }
  ++counts_.stopped_by_disk;
  world_.note("disk failed", box_.number());
  feed(pbft::persist_failed{});
  crash_soon();
}

void pbft_replica::crash_soon() {
  box_.at_local(box_.local_now() + dice_.between(10ms, longest_stop), [this] {
    box_.crash(dice_.coin() ? stop::power_loss : stop::kill);
  });
}

} // namespace neuroplex::sim
