// Carries out requests on the segment: what shard and store actors do, without
// an actor.
//
// Purpose: checks a request from outside, refuses what is late, malformed or of
// another shard, answers a repeated write from memory, and applies the rest to
// the store.
//
// Ownership and threads: refers to a store that outlives it. One thread at a
// time may apply; `report` may be called by any thread meanwhile. The core
// outlives its actor: one that is started again goes on with the same memory.
//
// Invariants:
//  1. A request that answers `deadline`, `conflict` or a check's code has had
//     no effect.
//  2. A write is applied at most once for each request id (dedup_table.hpp).
//     Requests of client 0 carry no id and are applied each time they come.
//
// Failure behaviour: every answer carries an errc.
#pragma once

#include "actors/dedup_table.hpp"
#include "actors/messages.hpp"
#include "consensus/placement/placement.hpp"
#include "memory/store.hpp"

#include <atomic>
#include <optional>

namespace neuroplex::actors {

class shard_core {
public:
  /// Serves one shard of `table`.
  shard_core(memory::store& store, placement::placement_ptr table,
             placement::shard_index shard, const message_limits& most = {});

  /// Serves the whole segment, whoever owns the keys.
  explicit shard_core(memory::store& store, const message_limits& most = {});

  /// What an answer may carry.
  [[nodiscard]] const message_limits& most() const noexcept {
    return most_;
  }

  /// `now_ms` is the Unix time in milliseconds.
  [[nodiscard]] reply apply(const request& what, std::int64_t now_ms);
  [[nodiscard]] batch_reply apply(const batch_request& what,
                                  std::int64_t now_ms);

  [[nodiscard]] shard_report report() const;

private:
  struct counters {
    std::atomic<std::uint64_t> requests{0};
    std::atomic<std::uint64_t> batches{0};
    std::atomic<std::uint64_t> batch_items{0};
    std::atomic<std::uint64_t> repeats{0};
    std::atomic<std::uint64_t> conflicts{0};
    std::atomic<std::uint64_t> late{0};
    std::atomic<std::uint64_t> refused{0};
    std::atomic<std::uint64_t> remembered{0};
  };

  errc admit(const request_header& header, errc checked, std::int64_t now_ms);
  [[nodiscard]] bool owns(std::string_view key) const;

  // Calls `perform` unless the id was seen before.
  template <class Answer, class Request, class Perform>
  Answer once(const Request& what, std::int64_t now_ms, Perform perform);

  reply perform(const request& what);
  batch_reply perform(const batch_request& what);
  void read_batch(const batch_request& what, memory::namespace_id space,
                  batch_reply& answer);
  void write_batch(const batch_request& what, memory::namespace_id space,
                   batch_reply& answer);

  memory::store& store_;
  placement::placement_ptr table_; // null: the whole segment
  placement::shard_index shard_ = 0;
  message_limits most_;
  dedup_table remembered_;
  counters counters_;
};

/// One page of the entries in `store`. The answer's `next` stays with the same
/// member until the segment is done, then names the next one.
[[nodiscard]] scan_page read_page(const memory::store& store,
                                  const scan_request& what, std::int64_t now_ms,
                                  const message_limits& most = {});

/// Counts, clears or drops a namespace of `store`.
[[nodiscard]] reply apply_to_space(memory::store& store,
                                   const space_request& what,
                                   std::int64_t now_ms);

[[nodiscard]] segment_report report_of(const memory::store& store);

/// Adds the counters of `part` to `sum`.
void accumulate(shard_report& sum, const shard_report& part);

} // namespace neuroplex::actors
