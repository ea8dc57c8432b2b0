// Remembers the answers to recent writes, so that a repeated request gets the
// answer of the first one instead of a second effect.
//
// Purpose: makes writes idempotent by request id. An answer has to be known
// only until the deadline of its request, since a repetition after that is
// refused for being late. Bounded in answers, in clients and in bytes.
//
// Threads: one at a time (each shard has a table of its own).
//
// Invariants:
//  1. An id that is remembered gets its first answer again, or `conflict` when
//     the body differs.
//  2. A write never happens twice before its deadline: when an answer has to
//     be forgotten early for want of room, its id and all lower ones of that
//     client are no longer taken for new.
//  3. The bounds hold after every call.
#pragma once

#include "actors/messages.hpp"

#include <cstdint>
#include <deque>
#include <unordered_map>
#include <variant>

namespace neuroplex::actors {

/// XXH3 over all that makes two requests with one id the same request.
[[nodiscard]] std::uint64_t body_fingerprint(const request& what);
[[nodiscard]] std::uint64_t body_fingerprint(const batch_request& what);

class dedup_table {
public:
  using answer = std::variant<reply, batch_reply>;

  enum class verdict : std::uint8_t {
    fresh,     ///< never seen: apply it, then remember the answer
    repeat,    ///< seen: `recorded` is the answer
    conflict,  ///< seen with another body
    forgotten, ///< perhaps seen, but there was no room to remember
    full,      ///< too many clients at once: refuse it
  };

  struct finding {
    verdict what = verdict::fresh;
    const answer* recorded = nullptr; ///< valid until the next call
  };

  struct bounds {
    std::size_t answers = limits::max_remembered_answers;
    std::size_t clients = limits::max_remembered_clients;
    std::size_t bytes = limits::max_remembered_bytes;
  };

  dedup_table() = default;

  explicit dedup_table(bounds limits) : bounds_{limits} {
  }

  [[nodiscard]] finding find(const request_id& id, std::uint64_t fingerprint,
                             std::int64_t now_ms);

  /// Remembers the answer to an id that `find` called fresh just before.
  void remember(const request_header& header, std::uint64_t fingerprint,
                answer what, std::int64_t now_ms);

  [[nodiscard]] std::size_t size() const noexcept {
    return order_.size();
  }

  [[nodiscard]] std::size_t bytes() const noexcept {
    return bytes_;
  }

private:
  struct entry {
    std::uint64_t fingerprint = 0;
    answer what;
  };

  struct client_record {
    std::unordered_map<std::uint64_t, entry> entries; // by sequence
    std::uint64_t forgotten_up_to = 0;
    std::int64_t last_deadline_ms = 0;
  };

  struct arrival {
    std::uint64_t client = 0;
    std::uint64_t sequence = 0;
    std::int64_t deadline_ms = 0;
  };

  void forget_oldest(std::int64_t now_ms);
  bool make_room_for_client(std::int64_t now_ms);

  bounds bounds_;
  std::unordered_map<std::uint64_t, client_record> clients_;
  std::deque<arrival> order_; // oldest first
  std::size_t bytes_ = 0;
};

} // namespace neuroplex::actors
