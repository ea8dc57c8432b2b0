// Changes to an entry that hold only if nobody else was there since: what keeps
// the segment and a lower tier in step, for any number of processes.
//
// Purpose: who reads a missing key from a lower tier must not put an answer
// into the segment that was overtaken meanwhile, and no lock may be held while
// he waits. So before he asks he leaves a marker in the slot: an entry that
// expired in 1970. To everyone who reads, it is not there; whoever writes,
// erases, evicts or sweeps the key replaces or removes it like any expired
// entry, and then an exchange that wants to find it fails. (Leases of
// Nishtala and others, "Scaling Memcache at Facebook", NSDI 2013, without a
// server.) Readers of several processes share one marker: the first to exchange
// it wins, the others look again.
//
// A marker may also say that the lower tier has no such key, until when.
//
// Threads: all; a context belongs to one thread.
//
// Invariants:
//  1. A version token names one publication, so an exchange that succeeds says
//     that the slot did not change since the token was read.
#pragma once

#include "memory/engine.hpp"

#include <cstdint>
#include <string_view>

namespace neuroplex::memory {

template <class Sync>
class basic_witness {
public:
  using engine_type = basic_engine<Sync>;
  using context = basic_thread_context<Sync>;
  using location = basic_location<Sync>;

  /// When a marker expired; nothing that callers store can.
  static constexpr std::int64_t marker_expiry_ms = 1;

  enum class what : std::uint8_t {
    nothing, ///< no entry, or one that has expired
    marker,
    entry,
    unclear, ///< a damaged segment
  };

  struct sighting {
    what is = what::nothing;
    version_token token{};
    std::int64_t absent_until_ms = 0; ///< of a marker; 0: it does not say
    location where{};                 ///< of an entry
    bool lasting = false; ///< where it is stays its place till it is changed
  };

  explicit basic_witness(engine_type& engine) noexcept : engine_{engine} {
  }

  [[nodiscard]] sighting look(std::uint64_t hash, std::uint8_t ns,
                              std::string_view key) const {
    const auto& index = engine_.index();
    for (unsigned round = 0; round < max_rounds; ++round) {
      auto at = index.home_of(hash);
      sighting seen;
      switch (index.find(at, hash, ns, key, seen.where)) {
        case lookup::absent:
          return seen;
        case lookup::retry:
          Sync::pause(round / 2);
          continue;
        case lookup::found:
          break;
      }
      auto expires = engine_.expiry_of(seen.where);
      if (is_marker(seen.where, expires)) {
        seen.is = what::marker;
        Sync::read(&seen.absent_until_ms,
                   seen.where.payload() + seen.where.fields.key_bytes(),
                   sizeof seen.absent_until_ms);
      } else if (expires == 0 || expires > unix_time_ms()) {
        seen.is = what::entry;
      }
      if (!index.unchanged(at, seen.where))
        continue;
      seen.token = engine_.token_of(seen.where);
      seen.lasting = !at.old_table && !layout::is_frozen(seen.where.raw);
      return seen;
    }
    return {.is = what::unclear};
  }

  /// Leaves a marker unless there is an entry. ok, exists, no_space, busy.
  [[nodiscard]] errc place(const basic_lookup_view<Sync>& view, context& self,
                           std::uint64_t hash, std::uint8_t ns,
                           std::string_view key) {
    std::int64_t says_nothing = 0;
    return engine_.put(view, self, hash, ns, key, bytes_of(says_nothing),
                       marker_expiry_ms, condition::if_absent);
  }

  /// Puts an entry in the place of what `token` names. mismatch: it is no
  /// longer there. no_space leaves it.
  [[nodiscard]] errc exchange(context& self, std::uint64_t hash,
                              std::uint8_t ns, std::string_view key,
                              version_token token, std::string_view value,
                              std::int64_t expires, std::uint8_t form,
                              stamp::pinning pins) {
    auto bytes = engine_type::entry_bytes(key, value, expires);
    engine_.tidy(self);
    engine_.make_room(self, ns, bytes);
    for (unsigned round = 0; round < max_rounds; ++round) {
      location where;
      auto seen = find(self, hash, ns, key, where);
      if (seen == lookup::retry) {
        engine_type::lost(self, round);
        continue;
      }
      if (seen == lookup::absent || engine_.token_of(where) != token)
        return errc::mismatch;
      if (!engine_.within_quota(self, ns, bytes, where.fields.total_bytes()))
        return errc::no_space;
      auto granule = engine_.build(self, hash, ns, key, value, expires, form);
      if (granule == 0)
        return errc::no_space;
      auto answer = engine_.replace(self, where, granule, hash, pins);
      if (answer == errc::ok)
        return engine_.published(self, hash, ns, key);
      engine_.discard(self, granule);
      engine_type::lost(self, round);
    }
    return errc::busy;
  }

  /// The same with a marker that says: absent below until then.
  [[nodiscard]] errc exchange_for_absence(context& self, std::uint64_t hash,
                                          std::uint8_t ns, std::string_view key,
                                          version_token token,
                                          std::int64_t until_ms) {
    return exchange(self, hash, ns, key, token, bytes_of(until_ms),
                    marker_expiry_ms, 0, stamp::pinning::unpin);
  }

  /// Removes what `token` names, if it is still there: ok or mismatch.
  errc remove(context& self, std::uint64_t hash, std::uint8_t ns,
              std::string_view key, version_token token) {
    for (unsigned round = 0; round < max_rounds; ++round) {
      location where;
      auto seen = find(self, hash, ns, key, where);
      if (seen == lookup::absent
          || (seen == lookup::found && engine_.token_of(where) != token))
        return errc::mismatch;
      if (seen == lookup::found && engine_.try_erase(self, where, hash))
        return engine_.finish(self);
      engine_type::lost(self, round);
    }
    return errc::busy;
  }

private:
  static constexpr unsigned max_rounds = 1U << 13;

  [[nodiscard]] lookup find(context& self, std::uint64_t hash, std::uint8_t ns,
                            std::string_view key, location& where) {
    auto at = engine_.index().writable_home(self, hash);
    return engine_.index().find(at, hash, ns, key, where);
  }

  [[nodiscard]] static bool is_marker(const location& where,
                                      std::int64_t expires) noexcept {
    return expires == marker_expiry_ms
           && where.fields.value_bytes == sizeof(std::int64_t);
  }

  [[nodiscard]] static std::string_view
  bytes_of(const std::int64_t& number) noexcept {
    return {reinterpret_cast<const char*>(&number), sizeof number};
  }

  engine_type& engine_;
};

} // namespace neuroplex::memory
