// Numbers and strings to bytes and back, for what simulated machines store.
//
// Purpose: what lies on a simulated disk must be bytes, since disks tear and
// rot bytes. Fixed widths, this machine's byte order; nothing here leaves a
// run.
//
// Threads: plain values.
//
// Failure: `unpacker` never reads beyond its end; once it was asked to, `good`
// is false and every further answer is zero or empty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace neuroplex::sim {

class packer {
public:
  template <class Number>
  void number(Number value) {
    static_assert(std::is_integral_v<Number> || std::is_enum_v<Number>);
    raw(&value, sizeof value);
  }

  void text(std::string_view value) {
    number(static_cast<std::uint32_t>(value.size()));
    raw(value.data(), value.size());
  }

  void fill_up_to_multiple_of(std::size_t unit) {
    bytes_.resize((bytes_.size() + unit - 1) / unit * unit);
  }

  [[nodiscard]] std::vector<std::byte>& bytes() noexcept {
    return bytes_;
  }

  [[nodiscard]] std::string_view view() const noexcept {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }

private:
  void raw(const void* data, std::size_t size) {
    const auto* from = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), from, from + size);
  }

  std::vector<std::byte> bytes_;
};

class unpacker {
public:
  explicit unpacker(std::span<const std::byte> bytes) : rest_{bytes} {
  }

  explicit unpacker(std::string_view bytes)
    : rest_{std::as_bytes(std::span{bytes.data(), bytes.size()})} {
  }

  template <class Number>
  [[nodiscard]] Number number() {
    static_assert(std::is_integral_v<Number> || std::is_enum_v<Number>);
    Number value{};
    if (take(sizeof value)) {
      std::memcpy(&value, taken_, sizeof value);
    }
    return value;
  }

  [[nodiscard]] std::string_view text() {
    const auto size = number<std::uint32_t>();
    if (!take(size)) {
      return {};
    }
    return {reinterpret_cast<const char*>(taken_), size};
  }

  [[nodiscard]] bool good() const noexcept {
    return good_;
  }

private:
  bool take(std::size_t size) noexcept {
    good_ = good_ && size <= rest_.size();
    if (good_) {
      taken_ = rest_.data();
      rest_ = rest_.subspan(size);
    }
    return good_;
  }

  std::span<const std::byte> rest_;
  const std::byte* taken_ = nullptr;
  bool good_ = true;
};

} // namespace neuroplex::sim
