#include "storage/concept/private_file.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace neuroplex::concepts {

namespace {

failure path_failure(errc code, const std::string& path) {
  return {code, path + ": " + std::strerror(errno)};
}

struct ::flock lock_of(short kind, std::uint32_t number) noexcept {
  constexpr auto first = off_t{1} << 62;
  struct ::flock request {};
  request.l_type = kind;
  request.l_whence = SEEK_SET;
  request.l_start = first + number;
  request.l_len = 1;
  return request;
}

} // namespace

private_file::private_file(private_file&& other) noexcept
  : fd_{std::exchange(other.fd_, -1)}, path_{std::move(other.path_)} {
}

private_file::~private_file() {
  if (fd_ >= 0)
    ::close(fd_); // and with it the locks
}

expected<private_file> private_file::make(const std::string& path,
                                          std::uint64_t bytes) {
  auto folder = std::filesystem::path{path}.parent_path();
  constexpr mode_t only_mine = 0600;
  auto fd = ::open(folder.empty() ? "." : folder.c_str(),
                   O_TMPFILE | O_RDWR | O_CLOEXEC, only_mine);
  if (fd < 0)
    return path_failure(errc::bad_path, path);
  private_file made{fd, path};
  if (auto backed = made.commit(0, bytes); !backed)
    return backed.error();
  return made;
}

expected<private_file> private_file::open(const std::string& path,
                                          bool read_only) {
  auto fd = ::open(path.c_str(), (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC
                                   | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0)
    return path_failure(errno == ENOENT ? errc::not_found : errc::bad_path,
                        path);
  private_file found{fd, path};
  struct ::stat facts {};
  if (::fstat(fd, &facts) != 0)
    return path_failure(errc::io, path);
  constexpr mode_t others = 077;
  if (!S_ISREG(facts.st_mode) || facts.st_uid != ::geteuid()
      || (facts.st_mode & others) != 0)
    return failure{errc::segment_mode,
                   path + ": expected a file of this user, with mode 0600"};
  return found;
}

expected<void> private_file::give_name() const {
  auto unnamed = "/proc/self/fd/" + std::to_string(fd_);
  if (::linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, path_.c_str(),
               AT_SYMLINK_FOLLOW)
      == 0)
    return {};
  return refused(errno == EEXIST ? errc::exists : errc::bad_path);
}

expected<void> private_file::commit(std::uint64_t from,
                                    std::uint64_t bytes) const {
  auto code =
    ::posix_fallocate(fd_, static_cast<off_t>(from), static_cast<off_t>(bytes));
  if (code == 0)
    return {};
  errno = code;
  return refused(code == ENOSPC ? errc::no_space : errc::io);
}

expected<std::uint64_t> private_file::bytes() const {
  struct ::stat facts {};
  if (::fstat(fd_, &facts) != 0)
    return refused(errc::io);
  return static_cast<std::uint64_t>(facts.st_size);
}

expected<void> private_file::write(std::string_view what) const {
  if (::pwrite(fd_, what.data(), what.size(), 0)
      == static_cast<ssize_t>(what.size()))
    return {};
  return refused(errc::io);
}

expected<void> private_file::read(void* to, std::size_t bytes) const {
  auto got = ::pread(fd_, to, bytes, 0);
  if (got < 0)
    return refused(errc::io);
  if (static_cast<std::size_t>(got) != bytes)
    return failure{errc::corrupt, path_ + ": the file is cut short"};
  return {};
}

failure private_file::refused(errc code) const {
  return path_failure(code, path_);
}

bool private_file::try_lock(std::uint32_t number) const noexcept {
  auto request = lock_of(F_WRLCK, number);
  return ::fcntl(fd_, F_OFD_SETLK, &request) == 0;
}

void private_file::unlock(std::uint32_t number) const noexcept {
  auto request = lock_of(F_UNLCK, number);
  ::fcntl(fd_, F_OFD_SETLK, &request);
}

bool private_file::is_locked_elsewhere(std::uint32_t number) const noexcept {
  auto request = lock_of(F_WRLCK, number);
  return ::fcntl(fd_, F_OFD_GETLK, &request) == 0 && request.l_type != F_UNLCK;
}

} // namespace neuroplex::concepts
