// A client of a hybrid group, without any input or output of its own.
//
// Purpose: one operation at a time, through whichever mode the group is in: in
// an epoch by Raft it asks the leader and believes it; by PBFT it believes a
// quorum. How the group works it learns from a weak quorum of replicas, or from
// a result of PBFT. An operation bears a number of its own, so that it happens
// once though it is asked for in both modes.
//
// Threads: one at a time. No clock, randomness or socket.
//
// Invariants: an operation that was given up may be executed later; it is never
// executed twice.
//
// Failure behaviour: while nobody answers, it goes on trying: giving up is the
// caller's business, and the outcome is unknown then. A leader that lies may
// answer anything, until its epoch is closed.
#pragma once

#include "consensus/hybrid/codec.hpp"
#include "consensus/pbft/client.hpp"

#include <map>
#include <memory>
#include <optional>

namespace neuroplex::hybrid {

struct client_effects {
  std::vector<pbft::packet> packets{};
  std::optional<slice> result{}; ///< of the operation that was invoked last
  /// Who alone said so; nobody, if a quorum did.
  node_id believed = nobody;
};

class client {
public:
  /// `settings.id` is the client's. `first` is above all numbers that this id
  /// ever used: the time will do.
  static expected<client> create(const pbft::options& settings,
                                 std::shared_ptr<const crypto> keys,
                                 timestamp first);

  /// Begins an operation, and gives up the one before.
  void invoke(const slice& operation, bool read_only, time now,
              client_effects& out);

  void receive(const pbft::packet& what, time now, client_effects& out);

  void tick(time now, client_effects& out);

  [[nodiscard]] time next_deadline() const noexcept;

  [[nodiscard]] bool is_busy() const noexcept {
    return busy_;
  }

  [[nodiscard]] const epoch_info& where() const noexcept {
    return where_;
  }

private:
  client(const pbft::options& settings, std::shared_ptr<const crypto> keys,
         pbft::client ordered, timestamp first);

  void begin(time now, client_effects& out);
  void ask_leader(bool everybody, time now, client_effects& out);
  void take(pbft::client_effects& from, time now, client_effects& out);
  void learn(time now, client_effects& out);

  pbft::options options_;
  std::shared_ptr<const crypto> keys_;
  pbft::client ordered_; ///< for what PBFT orders
  std::uint64_t next_number_;
  epoch_info where_{};
  bool busy_ = false;
  bool read_only_ = false;
  slice operation_{};              ///< an encoded order
  std::optional<request> asked_{}; ///< of the leader
  time deadline_{};
  time wait_{};
  std::map<node_id, epoch_info> told_{};
};

} // namespace neuroplex::hybrid
