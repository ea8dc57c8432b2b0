// What the tests of the shared-memory store share: a segment of their own that
// is removed again, self-describing values, and a deadline to wait under.
#pragma once

#include "memory/eventually.test.hpp"
#include "memory/store.hpp"

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>
#include <unistd.h>

namespace Catch {

template <>
struct StringMaker<neuroplex::errc> {
  static std::string convert(neuroplex::errc code) {
    return std::string{neuroplex::code_name(code)};
  }
};

} // namespace Catch

namespace neuroplex::memory::testing {

inline constexpr auto default_ns = namespace_id::default_namespace;
inline constexpr std::uint64_t kibibyte = 1024;
inline constexpr std::uint64_t mebibyte = 1024 * kibibyte;

#if defined(__SANITIZE_THREAD__)
inline constexpr bool under_tsan = true;
#else
inline constexpr bool under_tsan = false;
#endif

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool under_asan = true;
#else
inline constexpr bool under_asan = false;
#endif

/// A count for a plain build, less under the sanitizers.
constexpr std::size_t scaled(std::size_t count) {
  return under_tsan ? count / 10 + 1 : (under_asan ? count / 8 + 1 : count);
}

/// A path that no other test of this or another process uses; the file is
/// removed at both ends.
class temporary_path {
public:
  temporary_path() {
    static std::atomic<unsigned> next{0};
    path_ = "/dev/shm/neuroplex-test-" + std::to_string(::getpid()) + "-"
            + std::to_string(next++);
    ::unlink(path_.c_str());
  }

  temporary_path(const temporary_path&) = delete;
  temporary_path& operator=(const temporary_path&) = delete;

  ~temporary_path() {
    ::unlink(path_.c_str());
  }

  [[nodiscard]] const std::string& str() const {
    return path_;
  }

private:
  std::string path_;
};

/// A segment and one attachment to it.
struct segment {
  temporary_path path;
  store db;

  explicit segment(
    const segment_options& options = {.segment_bytes = 4 * mebibyte})
    : db{make(path.str(), options)} {
  }

  /// Another attachment, as another process would have it.
  [[nodiscard]] store attach(access_mode mode = access_mode::read_write) const {
    auto opened = store::open(path.str(), mode);
    REQUIRE(opened);
    return std::move(*opened);
  }

private:
  static store make(const std::string& path, const segment_options& options) {
    auto made = store::create(path, options);
    if (!made)
      FAIL(made.error().to_string());
    return std::move(*made);
  }
};

/// `other`, an attachment beside `own`; under ThreadSanitizer, which does not
/// see that two mappings are the same memory, `own` itself.
inline store& beside(store& own, store& other) {
  return under_tsan ? own : other;
}

inline constexpr std::int64_t hour_ms = 3'600'000;

inline std::string key_of(std::size_t number) {
  return "key " + std::to_string(number);
}

/// `size` bytes that differ for each `seed`.
inline std::string bytes_of(std::size_t size, std::uint64_t seed) {
  std::string result(size, '\0');
  auto state = seed * 0x9E3779B97F4A7C15ULL + 1;
  for (auto& c : result) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    c = static_cast<char>(state >> 32);
  }
  return result;
}

/// A value that names its key and tells whether it is whole.
inline std::string self_describing(std::string_view key, std::uint64_t sequence,
                                   std::size_t size) {
  std::string result{key};
  result += ':' + std::to_string(sequence) + ':';
  return result + bytes_of(size, sequence);
}

inline bool describes_itself(std::string_view key, std::string_view value) {
  if (value.size() <= key.size() || !value.starts_with(key)
      || value[key.size()] != ':')
    return false;
  auto rest = value.substr(key.size() + 1);
  auto colon = rest.find(':');
  if (colon == std::string_view::npos)
    return false;
  auto sequence = std::stoull(std::string{rest.substr(0, colon)});
  auto payload = rest.substr(colon + 1);
  return payload == bytes_of(payload.size(), sequence);
}

/// The value of a key, or "(E-CODE)".
inline std::string value_of(const store& db, std::string_view key,
                            namespace_id ns = default_ns) {
  std::string value;
  auto answer = db.get(ns, key, value);
  return answer == errc::ok ? value
                            : "(" + std::string{code_name(answer)} + ")";
}

inline std::uint64_t count_entries(const store& db,
                                   namespace_id ns = default_ns) {
  std::uint64_t count = 0;
  for (scan_cursor cursor; !cursor.done();)
    REQUIRE(db.scan(
              ns, cursor, 1000, [&](const scan_entry&) { ++count; }, false)
            == errc::ok);
  return count;
}

} // namespace neuroplex::memory::testing
