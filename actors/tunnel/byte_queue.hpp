// Bytes that wait to be taken from the front.
//
// Threads: owned by one thread. Bounds: the owner stops adding at its limit;
// the queue itself only gives memory back when it runs empty.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace neuroplex::tunnel {

class byte_queue {
public:
  void append(std::span<const std::byte> bytes) {
    if (head_ > 0 && head_ >= bytes_.size() / 2) {
      bytes_.erase(bytes_.begin(),
                   bytes_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }

  [[nodiscard]] std::span<const std::byte> front() const noexcept {
    return std::span{bytes_}.subspan(head_);
  }

  /// Drops the first `count` bytes; at most `size()`.
  void consume(std::size_t count) {
    head_ += count;
    if (head_ >= bytes_.size())
      clear();
  }

  void clear() {
    head_ = 0;
    bytes_.clear();
    if (bytes_.capacity() > kept_bytes)
      std::vector<std::byte>{}.swap(bytes_);
  }

  [[nodiscard]] std::size_t size() const noexcept {
    return bytes_.size() - head_;
  }

  [[nodiscard]] bool empty() const noexcept {
    return size() == 0;
  }

private:
  /// Capacity that an empty queue keeps.
  static constexpr std::size_t kept_bytes = 128 * 1024;

  std::vector<std::byte> bytes_;
  std::size_t head_ = 0;
};

} // namespace neuroplex::tunnel
