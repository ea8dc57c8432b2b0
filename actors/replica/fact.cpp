#include "actors/replica/fact.hpp"

#include "actors/replica/limits.hpp"

namespace neuroplex::replica {

std::size_t encoded_bytes(fact_kind kind, std::size_t key_bytes,
                          std::size_t name_bytes,
                          std::size_t value_bytes) noexcept {
  auto text = [](std::size_t size) { return crdt::varint_bytes(size) + size; };
  // Its place and its kind.
  auto sum = std::size_t{2} + text(key_bytes);
  if (has_name(kind))
    sum += text(name_bytes);
  if (is_counter(kind))
    sum += sizeof(std::int64_t);
  if (is_register(kind))
    sum += text(value_bytes) + sizeof(crdt::hybrid_timestamp);
  return sum;
}

} // namespace neuroplex::replica

namespace neuroplex::crdt {

using replica::fact;
using replica::fact_kind;

expected<void> codec<fact>::check(const fact& what) {
  namespace limits = replica::limits;
  if (what.key.empty())
    return errc::bad_key;
  if (what.key.size() > limits::max_key_bytes)
    return errc::key_size;
  auto longest = std::max(what.name.size(), what.value.size());
  if (longest > limits::max_value_bytes)
    return failure{errc::value_size,
                   "replica: a value of " + std::to_string(longest)
                     + " bytes: at most "
                     + std::to_string(limits::max_value_bytes)
                     + " in a namespace of replicas: cut it into several"};
  return {};
}

void codec<fact>::write(encoder& out, const fact& what) {
  out.put_byte(static_cast<std::uint8_t>(what.kind));
  out.put_bytes(what.key);
  if (has_name(what.kind))
    out.put_bytes(what.name);
  if (is_counter(what.kind))
    out.put_fixed64(static_cast<std::uint64_t>(what.number));
  if (is_register(what.kind)) {
    out.put_bytes(what.value);
    out.put_fixed64(what.written.bits);
  }
}

fact codec<fact>::read(decoder& in) {
  fact result;
  auto kind = in.take_byte();
  if (kind >= replica::fact_kind_count) {
    in.fail("a fact of an unknown type");
    return result;
  }
  result.kind = static_cast<fact_kind>(kind);
  result.key = std::string{in.take_bytes()};
  if (has_name(result.kind))
    result.name = std::string{in.take_bytes()};
  if (is_counter(result.kind))
    result.number = static_cast<std::int64_t>(in.take_fixed64());
  if (is_register(result.kind)) {
    result.value = std::string{in.take_bytes()};
    result.written.bits = in.take_fixed64();
  }
  if (!in.failed() && !check(result))
    in.fail("a fact with a key or value that nobody may write");
  return result;
}

} // namespace neuroplex::crdt
