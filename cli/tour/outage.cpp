// The parts of the tour in which a node dies and comes back.
#include "cli/terminal/interrupt.hpp"
#include "cli/terminal/units.hpp"
#include "cli/tour/tour.hpp"

#include "config/diagnostic.hpp"

#include <thread>

namespace neuroplex::cli {

namespace {

constexpr std::size_t victim_index = 1;
constexpr std::size_t unavailable_gets = 500;
constexpr std::chrono::milliseconds restart_timeout{60'000};
constexpr std::chrono::milliseconds answer_timeout{60'000};
constexpr std::chrono::milliseconds answer_poll{1};

std::chrono::milliseconds
milliseconds_since(std::chrono::steady_clock::time_point then) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
    std::chrono::steady_clock::now() - then);
}

} // namespace

// Asks for one of the victim's keys until the answer is `wanted`.
expected<std::chrono::milliseconds>
tour::wait_for_answer(std::size_t through, errc wanted,
                      std::chrono::steady_clock::time_point since) {
  auto door = open_door(through);
  if (!door)
    return door.error();
  const auto& entry = corpus_.entries[owned_[victim_index].front()];
  const auto deadline = std::chrono::steady_clock::now() + answer_timeout;
  std::string value;
  errc code = errc::ok;
  while (!interrupt_guard::requested()
         && std::chrono::steady_clock::now() < deadline) {
    code = (*door)->get(entry.key, value);
    if (code == wanted)
      return milliseconds_since(since);
    std::this_thread::sleep_for(answer_poll);
  }
  return failure{errc::deadline,
                 "node " + std::to_string(through + 1) + " still answers "
                   + std::string{code_name(code)} + " for a key of node "
                   + std::to_string(victim_index + 1) + ": expected "
                   + std::string{code_name(wanted)}};
}

expected<void> tour::kill_one() {
  auto& victim = cluster_->nodes()[victim_index];
  auto& outage = report_.outage;
  outage.replica_id = victim.options().replica_id;
  const auto killed = std::chrono::steady_clock::now();
  victim.kill();
  tell("kill node " + std::to_string(outage.replica_id) + " (process "
       + std::to_string(victim.pid()) + ") with SIGKILL");
  for (std::size_t node = 0; node < cluster_->nodes().size(); ++node) {
    if (node == victim_index)
      continue;
    auto noticed = wait_for_answer(node, errc::unavailable, killed);
    if (!noticed)
      return noticed.error();
    if (outage.noticed_ms == 0)
      outage.noticed_ms = static_cast<std::uint64_t>(noticed->count());
    auto surveyed = survey_outage(node);
    if (!surveyed)
      return surveyed;
  }
  tell("its keys answer unavailable " + std::to_string(outage.noticed_ms)
       + " ms after the kill; such an answer");
  tell("  takes " + human_nanoseconds(outage.unavailable_get.p50_ns)
       + " (p50), " + human_nanoseconds(outage.unavailable_get.p99_ns)
       + " (p99)");
  return {};
}

// Asks one survivor for everything: it must serve what is not the victim's,
// byte for byte, and say unavailable for what is.
expected<void> tour::survey_outage(std::size_t survivor) {
  auto door = open_door(survivor);
  if (!door)
    return door.error();
  const auto name = "node " + std::to_string(survivor + 1);
  progress bar{out_, terminal_, "  ask " + name, report_.entries};
  std::vector<memory::get_request> requests;
  std::uint64_t served = 0;
  std::uint64_t unavailable = 0;
  for (std::size_t begin = 0; begin < corpus_.entries.size();
       begin += keys_per_call) {
    if (interrupt_guard::requested())
      return failure{errc::deadline, "interrupted while a node was dead"};
    const auto end = std::min(begin + keys_per_call, corpus_.entries.size());
    requests.resize(end - begin);
    for (std::size_t i = begin; i < end; ++i)
      requests[i - begin] = {corpus_.entries[i].key, {}, errc::internal};
    auto asked = (*door)->get_many(requests);
    if (!asked)
      return asked;
    for (std::size_t i = begin; i < end; ++i) {
      const auto& entry = corpus_.entries[i];
      const auto& answer = requests[i - begin];
      const auto wanted =
        owners_[i] == victim_index ? errc::unavailable : errc::ok;
      if (answer.status != wanted)
        return failure{errc::corrupt,
                       config::quote(entry.key) + " asked of " + name
                         + " while node " + std::to_string(victim_index + 1)
                         + " is dead: " + std::string{code_name(answer.status)}
                         + ": expected " + std::string{code_name(wanted)}};
      if (wanted == errc::ok && answer.value != entry.value)
        return failure{errc::corrupt, config::quote(entry.key)
                                        + " differs when read from " + name};
      ++(wanted == errc::ok ? served : unavailable);
    }
    bar.update(served + unavailable);
  }
  bar.finish(human_count(served) + " served, " + human_count(unavailable)
             + " unavailable");
  latency_samples answers{unavailable_gets};
  std::string value;
  for (std::size_t i = 0; i < unavailable_gets; ++i) {
    const auto& mine = owned_[victim_index];
    const auto& entry = corpus_.entries[mine[i * 31 % mine.size()]];
    const auto before = std::chrono::steady_clock::now();
    const auto code = (*door)->get(entry.key, value);
    answers.add(std::chrono::steady_clock::now() - before);
    if (code != errc::unavailable)
      return failure{errc::corrupt, config::quote(entry.key)
                                      + " of a dead node answers "
                                      + std::string{code_name(code)}};
  }
  report_.outage.served = served;
  report_.outage.unavailable = unavailable;
  report_.outage.unavailable_get = answers.summary();
  return {};
}

expected<void> tour::restart_it() {
  auto& victim = cluster_->nodes()[victim_index];
  auto& outage = report_.outage;
  const auto begun = std::chrono::steady_clock::now();
  auto started = victim.start();
  if (!started)
    return started;
  auto ready = victim.wait_ready(restart_timeout, interrupt_guard::requested);
  if (!ready)
    return ready;
  for (std::size_t node = 0; node < cluster_->nodes().size(); ++node) {
    if (node == victim_index)
      continue;
    auto back = wait_for_answer(node, errc::ok, begun);
    if (!back)
      return back.error();
    outage.back_ms = static_cast<std::uint64_t>(back->count());
  }
  tell("start node " + std::to_string(outage.replica_id) + " again (process "
       + std::to_string(victim.pid()) + "): its keys are served by all after "
       + std::to_string(outage.back_ms) + " ms");
  auto compared = compare_from_another_process();
  return compared ? compare_by_messages() : compared;
}

} // namespace neuroplex::cli
