#include "cli/terminal/progress.hpp"

#include "cli/terminal/units.hpp"

#include <algorithm>

namespace neuroplex::cli {

namespace {

constexpr std::string_view line_start = "\r\x1b[2K"; // and clear the line
constexpr unsigned min_bar_columns = 6;
constexpr unsigned wanted_bar_columns = 16;
constexpr unsigned max_bar_columns = 30;
constexpr std::size_t label_columns = 22;

double seconds_between(std::chrono::steady_clock::time_point from,
                       std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

std::string padded_label(const std::string& label) {
  auto result = label;
  if (result.size() < label_columns)
    result.append(label_columns - result.size(), ' ');
  return result;
}

std::string right_aligned(const std::string& text, std::size_t width) {
  std::string result(width - std::min(width, text.size()), ' ');
  result += text;
  return result;
}

unsigned share(std::uint64_t done, std::uint64_t total, unsigned parts) {
  if (total == 0)
    return 0;
  auto part = static_cast<double>(std::min(done, total))
              / static_cast<double>(total) * parts;
  return static_cast<unsigned>(part);
}

} // namespace

progress::progress(std::ostream& out, const terminal_traits& traits,
                   std::string label, std::uint64_t total, progress_unit unit,
                   clock_function now)
  : out_{out}, traits_{traits}, label_{std::move(label)}, total_{total},
    unit_{unit}, now_{std::move(now)}, started_{now_()}, shown_{started_} {
  if (traits_.redraw)
    draw(started_);
}

progress::~progress() {
  abandon();
}

void progress::update(std::uint64_t done) {
  done_ = done;
  if (ended_)
    return;
  auto now = now_();
  if (traits_.redraw) {
    if (now - shown_ >= redraw_interval)
      draw(now);
  } else if (now - shown_ >= line_interval
             && (total_ == 0 || share(done_, total_, 10) > shown_tenths_)) {
    print_line(now);
  }
}

std::string progress::amount(std::uint64_t units) const {
  return unit_ == progress_unit::bytes ? human_bytes(units)
                                       : human_count(units);
}

std::string progress::rate_text(double per_second) const {
  if (unit_ == progress_unit::count)
    return human_rate(per_second);
  return human_bytes(static_cast<std::uint64_t>(per_second)) + "/s";
}

// "45%  52,946 of 117,659  38.1 k/s  1.7 s left", or less of it: `detail` 2 is
// all, 1 goes without the total, 0 without count and rate.
std::string progress::summary(std::chrono::steady_clock::time_point now,
                              unsigned detail) const {
  auto seconds = seconds_between(started_, now);
  auto rate = seconds > 0 ? static_cast<double>(done_) / seconds : 0.0;
  std::string result;
  auto append = [&result](std::string_view part) {
    if (!result.empty())
      result += "  ";
    result += part;
  };
  if (total_ > 0)
    append(right_aligned(std::to_string(share(done_, total_, 100)), 3) + '%');
  if (detail > 0 || total_ == 0) {
    auto total = amount(total_);
    auto count = right_aligned(amount(done_), total.size());
    if (detail == 2 && total_ > 0)
      count += " of " + total;
    append(count);
  }
  if (rate <= 0)
    return result;
  if (detail > 0 || total_ == 0)
    append(rate_text(rate));
  if (total_ > done_) {
    constexpr double longest_told_seconds = 1e6;
    auto left = std::min(static_cast<double>(total_ - done_) / rate,
                         longest_told_seconds);
    append(human_duration(
             std::chrono::milliseconds{static_cast<std::int64_t>(left * 1000)})
           + " left");
  }
  return result;
}

void progress::draw(std::chrono::steady_clock::time_point now) {
  const auto columns = static_cast<std::size_t>(traits_.columns) - 1;
  auto line = padded_label(label_);
  line += ' ';
  unsigned detail = 2;
  auto text = summary(now, detail);
  auto bar_columns = [&]() -> std::size_t {
    auto used = line.size() + text.size() + 3; // brackets and a blank
    return used < columns ? columns - used : 0;
  };
  while (detail > 0 && bar_columns() < wanted_bar_columns)
    text = summary(now, --detail);
  auto width = static_cast<unsigned>(
    std::min<std::size_t>(bar_columns(), max_bar_columns));
  if (total_ > 0 && width >= min_bar_columns) {
    auto filled = share(done_, total_, width);
    line += '[';
    line += styled(traits_, text_style::good, std::string(filled, '#'));
    line +=
      styled(traits_, text_style::faint, std::string(width - filled, '.'));
    line += "] ";
    line += text;
  } else {
    line += text;
    line = line.substr(0, columns);
  }
  out_ << line_start << line << std::flush;
  shown_ = now;
  drawn_ = true;
}

void progress::print_line(std::chrono::steady_clock::time_point now) {
  out_ << label_ << ": " << summary(now, 2) << '\n' << std::flush;
  shown_ = now;
  shown_tenths_ = share(done_, total_, 10);
}

void progress::finish(std::string_view note) {
  if (ended_)
    return;
  ended_ = true;
  auto now = now_();
  auto seconds = seconds_between(started_, now);
  std::string line =
    traits_.redraw ? padded_label(label_) + ' ' : label_ + ": ";
  line += note.empty() ? amount(done_) : std::string{note};
  line += " in ";
  line += human_duration(
    std::chrono::duration_cast<std::chrono::nanoseconds>(now - started_));
  if (seconds > 0 && done_ > 0) {
    line += " (";
    line += rate_text(static_cast<double>(done_) / seconds);
    line += ')';
  }
  if (drawn_)
    out_ << line_start;
  out_ << line << '\n' << std::flush;
}

void progress::abandon() {
  if (ended_)
    return;
  ended_ = true;
  if (drawn_)
    out_ << '\n' << std::flush;
}

} // namespace neuroplex::cli
