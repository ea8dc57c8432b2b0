// A small segment in plain memory, the store's engine on it under the
// scheduler, and what must be true of it after any run.
//
// Purpose: scenarios call `set`, `get` and their kin for a thread of the
// scheduler; each call is noted in the history. `judge` then brings the segment
// to rest (recovers whom nobody recovered, reads every key, empties all
// magazines) and looks at everything in it: the history has an order, no block
// is lost or has two owners, no page is, no key is there twice.
//
// Values are numbers (values.hpp). Keys 0 to 5 share a home line, keys 0, 4 and
// 5 the tag as well; the tag of key 3 is 0; keys 6 and 7 live elsewhere.
//
// Threads: one; each modelled thread has the thread slot of its number, and the
// last slot is that of `judge`. Only `make_world` knows the engine, so that a
// mutant of the engine costs the compilation of one file.
#pragma once

#include "tests/museum/history.hpp"
#include "tests/schedule/scheduler.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace neuroplex::museum {

class world {
public:
  static constexpr unsigned key_count = 8;
  static constexpr std::uint32_t long_value = 100;

  world() = default;
  world(const world&) = delete;
  world& operator=(const world&) = delete;
  virtual ~world() = default;

  // -- around a run -----------------------------------------------------------

  /// Takes the segment as it is now for the beginning of every run.
  virtual void remember() = 0;

  /// Puts the segment and all threads back to that beginning.
  virtual void restore() = 0;

  /// What is wrong after a run; empty if nothing. Leaves the segment changed.
  [[nodiscard]] virtual std::string judge() = 0;

  virtual schedule::scheduler& threads() noexcept = 0;

  /// Which structure and field lies at an offset of the segment.
  [[nodiscard]] virtual std::string describe(std::uint32_t offset) const = 0;

  // -- operations of a thread -------------------------------------------------

  virtual outcome get(unsigned thread, unsigned key) = 0;
  /// The same without the short way for the usual case.
  virtual outcome get_with_care(unsigned thread, unsigned key) = 0;
  /// Through a pinned view that is read twice.
  virtual outcome view(unsigned thread, unsigned key) = 0;
  virtual outcome set(unsigned thread, unsigned key, std::uint32_t value) = 0;
  virtual outcome add(unsigned thread, unsigned key, std::uint32_t value) = 0;
  virtual outcome replace(unsigned thread, unsigned key,
                          std::uint32_t value) = 0;
  virtual outcome erase(unsigned thread, unsigned key) = 0;
  virtual outcome increment(unsigned thread, unsigned key,
                            std::uint32_t by) = 0;
  virtual outcome swap(unsigned thread, unsigned key, std::uint32_t expected,
                       std::uint32_t desired) = 0;
  /// Walks the lines of the key's home; the key must be met.
  virtual void scan_for(unsigned thread, unsigned key) = 0;
  /// Frees what the thread has displaced and nobody pins.
  virtual void reuse(unsigned thread) = 0;
  /// Has the thread's next write do so by itself.
  virtual void make_tidy(unsigned thread) = 0;
  virtual void flush(unsigned thread) = 0;
  virtual void scavenge(unsigned thread) = 0;
  /// Recovers a dead thread.
  virtual void recover(unsigned thread, unsigned dead) = 0;
  /// Raw blocks. Nobody else may hold what one got; 0: there is none.
  virtual std::uint32_t take(unsigned thread, std::uint64_t bytes) = 0;
  virtual void give(unsigned thread, std::uint32_t granule) = 0;
  /// Fills a block that was taken, from its plain fields on, with words as they
  /// stand in blocks that `owner` keeps ready; `kept` fails the run when they
  /// are not there any more. Nothing for block 0.
  virtual void fill_alike(std::uint32_t granule, unsigned owner) = 0;
  virtual void kept(std::uint32_t granule, unsigned owner) = 0;
  /// Begins to double the index, as if it were full.
  virtual void grow_index() = 0;

  /// From now on entries share equal values; they are read by `get` and
  /// `get_with_care`, written by `set`, `add`, `replace` and `erase`.
  virtual void share() = 0;

  /// Fills so many slots of the home line of key 0 with other keys' entries.
  virtual void fill_line(unsigned slots) = 0;
  /// Fills the group of lines that the keys lie in.
  virtual void fill_group() = 0;

  // -- damage -----------------------------------------------------------------

  /// Makes the thread's list of displaced blocks, or its magazine of entries, a
  /// ring of the block of key 0, which is in use.
  virtual void knot_retired_list(unsigned thread) = 0;
  virtual void knot_magazine(unsigned thread) = 0;
  /// Makes the thread's list of displaced blocks a ring of its first block,
  /// which another thread pins.
  virtual void knot_pinned_list(unsigned thread) = 0;
  /// Lets a damaged segment pass: `judge` looks at nothing but the history.
  virtual void expect_damage() = 0;
};

/// `pages` of pool, and an index that begins with so many groups of lines.
std::unique_ptr<world> make_world(std::uint32_t pages,
                                  std::uint32_t index_groups);

} // namespace neuroplex::museum
