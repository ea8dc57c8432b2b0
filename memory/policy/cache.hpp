// A cache of keys under a replacement policy, without the values.
//
// Purpose: what every policy answers, behind one small interface: was the key
// here, and which keys are here now. It serves the replay of traces, the choice
// of a policy, and tests; nothing in it sleeps, sends, or reads a clock.
//
// Ownership and threads: a cache owns its memory; one thread at a time.
//
// Invariants:
//  1. `weight()` never exceeds `limit()`, at any moment.
//  2. `request` answers true exactly if the key was resident before it.
//  3. Equal sequences of requests give equal answers.
//  4. The policy keeps 16 bytes a resident beside key and size, 8 bytes a ghost
//     and 4 bits a counter of a sketch.
//
// Failure behaviour: an entry heavier than the limit is never admitted, and a
// policy that knows sizes may turn others away; no function fails.
#pragma once

#include "memory/policy/kind.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace neuroplex::memory::policy {

/// What the limit of a cache counts.
enum class capacity_unit : std::uint8_t { objects, bytes };

/// What a cache that knows sizes shall make many of.
enum class objective : std::uint8_t {
  object_hits, ///< requests answered
  byte_hits,   ///< bytes answered
};

struct cache_options {
  std::uint64_t limit = 0; ///< at least 1
  capacity_unit unit = capacity_unit::objects;
  objective aim = objective::object_hits; ///< heeded by `adaptive` alone
};

class cache {
public:
  cache() = default;
  cache(const cache&) = delete;
  cache& operator=(const cache&) = delete;
  virtual ~cache() = default;

  /// Looks a key up, and takes it in if it is missing. One key always comes
  /// with one size; where the limit counts objects, sizes do not matter.
  virtual bool request(std::uint64_t key, std::uint32_t size) = 0;

  /// Whether the key is resident; changes nothing.
  [[nodiscard]] virtual bool contains(std::uint64_t key) const = 0;

  /// Hints that the key is asked for soon; changes nothing that is promised.
  virtual void prefetch(std::uint64_t key) const = 0;

  [[nodiscard]] virtual std::uint64_t limit() const = 0;

  /// Residents, in the unit of the limit.
  [[nodiscard]] virtual std::uint64_t weight() const = 0;

  [[nodiscard]] virtual std::uint64_t count() const = 0;

  /// All memory held: nodes with their keys, index, ghosts, sketches.
  [[nodiscard]] virtual std::size_t memory_bytes() const = 0;
};

/// Every policy but `noeviction`, for which it answers null.
[[nodiscard]] std::unique_ptr<cache> make_cache(policy_kind kind,
                                                const cache_options& options);

} // namespace neuroplex::memory::policy
