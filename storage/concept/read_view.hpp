// The read view: the newest version of the graph behind an atomic pointer, and
// the older ones that somebody still looks at.
//
// Purpose: `load` takes one compare-and-swap on a line that no other reader
// uses and two loads; it never waits for the writer, nor the writer for it. A
// reader says in a slot which version it looks at, and looks again whether that
// is still the newest (hazard pointers: Michael, "Hazard Pointers: Safe Memory
// Reclamation for Lock-Free Objects", IEEE TPDS 2004). So a version dies when
// no slot names it, and a slot says who holds an old one back.
//
// What a version does not hold any more belongs to the newest one that does. It
// goes back to the graph when that one dies, or to the next older version in
// use if that one holds it too (as dead lists of snapshots in ZFS).
//
// Ownership and threads: `load`, `stats`: any thread. `publish`, `reap`: the
// reconciler. The view must outlive its snapshots.
//
// Invariants: a snapshot never changes; what it holds is not used for anything
// else while it lives.
//
// Failure behaviour: `too_many` when limits::max_snapshots are held.
#pragma once

#include "storage/concept/graph_version.hpp"
#include "storage/concept/limits.hpp"

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace neuroplex::concepts {

class graph;

/// Says in a slot which version its owner looks at.
struct alignas(64) reader_slot {
  std::atomic<const graph_version*> version{nullptr};
  std::atomic<const char*> who{nullptr};
  std::atomic<std::uint32_t> thread{0};
};

/// A version that stays as long as this lives. Give it up soon: what it alone
/// holds cannot be used again before.
class snapshot {
public:
  snapshot(snapshot&& other) noexcept
    : version_{std::exchange(other.version_, nullptr)}, slot_{other.slot_} {
  }
  snapshot& operator=(snapshot&& other) noexcept {
    std::swap(version_, other.version_);
    std::swap(slot_, other.slot_);
    return *this;
  }
  ~snapshot() {
    // Pairs with the scan in `reap`: all reads are done before.
    if (version_ != nullptr)
      slot_->version.store(nullptr, std::memory_order_release);
  }

  [[nodiscard]] const graph_version& operator*() const noexcept {
    return *version_;
  }
  [[nodiscard]] const graph_version* operator->() const noexcept {
    return version_;
  }

private:
  friend class read_view;

  snapshot(const graph_version* version, reader_slot* slot) noexcept
    : version_{version}, slot_{slot} {
  }

  const graph_version* version_;
  reader_slot* slot_;
};

/// Somebody who looks at a version.
struct snapshot_holder {
  std::string who;          ///< as `load` was told
  std::uint32_t thread = 0; ///< id of the thread that loaded it
  std::uint64_t sequence = 0;
  std::int64_t timestamp_us = 0; ///< when it was published
};

/// A version that somebody in another process looks at.
struct held_version {
  std::uint64_t number = 0;
  std::uint32_t process = 0; ///< its id
  std::uint32_t thread = 0;
};

/// Where other processes see versions.
class version_audience {
public:
  version_audience() = default;
  version_audience(const version_audience&) = delete;
  version_audience& operator=(const version_audience&) = delete;
  virtual ~version_audience() = default;

  /// Shows the next version; numbers rise by one.
  virtual void show(const graph_version& next) = 0;

  /// Adds the versions that are looked at. What was looked at before it was
  /// called is among them, unless it is the newest.
  virtual void held(std::vector<held_version>& versions) = 0;
};

class read_view {
public:
  explicit read_view(const graph_version& first);

  read_view(const read_view&) = delete;
  read_view& operator=(const read_view&) = delete;

  /// The newest version. `who` is shown by `holders` and must be a literal.
  [[nodiscard]] expected<snapshot> load(const char* who = "") const;

  /// Shows versions to others too, from the newest on. The audience must
  /// outlive the view.
  void invite(version_audience& audience);

  /// Shows a new version; `left` is what the one before held and it does not.
  void publish(const graph_version& next, std::vector<retired_block> left);

  /// Gives back what no version in use holds.
  void reap(graph& owner);

  /// Sequence and time of the newest version, without holding it.
  [[nodiscard]] std::uint64_t sequence() const noexcept {
    return sequence_.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::int64_t timestamp_us() const noexcept {
    return timestamp_us_.load(std::memory_order_acquire);
  }

  /// Who holds which version, oldest first.
  [[nodiscard]] std::vector<snapshot_holder> holders() const;

  /// Versions that are kept, and bytes that only older ones than the newest
  /// hold.
  [[nodiscard]] std::size_t kept_versions() const;
  [[nodiscard]] std::uint64_t kept_bytes() const noexcept {
    return kept_bytes_.load(std::memory_order_relaxed);
  }

private:
  struct kept_version {
    std::unique_ptr<const graph_version> version;
    std::vector<retired_block> left; ///< held by it, and by none after it
  };

  alignas(64) std::atomic<const graph_version*> newest_{nullptr};
  std::atomic<std::uint64_t> sequence_{0};
  std::atomic<std::int64_t> timestamp_us_{0};
  std::atomic<std::uint64_t> kept_bytes_{0};
  alignas(64) mutable std::atomic<std::size_t> slots_used_{0}; ///< ever
  std::unique_ptr<reader_slot[]> slots_;
  mutable std::mutex mutex_; ///< of what follows; readers do not take it
  version_audience* audience_ = nullptr;
  std::deque<kept_version> versions_; ///< oldest first
};

} // namespace neuroplex::concepts
