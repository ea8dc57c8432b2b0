#include "tests/schedule/explorer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <random>

namespace neuroplex::schedule {

namespace {

/// Follows a plan, and notes the points behind it where it might be continued.
class planned_chooser : public chooser {
public:
  planned_chooser(const plan& answers, bool notes) noexcept
    : answers_{answers}, notes_{notes} {
  }

  unsigned choose(const choice_point& point) override {
    while (next_ < answers_.size() && answers_[next_].ordinal < point.ordinal)
      ++next_;
    if (next_ < answers_.size() && answers_[next_].ordinal == point.ordinal)
      return std::min(answers_[next_++].answer, point.count - 1);
    if (notes_ && next_ == answers_.size() && point.kind != choice_kind::age)
      open.push_back({point.ordinal, point.count, point.kind, point.forced});
    return 0;
  }

  [[nodiscard]] bool asked_everywhere() const override {
    return !notes_; // a plan may come from a scheduler that knew more
  }

  struct open_point {
    std::uint32_t ordinal;
    unsigned count;
    choice_kind kind;
    bool forced;
  };

  std::vector<open_point> open;

private:
  const plan& answers_;
  std::size_t next_ = 0;
  bool notes_;
};

/// A run to be tried, with what it uses up of the bounds.
struct candidate {
  static constexpr std::size_t longest = 10;
  std::array<deviation, longest> answers{};
  std::uint8_t length = 0;
  std::uint8_t preemptions = 0;
  std::uint8_t spells = 0;
  std::uint8_t deaths = 0;

  [[nodiscard]] unsigned together() const noexcept {
    return 0U + preemptions + spells + deaths;
  }

  [[nodiscard]] plan to_plan() const {
    return {answers.begin(), answers.begin() + length};
  }
};

/// `from` with one more answer, if the bounds allow it.
std::optional<candidate> extend(const candidate& from,
                                const planned_chooser::open_point& point,
                                unsigned answer, const bounds& within) {
  if (from.length == candidate::longest)
    return std::nullopt;
  auto result = from;
  result.answers[result.length++] = {point.ordinal, answer};
  switch (point.kind) {
    case choice_kind::next_thread:
      result.preemptions += point.forced ? 0 : 1;
      break;
    case choice_kind::lag:
    case choice_kind::catch_up:
    case choice_kind::age:
      ++result.spells;
      break;
    case choice_kind::death:
      ++result.deaths;
      break;
  }
  if (result.preemptions > within.preemptions || result.spells > within.spells
      || result.deaths > within.deaths || result.together() > within.together)
    return std::nullopt;
  return result;
}

/// All up to `within.together`, in random order: where the runs do not suffice,
/// those tried lie everywhere. False when the runs are used up.
bool search_within(const run_once& run, const bounds& within, summary& result) {
  std::vector<candidate> waiting{candidate{}};
  std::mt19937_64 random{within.together};
  while (!waiting.empty()) {
    if (result.runs >= within.most_runs)
      return false;
    std::swap(waiting[random() % waiting.size()], waiting.back());
    auto now = waiting.back();
    waiting.pop_back();
    auto answers = now.to_plan();
    planned_chooser chooser{answers, true};
    ++result.runs;
    if (auto what = run(chooser); !what.empty()) {
      result.found = finding{std::move(what), std::move(answers), {}};
      return false;
    }
    for (const auto& point : chooser.open)
      for (unsigned answer = 1; answer < point.count; ++answer)
        if (auto next = extend(now, point, answer, within))
          waiting.push_back(*next);
  }
  return true;
}

class random_chooser : public chooser {
public:
  /// What the last run showed: how many points of each kind there are.
  struct lengths {
    std::uint32_t switches = 64;
    std::uint32_t deaths = 64;
  };

  random_chooser(std::uint64_t seed, const lengths& expected,
                 const dangers& may_happen)
    : random_{seed} {
    std::iota(priorities_.begin(), priorities_.end(), 1);
    std::shuffle(priorities_.begin(), priorities_.end(), random_);
    auto changes = below(most_changes + 1);
    for (std::uint32_t i = 0; i < changes; ++i)
      change_at_.push_back(below(expected.switches));
    for (unsigned i = 0; i < may_happen.deaths; ++i)
      die_at_.push_back(below(expected.deaths + expected.deaths / 4 + 1));
    constexpr std::array<std::uint32_t, 4> one_in{0, 4, 16, 64};
    lag_one_in_ = may_happen.spells ? one_in[below(one_in.size())] : 0;
    catch_up_one_in_ = 1U << (2 + below(6));
  }

  unsigned choose(const choice_point& point) override {
    auto answer = decide(point);
    if (answer != 0)
      answers.push_back({point.ordinal, answer});
    return answer;
  }

  plan answers;
  lengths met{0, 0};

private:
  static constexpr std::uint32_t most_changes = 5;

  std::uint32_t below(std::size_t limit) {
    return limit == 0 ? 0 : static_cast<std::uint32_t>(random_() % limit);
  }

  unsigned decide(const choice_point& point) {
    switch (point.kind) {
      case choice_kind::next_thread:
        return next_thread(point);
      case choice_kind::lag:
        return lag_one_in_ != 0 && below(lag_one_in_) == 0 ? 1 : 0;
      case choice_kind::catch_up:
        return below(catch_up_one_in_) == 0 ? 1 : 0;
      case choice_kind::age:
        return below(2) == 0 ? 0 : below(point.count);
      case choice_kind::death: {
        auto number = met.deaths++;
        return std::find(die_at_.begin(), die_at_.end(), number)
                   != die_at_.end()
                 ? 1
                 : 0;
      }
    }
    return 0;
  }

  unsigned next_thread(const choice_point& point) {
    if (!point.forced) {
      auto number = met.switches++;
      if (std::find(change_at_.begin(), change_at_.end(), number)
          != change_at_.end())
        priorities_[point.threads[0]] = --lowest_;
    }
    unsigned best = 0;
    for (unsigned i = 1; i < point.count; ++i)
      if (priorities_[point.threads[i]] > priorities_[point.threads[best]])
        best = i;
    return best;
  }

  std::mt19937_64 random_;
  std::array<int, max_threads> priorities_{};
  int lowest_ = 0;
  std::vector<std::uint32_t> change_at_;
  std::vector<std::uint32_t> die_at_;
  std::uint32_t lag_one_in_ = 0;
  std::uint32_t catch_up_one_in_ = 0;
};

} // namespace

std::string to_text(const plan& answers) {
  std::string text;
  for (const auto& each : answers)
    text += (text.empty() ? "" : ",") + std::to_string(each.ordinal) + ":"
            + std::to_string(each.answer);
  return text.empty() ? "-" : text;
}

std::optional<plan> parse_plan(std::string_view text) {
  plan result;
  if (text == "-")
    return result;
  const auto* at = text.data();
  const auto* end = at + text.size();
  while (at != end) {
    deviation next;
    auto ordinal = std::from_chars(at, end, next.ordinal);
    if (ordinal.ec != std::errc{} || ordinal.ptr == end || *ordinal.ptr != ':')
      return std::nullopt;
    auto answer = std::from_chars(ordinal.ptr + 1, end, next.answer);
    if (answer.ec != std::errc{})
      return std::nullopt;
    result.push_back(next);
    at = answer.ptr;
    if (at != end && *at++ != ',')
      return std::nullopt;
  }
  return result;
}

summary search(const run_once& run, const bounds& within) {
  summary result;
  for (unsigned together = 1; together <= within.together; ++together) {
    auto now = within;
    now.together = together;
    if (!search_within(run, now, result))
      break;
    result.complete = together;
  }
  return result;
}

summary sample(const run_once& run, std::uint64_t first_seed,
               std::size_t run_count, const dangers& may_happen) {
  summary result;
  random_chooser::lengths expected;
  for (std::size_t i = 0; i < run_count; ++i) {
    auto seed = first_seed + i;
    random_chooser chooser{seed, expected, may_happen};
    ++result.runs;
    if (auto what = run(chooser); !what.empty()) {
      result.found = finding{std::move(what), std::move(chooser.answers), seed};
      return result;
    }
    expected.switches = std::max(chooser.met.switches, 1U);
    expected.deaths = std::max(chooser.met.deaths, 1U);
  }
  return result;
}

std::string replay(const run_once& run, const plan& answers) {
  planned_chooser chooser{answers, false};
  return run(chooser);
}

} // namespace neuroplex::schedule
