#include "actors/tunnel/basp_guard.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace neuroplex::tunnel {

namespace {

enum class operation : std::uint8_t {
  server_handshake = 0,
  client_handshake = 1,
  direct_message = 2,
  routed_message = 3,
  monitor_message = 4,
  down_message = 5,
  heartbeat = 6,
};

constexpr std::uint8_t last_operation = 6;

// Flags of a header.
constexpr std::uint8_t named_receiver_flag = 0x01;
constexpr std::uint8_t select_connection_flag = 0x02;

// CAF packs names of up to ten characters into 64 bits ("atoms"). These are
// the tag of the usual kind of node id, and the one system actor that peers
// address by name (each node asks it once who its peer is).
constexpr std::uint64_t default_node_atom = 0x3e9aab9bac79;
constexpr std::uint64_t spawn_server_atom = 0x3ddd66f3376adfb;

/// Bytes of a node id: its tag, the process id and the host hash.
constexpr std::size_t node_bytes = 8 + std::tuple_size_v<basp_node>;

std::uint64_t read_big_endian(std::span<const std::byte> bytes) {
  std::uint64_t value = 0;
  for (auto b : bytes)
    value = (value << 8) | std::to_integer<std::uint64_t>(b);
  return value;
}

/// Reads CAF's binary format from a buffer; every read is bounded.
class payload_reader {
public:
  explicit payload_reader(std::span<const std::byte> bytes) : rest_{bytes} {
  }

  [[nodiscard]] bool take(std::size_t count, std::span<const std::byte>& out) {
    if (count > rest_.size())
      return false;
    out = rest_.first(count);
    rest_ = rest_.subspan(count);
    return true;
  }

  /// Seven bits a byte, least significant first; at most 32 bits.
  [[nodiscard]] bool take_length(std::uint32_t& out) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
      std::span<const std::byte> next;
      if (!take(1, next))
        return false;
      auto bits = std::to_integer<std::uint64_t>(next[0]);
      value |= (bits & 0x7F) << shift;
      if ((bits & 0x80) == 0) {
        out = static_cast<std::uint32_t>(value);
        return value <= UINT32_MAX;
      }
    }
    return false;
  }

  [[nodiscard]] bool take_text(std::string_view& out) {
    std::uint32_t length = 0;
    std::span<const std::byte> bytes;
    if (!take_length(length) || !take(length, bytes))
      return false;
    out = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    return true;
  }

  [[nodiscard]] bool take_node(basp_node& out) {
    std::span<const std::byte> bytes;
    if (!take(node_bytes, bytes)
        || read_big_endian(bytes.first(8)) != default_node_atom)
      return false;
    auto content = bytes.subspan(8);
    std::copy(content.begin(), content.end(), out.begin());
    auto zero = [](std::byte b) { return b == std::byte{0}; };
    auto pid = content.first(4);
    auto host = content.subspan(4);
    return !std::all_of(pid.begin(), pid.end(), zero)
           && !std::all_of(host.begin(), host.end(), zero);
  }

  [[nodiscard]] bool empty() const {
    return rest_.empty();
  }

private:
  std::span<const std::byte> rest_;
};

bool is_handshake(operation op) {
  return op == operation::server_handshake || op == operation::client_handshake;
}

} // namespace

struct basp_guard::frame_header {
  std::uint8_t raw_operation;
  bool padded;
  std::uint8_t flags;
  std::uint32_t payload_bytes;
  std::uint64_t operation_data;
  std::uint64_t source_actor;
  std::uint64_t destination_actor;

  explicit frame_header(std::span<const std::byte> bytes)
    : raw_operation{std::to_integer<std::uint8_t>(bytes[0])},
      padded{bytes[1] != std::byte{0} || bytes[2] != std::byte{0}},
      flags{std::to_integer<std::uint8_t>(bytes[3])},
      payload_bytes{
        static_cast<std::uint32_t>(read_big_endian(bytes.subspan(4, 4)))},
      operation_data{read_big_endian(bytes.subspan(8, 8))},
      source_actor{read_big_endian(bytes.subspan(16, 8))},
      destination_actor{read_big_endian(bytes.subspan(24, 8))} {
  }

  [[nodiscard]] operation op() const {
    return static_cast<operation>(raw_operation);
  }
};

basp_guard::basp_guard(basp_guard_options options)
  : options_{std::move(options)} {
}

bool basp_guard::mid_frame() const noexcept {
  return remaining_ > 0 || !held_.empty() || !greeted();
}

reason basp_guard::check(const frame_header& head) const {
  if (head.raw_operation > last_operation)
    return reason::basp_operation;
  const auto op = head.op();
  const auto own_handshake = options_.sender == basp_sender::client
                               ? operation::client_handshake
                               : operation::server_handshake;
  if (is_handshake(op)) {
    // A server greets once; a client greets again to select a connection.
    if (op != own_handshake
        || (greeted() && options_.sender == basp_sender::server))
      return reason::basp_order;
    if (head.payload_bytes == 0)
      return reason::basp_empty_handshake;
    if (head.payload_bytes > options_.handshake_payload_bytes)
      return reason::basp_payload_limit;
  } else if (!greeted()) {
    return reason::basp_order;
  }
  if (head.payload_bytes > options_.payload_bytes)
    return reason::basp_payload_limit;
  if (op == operation::server_handshake && head.operation_data != version)
    return reason::basp_version;

  // What CAF writes into each field of each operation.
  bool good = !head.padded;
  std::uint8_t allowed_flags = 0;
  switch (op) {
    case operation::server_handshake:
      good &= head.source_actor == 0 && head.destination_actor == 0;
      break;
    case operation::client_handshake:
      allowed_flags = select_connection_flag;
      good &= head.source_actor == 0 && head.destination_actor == 0
              && head.operation_data == 0;
      break;
    case operation::direct_message:
    case operation::routed_message:
      allowed_flags = named_receiver_flag;
      good &= head.destination_actor != 0 && head.payload_bytes > 0;
      break;
    case operation::monitor_message:
      good &= head.source_actor == 0 && head.operation_data == 0
              && head.payload_bytes > 0
              && head.payload_bytes <= options_.handshake_payload_bytes;
      break;
    case operation::down_message:
      good &= head.source_actor != 0 && head.destination_actor == 0
              && head.operation_data == 0 && head.payload_bytes > 0
              && head.payload_bytes <= options_.handshake_payload_bytes;
      break;
    case operation::heartbeat:
      good &= head.source_actor == 0 && head.destination_actor == 0
              && head.operation_data == 0 && head.payload_bytes == 0;
      break;
  }
  if (!good || (head.flags & ~allowed_flags) != 0)
    return reason::basp_header;
  if ((head.flags & named_receiver_flag) != 0
      && head.destination_actor != spawn_server_atom)
    return reason::basp_named_receiver;
  return reason::none;
}

reason basp_guard::check_handshake(std::span<const std::byte> payload) {
  payload_reader reader{payload};
  basp_node node;
  if (!reader.take_node(node))
    return reason::basp_handshake_payload;
  if (options_.sender == basp_sender::server) {
    std::uint32_t identifier_count = 0;
    if (!reader.take_length(identifier_count))
      return reason::basp_handshake_payload;
    bool known = options_.app_identifiers.empty();
    // Each identifier takes a byte at least, so the payload bounds the loop.
    for (std::uint32_t i = 0; i < identifier_count; ++i) {
      std::string_view identifier;
      if (!reader.take_text(identifier))
        return reason::basp_handshake_payload;
      const auto& wanted = options_.app_identifiers;
      known =
        known
        || std::find(wanted.begin(), wanted.end(), identifier) != wanted.end();
    }
    std::span<const std::byte> published_actor;
    std::uint32_t signature_count = 0;
    if (!reader.take(8, published_actor)
        || !reader.take_length(signature_count))
      return reason::basp_handshake_payload;
    for (std::uint32_t i = 0; i < signature_count; ++i) {
      std::string_view signature;
      if (!reader.take_text(signature))
        return reason::basp_handshake_payload;
    }
    if (!known)
      return reason::basp_app_identifier;
  }
  if (!reader.empty())
    return reason::basp_handshake_payload;
  // A client repeats its handshake, yet it stays who it is.
  if (node_ && *node_ != node)
    return reason::basp_node_claimed;
  node_ = node;
  return reason::none;
}

reason basp_guard::feed(std::span<const std::byte> input, byte_queue& output) {
  while (verdict_ == reason::none && !input.empty()) {
    if (remaining_ > 0) {
      auto part = input.first(std::min<std::size_t>(remaining_, input.size()));
      input = input.subspan(part.size());
      remaining_ -= static_cast<std::uint32_t>(part.size());
      if (!holding_payload_) {
        output.append(part);
        frame_count_ += remaining_ == 0 ? 1 : 0;
        continue;
      }
      held_.insert(held_.end(), part.begin(), part.end());
      if (remaining_ > 0)
        continue;
      verdict_ = check_handshake(std::span{held_}.subspan(header_bytes));
      if (verdict_ != reason::none)
        break;
      output.append(held_);
      held_ = {};
      holding_payload_ = false;
      ++frame_count_;
      continue;
    }
    auto part =
      input.first(std::min(header_bytes - held_.size(), input.size()));
    input = input.subspan(part.size());
    held_.insert(held_.end(), part.begin(), part.end());
    if (held_.size() < header_bytes)
      continue;
    const frame_header head{held_};
    verdict_ = check(head);
    if (verdict_ != reason::none)
      break;
    remaining_ = head.payload_bytes;
    holding_payload_ = is_handshake(head.op());
    if (holding_payload_)
      continue;
    output.append(held_);
    held_.clear();
    frame_count_ += remaining_ == 0 ? 1 : 0;
  }
  return verdict_;
}

} // namespace neuroplex::tunnel
