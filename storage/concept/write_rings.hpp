// How other processes write: rings in a mapped file, one for each producer.
//
// Purpose: a producer elsewhere leaves entries in a ring of its own, and the
// memory's reconciler moves them to the write log. A ring has one writer and
// one reader, so that nothing is ever claimed and not yet written: a frame is
// there when the count of published bytes says so, and a producer that is
// killed at any instruction leaves what it had published, and nothing else.
//
// Who owns what: a ring belongs to whoever holds its lock, the rings as a whole
// to the process that holds theirs. Locks end with the process, however it
// ends. So a dead producer's ring is simply taken by the next one, which goes
// on where the count of published bytes says.
//
// Space in a ring is free again when what stood there can be seen, and is
// durable if the memory's batches are. If the owner is killed, the next one
// begins with what could not be seen yet: nothing is lost. What was applied
// just before the kill may be applied again, which changes nothing but
// strengths that were added to or multiplied.
//
// Threads: `write_rings`: the reconciler; a `ring_producer`: one, and any
// number of them a process. After fork() the child must not use a producer it
// finds.
//
// Invariants: what is read from a ring is copied, then checked, then used;
// nothing in the file is believed. Only whole frames are moved, in the order in
// which their producer wrote them.
//
// Failure behaviour: a ring whose bytes are wrong is told of by a count, moves
// nothing more, and answers `corrupt` to its producer; the next producer finds
// it empty.
#pragma once

#include "memory/bus_guard.hpp"
#include "storage/concept/association_types.hpp"
#include "storage/concept/private_file.hpp"
#include "storage/concept/write_log.hpp"

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace neuroplex::concepts {

struct write_rings_options {
  /// The file; best on a file system in memory. Empty: no rings.
  std::string path{};
  std::uint32_t rings = 16;                          ///< producers at a time
  std::uint64_t ring_bytes = std::uint64_t{2} << 20; ///< a power of two

  /// `bad_argument` with the setting, what it is and what it may be.
  [[nodiscard]] expected<void> validate() const;
};

/// A file of rings, mapped; both ends use it.
class ring_file {
public:
  struct control;

  /// Opens the rings at a path, or makes them as `options` say if they are not
  /// there. As `private_file`; `corrupt`, `version`.
  static expected<ring_file> open_or_create(const write_rings_options& options);
  static expected<ring_file> open(const std::string& path);

  ring_file(ring_file&& other) noexcept;
  ring_file& operator=(ring_file&&) = delete;
  ~ring_file();

  [[nodiscard]] std::uint32_t rings() const noexcept {
    return rings_;
  }
  [[nodiscard]] std::uint64_t ring_bytes() const noexcept {
    return ring_bytes_;
  }

  [[nodiscard]] control& control_of(std::uint32_t ring) const noexcept;

  /// Copies bytes to and from a ring, around its end; `at` counts from the
  /// ring's making.
  void write(std::uint32_t ring, std::uint64_t at,
             std::string_view bytes) const noexcept;
  void read(std::uint32_t ring, std::uint64_t at, char* to,
            std::size_t bytes) const noexcept;

  /// Locks: each ring's by its number, and `owner_lock`.
  [[nodiscard]] const private_file& locks() const noexcept {
    return file_;
  }

  /// The lock of who reads the rings.
  [[nodiscard]] std::uint32_t owner_lock() const noexcept {
    return rings_;
  }

private:
  explicit ring_file(private_file file) : file_{std::move(file)} {
  }

  static expected<ring_file> create(const write_rings_options& options);
  expected<void> map();

  private_file file_;
  std::byte* base_ = nullptr;
  std::uint64_t bytes_ = 0;
  std::uint32_t rings_ = 0;
  std::uint64_t ring_bytes_ = 0;
  memory::detail::watched_range watched_;
};

struct write_rings_stats {
  std::uint64_t producers = 0; ///< now
  std::uint64_t entries = 0;   ///< moved to the log
  std::uint64_t refused = 0;   ///< of a type that there is no room for
  std::uint64_t corrupt = 0;   ///< rings whose bytes were wrong
};

/// The end where the memory is.
class write_rings {
public:
  /// `locked` when another process reads these rings; else as `ring_file`.
  static expected<std::unique_ptr<write_rings>>
  make(const write_rings_options& options);

  /// Moves what was published to the log while that has room, types by their
  /// names.
  void drain(write_log& log, association_types& types);

  /// Tells producers what can be seen: all up to this number of the log.
  void note_visible(std::uint64_t sequence);

  /// Whether some ring is so full that its producer may soon wait.
  [[nodiscard]] bool presses() const noexcept;

  /// Any thread.
  [[nodiscard]] write_rings_stats stats() const;

private:
  explicit write_rings(ring_file file);

  /// Up to where a ring was moved, and which number the last entry has.
  struct moved_mark {
    std::uint64_t position;
    std::uint64_t sequence;
  };

  struct ring_state {
    std::uint64_t taken = 0;
    std::uint64_t last_sequence = 0;
    std::deque<moved_mark> moved; ///< and not known to be visible
    bool broken = false;
  };

  void drain_ring(std::uint32_t ring, write_log& log, association_types& types);
  errc read_frame(std::uint32_t ring, std::uint64_t published,
                  write_entry& entry, std::string& type,
                  std::uint64_t& frame_bytes);
  errc type_of(const std::string& name, association_types& types,
               association_type& type);
  void give_up(std::uint32_t ring);
  void begin_anew(std::uint32_t ring);

  ring_file file_;
  std::vector<ring_state> states_;
  std::unordered_map<std::string, association_type> known_types_;
  std::string frame_; ///< room for one
  std::atomic<std::uint64_t> entries_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<std::uint64_t> corrupt_{0};
};

/// The other end, in any process of the same user.
class ring_producer {
public:
  /// Takes a ring. `unavailable` when no memory reads these rings now,
  /// `too_many` when all are taken; else as `ring_file`.
  static expected<ring_producer> attach(const std::string& path);

  /// Appends an entry (write_entry.hpp); of an association, `type` is its
  /// name. `busy` when the ring is full: what is in it can be seen soon, try
  /// again. `value_size` for what no ring has room for, `bad_argument` for a
  /// type without a name, `corrupt` when the ring was given up: attach again.
  errc write(const write_entry& entry, std::string_view type = {});

  /// Waits until all that was written can be seen, and is durable if the
  /// memory's batches are. `deadline` when it takes longer, `unavailable` when
  /// nobody reads the rings: it may still come.
  errc wait_visible(std::chrono::milliseconds limit);

private:
  ring_producer(ring_file file, std::uint32_t ring);

  ring_file file_;
  std::uint32_t ring_;
  std::uint64_t published_;
  std::string frame_;
};

} // namespace neuroplex::concepts
