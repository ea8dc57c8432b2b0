// Bytes of states, deltas and digests.
//
// Purpose: little-endian and varints, every length checked before anything is
// allocated. Replica ids are written once in front and named by number behind;
// on a link that keeps order the table is kept from message to message
// (`replica_table`), so that a delta names a replica in one byte.
//
// Layout: version (1 byte), kind (4 bytes, a hash of the type's structure),
// place of the first replica in the table, count of replicas, node and
// incarnation of each, then the body.
//
// Threads: one at a time.
//
// Invariants:
//  1. What is accepted would be encoded as the same bytes.
//  2. A decoder never looks beyond its bytes; after the first thing that is
//     missing, too long or out of order it answers zeros and `failed()`.
//
// Failure behaviour: bad bytes are refused whole with `errc::protocol`, a newer
// version with `errc::version`, another type with `errc::wrong_type`.
#pragma once

#include "crdt/limits.hpp"
#include "crdt/replica_id.hpp"
#include "memory/status.hpp"

#include <bit>
#include <concepts>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace neuroplex::crdt {

inline constexpr std::uint8_t encoding_version = 1;

/// The replicas that both ends of a link have numbered. Each direction of a
/// link has one at either end.
class replica_table {
public:
  /// The number of `id`, which is given one when it has none.
  std::uint64_t number_of(replica_id id);

  [[nodiscard]] const std::vector<replica_id>& ids() const noexcept {
    return ids_;
  }

private:
  std::vector<replica_id> ids_;
  std::map<replica_id, std::uint64_t> numbers_;
};

/// How many bytes `put_varint` takes for `value`.
[[nodiscard]] constexpr std::size_t varint_bytes(std::uint64_t value) noexcept {
  return static_cast<std::size_t>(std::bit_width(value | 1) + 6) / 7;
}

class encoder {
public:
  explicit encoder(replica_table& table)
    : table_{table}, known_{table.ids().size()} {
  }

  void put_byte(std::uint8_t value) {
    body_.push_back(static_cast<char>(value));
  }

  void put_varint(std::uint64_t value);
  void put_fixed64(std::uint64_t value);
  void put_bytes(std::string_view bytes);

  void put_replica(replica_id id) {
    put_varint(table_.number_of(id));
  }

  /// The whole message; nothing may be put afterwards.
  [[nodiscard]] std::string finish(std::uint32_t kind) const;

private:
  replica_table& table_;
  std::size_t known_; ///< replicas that were numbered before this message
  std::string body_;
};

/// Refuses with `too_many` a state of more than `max_replicas` replicas.
[[nodiscard]] expected<void>
check_replica_count(std::size_t replicas,
                    std::size_t max_replicas = limits::max_replicas);

class decoder {
public:
  /// Reads the header. `table` gets the new replicas only in `finish`.
  decoder(std::string_view bytes, std::uint32_t kind, replica_table& table,
          const decode_limits& limits);

  [[nodiscard]] std::uint8_t take_byte();
  [[nodiscard]] std::uint64_t take_varint();
  [[nodiscard]] std::uint64_t take_fixed64();
  [[nodiscard]] std::string_view take_bytes();
  [[nodiscard]] replica_id take_replica();

  /// A count of things of at least `least_bytes` bytes each; one that cannot be
  /// true fails.
  [[nodiscard]] std::size_t take_count(std::size_t least_bytes = 1);

  [[nodiscard]] const decode_limits& limits() const noexcept {
    return limits_;
  }

  [[nodiscard]] bool failed() const noexcept {
    return failure_.code() != errc::ok;
  }

  /// The bytes are not what they should be.
  void fail(std::string_view what);

  /// Success when all was read and nothing failed.
  [[nodiscard]] expected<void> finish();

private:
  void take_header(std::uint32_t kind);

  std::string_view rest_;
  std::size_t size_;
  decode_limits limits_;
  replica_table& table_;
  std::vector<replica_id> ids_;
  std::size_t used_ = 0; ///< replicas that the body or older messages named
  expected<void> failure_;
};

/// A 32-bit hash of the text that describes a type's structure.
[[nodiscard]] std::uint32_t kind_of(std::string_view description) noexcept;

/// How elements, keys and values are written, checked and described. A type of
/// yours gets a specialisation with the same four functions.
template <class T>
struct codec;

template <std::integral T>
struct codec<T> {
  static void describe(std::string& out) {
    out += std::is_signed_v<T> ? 'i' : 'u';
    out += std::to_string(8 * sizeof(T));
  }

  static expected<void> check(T) {
    return {};
  }

  static void write(encoder& out, T value) {
    if constexpr (sizeof(T) == 1)
      out.put_byte(static_cast<std::uint8_t>(value));
    else if constexpr (sizeof(T) == 8)
      out.put_fixed64(static_cast<std::uint64_t>(value));
    else
      out.put_varint(static_cast<std::make_unsigned_t<T>>(value));
  }

  static T read(decoder& in) {
    if constexpr (std::same_as<T, bool>) {
      auto value = in.take_byte();
      if (value > 1)
        in.fail("a truth value above 1");
      return value == 1;
    } else if constexpr (sizeof(T) == 1) {
      return static_cast<T>(in.take_byte());
    } else if constexpr (sizeof(T) == 8) {
      return static_cast<T>(in.take_fixed64());
    } else {
      auto value = in.take_varint();
      if (value > std::make_unsigned_t<T>(-1))
        in.fail("a number too large for its type");
      return static_cast<T>(value);
    }
  }
};

template <>
struct codec<std::string> {
  static void describe(std::string& out) {
    out += "string";
  }

  static expected<void> check(const std::string& value);

  static void write(encoder& out, const std::string& value) {
    out.put_bytes(value);
  }

  static std::string read(decoder& in) {
    return std::string{in.take_bytes()};
  }
};

template <>
struct codec<replica_id> {
  static void describe(std::string& out) {
    out += "replica";
  }

  static expected<void> check(replica_id) {
    return {};
  }

  static void write(encoder& out, replica_id value) {
    out.put_replica(value);
  }

  static replica_id read(decoder& in) {
    return in.take_replica();
  }
};

template <class A, class B>
struct codec<std::pair<A, B>> {
  static void describe(std::string& out) {
    out += "pair(";
    codec<A>::describe(out);
    out += ',';
    codec<B>::describe(out);
    out += ')';
  }

  static expected<void> check(const std::pair<A, B>& value) {
    auto first = codec<A>::check(value.first);
    return first ? codec<B>::check(value.second) : first;
  }

  static void write(encoder& out, const std::pair<A, B>& value) {
    codec<A>::write(out, value.first);
    codec<B>::write(out, value.second);
  }

  static std::pair<A, B> read(decoder& in) {
    auto first = codec<A>::read(in);
    return {std::move(first), codec<B>::read(in)};
  }
};

} // namespace neuroplex::crdt
