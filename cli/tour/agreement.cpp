// The part of the tour in which nodes agree, and the one that leads dies.
#include "cli/terminal/interrupt.hpp"
#include "cli/terminal/units.hpp"
#include "cli/tour/tour.hpp"

#include "config/diagnostic.hpp"

#include <thread>

namespace neuroplex::cli {

namespace {

constexpr std::size_t writes_before = 300;
constexpr std::size_t writes_after = 300;
constexpr std::chrono::milliseconds acknowledge_timeout{60'000};
constexpr std::chrono::milliseconds retry_pause{1};
constexpr const char* agreed_space = "ledger";

std::string value_of(const std::string& key) {
  return "value of " + key;
}

failure not_in_time(const std::string& what) {
  return {errc::deadline, "nodes that agree: " + what};
}

} // namespace

// Writes new entries until so many more are acknowledged. Others have an
// outcome that nobody knows, and are not counted on.
expected<void> tour::write_agreed(message_door& through, std::size_t count) {
  const auto deadline = std::chrono::steady_clock::now() + acknowledge_timeout;
  const auto wanted = agreed_keys_.size() + count;
  while (agreed_keys_.size() < wanted) {
    if (interrupt_guard::requested())
      return failure{errc::deadline, "interrupted while nodes agreed"};
    if (std::chrono::steady_clock::now() > deadline)
      return not_in_time("they acknowledge no writes");
    auto key = "entry-" + std::to_string(++agreed_writes_);
    const auto value = value_of(key);
    memory::set_request one{key, value};
    auto sent = through.set_many(std::span{&one, 1});
    if (!sent)
      return sent;
    if (one.status == errc::ok)
      agreed_keys_.push_back(std::move(key));
    else
      std::this_thread::sleep_for(retry_pause);
  }
  return {};
}

// What a node reports is a few milliseconds old.
expected<std::uint32_t> tour::wait_for_leader(message_door& through) {
  const auto deadline = std::chrono::steady_clock::now() + acknowledge_timeout;
  while (!interrupt_guard::requested()
         && std::chrono::steady_clock::now() < deadline) {
    auto leader = through.leader();
    if (!leader || *leader != 0)
      return leader;
    std::this_thread::sleep_for(retry_pause);
  }
  return not_in_time("nobody is known to lead");
}

// Whatever was acknowledged must be there, and be the same.
expected<void> tour::check_agreed(message_door& through) {
  std::string value;
  for (const auto& key : agreed_keys_) {
    if (interrupt_guard::requested())
      return failure{errc::deadline, "interrupted while nodes agreed"};
    const auto code = through.get(key, value);
    if (code != errc::ok || value != value_of(key))
      return failure{errc::corrupt,
                     "entry " + config::quote(key)
                       + " was agreed on and is lost: a node answers "
                       + std::string{code_name(code)}};
  }
  return {};
}

expected<void> tour::agree() {
  config::namespace_options ledger;
  ledger.name = agreed_space;
  ledger.consistency = config::consistency_level::linearizable;
  if (auto begun = start_small_cluster("tour-agreement", std::move(ledger), 0);
      !begun)
    return begun;
  auto& nodes = cluster_->nodes();
  auto door_to = [&nodes](std::size_t index) {
    return open_client_door(nodes[index].options().basp.port.number,
                            agreed_space);
  };
  std::uint32_t leader = 0;
  {
    auto door = door_to(0);
    if (!door)
      return door.error();
    if (auto written = write_agreed(**door, 1); !written)
      return written;
    auto leads = wait_for_leader(**door);
    if (!leads)
      return leads.error();
    leader = *leads;
  }
  auto& figures = report_.agreement;
  figures.replica_id = leader;
  const auto survivor = leader % tour_node_count; // the next one
  {
    auto door = door_to(survivor);
    if (!door)
      return door.error();
    if (auto written = write_agreed(**door, writes_before); !written)
      return written;
    const auto killed = std::chrono::steady_clock::now();
    nodes[leader - 1].kill();
    if (auto written = write_agreed(**door, 1); !written)
      return written;
    figures.gap_ms = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - killed)
        .count());
    if (auto written = write_agreed(**door, writes_after); !written)
      return written;
    if (auto whole = check_agreed(**door); !whole)
      return whole;
  }
  figures.acknowledged = agreed_keys_.size();
  tell("three nodes agree: kill the one that leads (node "
       + std::to_string(leader) + "), and the next write is answered after "
       + std::to_string(figures.gap_ms) + " ms");
  tell("  all " + human_count(figures.acknowledged, "write", "writes")
       + " that were acknowledged, before and after, are there");
  return cluster_->stop(small_stop_grace);
}

} // namespace neuroplex::cli
