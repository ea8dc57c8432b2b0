// What replicas and clients of a PBFT group say to each other.
//
// Purpose: one struct a message. Every field is a claim of somebody who may be
// late, confused or hostile. Which of them carry a signature, and why: decision
// 27 in doc/decisions/.
//
// Threads: plain values.
//
// Invariants: `signed_bytes` of a signed message is what its signature is
// about, and what its other fields were read from.
//
// Failure behaviour: nothing here fails.
#pragma once

#include "consensus/pbft/types.hpp"

#include <variant>

namespace neuroplex::pbft {

/// From a client, or from a replica that passes it on.
struct request_message {
  request what{};

  friend bool operator==(const request_message&,
                         const request_message&) = default;
};

struct reply {
  view_number view = 0; ///< tells the client who leads
  timestamp number = 0; ///< of the request
  bool read_only = false;
  slice result{};

  friend bool operator==(const reply&, const reply&) = default;
};

struct pre_prepare {
  view_number view = 0;
  sequence_number sequence = 0;
  digest of{};
  shared_batch requests{};

  friend bool operator==(const pre_prepare& x, const pre_prepare& y) {
    return x.view == y.view && x.sequence == y.sequence && x.of == y.of
           && *x.requests == *y.requests;
  }
};

struct prepare {
  view_number view = 0;
  sequence_number sequence = 0;
  digest of{};

  friend bool operator==(const prepare&, const prepare&) = default;
};

struct commit {
  view_number view = 0;
  sequence_number sequence = 0;
  digest of{};

  friend bool operator==(const commit&, const commit&) = default;
};

/// "My state after `sequence` is `root`."
struct checkpoint {
  sequence_number sequence = 0;
  digest root{};
  signature by{};

  friend bool operator==(const checkpoint&, const checkpoint&) = default;
};

struct checkpoint_vote {
  node_id replica = nobody;
  signature by{};

  friend bool operator==(const checkpoint_vote&,
                         const checkpoint_vote&) = default;
};

/// A quorum signed for this state. None is needed for sequence 0.
struct stable_proof {
  sequence_number sequence = 0;
  digest root{};
  std::vector<checkpoint_vote> votes{};

  friend bool operator==(const stable_proof&, const stable_proof&) = default;
};

/// A digest that was pre-prepared or prepared in a view.
struct claim {
  sequence_number sequence = 0;
  view_number view = 0;
  digest of{};

  friend bool operator==(const claim&, const claim&) = default;
};

/// "I do nothing in views below `view` any more; this is what I had done."
struct view_change {
  node_id replica = nobody;
  view_number view = 0;
  stable_proof stable{};
  /// The latest a sequence number; by sequence. P in the paper.
  std::vector<claim> prepared{};
  /// By sequence, then by digest, each with its latest view. Q in the paper.
  std::vector<claim> pre_prepared{};
  slice signed_bytes{};
  signature by{};

  friend bool operator==(const view_change&, const view_change&) = default;
};

/// The view begins with what follows from these (view_choice.hpp).
struct new_view {
  view_number view = 0;
  std::vector<view_change> proof{};
  slice signed_bytes{};
  signature by{};

  friend bool operator==(const new_view&, const new_view&) = default;
};

/// Where a replica is, so that others send what it lacks.
struct status_message {
  view_number view = 0;
  bool active = false; ///< the view has begun for it
  sequence_number stable = 0;
  sequence_number executed = 0;

  friend bool operator==(const status_message&,
                         const status_message&) = default;
};

/// "This is committed": believed when a weak quorum says so.
struct committed {
  sequence_number sequence = 0;
  digest of{};
  shared_batch requests{};

  friend bool operator==(const committed& x, const committed& y) {
    return x.sequence == y.sequence && x.of == y.of
           && *x.requests == *y.requests;
  }
};

struct batch_wanted {
  sequence_number sequence = 0;
  digest of{};

  friend bool operator==(const batch_wanted&, const batch_wanted&) = default;
};

struct batch_sent {
  sequence_number sequence = 0;
  shared_batch requests{};

  friend bool operator==(const batch_sent& x, const batch_sent& y) {
    return x.sequence == y.sequence && *x.requests == *y.requests;
  }
};

/// Of the checkpoint with that root: the digests of its pieces.
struct manifest_wanted {
  sequence_number sequence = 0;

  friend bool operator==(const manifest_wanted&,
                         const manifest_wanted&) = default;
};

struct manifest {
  sequence_number sequence = 0;
  std::vector<digest> pieces{};

  friend bool operator==(const manifest&, const manifest&) = default;
};

struct piece_wanted {
  sequence_number sequence = 0;
  std::uint32_t index = 0;

  friend bool operator==(const piece_wanted&, const piece_wanted&) = default;
};

struct piece {
  sequence_number sequence = 0;
  std::uint32_t index = 0;
  slice data{};

  friend bool operator==(const piece&, const piece&) = default;
};

using message_body =
  std::variant<request_message, reply, pre_prepare, prepare, commit, checkpoint,
               stable_proof, view_change, new_view, status_message, committed,
               batch_wanted, batch_sent, manifest_wanted, manifest,
               piece_wanted, piece>;

struct message {
  group_id group = 0;
  node_id from = nobody;
  message_body body{};

  friend bool operator==(const message&, const message&) = default;
};

/// A message on its way to one party: the bytes may be shared by all who get
/// it, the tag is for this one.
struct packet {
  node_id to = nobody;
  slice bytes{};
  mac_tag tag{};
};

} // namespace neuroplex::pbft
