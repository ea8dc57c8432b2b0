// What the agreement parts of two nodes say to each other, as bytes.
//
// Purpose: frames on a connection that one node has opened to another, and
// which carries what the opener sends. A frame is a 32-bit length, a type and a
// body; all numbers are little-endian.
//
//   greeting = version u32, cluster, from u64, to u64, protocol u8,
//              incarnation u64, groups u64, has begun u8, first
//              configuration, key
//   raft     = group u64, a message of consensus/raft/codec.hpp
//   beats    = replies u8, incarnation u64, count u32, then for each
//              group u64, term u64, commit u64, round u64
//   request  = group u64, tag u64, read u8, session u64, sequence u64,
//              acknowledged u64, batch (empty: open a session)
//   reply    = group u64, tag u64, verdict u8, code u8, leader u64, bytes
//   order    = group u64, tag u64, kind u8, node u64
//   packet   = to u64, a packet of consensus/pbft/codec.hpp
//
// Threads: pure functions on plain values.
//
// Invariants: a connection begins with a greeting, and is closed at the first
// thing that is not a frame.
//
// Failure behaviour: `protocol` for what is malformed, `version` for a greeting
// of another version.
#pragma once

#include "consensus/raft/message.hpp"
#include "consensus/store_machine/command.hpp"
#include "memory/status.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace neuroplex::agreement {

/// Number of a Raft group of the cluster.
using group_id = std::uint64_t;

/// The first group; the others follow without a gap.
inline constexpr group_id first_group = 1;

/// Most groups of a cluster.
inline constexpr std::size_t max_groups = 1'024;

inline constexpr std::uint32_t frame_version = 3;

/// Length of the head: the length of the rest, and the type.
inline constexpr std::size_t frame_head_bytes = 5;

/// How the nodes of a cluster agree.
enum class protocol : std::uint8_t {
  raft,
  pbft,   ///< though some of them lie
  hybrid, ///< by Raft while all are trusted, by PBFT while they are not
};

inline constexpr std::uint8_t protocol_count =
  static_cast<std::uint8_t>(protocol::hybrid) + 1;

[[nodiscard]] std::string_view protocol_name(protocol what) noexcept;

/// Why a node that agrees by `its` is of no use to one that does by `ours`.
[[nodiscard]] std::string other_protocol(raft::node_id node, protocol its,
                                         protocol ours);

struct greeting {
  std::string cluster{};
  raft::node_id from = raft::nobody;
  raft::node_id to = raft::nobody;
  protocol how = protocol::raft;
  raft::incarnation_number incarnation = 0;
  std::uint64_t groups = 1;                   ///< that keys are spread over
  std::optional<raft::configuration> first{}; ///< as formation::first
  std::string key{}; ///< public, of the sender; not with Raft
};

/// The heartbeats of many groups between two nodes, or the replies to them.
struct beats_frame {
  struct beat {
    group_id group = 0;
    raft::term_number term = 0;
    raft::log_index commit = 0; ///< not in replies
    std::uint64_t round = 0;
  };

  bool replies = false;
  raft::incarnation_number incarnation = 0; ///< of the sender
  std::vector<beat> beats{};
};

struct raft_frame {
  group_id group = 0;
  raft::message what{};
};

/// A client's wish, sent to the node that leads the group.
struct request_frame {
  group_id group = 0;
  std::uint64_t tag = 0; ///< the sender's, for the reply
  bool read = false;     ///< changes nothing; needs no session
  raft::session_id session = 0;
  std::uint64_t sequence = 0;
  std::uint64_t acknowledged = 0;
  std::string batch{}; ///< empty: open a session
};

enum class reply_verdict : std::uint8_t {
  done,       ///< `bytes` are the results
  try_again,  ///< not done, and will not be; `leader` may know better
  lost_track, ///< perhaps done: ask again with the same number
  no_session, ///< the session is not known any more: not done by this request
  forgotten,  ///< done before, and its answer is not kept
  refused,    ///< not done for the reason in `code`
};

inline constexpr std::uint8_t reply_verdict_count =
  static_cast<std::uint8_t>(reply_verdict::refused) + 1;

struct reply_frame {
  group_id group = 0;
  std::uint64_t tag = 0;
  reply_verdict verdict = reply_verdict::try_again;
  errc code = errc::ok;
  raft::node_id leader = raft::nobody;
  raft::session_id session = 0; ///< of a request that opened one
  std::string bytes{};
};

/// What an operator wants of a group.
enum class order_kind : std::uint8_t {
  add,      ///< a node that is no member learns; a learner votes
  remove,   ///< a member takes no further part
  transfer, ///< another voter leads
};

inline constexpr std::uint8_t order_kind_count =
  static_cast<std::uint8_t>(order_kind::transfer) + 1;

/// An operator's wish, sent to the node that leads the group; the reply's bytes
/// are the reason of a refusal.
struct order_frame {
  group_id group = 0;
  std::uint64_t tag = 0;
  order_kind kind = order_kind::add;
  raft::node_id node = raft::nobody;
};

/// For a party of the node that gets it: what it says is shown by its tag.
struct packet_frame {
  std::uint64_t to = 0;
  raft::slice packet{};
};

using frame = std::variant<greeting, raft_frame, beats_frame, request_frame,
                           reply_frame, order_frame, packet_frame>;

/// Appends a whole frame.
void append_frame(const greeting& what, std::string& out);
void append_frame(const request_frame& what, std::string& out);
void append_frame(const reply_frame& what, std::string& out);
void append_frame(const beats_frame& what, std::string& out);
void append_frame(const order_frame& what, std::string& out);
void append_packet_frame(std::uint64_t to, std::string_view message,
                         std::string_view tag, std::string& out);
void append_raft_frame(group_id group, const raft::message& what,
                       std::string& out);

/// Length of the frame that begins here, its head included; nothing while the
/// head is not whole. `protocol` when it is longer than any frame may be.
[[nodiscard]] expected<std::optional<std::size_t>>
frame_bytes(std::string_view bytes);

/// Reads a whole frame. Entries of a message share its bytes.
[[nodiscard]] expected<frame> decode_frame(const raft::slice& bytes);

} // namespace neuroplex::agreement
