// A `Sync` policy (memory/sync.hpp) whose atomics and copies go through the
// scheduler, so that the store's own algorithms run one step at a time.
//
// Outside of `scheduler::run` every operation acts on the bytes at once, for
// preparing a segment and for looking at what a run left.
//
// Copies go in aligned pieces of four bytes, each a relaxed access of its own;
// where a piece is covered in part, the rest of it keeps the newest bytes.
//
// Threads: one, as the scheduler.
#pragma once

#include "memory/sync.hpp"
#include "tests/schedule/scheduler.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>

namespace neuroplex::schedule {

struct model_sync {
  template <class T>
  class atomic {
  public:
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);

    atomic() noexcept = default;
    atomic(const atomic&) = delete;
    atomic& operator=(const atomic&) = delete;

    /// The newest value, without a step of anybody's.
    [[nodiscard]] T raw() const noexcept {
      return value_;
    }

    T load(std::memory_order order = std::memory_order_seq_cst) const noexcept {
      if (auto* run = scheduler::current(); run != nullptr)
        return from_number(run->load(&value_, sizeof(T), order));
      return value_;
    }

    void store(T value,
               std::memory_order order = std::memory_order_seq_cst) noexcept {
      if (auto* run = scheduler::current(); run != nullptr)
        run->store(&value_, sizeof(T), to_number(value), order);
      else
        value_ = value;
    }

    T exchange(T value,
               std::memory_order order = std::memory_order_seq_cst) noexcept {
      return change(order, [value](T) { return value; });
    }

    T fetch_add(T by,
                std::memory_order order = std::memory_order_seq_cst) noexcept {
      return change(order, [by](T old) { return static_cast<T>(old + by); });
    }

    T fetch_sub(T by,
                std::memory_order order = std::memory_order_seq_cst) noexcept {
      return change(order, [by](T old) { return static_cast<T>(old - by); });
    }

    T fetch_or(T by,
               std::memory_order order = std::memory_order_seq_cst) noexcept {
      return change(order, [by](T old) { return static_cast<T>(old | by); });
    }

    T fetch_and(T by,
                std::memory_order order = std::memory_order_seq_cst) noexcept {
      return change(order, [by](T old) { return static_cast<T>(old & by); });
    }

    bool compare_exchange_strong(
      T& expected, T desired,
      std::memory_order order = std::memory_order_seq_cst) noexcept {
      return compare_exchange_strong(expected, desired, order,
                                     failure_order(order));
    }

    bool compare_exchange_strong(T& expected, T desired,
                                 std::memory_order success,
                                 std::memory_order failure) noexcept {
      if (auto* run = scheduler::current(); run != nullptr) {
        auto number = to_number(expected);
        auto done = run->compare_exchange(&value_, sizeof(T), number,
                                          to_number(desired), success, failure);
        expected = from_number(number);
        return done;
      }
      if (value_ != expected) {
        expected = value_;
        return false;
      }
      value_ = desired;
      return true;
    }

    /// Never fails without a reason.
    bool compare_exchange_weak(
      T& expected, T desired,
      std::memory_order order = std::memory_order_seq_cst) noexcept {
      return compare_exchange_strong(expected, desired, order);
    }

  private:
    static std::uint64_t to_number(T value) noexcept {
      std::uint64_t number = 0;
      std::memcpy(&number, &value, sizeof(T));
      return number;
    }

    static T from_number(std::uint64_t number) noexcept {
      T value;
      std::memcpy(&value, &number, sizeof(T));
      return value;
    }

    static std::memory_order failure_order(std::memory_order order) noexcept {
      if (order == std::memory_order_acq_rel)
        return std::memory_order_acquire;
      return order == std::memory_order_release ? std::memory_order_relaxed
                                                : order;
    }

    template <class Change>
    T change(std::memory_order order, Change&& next) noexcept {
      if (auto* run = scheduler::current(); run != nullptr)
        return from_number(
          run->update(&value_, sizeof(T), order, [&](std::uint64_t old) {
            return to_number(next(from_number(old)));
          }));
      auto old = value_;
      value_ = next(old);
      return old;
    }

    T value_;
  };

  static std::uint32_t opaque(std::uint32_t number) noexcept {
    return number;
  }

  template <class T>
  static void put_down(const T&) noexcept {
  }

  /// Nothing in the store waits for another thread, so none needs to be let go
  /// first: one that cannot end alone runs into the limit of steps.
  static void pause(unsigned) noexcept {
  }

  static unsigned
  match_tags(const atomic<std::uint8_t>* tags, std::uint8_t tag,
             std::memory_order order = std::memory_order_acquire) noexcept {
    constexpr unsigned tag_count = 12;
    unsigned result = 0;
    for (unsigned i = 0; i < tag_count; ++i)
      if (tags[i].load(order) == tag)
        result |= 1U << i;
    return result;
  }

  template <std::size_t Count>
  static void open_tags(atomic<std::uint8_t>* tags, atomic<std::uint32_t>& meta,
                        const std::array<std::uint8_t, Count>& values,
                        std::uint32_t word) noexcept {
    if (auto* run = scheduler::current(); run != nullptr) {
      run->set_with_bytes_before(&meta, word, values);
      return;
    }
    if (meta.raw() != 0)
      return;
    for (std::size_t i = 0; i < Count; ++i)
      tags[i].store(values[i]);
    meta.store(word);
  }

  static void before_write() noexcept {
    fence(std::memory_order_release);
  }

  static void after_read() noexcept {
    fence(std::memory_order_acquire);
  }

  static void write(void* shared, const void* from, std::size_t size) noexcept {
    auto* run = scheduler::current();
    if (run == nullptr) {
      if (size != 0)
        std::memcpy(shared, from, size);
      return;
    }
    bool first = true;
    each_piece(
      shared, size,
      [&](std::byte* at, unsigned begin, unsigned count, std::size_t offset) {
        auto bytes = raw_load(at, piece_bytes);
        std::memcpy(reinterpret_cast<char*>(&bytes) + begin,
                    static_cast<const char*>(from) + offset, count);
        // What nobody sees yet is the same half written.
        run->store(at, piece_bytes, bytes, std::memory_order_relaxed, first);
        first = false;
      });
  }

  static void read(void* to, const void* shared, std::size_t size) noexcept {
    auto* run = scheduler::current();
    if (run == nullptr) {
      if (size != 0)
        std::memcpy(to, shared, size);
      return;
    }
    each_piece(const_cast<void*>(shared), size,
               [&](const std::byte* at, unsigned begin, unsigned count,
                   std::size_t offset) {
                 auto bytes =
                   run->load(at, piece_bytes, std::memory_order_relaxed);
                 std::memcpy(static_cast<char*>(to) + offset,
                             reinterpret_cast<char*>(&bytes) + begin, count);
               });
  }

  template <std::size_t Size>
  static void read_piece(char* to, const void* shared) noexcept {
    read(to, shared, Size);
  }

  template <class T>
  static T read_object(const void* shared) noexcept {
    T result;
    read(&result, shared, sizeof result);
    return result;
  }

  static bool equal(const void* shared, const void* local,
                    std::size_t size) noexcept {
    constexpr std::size_t most_at_once = 64;
    char copy[most_at_once];
    for (std::size_t offset = 0; offset < size; offset += most_at_once) {
      auto count = std::min(most_at_once, size - offset);
      read(copy, static_cast<const char*>(shared) + offset, count);
      if (std::memcmp(copy, static_cast<const char*>(local) + offset, count)
          != 0)
        return false;
    }
    return true;
  }

private:
  static constexpr unsigned piece_bytes = 4;

  static void fence(std::memory_order order) noexcept {
    if (auto* run = scheduler::current(); run != nullptr)
      run->fence(order);
  }

  /// Calls `step(piece, first byte, bytes, offset)` for each piece touched.
  template <class Step>
  static void each_piece(void* shared, std::size_t size, Step&& step) {
    auto* at = static_cast<std::byte*>(shared);
    std::size_t offset = 0;
    while (offset < size) {
      auto begin = static_cast<unsigned>(
        reinterpret_cast<std::uintptr_t>(at + offset) % piece_bytes);
      auto count = static_cast<unsigned>(
        std::min<std::size_t>(piece_bytes - begin, size - offset));
      step(at + offset - begin, begin, count, offset);
      offset += count;
    }
  }
};

} // namespace neuroplex::schedule
