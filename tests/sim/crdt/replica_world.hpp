// A simulated world of replicas: what is the same whether states or operations
// travel.
//
// Purpose: machines take turns, and clients change something in some of them
// until a time that each machine draws, while the nemesis is at work. Then all
// is mended, the replicas settle, and a judge looks at them. What a replica is
// and what it tells others is the derived classes'.
//
// Threads: none; belongs to the kernel.
#pragma once

#include "tests/sim/kernel.hpp"
#include "tests/sim/machine.hpp"
#include "tests/sim/nemesis.hpp"
#include "tests/sim/network.hpp"
#include "tests/sim/scenario.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::sim {

inline constexpr nanoseconds turn_period{20'000'000};

/// A machine with a replica on it.
class replica_machine {
public:
  replica_machine(kernel& world, const plan& faults, std::uint32_t number);
  replica_machine(const replica_machine&) = delete;
  replica_machine& operator=(const replica_machine&) = delete;
  virtual ~replica_machine() = default;

  /// Clients change nothing here from `when` on.
  void change_until(nanoseconds when) {
    change_until_ = when;
  }

  [[nodiscard]] machine& computer() noexcept {
    return machine_;
  }

protected:
  /// Power has come. Begins with its turns by `turn_in`.
  virtual void start() = 0;

  /// Ends with `turn_in`, unless the machine crashed meanwhile.
  virtual void turn() = 0;

  void turn_in(nanoseconds delay);

  /// Whether a client changes something in this turn.
  [[nodiscard]] bool is_changed_now();

  kernel& world_;
  machine machine_;
  dice dice_;

private:
  std::uint64_t life_ = 0; ///< turns of an earlier one are not taken
  nanoseconds change_until_{0};
};

class replica_world {
public:
  replica_world(const replica_world&) = delete;
  replica_world& operator=(const replica_world&) = delete;
  virtual ~replica_world() = default;

  [[nodiscard]] run_result run();

protected:
  using counters = std::map<std::string, std::uint64_t>;

  /// `unsettled` is what is wrong with replicas that do not settle.
  replica_world(const run_request& asked, std::string_view unsettled);

  /// 3 to 64.
  [[nodiscard]] std::uint32_t draw_size() const;

  /// A machine of this world, before it runs.
  void add(replica_machine& one);

  /// What may befall this world besides.
  virtual void add_deeds(nemesis& /*bad*/) {
  }

  [[nodiscard]] virtual bool is_settled() const = 0;

  /// Looks at replicas that settled, and fails the run for what is wrong.
  virtual void judge() = 0;

  /// The type that is replicated, and what happened to it how often.
  [[nodiscard]] virtual std::string_view subject() const = 0;
  [[nodiscard]] virtual counters happened() const = 0;

  /// Lets time pass until the replicas settle, and fails the run if they do
  /// not.
  void settle();

  run_request asked_;
  kernel world_;
  plan faults_;
  network links_;

private:
  [[nodiscard]] run_result result(const nemesis& bad);

  std::string_view unsettled_;
  std::vector<replica_machine*> replicas_;
  std::vector<machine*> machines_;
};

} // namespace neuroplex::sim
