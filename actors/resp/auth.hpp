// Decides whether a password is right, and how long an attempt has to wait.
//
// Purpose: AUTH and HELLO AUTH. The comparison takes the same time whatever the
// password, and a run of failures makes further attempts wait, right and wrong
// ones alike, so that waiting tells nothing.
//
// Threads: none; owned by the service of one server.
//
// Invariants:
//  1. `matches` touches every byte of both padded passwords.
//  2. The delay depends only on recent failures of the whole server, so that
//     reconnecting does not shorten it.
//
// Failure behaviour: none; time comes in as an argument.
#pragma once

#include "actors/resp/bounds.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace neuroplex::resp {

class auth_guard {
public:
  /// An empty password means that none is asked for.
  explicit auth_guard(std::string_view password) {
    set_password(password);
  }

  void set_password(std::string_view password) {
    expected_ = padded(password);
    required_ = !password.empty();
  }

  [[nodiscard]] bool required() const noexcept {
    return required_;
  }

  /// Compares in constant time.
  [[nodiscard]] bool matches(std::string_view password) const noexcept {
    auto given = padded(password);
    // Volatile keeps the compiler from leaving the loop at a difference.
    volatile unsigned char difference =
      password.size() > bounds::max_password_bytes ? 1 : 0;
    for (std::size_t i = 0; i < given.size(); ++i)
      difference =
        difference | static_cast<unsigned char>(given[i] ^ expected_[i]);
    return difference == 0;
  }

  /// How long an attempt made at `now_ms` must wait for its answer.
  [[nodiscard]] std::int64_t delay_ms(std::int64_t now_ms) noexcept {
    forgive(now_ms);
    if (failures_ < bounds::free_auth_failures)
      return 0;
    auto steps =
      static_cast<std::int64_t>(failures_ - bounds::free_auth_failures) + 1;
    return std::min(steps * bounds::auth_delay_step_ms,
                    bounds::max_auth_delay_ms);
  }

  void count_failure(std::int64_t now_ms) noexcept {
    forgive(now_ms);
    if (failures_ < max_failures)
      ++failures_;
    last_failure_ms_ = now_ms;
  }

private:
  // More failures than the longest delay needs would only delay forgiveness.
  static constexpr std::uint32_t max_failures =
    bounds::free_auth_failures
    + static_cast<std::uint32_t>(bounds::max_auth_delay_ms
                                 / bounds::auth_delay_step_ms);

  // The length is kept beside the bytes: a password and the same password with
  // a zero byte behind it differ.
  using padded_password =
    std::array<unsigned char, bounds::max_password_bytes + 2>;

  static padded_password padded(std::string_view password) noexcept {
    padded_password result{};
    auto bytes = std::min(password.size(), bounds::max_password_bytes);
    std::copy_n(password.begin(), bytes, result.begin());
    result[bounds::max_password_bytes] = static_cast<unsigned char>(bytes);
    result[bounds::max_password_bytes + 1] =
      static_cast<unsigned char>(bytes >> 8);
    return result;
  }

  void forgive(std::int64_t now_ms) noexcept {
    auto quiet_ms = now_ms - last_failure_ms_;
    if (quiet_ms < bounds::auth_forgiveness_ms || failures_ == 0)
      return;
    auto forgiven = quiet_ms / bounds::auth_forgiveness_ms;
    failures_ -=
      static_cast<std::uint32_t>(std::min<std::int64_t>(forgiven, failures_));
    last_failure_ms_ += forgiven * bounds::auth_forgiveness_ms;
  }

  padded_password expected_{};
  bool required_ = false;
  std::uint32_t failures_ = 0;
  std::int64_t last_failure_ms_ = 0;
};

} // namespace neuroplex::resp
