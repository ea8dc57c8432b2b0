#include "tests/sim/linearizability.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <xxhash.h>

namespace neuroplex::sim {

namespace {

constexpr std::size_t nowhere = std::numeric_limits<std::size_t>::max();
constexpr auto never = nanoseconds::max();

/// The operations of one key, and the search for their order.
class key_search {
public:
  explicit key_search(std::vector<operation> operations)
    : operations_{std::move(operations)} {
    leave_out_unseen();
    link();
  }

  enum class verdict { ordered, none, undecided };

  verdict run(std::uint64_t& steps);

  /// The operations around the place where every order ends.
  [[nodiscard]] std::string describe_stop() const;

private:
  /// A call or an answer, in a list by time.
  struct event {
    std::size_t operation;
    std::size_t match; ///< of a call: its answer; nowhere for an answer
    std::size_t next;
    std::size_t previous;
  };

  void leave_out_unseen();
  void link();
  [[nodiscard]] static bool fits(const operation& one, register_value& value);
  void unlink(std::size_t number) noexcept;
  void relink(std::size_t number) noexcept;
  [[nodiscard]] bool is_new(register_value value);

  std::vector<operation> operations_;
  std::vector<event> events_; ///< the first is the head of the list
  std::vector<std::uint64_t> placed_;
  std::unordered_set<std::uint64_t> remembered_;
  std::size_t known_left_ = 0;
  std::size_t most_placed_ = 0;
  std::size_t stop_ = nowhere;
  register_value stop_value_ = absent;
};

void key_search::leave_out_unseen() {
  // A failed operation did nothing, and a read without an answer says nothing.
  std::erase_if(operations_, [](const operation& one) {
    return one.result == outcome::failed
           || (one.what == verb::get && one.result == outcome::unknown);
  });
  for (bool changed = true; changed;) {
    std::unordered_set<register_value> seen;
    for (const auto& one : operations_) {
      if (one.what == verb::get) {
        seen.insert(one.value);
      } else if (one.what == verb::cas) {
        seen.insert(one.result == outcome::mismatch ? one.saw : one.expect);
      }
    }
    changed = std::erase_if(operations_,
                            [&](const operation& one) {
                              return one.result == outcome::unknown
                                     && !seen.contains(one.value);
                            })
              != 0;
  }
  for (auto& one : operations_) {
    if (one.result == outcome::unknown) {
      one.answered = never;
    } else {
      ++known_left_;
    }
  }
}

void key_search::link() {
  struct moment {
    nanoseconds when;
    bool answer;
    std::size_t operation;
  };
  std::vector<moment> moments;
  for (std::size_t number = 0; number < operations_.size(); ++number) {
    moments.push_back({operations_[number].call, false, number});
    moments.push_back({operations_[number].answered, true, number});
  }
  // Calls before answers of the same time: they may overlap.
  std::stable_sort(
    moments.begin(), moments.end(), [](const moment& a, const moment& b) {
      return a.when != b.when ? a.when < b.when : a.answer < b.answer;
    });
  std::vector<std::size_t> call_of(operations_.size());
  events_.push_back({nowhere, nowhere, nowhere, nowhere});
  for (const auto& one : moments) {
    const auto number = events_.size();
    events_.push_back({one.operation, nowhere, nowhere, number - 1});
    events_[number - 1].next = number;
    if (one.answer) {
      events_[call_of[one.operation]].match = number;
    } else {
      call_of[one.operation] = number;
    }
  }
  placed_.resize(operations_.size() / 64 + 2);
}

bool key_search::fits(const operation& one, register_value& value) {
  switch (one.what) {
    case verb::get:
      return one.value == value;
    case verb::put:
      value = one.value;
      return true;
    case verb::cas:
      break;
  }
  if (one.result == outcome::mismatch) {
    return value == one.saw && value != one.expect;
  }
  if (value != one.expect) {
    return false;
  }
  value = one.value;
  return true;
}

void key_search::unlink(std::size_t number) noexcept {
  const auto& one = events_[number];
  events_[one.previous].next = one.next;
  if (one.next != nowhere) {
    events_[one.next].previous = one.previous;
  }
}

void key_search::relink(std::size_t number) noexcept {
  const auto& one = events_[number];
  events_[one.previous].next = number;
  if (one.next != nowhere) {
    events_[one.next].previous = number;
  }
}

bool key_search::is_new(register_value value) {
  placed_.back() = value;
  return remembered_
    .insert(XXH3_64bits(placed_.data(), placed_.size() * sizeof(std::uint64_t)))
    .second;
}

key_search::verdict key_search::run(std::uint64_t& steps) {
  struct choice {
    std::size_t call;
    register_value before;
  };
  std::vector<choice> made;
  register_value value = absent;
  std::uint64_t own_steps = 0;
  auto at = events_.front().next;
  while (known_left_ != 0) {
    if (++own_steps > max_search_steps) {
      steps += own_steps;
      return verdict::undecided;
    }
    const auto is_call = at != nowhere && events_[at].match != nowhere;
    if (is_call) {
      const auto which = events_[at].operation;
      const auto& one = operations_[which];
      auto next_value = value;
      const auto bit = std::uint64_t{1} << (which % 64);
      if (fits(one, next_value)) {
        placed_[which / 64] |= bit;
        if (is_new(next_value)) {
          made.push_back({at, value});
          value = next_value;
          unlink(at);
          unlink(events_[at].match);
          known_left_ -= one.result == outcome::unknown ? 0 : 1;
          at = events_.front().next;
          continue;
        }
        placed_[which / 64] &= ~bit;
      }
      at = events_[at].next;
      continue;
    }
    // An answer came up whose operation found no place: take the last back.
    if (made.size() >= most_placed_) {
      most_placed_ = made.size();
      stop_ = at == nowhere ? stop_ : events_[at].operation;
      stop_value_ = value;
    }
    if (made.empty()) {
      steps += own_steps;
      return verdict::none;
    }
    const auto last = made.back();
    made.pop_back();
    const auto which = events_[last.call].operation;
    relink(events_[last.call].match);
    relink(last.call);
    placed_[which / 64] &= ~(std::uint64_t{1} << (which % 64));
    known_left_ += operations_[which].result == outcome::unknown ? 0 : 1;
    value = last.before;
    at = events_[last.call].next;
  }
  steps += own_steps;
  return verdict::ordered;
}

std::string describe(const operation& one) {
  constexpr std::array<const char*, 3> verbs{"get", "put", "cas"};
  constexpr std::array<const char*, 4> results{"unknown", "ok", "failed",
                                               "mismatch"};
  std::string text = "client " + std::to_string(one.client) + " "
                     + verbs[static_cast<std::size_t>(one.what)];
  if (one.what == verb::cas) {
    text += " " + std::to_string(one.expect) + " ->";
  }
  return text + " " + std::to_string(one.value) + ": "
         + results[static_cast<std::size_t>(one.result)] + " ["
         + std::to_string(one.call.count()) + ", "
         + (one.answered == never ? "?" : std::to_string(one.answered.count()))
         + "]";
}

std::string key_search::describe_stop() const {
  if (stop_ == nowhere) {
    return "no order";
  }
  return "no place for " + describe(operations_[stop_]) + " when the value is "
         + std::to_string(stop_value_);
}

} // namespace

judgement judge(const history& told) {
  std::map<std::uint32_t, std::vector<operation>> keys;
  for (const auto& one : told.operations()) {
    keys[one.key].push_back(one);
  }
  judgement result;
  for (auto& [key, operations] : keys) {
    key_search search{std::move(operations)};
    switch (search.run(result.steps)) {
      case key_search::verdict::ordered:
        break;
      case key_search::verdict::undecided:
        ++result.undecided_keys;
        break;
      case key_search::verdict::none:
        result.violation = "not linearizable: key " + std::to_string(key) + ": "
                           + search.describe_stop();
        return result;
    }
  }
  return result;
}

} // namespace neuroplex::sim
