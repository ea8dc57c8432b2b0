#include "actors/replica/core.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::replica {

namespace {

constexpr std::string_view snapshot_text = "replica snapshot";

failure refused(errc code, const std::string& what) {
  return {code, "replica message: " + what + ": nothing was applied"};
}

} // namespace

core::core(core_options options, recovered_state from,
           std::uint32_t fresh_incarnation)
  : options_{std::move(options)}, self_{options_.self, from.incarnation == 0
                                                         ? fresh_incarnation
                                                         : from.incarnation},
    state_{std::move(from.state)}, clock_{crdt::hybrid_clock::restored(
                                     from.clock, limits::max_clock_drift)},
    synchronizer_{from.recorded}, settled_{state_.context()},
    // What was reserved may have been used by a life that could not write it
    // down any more.
    counter_{from.reserved}, reserved_{from.reserved},
    asked_reserve_{from.reserved}, numbered_{from.recorded},
    sequence_{from.sequence}, written_{from.sequence} {
  for (auto node : options_.peers)
    answered(peers_[node]);
  if (from.incarnation == 0)
    add_record(record_kind::renew, self_.incarnation, {});
  reserve_ahead();
}

// -- operations of clients ----------------------------------------------------

expected<write_context> core::writer(const moment& now) {
  if (!disk_problem_.empty())
    return failure{errc::io, disk_problem_};
  auto stamp = clock_.tick(now.unix_time);
  if (!stamp)
    return stamp.error();
  return write_context{state_, changes_, self_, counter_, reserved_, *stamp};
}

std::optional<milliseconds> core::age(const moment& now) const {
  milliseconds oldest{0};
  for (const auto& [node, peer] : peers_) {
    if (!peer.fresh_at)
      return std::nullopt;
    oldest = std::max(oldest, now.steady - *peer.fresh_at);
  }
  return oldest;
}

bool core::fresh(const moment& now) const {
  if (options_.gives == promise::causal)
    return std::none_of(peers_.begin(), peers_.end(),
                        [](const auto& one) { return one.second.partly_here; });
  if (options_.gives != promise::bounded_staleness)
    return true;
  auto oldest = age(now);
  return oldest && *oldest <= options_.staleness;
}

void core::freshen(const moment& now) {
  for (auto& [node, peer] : peers_) {
    auto waits =
      peer.probe_sent && now.steady - *peer.probe_sent < options_.resend;
    if (!peer.connected || waits)
      continue;
    peer.probe_sent = now.steady;
    send(node, {.kind = frame_kind::probe,
                .token = static_cast<std::uint64_t>(now.steady.count())});
  }
}

bool core::reaches(std::uint32_t node) const {
  auto found = peers_.find(node);
  return found != peers_.end() && found->second.connected;
}

std::optional<std::uint32_t> core::reached_after(std::uint32_t node) const {
  for (auto at = peers_.upper_bound(node); at != peers_.end(); ++at)
    if (at->second.connected)
      return at->first;
  return std::nullopt;
}

void core::put_question(std::uint32_t node, std::uint64_t token,
                        std::string question) {
  send(node, {.kind = frame_kind::question,
              .token = token,
              .body = std::move(question)});
}

std::vector<forwarded_read> core::take_questions() {
  return std::exchange(questions_, {});
}

void core::answer_question(const forwarded_read& what,
                           std::optional<std::string> answer) {
  send(what.node, {.kind = frame_kind::answered,
                   .token = what.token,
                   .body = std::move(answer)});
}

std::vector<forwarded_read> core::take_answers() {
  return std::exchange(answers_, {});
}

// -- the disk -----------------------------------------------------------------

void core::add_record(record_kind kind, std::uint64_t number,
                      std::string payload) {
  unwritten_.push_back({.sequence = ++sequence_, .bytes = payload.size()});
  records_.push_back({kind, sequence_, number, std::move(payload)});
}

void core::reserve_ahead() {
  if (asked_reserve_ - std::min(asked_reserve_, counter_)
      > limits::counters_ahead / 2)
    return;
  asked_reserve_ = counter_ + limits::counters_ahead;
  add_record(record_kind::reserve, asked_reserve_, {});
  unwritten_.back().reserve = asked_reserve_;
}

void core::take_turn() {
  if (changes_.empty())
    return;
  auto delta = state_.collect(std::exchange(changes_, {}));
  add_record(record_kind::own, ++numbered_, delta.encode());
  unwritten_.back().context = delta.context();
  unwritten_.back().own = std::move(delta);
  reserve_ahead();
}

std::vector<record> core::take_records() {
  return std::exchange(records_, {});
}

void core::written(std::uint64_t sequence, const moment& now) {
  written_ = std::max(written_, sequence);
  while (!unwritten_.empty() && unwritten_.front().sequence <= sequence) {
    auto one = std::move(unwritten_.front());
    unwritten_.pop_front();
    settled_.merge(one.context);
    reserved_ = std::max(reserved_, one.reserve);
    if (one.own) {
      static_cast<void>(synchronizer_.record(std::move(*one.own)));
      for (auto& [node, peer] : peers_)
        peer.kept_bytes += one.bytes;
    }
    for (auto& [node, what] : one.answers)
      send(node, std::move(what));
  }
  pump_all(now);
}

void core::disk_failed(const std::string& why) {
  disk_problem_ = why;
}

std::string core::snapshot() const {
  crdt::replica_table table;
  crdt::encoder out{table};
  out.put_varint(self_.incarnation);
  out.put_varint(sequence_);
  out.put_varint(numbered_);
  out.put_varint(asked_reserve_);
  out.put_fixed64(clock_.last().bits);
  out.put_bytes(state_.whole().encode());
  return out.finish(crdt::kind_of(snapshot_text));
}

expected<recovered_state>
recovered_state::from_snapshot(std::string_view bytes) {
  crdt::decode_limits most;
  most.max_element_bytes = limits::max_snapshot_bytes;
  crdt::replica_table table;
  crdt::decoder in{bytes, crdt::kind_of(snapshot_text), table, most};
  recovered_state result;
  auto incarnation = in.take_varint();
  if (incarnation == 0 || incarnation > UINT32_MAX)
    in.fail("an incarnation that nobody has");
  result.incarnation = static_cast<std::uint32_t>(incarnation);
  result.sequence = in.take_varint();
  result.recorded = in.take_varint();
  result.reserved = in.take_varint();
  result.clock.bits = in.take_fixed64();
  auto state = in.take_bytes();
  if (auto read = in.finish(); !read)
    return read.error();
  auto all = fact_delta::decode(state);
  if (!all)
    return all.error();
  if (auto joined = result.state.merge(*all); !joined)
    return joined.error();
  return result;
}

expected<void> recovered_state::apply(const record& one) {
  if (one.sequence <= sequence)
    return {};
  if (one.sequence != sequence + 1)
    return failure{errc::corrupt,
                   "replica log: record " + std::to_string(one.sequence)
                     + " after " + std::to_string(sequence)
                     + ": a part is missing: remove this replica's files, and "
                       "it gets all from the others"};
  sequence = one.sequence;
  switch (one.kind) {
    case record_kind::own:
    case record_kind::other: {
      auto delta = fact_delta::decode(one.payload);
      if (!delta)
        return failure{errc::corrupt,
                       "replica log: " + delta.error().message()};
      if (auto joined = state.merge(*delta); !joined)
        return failure{errc::corrupt,
                       "replica log: " + joined.error().message()};
      for (const auto& [made_by, what] : delta->facts())
        clock = std::max(clock, what.written);
      if (one.kind == record_kind::own)
        recorded = one.number;
      return {};
    }
    case record_kind::reserve:
      reserved = one.number;
      return {};
    case record_kind::renew:
      incarnation = static_cast<std::uint32_t>(one.number);
      recorded = 0;
      reserved = 0;
      return {};
  }
  return failure{errc::corrupt, "replica log: a record of an unknown kind"};
}

// -- sending ------------------------------------------------------------------

void core::send(std::uint32_t to, frame what) {
  what.from = self_;
  auto plain = encode(what);
  auto plain_bytes = plain.size();
  auto packed = packer_.pack(std::move(plain));
  ++counters_.messages_sent;
  counters_.bytes_sent += packed.size();
  counters_.bytes_packed += plain_bytes + 1 - packed.size();
  messages_.push_back({to, std::move(packed)});
}

std::vector<outgoing_message> core::take_messages() {
  return std::exchange(messages_, {});
}

frame core::my_digest(frame_kind kind) const {
  frame result{.kind = kind};
  result.digest = state_.digest();
  return result;
}

// One message under way a peer: what is changed meanwhile goes with the next.
void core::pump(std::uint32_t node, peer& to, const moment& now) {
  if (!to.id)
    return;
  if (to.kept_bytes > limits::max_kept_bytes && !to.put_off) {
    to.put_off = true;
    synchronizer_.remove_peer(*to.id);
  }
  if (!to.connected || to.under_way)
    return;
  if (std::exchange(to.put_off, false)) {
    to.kept_bytes = 0;
    synchronizer_.add_peer(*to.id);
  }
  auto message = synchronizer_.message_for(*to.id);
  if (!message)
    return;
  to.under_way = true;
  to.sent_at = now.steady;
  frame what{.kind = message->kind == crdt::sync_kind::ask ? frame_kind::ask
                                                           : frame_kind::deltas,
             .first = message->first,
             .last = message->last,
             .delta = std::move(message->delta)};
  if (options_.gives == promise::causal)
    what.knows = settled_;
  send(node, std::move(what));
}

void core::pump_all(const moment& now) {
  for (auto& [node, peer] : peers_)
    pump(node, peer, now);
}

void core::peer_met(std::uint32_t node, const moment& now) {
  auto found = peers_.find(node);
  if (found == peers_.end())
    return;
  auto& peer = found->second;
  peer.connected = true;
  answered(peer);
  peer.probe_sent.reset();
  send(node, my_digest(frame_kind::digest));
  pump(node, peer, now);
}

void core::peer_lost(std::uint32_t node) {
  auto found = peers_.find(node);
  if (found != peers_.end())
    found->second.connected = false;
}

void core::tick(const moment& now) {
  for (auto& [node, peer] : peers_)
    if (peer.under_way && now.steady - peer.sent_at >= peer.patience) {
      // Lost, or still waiting there: who is slow must not get more to do.
      constexpr auto longest = 32;
      peer.patience = std::min(2 * peer.patience, longest * options_.resend);
      peer.under_way = false;
      pump(node, peer, now);
    }
  if (now.steady >= next_digest_) {
    next_digest_ = now.steady + options_.anti_entropy;
    // The next connected peer after the last one, in a circle.
    auto next = peers_.upper_bound(last_shown_);
    for (std::size_t i = 0; i < peers_.size(); ++i, ++next) {
      if (next == peers_.end())
        next = peers_.begin();
      if (!next->second.connected)
        continue;
      last_shown_ = next->first;
      send(next->first, my_digest(frame_kind::digest));
      break;
    }
  }
  if (options_.gives == promise::bounded_staleness) {
    auto oldest = age(now);
    if (!oldest || *oldest >= options_.staleness / 4)
      freshen(now);
  }
}

milliseconds core::next_due() const {
  auto due = next_digest_;
  for (const auto& [node, peer] : peers_) {
    if (peer.under_way)
      due = std::min(due, peer.sent_at + peer.patience);
    if (options_.gives == promise::bounded_staleness && peer.connected)
      due =
        std::min(due, peer.probe_sent ? *peer.probe_sent + options_.resend
                                      : peer.fresh_at.value_or(milliseconds{0})
                                          + options_.staleness / 4);
  }
  return due;
}

// -- receiving ----------------------------------------------------------------

expected<void> core::receive(std::uint32_t node, std::string_view bytes,
                             const moment& now) {
  auto take = [&]() -> expected<void> {
    auto found = peers_.find(node);
    if (found == peers_.end())
      return refused(errc::denied,
                     "node " + std::to_string(node) + " has no replica here");
    auto plain = frame_packer::unpack(bytes);
    if (!plain)
      return plain.error();
    auto what = decode(*plain);
    if (!what)
      return what.error();
    auto& from = found->second;
    if (what->from.node != node)
      return refused(errc::denied, "node " + std::to_string(node)
                                     + " speaks as replica "
                                     + crdt::to_string(what->from));
    if (auto admitted = admit(from, *what, now); !admitted)
      return admitted;
    switch (what->kind) {
      case frame_kind::deltas:
      case frame_kind::part:
        return take_deltas(node, from, *what, now);
      case frame_kind::acknowledge:
        if (what->token == self_.incarnation)
          acknowledged(from, what->last);
        pump(node, from, now);
        return {};
      case frame_kind::ask: {
        auto mine = my_digest(frame_kind::digest);
        mine.first = what->first;
        mine.last = what->last;
        send(node, std::move(mine));
        return {};
      }
      case frame_kind::digest:
        return take_digest(node, from, *what, now);
      case frame_kind::probe:
        send(node, {.kind = frame_kind::probed,
                    .last = synchronizer_.recorded(),
                    .token = what->token});
        return {};
      case frame_kind::probed:
        from.probed_number = what->last;
        from.probed_at =
          milliseconds{static_cast<milliseconds::rep>(what->token)};
        if (*from.probed_at > now.steady || from.probed_at != from.probe_sent)
          from.probed_at.reset(); // nobody asked
        settle_probe(from);
        return {};
      case frame_kind::compare: {
        auto mine = my_digest(frame_kind::compared);
        mine.token = what->token;
        if (what->digest)
          mine.delta = state_.differing(*what->digest, limits::part_bytes);
        send(node, std::move(mine));
        return {};
      }
      case frame_kind::compared:
        take_comparison(node, *what);
        return {};
      case frame_kind::question:
        questions_.push_back({node, what->token, std::move(what->body)});
        return {};
      case frame_kind::answered:
        answers_.push_back({node, what->token, std::move(what->body)});
        return {};
    }
    return refused(errc::protocol, "an unknown kind");
  };
  auto result = take();
  if (!result) {
    ++counters_.messages_refused;
    counters_.problem = result.error().message();
  }
  return result;
}

// Who speaks, and whether what he says can be true.
expected<void> core::admit(peer& from, const frame& what, const moment& now) {
  if (what.from.incarnation == 0)
    return refused(errc::protocol, "a replica without an incarnation");
  if (what.first > what.last)
    return refused(errc::protocol, "changes that end before they begin");
  if (from.id && what.from.incarnation < from.id->incarnation)
    return refused(errc::conflict,
                   "replica " + crdt::to_string(what.from)
                     + " is reused: " + crdt::to_string(*from.id)
                     + " was met before: give the node a new incarnation");
  std::uint32_t newest = 0;
  for (const auto* context : {what.delta ? &what.delta->context() : nullptr,
                              what.digest ? &what.digest->context : nullptr,
                              what.knows ? &*what.knows : nullptr}) {
    if (context == nullptr)
      continue;
    for (const auto& [replica, seen] : context->entries())
      if (replica.incarnation == 0
          || (replica.node != self_.node && !peers_.contains(replica.node)))
        return refused(errc::denied, "changes of replica "
                                       + crdt::to_string(replica)
                                       + ", which is no member");
    newest = std::max(newest, newest_own(*context));
  }
  if (what.delta)
    if (auto fits = check_facts(*what.delta, now); !fits)
      return fits;
  auto lost = newest >= self_.incarnation && newest != 0;
  if (what.kind == frame_kind::acknowledge && what.token == self_.incarnation
      && what.last > synchronizer_.recorded())
    lost = true;
  if (lost)
    renew(static_cast<std::uint32_t>(std::max<std::uint64_t>(
      std::max(newest, self_.incarnation) + 1ULL,
      static_cast<std::uint64_t>(now.unix_time.count() / 1'000))));
  if (from.id != what.from) {
    if (from.id)
      synchronizer_.remove_peer(*from.id);
    from.id = what.from;
    from.acknowledged = 0;
    from.kept_bytes = 0;
    from.joined = 0;
    answered(from);
    from.put_off = false;
    from.fresh_at.reset();
    synchronizer_.add_peer(what.from);
  }
  return {};
}

// The incarnation of ours that `context` knows more of than we do; 0 if none.
std::uint32_t core::newest_own(const crdt::causal_context& context) const {
  std::uint32_t newest = 0;
  for (const auto& [replica, seen] : context.entries()) {
    if (replica.node != self_.node)
      continue;
    auto unknown = replica.incarnation > self_.incarnation
                   || (replica == self_ && seen.largest() > counter_);
    if (unknown)
      newest = std::max(newest, replica.incarnation);
  }
  return newest;
}

expected<void> core::check_facts(const fact_delta& delta,
                                 const moment& now) const {
  for (const auto& [made_by, what] : delta.facts())
    if (is_register(what.kind)
        && what.written.time() - now.unix_time > limits::max_clock_drift)
      return refused(
        errc::bad_argument,
        "a value written "
          + std::to_string((what.written.time() - now.unix_time).count())
          + " ms ahead of this node's clock: set the clocks of "
            "both nodes");
  return state_.check(delta);
}

// This disk is older than what the others know of us. What the old incarnation
// wrote and they have not comes to them by digest.
void core::renew(std::uint32_t incarnation) {
  take_turn();
  self_.incarnation = incarnation;
  counter_ = 0;
  reserved_ = 0;
  asked_reserve_ = 0;
  numbered_ = 0;
  for (auto& one : unwritten_) {
    one.own.reset();
    one.reserve = 0;
  }
  synchronizer_ = crdt::delta_synchronizer<shard_state>{};
  for (auto& [node, peer] : peers_) {
    peer.acknowledged = 0;
    peer.kept_bytes = 0;
    answered(peer);
    peer.put_off = false;
    if (peer.id)
      synchronizer_.add_peer(*peer.id);
    if (peer.connected)
      send(node, my_digest(frame_kind::digest));
  }
  add_record(record_kind::renew, incarnation, {});
  reserve_ahead();
}

// False: it brought nothing new.
bool core::join_recorded(const fact_delta& delta, const moment& now) {
  auto facts_before = state_.facts();
  auto known = state_.context().includes(delta.context());
  NEUROPLEX_ENSURE(state_.merge(delta));
  for (const auto& [made_by, what] : delta.facts())
    if (is_register(what.kind))
      NEUROPLEX_ENSURE(clock_.observe(what.written, now.unix_time));
  if (known && state_.facts() == facts_before)
    return false;
  add_record(record_kind::other, 0, delta.encode());
  unwritten_.back().context = delta.context();
  return true;
}

// A part may lack what it came from, until its sender has told all, or somebody
// who knew all that is here.
void core::note_closed(peer& from, const frame& what) {
  from.partly_here = false;
  if (what.knows && what.knows->includes(state_.context()))
    for (auto& [node, peer] : peers_)
      peer.partly_here = false;
}

// An answer says that something is on the disk, so it waits for the disk.
void core::answer(std::uint32_t node, frame what) {
  if (unwritten_.empty())
    send(node, std::move(what));
  else
    unwritten_.back().answers.emplace_back(node, std::move(what));
}

expected<void> core::take_deltas(std::uint32_t node, peer& from,
                                 const frame& what, const moment& now) {
  if (!what.delta)
    return refused(errc::protocol, "changes without a delta");
  if (what.kind == frame_kind::deltas && what.first == 0)
    return refused(errc::protocol, "changes without numbers");
  if (!disk_problem_.empty())
    return failure{errc::io, disk_problem_};
  // What is ours and not collected yet stays apart from what is theirs.
  take_turn();
  auto asks_all = [&] {
    auto mine = my_digest(frame_kind::digest);
    mine.first = what.first;
    mine.last = what.last;
    answer(node, std::move(mine));
  };
  if (what.kind == frame_kind::part) {
    // Told twice, it is asked on once: else each repetition would go on for
    // itself.
    if (join_recorded(*what.delta, now)) {
      from.partly_here = true;
      asks_all();
    }
    return {};
  }
  if (options_.gives == promise::causal && what.knows) {
    auto after = state_.context();
    after.merge(what.delta->context());
    if (!after.includes(*what.knows)) {
      asks_all();
      return {};
    }
  }
  join_recorded(*what.delta, now);
  note_closed(from, what);
  // Joined already: the synchroniser has the numbers to judge.
  auto reaction = synchronizer_.receive(
    what.from,
    {crdt::sync_kind::deltas, what.first, what.last, fact_delta{}, {}}, state_);
  if (!reaction)
    return reaction.error();
  if (!*reaction)
    return {};
  if ((*reaction)->kind != crdt::sync_kind::acknowledge) {
    asks_all();
    return {};
  }
  from.joined = (*reaction)->last;
  settle_probe(from);
  answer(node, {.kind = frame_kind::acknowledge,
                .last = from.joined,
                .token = what.from.incarnation});
  return {};
}

// Nothing is under way to it. Who was slow may be slow again.
void core::answered(peer& from) const {
  from.under_way = false;
  from.patience = std::max(options_.resend, from.patience / 2);
}

void core::acknowledged(peer& from, std::uint64_t last) {
  auto reaction = synchronizer_.receive(
    *from.id, {crdt::sync_kind::acknowledge, 0, last, {}, {}}, state_);
  NEUROPLEX_ENSURE(reaction);
  answered(from);
  from.acknowledged = std::max(from.acknowledged, last);
  if (from.acknowledged == synchronizer_.recorded())
    from.kept_bytes = 0;
}

// What `theirs` lacks, as much as one message takes, and whether that is all.
std::pair<fact_delta, bool>
core::lacking(const crdt::state_digest& theirs) const {
  return state_.difference(theirs, limits::part_bytes);
}

expected<void> core::take_digest(std::uint32_t node, peer& from,
                                 const frame& what, const moment& now) {
  if (!what.digest)
    return refused(errc::protocol, "a digest that is not there");
  answered(from);
  auto [delta, all] = lacking(*what.digest);
  const auto recorded = synchronizer_.recorded();
  if (delta.empty() && recorded == 0)
    return {};
  counters_.digest_syncs += delta.empty() ? 0 : 1;
  frame reply{.kind = frame_kind::part, .delta = std::move(delta)};
  if (all && recorded > 0) {
    reply.kind = frame_kind::deltas;
    reply.first = 1;
    reply.last = recorded;
    if (options_.gives == promise::causal)
      reply.knows = state_.context();
  }
  from.under_way = true;
  from.sent_at = now.steady;
  send(node, std::move(reply));
  return {};
}

void core::settle_probe(peer& from) {
  if (!from.probed_at || from.joined < from.probed_number)
    return;
  from.fresh_at =
    std::max(from.fresh_at.value_or(*from.probed_at), *from.probed_at);
  from.probed_at.reset();
  from.probe_sent.reset();
}

// -- comparing ----------------------------------------------------------------

void core::compare(std::uint64_t token) {
  comparison_.emplace(open_comparison{token, {}});
  for (const auto& [node, peer] : peers_) {
    comparison_->nodes[node].node = node;
    if (!peer.connected)
      continue;
    auto mine = my_digest(frame_kind::compare);
    mine.token = token;
    send(node, std::move(mine));
  }
}

void core::take_comparison(std::uint32_t node, const frame& what) {
  if (!comparison_ || comparison_->token != what.token || !what.digest)
    return;
  auto& found = comparison_->nodes[node];
  found.answered = true;
  found.same_context = what.digest->context == state_.context();
  // A fact that one has and the other has not, in the ranges that differ.
  std::vector<std::pair<crdt::dot, fact>> mine;
  const auto ours = state_.differing(*what.digest, SIZE_MAX);
  for (const auto& one : ours.facts())
    if (!what.digest->context.contains(one.first)
        || (what.delta && what.delta->context().contains(one.first)))
      mine.push_back(one);
  std::vector<std::pair<crdt::dot, fact>> theirs;
  if (what.delta)
    theirs = what.delta->facts();
  auto by_dot = [](const auto& a, const auto& b) { return a.first < b.first; };
  std::vector<std::pair<crdt::dot, fact>> differing;
  std::set_symmetric_difference(mine.begin(), mine.end(), theirs.begin(),
                                theirs.end(), std::back_inserter(differing),
                                by_dot);
  std::vector<std::string> keys;
  keys.reserve(differing.size());
  for (auto& [made_by, one] : differing)
    keys.push_back(std::move(one.key));
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  found.differing = keys.size();
  if (keys.size() > limits::max_named_keys)
    keys.resize(limits::max_named_keys);
  found.keys = std::move(keys);
}

std::vector<comparison> core::compared(std::uint64_t token) const {
  std::vector<comparison> result;
  if (comparison_ && comparison_->token == token)
    for (const auto& [node, found] : comparison_->nodes)
      result.push_back(found);
  return result;
}

bool core::comparison_complete(std::uint64_t token) const {
  if (!comparison_ || comparison_->token != token)
    return true;
  return std::all_of(comparison_->nodes.begin(), comparison_->nodes.end(),
                     [this](const auto& one) {
                       return one.second.answered
                              || !peers_.at(one.first).connected;
                     });
}

core_status core::status(const moment& now) const {
  auto result = counters_;
  result.self = self_;
  result.keys = state_.keys().size();
  result.facts = state_.facts();
  result.fact_bytes = state_.bytes();
  result.recorded = synchronizer_.recorded();
  result.buffered = synchronizer_.buffered();
  for (const auto& [node, peer] : peers_) {
    peer_status shown;
    shown.node = node;
    shown.incarnation = peer.id ? peer.id->incarnation : 0;
    shown.connected = peer.connected;
    shown.acknowledged = peer.acknowledged;
    shown.kept_bytes = peer.kept_bytes;
    if (peer.fresh_at)
      shown.age = now.steady - *peer.fresh_at;
    result.peers.push_back(shown);
  }
  return result;
}

} // namespace neuroplex::replica
