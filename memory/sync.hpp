// The atomics and the racy copies that the store's algorithms are written on.
//
// Purpose: every algorithm of the segment is a template over a `Sync` policy,
// so that the same code runs on the machine's atomics (`native_sync`) and, in
// tests, on atomics that hand control to a scheduler at each step.
//
// A policy offers `atomic<T>` (the interface of std::atomic, the size of T),
// `pause(round)` for contended loops, and three functions on bytes that other
// threads may be writing at the same moment. Such bytes are always checked
// afterwards (block version, slot, checksum) before anyone relies on them.
//
// Orderings. A reader does: load word (acquire), read bytes, `after_read`, load
// word again; the second load equal to the first means that the bytes belong to
// that version. It pairs with a writer who changes the word, calls
// `before_write`, writes the bytes, and stores the next word (release).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <sched.h>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#if defined(__SANITIZE_THREAD__)
#define NEUROPLEX_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NEUROPLEX_TSAN 1
#endif
#endif

namespace neuroplex::memory {

/// On the read path every call and every store to the stack counts.
#define NEUROPLEX_INLINE [[gnu::always_inline]] inline

/// Spins once, in the way the processor likes.
inline void cpu_relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Asks for the cache line at `address`. Spelt out on x86-64, because GCC 12
/// takes a function that only prefetches for one without effects and drops it.
NEUROPLEX_INLINE void prefetch_line(const void* address) noexcept {
#if defined(__x86_64__)
  asm volatile("prefetcht0 %0" : : "m"(*static_cast<const char*>(address)));
#else
  __builtin_prefetch(address);
#endif
}

/// The same for a line that will be written: it comes as this core's own, so
/// that a change need not ask the others for it once more. Processors that do
/// not know the instruction pass over it.
NEUROPLEX_INLINE void prefetch_to_write(const void* address) noexcept {
#if defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(address)));
#else
  __builtin_prefetch(address, 1);
#endif
}

struct native_sync {
  template <class T>
  using atomic = std::atomic<T>;

  /// A number that the compiler knows nothing of, so that it cannot put another
  /// in its place which was found to be equal.
  NEUROPLEX_INLINE static std::uint32_t opaque(std::uint32_t number) noexcept {
    asm volatile("" : "+r"(number));
    return number;
  }

  /// Has an object in memory from here on, whatever becomes of its copies in
  /// registers.
  template <class T>
  NEUROPLEX_INLINE static void put_down(const T& object) noexcept {
    asm volatile("" : : "m"(object));
  }

  /// Exponential back-off: round n spins 2^n times, from round 10 on it yields.
  static void pause(unsigned round) noexcept {
    constexpr unsigned spin_rounds = 10;
    if (round >= spin_rounds) {
      sched_yield();
      return;
    }
    for (unsigned i = 0; i < (1U << round); ++i)
      cpu_relax();
  }

  static constexpr std::size_t tag_count = 12; ///< of a line

  /// Exchanges 16 aligned bytes for `desired` (low half first) if they are
  /// `expected`, which else becomes what they are; sequentially consistent.
  NEUROPLEX_INLINE static bool
  exchange_wide(void* at, std::uint64_t (&expected)[2],
                const std::uint64_t (&desired)[2]) noexcept {
#if defined(__x86_64__)
    struct alignas(16) wide {
      std::uint64_t halves[2];
    };
    bool done = false;
    asm volatile("lock cmpxchg16b %1"
                 : "=@ccz"(done), "+m"(*static_cast<wide*>(at)),
                   "+a"(expected[0]), "+d"(expected[1])
                 : "b"(desired[0]), "c"(desired[1])
                 : "memory");
    return done;
#else
    __extension__ using both = unsigned __int128;
    auto join = [](const std::uint64_t(&halves)[2]) {
      return static_cast<both>(halves[1]) << 64 | halves[0];
    };
    auto present = join(expected);
    if (__atomic_compare_exchange_n(static_cast<both*>(at), &present,
                                    join(desired), false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST))
      return true;
    expected[0] = static_cast<std::uint64_t>(present);
    expected[1] = static_cast<std::uint64_t>(present >> 64);
    return false;
#endif
  }

  /// Sets the 12 tags of a line and the word behind them at once, if that word
  /// is 0. The 16 bytes must be aligned.
  static void open_tags(std::atomic<std::uint8_t>* tags,
                        const std::atomic<std::uint32_t>& meta,
                        const std::array<std::uint8_t, tag_count>& values,
                        std::uint32_t word) noexcept {
    static_cast<void>(meta); // it is the last of the 16 bytes
    std::uint64_t desired[2];
    std::memcpy(desired, values.data(), tag_count);
    std::memcpy(reinterpret_cast<char*>(desired) + tag_count, &word,
                sizeof word);
    std::uint64_t seen[2] = {0, 0};
    while (!exchange_wide(tags, seen, desired) && seen[1] >> 32 == 0)
      ; // only a scribble lies there before
  }

  /// Bit i is set when tags[i] equals `tag`, for the 12 tags of a line. The 16
  /// bytes from `tags` on must be readable and aligned. On x86-64 a plain load
  /// is in order with exchanges before it, as seq_cst asks for.
  NEUROPLEX_INLINE static unsigned
  match_tags(const std::atomic<std::uint8_t>* tags, std::uint8_t tag,
             [[maybe_unused]] std::memory_order order =
               std::memory_order_acquire) noexcept {
#if defined(__x86_64__) && !defined(NEUROPLEX_TSAN)
    auto present = _mm_load_si128(reinterpret_cast<const __m128i*>(tags));
    auto wanted = _mm_set1_epi8(static_cast<char>(tag));
    auto equal =
      static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(present, wanted)));
    return equal & ((1U << tag_count) - 1);
#else
    unsigned result = 0;
    for (unsigned i = 0; i < tag_count; ++i)
      if (tags[i].load(order) == tag)
        result |= 1U << i;
    return result;
#endif
  }

#if defined(NEUROPLEX_TSAN)
  // ThreadSanitizer sees fences as nothing and plain copies as races, so here
  // each access is atomic: eight bytes at once where they are aligned.
  static void before_write() noexcept {
  }

  static void after_read() noexcept {
  }

  static void write(void* shared, const void* from, std::size_t size) noexcept {
    each_access(shared, size, [&](auto* to, std::size_t offset) {
      std::remove_reference_t<decltype(*to)> word{};
      std::memcpy(&word, static_cast<const char*>(from) + offset, sizeof word);
      __atomic_store_n(to, word, __ATOMIC_RELEASE);
      return true;
    });
  }

  static void read(void* to, const void* shared, std::size_t size) noexcept {
    each_access(
      const_cast<void*>(shared), size, [&](auto* from, std::size_t offset) {
        auto word = __atomic_load_n(from, __ATOMIC_ACQUIRE);
        std::memcpy(static_cast<char*>(to) + offset, &word, sizeof word);
        return true;
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
    return each_access(
      const_cast<void*>(shared), size, [&](auto* from, std::size_t offset) {
        auto word = __atomic_load_n(from, __ATOMIC_ACQUIRE);
        return std::memcmp(&word, static_cast<const char*>(local) + offset,
                           sizeof word)
               == 0;
      });
  }

private:
  /// Calls `step(pointer, offset)` over the bytes until it answers false.
  template <class Step>
  static bool each_access(void* shared, std::size_t size, Step&& step) {
    constexpr auto word = sizeof(std::uint64_t);
    auto* bytes = static_cast<unsigned char*>(shared);
    std::size_t offset = 0;
    while (offset < size) {
      auto* at = bytes + offset;
      bool whole = reinterpret_cast<std::uintptr_t>(at) % word == 0
                   && size - offset >= word;
      if (whole ? !step(reinterpret_cast<std::uint64_t*>(at), offset)
                : !step(at, offset))
        return false;
      offset += whole ? word : 1;
    }
    return true;
  }
#else
  /// Orders the word change before the bytes that follow it.
  static void before_write() noexcept {
    std::atomic_thread_fence(std::memory_order_release);
  }

  /// Orders the bytes read before the word load that follows.
  static void after_read() noexcept {
    std::atomic_thread_fence(std::memory_order_acquire);
  }

  static void write(void* shared, const void* from, std::size_t size) noexcept {
    if (size != 0)
      std::memcpy(shared, from, size);
  }

  /// Copies out. Where the processor may not guess that a load is independent
  /// of earlier stores whose address is not known yet (speculative store bypass
  /// disabled, as under many hypervisors), a store whose address depends on the
  /// entry's length, which is still on its way from memory, would hold up all
  /// loads of the next lookup. So the addresses here follow from branches,
  /// which are predicted, and never from the length itself.
  NEUROPLEX_INLINE static void read(void* to, const void* shared,
                                    std::size_t size) noexcept {
    constexpr std::size_t long_copy = 512;
    if (size >= long_copy) {
      std::memcpy(to, shared, size);
      return;
    }
    auto* out = static_cast<unsigned char*>(to);
    auto* in = static_cast<const unsigned char*>(shared);
    for (; size >= 64; size -= 64)
      copy_step<64>(out, in);
    if ((size & 32U) != 0)
      copy_step<32>(out, in);
    if ((size & 16U) != 0)
      copy_step<16>(out, in);
    if ((size & 8U) != 0)
      copy_step<8>(out, in);
    if ((size & 4U) != 0)
      copy_step<4>(out, in);
    if ((size & 2U) != 0)
      copy_step<2>(out, in);
    if ((size & 1U) != 0)
      copy_step<1>(out, in);
  }

  /// Copies a length that the compiler knows. What is read from the copy
  /// afterwards is what was written there, not the shared bytes once more.
  template <std::size_t Size>
  NEUROPLEX_INLINE static void read_piece(char* to,
                                          const void* shared) noexcept {
    std::memcpy(to, shared, Size);
    asm volatile("" : "+m"(*reinterpret_cast<char(*)[Size]>(to)));
  }

  /// A small trivial object, in registers.
  template <class T>
  NEUROPLEX_INLINE static T read_object(const void* shared) noexcept {
    T result;
    std::memcpy(&result, shared, sizeof result);
    return result;
  }

  NEUROPLEX_INLINE static bool equal(const void* shared, const void* local,
                                     std::size_t size) noexcept {
    constexpr std::size_t word = sizeof(std::uint64_t);
    if (size < word || size > 2 * word)
      return std::memcmp(shared, local, size) == 0;
    // 8 to 16 bytes, the usual keys: two words that may overlap.
    auto load = [](const void* from, std::size_t offset) {
      std::uint64_t value;
      std::memcpy(&value, static_cast<const char*>(from) + offset, word);
      return value;
    };
    return ((load(shared, 0) ^ load(local, 0))
            | (load(shared, size - word) ^ load(local, size - word)))
           == 0;
  }

private:
  template <std::size_t Size>
  NEUROPLEX_INLINE static void copy_step(unsigned char*& out,
                                         const unsigned char*& in) noexcept {
    std::memcpy(out, in, Size);
    out += Size;
    in += Size;
    // Or else the compiler computes the next address from the length after all
    // (conditional moves, one call to memcpy).
    asm volatile("" : "+r"(out), "+r"(in));
  }
#endif
};

/// Adds to a counter that only the calling thread writes; others may read it.
template <class Atomic, class Value>
NEUROPLEX_INLINE void bump(Atomic& counter, Value by) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + by,
                std::memory_order_relaxed);
}

} // namespace neuroplex::memory
