#include "memory/compression.hpp"

#include <algorithm>
#include <bit>

#include <lz4.h>

namespace neuroplex::memory {

namespace {

constexpr unsigned whole = 256;

constexpr std::array<std::string_view, 2> mode_names = {"off", "adaptive"};

} // namespace

std::string_view to_string(compression_mode mode) noexcept {
  auto index = static_cast<std::size_t>(mode);
  return index < mode_names.size() ? mode_names[index] : "unknown";
}

std::optional<compression_mode>
parse_compression_mode(std::string_view name) noexcept {
  for (std::size_t i = 0; i < mode_names.size(); ++i)
    if (mode_names[i] == name)
      return static_cast<compression_mode>(i);
  return std::nullopt;
}

std::size_t unpacked_bytes(std::string_view packed) noexcept {
  if (packed.size() < packed_header_bytes)
    return 0;
  std::size_t result = 0;
  for (auto i = packed_header_bytes; i-- > 0;)
    result = result << 8 | static_cast<unsigned char>(packed[i]);
  return result;
}

bool unpack(std::string_view packed, std::size_t most, std::string& plain) {
  auto length = unpacked_bytes(packed);
  if (length == 0 || length > most)
    return false;
  plain.resize(length);
  return unpack(packed, std::span{plain});
}

bool unpack(std::string_view packed, std::span<char> plain) noexcept {
  auto length = unpacked_bytes(packed);
  if (length == 0 || length != plain.size())
    return false;
  auto block = packed.substr(packed_header_bytes);
  auto written = LZ4_decompress_safe(block.data(), plain.data(),
                                     static_cast<int>(block.size()),
                                     static_cast<int>(length));
  return written == static_cast<int>(length);
}

bool value_packer::pack(std::uint8_t ns, compression_mode mode,
                        std::string_view value, std::string& buffer) {
  if (mode == compression_mode::off || value.size() < least_bytes)
    return false;
  auto size = std::min<unsigned>(
    static_cast<unsigned>(std::bit_width(value.size())), sizes - 1);
  auto& seen = all_[ns][size];
  auto gain = seen.gain.load(std::memory_order_relaxed);
  if (gain < least_gain) {
    auto skipped = seen.skipped.fetch_add(1, std::memory_order_relaxed);
    if ((skipped + 1U) % try_every != 0)
      return false;
  }
  // More than this is of no use, and LZ4 stops when it is reached.
  auto most = value.size() - value.size() * least_gain / whole;
  buffer.resize(most);
  auto packed =
    most <= packed_header_bytes
      ? 0
      : LZ4_compress_default(value.data(), buffer.data() + packed_header_bytes,
                             static_cast<int>(value.size()),
                             static_cast<int>(most - packed_header_bytes));
  auto total = static_cast<std::size_t>(packed) + packed_header_bytes;
  auto saved = packed <= 0 ? 0 : whole - total * whole / value.size();
  constexpr unsigned weight = 8;
  seen.gain.store(
    static_cast<std::uint16_t>((gain * (weight - 1) + saved) / weight),
    std::memory_order_relaxed);
  if (packed <= 0)
    return false;
  buffer.resize(total);
  for (std::size_t i = 0; i < packed_header_bytes; ++i)
    buffer[i] = static_cast<char>(value.size() >> (8 * i));
  return true;
}

} // namespace neuroplex::memory
