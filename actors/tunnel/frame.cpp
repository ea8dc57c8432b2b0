#include "actors/tunnel/frame.hpp"

#include <algorithm>
#include <array>

namespace neuroplex::tunnel {

namespace {

constexpr std::array<std::byte, 4> magic{std::byte{'N'}, std::byte{'P'},
                                         std::byte{'L'}, std::byte{'X'}};

template <class Integer>
void append_little_endian(frame_bytes& out, Integer value) {
  for (std::size_t i = 0; i < sizeof(Integer); ++i)
    out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

template <class Integer>
Integer read_little_endian(std::span<const std::byte> bytes) {
  Integer value = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i)
    value |=
      static_cast<Integer>(std::to_integer<Integer>(bytes[i]) << (8 * i));
  return value;
}

void append_text(frame_bytes& out, std::string_view text) {
  append_little_endian(out, static_cast<std::uint8_t>(text.size()));
  for (char c : text)
    out.push_back(static_cast<std::byte>(c));
}

/// Reads a length-prefixed text that must fill `bytes` to their end.
bool read_last_text(std::span<const std::byte> bytes, std::size_t most,
                    std::string& out) {
  if (bytes.empty())
    return false;
  const auto length = std::to_integer<std::size_t>(bytes[0]);
  if (length > most || length != bytes.size() - 1)
    return false;
  out.assign(reinterpret_cast<const char*>(bytes.data()) + 1, length);
  return true;
}

void append_versions(frame_bytes& out, std::uint16_t version,
                     std::uint16_t oldest_version) {
  out.insert(out.end(), magic.begin(), magic.end());
  append_little_endian(out, version);
  append_little_endian(out, oldest_version);
}

/// Reads magic and versions, the part that never changes.
bool take_versions(std::span<const std::byte>& payload, std::uint16_t& version,
                   std::uint16_t& oldest_version) {
  if (payload.size() < 8
      || !std::equal(magic.begin(), magic.end(), payload.begin()))
    return false;
  version = read_little_endian<std::uint16_t>(payload.subspan(4, 2));
  oldest_version = read_little_endian<std::uint16_t>(payload.subspan(6, 2));
  payload = payload.subspan(8);
  return oldest_version <= version;
}

bool common_version(std::uint16_t version, std::uint16_t oldest_version) {
  return version >= limits::oldest_wire_version
         && oldest_version <= limits::wire_version;
}

bool known_type(std::uint8_t raw) {
  return raw >= static_cast<std::uint8_t>(frame_type::hello)
         && raw <= static_cast<std::uint8_t>(frame_type::hello_agreement);
}

} // namespace

void append_frame(frame_bytes& out, frame_type type,
                  std::span<const std::byte> payload) {
  append_little_endian(out, static_cast<std::uint32_t>(payload.size()));
  append_little_endian(out, static_cast<std::uint8_t>(type));
  out.insert(out.end(), 3, std::byte{0});
  out.insert(out.end(), payload.begin(), payload.end());
}

void append_hello(frame_bytes& out, frame_type type, const hello_frame& hello) {
  frame_bytes payload;
  append_versions(payload, hello.version, hello.oldest_version);
  append_little_endian(payload, hello.id);
  append_little_endian(payload, hello.incarnation);
  append_text(payload, std::string_view{hello.cluster}.substr(
                         0, limits::max_cluster_bytes));
  append_frame(out, type, payload);
}

void append_refuse(frame_bytes& out, const refuse_frame& refuse) {
  frame_bytes payload;
  append_versions(payload, refuse.version, refuse.oldest_version);
  append_text(payload, std::string_view{refuse.text}.substr(
                         0, limits::max_refusal_text_bytes));
  append_frame(out, frame_type::refuse, payload);
}

reason read_hello(std::span<const std::byte> payload, hello_frame& out) {
  if (!take_versions(payload, out.version, out.oldest_version))
    return reason::hello_malformed;
  if (!common_version(out.version, out.oldest_version))
    return reason::wire_version;
  if (payload.size() < 12)
    return reason::hello_malformed;
  out.id = read_little_endian<replica_id>(payload.first(4));
  out.incarnation = read_little_endian<std::uint64_t>(payload.subspan(4, 8));
  if (!read_last_text(payload.subspan(12), limits::max_cluster_bytes,
                      out.cluster))
    return reason::hello_malformed;
  return reason::none;
}

reason read_refuse(std::span<const std::byte> payload, refuse_frame& out) {
  if (!take_versions(payload, out.version, out.oldest_version)
      || !read_last_text(payload, limits::max_refusal_text_bytes, out.text))
    return reason::frame_malformed;
  std::erase_if(out.text, [](char c) { return c < ' ' || c > '~'; });
  return reason::none;
}

std::string version_text(std::uint16_t peer_version,
                         std::uint16_t peer_oldest_version) {
  auto range = [](std::uint16_t oldest, std::uint16_t newest) {
    auto text = std::to_string(oldest);
    return oldest == newest ? text : text + ".." + std::to_string(newest);
  };
  return "this node speaks version "
         + range(limits::oldest_wire_version, limits::wire_version)
         + ", the peer speaks " + range(peer_oldest_version, peer_version);
}

frame_decoder::event frame_decoder::fail(reason why) {
  error_ = why;
  return {step::error, type_, {}, why};
}

frame_decoder::event frame_decoder::next(std::span<const std::byte>& input) {
  if (error_ != reason::none)
    return fail(error_);
  for (;;) {
    if (!in_payload_) {
      if (held_.size() >= frame_header_bytes)
        held_.clear(); // The control frame that was handed out last.
      auto part =
        input.first(std::min(frame_header_bytes - held_.size(), input.size()));
      held_.insert(held_.end(), part.begin(), part.end());
      input = input.subspan(part.size());
      if (held_.size() < frame_header_bytes)
        return {};
      const std::span<const std::byte> header{held_};
      const auto raw_type = std::to_integer<std::uint8_t>(header[4]);
      if (!known_type(raw_type) || header[5] != std::byte{0}
          || header[6] != std::byte{0} || header[7] != std::byte{0})
        return fail(reason::frame_malformed);
      type_ = static_cast<frame_type>(raw_type);
      remaining_ = read_little_endian<std::uint32_t>(header.first(4));
      if (remaining_ > (type_ == frame_type::data
                          ? limits::max_data_payload_bytes
                          : limits::max_control_payload_bytes))
        return fail(reason::frame_oversize);
      if (type_ == frame_type::data) {
        held_.clear();
        if (remaining_ == 0)
          return fail(reason::frame_malformed);
      }
      in_payload_ = true;
    }
    auto part = input.first(std::min(remaining_, input.size()));
    if (part.empty() && remaining_ > 0)
      return {};
    input = input.subspan(part.size());
    remaining_ -= part.size();
    in_payload_ = remaining_ > 0;
    if (type_ == frame_type::data)
      return {step::data, type_, part, reason::none};
    held_.insert(held_.end(), part.begin(), part.end());
    if (!in_payload_)
      return {step::control, type_,
              std::span{held_}.subspan(frame_header_bytes), reason::none};
  }
}

} // namespace neuroplex::tunnel
