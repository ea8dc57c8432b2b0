#include "memory/bus_guard.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <string_view>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

namespace neuroplex::memory {

namespace {

/// Segments of a process that the handler can tell of; a program that maps
/// more than these ends by the signal for the others.
constexpr std::size_t most_ranges = 64;

struct range {
  std::atomic<bool> taken{false};
  /// 0 while the rest is being written. Release, pairs with the acquire of the
  /// handler.
  std::atomic<std::uintptr_t> begin{0};
  std::uint64_t bytes = 0;
  int fd = -1;
  std::array<char, 256> name{};
  std::size_t name_bytes = 0;
};

// Found by the handler, so it is not made or destroyed at any time.
constinit std::array<range, most_ranges> ranges{};

/// Text put together without memory.
class line_text {
public:
  line_text& operator<<(std::string_view text) noexcept {
    auto count = std::min(text.size(), room_.size() - used_);
    std::memcpy(room_.data() + used_, text.data(), count);
    used_ += count;
    return *this;
  }

  void write() const noexcept {
    // Nobody is left to whom a failure could be told.
    [[maybe_unused]] auto written = ::write(STDERR_FILENO, room_.data(), used_);
  }

private:
  std::array<char, 768> room_{};
  std::size_t used_ = 0;
};

const range* find(std::uintptr_t address) noexcept {
  for (const auto& each : ranges) {
    auto begin = each.begin.load(std::memory_order_acquire);
    if (begin != 0 && address >= begin && address - begin < each.bytes)
      return &each;
  }
  return nullptr;
}

void on_bus_error(int number, siginfo_t* info, void*) {
  auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  const auto* hit = info->si_code == BUS_ADRERR ? find(address) : nullptr;
  if (hit == nullptr) {
    // Comes as we return, and has its usual effect.
    std::signal(number, SIG_DFL);
    ::raise(number);
    return;
  }
  auto offset = static_cast<std::uint64_t>(
    address - hit->begin.load(std::memory_order_relaxed));
  struct stat file {};
  bool cut = ::fstat(hit->fd, &file) != 0
             || static_cast<std::uint64_t>(file.st_size) <= offset;
  line_text line;
  line << "error[E-SEGBUS]: segment "
       << std::string_view{hit->name.data(), hit->name_bytes};
  if (cut)
    line << ": its file was cut short while it was in use: expected one that "
            "nobody truncates; what was in it is gone, restore a backup\n";
  else
    line << ": no room for a page of it: expected free space on its file "
            "system; make room and start again\n";
  line.write();
  ::_exit(cut ? exit_segment_cut : exit_segment_full);
}

} // namespace

void end_with_words_when_cut() noexcept {
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, nullptr);
}

namespace detail {

watched_range::watched_range(const void* base, std::uint64_t bytes, int fd,
                             const std::string& path) noexcept {
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    auto& free = ranges[i];
    if (free.taken.exchange(true, std::memory_order_acquire))
      continue;
    free.bytes = bytes;
    free.fd = fd;
    free.name_bytes = std::min(path.size(), free.name.size());
    std::transform(path.begin(),
                   path.begin() + static_cast<std::ptrdiff_t>(free.name_bytes),
                   free.name.begin(), [](char c) {
                     auto byte = static_cast<unsigned char>(c);
                     return byte < ' ' || byte == 0x7F ? '?' : c;
                   });
    free.begin.store(reinterpret_cast<std::uintptr_t>(base),
                     std::memory_order_release);
    place_ = i;
    return;
  }
}

watched_range::watched_range(watched_range&& other) noexcept
  : place_{std::exchange(other.place_, nowhere)} {
}

watched_range& watched_range::operator=(watched_range&& other) noexcept {
  std::swap(place_, other.place_);
  return *this;
}

watched_range::~watched_range() {
  if (place_ == nowhere)
    return;
  ranges[place_].begin.store(0, std::memory_order_release);
  ranges[place_].taken.store(false, std::memory_order_release);
}

} // namespace detail

} // namespace neuroplex::memory
