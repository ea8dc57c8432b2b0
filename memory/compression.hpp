// Values that are stored compressed.
//
// A packed value is four bytes with the length of the plain one, little-endian,
// and an LZ4 block (doc/lz4_Block_format.md of LZ4). Its entry is flagged, the
// flag is covered by the checksum, and a reader in the usual way does not know
// of it: a packed entry is one more case of the careful way.
//
// Whether it pays is measured, not guessed: for each namespace and each size of
// value (by powers of two) the last results are kept as a moving mean. Where
// they do not pay, only one value of `try_every` is tried, so that what
// compresses badly costs next to nothing, and a change of what is stored is
// noticed.
//
// Threads: all; the means are hints, kept by this process.
#pragma once

#include "memory/limits.hpp"
#include "memory/store.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace neuroplex::memory {

/// The plain value of a packed one, at most `most` bytes long; false when it is
/// none. `packed` must not lie in `plain`.
[[nodiscard]] bool unpack(std::string_view packed, std::size_t most,
                          std::string& plain);

/// The same into a buffer of `unpacked_bytes(packed)`.
[[nodiscard]] bool unpack(std::string_view packed,
                          std::span<char> plain) noexcept;

/// Length that a packed value has when it is unpacked, as it says itself.
[[nodiscard]] std::size_t unpacked_bytes(std::string_view packed) noexcept;

inline constexpr std::size_t packed_header_bytes = 4;

class value_packer {
public:
  /// Shorter values are never packed: what LZ4 finds in them is nothing.
  static constexpr std::size_t least_bytes = 128;

  /// A value is packed if it becomes this much shorter, in 256ths.
  static constexpr unsigned least_gain = 32;

  static constexpr std::uint32_t try_every = 64;

  /// Packs `value` into `buffer` if the namespace's mode asks for it and it is
  /// shorter so; false says to store the value as it is.
  [[nodiscard]] bool pack(std::uint8_t ns, compression_mode mode,
                          std::string_view value, std::string& buffer);

private:
  /// What came of values of one namespace and size.
  struct experience {
    std::atomic<std::uint16_t> gain{256}; ///< moving mean, in 256ths
    std::atomic<std::uint16_t> skipped{0};
  };

  static constexpr unsigned sizes = 24;

  std::array<std::array<experience, sizes>, limits::max_namespaces> all_;
};

} // namespace neuroplex::memory
