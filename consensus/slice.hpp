// Immutable bytes that are shared, not copied.
//
// Purpose: what protocol cores pass on without looking at it: payloads, pieces
// of snapshots, encoded messages.
//
// Threads: a slice may be copied to other threads; its bytes never change.
//
// Invariants: the bytes live as long as any copy of the slice.
//
// Failure behaviour: nothing here fails.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace neuroplex {

/// Immutable bytes that are shared, not copied.
class slice {
public:
  slice() = default;

  /// A slice of bytes that `owner` keeps alive.
  slice(std::shared_ptr<const void> owner, const char* data, std::size_t size)
    : owner_{std::move(owner)}, data_{data}, size_{size} {
  }

  /// Copies `bytes`, once.
  [[nodiscard]] static slice copy_of(std::string_view bytes) {
    if (bytes.empty())
      return {};
    auto owner = std::make_shared<const std::string>(bytes);
    const auto* data = owner->data();
    return {std::move(owner), data, bytes.size()};
  }

  /// A part of these bytes, `part` being a view into them.
  [[nodiscard]] slice part(std::string_view part) const {
    if (part.empty())
      return {};
    return {owner_, part.data(), part.size()};
  }

  [[nodiscard]] std::string_view view() const noexcept {
    return {data_, size_};
  }

  [[nodiscard]] std::size_t size() const noexcept {
    return size_;
  }

  [[nodiscard]] bool empty() const noexcept {
    return size_ == 0;
  }

  friend bool operator==(const slice& x, const slice& y) noexcept {
    return x.view() == y.view();
  }

private:
  std::shared_ptr<const void> owner_;
  const char* data_ = "";
  std::size_t size_ = 0;
};

} // namespace neuroplex
