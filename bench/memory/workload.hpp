// What every subject is asked to do: the same keys, values and orders.
//
// Purpose: key number i becomes 16 bytes and a value of 100 bytes by arithmetic
// alone, so that making them touches no memory that competes with the subject.
// A subject is one store under test; a `sample` is one repetition of one
// operation on it.
//
// Threads: none shared; each process has its own subjects.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace neuroplex::bench {

inline constexpr std::size_t key_bytes = 16;
inline constexpr std::size_t value_bytes = 100;
inline constexpr std::size_t batch_size = 32;

enum class operation : std::uint8_t {
  get_independent, ///< the next key does not depend on this value
  get_dependent,   ///< it does
  set,             ///< overwrites
  get_many,
  set_many,
};

inline std::uint64_t mix(std::uint64_t x) noexcept {
  x ^= x >> 31;
  x *= 0xD6E8FEB86659FD93ULL;
  x ^= x >> 32;
  return x * 0x9E3779B97F4A7C15ULL;
}

struct entry_key {
  std::array<std::uint64_t, 2> words{};

  explicit entry_key(std::uint64_t number = 0) noexcept
    : words{mix(number), number} {
  }

  [[nodiscard]] std::string_view view() const noexcept {
    return {reinterpret_cast<const char*>(words.data()), key_bytes};
  }
};

struct entry_value {
  std::array<char, value_bytes> bytes{};

  /// A value tells which key it belongs to.
  void stamp(const entry_key& key) noexcept {
    std::memcpy(bytes.data(), key.words.data(), sizeof key.words[0]);
  }

  [[nodiscard]] std::uint64_t stamp() const noexcept {
    std::uint64_t result = 0;
    std::memcpy(&result, bytes.data(), sizeof result);
    return result;
  }

  [[nodiscard]] std::string_view view() const noexcept {
    return {bytes.data(), bytes.size()};
  }
};

/// Key numbers below `count`: uniform, or from a list walked round and round.
class key_order {
public:
  key_order(std::uint64_t count, std::uint64_t seed,
            std::span<const std::uint32_t> list = {}) noexcept
    : count_{count}, state_{mix(seed + 1)}, list_{list} {
    if (!list_.empty())
      position_ = state_ % list_.size();
  }

  std::uint64_t next() noexcept {
    if (!list_.empty()) {
      if (position_ == list_.size())
        position_ = 0;
      return list_[position_++];
    }
    // A fraction of 32 bits times the count: enough for any count we ask for.
    return ((random() >> 32) * count_) >> 32;
  }

  /// 64 random bits.
  std::uint64_t random() noexcept {
    state_ += 0xA0761D6478BD642FULL;
    auto result = mix(state_);
    return result ^ (result >> 29);
  }

  /// Makes what follows depend on `word` without changing it.
  void depend_on(std::uint64_t word) noexcept {
    asm volatile("" : "+r"(zero_));
    state_ += word & zero_;
    position_ += word & zero_;
  }

private:
  std::uint64_t count_;
  std::uint64_t state_;
  std::uint64_t zero_ = 0;
  std::span<const std::uint32_t> list_;
  std::size_t position_ = 0;
};

/// `length` key numbers below `count`, Zipf-distributed with exponent `theta`,
/// popular keys scattered over the range.
std::vector<std::uint32_t> zipf_list(std::uint64_t count, double theta,
                                     std::size_t length);

/// A store under test. Operations answer whether they succeeded.
class subject {
public:
  subject() = default;
  subject(const subject&) = delete;
  subject& operator=(const subject&) = delete;
  virtual ~subject() = default;

  virtual bool get(const entry_key& key, entry_value& value) = 0;
  virtual bool set(const entry_key& key, const entry_value& value) = 0;

  /// Batches; only some subjects have them.
  virtual bool get_many(std::span<const entry_key> keys,
                        std::span<entry_value> values);
  virtual bool set_many(std::span<const entry_key> keys,
                        std::span<const entry_value> values);

  /// Adds entries that are not there yet, by whatever way is fastest.
  virtual bool load(std::uint64_t first, std::uint64_t count);

  /// Bytes in use for what is stored, index and slack included.
  [[nodiscard]] virtual double bytes_in_use() const = 0;
};

/// One repetition: time on the CPU, time on the wall, operations, and those
/// that failed or answered another key's value.
struct sample {
  double cpu_ns = 0;
  double wall_ns = 0;
  std::uint64_t operations = 0;
  std::uint64_t wrong = 0;

  [[nodiscard]] double ns_each() const noexcept {
    return operations == 0 ? 0 : cpu_ns / static_cast<double>(operations);
  }

  [[nodiscard]] double per_second() const noexcept {
    return wall_ns <= 0 ? 0 : static_cast<double>(operations) / wall_ns * 1e9;
  }
};

/// Repeats `what` for about `seconds`.
sample run(subject& target, operation what, key_order order, double seconds);

/// Inserts keys `first` to `first + count`, one by one.
sample run_inserts(subject& target, std::uint64_t first, std::uint64_t count);

} // namespace neuroplex::bench
