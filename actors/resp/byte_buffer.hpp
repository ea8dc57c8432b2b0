// A growing byte queue: bytes are appended at the end and dropped at the front.
//
// Purpose: input and output of a connection. Unlike std::string it hands out
// uninitialised room to read into, and dropping at the front costs nothing
// until room is needed.
//
// Threads: none; a buffer belongs to one thread at a time.
//
// Invariants:
//  1. begin_ <= end_ <= capacity_; bytes in [begin_, end_) are the content.
//  2. Views of the content are void after `prepare` or `append`.
//
// Failure behaviour: no memory throws std::bad_alloc, as any container.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace neuroplex::resp {

class byte_buffer {
public:
  byte_buffer() noexcept = default;

  byte_buffer(byte_buffer&& other) noexcept {
    swap(other);
  }

  byte_buffer& operator=(byte_buffer&& other) noexcept {
    byte_buffer taken{std::move(other)};
    swap(taken);
    return *this;
  }

  void swap(byte_buffer& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
    std::swap(capacity_, other.capacity_);
  }

  [[nodiscard]] std::size_t size() const noexcept {
    return end_ - begin_;
  }

  [[nodiscard]] bool empty() const noexcept {
    return begin_ == end_;
  }

  [[nodiscard]] std::size_t capacity() const noexcept {
    return capacity_;
  }

  [[nodiscard]] std::string_view view() const noexcept {
    return {bytes_.get() + begin_, size()};
  }

  /// Room for at least `wanted` bytes behind the content.
  [[nodiscard]] char* prepare(std::size_t wanted) {
    if (capacity_ - end_ < wanted)
      make_room(wanted);
    return bytes_.get() + end_;
  }

  /// Bytes that can be written behind the content without growing.
  [[nodiscard]] std::size_t room() const noexcept {
    return capacity_ - end_;
  }

  /// Declares `count` prepared bytes written.
  void commit(std::size_t count) noexcept {
    end_ += count;
  }

  void append(std::string_view bytes) {
    if (bytes.empty())
      return;
    std::memcpy(prepare(bytes.size()), bytes.data(), bytes.size());
    commit(bytes.size());
  }

  /// Drops `count` bytes at the front.
  void consume(std::size_t count) noexcept {
    begin_ += count;
    if (begin_ == end_)
      begin_ = end_ = 0;
  }

  /// Cuts the content to its first `size` bytes.
  void truncate(std::size_t size) noexcept {
    end_ = begin_ + size;
  }

  void clear() noexcept {
    begin_ = end_ = 0;
  }

  /// Gives the memory back if there is no content and more than `kept` of it.
  void shrink(std::size_t kept) noexcept {
    if (empty() && capacity_ > kept)
      *this = byte_buffer{};
  }

private:
  void make_room(std::size_t wanted) {
    auto content = size();
    if (capacity_ - content >= wanted && content <= capacity_ / 2) {
      std::memmove(bytes_.get(), bytes_.get() + begin_, content);
    } else {
      auto grown = capacity_ == 0 ? std::size_t{512} : capacity_ * 2;
      while (grown - content < wanted)
        grown *= 2;
      auto bytes = std::make_unique_for_overwrite<char[]>(grown);
      if (content != 0)
        std::memcpy(bytes.get(), bytes_.get() + begin_, content);
      bytes_ = std::move(bytes);
      capacity_ = grown;
    }
    begin_ = 0;
    end_ = content;
  }

  std::unique_ptr<char[]> bytes_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t capacity_ = 0;
};

} // namespace neuroplex::resp
