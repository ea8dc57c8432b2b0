// `adaptive`: a cache that follows whichever order would have served best.
//
// Purpose: no single order is good on every pattern of access. So small shadow
// caches, each under an order of its own, see the requests for a sample of the
// keys, with a limit as much smaller; and the cache itself works under the
// order of the shadow that has had the most hits of late. doc/decisions tells
// why.
//
// Sources: sampled shadow caches: Waldspurger, Saemundsson, Ahmad, Park: "Cache
// Modeling and Optimization using Miniature Simulations", USENIX ATC 2017. The
// orders: see lirs.hpp, s3fifo.hpp, tinylfu.hpp, gdsf.hpp.
//
// Ownership and threads: owns its memory; one thread at a time.
//
// Invariants: those of cache.hpp, and
//  1. All orders work on the same lists, so a change of the order moves and
//     loses nothing, and costs nothing at that moment.
//  2. A key is in the sample or not by its hash alone.
//  3. Shadows hold between `sample_count` and about twice as many entries each,
//     as soon as the cache holds so many.
//
// Failure behaviour: none.
#pragma once

#include "memory/policy/cache.hpp"
#include "memory/policy/gdsf.hpp"
#include "memory/policy/lirs.hpp"
#include "memory/policy/s3fifo.hpp"
#include "memory/policy/tinylfu.hpp"

#include <array>

namespace neuroplex::memory::policy {

/// The orders that `adaptive` chooses from.
enum class expert : std::uint8_t {
  lru,
  s3fifo,
  lirs,         ///< 5 % for newcomers
  lirs_narrow,  ///< 1 % for newcomers
  tinylfu,      ///< a window of 1 %
  tinylfu_wide, ///< a window of 30 %
  gdsf,         ///< only where the limit counts bytes
};
inline constexpr std::size_t expert_count = 7;

/// One cache that can work under any of the experts, and change at any time.
class changeable_cache {
public:
  changeable_cache(std::uint64_t limit, bool by_bytes, expert lead,
                   const frequency_sketch& sketch);

  [[nodiscard]] residents& all() noexcept {
    return all_;
  }

  [[nodiscard]] const residents& all() const noexcept {
    return all_;
  }

  [[nodiscard]] expert lead() const noexcept {
    return lead_;
  }

  void follow(expert lead) noexcept;

  /// As cache::request; the request weighs no more than the limit.
  bool request_one(const request& what);

  /// Keeps the part of the residents that `stays` picks, under another limit.
  template <class Predicate>
  void thin(std::uint64_t limit, Predicate stays) noexcept {
    all_.keep_if(stays);
    all_.set_limit(limit);
    if (by_bytes_) // else there are no lists of its own
      gdsf_.refresh(all_);
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept;

private:
  residents all_;
  expert lead_;
  bool by_bytes_;
  lru_order lru_;
  s3fifo_order s3fifo_;
  lirs_order lirs_;
  tinylfu_order tinylfu_;
  gdsf_order gdsf_;
};

/// Which expert is ahead, by hits that fade.
class judge {
public:
  /// To follow `lead` at first. Another must be ahead by `change_price` times
  /// what a shadow holds.
  judge(expert lead, double change_price)
    : lead_{lead}, change_price_{change_price} {
  }

  [[nodiscard]] expert lead() const noexcept {
    return lead_;
  }

  /// Tells who had a sampled request; `hits` has a bit an expert. A shadow
  /// holds `entries`. Answers whether the lead changed.
  bool note(unsigned hits, double worth, std::uint32_t entries) noexcept;

private:
  // What an expert won and lost against the lead.
  struct record {
    double won = 0;
    double lost = 0;
  };

  [[nodiscard]] expert best(std::uint32_t entries) const noexcept;
  void change_to(expert lead) noexcept;

  expert lead_;
  double change_price_;
  std::uint32_t since_look_ = 0;
  double mean_worth_ = 1;
  std::array<record, expert_count> records_{};
};

class adaptive_cache final : public cache {
public:
  explicit adaptive_cache(const cache_options& options);

  bool request(std::uint64_t key, std::uint32_t size) override;
  [[nodiscard]] bool contains(std::uint64_t key) const override;
  void prefetch(std::uint64_t key) const override;
  [[nodiscard]] std::uint64_t limit() const override;
  [[nodiscard]] std::uint64_t weight() const override;
  [[nodiscard]] std::uint64_t count() const override;
  [[nodiscard]] std::size_t memory_bytes() const override;

  /// The order that is followed now.
  [[nodiscard]] expert lead() const noexcept {
    return judge_.lead();
  }

private:
  [[nodiscard]] bool is_sampled(std::uint64_t hash) const noexcept;
  void learn(const policy::request& what);
  void thin_sample();

  cache_options options_;
  std::uint32_t now_ = 0;
  unsigned sample_shift_ = 0; ///< one key of 2^shift is in the sample
  frequency_sketch sketch_;
  frequency_sketch sample_sketch_;
  judge judge_;
  changeable_cache real_;
  std::vector<changeable_cache> shadows_;
};

} // namespace neuroplex::memory::policy
