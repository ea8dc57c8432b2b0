#include "storage/concept/entry_codec.hpp"

#include "storage/concept/limits.hpp"

#include <bit>
#include <cmath>
#include <cstring>

namespace neuroplex::concepts {

namespace {

static_assert(std::endian::native == std::endian::little,
              "a big-endian machine would have to swap");

struct encoded_head {
  std::uint64_t sequence;
  concept_id id;
  concept_id target;
  float amount;
  float confidence;
  std::uint16_t type;
  std::uint16_t qualifier;
  std::uint32_t dimensions;
  std::uint32_t content_bytes;
  std::uint32_t attribute_bytes;
  std::uint8_t kind;
  std::uint8_t reserved[7];
};
static_assert(sizeof(encoded_head) == 72);

} // namespace

std::size_t encoded_bytes(const write_entry& entry) noexcept {
  return sizeof(encoded_head) + entry.body_bytes();
}

void encode(const write_entry& entry, std::string& to) {
  encoded_head head{};
  head.sequence = entry.sequence;
  head.id = entry.id;
  head.target = entry.target;
  head.amount = entry.amount;
  head.confidence = entry.confidence;
  head.type = entry.type;
  head.qualifier = entry.qualifier;
  head.dimensions = entry.dimensions;
  head.content_bytes = entry.content_bytes;
  head.attribute_bytes = entry.attribute_bytes;
  head.kind = static_cast<std::uint8_t>(entry.kind);
  to.append(reinterpret_cast<const char*>(&head), sizeof head);
  to.append(entry.body_view());
}

errc decode(std::string_view& from, write_entry& entry) {
  encoded_head head;
  if (from.size() < sizeof head)
    return errc::protocol;
  std::memcpy(&head, from.data(), sizeof head);
  if (head.kind >= entry_kind_count || head.dimensions > limits::max_dimensions
      || head.content_bytes > limits::max_content_bytes
      || head.attribute_bytes > limits::max_attribute_bytes
      || head.type >= limits::max_association_types
      || !std::isfinite(head.amount) || head.amount < 0
      || !(head.confidence >= 0 && head.confidence <= 1))
    return errc::protocol;
  write_entry read;
  read.kind = static_cast<entry_kind>(head.kind);
  read.type = head.type;
  read.qualifier = head.qualifier;
  read.amount = head.amount;
  read.confidence = head.confidence;
  read.id = head.id;
  read.target = head.target;
  read.sequence = head.sequence;
  read.dimensions = head.dimensions;
  read.content_bytes = head.content_bytes;
  read.attribute_bytes = head.attribute_bytes;
  auto bytes = read.body_bytes();
  if (from.size() - sizeof head < bytes)
    return errc::protocol;
  if (bytes != 0) {
    read.body = std::make_unique_for_overwrite<char[]>(bytes);
    std::memcpy(read.body.get(), from.data() + sizeof head, bytes);
  }
  from.remove_prefix(sizeof head + bytes);
  entry = std::move(read);
  return errc::ok;
}

} // namespace neuroplex::concepts
