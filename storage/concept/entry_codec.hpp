// Entries as bytes, for the log and for what is spilled.
//
// Threads: plain functions.
//
// Failure behaviour: `protocol` for bytes that no entry has: lengths beyond a
// limit or beyond the bytes, an unknown kind, numbers out of range.
#pragma once

#include "storage/concept/write_entry.hpp"

#include <string>
#include <string_view>

namespace neuroplex::concepts {

/// Appends an entry.
void encode(const write_entry& entry, std::string& to);

/// Bytes that `encode` appends.
[[nodiscard]] std::size_t encoded_bytes(const write_entry& entry) noexcept;

/// Takes one entry off the front of `from`.
[[nodiscard]] errc decode(std::string_view& from, write_entry& entry);

} // namespace neuroplex::concepts
