// How far the other replicas of a group are to be trusted.
//
// Purpose: one number a replica, from 0 to 1, out of what it did and of whether
// it is heard at all. Evidence weighs by its kind and fades:
//
//   penalty(t) = sum over all evidence of weight * 2^-((t - seen) / half_life)
//   score(t)   = exp(-penalty(t)) * (1 - silence_cost if it is not heard)
//
// Silence alone never brings anybody below the threshold: Raft bears replicas
// that stop. Below `distrusted_below` a replica is distrusted; it is trusted
// again from `trusted_from` on, so that a score near the threshold does not
// make the mode swing.
//
// Threads: one at a time. Times are given by the caller.
//
// Invariants: the score falls with evidence and rises with time, and memory
// does not grow.
//
// Failure behaviour: nothing here fails; strangers are not counted.
#pragma once

#include "consensus/hybrid/types.hpp"
#include "memory/status.hpp"

#include <map>
#include <string_view>
#include <vector>

namespace neuroplex::hybrid {

enum class fault_kind : std::uint8_t {
  equivocation,     ///< said two things of which one must be a lie
  divergent_digest, ///< says that it has another state than a quorum
  false_proof,      ///< a signature or a proof that does not hold
  malformed,        ///< what no correct replica sends
  bad_mac,          ///< perhaps somebody else used its name
};

inline constexpr std::size_t fault_kind_count = 5;

[[nodiscard]] std::string_view fault_kind_name(fault_kind what) noexcept;

/// How much one case adds to the penalty. One case of the first two is enough
/// to be distrusted; it takes two false proofs, and five wrong MACs.
[[nodiscard]] double weight_of(fault_kind what) noexcept;

struct trust_options {
  double distrusted_below = 0.8;
  double trusted_from = 0.9;
  time half_life = std::chrono::minutes{5};
  time silent_after = std::chrono::seconds{1};
  double silence_cost = 0.05;

  /// `errc::config` unless a group can work with these.
  [[nodiscard]] expected<void> validate() const;
};

class trust_book {
public:
  trust_book(const trust_options& settings,
             const std::vector<node_id>& replicas, time now);

  /// It did that.
  void saw(node_id who, fault_kind what, time now);

  /// Something authentic came from it.
  void heard(node_id who, time now);

  [[nodiscard]] double score(node_id who, time now) const;

  /// Of the one that is trusted least.
  [[nodiscard]] double lowest_score(time now) const;

  /// With hysteresis.
  [[nodiscard]] bool trusts(node_id who, time now);
  [[nodiscard]] bool trusts_all(time now);

  [[nodiscard]] bool hears(node_id who, time now) const;

  [[nodiscard]] std::uint64_t cases() const noexcept {
    return cases_;
  }

private:
  struct opinion {
    double penalty = 0; ///< at `since`
    time since{};
    time heard{};
    bool trusted = true;
  };

  [[nodiscard]] double penalty_at(const opinion& of, time now) const;
  [[nodiscard]] double score_of(const opinion& of, time now) const;

  trust_options settings_;
  std::map<node_id, opinion> opinions_;
  std::uint64_t cases_ = 0;
};

} // namespace neuroplex::hybrid
