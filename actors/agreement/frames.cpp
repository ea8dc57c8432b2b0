#include "actors/agreement/frames.hpp"

#include "consensus/raft/codec.hpp"
#include "consensus/raft/limits.hpp"
#include "consensus/wire.hpp"

namespace neuroplex::agreement {

namespace {

enum class frame_type : std::uint8_t {
  greeting,
  raft,
  beats,
  request,
  reply,
  order,
  packet,
};

constexpr std::size_t max_key_bytes = 64;
constexpr std::size_t max_cluster_bytes = 255;
constexpr std::size_t max_configuration_bytes = 65'536;
constexpr std::size_t max_frame_bytes = raft::limits::max_message_bytes + 64;

failure malformed(const char* what) {
  return {errc::protocol, std::string{"agreement: not "} + what};
}

// Writes the head, then what `body` appends, then the length.
template <class Body>
void append(frame_type type, std::string& out, Body body) {
  auto begin = out.size();
  wire_writer writer{out};
  writer.put(std::uint32_t{0});
  writer.put(static_cast<std::uint8_t>(type));
  body(writer);
  auto length = static_cast<std::uint32_t>(out.size() - begin - 4);
  for (std::size_t i = 0; i < 4; ++i)
    out[begin + i] = static_cast<char>(length >> (8 * i));
}

expected<frame> decode_greeting(wire_reader& in) {
  auto version = in.take<std::uint32_t>();
  if (!in.failed() && version != frame_version)
    return failure{errc::version, "agreement: a node of version "
                                    + std::to_string(version) + "; this is "
                                    + std::to_string(frame_version)};
  greeting what;
  what.cluster = in.take_bytes(max_cluster_bytes);
  what.from = in.take<std::uint64_t>();
  what.to = in.take<std::uint64_t>();
  auto how = in.take<std::uint8_t>();
  what.incarnation = in.take<std::uint64_t>();
  what.groups = in.take<std::uint64_t>();
  auto has_first = in.take_bool();
  auto first = in.take_bytes(max_configuration_bytes);
  what.key = in.take_bytes(max_key_bytes);
  if (!in.complete() || how >= protocol_count)
    return malformed("a greeting");
  what.how = static_cast<protocol>(how);
  if (has_first) {
    auto members = raft::decode_configuration(first);
    if (!members)
      return members.error();
    what.first = std::move(*members);
  }
  return frame{std::move(what)};
}

expected<frame> decode_raft(const raft::slice& bytes, wire_reader& in) {
  raft_frame what;
  what.group = in.take<std::uint64_t>();
  auto message = raft::decode_message(bytes.part(in.take_exactly(in.left())));
  if (!message)
    return message.error();
  what.what = std::move(*message);
  return frame{std::move(what)};
}

expected<frame> decode_request(wire_reader& in) {
  request_frame what;
  what.group = in.take<std::uint64_t>();
  what.tag = in.take<std::uint64_t>();
  what.read = in.take_bool();
  what.session = in.take<std::uint64_t>();
  what.sequence = in.take<std::uint64_t>();
  what.acknowledged = in.take<std::uint64_t>();
  what.batch = in.take_bytes(store_machine::limits::max_batch_bytes);
  if (!in.complete())
    return malformed("a request");
  return frame{std::move(what)};
}

expected<frame> decode_reply(wire_reader& in) {
  reply_frame what;
  what.group = in.take<std::uint64_t>();
  what.tag = in.take<std::uint64_t>();
  auto verdict = in.take<std::uint8_t>();
  auto code = in.take<std::uint8_t>();
  what.leader = in.take<std::uint64_t>();
  what.session = in.take<std::uint64_t>();
  what.bytes = in.take_bytes(raft::limits::max_answer_bytes);
  if (!in.complete() || verdict >= reply_verdict_count || code >= errc_count)
    return malformed("a reply");
  what.verdict = static_cast<reply_verdict>(verdict);
  what.code = static_cast<errc>(code);
  return frame{std::move(what)};
}

expected<frame> decode_beats(wire_reader& in) {
  beats_frame what;
  what.replies = in.take_bool();
  what.incarnation = in.take<std::uint64_t>();
  auto count = in.take<std::uint32_t>();
  if (count > max_groups)
    return malformed("heartbeats");
  what.beats.resize(count);
  for (auto& one : what.beats) {
    one.group = in.take<std::uint64_t>();
    one.term = in.take<std::uint64_t>();
    one.commit = in.take<std::uint64_t>();
    one.round = in.take<std::uint64_t>();
  }
  if (!in.complete())
    return malformed("heartbeats");
  return frame{std::move(what)};
}

expected<frame> decode_order(wire_reader& in) {
  order_frame what;
  what.group = in.take<std::uint64_t>();
  what.tag = in.take<std::uint64_t>();
  auto kind = in.take<std::uint8_t>();
  what.node = in.take<std::uint64_t>();
  if (!in.complete() || kind >= order_kind_count)
    return malformed("an order");
  what.kind = static_cast<order_kind>(kind);
  return frame{what};
}

expected<frame> decode_packet(const raft::slice& bytes, wire_reader& in) {
  packet_frame what;
  what.to = in.take<std::uint64_t>();
  what.packet = bytes.part(in.take_exactly(in.left()));
  if (!in.complete())
    return malformed("a packet");
  return frame{std::move(what)};
}

} // namespace

std::string_view protocol_name(protocol what) noexcept {
  switch (what) {
    case protocol::raft:
      return "raft";
    case protocol::pbft:
      return "pbft";
    case protocol::hybrid:
      return "hybrid";
  }
  return "unknown";
}

std::string other_protocol(raft::node_id node, protocol its, protocol ours) {
  return "agreement: node " + std::to_string(node) + " agrees by "
         + std::string{protocol_name(its)} + ", this node by "
         + std::string{protocol_name(ours)}
         + ": agreement.protocol must be the same on all nodes";
}

void append_frame(const greeting& what, std::string& out) {
  append(frame_type::greeting, out, [&](wire_writer& to) {
    to.put(frame_version);
    to.put_bytes(what.cluster);
    to.put(what.from);
    to.put(what.to);
    to.put(static_cast<std::uint8_t>(what.how));
    to.put(what.incarnation);
    to.put(what.groups);
    to.put_bool(what.first.has_value());
    to.put_bytes(what.first ? raft::encode_configuration(*what.first).view()
                            : std::string_view{});
    to.put_bytes(what.key);
  });
}

void append_frame(const request_frame& what, std::string& out) {
  append(frame_type::request, out, [&](wire_writer& to) {
    to.put(what.group);
    to.put(what.tag);
    to.put_bool(what.read);
    to.put(what.session);
    to.put(what.sequence);
    to.put(what.acknowledged);
    to.put_bytes(what.batch);
  });
}

void append_frame(const reply_frame& what, std::string& out) {
  append(frame_type::reply, out, [&](wire_writer& to) {
    to.put(what.group);
    to.put(what.tag);
    to.put(static_cast<std::uint8_t>(what.verdict));
    to.put(static_cast<std::uint8_t>(what.code));
    to.put(what.leader);
    to.put(what.session);
    to.put_bytes(what.bytes);
  });
}

void append_frame(const beats_frame& what, std::string& out) {
  append(frame_type::beats, out, [&](wire_writer& to) {
    to.put_bool(what.replies);
    to.put(what.incarnation);
    to.put(static_cast<std::uint32_t>(what.beats.size()));
    for (const auto& one : what.beats) {
      to.put(one.group);
      to.put(one.term);
      to.put(one.commit);
      to.put(one.round);
    }
  });
}

void append_frame(const order_frame& what, std::string& out) {
  append(frame_type::order, out, [&](wire_writer& to) {
    to.put(what.group);
    to.put(what.tag);
    to.put(static_cast<std::uint8_t>(what.kind));
    to.put(what.node);
  });
}

void append_raft_frame(group_id group, const raft::message& what,
                       std::string& out) {
  append(frame_type::raft, out, [&](wire_writer& to) {
    to.put(group);
    raft::encode_message(what, out);
  });
}

void append_packet_frame(std::uint64_t to, std::string_view message,
                         std::string_view tag, std::string& out) {
  append(frame_type::packet, out, [&](wire_writer& writer) {
    writer.put(to);
    out.append(message).append(tag);
  });
}

expected<std::optional<std::size_t>> frame_bytes(std::string_view bytes) {
  if (bytes.size() < frame_head_bytes)
    return std::optional<std::size_t>{};
  auto length = wire_reader{bytes}.take<std::uint32_t>();
  if (length == 0 || length > max_frame_bytes)
    return malformed("a frame of a length that frames have");
  return std::optional<std::size_t>{length + std::size_t{4}};
}

expected<frame> decode_frame(const raft::slice& bytes) {
  wire_reader in{bytes.view()};
  static_cast<void>(in.take<std::uint32_t>());
  switch (static_cast<frame_type>(in.take<std::uint8_t>())) {
    case frame_type::greeting:
      return decode_greeting(in);
    case frame_type::raft:
      return decode_raft(bytes, in);
    case frame_type::request:
      return decode_request(in);
    case frame_type::reply:
      return decode_reply(in);
    case frame_type::beats:
      return decode_beats(in);
    case frame_type::order:
      return decode_order(in);
    case frame_type::packet:
      return decode_packet(bytes, in);
  }
  return malformed("a frame of a known type");
}

} // namespace neuroplex::agreement
