#include "cli/load/input.hpp"

#include "cli/load/record.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace neuroplex::cli {

namespace {

class file_source final : public byte_source {
public:
  file_source(int descriptor, bool owned, std::uint64_t total_bytes,
              std::string name)
    : descriptor_{descriptor}, owned_{owned},
      total_bytes_{total_bytes}, name_{std::move(name)} {
  }

  ~file_source() override {
    if (owned_)
      ::close(descriptor_);
  }

  expected<std::size_t> read(std::span<char> buffer) override {
    for (;;) {
      auto count = ::read(descriptor_, buffer.data(), buffer.size());
      if (count >= 0)
        return static_cast<std::size_t>(count);
      if (errno != EINTR)
        return failure{errc::io,
                       name_ + ": cannot be read: " + std::strerror(errno)};
    }
  }

  [[nodiscard]] std::uint64_t total_bytes() const noexcept override {
    return total_bytes_;
  }

  [[nodiscard]] const std::string& name() const noexcept override {
    return name_;
  }

private:
  int descriptor_;
  bool owned_;
  std::uint64_t total_bytes_;
  std::string name_;
};

class memory_source final : public byte_source {
public:
  memory_source(std::string name, std::string bytes, std::size_t block_bytes)
    : name_{std::move(name)}, bytes_{std::move(bytes)},
      block_bytes_{std::max<std::size_t>(block_bytes, 1)} {
  }

  expected<std::size_t> read(std::span<char> buffer) override {
    auto count =
      std::min({buffer.size(), block_bytes_, bytes_.size() - position_});
    std::copy_n(bytes_.data() + position_, count, buffer.data());
    position_ += count;
    return count;
  }

  [[nodiscard]] std::uint64_t total_bytes() const noexcept override {
    return bytes_.size();
  }

  [[nodiscard]] const std::string& name() const noexcept override {
    return name_;
  }

private:
  std::string name_;
  std::string bytes_;
  std::size_t block_bytes_;
  std::size_t position_ = 0;
};

} // namespace

bool is_blank(std::string_view line) noexcept {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

expected<std::unique_ptr<byte_source>> open_source(const std::string& path) {
  const bool standard_input = path == "-";
  const std::string name = standard_input ? "<stdin>" : path;
  int descriptor = standard_input
                     ? STDIN_FILENO
                     : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (descriptor < 0)
    return failure{errc::bad_path,
                   name + ": cannot be opened: " + std::strerror(errno)};
  struct stat facts {};
  if (::fstat(descriptor, &facts) != 0) {
    auto reason = std::string{std::strerror(errno)};
    if (!standard_input)
      ::close(descriptor);
    return failure{errc::bad_path, name + ": cannot be read: " + reason};
  }
  if (S_ISDIR(facts.st_mode)) {
    if (!standard_input)
      ::close(descriptor);
    return failure{errc::bad_path,
                   name + ": is a directory: name a file, or - for stdin"};
  }
  auto total_bytes = S_ISREG(facts.st_mode)
                       ? static_cast<std::uint64_t>(facts.st_size)
                       : std::uint64_t{0};
  return std::unique_ptr<byte_source>{std::make_unique<file_source>(
    descriptor, !standard_input, total_bytes, name)};
}

std::unique_ptr<byte_source> string_source(std::string name, std::string bytes,
                                           std::size_t block_bytes) {
  return std::make_unique<memory_source>(std::move(name), std::move(bytes),
                                         block_bytes);
}

line_reader::line_reader(std::unique_ptr<byte_source> source,
                         std::size_t max_line_bytes)
  : source_{std::move(source)}, max_line_bytes_{max_line_bytes} {
  NEUROPLEX_ENSURE(source_ != nullptr);
}

expected<bool> line_reader::fill() {
  if (at_end_)
    return false;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < load_limits::read_block_bytes)
    buffer_.resize(
      std::max(end_ + load_limits::read_block_bytes, buffer_.size() * 2));
  auto count = source_->read({buffer_.data() + end_, buffer_.size() - end_});
  if (!count)
    return count.error();
  end_ += *count;
  at_end_ = *count == 0;
  return !at_end_;
}

expected<bool> line_reader::next(std::string_view& line) {
  std::size_t searched = 0;
  for (;;) {
    auto* from = buffer_.data() + begin_;
    auto* found = end_ - begin_ > searched ? static_cast<char*>(std::memchr(
                    from + searched, '\n', end_ - begin_ - searched))
                                           : nullptr;
    auto length =
      found == nullptr ? end_ - begin_ : static_cast<std::size_t>(found - from);
    if (length > max_line_bytes_)
      return failure_at(errc::value_size, source_->name(), line_number_ + 1,
                        "the line is longer than "
                          + std::to_string(max_line_bytes_)
                          + " bytes: split it");
    if (found == nullptr) {
      searched = length;
      auto more = fill();
      if (!more)
        return more.error();
      if (*more)
        continue;
      if (begin_ == end_)
        return false;
      from = buffer_.data() + begin_;
    }
    line = {from, length};
    begin_ += length + (found == nullptr ? 0 : 1);
    ++line_number_;
    line_offset_ = next_offset_;
    next_offset_ += length + (found == nullptr ? 0 : 1);
    return true;
  }
}

} // namespace neuroplex::cli
