// A client of a PBFT group, without any input or output of its own.
//
// Purpose: one operation at a time: sends it to the primary it knows of, or to
// all replicas when no answer came in time or when it only reads, and believes
// a result when a quorum of replicas says the same.
//
// A weak quorum would show that a result is true. But reads that are not
// ordered see every write that was answered only if both were answered by
// quorums, which have a correct replica in common (Berger, Reiser and Bessani,
// "Making reads in BFT state machine replication fast, linearizable, and live",
// SRDS 2021).
//
// Threads: one at a time. No clock, randomness or socket.
//
// Invariants: an operation that was given up may be executed later; it is never
// executed twice.
//
// Failure behaviour: while no quorum answers, it goes on trying: giving up is
// the caller's business, and the outcome is unknown then.
#pragma once

#include "consensus/pbft/codec.hpp"
#include "consensus/pbft/options.hpp"

#include <map>
#include <memory>
#include <optional>

namespace neuroplex::pbft {

struct client_effects {
  std::vector<packet> packets{};
  std::optional<slice> result{}; ///< of the operation that was invoked last
};

class client {
public:
  /// `settings.id` is the client's. `first` is above all numbers that this id
  /// ever used: the time will do.
  static expected<client> create(const options& settings,
                                 std::shared_ptr<const crypto> with,
                                 timestamp first);

  /// Begins an operation, and gives up the one before.
  void invoke(const slice& operation, bool read_only, time now,
              client_effects& out);

  void receive(const packet& what, time now, client_effects& out);

  void tick(time now, client_effects& out);

  [[nodiscard]] time next_deadline() const noexcept {
    return asked_ ? deadline_ : time::max();
  }

  [[nodiscard]] bool is_busy() const noexcept {
    return asked_.has_value();
  }

private:
  client(const options& settings, std::shared_ptr<const crypto> with,
         timestamp first)
    : options_{settings}, crypto_{std::move(with)}, next_{first} {
  }

  void ask(bool read_only, bool everybody, bool with_signature, time now,
           client_effects& out);

  options options_;
  std::shared_ptr<const crypto> crypto_;
  timestamp next_;
  view_number view_ = 0; ///< as far as a weak quorum says
  std::uint64_t asked_count_ = 0;
  std::optional<request> asked_{};
  slice operation_{};
  time deadline_{};
  time wait_{};
  std::map<node_id, reply> replies_{};
};

} // namespace neuroplex::pbft
