#include "tests/sim/agreement_world.hpp"

#include <algorithm>

namespace neuroplex::sim {

using namespace std::chrono_literals;

agreement_world::agreement_world(const run_request& asked)
  : asked_{asked}, world_{asked.seed},
    faults_{draw_plan(world_.stream("plan"), asked.allowed)}, links_{world_,
                                                                     faults_} {
  world_.log().listen(asked.listener);
}

machine& agreement_world::add_machine() {
  auto number = static_cast<std::uint32_t>(machines_.size());
  auto& box =
    *machines_.emplace_back(std::make_unique<machine>(world_, faults_, number));
  links_.add([&box](const network::delivery& arrive) { box.deliver(arrive); });
  return box;
}

nemesis& agreement_world::add_nemesis() {
  std::vector<machine*> boxes;
  for (const auto& box : machines_)
    boxes.push_back(box.get());
  nemesis_ =
    std::make_unique<nemesis>(world_, faults_, links_, std::move(boxes));
  return *nemesis_;
}

run_result agreement_world::run() {
  world_.tell(
    [&] { return "faults: " + to_string(faults_.kinds) + "; " + describe(); });
  for (const auto& box : machines_)
    box->start();
  for (const auto& client : clients_)
    if (client != clients_.back())
      client->begin();
  begin_more();
  nemesis_->begin();
  world_.run_until(pace().chaos);
  using step = void (agreement_world::*)();
  for (step next :
       {&agreement_world::mend, &agreement_world::await_progress,
        &agreement_world::look_further, &agreement_world::await_agreement,
        &agreement_world::read_everything, &agreement_world::judge_history})
    if (!world_.failed())
      (this->*next)();
  run_result result;
  result.failure = world_.failure();
  world_.note("events", world_.events(), world_.log().notes());
  result.hash = world_.log().hash();
  result.events = world_.events();
  result.simulated = world_.now();
  result.drawn = faults_.kinds;
  result.recovery_ppt = static_cast<std::uint64_t>((recovered_at_ - mended_at_)
                                                   * 1000 / pace().timeout);
  if (asked_.keep_history)
    result.history = history_.to_json_lines(asked_.seed);
  count(result);
  return result;
}

void agreement_world::mend() {
  crash_stopped();
  nemesis_->end();
  end_more();
  // A slow disk answers what it was asked before.
  mended_at_ = world_.now();
  for (const auto& box : machines_)
    mended_at_ = std::max(mended_at_, box->storage().busy_until());
  world_.run_until(mended_at_);
  after_mending();
}

void agreement_world::await_progress() {
  auto timeout = pace().timeout;
  auto bound = pace().recovery_bound;
  auto limit = mended_at_ + bound * timeout;
  while (recovered_at_ == 0ns && world_.now() < limit && !world_.failed()) {
    // What a probe was answered may not count.
    if (!prober().is_busy())
      probe();
    world_.run_until(std::min(limit, world_.now() + timeout / 20));
  }
  if (recovered_at_ == 0ns && !world_.failed())
    world_.fail("progress: no write succeeded within " + std::to_string(bound)
                + " longest timeouts after all was mended");
}

bool agreement_world::is_anybody_busy() const {
  return std::any_of(clients_.begin(), clients_.end(),
                     [](const auto& one) { return one->is_busy(); });
}

void agreement_world::await_agreement() {
  for (const auto& client : clients_)
    client->end();
  auto timeout = pace().timeout;
  auto limit = world_.now() + agreement_bound * timeout;
  std::string why = "?";
  while (!world_.failed() && !why.empty() && world_.now() < limit) {
    world_.run_until(world_.now() + timeout / pace().looks);
    why = is_anybody_busy() ? "a client still waits" : disagreement();
    if (!why.empty() && !prober().is_busy())
      push_on();
  }
  if (!why.empty() && !world_.failed())
    world_.fail("agreement: long after all was mended, " + why);
}

void agreement_world::read_next(std::uint32_t key) {
  if (key == agreement_keys) {
    all_read_ = true;
    return;
  }
  prober().ask(verb::get, key,
               [this, key](bool good) { read_next(good ? key + 1 : key); });
}

void agreement_world::read_everything() {
  read_next(0);
  auto timeout = pace().timeout;
  auto limit = world_.now() + agreement_bound * timeout;
  while (!all_read_ && !world_.failed() && world_.now() < limit)
    world_.run_until(world_.now() + timeout / 20);
  if (!all_read_ && !world_.failed())
    world_.fail("progress: a calm group does not answer reads");
}

void agreement_world::judge_history() {
  judgement_ = judge(history_);
  if (!judgement_.violation.empty())
    world_.fail(judgement_.violation);
}

void agreement_world::count(run_result& result) const {
  auto& counts = result.counts;
  const auto& net = links_.seen();
  counts["messages"] = net.sent;
  counts["messages lost"] = net.lost + net.blocked;
  counts["messages duplicated"] = net.duplicated;
  counts["deeds of the nemesis"] = nemesis_->deeds();
  for (const auto& box : machines_) {
    const auto& disk = box->storage().seen();
    counts["crashes"] += box->crashes();
    counts["writes torn"] += disk.torn;
    counts["writes refused"] += disk.refused;
    counts["writes lost"] += disk.lost;
    counts["syncs"] += disk.syncs;
    counts["syncs failed"] += disk.failed_syncs;
    counts["syncs stalled"] += disk.stalls;
  }
  const auto& operations = history_.operations();
  counts["operations"] = operations.size();
  counts["operations of unknown outcome"] =
    static_cast<std::uint64_t>(std::count_if(
      operations.begin(), operations.end(),
      [](const operation& one) { return one.result == outcome::unknown; }));
  counts["keys undecided"] = judgement_.undecided_keys;
  count_more(counts);
}

} // namespace neuroplex::sim
