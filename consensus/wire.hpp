// Little-endian reading and writing with every length checked.
//
// Purpose: what the formats of the protocol cores share.
//
// Threads: one at a time.
//
// Invariants: a reader never looks beyond its bytes; after the first thing that
// is missing or too long, it answers zeros and `failed()` for ever.
//
// Failure behaviour: `failed()`; writing does not fail.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace neuroplex {

class wire_writer {
public:
  explicit wire_writer(std::string& out) : out_{out} {
  }

  template <std::unsigned_integral T>
  void put(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i)
      out_.push_back(static_cast<char>(static_cast<unsigned char>(
        static_cast<std::uint64_t>(value) >> (8 * i))));
  }

  void put_bool(bool value) {
    put<std::uint8_t>(value ? 1 : 0);
  }

  /// A 32-bit length, then the bytes.
  void put_bytes(std::string_view bytes) {
    put(static_cast<std::uint32_t>(bytes.size()));
    out_.append(bytes);
  }

private:
  std::string& out_;
};

class wire_reader {
public:
  explicit wire_reader(std::string_view bytes) : rest_{bytes} {
  }

  template <std::unsigned_integral T>
  [[nodiscard]] T take() {
    auto bytes = take_exactly(sizeof(T));
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i)
      value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i]))
               << (8 * i);
    return static_cast<T>(value);
  }

  /// One byte that is 0 or 1; any other fails.
  [[nodiscard]] bool take_bool() {
    auto value = take<std::uint8_t>();
    if (value > 1)
      fail();
    return value == 1;
  }

  /// A 32-bit length up to `max`, then the bytes.
  [[nodiscard]] std::string_view take_bytes(std::size_t max) {
    auto length = take<std::uint32_t>();
    if (length > max) {
      fail();
      return {};
    }
    return take_exactly(length);
  }

  [[nodiscard]] std::string_view take_exactly(std::size_t count) {
    if (failed_ || count > rest_.size()) {
      fail();
      return {};
    }
    auto bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }

  [[nodiscard]] std::size_t left() const noexcept {
    return rest_.size();
  }

  [[nodiscard]] bool failed() const noexcept {
    return failed_;
  }

  /// Whether all was read and nothing failed.
  [[nodiscard]] bool complete() const noexcept {
    return !failed_ && rest_.empty();
  }

  void fail() noexcept {
    failed_ = true;
    rest_ = {};
  }

private:
  std::string_view rest_;
  bool failed_ = false;
};

/// Something of a fixed size that holds nothing but `bytes`, such as a digest.
template <class Bytes>
void put_raw(std::string& out, const Bytes& what) {
  out.append(reinterpret_cast<const char*>(what.bytes.data()),
             what.bytes.size());
}

template <class Bytes>
[[nodiscard]] Bytes take_raw(wire_reader& in) {
  Bytes result;
  auto bytes = in.take_exactly(result.bytes.size());
  std::copy(bytes.begin(), bytes.end(), result.bytes.begin());
  return result;
}

} // namespace neuroplex
