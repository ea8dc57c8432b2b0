#include "actors/byzantine/member.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::byzantine {

namespace {

using namespace std::chrono_literals;

// Who asks for what. Writes go through one client, so that they take effect in
// the order in which they came, also when one was given up: it is not executed
// behind a later one.
constexpr std::size_t write_client = 0;
constexpr std::size_t time_client = 1;
constexpr std::size_t first_read_client = 2;
static_assert(first_read_client < clients_per_node);

// Wishes of one operation; its length is limited by the options of the core.
constexpr std::size_t max_wishes = 512;

// Operations are put together up to about this size.
constexpr std::size_t operation_bytes = std::size_t{256} << 10;

// What an operation has beside its wishes, and a wish beside its batch.
constexpr std::size_t head_bytes = 64;
constexpr std::size_t wish_head_bytes = 4;

// Between two operations that only say the time.
constexpr auto time_pause = 100ms;

// Rounds of one turn; more is left to the next.
constexpr int most_rounds = 32;

// The earliest of these wishes' deadlines.
pbft::time first_deadline(const std::deque<agreement::wish>& all) {
  auto next = pbft::time::max();
  for (const auto& one : all)
    next = std::min(next, one.deadline);
  return next;
}

} // namespace

expected<std::unique_ptr<member>>
member::open(const options& settings, memory::store& store,
             const std::shared_ptr<const pbft::crypto>& keys,
             hybrid::durable_state state, pbft::timestamp first_request,
             pbft::time now) {
  auto board = std::make_shared<store_replica::board>();
  const auto& group = settings.core.agreement;
  auto machine = store_replica::make(
    store, {.faults = group.faults, .spaces = settings.spaces}, board);
  if (!machine)
    return machine.error();
  const auto& settled = **machine;
  std::vector<asking_client> clients;
  for (std::size_t i = 0; i < clients_per_node; ++i) {
    auto whose = group;
    whose.id = client_of(group.id, i);
    auto made = hybrid::client::create(whose, keys, first_request);
    if (!made)
      return made.error();
    clients.push_back({.asks = std::move(*made)});
  }
  auto core =
    hybrid::core::create(settings.core, {keys, keys}, std::move(*machine),
                         std::move(state), first_request, now);
  if (!core)
    return core.error();
  return std::unique_ptr<member>{new member(
    settings, std::move(board), settled, std::move(*core), std::move(clients))};
}

member::member(const options& settings,
               std::shared_ptr<store_replica::board> shared,
               const store_replica& settled, hybrid::core core,
               std::vector<asking_client> clients)
  : options_{settings}, board_{std::move(shared)}, settled_{&settled},
    core_{std::move(core)}, clients_{std::move(clients)} {
}

// The one that executes what clients ask for at present.
const store_machine::machine& member::machine() const {
  return board_->copy != nullptr ? board_->copy->machine()
                                 : settled_->machine();
}

// -- what happens -------------------------------------------------------------

void member::add(agreement::wish what) {
  auto room = options_.core.agreement.max_operation_bytes - head_bytes;
  auto code = errc::ok;
  if (writes_.size() + reads_.size() >= options_.max_waiting)
    code = errc::busy;
  else if (what.batch.size() > room)
    code = errc::value_size;
  else if (!what.read && !machine().has_room_for(what.batch))
    code = errc::no_space;
  if (code != errc::ok)
    return what.done({code, {}});
  (what.read ? reads_ : writes_).push_back(std::move(what));
}

void member::receive(const pbft::packet& what, pbft::time now) {
  auto party = what.to;
  if (party == options_.core.agreement.id
      || party == hybrid::control_client_of(options_.core.agreement.id)) {
    core_.absorb(hybrid::received{what}, now);
    absorbed_ = true;
    return;
  }
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    if (party != client_of(options_.core.agreement.id, i))
      continue;
    hybrid::client_effects wanted;
    clients_[i].asks.receive(what, now, wanted);
    take(clients_[i], wanted);
  }
}

void member::written(hybrid::write_id write, pbft::time now) {
  core_.absorb(hybrid::persisted{write}, now);
  absorbed_ = true;
}

void member::disk_failed(const std::string& why, pbft::time now) {
  stop(why, now);
}

void member::stop(const std::string& why, pbft::time now) {
  if (counters_.problem.empty())
    counters_.problem = why;
  core_.absorb(hybrid::persist_failed{}, now);
}

void member::end_epoch(pbft::time now) {
  core_.absorb(hybrid::end_epoch{}, now);
  absorbed_ = true;
}

void member::give_up() {
  drop_late(pbft::time::max());
}

// -- clients ------------------------------------------------------------------

void member::drop_late(pbft::time now) {
  for (auto* all : {&writes_, &reads_}) {
    for (auto& one : *all)
      if (one.deadline <= now)
        std::exchange(one.done, {})({errc::unavailable, {}});
    std::erase_if(*all, [](const auto& one) { return !one.done; });
  }
  for (auto& by : clients_) {
    for (auto& one : by.wishes)
      if (one.done && one.deadline <= now)
        std::exchange(one.done, {})(
          {by.read ? errc::unavailable : errc::unknown_outcome, {}});
    auto waited_for =
      std::any_of(by.wishes.begin(), by.wishes.end(),
                  [](const auto& one) { return one.done != nullptr; });
    // Nobody wants to know any more: it may ask for something else.
    if (!by.wishes.empty() && !waited_for) {
      by.wishes.clear();
      by.carries = false;
    }
  }
}

bool member::time_is_due(std::int64_t unix_ms) const {
  auto next = machine().next_expiry_ms();
  return machine().time_ms() == 0 || (next != 0 && next <= unix_ms);
}

void member::ask(pbft::time now, std::int64_t unix_ms) {
  auto& timer = clients_[time_client];
  if (!timer.carries && time_is_due(unix_ms)
      && now >= time_told_at_ + time_pause) {
    time_told_at_ = now;
    timer.carries = true;
    hybrid::client_effects wanted;
    timer.asks.invoke(slice::copy_of(encode_operation(unix_ms, {})), false, now,
                      wanted);
    take(timer, wanted);
  }
  // Before enough nodes have said the time, lifetimes would mean nothing.
  if (machine().time_ms() == 0)
    return;
  if (!clients_[write_client].carries && !writes_.empty())
    ask_for(clients_[write_client], writes_, false, now, unix_ms);
  for (auto i = first_read_client; i < clients_.size(); ++i)
    if (!clients_[i].carries && !reads_.empty())
      ask_for(clients_[i], reads_, true, now, unix_ms);
}

// One operation of the wishes that wait longest.
void member::ask_for(asking_client& by, std::deque<agreement::wish>& from,
                     bool read, pbft::time now, std::int64_t unix_ms) {
  by.read = read;
  by.carries = true;
  std::size_t bytes = 0;
  while (!from.empty() && by.wishes.size() < max_wishes) {
    auto more = from.front().batch.size() + wish_head_bytes;
    if (!by.wishes.empty() && bytes + more > operation_bytes)
      break;
    bytes += more;
    by.wishes.push_back(std::move(from.front()));
    from.pop_front();
  }
  std::vector<std::string_view> batches;
  batches.reserve(by.wishes.size());
  for (const auto& one : by.wishes)
    batches.emplace_back(one.batch);
  ++counters_.operations;
  counters_.wishes += by.wishes.size();
  counters_.reads += read ? by.wishes.size() : 0;
  hybrid::client_effects wanted;
  by.asks.invoke(slice::copy_of(encode_operation(unix_ms, batches)), read, now,
                 wanted);
  take(by, wanted);
}

void member::take(asking_client& by, hybrid::client_effects& wanted) {
  for (auto& one : wanted.packets)
    leaving_.push_back(std::move(one));
  if (wanted.result && by.carries)
    answer(by, wanted.result->view());
}

void member::answer(asking_client& by, std::string_view result) {
  auto answers = decode_answers(result);
  auto wishes = std::exchange(by.wishes, {});
  by.carries = false;
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    auto& one = wishes[i];
    if (!one.done)
      continue;
    // An answer of another length is of replicas that could not execute it.
    auto code =
      answers.size() == wishes.size() ? answers[i].code : errc::protocol;
    if (code == errc::value_size && by.read && wishes.size() > 1) {
      // Too much was read at once: alone it may fit.
      reads_.push_back(std::move(one));
      continue;
    }
    if (code == errc::ok)
      one.done({errc::ok, std::move(answers[i].bytes)});
    else
      one.done({by.read ? code : errc::unknown_outcome, {}});
  }
}

// -- a turn -------------------------------------------------------------------

// To a party of this node at once, else out.
void member::deliver(pbft::packet what, pbft::time now, member_output& out) {
  if (node_of(what.to) == options_.core.agreement.id)
    receive(what, now);
  else
    out.packets.push_back(std::move(what));
}

void member::turn(pbft::time now, std::int64_t unix_ms, member_output& out) {
  drop_late(now);
  for (auto& by : clients_) {
    if (!by.carries || by.asks.next_deadline() > now)
      continue;
    hybrid::client_effects wanted;
    by.asks.tick(now, wanted);
    take(by, wanted);
  }
  if (core_.next_deadline() <= now) {
    core_.absorb(hybrid::tick{}, now);
    absorbed_ = true;
  }
  for (int round = 0; round < most_rounds; ++round) {
    ask(now, unix_ms);
    while (!leaving_.empty()) {
      auto next = std::move(leaving_.front());
      leaving_.pop_front();
      deliver(std::move(next), now, out);
    }
    if (!std::exchange(absorbed_, false))
      break;
    core_.flush(now, effects_);
    // What it says by now may rest on what could not be done.
    if (!board_->trouble.empty()) {
      if (counters_.problem.empty())
        stop(board_->trouble, now);
      continue;
    }
    if (effects_.switched)
      ++counters_.switches;
    if (effects_.write)
      out.writes.push_back(std::move(*effects_.write));
    for (auto& one : effects_.packets)
      leaving_.push_back(std::move(one));
  }
}

pbft::time member::next_deadline(pbft::time now, std::int64_t unix_ms) const {
  if (absorbed_)
    return now;
  auto next = core_.next_deadline();
  for (const auto& by : clients_) {
    if (!by.carries)
      continue;
    next = std::min(next, by.asks.next_deadline());
    for (const auto& one : by.wishes)
      next = std::min(next, one.deadline);
  }
  next = std::min({next, first_deadline(writes_), first_deadline(reads_)});
  if (time_is_due(unix_ms))
    next = clients_[time_client].carries
             ? next
             : std::min(next, time_told_at_ + time_pause);
  else if (auto expiry_ms = machine().next_expiry_ms(); expiry_ms != 0)
    next = std::min(next, now
                            + std::chrono::milliseconds{std::min<std::int64_t>(
                              expiry_ms - unix_ms, 1'000)});
  return next;
}

member_status member::status() const {
  auto all = counters_;
  all.core = core_.state();
  return all;
}

} // namespace neuroplex::byzantine
