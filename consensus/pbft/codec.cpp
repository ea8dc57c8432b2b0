#include "consensus/pbft/codec.hpp"

#include "consensus/pbft/limits.hpp"
#include "consensus/wire.hpp"

#include <algorithm>

namespace neuroplex::pbft {

namespace {

enum class statement : std::uint8_t { checkpoint, view_change, new_view };

struct body_writer {
  std::string& bytes;
  wire_writer out{bytes};

  void put(const request& what) {
    out.put_bytes(what.core.view());
    out.put_bytes(what.tags.view());
    out.put_bytes(what.signed_by.view());
  }

  void put(const batch& requests) {
    out.put(static_cast<std::uint32_t>(requests.size()));
    for (const auto& one : requests)
      put(one);
  }

  void put(const claim& what) {
    out.put(what.sequence);
    out.put(what.view);
    put_raw(bytes, what.of);
  }

  void put(const std::vector<claim>& claims) {
    out.put(static_cast<std::uint32_t>(claims.size()));
    for (const auto& one : claims)
      put(one);
  }

  void put(const request_message& body) {
    put(body.what);
  }

  void put(const reply& body) {
    out.put(body.view);
    out.put(body.number);
    out.put_bool(body.read_only);
    out.put_bytes(body.result.view());
  }

  void put(const pre_prepare& body) {
    out.put(body.view);
    out.put(body.sequence);
    put_raw(bytes, body.of);
    put(*body.requests);
  }

  void put(const prepare& body) {
    out.put(body.view);
    out.put(body.sequence);
    put_raw(bytes, body.of);
  }

  void put(const commit& body) {
    out.put(body.view);
    out.put(body.sequence);
    put_raw(bytes, body.of);
  }

  void put(const checkpoint& body) {
    out.put(body.sequence);
    put_raw(bytes, body.root);
    put_raw(bytes, body.by);
  }

  void put(const stable_proof& body) {
    out.put(body.sequence);
    put_raw(bytes, body.root);
    out.put(static_cast<std::uint16_t>(body.votes.size()));
    for (const auto& vote : body.votes) {
      out.put(vote.replica);
      put_raw(bytes, vote.by);
    }
  }

  void put(const view_change& body) {
    out.put_bytes(body.signed_bytes.view());
    put_raw(bytes, body.by);
  }

  void put(const new_view& body) {
    out.put_bytes(body.signed_bytes.view());
    put_raw(bytes, body.by);
  }

  void put(const status_message& body) {
    out.put(body.view);
    out.put_bool(body.active);
    out.put(body.stable);
    out.put(body.executed);
  }

  void put(const committed& body) {
    out.put(body.sequence);
    put_raw(bytes, body.of);
    put(*body.requests);
  }

  void put(const batch_wanted& body) {
    out.put(body.sequence);
    put_raw(bytes, body.of);
  }

  void put(const batch_sent& body) {
    out.put(body.sequence);
    put(*body.requests);
  }

  void put(const manifest_wanted& body) {
    out.put(body.sequence);
  }

  void put(const manifest& body) {
    out.put(body.sequence);
    out.put(static_cast<std::uint32_t>(body.pieces.size()));
    for (const auto& one : body.pieces)
      put_raw(bytes, one);
  }

  void put(const piece_wanted& body) {
    out.put(body.sequence);
    out.put(body.index);
  }

  void put(const piece& body) {
    out.put(body.sequence);
    out.put(body.index);
    out.put_bytes(body.data.view());
  }
};

struct body_reader {
  wire_reader& in;
  const slice& whole;

  /// A count of things that take at least `least_bytes` each, so that one that
  /// lies is told before anything is allocated for it.
  std::size_t take_count(std::size_t max, std::size_t least_bytes) {
    auto count = in.take<std::uint32_t>();
    if (count > max || count > in.left() / least_bytes) {
      in.fail();
      return 0;
    }
    return count;
  }

  void take(request& what) {
    constexpr std::size_t core_head = 29;
    what.core =
      whole.part(in.take_bytes(limits::max_operation_bytes + core_head));
    what.tags =
      whole.part(in.take_bytes(limits::max_replicas * sizeof(mac_tag::bytes)));
    what.signed_by = whole.part(in.take_bytes(sizeof(signature::bytes)));
    wire_reader core{what.core.view()};
    static_cast<void>(core.take<std::uint64_t>());
    what.client = core.take<std::uint64_t>();
    what.number = core.take<std::uint64_t>();
    what.read_only = core.take_bool();
    what.operation =
      what.core.part(core.take_bytes(limits::max_operation_bytes));
    auto tags = what.tags.size() % sizeof(mac_tag::bytes) == 0;
    auto by = what.signed_by.empty()
              || what.signed_by.size() == sizeof(signature::bytes);
    if (!core.complete() || !tags || !by)
      in.fail();
  }

  void take(shared_batch& requests) {
    constexpr std::size_t least_request = 41;
    auto count = take_count(limits::max_batch_requests, least_request);
    auto read = std::make_shared<batch>();
    read->reserve(count);
    for (std::size_t i = 0; i < count && !in.failed(); ++i)
      take(read->emplace_back());
    requests = std::move(read);
  }

  void take(claim& what) {
    what.sequence = in.take<std::uint64_t>();
    what.view = in.take<std::uint64_t>();
    what.of = take_raw<digest>(in);
  }

  void take(std::vector<claim>& claims, std::size_t max) {
    constexpr std::size_t claim_bytes = 48;
    auto count = take_count(max, claim_bytes);
    claims.reserve(count);
    for (std::size_t i = 0; i < count && !in.failed(); ++i)
      take(claims.emplace_back());
  }

  void take(request_message& body) {
    take(body.what);
  }

  void take(reply& body) {
    body.view = in.take<std::uint64_t>();
    body.number = in.take<std::uint64_t>();
    body.read_only = in.take_bool();
    body.result = whole.part(in.take_bytes(limits::max_result_bytes));
  }

  void take(pre_prepare& body) {
    body.view = in.take<std::uint64_t>();
    body.sequence = in.take<std::uint64_t>();
    body.of = take_raw<digest>(in);
    take(body.requests);
  }

  void take(prepare& body) {
    body.view = in.take<std::uint64_t>();
    body.sequence = in.take<std::uint64_t>();
    body.of = take_raw<digest>(in);
  }

  void take(commit& body) {
    body.view = in.take<std::uint64_t>();
    body.sequence = in.take<std::uint64_t>();
    body.of = take_raw<digest>(in);
  }

  void take(checkpoint& body) {
    body.sequence = in.take<std::uint64_t>();
    body.root = take_raw<digest>(in);
    body.by = take_raw<signature>(in);
  }

  void take(stable_proof& body) {
    body.sequence = in.take<std::uint64_t>();
    body.root = take_raw<digest>(in);
    auto count = in.take<std::uint16_t>();
    if (count > limits::max_replicas) {
      in.fail();
      return;
    }
    for (std::size_t i = 0; i < count && !in.failed(); ++i) {
      auto& vote = body.votes.emplace_back();
      vote.replica = in.take<std::uint64_t>();
      vote.by = take_raw<signature>(in);
    }
  }

  void take(view_change& body) {
    body.signed_bytes = whole.part(in.take_bytes(limits::max_message_bytes));
    body.by = take_raw<signature>(in);
    wire_reader inner{body.signed_bytes.view()};
    if (inner.take<std::uint8_t>()
        != static_cast<std::uint8_t>(statement::view_change))
      in.fail();
    static_cast<void>(inner.take<std::uint64_t>());
    body_reader fields{inner, body.signed_bytes};
    body.replica = inner.take<std::uint64_t>();
    body.view = inner.take<std::uint64_t>();
    fields.take(body.stable);
    fields.take(body.prepared, limits::max_window);
    fields.take(body.pre_prepared,
                limits::max_window * limits::max_digests_per_sequence);
    if (!inner.complete())
      in.fail();
  }

  void take(new_view& body) {
    body.signed_bytes = whole.part(in.take_bytes(limits::max_message_bytes));
    body.by = take_raw<signature>(in);
    wire_reader inner{body.signed_bytes.view()};
    if (inner.take<std::uint8_t>()
        != static_cast<std::uint8_t>(statement::new_view))
      in.fail();
    static_cast<void>(inner.take<std::uint64_t>());
    body.view = inner.take<std::uint64_t>();
    body_reader fields{inner, body.signed_bytes};
    auto count = inner.take<std::uint16_t>();
    if (count > limits::max_replicas)
      in.fail();
    for (std::size_t i = 0; i < count && !inner.failed() && !in.failed(); ++i)
      fields.take(body.proof.emplace_back());
    if (!inner.complete())
      in.fail();
  }

  void take(status_message& body) {
    body.view = in.take<std::uint64_t>();
    body.active = in.take_bool();
    body.stable = in.take<std::uint64_t>();
    body.executed = in.take<std::uint64_t>();
  }

  void take(committed& body) {
    body.sequence = in.take<std::uint64_t>();
    body.of = take_raw<digest>(in);
    take(body.requests);
  }

  void take(batch_wanted& body) {
    body.sequence = in.take<std::uint64_t>();
    body.of = take_raw<digest>(in);
  }

  void take(batch_sent& body) {
    body.sequence = in.take<std::uint64_t>();
    take(body.requests);
  }

  void take(manifest_wanted& body) {
    body.sequence = in.take<std::uint64_t>();
  }

  void take(manifest& body) {
    body.sequence = in.take<std::uint64_t>();
    auto count = take_count(limits::max_pieces, sizeof(digest::bytes));
    body.pieces.reserve(count);
    for (std::size_t i = 0; i < count && !in.failed(); ++i)
      body.pieces.push_back(take_raw<digest>(in));
  }

  void take(piece_wanted& body) {
    body.sequence = in.take<std::uint64_t>();
    body.index = in.take<std::uint32_t>();
  }

  void take(piece& body) {
    body.sequence = in.take<std::uint64_t>();
    body.index = in.take<std::uint32_t>();
    body.data = whole.part(in.take_bytes(limits::max_piece_bytes));
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
    out = std::move(body);
    return true;
  } else {
    return false;
  }
}

failure not_a_message() {
  return {errc::protocol, "pbft: not a message of this protocol"};
}

void begin_statement(wire_writer& out, statement kind, group_id group) {
  out.put(static_cast<std::uint8_t>(kind));
  out.put(group);
}

bool begins_with(const slice& bytes, statement kind, group_id group) noexcept {
  wire_reader in{bytes.view()};
  return in.take<std::uint8_t>() == static_cast<std::uint8_t>(kind)
         && in.take<std::uint64_t>() == group && !in.failed();
}

constexpr std::size_t sender_at = 12;

} // namespace

slice encode_message(const message& what) {
  std::string bytes;
  wire_writer out{bytes};
  out.put(wire_version);
  out.put(static_cast<std::uint8_t>(what.body.index()));
  out.put(std::uint16_t{0});
  out.put(what.group);
  out.put(what.from);
  body_writer writer{bytes};
  std::visit([&writer](const auto& body) { writer.put(body); }, what.body);
  auto owner = std::make_shared<const std::string>(std::move(bytes));
  const auto* data = owner->data();
  auto size = owner->size();
  return {std::move(owner), data, size};
}

expected<message> decode_message(const slice& bytes) {
  if (bytes.size() > limits::max_message_bytes)
    return failure{errc::protocol, "pbft: a message above the limit"};
  wire_reader in{bytes.view()};
  auto version = in.take<std::uint8_t>();
  if (!in.failed() && version != wire_version)
    return failure{errc::version,
                   "pbft: a message of version " + std::to_string(version)
                     + ", this node speaks " + std::to_string(wire_version)};
  auto kind = in.take<std::uint8_t>();
  if (in.take<std::uint16_t>() != 0)
    return not_a_message();
  message what;
  what.group = in.take<std::uint64_t>();
  what.from = in.take<std::uint64_t>();
  body_reader reader{in, bytes};
  if (in.failed() || !take_body(kind, reader, what.body) || !in.complete())
    return not_a_message();
  return what;
}

node_id claimed_sender(std::string_view bytes) noexcept {
  if (bytes.size() < sender_at + sizeof(node_id))
    return nobody;
  wire_reader in{bytes.substr(sender_at)};
  return in.take<std::uint64_t>();
}

void append_packet(const packet& what, std::string& out) {
  out.append(what.bytes.view());
  put_raw(out, what.tag);
}

expected<packet> split_packet(const slice& bytes) {
  packet result;
  if (bytes.size() < sizeof(mac_tag::bytes)
      || bytes.size() > limits::max_message_bytes + sizeof(mac_tag::bytes))
    return not_a_message();
  auto body = bytes.size() - sizeof(mac_tag::bytes);
  result.bytes = bytes.part(bytes.view().substr(0, body));
  wire_reader in{bytes.view().substr(body)};
  result.tag = take_raw<mac_tag>(in);
  return result;
}

request make_request(group_id group, node_id client, timestamp number,
                     bool read_only, std::string_view operation) {
  std::string core;
  wire_writer out{core};
  out.put(group);
  out.put(client);
  out.put(number);
  out.put_bool(read_only);
  out.put_bytes(operation);
  request what;
  what.client = client;
  what.number = number;
  what.read_only = read_only;
  what.core = slice::copy_of(core);
  what.operation = what.core.part(
    what.core.view().substr(what.core.size() - operation.size()));
  return what;
}

slice encode_batch(const batch& requests) {
  std::string bytes;
  body_writer{bytes}.put(requests);
  return slice::copy_of(bytes);
}

expected<shared_batch> decode_batch(const slice& bytes) {
  wire_reader in{bytes.view()};
  shared_batch requests;
  body_reader{in, bytes}.take(requests);
  if (!in.complete())
    return failure{errc::protocol, "pbft: not a batch of requests"};
  return requests;
}

digest digest_of(const crypto& with, const batch& requests) {
  std::string bytes;
  std::size_t size = 0;
  for (const auto& one : requests)
    size += one.core.size();
  bytes.reserve(size);
  // A core says how long it is, so that no two lists run together alike.
  for (const auto& one : requests)
    bytes.append(one.core.view());
  return with.hash(bytes);
}

bool is_of_group(const request& what, group_id group) noexcept {
  wire_reader in{what.core.view()};
  return in.take<std::uint64_t>() == group && !in.failed();
}

std::string checkpoint_statement(group_id group, sequence_number sequence,
                                 const digest& root) {
  std::string bytes;
  wire_writer out{bytes};
  begin_statement(out, statement::checkpoint, group);
  out.put(sequence);
  put_raw(bytes, root);
  return bytes;
}

void seal(view_change& what, group_id group, const crypto& with) {
  std::string bytes;
  body_writer writer{bytes};
  begin_statement(writer.out, statement::view_change, group);
  writer.out.put(what.replica);
  writer.out.put(what.view);
  writer.put(what.stable);
  writer.put(what.prepared);
  writer.put(what.pre_prepared);
  what.signed_bytes = slice::copy_of(bytes);
  what.by = with.sign(bytes);
}

void seal(new_view& what, group_id group, const crypto& with) {
  std::string bytes;
  body_writer writer{bytes};
  begin_statement(writer.out, statement::new_view, group);
  writer.out.put(what.view);
  writer.out.put(static_cast<std::uint16_t>(what.proof.size()));
  for (const auto& one : what.proof)
    writer.put(one);
  what.signed_bytes = slice::copy_of(bytes);
  what.by = with.sign(bytes);
}

bool is_of_group(const view_change& what, group_id group) noexcept {
  return begins_with(what.signed_bytes, statement::view_change, group);
}

bool is_of_group(const new_view& what, group_id group) noexcept {
  return begins_with(what.signed_bytes, statement::new_view, group);
}

digest root_of(const crypto& with, const std::vector<digest>& pieces) {
  std::string bytes;
  bytes.reserve(pieces.size() * sizeof(digest::bytes));
  for (const auto& one : pieces)
    put_raw(bytes, one);
  return with.hash(bytes);
}

mac_tag tag_at(const slice& tags, std::size_t index) noexcept {
  auto at = index * sizeof(mac_tag::bytes);
  if (at + sizeof(mac_tag::bytes) > tags.size())
    return {};
  wire_reader in{tags.view().substr(at)};
  return take_raw<mac_tag>(in);
}

signature signature_from(const slice& bytes) noexcept {
  wire_reader in{bytes.view()};
  auto result = take_raw<signature>(in);
  return in.complete() ? result : signature{};
}

slice encode_proof(const stable_proof& what) {
  std::string bytes;
  body_writer{bytes}.put(what);
  return slice::copy_of(bytes);
}

expected<stable_proof> decode_proof(const slice& bytes) {
  wire_reader in{bytes.view()};
  stable_proof what;
  body_reader{in, bytes}.take(what);
  if (!in.complete())
    return failure{errc::protocol, "pbft: not the proof of a checkpoint"};
  return what;
}

} // namespace neuroplex::pbft
