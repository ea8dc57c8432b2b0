#include "tests/sim/plan.hpp"

namespace neuroplex::sim {

namespace {

using namespace std::chrono_literals;

constexpr std::array<std::string_view, fault_count> fault_names{
  "loss",        "duplication", "reordering", "delay",       "partition",
  "one_way",     "partial",     "crash",      "torn_write",  "failed_sync",
  "rot",         "slow_disk",   "full_disk",  "clock_drift", "clock_jump",
  "pause",       "membership",  "transfer",   "snapshot",    "rare_branch",
  "misdirected", "new_leader",
};

} // namespace

std::string_view name_of(fault kind) noexcept {
  return fault_names[static_cast<unsigned>(kind)];
}

std::string to_string(fault_set kinds) {
  std::string result;
  for (unsigned number = 0; number < fault_count; ++number) {
    if (kinds.has(static_cast<fault>(number))) {
      result += result.empty() ? "" : ",";
      result += fault_names[number];
    }
  }
  return result.empty() ? "none" : result;
}

std::optional<fault_set> parse_faults(std::string_view names) {
  fault_set result;
  while (!names.empty() && names != "none") {
    const auto comma = names.find(',');
    const auto name = names.substr(0, comma);
    names = comma == std::string_view::npos ? "" : names.substr(comma + 1);
    unsigned number = 0;
    while (number < fault_count && fault_names[number] != name) {
      ++number;
    }
    if (number == fault_count) {
      return std::nullopt;
    }
    result.add(static_cast<fault>(number));
  }
  return result;
}

plan draw_plan(dice from, fault_set allowed) {
  plan result;
  // In one run of eight all is calm, which shows that calm runs make progress.
  const auto calm = from.below(8) == 0;
  for (unsigned number = 0; number < fault_count; ++number) {
    const auto drawn = from.coin();
    if (drawn && !calm && allowed.has(static_cast<fault>(number))) {
      result.kinds.add(static_cast<fault>(number));
    }
  }
  const auto if_has = [&](fault kind, auto value) {
    return result.kinds.has(kind) ? value : decltype(value){};
  };
  // Each is drawn whether it is used or not.
  const auto loss = static_cast<std::uint32_t>(from.below(300'001));
  const auto duplication = static_cast<std::uint32_t>(from.below(200'001));
  const auto reordering = static_cast<std::uint32_t>(from.below(200'001));
  const auto slow_net = from.between(1ms, 20ms);
  const auto late = from.between(5ms, 200ms);
  const auto crash = static_cast<std::uint32_t>(from.between(100, 3'000));
  const auto stall = from.between(10ms, 400ms);
  const auto stalls = static_cast<std::uint32_t>(from.between(1'000, 50'000));
  const auto failed = static_cast<std::uint32_t>(from.between(500, 5'000));
  const auto drift = static_cast<std::int32_t>(from.between(100, 200'000));

  result.loss_ppm = if_has(fault::loss, loss);
  result.duplication_ppm = if_has(fault::duplication, duplication);
  result.reordering_ppm = if_has(fault::reordering, reordering);
  result.reordering_delay = late;
  result.least_delay = 50us;
  result.most_delay = result.kinds.has(fault::delay) ? slow_net : 1ms;
  result.nemesis_pace = from.between(50ms, 800ms);
  result.longest_fault = from.between(100ms, 2'000ms);
  result.crash_at_effect_ppm = if_has(fault::crash, crash);
  result.least_sync = 100us;
  result.most_sync = from.between(500us, 8ms);
  result.stall = stall;
  result.stall_ppm = if_has(fault::slow_disk, stalls);
  result.failed_sync_ppm = if_has(fault::failed_sync, failed);
  result.most_drift_ppm = if_has(fault::clock_drift, drift);
  return result;
}

} // namespace neuroplex::sim
