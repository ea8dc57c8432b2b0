// A simulated world of a group that agrees: what is the same for each protocol.
//
// Purpose: faults strike for a while; then all is mended and the questions
// come: does a new write succeed soon, do the members get to one state, do they
// answer reads, and is what all clients saw linearizable. Machines, links,
// nemesis and history are here; members, and how clients reach them, are the
// derived world's.
//
// Threads: one run at a time.
#pragma once

#include "tests/sim/history.hpp"
#include "tests/sim/kernel.hpp"
#include "tests/sim/linearizability.hpp"
#include "tests/sim/machine.hpp"
#include "tests/sim/nemesis.hpp"
#include "tests/sim/network.hpp"
#include "tests/sim/register_client.hpp"
#include "tests/sim/scenario.hpp"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace neuroplex::sim {

/// Registers that clients use.
inline constexpr std::uint32_t agreement_keys = 4;

/// How long members may take to get to the same state, and to answer reads, in
/// longest timeouts.
inline constexpr std::int64_t agreement_bound = 40;

/// How long the world waits for what.
struct agreement_pace {
  nanoseconds chaos{};
  nanoseconds timeout{};         ///< the longest of a member
  std::int64_t recovery_bound{}; ///< timeouts until a new write succeeds
  std::int64_t looks = 1;        ///< a timeout, at whether members agree
};

class agreement_world {
public:
  agreement_world(const agreement_world&) = delete;
  agreement_world& operator=(const agreement_world&) = delete;
  virtual ~agreement_world() = default;

  run_result run();

protected:
  using counters = std::map<std::string, std::uint64_t>;

  explicit agreement_world(const run_request& asked);

  [[nodiscard]] virtual agreement_pace pace() const = 0;

  /// The group in a few words.
  [[nodiscard]] virtual std::string describe() const = 0;

  /// What begins beside the clients.
  virtual void begin_more() {
  }

  /// Members that stopped by themselves crash, and so may start again.
  virtual void crash_stopped() = 0;

  /// Ends what strikes beside the nemesis.
  virtual void end_more() {
  }

  /// All disks have done what they were asked while faults struck.
  virtual void after_mending() {
  }

  /// Asks the last client for a write, and makes its success known by
  /// `recovered`.
  virtual void probe() = 0;

  /// What must hold beside progress, after it.
  virtual void look_further() {
  }

  /// How members differ; empty if they do not.
  [[nodiscard]] virtual std::string disagreement() const = 0;

  /// Members differ though no client waits.
  virtual void push_on() {
  }

  virtual void count_more(counters& counts) const = 0;

  /// A machine, with an end point on the network.
  machine& add_machine();

  /// After the last machine.
  nemesis& add_nemesis();

  void recovered() noexcept {
    recovered_at_ = world_.now();
  }

  [[nodiscard]] register_client& prober() noexcept {
    return *clients_.back();
  }

  run_request asked_;
  kernel world_;
  plan faults_;
  network links_;
  std::vector<std::unique_ptr<machine>> machines_;
  history history_;
  std::vector<std::unique_ptr<register_client>> clients_; ///< the last probes

private:
  void mend();
  void await_progress();
  void await_agreement();
  void read_everything();
  void read_next(std::uint32_t key);
  void judge_history();
  void count(run_result& result) const;
  [[nodiscard]] bool is_anybody_busy() const;

  std::unique_ptr<nemesis> nemesis_;
  nanoseconds mended_at_{0};
  nanoseconds recovered_at_{0};
  bool all_read_ = false;
  judgement judgement_;
};

} // namespace neuroplex::sim
