// The memory store as the state machine of a Byzantine group.
//
// Purpose: executes what the group orders in namespaces of the store, as
// `store_machine` does for Raft. What it adds: operations that carry the wishes
// of many clients of one node, a clock that nodes which lie cannot set, and the
// copy on which an epoch by Raft runs.
//
// Its clock: every operation says the time of the node that asks. The state
// keeps the latest of each node, and its time is the (f + 1)-th greatest of
// them. One of f + 1 nodes is correct, so it is never ahead of all correct
// clocks. A node that sees something due says its time in an operation without
// wishes.
//
// Ownership and threads: refers to a store that outlives it; one thread at a
// time.
//
// Invariants: the same operations of the same clients in the same order lead to
// the same state, results and pieces. The copy lies in namespaces of its own
// (`copy_suffix`), which go when it goes.
//
// Failure behaviour: what this machine cannot do though it was agreed on (a
// full segment above all) is noted in `trouble`, after which the replica must
// say nothing any more. What a client that lies has asked for is answered with
// `protocol`.
#pragma once

#include "consensus/hybrid/ledger.hpp"
#include "consensus/store_machine/store_machine.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::byzantine {

/// Behind the names of the namespaces of a copy.
inline constexpr std::string_view copy_suffix = "~epoch";

/// Longest encoded answers of one operation, in bytes.
inline constexpr std::size_t max_answer_bytes = std::size_t{3} << 20;

/// An operation: the wishes (encoded batches) of clients of one node.
[[nodiscard]] std::string
encode_operation(std::int64_t time_ms,
                 const std::vector<std::string_view>& batches);

/// What became of one wish.
struct wish_answer {
  errc code = errc::ok; ///< `value_size`: done, but the answer is too long
  std::string bytes{};  ///< encoded results when ok
};

/// Empty for bytes that are no answers.
[[nodiscard]] std::vector<wish_answer> decode_answers(std::string_view bytes);

class store_replica final : public hybrid::state_machine {
public:
  struct options {
    std::size_t faults = 1;
    std::vector<std::string> spaces{};
  };

  /// What all copies share with the one who has made the first.
  struct board {
    std::string trouble{};               ///< why no part may be taken any more
    const store_replica* copy = nullptr; ///< there is one at most
  };

  /// Makes the namespaces, which must be empty.
  static expected<std::unique_ptr<store_replica>>
  make(memory::store& store, const options& settings,
       std::shared_ptr<board> shared);

  ~store_replica() override;

  [[nodiscard]] slice execute(hybrid::node_id client,
                              std::string_view what) override;
  [[nodiscard]] slice read(std::string_view what) const override;
  [[nodiscard]] std::unique_ptr<hybrid::state_machine> copy() const override;
  [[nodiscard]] std::vector<slice> pieces() const override;
  [[nodiscard]] bool load(std::span<const slice> pieces) override;

  [[nodiscard]] const store_machine::machine& machine() const noexcept {
    return machine_;
  }

private:
  store_replica(memory::store& store, const options& settings,
                std::shared_ptr<board> shared, bool is_copy);

  void give_up(const failure& why) const;
  [[nodiscard]] std::int64_t agreed_time() const;

  memory::store& store_;
  options options_;
  std::shared_ptr<board> board_;
  bool is_copy_;
  store_machine::machine machine_;
  std::map<hybrid::node_id, std::int64_t> clocks_; ///< of nodes, Unix ms
};

} // namespace neuroplex::byzantine
