// What the stream in front of us is: a terminal or not, how wide, in colour.
//
// Purpose: one place that decides how output looks, so that commands only say
// what they have to say.
//
// Ownership and threads: plain values.
//
// Invariants: a stream that is no terminal gets no escape sequence and no
// carriage return. NO_COLOR (set to anything but nothing) and TERM=dumb switch
// colour off; TERM=dumb also switches redrawing off.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace neuroplex::cli {

/// Narrowest and widest line that is laid out for, in columns.
inline constexpr unsigned min_terminal_columns = 20;
inline constexpr unsigned max_terminal_columns = 160;
inline constexpr unsigned default_terminal_columns = 80;

struct terminal_traits {
  bool redraw = false; ///< lines may be overwritten with a carriage return
  bool color = false;
  unsigned columns = default_terminal_columns;
};

/// Traits of an open descriptor, from isatty, its window size and the
/// environment (NO_COLOR, TERM, COLUMNS).
[[nodiscard]] terminal_traits detect_terminal(int descriptor);

enum class text_style : std::uint8_t { plain, bold, faint, good, bad };

/// `text` in `style` where the terminal shows colour, else `text` itself.
[[nodiscard]] std::string styled(const terminal_traits& traits,
                                 text_style style, std::string_view text);

} // namespace neuroplex::cli
