// Lower tiers for tests: a map, and a map that fails, stalls and loses answers
// when it is told to.
//
// Threads: all, as any lower tier.
#pragma once

#include "memory/lower_tier.hpp"
#include "memory/unix_time.hpp"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace neuroplex::memory::testing {

/// Keeps everything, at once and for ever.
class map_tier : public lower_tier {
public:
  struct entry {
    std::string value;
    std::int64_t expires_at_ms = 0;

    friend bool operator==(const entry&, const entry&) = default;
  };

  using entry_map = std::map<std::pair<std::string, std::string>, entry>;

  void get_many(std::string_view space, std::span<tier_get> requests,
                tier_deadline) noexcept override {
    std::lock_guard guard{mutex_};
    ++get_calls_;
    gets_ += requests.size();
    for (auto& each : requests) {
      auto found = entries_.find({std::string{space}, std::string{each.key}});
      each.status = found == entries_.end() ? errc::not_found : errc::ok;
      if (each.status != errc::ok)
        continue;
      each.value = found->second.value;
      each.expires_at_ms = found->second.expires_at_ms;
    }
  }

  void put_many(std::string_view space, std::span<tier_put> requests,
                tier_deadline) noexcept override {
    std::lock_guard guard{mutex_};
    for (auto& each : requests) {
      entries_[{std::string{space}, std::string{each.key}}] = {
        std::string{each.value}, each.expires_at_ms};
      each.status = errc::ok;
    }
  }

  void erase_many(std::string_view space, std::span<tier_erase> requests,
                  tier_deadline) noexcept override {
    std::lock_guard guard{mutex_};
    for (auto& each : requests) {
      entries_.erase({std::string{space}, std::string{each.key}});
      each.status = errc::ok;
    }
  }

  [[nodiscard]] entry_map entries() const {
    std::lock_guard guard{mutex_};
    return entries_;
  }

  /// The value of a key, or "(absent)".
  [[nodiscard]] std::string value_of(std::string_view space,
                                     std::string_view key) const {
    std::lock_guard guard{mutex_};
    auto found = entries_.find({std::string{space}, std::string{key}});
    return found == entries_.end() ? "(absent)" : found->second.value;
  }

  [[nodiscard]] std::uint64_t gets() const {
    std::lock_guard guard{mutex_};
    return gets_;
  }

  [[nodiscard]] std::uint64_t get_calls() const {
    std::lock_guard guard{mutex_};
    return get_calls_;
  }

private:
  mutable std::mutex mutex_;
  entry_map entries_;
  std::uint64_t gets_ = 0;
  std::uint64_t get_calls_ = 0;
};

/// Asks a plan before and after each request what is to become of it.
class faulty_tier : public lower_tier {
public:
  enum class operation { get, put, erase };

  enum class fate {
    good,
    refused,         ///< unavailable, nothing done
    lost,            ///< done, but the answer is unknown
    lost_and_undone, ///< not done, and the answer is unknown
  };

  using plan = std::function<fate(operation, std::string_view key)>;
  using notice = std::function<void(operation, std::string_view key)>;

  /// Both are called without a lock of this class.
  void on_request(plan what) {
    plan_ = std::move(what);
  }

  /// Called when a request has been done, before it is answered.
  void on_done(notice what) {
    done_ = std::move(what);
  }

  [[nodiscard]] map_tier& map() {
    return map_;
  }

  void get_many(std::string_view space, std::span<tier_get> requests,
                tier_deadline deadline) noexcept override {
    each(operation::get, requests,
         [&](tier_get& one) { map_.get(space, one, deadline); });
  }

  void put_many(std::string_view space, std::span<tier_put> requests,
                tier_deadline deadline) noexcept override {
    each(operation::put, requests,
         [&](tier_put& one) { map_.put(space, one, deadline); });
  }

  void erase_many(std::string_view space, std::span<tier_erase> requests,
                  tier_deadline deadline) noexcept override {
    each(operation::erase, requests,
         [&](tier_erase& one) { map_.erase(space, one, deadline); });
  }

private:
  template <class Requests, class Do>
  void each(operation which, Requests requests, Do&& act) {
    for (auto& one : requests) {
      auto what = plan_ ? plan_(which, one.key) : fate::good;
      if (what == fate::good || what == fate::lost)
        act(one);
      if (what == fate::refused)
        one.status = errc::unavailable;
      else if (what != fate::good)
        one.status =
          which == operation::get ? errc::unavailable : errc::unknown_outcome;
      if (done_)
        done_(which, one.key);
    }
  }

  map_tier map_;
  plan plan_;
  notice done_;
};

/// A door that threads wait at until it is opened.
class gate {
public:
  /// Waits until the gate is open.
  void pass() {
    std::unique_lock lock{mutex_};
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
  }

  void open() {
    std::lock_guard guard{mutex_};
    open_ = true;
    changed_.notify_all();
  }

  /// Waits until somebody has come to the gate.
  void await_arrival() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return waiting_ != 0; });
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  unsigned waiting_ = 0;
};

} // namespace neuroplex::memory::testing
