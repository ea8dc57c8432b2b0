// Units of sizes in bytes.
#pragma once

#include <cstdint>

namespace neuroplex::config {

inline constexpr std::uint64_t kib = 1'024;
inline constexpr std::uint64_t mib = 1'024 * kib;
inline constexpr std::uint64_t gib = 1'024 * mib;
inline constexpr std::uint64_t tib = 1'024 * gib;

} // namespace neuroplex::config
