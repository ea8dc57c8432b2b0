#include "cli/trace/trace_file.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>
#include <zstd.h>

namespace neuroplex::cli {

namespace {

constexpr std::size_t record_bytes = 16;
constexpr std::size_t records_a_piece = 16'384;
constexpr std::size_t packed_piece_bytes = std::size_t{1} << 17;
constexpr std::uint8_t operation_count = 3;

template <class Number>
Number little_endian(const unsigned char* from) {
  Number result = 0;
  for (std::size_t i = sizeof(Number); i-- > 0;)
    result =
      static_cast<Number>(static_cast<std::uint64_t>(result) << 8 | from[i]);
  return result;
}

} // namespace

class trace_file::state {
  struct free_unpacker {
    void operator()(ZSTD_DCtx* context) const noexcept {
      ZSTD_freeDCtx(context);
    }
  };

public:
  state(std::string path, int descriptor, std::uint64_t bytes)
    : path_{std::move(path)}, descriptor_{descriptor}, total_bytes_{bytes},
      plain_(records_a_piece * record_bytes) {
    if (path_.ends_with(".zst")) {
      unpacker_.reset(ZSTD_createDCtx());
      NEUROPLEX_ENSURE(unpacker_ != nullptr);
      packed_.resize(packed_piece_bytes);
    }
  }

  state(const state&) = delete;
  state& operator=(const state&) = delete;

  ~state() {
    ::close(descriptor_);
  }

  expected<std::span<const trace_record>> next() {
    // What was left of a record that was cut goes on.
    auto filled = unused_;
    while (filled < plain_.size()) {
      auto more = unpacker_ ? unpack(filled) : read_into(plain_, filled);
      if (!more)
        return more.error();
      if (*more == 0)
        break;
      filled += *more;
    }
    auto whole = filled / record_bytes;
    if (filled < plain_.size() && filled % record_bytes != 0)
      return broken(position_ + whole * record_bytes,
                    "ends within a record of 16 bytes");
    records_.clear();
    for (std::size_t i = 0; i < whole; ++i) {
      auto* at = plain_.data() + i * record_bytes;
      trace_record found{little_endian<std::uint64_t>(at),
                         little_endian<std::uint32_t>(at + 8), at[12],
                         little_endian<std::uint16_t>(at + 14)};
      if (found.operation >= operation_count || at[13] != 0 || found.run == 0)
        return broken(position_ + i * record_bytes,
                      "no record of a trace: operation "
                        + std::to_string(found.operation) + ", zero byte "
                        + std::to_string(at[13]) + ", run "
                        + std::to_string(found.run));
      records_.push_back(found);
    }
    unused_ = filled - whole * record_bytes;
    std::memmove(plain_.data(), plain_.data() + whole * record_bytes, unused_);
    position_ += whole * record_bytes;
    return std::span<const trace_record>{records_};
  }

  [[nodiscard]] std::uint64_t total_bytes() const noexcept {
    return total_bytes_;
  }

  [[nodiscard]] std::uint64_t bytes_read() const noexcept {
    return bytes_read_;
  }

private:
  [[nodiscard]] failure broken(std::uint64_t position,
                               const std::string& why) const {
    return {errc::corrupt, path_ + ": byte " + std::to_string(position)
                             + (unpacker_ ? " unpacked" : "") + ": " + why};
  }

  expected<std::size_t> read_into(std::vector<unsigned char>& buffer,
                                  std::size_t from) {
    for (;;) {
      auto got =
        ::read(descriptor_, buffer.data() + from, buffer.size() - from);
      if (got >= 0) {
        bytes_read_ += static_cast<std::uint64_t>(got);
        return static_cast<std::size_t>(got);
      }
      if (errno != EINTR)
        return failure{errc::io,
                       path_ + ": cannot be read: " + std::strerror(errno)};
    }
  }

  // Unpacks to `from` on; answers how many bytes, none at the end.
  expected<std::size_t> unpack(std::size_t from) {
    ZSTD_outBuffer out{plain_.data() + from, plain_.size() - from, 0};
    while (out.pos == 0) {
      // While the unpacker still has something to give, it needs no more.
      if (in_.pos == in_.size && !pending_) {
        auto got = read_into(packed_, 0);
        if (!got)
          return got.error();
        if (*got == 0) {
          if (frame_open_)
            return failure{errc::corrupt,
                           path_
                             + ": the packed data ends too soon: "
                               "the file was cut short"};
          return std::size_t{0};
        }
        in_ = {packed_.data(), *got, 0};
      }
      auto left = ZSTD_decompressStream(unpacker_.get(), &out, &in_);
      if (ZSTD_isError(left) != 0)
        return failure{errc::corrupt,
                       path_ + ": not unpacked: " + ZSTD_getErrorName(left)
                         + ": expected Zstandard"};
      frame_open_ = left != 0;
      pending_ = frame_open_ && out.pos == out.size;
    }
    return out.pos;
  }

  std::string path_;
  int descriptor_;
  std::uint64_t total_bytes_;
  std::uint64_t bytes_read_ = 0;
  std::uint64_t position_ = 0; ///< of the next record, unpacked
  std::vector<unsigned char> plain_;
  std::size_t unused_ = 0; ///< bytes of `plain_` from the piece before
  std::vector<trace_record> records_;
  std::vector<unsigned char> packed_;
  ZSTD_inBuffer in_{};
  bool frame_open_ = true;
  bool pending_ = false;
  std::unique_ptr<ZSTD_DCtx, free_unpacker> unpacker_;
};

expected<trace_file> trace_file::open(const std::string& path) {
  auto descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    return failure{errc::bad_path,
                   path + ": cannot be opened: " + std::strerror(errno)};
  struct stat found {};
  if (::fstat(descriptor, &found) != 0 || !S_ISREG(found.st_mode)) {
    ::close(descriptor);
    return failure{errc::bad_path,
                   path + ": no regular file: expected a trace"};
  }
  return trace_file{std::make_unique<state>(
    path, descriptor, static_cast<std::uint64_t>(found.st_size))};
}

trace_file::trace_file(std::unique_ptr<state> state)
  : state_{std::move(state)} {
}

trace_file::trace_file(trace_file&&) noexcept = default;
trace_file& trace_file::operator=(trace_file&&) noexcept = default;
trace_file::~trace_file() = default;

expected<std::span<const trace_record>> trace_file::next() {
  return state_->next();
}

std::uint64_t trace_file::total_bytes() const noexcept {
  return state_->total_bytes();
}

std::uint64_t trace_file::bytes_read() const noexcept {
  return state_->bytes_read();
}

} // namespace neuroplex::cli
