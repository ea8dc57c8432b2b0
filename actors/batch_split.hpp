// Cuts a batch into one part for each owner and puts the answers together.
//
// Purpose: a batch travels in one message for each node, and inside a node in
// one for each shard, whatever the order of its items.
//
// Threads: pure functions and a plain value.
//
// Invariants:
//  1. Every item is in exactly one part, and items of one owner keep their
//     order.
//  2. A gathering is complete when every part was put in once.
#pragma once

#include "actors/messages.hpp"

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace neuroplex::actors {

struct batch_part {
  std::uint64_t group = 0;
  batch_request batch;
  std::vector<std::uint32_t> positions; ///< of its items in the whole batch
};

/// Parts of `whole` by the group that `group_of` gives each key. Header and
/// operation are copied; the reply budget is divided. Moves the items out.
[[nodiscard]] std::vector<batch_part>
split(batch_request whole,
      const std::function<std::uint64_t(std::string_view)>& group_of);

/// Collects the answers to the parts of one batch.
class batch_gathering {
public:
  batch_gathering(std::size_t items, std::size_t parts);

  /// Takes the answer to a part: one that was refused as a whole, or has
  /// another number of items than asked for, gives all its items that code.
  void put(const std::vector<std::uint32_t>& positions, batch_reply answer);

  [[nodiscard]] bool complete() const noexcept {
    return missing_ == 0;
  }

  /// The whole answer, once complete.
  [[nodiscard]] batch_reply take() {
    return std::move(whole_);
  }

private:
  batch_reply whole_;
  std::size_t missing_;
};

} // namespace neuroplex::actors
