// The write log: where producers leave what is to be learnt, and the reconciler
// takes it from. Neither waits for the other.
//
// Purpose: a bounded ring of cells with turns (Vyukov, "Bounded MPMC queue",
// 1024cores.net, 2010). A producer takes a place with one compare-and-swap and
// writes its cell; the place is the entry's sequence number, so that sequence
// and order are the same thing.
//
// When the ring is full, the policy decides:
//   spill        the entries in the ring move to a store of their own (a file),
//                and the new one enters; nothing is lost. Whoever meets the
//                full ring does the moving.
//   drop_oldest  the oldest entry is dropped, counted, and told of by an event.
//   reject       `busy`, at once; nothing was taken.
//   block        waits, until a deadline: then `busy`, and nothing was taken.
//
// Ownership and threads: any number of producers. `take` is for one thread at a
// time. The log owns what is in it.
//
// Invariants:
//  1. Entries leave in the order of their sequence numbers; each that was
//     accepted leaves once, is dropped once, or is still there.
//  2. What was spilled is older than everything in the ring.
//
// Failure behaviour: `busy` as above; `io` when the spill cannot be written:
// the new entry is refused, and nothing is lost. A producer that is stopped
// between taking its place and writing it holds back those behind it.
#pragma once

#include "storage/concept/limits.hpp"
#include "storage/concept/write_entry.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

namespace neuroplex::concepts {

enum class overflow_policy : std::uint8_t { spill, drop_oldest, reject, block };

/// "spill" and its kin, as settings and figures name them.
[[nodiscard]] std::string_view to_string(overflow_policy policy) noexcept;

/// Where entries wait that the ring has no room for; first in, first out.
class spill_store {
public:
  virtual ~spill_store() = default;

  /// Adds entries, all of them or none; on a failure they are as they were.
  virtual expected<void> put(std::vector<write_entry>& entries) = 0;

  /// Moves entries to the end of `to`, at least one if there is any, and about
  /// `most` at most.
  virtual expected<void> take(std::vector<write_entry>& to,
                              std::size_t most) = 0;

  /// How many there are.
  [[nodiscard]] virtual std::uint64_t size() const noexcept = 0;
};

struct write_log_options {
  /// Entries the ring takes; `limits::min_log_entries` and up.
  std::size_t capacity = 100'000;
  overflow_policy policy = overflow_policy::spill;
  /// How long `block` waits.
  std::chrono::milliseconds block_for{100};
  /// Sequence number of the first entry.
  std::uint64_t first_sequence = 1;
};

/// Something that happened to an entry other than being applied.
struct log_event {
  enum class kind : std::uint8_t { dropped, refused };

  kind what = kind::dropped;
  errc why = errc::busy;
  entry_kind entry = entry_kind::learn_concept;
  concept_id id;
  concept_id target;
  std::uint64_t sequence = 0;
};

struct write_log_stats {
  std::uint64_t written = 0;  ///< accepted
  std::uint64_t dropped = 0;  ///< by drop_oldest
  std::uint64_t rejected = 0; ///< by reject, block, or a spill that failed
  std::uint64_t spilled = 0;  ///< moved to the spill store so far
  std::uint64_t pending = 0;  ///< not taken yet, ring and spill together
};

class write_log {
public:
  /// `spill` is needed by the policy of that name, and must outlive the log.
  explicit write_log(const write_log_options& options,
                     spill_store* spill = nullptr);
  ~write_log();

  write_log(const write_log&) = delete;
  write_log& operator=(const write_log&) = delete;

  /// Appends an entry and sets its sequence number. On a failure the entry is
  /// as it was.
  errc append(write_entry& entry);

  /// Moves up to `most` entries to the end of `to`, in order. A failure when
  /// the spill cannot be read.
  expected<void> take(std::vector<write_entry>& to, std::size_t most);

  /// Sequence number of the newest entry that was accepted.
  [[nodiscard]] std::uint64_t last_sequence() const noexcept {
    return first_sequence_ + tail_.load(std::memory_order_acquire) - 1;
  }

  [[nodiscard]] std::uint64_t pending() const noexcept;

  /// Entries that the ring takes.
  [[nodiscard]] std::size_t capacity() const noexcept {
    return capacity_;
  }

  [[nodiscard]] write_log_stats stats() const noexcept;

  /// Notes what became of an entry, for `events`.
  void note(const log_event& event);

  /// The last `limits::kept_events` events, oldest first.
  [[nodiscard]] std::vector<log_event> events() const;

private:
  struct alignas(64) cell {
    // place: free for the producer of that place; place + 1: written.
    std::atomic<std::uint64_t> turn;
    write_entry entry;
  };

  bool try_append(write_entry& entry);
  bool try_take(write_entry& entry);
  errc append_when_full(write_entry& entry);
  errc spill_and_append(write_entry& entry);

  std::size_t capacity_;
  std::size_t mask_;
  std::unique_ptr<cell[]> cells_;
  overflow_policy policy_;
  std::chrono::milliseconds block_for_;
  spill_store* spill_;
  std::uint64_t first_sequence_;

  alignas(64) std::atomic<std::uint64_t> tail_{0}; ///< next place to write
  alignas(64) std::atomic<std::uint64_t> head_{0}; ///< next place to take
  alignas(64) std::atomic<std::uint64_t> dropped_{0};
  std::atomic<std::uint64_t> rejected_{0};
  std::atomic<std::uint64_t> spilled_{0};
  std::atomic<std::uint64_t> in_spill_{0};

  std::mutex order_; ///< held while entries move to the spill or are taken
  mutable std::mutex events_mutex_;
  std::vector<log_event> events_; ///< a ring
  std::uint64_t event_count_ = 0;
};

} // namespace neuroplex::concepts
