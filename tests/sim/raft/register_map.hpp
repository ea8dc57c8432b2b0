// The state machine of the simulated groups: registers, and who asked last.
//
// Purpose: put and compare-and-swap of numbers under numbered keys, each
// exactly once: a command carries its client and a sequence number, and one
// that was applied before is answered from memory. The sessions are state like
// any other and travel with the snapshot.
//
// Threads: one at a time.
//
// Invariants: two maps that applied the same entries have equal digests.
#pragma once

#include "consensus/raft/types.hpp"
#include "tests/sim/history.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace neuroplex::sim {

struct command {
  std::uint32_t client = 0;
  std::uint64_t sequence = 0;
  verb what = verb::put;
  std::uint32_t key = 0;
  register_value value = absent;
  register_value expect = absent;
};

[[nodiscard]] std::string pack_command(const command& asked,
                                       std::size_t ballast_bytes);
[[nodiscard]] command unpack_command(std::string_view bytes);

struct reply {
  outcome result = outcome::unknown;
  register_value value = absent;
};

class register_map {
public:
  /// Entries come in the order of their indexes.
  void apply(const raft::entry& one);

  [[nodiscard]] register_value get(std::uint32_t key) const;

  /// What the client's command was answered, if it was the client's last one.
  [[nodiscard]] const reply* answer_to(std::uint32_t client,
                                       std::uint64_t sequence) const;

  [[nodiscard]] raft::log_index index() const noexcept {
    return index_;
  }

  [[nodiscard]] raft::term_number term() const noexcept {
    return term_;
  }

  /// Of all entries applied, and their order.
  [[nodiscard]] std::uint64_t digest() const noexcept {
    return digest_;
  }

  /// `with_sessions` false is a mistake on purpose.
  [[nodiscard]] std::string save(bool with_sessions) const;
  [[nodiscard]] bool load(std::string_view saved);

private:
  struct session {
    std::uint64_t sequence = 0;
    reply last{};
  };

  [[nodiscard]] reply execute(const command& asked);

  std::map<std::uint32_t, register_value> registers_;
  std::map<std::uint32_t, session> sessions_;
  raft::log_index index_ = 0;
  raft::term_number term_ = 0;
  std::uint64_t digest_ = 0;
};

/// Of what an entry says, wherever it is.
[[nodiscard]] std::uint64_t content_hash(const raft::entry& one);

} // namespace neuroplex::sim
