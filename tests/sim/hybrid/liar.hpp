// A Byzantine replica of a simulated hybrid group.
//
// Purpose: two correct cores under one name, each of which talks with a part of
// the group only ("Twins", Bano et al., 2020). What they send is left out,
// altered, said again later, or said under a wrong tag. As a leader it shows
// some followers another chain, which it signs, and tells clients that all is
// done. And it tries to end epochs with histories that suit it. It never has
// anybody's keys but its own.
//
// Threads: none; belongs to the kernel.
#pragma once

#include "consensus/pbft/client.hpp"
#include "tests/sim/hybrid/host.hpp"
#include "tests/sim/pbft/liar.hpp"

#include <array>
#include <map>
#include <memory>
#include <set>
#include <vector>

namespace neuroplex::sim {

struct hybrid_lies {
  lies told{}; ///< those of a PBFT replica, as far as they have a meaning here
  bool forks = false;         ///< as a leader, shows others another chain
  bool answers_early = false; ///< as a leader, what was not agreed on
  std::uint32_t wrong_stop_ppm = 0;
  std::uint32_t wrong_order_ppm = 0; ///< of intervals: an order of its own
  std::uint32_t wrong_standing_ppm = 0;
  std::uint32_t wrong_entries_ppm = 0;
};

[[nodiscard]] hybrid_lies draw_hybrid_lies(dice& thrown, std::size_t replicas);

class hybrid_liar {
public:
  hybrid_liar(kernel& world, machine& box, carrier carry,
              const hybrid::options& settings, const hybrid_lies& told,
              std::vector<int> faces, const hybrid::replica_keys& keys);
  hybrid_liar(const hybrid_liar&) = delete;
  hybrid_liar& operator=(const hybrid_liar&) = delete;

  /// `face`: the one that a fellow liar speaks with; -1 from others.
  void receive(const pbft::packet& packet, int face);

  [[nodiscard]] std::uint64_t lies_told() const noexcept {
    return lies_told_;
  }

  [[nodiscard]] std::uint64_t forks_shown() const noexcept {
    return forks_shown_;
  }

private:
  struct twin {
    std::unique_ptr<hybrid::core> node{};
    nanoseconds armed_for = nanoseconds::max();
  };

  /// The chain that a follower is shown instead.
  struct fork {
    hybrid::epoch_number epoch = 0;
    std::map<hybrid::log_index, pbft::digest> chain{};
    std::map<hybrid::log_index, hybrid::entry> entries{};
  };

  void feed(int face, const hybrid::input& what);
  void arm(int face);
  [[nodiscard]] bool shows(int face, pbft::node_id to) const;
  void note(const hybrid::message& what);
  void send(int face, const pbft::packet& what);
  [[nodiscard]] pbft::packet tell_lie(int face, pbft::packet what);
  [[nodiscard]] bool alter(int face, pbft::node_id to,
                           hybrid::message_body& body);
  [[nodiscard]] bool show_fork(int face, pbft::node_id to,
                               hybrid::raft_message& said);
  void scheme(int face);
  void answer_early(int face, const hybrid::ask& what);

  static constexpr std::size_t packets_remembered = 64;

  kernel& world_;
  machine& box_;
  carrier carry_;
  hybrid::options settings_;
  hybrid_lies told_;
  std::vector<int> faces_;
  hybrid::replica_keys keys_;
  dice dice_;
  std::array<twin, 2> twins_;
  std::vector<pbft::packet> said_;
  std::map<pbft::node_id, fork> forks_; ///< by victim
  std::map<hybrid::epoch_number, std::map<pbft::node_id, hybrid::stop>> stops_;
  std::map<hybrid::epoch_number, std::vector<hybrid::holding>> holdings_;
  /// Heads that the leader signed, shortest first.
  std::map<hybrid::epoch_number, std::map<hybrid::head, pbft::signature>>
    heads_;
  std::unique_ptr<pbft::client> schemer_;
  std::uint64_t lies_told_ = 0;
  std::uint64_t forks_shown_ = 0;
};

} // namespace neuroplex::sim
