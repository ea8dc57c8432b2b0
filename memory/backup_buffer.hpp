// Bytes of a frame that is being put together. Grows without filling what it
// gains; keeps its room when emptied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

namespace neuroplex::memory {

class backup_buffer {
public:
  [[nodiscard]] std::size_t size() const noexcept {
    return size_;
  }

  [[nodiscard]] char* data() noexcept {
    return bytes_.get();
  }

  [[nodiscard]] std::span<const char> bytes() const noexcept {
    return {bytes_.get(), size_};
  }

  /// Room for `size` further bytes, which the caller fills.
  char* extend(std::size_t size) {
    if (size > room_ - size_)
      grow(size);
    auto* at = bytes_.get() + size_;
    size_ += size;
    return at;
  }

  void append(const void* from, std::size_t size) {
    if (size != 0)
      std::memcpy(extend(size), from, size);
  }

  /// Gives up all but the first `size` bytes.
  void shorten(std::size_t size) noexcept {
    size_ = size;
  }

private:
  void grow(std::size_t size) {
    constexpr std::size_t least = std::size_t{64} << 10;
    auto room = room_ + room_ / 2 > size_ + size + least ? room_ + room_ / 2
                                                         : size_ + size + least;
    auto larger = std::make_unique_for_overwrite<char[]>(room);
    if (size_ != 0)
      std::memcpy(larger.get(), bytes_.get(), size_);
    bytes_ = std::move(larger);
    room_ = room;
  }

  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
  std::size_t room_ = 0;
};

} // namespace neuroplex::memory
