#include "consensus/raft/codec.hpp"

#include "consensus/raft/config_change.hpp"
#include "consensus/raft/limits.hpp"
#include "consensus/wire.hpp"

namespace neuroplex::raft {

namespace {

void put_members(wire_writer& out, const std::vector<member>& list) {
  out.put(static_cast<std::uint16_t>(list.size()));
  for (const auto& who : list) {
    out.put(who.id);
    out.put(who.incarnation);
  }
}

std::vector<member> take_members(wire_reader& in) {
  std::vector<member> list;
  auto count = in.take<std::uint16_t>();
  if (count > limits::max_members) {
    in.fail();
    return list;
  }
  list.reserve(count);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    auto id = in.take<std::uint64_t>();
    auto incarnation = in.take<std::uint64_t>();
    list.push_back({id, incarnation});
  }
  return list;
}

void put_configuration(wire_writer& out, const configuration& members) {
  out.put(wire_version);
  out.put_bool(members.auto_leave);
  put_members(out, members.voters);
  put_members(out, members.outgoing);
  put_members(out, members.learners);
  put_members(out, members.learners_next);
}

configuration take_configuration(wire_reader& in) {
  configuration members;
  if (in.take<std::uint8_t>() != wire_version)
    in.fail();
  members.auto_leave = in.take_bool();
  members.voters = take_members(in);
  members.outgoing = take_members(in);
  members.learners = take_members(in);
  members.learners_next = take_members(in);
  if (!well_formed(members))
    in.fail();
  return members;
}

void put_meta(wire_writer& out, const snapshot_meta& meta) {
  out.put(meta.index);
  out.put(meta.term);
  out.put(meta.bytes);
  out.put(meta.checksum);
  put_configuration(out, meta.members);
}

snapshot_meta take_meta(wire_reader& in) {
  snapshot_meta meta;
  meta.index = in.take<std::uint64_t>();
  meta.term = in.take<std::uint64_t>();
  meta.bytes = in.take<std::uint64_t>();
  meta.checksum = in.take<std::uint64_t>();
  meta.members = take_configuration(in);
  return meta;
}

constexpr std::uint8_t first_flag = 1;
constexpr std::uint8_t second_flag = 2;

std::uint8_t flags_of(bool first, bool second = false) {
  return static_cast<std::uint8_t>((first ? first_flag : 0)
                                   | (second ? second_flag : 0));
}

// --- writing: the flags of a body, and what follows the head -----------------

std::uint8_t body_flags(const vote_request& body) {
  return flags_of(body.pre, body.transfer);
}

std::uint8_t body_flags(const vote_reply& body) {
  return flags_of(body.pre, body.granted);
}

std::uint8_t body_flags(const append_reply& body) {
  return flags_of(body.rejected);
}

std::uint8_t body_flags(const snapshot_chunk& body) {
  return flags_of(body.last);
}

std::uint8_t body_flags(const snapshot_reply& body) {
  return flags_of(body.installed, body.refused);
}

template <class Body>
std::uint8_t body_flags(const Body& /*body*/) {
  return 0;
}

void put_body(wire_writer& out, const vote_request& body) {
  out.put(body.last_index);
  out.put(body.last_term);
}

void put_body(wire_writer& /*out*/, const vote_reply& /*body*/) {
}

void put_body(wire_writer& out, const append_request& body) {
  out.put(body.prev_index);
  out.put(body.prev_term);
  out.put(body.commit);
  out.put(static_cast<std::uint32_t>(body.entries.size()));
  for (const auto& what : body.entries) {
    out.put(what.term);
    out.put(static_cast<std::uint8_t>(what.kind));
    out.put_bytes(what.data.view());
  }
}

void put_body(wire_writer& out, const append_reply& body) {
  out.put(body.index);
  out.put(body.hint_index);
  out.put(body.hint_term);
}

void put_body(wire_writer& out, const heartbeat& body) {
  out.put(body.commit);
  out.put(body.round);
}

void put_body(wire_writer& out, const heartbeat_reply& body) {
  out.put(body.round);
}

void put_body(wire_writer& out, const snapshot_chunk& body) {
  put_meta(out, body.meta);
  out.put(body.offset);
  out.put_bytes(body.data.view());
}

void put_body(wire_writer& out, const snapshot_reply& body) {
  out.put(body.index);
  out.put(body.next_offset);
}

void put_body(wire_writer& /*out*/, const timeout_now& /*body*/) {
}

// --- reading -----------------------------------------------------------------

struct body_reader {
  wire_reader& in;
  const slice& whole;
  bool first;
  bool second;

  void take(vote_request& body) {
    body.pre = first;
    body.transfer = second;
    body.last_index = in.take<std::uint64_t>();
    body.last_term = in.take<std::uint64_t>();
  }

  void take(vote_reply& body) {
    body.pre = first;
    body.granted = second;
  }

  void take(append_request& body) {
    body.prev_index = in.take<std::uint64_t>();
    body.prev_term = in.take<std::uint64_t>();
    body.commit = in.take<std::uint64_t>();
    auto count = in.take<std::uint32_t>();
    // Each entry takes at least its head, so a count that lies is told before
    // anything is allocated for it.
    constexpr std::size_t head_bytes = 13;
    if (second || count > limits::max_append_entries
        || count > in.left() / head_bytes
        || body.prev_index > UINT64_MAX - count) {
      in.fail();
      return;
    }
    body.entries.reserve(count);
    for (std::size_t i = 0; i < count && !in.failed(); ++i) {
      entry what;
      what.term = in.take<std::uint64_t>();
      what.index = body.prev_index + i + 1;
      auto kind = in.take<std::uint8_t>();
      what.data = whole.part(in.take_bytes(limits::max_payload_bytes));
      if (kind >= entry_kind_count)
        in.fail();
      what.kind = static_cast<entry_kind>(kind);
      body.entries.push_back(std::move(what));
    }
  }

  void take(append_reply& body) {
    body.rejected = first;
    body.index = in.take<std::uint64_t>();
    body.hint_index = in.take<std::uint64_t>();
    body.hint_term = in.take<std::uint64_t>();
  }

  void take(heartbeat& body) {
    body.commit = in.take<std::uint64_t>();
    body.round = in.take<std::uint64_t>();
  }

  void take(heartbeat_reply& body) {
    body.round = in.take<std::uint64_t>();
  }

  void take(snapshot_chunk& body) {
    body.last = first;
    body.meta = take_meta(in);
    body.offset = in.take<std::uint64_t>();
    body.data = whole.part(in.take_bytes(limits::max_chunk_bytes));
    if (body.offset > UINT64_MAX - body.data.size())
      in.fail();
  }

  void take(snapshot_reply& body) {
    body.installed = first;
    body.refused = second;
    body.index = in.take<std::uint64_t>();
    body.next_offset = in.take<std::uint64_t>();
  }

  void take(timeout_now& /*body*/) {
  }
};

/// Reads the body whose place in message_body is `kind`.
template <std::size_t Kind = 0>
bool take_body(std::size_t kind, body_reader& in, message_body& out) {
  if constexpr (Kind < std::variant_size_v<message_body>) {
    if (kind != Kind)
      return take_body<Kind + 1>(kind, in, out);
    std::variant_alternative_t<Kind, message_body> body;
    in.take(body);
    // Flags that the body does not have would be lost: then this is no message
    // of ours.
    if (body_flags(body) != flags_of(in.first, in.second))
      in.in.fail();
    out = std::move(body);
    return true;
  } else {
    return false;
  }
}

failure not_a_message() {
  return {errc::protocol, "raft: not a message of this protocol"};
}

} // namespace

slice encode_configuration(const configuration& members) {
  std::string bytes;
  wire_writer out{bytes};
  put_configuration(out, members);
  return slice::copy_of(bytes);
}

expected<configuration> decode_configuration(std::string_view bytes) {
  wire_reader in{bytes};
  auto members = take_configuration(in);
  if (!in.complete())
    return failure{errc::protocol, "raft: not a configuration"};
  return members;
}

void encode_message(const message& what, std::string& out) {
  wire_writer writer{out};
  writer.put(wire_version);
  writer.put(static_cast<std::uint8_t>(what.body.index()));
  writer.put(
    std::visit([](const auto& body) { return body_flags(body); }, what.body));
  writer.put(std::uint8_t{0});
  writer.put(what.from);
  writer.put(what.to);
  writer.put(what.incarnation);
  writer.put(what.term);
  std::visit([&writer](const auto& body) { put_body(writer, body); },
             what.body);
}

expected<message> decode_message(const slice& bytes) {
  if (bytes.size() > limits::max_message_bytes)
    return failure{errc::protocol, "raft: a message above the limit"};
  wire_reader in{bytes.view()};
  auto version = in.take<std::uint8_t>();
  if (!in.failed() && version != wire_version)
    return failure{errc::version,
                   "raft: a message of version " + std::to_string(version)
                     + ", this node speaks " + std::to_string(wire_version)};
  auto kind = in.take<std::uint8_t>();
  auto flags = in.take<std::uint8_t>();
  if (flags > (first_flag | second_flag) || in.take<std::uint8_t>() != 0)
    return not_a_message();
  message what;
  what.from = in.take<std::uint64_t>();
  what.to = in.take<std::uint64_t>();
  what.incarnation = in.take<std::uint64_t>();
  what.term = in.take<std::uint64_t>();
  body_reader reader{in, bytes, (flags & first_flag) != 0,
                     (flags & second_flag) != 0};
  if (in.failed() || !take_body(kind, reader, what.body) || !in.complete())
    return not_a_message();
  return what;
}

slice encode_snapshot_meta(const snapshot_meta& meta) {
  std::string bytes;
  wire_writer out{bytes};
  put_meta(out, meta);
  return slice::copy_of(bytes);
}

expected<snapshot_meta> decode_snapshot_meta(std::string_view bytes) {
  wire_reader in{bytes};
  auto meta = take_meta(in);
  if (!in.complete())
    return failure{errc::protocol, "raft: not the meta data of a snapshot"};
  return meta;
}

} // namespace neuroplex::raft
