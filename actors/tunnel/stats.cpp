#include "actors/tunnel/stats.hpp"

namespace neuroplex::tunnel {

namespace {

struct reason_text {
  std::string_view name;
  std::string_view description;
};

// One row a reason, in the order of the enumeration.
constexpr std::array<reason_text, reason_count> texts{{
  {"none", "the stream is alive"},
  {"orderly", "a side closed the stream"},
  {"peer_reset", "the connection broke without a close"},
  {"stopped", "this tunnel was stopped"},
  {"connect_failed", "the peer's address does not answer: check that the peer "
                     "runs and that the port is open"},
  {"local_unavailable", "nothing listens on the local port: check that the "
                        "node has started"},
  {"foreign_user", "a process of another user connected to the local port"},
  {"address_limit", "too many unauthenticated connections of one address"},
  {"handshake_deadline", "not authenticated in time"},
  {"not_tls", "the first bytes are no TLS"},
  {"tls_version", "TLS older than 1.3"},
  {"no_certificate", "the peer showed no certificate"},
  {"certificate_expired", "the peer's certificate is out of its validity: "
                          "issue a new one, or check the clocks"},
  {"certificate_authority", "the peer's certificate is not signed by this "
                            "cluster's authority"},
  {"certificate_invalid", "the peer's certificate is not usable here"},
  {"wrong_name", "the peer's certificate does not name the expected replica"},
  {"refused_by_peer", "the peer refused this node"},
  {"tls_failed", "the TLS connection failed"},
  {"hello_malformed", "the first frame is no hello"},
  {"wire_version", "no common version of the tunnel's protocol: upgrade the "
                   "older node"},
  {"other_cluster", "the peer belongs to another cluster"},
  {"hello_identity", "the hello names another replica than the certificate"},
  {"unknown_peer", "the replica is not in the list of peers"},
  {"duplicate_session", "the replica id has a live session of another "
                        "incarnation"},
  {"too_many_streams", "the peer has all the streams it may have"},
  {"frame_oversize", "a frame above its limit"},
  {"frame_malformed", "an unknown frame, or one out of order"},
  {"idle", "the peer fell silent"},
  {"superseded", "a silent session made room for the peer's next one"},
  {"basp_operation", "unknown BASP operation"},
  {"basp_version", "another version of BASP"},
  {"basp_header", "a BASP header field that the operation does not allow"},
  {"basp_order", "a BASP message out of order"},
  {"basp_empty_handshake", "a BASP handshake without payload"},
  {"basp_handshake_payload", "a BASP handshake whose payload does not parse"},
  {"basp_app_identifier", "a BASP handshake of another application"},
  {"basp_payload_limit", "a BASP payload above the limit"},
  {"basp_named_receiver", "a BASP message to a system actor"},
  {"basp_node_claimed", "a BASP node id that another replica holds"},
  {"basp_stall", "half a BASP frame, then silence"},
  {"failed", "the operating system or OpenSSL refused"},
}};

static_assert(texts[reason_count - 1].name == "failed");

} // namespace

std::string_view reason_name(reason why) noexcept {
  return texts[static_cast<std::size_t>(why)].name;
}

std::string_view describe(reason why) noexcept {
  return texts[static_cast<std::size_t>(why)].description;
}

stats counters::snapshot() const noexcept {
  auto load = [](const std::atomic<std::uint64_t>& cell) {
    return cell.load(std::memory_order_relaxed);
  };
  stats result;
  result.connections_accepted = load(connections_accepted);
  result.connections_open = load(connections_open);
  result.connections_pending = load(connections_pending);
  result.streams_established = load(streams_established);
  result.accept_pauses = load(accept_pauses);
  result.bytes_from_peers = load(bytes_from_peers);
  result.bytes_to_peers = load(bytes_to_peers);
  result.basp_frames = load(basp_frames);
  for (std::size_t i = 0; i < reason_count; ++i)
    result.closed[i] = load(closed[i]);
  return result;
}

} // namespace neuroplex::tunnel
