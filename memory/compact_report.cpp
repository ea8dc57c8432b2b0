#include "memory/compact_report.hpp"

#include "memory/limits.hpp"

#include <array>
#include <cstdio>

namespace neuroplex::memory {

namespace {

double share(std::uint64_t part, std::uint64_t whole) noexcept {
  return whole == 0 ? 0
                    : static_cast<double>(part) / static_cast<double>(whole);
}

/// Bytes in the unit that gives a short number.
std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  constexpr double step = 1024;
  while (value >= step && unit + 1 < units.size()) {
    value /= step;
    ++unit;
  }
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s",
                value, units[unit]);
  return text.data();
}

std::string percent(double part) {
  std::array<char, 32> text{};
  constexpr double hundred = 100;
  std::snprintf(text.data(), text.size(), "%.1f %%", part * hundred);
  return text.data();
}

} // namespace

std::string compaction_result::to_string() const {
  return "moved " + std::to_string(moved_entries) + " entries of "
         + bytes_text(moved_bytes) + ", removed "
         + std::to_string(expired_entries) + " expired, freed "
         + bytes_text(freed_bytes)
         + (done ? "; nothing more to do" : "; more to do");
}

double class_utilization::fragmentation() const noexcept {
  return span_bytes == 0 ? 0 : 1 - share(used_blocks * block_bytes, span_bytes);
}

double utilization_report::utilization() const noexcept {
  return share(live_block_bytes, segment_bytes);
}

double utilization_report::fragmentation() const noexcept {
  if (pool_used_bytes == 0 || live_block_bytes >= pool_used_bytes)
    return 0;
  return 1 - share(live_block_bytes, pool_used_bytes);
}

std::string utilization_report::to_string() const {
  auto text =
    std::to_string(entries) + " entries, " + bytes_text(live_block_bytes)
    + " live of " + bytes_text(segment_bytes) + " (" + percent(utilization())
    + "); pages in use " + bytes_text(pool_used_bytes) + " of "
    + bytes_text(pool_bytes) + ", fragmentation " + percent(fragmentation())
    + "; largest free run " + bytes_text(largest_free_run_bytes)
    + ", reclaimable " + bytes_text(reclaimable_bytes) + '\n';
  std::array<char, 128> line{};
  std::snprintf(line.data(), line.size(), "%10s %8s %12s %10s %10s %14s\n",
                "block", "spans", "pages", "used", "free", "fragmentation");
  text += line.data();
  for (const auto& each : classes) {
    std::snprintf(line.data(), line.size(),
                  "%10u %8u %12s %10llu %10llu %14s\n", each.block_bytes,
                  each.spans, bytes_text(each.span_bytes).c_str(),
                  static_cast<unsigned long long>(each.used_blocks),
                  static_cast<unsigned long long>(each.free_blocks),
                  percent(each.fragmentation()).c_str());
    text += line.data();
  }
  if (large_blocks != 0) {
    std::snprintf(line.data(), line.size(), "%10s %8llu %12s\n", "larger",
                  static_cast<unsigned long long>(large_blocks),
                  bytes_text(large_bytes).c_str());
    text += line.data();
  }
  return text;
}

std::string defragmentation_result::to_string() const {
  return "fragmentation " + percent(fragmentation_before) + " -> "
         + percent(fragmentation_after) + ", largest free run "
         + bytes_text(largest_free_run_before) + " -> "
         + bytes_text(largest_free_run_after) + "; " + work.to_string();
}

std::string pressure_report::to_string() const {
  return std::string{"pressure "} + memory::to_string(level) + ": pages "
         + percent(used) + " used, " + percent(live) + " live, "
         + bytes_text(free_bytes) + " free; fragmentation "
         + percent(fragmentation) + ", reclaimable "
         + bytes_text(reclaimable_bytes) + "; "
         + (advised_step_bytes == 0
              ? "compaction does not pay"
              : "compact in steps of " + bytes_text(advised_step_bytes));
}

std::string optimization_result::to_string() const {
  auto text = "dead threads " + std::to_string(dead_threads)
              + ", expired entries removed " + std::to_string(expired_entries)
              + "; " + memory.to_string();
  for (const auto& each : advice)
    text += "\nadvice: " + each;
  return text;
}

pressure_level pressure_of(double used) noexcept {
  if (used >= critical_pressure)
    return pressure_level::critical;
  if (used >= high_pressure)
    return pressure_level::high;
  return used >= elevated_pressure ? pressure_level::elevated
                                   : pressure_level::low;
}

const char* to_string(pressure_level level) noexcept {
  switch (level) {
    case pressure_level::low:
      return "low";
    case pressure_level::elevated:
      return "elevated";
    case pressure_level::high:
      return "high";
    case pressure_level::critical:
      return "critical";
  }
  return "unknown";
}

std::uint64_t advised_step(pressure_level level,
                           std::uint64_t reclaimable_bytes,
                           std::uint64_t pool_bytes) noexcept {
  constexpr std::uint64_t least_share = 100;
  if (reclaimable_bytes < pool_bytes / least_share)
    return 0;
  // Four times as much with each level: 4 KiB, 16, 64, 256.
  constexpr unsigned doublings_a_level = 2;
  return limits::compaction_step_bytes
         << (static_cast<unsigned>(level) * doublings_a_level);
}

} // namespace neuroplex::memory
