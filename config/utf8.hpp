// Recognises UTF-8, so that output to terminals and JSON is always valid text.
#pragma once

#include <cstddef>
#include <string_view>

namespace neuroplex::config {

/// Length of the well-formed UTF-8 sequence at the front of `text`; 0 when
/// there is none. Overlong forms, surrogates and C1 controls are not
/// well-formed here, the latter since terminals act on them.
[[nodiscard]] std::size_t utf8_sequence_length(std::string_view text) noexcept;

/// True when all of `text` is UTF-8.
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

} // namespace neuroplex::config
