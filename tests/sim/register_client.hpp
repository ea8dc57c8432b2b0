// A client of a simulated group that agrees: one operation at a time.
//
// Purpose: reads, writes and swaps registers, with some thought between, and
// tells the history what it asked and was answered. How a command gets to the
// group is the derived client's matter.
//
// Threads: none; belongs to the kernel.
//
// Invariants: one operation at a time; all of them are in the history; no
// number is written twice, by anybody.
#pragma once

#include "tests/sim/history.hpp"
#include "tests/sim/kernel.hpp"
#include "tests/sim/raft/register_map.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace neuroplex::sim {

struct client_habits {
  std::uint32_t number = 0;
  std::uint32_t keys = 4;
  nanoseconds patience{};        ///< as the derived client takes it
  nanoseconds longest_thought{}; ///< between operations
  unsigned reads_of_ten = 4;
};

class register_client {
public:
  register_client(kernel& world, history& told, const client_habits& habits);
  register_client(const register_client&) = delete;
  register_client& operator=(const register_client&) = delete;
  virtual ~register_client() = default;

  void begin();

  /// Ends after the operation that is under way.
  void end() noexcept {
    active_ = false;
  }

  /// One operation apart from the usual ones; `done` says whether it worked.
  void ask(verb what, std::uint32_t key, std::function<void(bool)> done);

  [[nodiscard]] bool is_busy() const noexcept {
    return busy_;
  }

protected:
  /// Brings `asked()` to the group.
  virtual void send() = 0;

  void finish(const reply& what);

  [[nodiscard]] const command& asked() const noexcept {
    return asked_;
  }

  /// Whether the operation of that number is still under way.
  [[nodiscard]] bool awaits(std::uint64_t sequence) const noexcept {
    return busy_ && sequence == asked_.sequence;
  }

  kernel& world_;
  dice dice_;

private:
  void think();

  history& told_;
  client_habits habits_;
  bool active_ = false;
  bool busy_ = false;
  std::uint64_t written_ = 0;
  std::vector<register_value> last_seen_; ///< by key
  command asked_;
  history::number entry_ = 0;
  std::function<void(bool)> done_;
};

} // namespace neuroplex::sim
