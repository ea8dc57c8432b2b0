// Clients of a simulated group where some may lie: honest ones and one that
// lies.
//
// Purpose: the honest one asks through a core of its own (`Node`: that of PBFT
// or of the hybrid); when its patience ends, the outcome is unknown and it goes
// on. The liar asks for things whose MACs are right at some replicas only, and
// for different things under one number.
//
// Threads: none; belongs to the kernel.
#pragma once

#include "consensus/hybrid/client.hpp"
#include "consensus/pbft/client.hpp"
#include "tests/sim/pbft/host.hpp"
#include "tests/sim/register_client.hpp"

#include <functional>
#include <memory>
#include <type_traits>

namespace neuroplex::sim {

/// Patience is that for an operation.
struct group_client_settings : client_habits {
  pbft::options core{};
};

/// What the world wants to know of a client.
struct client_watch {
  /// Somebody is about to ask for this, or for what the packet holds.
  std::function<void(pbft::node_id client, std::string_view operation)> asks{};
  std::function<void(const pbft::packet& what)> sends{};
  /// What one replica alone says counts for nothing if it lies.
  std::function<bool(pbft::node_id replica)> lies{};
};

template <class Node>
class group_client final : public register_client {
public:
  group_client(kernel& world, carrier carry, history& told,
               client_watch watched, const group_client_settings& settings,
               std::shared_ptr<const pbft::crypto> keys);

  void receive(const pbft::packet& what);

private:
  using wishes =
    std::conditional_t<std::is_same_v<Node, pbft::client>, pbft::client_effects,
                       hybrid::client_effects>;

  void send() override;
  void carry_out(wishes& wanted);
  void arm();

  carrier carry_;
  client_watch watched_;
  pbft::node_id id_;
  nanoseconds patience_;
  std::unique_ptr<Node> node_;
};

using pbft_client = group_client<pbft::client>;
using hybrid_client = group_client<hybrid::client>;

class lying_client {
public:
  lying_client(kernel& world, carrier carry, pbft::options settings,
               std::uint32_t key, std::shared_ptr<const pbft::crypto> keys);

  /// One request after the other, for ever.
  void begin(nanoseconds pace);

private:
  void say();

  kernel& world_;
  carrier carry_;
  pbft::options settings_;
  std::uint32_t key_;
  std::shared_ptr<const pbft::crypto> keys_;
  dice dice_;
  nanoseconds pace_{};
  pbft::timestamp number_ = 0;
};

} // namespace neuroplex::sim
