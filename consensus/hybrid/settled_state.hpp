// The state that PBFT orders: the ledger, the mode, and the votes on it.
//
// Purpose: what every correct replica computes alike from the requests that
// PBFT hands out. In an epoch by Raft it stands still but for orders; closing
// the epoch brings it, in one step, to where the epoch's history leads.
//
// Threads: one at a time.
//
// Invariants:
//  1. It changes by `execute` and `load` alone, and so is equal on all replicas
//     that executed the same.
//  2. In an epoch by Raft no command is executed here, and at any other time no
//     entry of Raft: no position has two modes.
//
// Failure behaviour: orders that are out of place are refused, with a result.
#pragma once

#include "consensus/hybrid/history.hpp"
#include "consensus/hybrid/ledger.hpp"

#include <map>

namespace neuroplex::hybrid {

/// Executes the commands of an entry of Raft and tells of the fresh ones;
/// answers with the result of the last.
slice execute_entry(ledger& on, const entry& what, const epoch_info& where,
                    bool settled, std::vector<execution>& told);

class settled_state {
public:
  settled_state(const pbft::options& group, std::shared_ptr<const crypto> keys,
                std::unique_ptr<state_machine> empty);

  /// What a request of PBFT does. An order that closes the epoch is executed by
  /// `close`, once its history is at hand.
  [[nodiscard]] result execute(const request& what,
                               std::vector<execution>& told);

  /// Answers from the state as it is.
  [[nodiscard]] result read(std::string_view operation) const;

  /// Of a request that closes the present epoch: which history it proves.
  [[nodiscard]] std::optional<head> closes(const request& what) const;

  /// `history` are the entries up to that head.
  [[nodiscard]] result close(const std::vector<entry>& history,
                             std::vector<execution>& told);

  [[nodiscard]] const epoch_info& where() const noexcept {
    return where_;
  }

  [[nodiscard]] const hybrid::ledger& ledger() const noexcept {
    return ledger_;
  }

  /// Of the state with which the epoch began.
  [[nodiscard]] const digest& root() const noexcept {
    return root_;
  }

  [[nodiscard]] epoch_rules rules() const;

  /// Whether that replica has voted for Raft in this epoch.
  [[nodiscard]] bool has_vote_of(node_id replica) const {
    return votes_.contains(replica);
  }

  [[nodiscard]] std::vector<slice> pieces() const;
  [[nodiscard]] bool load(std::span<const slice> pieces);

private:
  [[nodiscard]] result vote(node_id replica, const open_vote& what);
  [[nodiscard]] node_id choose_leader() const;
  void enter(const epoch_info& next);

  const pbft::options group_;
  std::shared_ptr<const crypto> keys_;
  epoch_info where_{};
  node_id last_leader_;
  digest root_{};
  std::map<node_id, std::vector<node_id>> votes_{};
  hybrid::ledger ledger_;
};

} // namespace neuroplex::hybrid
