#include "memory/backup_medium.hpp"

#include "memory/backup_format.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace neuroplex::memory {

namespace {

failure medium_failure(const std::string& path, std::string_view what,
                       int error) {
  auto code = errc::io;
  if (error == ENOSPC || error == EDQUOT || error == EFBIG)
    code = errc::no_space;
  else if (error == ENOENT)
    code = errc::not_found;
  else if (error == ENOTDIR || error == EACCES || error == EISDIR
           || error == ELOOP || error == EROFS || error == ENAMETOOLONG
           || error == EPERM)
    code = errc::bad_path;
  return {code, "backup " + path + ": " + std::string{what} + ": "
                  + std::strerror(error)};
}

/// A descriptor that is closed at the end.
class descriptor {
public:
  explicit descriptor(int fd) noexcept : fd_{fd} {
  }

  descriptor(descriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {
  }

  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }

  ~descriptor() {
    if (fd_ >= 0)
      ::close(fd_);
  }

  [[nodiscard]] int get() const noexcept {
    return fd_;
  }

private:
  int fd_;
};

/// Repeats a call that a signal interrupted.
template <class Call>
auto uninterrupted(Call&& call) {
  for (;;) {
    auto result = call();
    if (result != -1 || errno != EINTR)
      return result;
  }
}

class directory_file final : public backup_file {
public:
  directory_file(descriptor fd, std::string path)
    : fd_{std::move(fd)}, path_{std::move(path)} {
  }

  expected<std::size_t> write_at(std::uint64_t offset,
                                 std::span<const char> bytes) override {
    auto written = uninterrupted([&] {
      return ::pwrite(fd_.get(), bytes.data(), bytes.size(),
                      static_cast<off_t>(offset));
    });
    if (written < 0)
      return medium_failure(path_, "cannot write", errno);
    if (written == 0)
      return medium_failure(path_, "cannot write", ENOSPC);
    return static_cast<std::size_t>(written);
  }

  expected<std::size_t> read_at(std::uint64_t offset,
                                std::span<char> bytes) const override {
    auto read = uninterrupted([&] {
      return ::pread(fd_.get(), bytes.data(), bytes.size(),
                     static_cast<off_t>(offset));
    });
    if (read < 0)
      return medium_failure(path_, "cannot read", errno);
    return static_cast<std::size_t>(read);
  }

  [[nodiscard]] expected<std::uint64_t> size() const override {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0)
      return medium_failure(path_, "cannot examine", errno);
    return static_cast<std::uint64_t>(info.st_size);
  }

  expected<void> truncate(std::uint64_t bytes) override {
    if (uninterrupted(
          [&] { return ::ftruncate(fd_.get(), static_cast<off_t>(bytes)); })
        != 0)
      return medium_failure(path_, "cannot shorten", errno);
    return {};
  }

  expected<void> sync() override {
    if (uninterrupted([&] { return ::fdatasync(fd_.get()); }) != 0)
      return medium_failure(path_, "cannot flush", errno);
    return {};
  }

private:
  descriptor fd_;
  std::string path_;
};

class directory final : public backup_medium {
public:
  directory(descriptor fd, std::string path)
    : fd_{std::move(fd)}, path_{std::move(path)} {
  }

  expected<std::vector<std::string>> list() override {
    // A descriptor of its own, so that reading begins at the first name.
    descriptor own{
      ::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    auto* stream = own.get() < 0 ? nullptr : ::fdopendir(::dup(own.get()));
    if (stream == nullptr)
      return medium_failure(path_, "cannot list", errno);
    std::vector<std::string> names;
    errno = 0;
    while (auto* entry = ::readdir(stream))
      names.emplace_back(entry->d_name);
    int error = errno;
    ::closedir(stream);
    if (error != 0)
      return medium_failure(path_, "cannot list", error);
    return names;
  }

  expected<std::unique_ptr<backup_file>> open(const std::string& name,
                                              bool writable) override {
    return open_with(name, writable ? O_RDWR : O_RDONLY);
  }

  expected<std::unique_ptr<backup_file>>
  create(const std::string& name) override {
    return open_with(name, O_RDWR | O_CREAT | O_TRUNC);
  }

  expected<void> rename(const std::string& from,
                        const std::string& to) override {
    if (::renameat(fd_.get(), from.c_str(), fd_.get(), to.c_str()) != 0)
      return medium_failure(path_ + "/" + from, "cannot rename", errno);
    return {};
  }

  expected<void> remove(const std::string& name) override {
    if (::unlinkat(fd_.get(), name.c_str(), 0) != 0)
      return medium_failure(path_ + "/" + name, "cannot remove", errno);
    return {};
  }

  expected<void> sync_names() override {
    if (uninterrupted([&] { return ::fsync(fd_.get()); }) != 0)
      return medium_failure(path_, "cannot flush", errno);
    return {};
  }

  expected<void> lock() override {
    std::string name{backup_format::lock_name};
    descriptor fd{open_descriptor(name, O_RDWR | O_CREAT)};
    if (fd.get() < 0)
      return medium_failure(path_ + "/" + name, "cannot open", errno);
    struct flock request {};
    request.l_type = F_WRLCK;
    request.l_whence = SEEK_SET;
    if (::fcntl(fd.get(), F_OFD_SETLK, &request) != 0)
      return failure{errc::locked,
                     "backup " + path_ + ": another process writes it"};
    lock_ = std::move(fd);
    return {};
  }

  [[nodiscard]] std::string where() const override {
    return path_;
  }

private:
  [[nodiscard]] int open_descriptor(const std::string& name,
                                    int flags) const noexcept {
    constexpr mode_t only_ours = 0600;
    return uninterrupted([&] {
      return ::openat(fd_.get(), name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW,
                      only_ours);
    });
  }

  expected<std::unique_ptr<backup_file>> open_with(const std::string& name,
                                                   int flags) {
    auto path = path_ + "/" + name;
    descriptor fd{open_descriptor(name, flags)};
    if (fd.get() < 0)
      return medium_failure(path, "cannot open", errno);
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode))
      return failure{errc::bad_path, "backup " + path + ": not a regular file"};
    return std::unique_ptr<backup_file>{
      std::make_unique<directory_file>(std::move(fd), std::move(path))};
  }

  descriptor fd_;
  descriptor lock_{-1};
  std::string path_;
};

/// Has the name of a directory that was just made on the disk.
expected<void> sync_parent(const std::string& path) {
  auto end = path.find_last_not_of('/');
  auto slash = path.rfind('/', end);
  auto parent =
    slash == std::string::npos ? std::string{"."} : path.substr(0, slash + 1);
  descriptor fd{::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (fd.get() < 0 || uninterrupted([&] { return ::fsync(fd.get()); }) != 0)
    return medium_failure(parent, "cannot flush", errno);
  return {};
}

} // namespace

expected<std::unique_ptr<backup_medium>>
open_backup_directory(const std::string& path, bool make) {
  constexpr mode_t only_ours = 0700;
  if (make) {
    if (::mkdir(path.c_str(), only_ours) == 0) {
      if (auto synced = sync_parent(path); !synced)
        return synced.error();
    } else if (errno != EEXIST) {
      return failure{errc::bad_path, "backup " + path + ": cannot make it: "
                                       + std::strerror(errno)};
    }
  }
  descriptor fd{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (fd.get() < 0)
    return failure{errc::bad_path, "backup " + path + ": cannot open it: "
                                     + std::strerror(errno)};
  return std::unique_ptr<backup_medium>{
    std::make_unique<directory>(std::move(fd), path)};
}

expected<void> write_fully(backup_file& file, std::uint64_t offset,
                           std::span<const char> bytes) {
  while (!bytes.empty()) {
    auto written = file.write_at(offset, bytes);
    if (!written)
      return written.error();
    offset += *written;
    bytes = bytes.subspan(*written);
  }
  return {};
}

expected<bool> read_fully(const backup_file& file, std::uint64_t offset,
                          std::span<char> bytes) {
  while (!bytes.empty()) {
    auto read = file.read_at(offset, bytes);
    if (!read)
      return read.error();
    if (*read == 0)
      return false;
    offset += *read;
    bytes = bytes.subspan(*read);
  }
  return true;
}

} // namespace neuroplex::memory
