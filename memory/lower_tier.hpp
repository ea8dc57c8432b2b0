// What lies below the segment: the interface of a slower, larger store (files,
// a database, an object store), as a tiered_cache uses it.
//
// Ownership and threads: the caller owns it and keeps it alive as long as a
// cache uses it. All operations may be called by several threads at once. They
// may block, but not longer than the deadline; they must not call back into the
// cache that calls them, and keep none of the strings they are shown.
//
// Invariants for who implements it:
//  1. Every request of a batch gets an answer of its own; requests of a batch
//     are of different keys and may be done in any order.
//  2. A put or erase that answered ok is seen by every later get, whoever asks.
//  3. `unknown_outcome` is answered when the change was perhaps made, or may
//     yet be made. Every other failure says that nothing was changed.
//  4. Nothing is thrown.
//
// Answers: get: ok, not_found, corrupt, io, unavailable, deadline, busy.
// put: ok, value_size, no_space, io, unavailable, deadline, busy,
// unknown_outcome. erase: as put; a key that is not there is ok.
#pragma once

#include "memory/status.hpp"

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace neuroplex::memory {

using tier_deadline = std::chrono::steady_clock::time_point;

struct tier_get {
  std::string_view key;
  std::string value{};            ///< when ok
  std::int64_t expires_at_ms = 0; ///< Unix time, 0 for never
  errc status = errc::internal;
};

struct tier_put {
  std::string_view key;
  std::string_view value;
  std::int64_t expires_at_ms = 0;
  errc status = errc::internal;
};

struct tier_erase {
  std::string_view key;
  errc status = errc::internal;
};

class lower_tier {
public:
  lower_tier() = default;
  lower_tier(const lower_tier&) = delete;
  lower_tier& operator=(const lower_tier&) = delete;
  virtual ~lower_tier() = default;

  /// Each works on keys of the namespace named `space`.
  virtual void get_many(std::string_view space, std::span<tier_get> requests,
                        tier_deadline deadline) noexcept = 0;
  virtual void put_many(std::string_view space, std::span<tier_put> requests,
                        tier_deadline deadline) noexcept = 0;
  virtual void erase_many(std::string_view space,
                          std::span<tier_erase> requests,
                          tier_deadline deadline) noexcept = 0;

  // One at a time, by way of the batches.
  void get(std::string_view space, tier_get& request,
           tier_deadline deadline) noexcept {
    get_many(space, {&request, 1}, deadline);
  }

  void put(std::string_view space, tier_put& request,
           tier_deadline deadline) noexcept {
    put_many(space, {&request, 1}, deadline);
  }

  void erase(std::string_view space, tier_erase& request,
             tier_deadline deadline) noexcept {
    erase_many(space, {&request, 1}, deadline);
  }
};

} // namespace neuroplex::memory
