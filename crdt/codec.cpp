#include "crdt/codec.hpp"

#include <algorithm>
#include <xxhash.h>

namespace neuroplex::crdt {

std::uint64_t replica_table::number_of(replica_id id) {
  auto [at, is_new] = numbers_.try_emplace(id, ids_.size());
  if (is_new)
    ids_.push_back(id);
  return at->second;
}

namespace {

void append_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(static_cast<unsigned char>(value | 0x80)));
    value >>= 7;
  }
  out.push_back(static_cast<char>(static_cast<unsigned char>(value)));
}

} // namespace

void encoder::put_varint(std::uint64_t value) {
  append_varint(body_, value);
}

void encoder::put_fixed64(std::uint64_t value) {
  char bytes[8];
  for (auto& byte : bytes) {
    byte = static_cast<char>(static_cast<unsigned char>(value));
    value >>= 8;
  }
  body_.append(bytes, sizeof bytes);
}

void encoder::put_bytes(std::string_view bytes) {
  put_varint(bytes.size());
  body_.append(bytes);
}

std::string encoder::finish(std::uint32_t kind) const {
  std::string out;
  out.reserve(body_.size() + 16);
  out.push_back(static_cast<char>(encoding_version));
  for (auto shift = 0U; shift < 32; shift += 8)
    out.push_back(static_cast<char>(static_cast<unsigned char>(kind >> shift)));
  const auto& ids = table_.ids();
  append_varint(out, known_);
  append_varint(out, ids.size() - known_);
  for (auto i = known_; i < ids.size(); ++i) {
    append_varint(out, ids[i].node);
    append_varint(out, ids[i].incarnation);
  }
  out += body_;
  return out;
}

decoder::decoder(std::string_view bytes, std::uint32_t kind,
                 replica_table& table, const decode_limits& limits)
  : rest_{bytes}, size_{bytes.size()}, limits_{limits}, table_{table} {
  if (bytes.size() > limits.max_bytes)
    fail("more than " + std::to_string(limits.max_bytes) + " bytes");
  else
    take_header(kind);
}

void decoder::take_header(std::uint32_t kind) {
  auto version = take_byte();
  if (!failed() && version != encoding_version) {
    failure_ =
      failure{errc::version, "CRDT bytes of version " + std::to_string(version)
                               + ": this program reads version "
                               + std::to_string(encoding_version)
                               + ": bring both nodes to one release"};
    return;
  }
  std::uint32_t given = 0;
  for (auto shift = 0U; shift < 32; shift += 8)
    given |= static_cast<std::uint32_t>(take_byte()) << shift;
  if (!failed() && given != kind) {
    failure_ =
      failure{errc::wrong_type, "CRDT of kind " + std::to_string(given)
                                  + ": expected kind " + std::to_string(kind)
                                  + ": a key keeps its type: use another key"};
    return;
  }
  auto known = take_varint();
  if (!failed() && known != table_.ids().size()) {
    fail("a table of replicas that does not follow the one before");
    return;
  }
  auto count = take_count(2);
  if (count > limits_.max_replicas || known + count > limits_.max_replicas) {
    fail("more than " + std::to_string(limits_.max_replicas) + " replicas");
    return;
  }
  ids_ = table_.ids();
  used_ = ids_.size();
  for (std::size_t i = 0; i < count && !failed(); ++i) {
    auto node = take_varint();
    auto incarnation = take_varint();
    if (node > UINT32_MAX || incarnation > UINT32_MAX)
      fail("a replica id above 32 bits");
    ids_.push_back({static_cast<std::uint32_t>(node),
                    static_cast<std::uint32_t>(incarnation)});
  }
}

std::uint8_t decoder::take_byte() {
  if (rest_.empty()) {
    fail("an end too early");
    return 0;
  }
  auto value = static_cast<std::uint8_t>(rest_.front());
  rest_.remove_prefix(1);
  return value;
}

std::uint64_t decoder::take_varint() {
  std::uint64_t value = 0;
  for (auto shift = 0U; shift < 64; shift += 7) {
    auto byte = take_byte();
    value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
    if ((byte & 0x80U) == 0) {
      if ((byte == 0 && shift != 0) || (shift == 63 && byte > 1))
        break;
      return value;
    }
  }
  fail("a number not written in its shortest form");
  return 0;
}

std::uint64_t decoder::take_fixed64() {
  if (rest_.size() < 8) {
    fail("an end too early");
    return 0;
  }
  std::uint64_t value = 0;
  for (auto i = 8U; i-- > 0;)
    value = value << 8 | static_cast<unsigned char>(rest_[i]);
  rest_.remove_prefix(8);
  return value;
}

expected<void> check_replica_count(std::size_t replicas,
                                   std::size_t max_replicas) {
  if (replicas <= max_replicas)
    return {};
  return failure{errc::too_many,
                 "CRDT state of " + std::to_string(replicas)
                   + " replicas: at most " + std::to_string(max_replicas)
                   + ": nothing was merged: find out who makes up replicas, or "
                     "give nodes that come back their old id"};
}

std::string_view decoder::take_bytes() {
  auto length = take_count();
  if (length > limits_.max_element_bytes) {
    fail("an element above " + std::to_string(limits_.max_element_bytes)
         + " bytes");
    return {};
  }
  auto bytes = rest_.substr(0, length);
  rest_.remove_prefix(length);
  return bytes;
}

replica_id decoder::take_replica() {
  auto number = take_varint();
  // New replicas are numbered in the order in which the body names them.
  if (number > used_ || number >= ids_.size()) {
    fail("a replica that the table does not have");
    return {};
  }
  if (number == used_)
    ++used_;
  return ids_[number];
}

std::size_t decoder::take_count(std::size_t least_bytes) {
  auto count = take_varint();
  if (count > rest_.size() / least_bytes) {
    fail("a count of " + std::to_string(count) + " with "
         + std::to_string(rest_.size()) + " bytes left");
    return 0;
  }
  return count;
}

void decoder::fail(std::string_view what) {
  if (!failed())
    failure_ = failure{errc::protocol,
                       "CRDT bytes, at " + std::to_string(size_ - rest_.size())
                         + ": " + std::string{what}
                         + ": nothing was applied; find out who sent them"};
  rest_ = {};
}

expected<void> decoder::finish() {
  if (!failed() && !rest_.empty())
    fail("more bytes than the value has");
  if (!failed() && used_ != ids_.size())
    fail("a replica in the table that nothing names");
  // The same replica under two numbers would be a second way to write a thing.
  std::vector<replica_id> sorted{ids_};
  std::sort(sorted.begin(), sorted.end());
  if (!failed()
      && std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
    fail("a replica twice in the table");
  if (!failed())
    for (auto i = table_.ids().size(); i < ids_.size(); ++i)
      table_.number_of(ids_[i]);
  return failure_;
}

std::uint32_t kind_of(std::string_view description) noexcept {
  return static_cast<std::uint32_t>(
    XXH3_64bits(description.data(), description.size()));
}

expected<void> codec<std::string>::check(const std::string& value) {
  if (value.size() > limits::max_element_bytes)
    return failure{errc::value_size,
                   "CRDT element of " + std::to_string(value.size())
                     + " bytes: at most "
                     + std::to_string(limits::max_element_bytes)
                     + ": store it elsewhere and keep its name here"};
  return {};
}

} // namespace neuroplex::crdt
