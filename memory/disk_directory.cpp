#include "memory/disk_directory.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace neuroplex::memory {

namespace {

constexpr std::string_view lock_name = "lock";

/// `where` is what it is and its path, as a message names it.
failure disk_failure(const std::string& where, std::string_view what,
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
  return {code, where + ": " + std::string{what} + ": " + std::strerror(error)};
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

class directory_file final : public disk_file {
public:
  /// `where` is its kind and path, for messages.
  directory_file(descriptor fd, std::string where)
    : fd_{std::move(fd)}, where_{std::move(where)} {
  }

  expected<std::size_t> write_at(std::uint64_t offset,
                                 std::span<const char> bytes) override {
    auto written = uninterrupted([&] {
      return ::pwrite(fd_.get(), bytes.data(), bytes.size(),
                      static_cast<off_t>(offset));
    });
    if (written < 0)
      return disk_failure(where_, "cannot write", errno);
    if (written == 0)
      return disk_failure(where_, "cannot write", ENOSPC);
    return static_cast<std::size_t>(written);
  }

  expected<std::size_t> read_at(std::uint64_t offset,
                                std::span<char> bytes) const override {
    auto read = uninterrupted([&] {
      return ::pread(fd_.get(), bytes.data(), bytes.size(),
                     static_cast<off_t>(offset));
    });
    if (read < 0)
      return disk_failure(where_, "cannot read", errno);
    return static_cast<std::size_t>(read);
  }

  [[nodiscard]] expected<std::uint64_t> size() const override {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0)
      return disk_failure(where_, "cannot examine", errno);
    return static_cast<std::uint64_t>(info.st_size);
  }

  expected<void> truncate(std::uint64_t bytes) override {
    if (uninterrupted(
          [&] { return ::ftruncate(fd_.get(), static_cast<off_t>(bytes)); })
        != 0)
      return disk_failure(where_, "cannot shorten", errno);
    return {};
  }

  expected<void> sync() override {
    if (uninterrupted([&] { return ::fdatasync(fd_.get()); }) != 0)
      return disk_failure(where_, "cannot flush", errno);
    return {};
  }

private:
  descriptor fd_;
  std::string where_;
};

class directory final : public disk_directory {
public:
  directory(descriptor fd, std::string path, std::string_view kind)
    : fd_{std::move(fd)}, path_{std::move(path)}, named_{std::string{kind} + " "
                                                         + path_} {
  }

  expected<std::vector<std::string>> list() override {
    // A descriptor of its own, so that reading begins at the first name.
    descriptor own{
      ::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    auto* stream = own.get() < 0 ? nullptr : ::fdopendir(::dup(own.get()));
    if (stream == nullptr)
      return disk_failure(named_, "cannot list", errno);
    std::vector<std::string> names;
    errno = 0;
    while (auto* entry = ::readdir(stream))
      names.emplace_back(entry->d_name);
    int error = errno;
    ::closedir(stream);
    if (error != 0)
      return disk_failure(named_, "cannot list", error);
    return names;
  }

  expected<std::unique_ptr<disk_file>> open(const std::string& name,
                                            bool writable) override {
    return open_with(name, writable ? O_RDWR : O_RDONLY);
  }

  expected<std::unique_ptr<disk_file>>
  create(const std::string& name) override {
    return open_with(name, O_RDWR | O_CREAT | O_TRUNC);
  }

  expected<void> rename(const std::string& from,
                        const std::string& to) override {
    if (::renameat(fd_.get(), from.c_str(), fd_.get(), to.c_str()) != 0)
      return disk_failure(named_ + "/" + from, "cannot rename", errno);
    return {};
  }

  expected<void> remove(const std::string& name) override {
    if (::unlinkat(fd_.get(), name.c_str(), 0) != 0)
      return disk_failure(named_ + "/" + name, "cannot remove", errno);
    return {};
  }

  expected<void> sync_names() override {
    if (uninterrupted([&] { return ::fsync(fd_.get()); }) != 0)
      return disk_failure(named_, "cannot flush", errno);
    return {};
  }

  expected<void> lock() override {
    std::string name{lock_name};
    descriptor fd{open_descriptor(name, O_RDWR | O_CREAT)};
    if (fd.get() < 0)
      return disk_failure(named_ + "/" + name, "cannot open", errno);
    struct flock request {};
    request.l_type = F_WRLCK;
    request.l_whence = SEEK_SET;
    if (::fcntl(fd.get(), F_OFD_SETLK, &request) != 0)
      return failure{errc::locked, named_ + ": another process writes it"};
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

  expected<std::unique_ptr<disk_file>> open_with(const std::string& name,
                                                 int flags) {
    auto where = named_ + "/" + name;
    descriptor fd{open_descriptor(name, flags)};
    if (fd.get() < 0)
      return disk_failure(where, "cannot open", errno);
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode))
      return failure{errc::bad_path, where + ": not a regular file"};
    return std::unique_ptr<disk_file>{
      std::make_unique<directory_file>(std::move(fd), std::move(where))};
  }

  descriptor fd_;
  descriptor lock_{-1};
  std::string path_;
  std::string named_; ///< its kind and path, for messages
};

/// Has the name of a directory that was just made on the disk.
expected<void> sync_parent(const std::string& path, std::string_view kind) {
  auto end = path.find_last_not_of('/');
  auto slash = path.rfind('/', end);
  auto parent =
    slash == std::string::npos ? std::string{"."} : path.substr(0, slash + 1);
  descriptor fd{::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (fd.get() < 0 || uninterrupted([&] { return ::fsync(fd.get()); }) != 0)
    return disk_failure(std::string{kind} + " " + parent, "cannot flush",
                        errno);
  return {};
}

} // namespace

expected<std::unique_ptr<disk_directory>>
open_disk_directory(const std::string& path, bool make, std::string_view kind) {
  auto named = std::string{kind} + " " + path;
  constexpr mode_t only_ours = 0700;
  if (make) {
    if (::mkdir(path.c_str(), only_ours) == 0) {
      if (auto synced = sync_parent(path, kind); !synced)
        return synced.error();
    } else if (errno != EEXIST) {
      return failure{errc::bad_path,
                     named + ": cannot make it: " + std::strerror(errno)};
    }
  }
  descriptor fd{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (fd.get() < 0)
    return failure{errc::bad_path,
                   named + ": cannot open it: " + std::strerror(errno)};
  return std::unique_ptr<disk_directory>{
    std::make_unique<directory>(std::move(fd), path, kind)};
}

expected<void> write_fully(disk_file& file, std::uint64_t offset,
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

expected<void> replace_file(disk_directory& where, const std::string& name,
                            std::string_view bytes) {
  const auto unfinished = name + ".unfinished";
  auto file = where.create(unfinished);
  if (!file) {
    return file.error();
  }
  if (auto done = write_fully(**file, 0, bytes); !done) {
    return done;
  }
  if (auto done = (*file)->sync(); !done) {
    return done;
  }
  if (auto done = where.rename(unfinished, name); !done) {
    return done;
  }
  return where.sync_names();
}

expected<bool> read_fully(const disk_file& file, std::uint64_t offset,
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
