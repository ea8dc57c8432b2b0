#include "actors/replica/frame.hpp"

#include "actors/replica/limits.hpp"

namespace neuroplex::replica {

namespace {

constexpr std::string_view kind_text = "replica frame";
constexpr char plain_mark = 'P';
constexpr char packed_mark = 'L';

constexpr crdt::decode_limits frame_limits{
  .max_bytes = limits::max_message_bytes,
  .max_replicas = limits::max_replicas,
  .max_element_bytes = limits::max_message_bytes};
constexpr crdt::decode_limits body_limits{
  .max_bytes = limits::max_message_bytes,
  .max_replicas = limits::max_replicas,
  .max_element_bytes = limits::max_value_bytes};

failure malformed(const std::string& what) {
  return {errc::protocol, "replica message: " + what
                            + ": nothing was applied; find out who sent it"};
}

bool take_mark(crdt::decoder& in) {
  auto mark = in.take_byte();
  if (mark > 1)
    in.fail("a replica message with an odd mark");
  return mark == 1;
}

// Nothing is written as no bytes.
template <class T>
expected<std::optional<T>> read_part(crdt::decoder& in) {
  auto bytes = in.take_bytes();
  if (bytes.empty())
    return std::optional<T>{};
  auto part = T::decode(bytes, body_limits);
  if (!part)
    return part.error();
  return std::optional<T>{std::move(*part)};
}

} // namespace

std::string encode(const frame& what) {
  crdt::replica_table table;
  crdt::encoder out{table};
  out.put_byte(static_cast<std::uint8_t>(what.kind));
  out.put_replica(what.from);
  out.put_varint(what.first);
  out.put_varint(what.last);
  out.put_fixed64(what.token);
  out.put_bytes(what.delta ? what.delta->encode() : std::string{});
  out.put_bytes(what.digest ? what.digest->encode() : std::string{});
  out.put_byte(what.knows ? 1 : 0);
  if (what.knows)
    what.knows->write(out);
  out.put_byte(what.body ? 1 : 0);
  if (what.body)
    out.put_bytes(*what.body);
  return out.finish(crdt::kind_of(kind_text));
}

expected<frame> decode(std::string_view bytes) {
  crdt::replica_table table;
  crdt::decoder in{bytes, crdt::kind_of(kind_text), table, frame_limits};
  frame result;
  auto kind = in.take_byte();
  if (kind >= frame_kind_count)
    in.fail("a replica message of an unknown kind");
  else
    result.kind = static_cast<frame_kind>(kind);
  result.from = in.take_replica();
  result.first = in.take_varint();
  result.last = in.take_varint();
  result.token = in.take_fixed64();
  auto delta = read_part<fact_delta>(in);
  if (!delta)
    return delta.error();
  result.delta = std::move(*delta);
  auto digest = read_part<crdt::state_digest>(in);
  if (!digest)
    return digest.error();
  result.digest = std::move(*digest);
  if (take_mark(in))
    result.knows = crdt::causal_context::read(in);
  if (take_mark(in))
    result.body = std::string{in.take_bytes()};
  if (auto read = in.finish(); !read)
    return read.error();
  return result;
}

std::string frame_packer::pack(std::string plain) {
  std::string packed;
  if (packer_.pack(0, memory::compression_mode::adaptive, plain, packed))
    return packed_mark + packed;
  return plain_mark + std::move(plain);
}

expected<std::string> frame_packer::unpack(std::string_view bytes) {
  if (bytes.empty() || bytes.size() > limits::max_message_bytes)
    return malformed("empty or too long");
  auto body = bytes.substr(1);
  if (bytes.front() == plain_mark)
    return std::string{body};
  std::string plain;
  if (bytes.front() != packed_mark
      || !memory::unpack(body, limits::max_message_bytes, plain))
    return malformed("neither plain nor packed");
  return plain;
}

} // namespace neuroplex::replica
