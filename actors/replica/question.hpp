// Reads that another node shall answer, since what is here is too old.
//
// Purpose: the form in which a read travels to a fresher replica, and its
// answer back: a command of a Redis client, which is answered by its reply, or
// keys, which are answered by what they show as plain values.
//
// Threads: pure functions.
//
// Invariants: only reads are answered; a question never changes anything.
//
// Failure behaviour: bytes that are no question are refused with `protocol`.
#pragma once

#include "actors/replica/redis_commands.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::replica {

struct question {
  std::uint8_t protocol = 0; ///< of the client; 0: `words` are keys
  concurrent_values shown = concurrent_values::last;
  command_words words{};

  friend bool operator==(const question&, const question&) = default;
};

[[nodiscard]] std::string encode(const question& what);
[[nodiscard]] expected<question> decode_question(std::string_view bytes);

/// What a key shows to clients that know values alone: `not_found`, or
/// `wrong_type` for sets and hashes.
struct plain_value {
  errc code = errc::ok;
  std::string value{};

  friend bool operator==(const plain_value&, const plain_value&) = default;
};

[[nodiscard]] plain_value read_plain(const core& from, std::string_view key);

[[nodiscard]] std::string encode(const std::vector<plain_value>& values);
[[nodiscard]] expected<std::vector<plain_value>>
decode_plain_values(std::string_view bytes);

/// The answer to an encoded question; nothing when it is no read, or its answer
/// is longer than limits::part_bytes.
[[nodiscard]] std::optional<std::string> answer(core& from, const moment& now,
                                                std::string_view bytes);

} // namespace neuroplex::replica
