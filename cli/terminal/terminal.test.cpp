#include "cli/terminal/terminal.hpp"

#include "cli/terminal/progress.hpp"
#include "cli/terminal/table.hpp"
#include "cli/terminal/units.hpp"

#include <catch2/catch.hpp>

#include <sstream>
#include <vector>

using namespace neuroplex::cli;
using namespace std::chrono_literals;

namespace {

// A terminal of one line: understands carriage return, line feed and "clear
// the line", and remembers every picture between redraws.
class fake_terminal {
public:
  explicit fake_terminal(const std::string& bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (bytes[i] == '\r') {
        pictures.push_back(line_);
        column_ = 0;
      } else if (bytes[i] == '\n') {
        lines.push_back(line_);
        line_.clear();
        column_ = 0;
      } else if (bytes.compare(i, 4, "\x1b[2K") == 0) {
        line_.clear();
        i += 3;
      } else if (bytes[i] == '\x1b') {
        i = bytes.find('m', i);
      } else {
        line_.resize(std::max(line_.size(), column_ + 1), ' ');
        line_[column_++] = bytes[i];
      }
      widest = std::max(widest, line_.size());
    }
  }

  [[nodiscard]] const std::string& last_line() const {
    return line_;
  }

  std::vector<std::string> lines;
  std::vector<std::string> pictures;
  std::size_t widest = 0;

private:
  std::string line_;
  std::size_t column_ = 0;
};

struct hand_clock {
  std::chrono::steady_clock::time_point now{};

  progress::clock_function function() {
    return [this] { return now; };
  }
};

} // namespace

TEST_CASE("numbers are told with units a person reads") {
  CHECK(human_bytes(0) == "0 B");
  CHECK(human_bytes(1023) == "1023 B");
  CHECK(human_bytes(1536) == "1.5 KiB");
  CHECK(human_bytes(1024 * 1024 - 1) == "1.0 MiB");
  CHECK(human_bytes(std::uint64_t{64} << 20) == "64.0 MiB");
  CHECK(human_bytes(std::uint64_t{500} << 20) == "500 MiB");
  CHECK(human_bytes(~std::uint64_t{0}) == "16.0 EiB");
  CHECK(human_count(0) == "0");
  CHECK(human_count(999) == "999");
  CHECK(human_count(117'659) == "117,659");
  CHECK(human_count(1'000'000) == "1,000,000");
  CHECK(human_count(0, "retry", "retries") == "0 retries");
  CHECK(human_count(1, "retry", "retries") == "1 retry");
  CHECK(human_entries(1) == "1 entry");
  CHECK(human_entries(117'659) == "117,659 entries");
  CHECK(human_duration(85ns) == "85 ns");
  CHECK(human_duration(1'234ns) == "1.2 us");
  CHECK(human_duration(999'900ns) == "1.0 ms");
  CHECK(human_duration(45ms) == "45.0 ms");
  CHECK(human_duration(3'400ms) == "3.4 s");
  CHECK(human_duration(59'700ms) == "1 min 00 s");
  CHECK(human_duration(125s) == "2 min 05 s");
  CHECK(human_duration(3'725s) == "1 h 02 min");
  CHECK(human_rate(812) == "812 /s");
  CHECK(human_rate(45'210) == "45.2 k/s");
  CHECK(human_rate(1'300'000) == "1.3 M/s");
}

TEST_CASE("colour is used only where the terminal shows it") {
  CHECK(styled({}, text_style::bad, "x") == "x");
  CHECK(styled({true, true, 80}, text_style::bad, "x") == "\x1b[31mx\x1b[0m");
  CHECK(styled({true, true, 80}, text_style::plain, "x") == "x");
}

TEST_CASE("a table aligns text left and numbers right") {
  table figures{{{"node", table::align::left}, {"entries"}, {"bytes"}}};
  figures.add_row({"n1", "88,321", "9.1 MiB"});
  figures.add_row({"all nodes", "264,965"});
  std::ostringstream out;
  figures.print(out, {});
  CHECK(out.str()
        == "  node       entries    bytes\n"
           "  ---------------------------\n"
           "  n1          88,321  9.1 MiB\n"
           "  all nodes  264,965\n");
}

TEST_CASE("on a terminal the bar is redrawn at most ten times a second") {
  std::ostringstream out;
  hand_clock clock;
  {
    progress bar{out,    {true, true, 80},     "loading",
                 10'000, progress_unit::count, clock.function()};
    for (std::uint64_t i = 1; i <= 10'000; ++i) {
      clock.now += 100us; // one second in all
      bar.update(i);
    }
    bar.finish();
  }
  fake_terminal screen{out.str()};
  CHECK(screen.pictures.size() <= 12);
  CHECK(screen.pictures.size() >= 10);
  CHECK(screen.widest < 80);
  CHECK(screen.pictures[5].starts_with("loading  "));
  CHECK(screen.pictures[5].find("]  40%   4,000  10.0 k/s  600 ms left")
        != std::string::npos);
  CHECK(screen.pictures[5].find("[#####") != std::string::npos);
  REQUIRE(screen.lines.size() == 1);
  CHECK(screen.lines[0].ends_with("10,000 in 1.0 s (10.0 k/s)"));
  CHECK(screen.last_line().empty());
}

TEST_CASE("no line is wider than a narrow terminal") {
  for (unsigned columns : {20U, 30U, 50U, 70U}) {
    std::ostringstream out;
    hand_clock clock;
    {
      progress bar{out,     {true, false, columns}, "reading everything back",
                   264'965, progress_unit::bytes,   clock.function()};
      clock.now += 1s;
      bar.update(100'000);
    }
    fake_terminal screen{out.str()};
    CHECK(screen.widest < columns);
    CHECK(screen.lines.size() == 1); // abandoned: the line is left behind
  }
}

TEST_CASE("without a terminal there are a few plain lines") {
  std::ostringstream out;
  hand_clock clock;
  {
    progress bar{
      out, {}, "loading", 1'000, progress_unit::count, clock.function()};
    for (std::uint64_t i = 1; i <= 1'000; ++i) {
      clock.now += 30ms; // half a minute in all
      bar.update(i);
    }
    bar.finish("1,000 entries");
  }
  auto text = out.str();
  CHECK(text.find('\r') == std::string::npos);
  CHECK(text.find('\x1b') == std::string::npos);
  fake_terminal screen{text};
  CHECK(screen.lines.size() >= 9);
  CHECK(screen.lines.size() <= 12);
  CHECK(screen.lines[0]
        == "loading:  10%    100 of 1,000  33.3 /s  27.0 s left");
  CHECK(screen.lines.back() == "loading: 1,000 entries in 30.0 s (33.3 /s)");
}

TEST_CASE("bytes are told in binary units") {
  std::ostringstream out;
  hand_clock clock;
  {
    progress bar{out,
                 {},
                 "reading",
                 std::uint64_t{3} << 20,
                 progress_unit::bytes,
                 clock.function()};
    clock.now += 3s;
    bar.update(std::uint64_t{1} << 20);
    clock.now += 3s;
    bar.update(std::uint64_t{3} << 20);
    bar.finish();
  }
  CHECK(out.str()
        == "reading:  33%  1.0 MiB of 3.0 MiB  341 KiB/s  6.0 s left\n"
           "reading: 100%  3.0 MiB of 3.0 MiB  512 KiB/s\n"
           "reading: 3.0 MiB in 6.0 s (512 KiB/s)\n");
}

TEST_CASE("a short step without a terminal is one line") {
  std::ostringstream out;
  hand_clock clock;
  {
    progress bar{
      out, {}, "loading", 1'000, progress_unit::count, clock.function()};
    for (std::uint64_t i = 1; i <= 1'000; ++i) {
      clock.now += 1ms;
      bar.update(i);
    }
    bar.finish();
  }
  CHECK(out.str() == "loading: 1,000 in 1.0 s (1.0 k/s)\n");
}

TEST_CASE("a pipe is no terminal") {
  auto traits = detect_terminal(-1);
  CHECK_FALSE(traits.redraw);
  CHECK_FALSE(traits.color);
  CHECK(traits.columns >= min_terminal_columns);
}
