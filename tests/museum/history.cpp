#include "tests/museum/history.hpp"

#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace neuroplex::museum {

namespace {

const char* name_of(action what) {
  constexpr std::array names{"get",   "set",       "add", "replace",
                             "erase", "increment", "swap"};
  return names.at(static_cast<std::size_t>(what));
}

const char* name_of(outcome answer) {
  constexpr std::array names{"died", "ok", "absent", "exists", "mismatch"};
  return names.at(static_cast<std::size_t>(answer));
}

std::string to_text(const operation& each) {
  auto text =
    "thread " + std::to_string(each.thread) + " " + name_of(each.what);
  if (each.what == action::swap)
    text += " " + std::to_string(each.expected);
  if (each.argument != no_value)
    text += " " + std::to_string(each.argument);
  text += std::string{" -> "} + name_of(each.answer);
  if (each.result != no_value)
    text += " " + std::to_string(each.result);
  return text;
}

/// What the key holds after `each` found `value` and answered as it did;
/// nothing if it could not have.
std::optional<std::uint32_t> after(const operation& each, std::uint32_t value) {
  bool there = value != no_value;
  bool unknown = each.answer == outcome::unknown;
  auto if_true = [&](bool possible, std::uint32_t then) {
    return possible ? std::optional{then} : std::nullopt;
  };
  switch (each.what) {
    case action::get:
      return if_true(
        unknown
          || (there ? each.answer == outcome::ok && each.result == value
                    : each.answer == outcome::absent),
        value);
    case action::set:
      return if_true(unknown || each.answer == outcome::ok, each.argument);
    case action::add:
      if (there)
        return if_true(unknown || each.answer == outcome::exists, value);
      return if_true(unknown || each.answer == outcome::ok, each.argument);
    case action::replace:
      if (!there)
        return if_true(unknown || each.answer == outcome::absent, value);
      return if_true(unknown || each.answer == outcome::ok, each.argument);
    case action::erase:
      if (!there)
        return if_true(unknown || each.answer == outcome::absent, value);
      return if_true(unknown || each.answer == outcome::ok, no_value);
    case action::increment:
      return if_true(unknown
                       || (each.answer == outcome::ok
                           && each.result == value + each.argument),
                     value + each.argument);
    case action::swap:
      if (!there)
        return if_true(unknown || each.answer == outcome::absent, value);
      if (value != each.expected)
        return if_true(
          unknown || (each.answer == outcome::mismatch && each.result == value),
          value);
      return if_true(unknown || each.answer == outcome::ok, each.argument);
  }
  return std::nullopt;
}

bool precedes(const operation& a, const operation& b, bool by_steps) {
  if (a.answer == outcome::unknown)
    return false;
  if (by_steps)
    return a.last_step <= b.first_step;
  return b.begin[a.thread] >= a.ended;
}

class search_for_order {
public:
  search_for_order(std::vector<const operation*> all, bool by_steps)
    : all_{std::move(all)}, before_(all_.size()) {
    for (std::size_t i = 0; i < all_.size(); ++i)
      for (std::size_t j = 0; j < all_.size(); ++j)
        if (i != j && precedes(*all_[i], *all_[j], by_steps))
          before_[j] |= std::uint64_t{1} << i;
  }

  /// Whether the operations not in `done` can follow in some order. Deaths may
  /// be left out.
  bool possible(std::uint64_t done, std::uint32_t value) {
    bool all_known = true;
    for (std::size_t i = 0; i < all_.size(); ++i)
      if ((done >> i & 1U) == 0 && all_[i]->answer != outcome::unknown)
        all_known = false;
    if (all_known)
      return true;
    if (!been_.emplace(done, value).second)
      return false;
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if ((done >> i & 1U) != 0 || (before_[i] & ~done) != 0)
        continue;
      if (auto then = after(*all_[i], value);
          then && possible(done | std::uint64_t{1} << i, *then))
        return true;
    }
    return false;
  }

private:
  std::vector<const operation*> all_;
  std::vector<std::uint64_t> before_;
  std::set<std::pair<std::uint64_t, std::uint32_t>> been_;
};

} // namespace

operation* history::append(const operation& begun) noexcept {
  if (size_ == longest)
    return nullptr;
  operations_[size_] = begun;
  return &operations_[size_++];
}

std::string history::judge(const std::array<std::uint32_t, 8>& initial,
                           bool by_steps) const {
  for (unsigned key = 0; key < initial.size(); ++key) {
    std::vector<const operation*> all;
    for (std::size_t i = 0; i < size_; ++i)
      if (operations_[i].key == key)
        all.push_back(&operations_[i]);
    if (all.empty()
        || search_for_order{all, by_steps}.possible(0, initial[key]))
      continue;
    auto text = "no order explains key " + std::to_string(key) + " (first "
                + std::to_string(initial[key]) + "):";
    for (const auto* each : all)
      text += " [" + to_text(*each) + "]";
    return text;
  }
  return {};
}

} // namespace neuroplex::museum
