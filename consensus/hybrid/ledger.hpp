// A state machine with its clients' sessions: what both modes execute on.
//
// Purpose: `state_machine` is what a user brings; `ledger` makes each command
// of a client happen once, whichever mode it came through.
//
// Threads: one at a time.
//
// Invariants: ledgers that executed the same commands in the same order are
// equal, and so are their pieces. A state machine looks at no clock, no address
// and no order of a hash table.
//
// Failure behaviour: `load` refuses what `pieces` does not write.
#pragma once

#include "consensus/hybrid/message.hpp"
#include "consensus/pbft/client_table.hpp"

#include <memory>
#include <span>

namespace neuroplex::hybrid {

class state_machine {
public:
  state_machine() = default;
  state_machine(const state_machine&) = delete;
  state_machine& operator=(const state_machine&) = delete;
  virtual ~state_machine() = default;

  [[nodiscard]] virtual slice execute(node_id client,
                                      std::string_view what) = 0;
  [[nodiscard]] virtual slice read(std::string_view what) const = 0;
  [[nodiscard]] virtual std::unique_ptr<state_machine> copy() const = 0;

  /// At least one, each of at most pbft::limits::max_piece_bytes.
  [[nodiscard]] virtual std::vector<slice> pieces() const = 0;
  [[nodiscard]] virtual bool load(std::span<const slice> pieces) = 0;
};

/// What somebody who watches the state wants to know.
struct execution {
  std::uint64_t position = 0; ///< counts commands from the first epoch on
  epoch_info where{};
  bool settled = false; ///< for good; else as the epoch's leader says
  node_id client = nobody;
  std::uint64_t number = 0;
  slice what{};
};

class ledger {
public:
  explicit ledger(std::unique_ptr<state_machine> machine)
    : machine_{std::move(machine)} {
  }

  [[nodiscard]] ledger copy() const;

  /// The result, now or from the first time. `fresh` tells which; a command
  /// older than the client's last one is not executed and has none.
  slice execute(node_id client, const command& what, bool& fresh);

  [[nodiscard]] slice read(std::string_view what) const {
    return machine_->read(what);
  }

  /// Whether that command, or a later one of the client, was executed.
  [[nodiscard]] bool has(node_id client, std::uint64_t number) const;

  /// The result of the client's last command, if it was that one.
  [[nodiscard]] const slice* result_of(node_id client,
                                       std::uint64_t number) const;

  /// Commands executed.
  [[nodiscard]] std::uint64_t position() const noexcept {
    return position_;
  }

  [[nodiscard]] std::vector<slice> pieces() const;
  [[nodiscard]] bool load(std::span<const slice> pieces);

private:
  std::unique_ptr<state_machine> machine_;
  pbft::client_table sessions_;
  std::uint64_t position_ = 0;
};

} // namespace neuroplex::hybrid
