#include "actors/node_lock.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <string_view>
#include <system_error>
#include <utility>

namespace neuroplex::actors {

namespace {

// The file holds "<pid> <incarnation>\n".
constexpr std::size_t max_lock_file_bytes = 64;

struct lock_content {
  std::uint64_t process_id = 0;
  std::uint64_t incarnation = 0;
};

failure describe_errno(errc code, const std::string& path, int number) {
  return {code, path + ": " + std::generic_category().message(number)};
}

lock_content read_content(int descriptor) {
  char buffer[max_lock_file_bytes];
  auto bytes = ::pread(descriptor, buffer, sizeof(buffer), 0);
  lock_content result;
  if (bytes <= 0)
    return result;
  auto end = buffer + bytes;
  auto pid = std::from_chars(buffer, end, result.process_id);
  if (pid.ec == std::errc{} && pid.ptr != end)
    std::from_chars(pid.ptr + 1, end, result.incarnation);
  return result;
}

bool write_content(int descriptor, const lock_content& content) {
  auto text = std::to_string(content.process_id) + " "
              + std::to_string(content.incarnation) + "\n";
  return ::ftruncate(descriptor, 0) == 0
         && ::pwrite(descriptor, text.data(), text.size(), 0)
              == static_cast<ssize_t>(text.size());
}

std::uint64_t unix_microseconds() {
  using namespace std::chrono;
  return static_cast<std::uint64_t>(
    duration_cast<microseconds>(system_clock::now().time_since_epoch())
      .count());
}

} // namespace

expected<node_lock> node_lock::take(const std::string& path) {
  auto descriptor =
    ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
           S_IRUSR | S_IWUSR);
  if (descriptor < 0)
    return describe_errno(errc::bad_path, path, errno);
  node_lock result{descriptor, 0};
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode))
    return failure{errc::bad_path, path + ": expected a regular file"};
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  if (::fcntl(descriptor, F_OFD_SETLK, &range) != 0) {
    if (errno != EAGAIN && errno != EACCES)
      return describe_errno(errc::io, path, errno);
    auto holder = read_content(descriptor).process_id;
    return failure{errc::locked,
                   path + ": in use by "
                     + (holder == 0 ? std::string{"another process"}
                                    : "process " + std::to_string(holder))
                     + ": stop it, or give this node its own directory"};
  }
  auto last = read_content(descriptor).incarnation;
  result.incarnation_ = std::max(unix_microseconds(), last + 1);
  if (!write_content(descriptor, {static_cast<std::uint64_t>(::getpid()),
                                  result.incarnation_}))
    return describe_errno(errc::io, path, errno);
  return result;
}

node_lock::node_lock(node_lock&& other) noexcept
  : descriptor_{std::exchange(other.descriptor_, -1)}, incarnation_{
                                                         other.incarnation_} {
}

node_lock& node_lock::operator=(node_lock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(incarnation_, other.incarnation_);
  return *this;
}

node_lock::~node_lock() {
  // The file stays: it carries the incarnation to the next start.
  if (descriptor_ >= 0)
    ::close(descriptor_);
}

} // namespace neuroplex::actors
