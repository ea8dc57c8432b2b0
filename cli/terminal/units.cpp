#include "cli/terminal/units.hpp"

#include <array>
#include <cmath>
#include <cstdio>
#include <string_view>

namespace neuroplex::cli {

namespace {

// At this value a second digit after the point says nothing any more.
constexpr double whole_from = 99.95;

std::string two_digits(long long value) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "%02lld", value);
  return text.data();
}

std::string with_unit(double value, std::string_view unit) {
  auto result = human_number(value);
  result += ' ';
  result += unit;
  return result;
}

} // namespace

std::string human_number(double value) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(),
                std::fabs(value) < whole_from ? "%.1f" : "%.0f", value);
  return text.data();
}

std::string human_bytes(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 6> units{"KiB", "MiB", "GiB",
                                                  "TiB", "PiB", "EiB"};
  constexpr double step = 1024;
  if (bytes < 1024)
    return std::to_string(bytes) + " B";
  auto value = static_cast<double>(bytes) / step;
  std::size_t unit = 0;
  // 1023.5 would be printed as 1024 of the smaller unit.
  while (value >= step - 0.5 && unit + 1 < units.size()) {
    value /= step;
    ++unit;
  }
  return with_unit(value, units[unit]);
}

std::string human_count(std::uint64_t count) {
  auto digits = std::to_string(count);
  std::string result;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0)
      result += ',';
    result += digits[i];
  }
  return result;
}

std::string human_count(std::uint64_t count, std::string_view one,
                        std::string_view more) {
  auto result = human_count(count);
  result += ' ';
  result += count == 1 ? one : more;
  return result;
}

std::string human_entries(std::uint64_t count) {
  return human_count(count, "entry", "entries");
}

std::string human_duration(std::chrono::nanoseconds duration) {
  constexpr double thousand = 1000;
  auto nanoseconds = static_cast<double>(duration.count());
  if (nanoseconds < thousand)
    return std::to_string(duration.count()) + " ns";
  auto value = nanoseconds / thousand;
  for (std::string_view unit : {"us", "ms"}) {
    if (value < thousand - 0.5)
      return with_unit(value, unit);
    value /= thousand;
  }
  auto seconds = std::llround(value);
  if (seconds < 60)
    return with_unit(value, "s");
  auto minutes = seconds / 60;
  if (minutes < 60)
    return std::to_string(minutes) + " min " + two_digits(seconds % 60) + " s";
  return std::to_string(minutes / 60) + " h " + two_digits(minutes % 60)
         + " min";
}

std::string human_nanoseconds(double nanoseconds) {
  return human_duration(
    std::chrono::nanoseconds{static_cast<std::int64_t>(nanoseconds)});
}

std::string human_rate(double per_second) {
  constexpr double thousand = 1000;
  if (per_second < thousand - 0.5)
    return with_unit(per_second, "/s");
  per_second /= thousand;
  if (per_second < thousand - 0.5)
    return with_unit(per_second, "k/s");
  return with_unit(per_second / thousand, "M/s");
}

} // namespace neuroplex::cli
