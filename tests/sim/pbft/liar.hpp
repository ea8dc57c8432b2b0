// A Byzantine replica of a simulated PBFT group.
//
// Purpose: two correct cores under one name, each of which talks with a part of
// the group only ("Twins", Bano et al., 2020): so it equivocates in every kind
// of message, consistently enough to get far. What they send is then left out,
// altered, said again later, or said under a wrong tag. It never has anybody's
// keys but its own.
//
// Liars that collude show each other the same face that they show a correct
// replica.
//
// Threads: none; belongs to the kernel.
#pragma once

#include "tests/sim/pbft/host.hpp"

#include <array>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

namespace neuroplex::sim {

/// How often each lie is told, in millionths of all packets.
struct lies {
  bool two_faces = false;
  std::uint32_t silence_ppm = 0;
  std::uint32_t wrong_digest_ppm = 0;
  std::uint32_t wrong_tag_ppm = 0;
  std::uint32_t replay_ppm = 0;
  std::uint32_t wrong_state_ppm = 0;   ///< of pieces, manifests, batches
  std::uint32_t wrong_history_ppm = 0; ///< of view-changes
  std::uint32_t forged_request_ppm = 0;
  /// Replicas, by place, that never hear anything of it.
  std::vector<bool> ignored{};
};

[[nodiscard]] pbft::digest any_digest(dice& thrown);

[[nodiscard]] lies draw_lies(dice& thrown, std::size_t replicas);

class pbft_liar {
public:
  pbft_liar(kernel& world, machine& box, carrier carry,
            const pbft::options& settings, const lies& told,
            std::vector<int> faces, std::vector<pbft::node_id> clients,
            std::shared_ptr<const pbft::crypto> keys);
  pbft_liar(const pbft_liar&) = delete;
  pbft_liar& operator=(const pbft_liar&) = delete;

  /// `face`: the one that a fellow liar speaks with; -1 from others.
  void receive(const pbft::packet& packet, int face);

  [[nodiscard]] std::uint64_t lies_told() const noexcept {
    return lies_told_;
  }

private:
  struct twin {
    std::unique_ptr<pbft::core> node{};
    replicated_registers state{};
    nanoseconds armed_for = nanoseconds::max();
  };

  void feed(int face, const pbft::input& what);
  void carry_out(int face, pbft::effects& wanted);
  void arm(int face);
  [[nodiscard]] bool shows(int face, pbft::node_id to) const;
  void send(int face, const pbft::packet& what);
  [[nodiscard]] pbft::packet twist(const pbft::packet& what);
  [[nodiscard]] pbft::packet tell_lie(pbft::packet what);
  [[nodiscard]] bool alter(pbft::message_body& body);
  [[nodiscard]] bool forge_request(pbft::pre_prepare& said);

  kernel& world_;
  machine& box_;
  carrier carry_;
  pbft::options settings_;
  lies told_;
  std::vector<int> faces_; ///< by place: the face that the replica sees
  std::vector<pbft::node_id> clients_;
  std::shared_ptr<const pbft::crypto> keys_;
  dice dice_;
  std::uint64_t salt_;
  std::array<twin, 2> twins_;
  std::vector<pbft::packet> said_;
  /// What it says instead of a batch, where it does.
  std::map<std::tuple<pbft::view_number, pbft::sequence_number, pbft::digest>,
           pbft::shared_batch>
    forged_;
  std::uint64_t lies_told_ = 0;
};

} // namespace neuroplex::sim
