#include "tests/sim/raft/host.hpp"

#include "consensus/raft/codec.hpp"
#include "tests/sim/raft/describe.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <xxhash.h>

namespace neuroplex::sim {

using namespace std::chrono_literals;

namespace {

constexpr std::array<std::string_view, mistake_count> mistake_names{
  "none",
  "answer_before_sync",
  "install_before_sync",
  "snapshot_lacks_session",
  "forget_vote",
  "keep_incarnation",
};

constexpr auto longest_turn = 200us;
constexpr auto longest_stop = 1s;
constexpr std::size_t remembered_members = 4;

} // namespace

std::string_view name_of(mistake kind) noexcept {
  return mistake_names[static_cast<unsigned>(kind)];
}

raft_host::raft_host(kernel& world, machine& box, network& links,
                     raft_invariants& invariants,
                     const group_settings& settings,
                     std::vector<std::unique_ptr<raft_host>>& all)
  : world_{world}, box_{box}, links_{links}, invariants_{invariants},
    settings_{settings}, all_{all}, dice_{world.stream("host", box.number())},
    rare_{world.stream("host", box.number()), settings.rare_branches} {
  box_.on_start = [this] { boot(); };
  box_.on_stop = [this] {
    if (life_) {
      counts_.batches_logged += life_->log->batches();
      left_ = std::move(life_->log);
    }
    life_.reset();
  };
}

std::unique_ptr<node_files> raft_host::files() {
  return std::make_unique<node_files>(box_, dice_.fork("files", lives_),
                                      settings_.segment_bytes);
}

void raft_host::boot() {
  if (damaged_) {
    return;
  }
  ++lives_;
  life_ = std::make_unique<life>();
  life_->log = files();
  life_->log->told = [this](raft::write_id id, errc code) {
    written(id, code);
  };
  life_->log->answers_before_flush =
    settings_.wrong == mistake::answer_before_sync;
  const auto result = life_->log->load();
  if (result == node_files::found::damaged) {
    world_.note("damage found", box_.number());
    world_.tell([&] { return life_->log->problem(); });
    ++counts_.damage_found;
    damaged_ = true;
    if (!rotten_) {
      world_.fail("recovery: the log of node " + std::to_string(self().id)
                  + " is damaged, though nothing damaged it: "
                  + life_->log->problem());
    }
    life_.reset();
    return;
  }
  if (result == node_files::found::failed) {
    box_.storage().when_flushed([this] { crash_soon(); });
    return;
  }
  rotten_ = false;
  box_.storage().when_flushed([this] { begin_node(); });
}

void raft_host::begin_node() {
  left_.reset();
  const auto& saved = life_->log->snapshot().state;
  if (!saved.empty() && !life_->state.load(saved)) {
    world_.fail("recovery: a snapshot cannot be read back");
    return;
  }
  auto durable = life_->log->state();
  if (settings_.wrong == mistake::forget_vote) {
    durable.hard.vote = raft::nobody;
  }
  auto options = settings_.core;
  options.id = self().id;
  options.incarnation =
    settings_.wrong == mistake::keep_incarnation ? 0 : incarnation_;
  options.seed = dice_.next();
  auto made = raft::core::create(options, std::move(durable), box_.local_now());
  if (!made) {
    world_.fail("recovery: node " + std::to_string(self().id)
                + " refuses what it wrote: " + made.error().to_string());
    return;
  }
  life_->node = std::make_unique<raft::core>(std::move(*made));
  members_ = {life_->node->state().members};
  feed(raft::tick{});
}

bool raft_host::holds_durably(raft::incarnation_number disk,
                              raft::log_index index,
                              raft::term_number term) const {
  const node_files* files = nullptr;
  if (disk == incarnation_) {
    files = life_ && life_->node ? life_->log.get() : left_.get();
  } else if (disk < lost_.size()) {
    files = lost_[disk].get();
  } else {
    return false;
  }
  return files == nullptr || files->holds_durably(index, term);
}

void raft_host::receive(const raft::message& what) {
  if (node() != nullptr) {
    world_.note("message", what.from << 32 | what.to, what.term,
                what.body.index());
    feed(raft::received{what});
  }
}

void raft_host::order(raft::input what) {
  if (node() != nullptr) {
    feed(std::move(what));
  }
}

void raft_host::serve(const client_request& wish) {
  if (node() == nullptr) {
    return;
  }
  const auto request = next_request_++;
  life_->asked.emplace(request, wish).first->second.committed_before =
    invariants_.committed();
  if (wish.asked.what == verb::get) {
    feed(raft::read{request});
    return;
  }
  const auto bytes = pack_command(wish.asked, dice_.below(64));
  feed(raft::propose{request, {raft::slice::copy_of(bytes)}});
}

void raft_host::feed(raft::input what) {
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

void raft_host::drain() {
  raft::effects wanted;
  while (life_ && !life_->inputs.empty()) {
    if (settings_.batches) {
      for (auto count = life_->inputs.size(); count > 0; --count) {
        life_->node->absorb(life_->inputs.front(), box_.local_now());
        life_->inputs.pop_front();
      }
      life_->node->flush(box_.local_now(), wanted);
    } else {
      const auto next = std::move(life_->inputs.front());
      life_->inputs.pop_front();
      life_->node->step(next, box_.local_now(), wanted);
    }
    if (!carry_out(wanted)) {
      return; // crashed on the way
    }
  }
  if (life_) {
    life_->draining = false;
    arm();
  }
}

void raft_host::arm() {
  const auto deadline = life_->node->next_deadline();
  if (deadline >= life_->armed_for || deadline == raft::time::max()) {
    return;
  }
  life_->armed_for = deadline;
  box_.at_local(deadline, [this, deadline] {
    if (life_->armed_for != deadline) {
      return;
    }
    life_->armed_for = nanoseconds::max();
    if (box_.local_now() >= life_->node->next_deadline()) {
      feed(raft::tick{});
    } else {
      arm();
    }
  });
}

bool raft_host::carry_out(raft::effects& wanted) {
  if (wanted.membership) {
    members_.insert(members_.begin(), wanted.membership->members);
    members_.resize(std::min(members_.size(), remembered_members));
    world_.tell([&] {
      return node_name(self().id) + " has members "
             + describe(wanted.membership->members);
    });
  }
  if (wanted.role) {
    life_->role = wanted.role->role;
    world_.note("role", self().id,
                static_cast<std::uint64_t>(wanted.role->role),
                wanted.role->term);
    invariants_.saw_role(self().id, lives_, *wanted.role, life_->node->log());
    life_->committed_in_office = false;
    if (leads() && on_elected) {
      on_elected();
    }
  }
  if (settings_.messages_first && !send_all(wanted.messages)) {
    return false;
  }
  if (wanted.write && !write(*wanted.write)) {
    return false;
  }
  if (!settings_.messages_first && !send_all(wanted.messages)) {
    return false;
  }
  // A command may be accepted and committed in one step.
  for (const auto& one : wanted.answers) {
    told_answer(one);
  }
  if (!wanted.committed.empty() && !apply_all(wanted.committed)) {
    return false;
  }
  serve_reads();
  for (const auto& one : wanted.chunk_reads) {
    read_chunk(one);
  }
  if (wanted.store) {
    store_chunk(*wanted.store);
  }
  if (!box_.survives()) {
    return false;
  }
  if (wanted.install) {
    install(*wanted.install);
  }
  maybe_save();
  return true;
}

bool raft_host::send_all(const std::vector<raft::message>& messages) {
  for (const auto& one : messages) {
    if (!box_.survives()) {
      return false;
    }
    send(one);
  }
  return true;
}

void raft_host::send(const raft::message& what) {
  ++counts_.messages;
  world_.tell([&] { return "sent: " + describe(what); });
  check_promise(what);
  if (what.to == raft::nobody || what.to > all_.size()) {
    world_.fail("a message goes to nobody: " + describe(what));
    return;
  }
  const auto to = static_cast<network::end_point>(what.to - 1);
  auto shared = std::make_shared<const raft::message>(what);
  if (settings_.through_codec) {
    std::string bytes;
    raft::encode_message(what, bytes);
    auto read_back = raft::decode_message(raft::slice::copy_of(bytes));
    if (!read_back || !(*read_back == what)) {
      world_.fail("codec: this is read back as something else: "
                  + describe(what));
      return;
    }
    shared = std::make_shared<const raft::message>(std::move(*read_back));
  }
  links_.send(box_.number(), to,
              [other = all_[to].get(), shared] { other->receive(*shared); });
}

// Whatever a message promises must be on the disk before it leaves.
void raft_host::check_promise(const raft::message& what) {
  const auto& durable = life_->log->durable();
  const auto& snapshot = life_->log->snapshot().meta;
  const auto* request = std::get_if<raft::vote_request>(&what.body);
  const auto* vote = std::get_if<raft::vote_reply>(&what.body);
  const auto* accepted = std::get_if<raft::append_reply>(&what.body);
  const auto is_pre = (request != nullptr && request->pre)
                      || (vote != nullptr && vote->pre && vote->granted);
  auto kept =
    is_pre || what.term <= durable.hard().term || what.term <= snapshot.term;
  if (vote != nullptr && vote->granted && !vote->pre) {
    kept = kept && durable.hard().term == what.term
           && durable.hard().vote == what.to;
  }
  if (accepted != nullptr && !accepted->rejected) {
    kept =
      kept && accepted->index <= std::max(durable.last_index(), snapshot.index);
  }
  if (!kept) {
    world_.fail("promises are durable: this left before it was: "
                + describe(what));
  }
}

bool raft_host::write(const raft::disk_write& what) {
  if (!box_.survives()) {
    return false;
  }
  const auto first =
    what.entries.empty() ? raft::log_index{0} : what.entries.front().index;
  if (first != 0) {
    invariants_.saw_entries(self().id, what.entries,
                            life_->node->log().term_of(first - 1));
  }
  life_->log->store(what);
  return true;
}

void raft_host::written(raft::write_id id, errc code) {
  if (code == errc::ok) {
    invariants_.saw_promise(self(), life_->log->durable().hard());
    if (rare_.strikes("answer of the disk comes late", 50'000)) {
      // All up to a later one may be told at once; this one is then old news.
      box_.at_local(box_.local_now() + dice_.between(0ns, 5ms),
                    [this, id] { feed(raft::persisted{id}); });
      return;
    }
    feed(raft::persisted{id});
    return;
  }
  disk_failed();
}

void raft_host::disk_failed() {
  ++counts_.stopped_by_disk;
  world_.note("disk failed", box_.number());
  feed(raft::persist_failed{});
  crash_soon();
}

void raft_host::crash_soon() {
  box_.at_local(box_.local_now() + dice_.between(10ms, longest_stop), [this] {
    box_.crash(dice_.coin() ? stop::power_loss : stop::kill);
  });
}

void raft_host::crash_if_stopped() {
  if (life_ && (life_->role == raft::role::stopped || !life_->node)) {
    box_.crash();
  }
}

bool raft_host::apply_all(const std::vector<raft::entry>& entries) {
  auto& state = life_->state;
  for (const auto& one : entries) {
    if (!box_.survives()) {
      return false;
    }
    if (leads()) {
      invariants_.saw_commit(self().id, one, members_);
      if (!std::exchange(life_->committed_in_office, true) && on_first_commit) {
        on_first_commit();
      }
    } else {
      invariants_.saw_commit(self().id, one, {});
    }
    if (one.index != state.index() + 1) {
      world_.fail("no gaps: node " + std::to_string(self().id) + " applies "
                  + std::to_string(one.index) + " after "
                  + std::to_string(state.index()));
      return false;
    }
    state.apply(one);
    invariants_.saw_state(self().id, one.index, state.digest());
    world_.note("applied", self().id, one.index, state.digest());
    if (one.kind != raft::entry_kind::command) {
      continue;
    }
    const auto asked = unpack_command(one.data.view());
    const auto waiting = life_->proposed.find({asked.client, asked.sequence});
    if (waiting != life_->proposed.end()) {
      const auto* known = state.answer_to(asked.client, asked.sequence);
      waiting->second.answer(
        known != nullptr ? *known : reply{outcome::unknown, absent}, self().id);
      life_->proposed.erase(waiting);
    }
  }
  const auto index = state.index();
  if (rare_.strikes("application is told late", 200'000)) {
    box_.at_local(box_.local_now() + dice_.between(0ns, 100ms),
                  [this, index] { feed(raft::applied{index}); });
  } else {
    feed(raft::applied{index});
  }
  return true;
}

void raft_host::told_answer(const raft::answer& what) {
  world_.tell(
    [&] { return node_name(self().id) + " answers " + describe(what); });
  const auto found = life_->asked.find(what.request);
  if (found == life_->asked.end()) {
    return;
  }
  auto wish = std::move(found->second);
  life_->asked.erase(found);
  switch (what.kind) {
    case raft::answer_kind::accepted:
      life_->proposed[{wish.asked.client, wish.asked.sequence}] =
        std::move(wish);
      return;
    case raft::answer_kind::refused:
      wish.answer({outcome::failed, absent}, what.leader);
      return;
    case raft::answer_kind::read_ready:
      if (what.index < wish.committed_before) {
        world_.fail("reads are fresh: node " + std::to_string(self().id)
                    + " reads at " + std::to_string(what.index) + ", but "
                    + std::to_string(wish.committed_before)
                    + " was committed when it was asked");
      }
      life_->reads.push_back({std::move(wish), what.index});
      return;
    case raft::answer_kind::outcome_unknown:
    case raft::answer_kind::transferred:
      return; // the client finds out by itself
  }
}

void raft_host::serve_reads() {
  std::erase_if(life_->reads, [&](const waiting_read& one) {
    if (one.index > life_->state.index()) {
      return false;
    }
    one.wish.answer({outcome::ok, life_->state.get(one.wish.asked.key)},
                    self().id);
    return true;
  });
}

void raft_host::read_chunk(const raft::chunk_wanted& wanted) {
  const auto& kept = life_->log->snapshot();
  if (kept.meta.index != wanted.meta.index
      || rare_.strikes("snapshot is gone", 50'000)) {
    feed(raft::chunk_unavailable{wanted.to, wanted.meta.index});
    return;
  }
  const std::string_view state{kept.state};
  const auto from = std::min<std::size_t>(wanted.offset, state.size());
  const auto piece = state.substr(from, wanted.max_bytes);
  feed(raft::chunk_read{wanted.to, wanted.meta.index, wanted.offset,
                        raft::slice::copy_of(piece),
                        from + piece.size() == state.size()});
}

void raft_host::store_chunk(const raft::chunk_to_store& chunk) {
  if (chunk.offset == 0) {
    life_->incoming.clear();
    life_->incoming_index = chunk.meta.index;
  }
  if (chunk.meta.index != life_->incoming_index
      || chunk.offset != life_->incoming.size()
      || rare_.strikes("piece of a snapshot is not stored", 20'000)) {
    feed(raft::snapshot_failed{chunk.meta.index});
    return;
  }
  life_->incoming += chunk.data.view();
  feed(raft::chunk_stored{chunk.meta.index, life_->incoming.size()});
}

void raft_host::install(const raft::snapshot_meta& meta) {
  auto& incoming = life_->incoming;
  const auto good =
    meta.index == life_->incoming_index && incoming.size() == meta.bytes
    && XXH3_64bits(incoming.data(), incoming.size()) == meta.checksum;
  if (!good) {
    feed(raft::snapshot_failed{meta.index});
    return;
  }
  const auto early = settings_.wrong == mistake::install_before_sync;
  const auto code = life_->log->store_snapshot(
    {meta, incoming}, [this, early, meta, incoming](errc result) {
      if (result != errc::ok) {
        disk_failed();
      } else if (!early) {
        installed(meta, incoming);
      }
    });
  if (code != errc::ok) {
    feed(raft::snapshot_failed{meta.index});
  } else if (early) {
    installed(meta, incoming);
  }
}

void raft_host::installed(const raft::snapshot_meta& meta,
                          std::string_view state) {
  if (!life_->state.load(state)) {
    world_.fail("a snapshot that was received cannot be read");
    return;
  }
  ++counts_.snapshots_installed;
  world_.note("installed", self().id, meta.index);
  invariants_.saw_state(self().id, life_->state.index(), life_->state.digest());
  feed(raft::snapshot_installed{meta.index});
}

void raft_host::maybe_save() {
  const auto& state = life_->state;
  if (life_->saving
      || state.index()
           < life_->log->snapshot().meta.index + settings_.snapshot_every) {
    return;
  }
  auto meta = life_->node->snapshot_meta_at(state.index());
  if (!meta) {
    return;
  }
  auto saved = state.save(settings_.wrong != mistake::snapshot_lacks_session);
  meta->bytes = saved.size();
  meta->checksum = XXH3_64bits(saved.data(), saved.size());
  const auto code = life_->log->store_snapshot(
    {*meta, std::move(saved)}, [this, taken = *meta](errc result) {
      life_->saving = false;
      if (result != errc::ok) {
        disk_failed();
        return;
      }
      ++counts_.snapshots_taken;
      feed(raft::snapshot_taken{taken});
    });
  life_->saving = code == errc::ok;
}

bool raft_host::rot(dice& thrown) {
  return may_damage() && damaged(life_->log->rot_somewhere(thrown), "rot");
}

bool raft_host::misdirect(dice& thrown) {
  return may_damage()
         && damaged(box_.storage().misdirect(thrown), "misdirected");
}

bool raft_host::may_damage() const noexcept {
  return !damaged_ && !rotten_ && life_ && life_->node;
}

bool raft_host::damaged(bool is, std::string_view how) {
  if (is) {
    world_.note(how, box_.number());
    rotten_ = true;
  }
  return is;
}

void raft_host::replace_disk() {
  box_.crash();
  box_.storage().wipe();
  life_.reset();
  lost_.push_back(std::move(left_));
  world_.note("new disk", box_.number());
  ++incarnation_;
  ++counts_.disks_replaced;
  damaged_ = false;
  rotten_ = false;
  box_.start();
}

} // namespace neuroplex::sim
