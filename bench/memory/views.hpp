// A value in place against a value copied out, by size.
//
// Threads: one.
#pragma once

#include <cstddef>
#include <string>

namespace neuroplex::bench {

/// Nanoseconds an operation, entries in the caches as far as they fit.
struct view_times {
  double view_ns = 0;      ///< pin, look at the first byte, release
  double view_read_ns = 0; ///< the same, every byte summed up
  double get_ns = 0;       ///< copy out, look at the first byte
  double get_read_ns = 0;  ///< copy out, every byte of the copy summed up
};

/// Entries of the segment that `measure_views` reads.
inline constexpr std::size_t view_entries = 64;

/// Writes the entries of `size` bytes into the segment at `path`, then times.
view_times measure_views(const std::string& path, std::size_t size,
                         double seconds);

} // namespace neuroplex::bench
