#include "cli/cluster/scratch_directory.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace neuroplex::cli {

namespace {

constexpr const char* shared_memory_directory = "/dev/shm";
constexpr mode_t lock_mode = 0600;

std::string lock_path_in(const std::string& directory) {
  return directory + "/lock";
}

// The lock file's descriptor with the lock held, or -1.
int take_lock(const std::string& path, int flags) {
  int descriptor =
    ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, lock_mode);
  if (descriptor >= 0 && ::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    ::close(descriptor);
    return -1;
  }
  return descriptor;
}

bool is_our_directory(const std::string& path) {
  struct stat facts {};
  return ::lstat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode)
         && facts.st_uid == ::geteuid();
}

bool has_space(const std::string& directory, std::uint64_t bytes) {
  struct statvfs facts {};
  return ::access(directory.c_str(), W_OK | X_OK) == 0
         && ::statvfs(directory.c_str(), &facts) == 0
         && static_cast<std::uint64_t>(facts.f_bavail) * facts.f_frsize
              >= bytes;
}

} // namespace

expected<scratch_directory> scratch_directory::make(const std::string& parent,
                                                    const std::string& prefix) {
  auto path = parent + '/' + prefix + "XXXXXX";
  if (::mkdtemp(path.data()) == nullptr)
    return failure{errc::bad_path,
                   path + ": cannot be made: " + std::strerror(errno)};
  // Held before it has its name: who looks for what was left behind finds no
  // lock or one that is taken.
  const auto unnamed = lock_path_in(path) + ".new";
  const int lock = take_lock(unnamed, O_CREAT | O_EXCL);
  if (lock < 0
      || std::rename(unnamed.c_str(), lock_path_in(path).c_str()) != 0) {
    auto reason = std::string{std::strerror(errno)};
    if (lock >= 0)
      ::close(lock);
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
    return failure{errc::bad_path, path + ": cannot be locked: " + reason};
  }
  return scratch_directory{std::move(path), lock};
}

scratch_directory::scratch_directory(scratch_directory&& other) noexcept
  : path_{std::move(other.path_)}, lock_{std::exchange(other.lock_, -1)},
    kept_{other.kept_} {
}

scratch_directory&
scratch_directory::operator=(scratch_directory&& other) noexcept {
  if (this != &other) {
    remove();
    path_ = std::move(other.path_);
    lock_ = std::exchange(other.lock_, -1);
    kept_ = other.kept_;
  }
  return *this;
}

scratch_directory::~scratch_directory() {
  remove();
}

void scratch_directory::remove() noexcept {
  if (lock_ < 0)
    return;
  if (!kept_) {
    std::error_code ignored; // nothing can be done about it here
    std::filesystem::remove_all(path_, ignored);
  }
  ::close(std::exchange(lock_, -1));
}

std::size_t remove_left_behind(const std::string& parent,
                               const std::string& prefix) {
  std::size_t removed = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator entry{parent, error}, end;
       !error && entry != end; entry.increment(error)) {
    auto path = entry->path().string();
    if (!entry->path().filename().string().starts_with(prefix)
        || !is_our_directory(path))
      continue;
    int lock = take_lock(lock_path_in(path), 0);
    if (lock < 0)
      continue;
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
    ::close(lock);
    ++removed;
  }
  return removed;
}

expected<std::string> parent_with_space(std::uint64_t bytes) {
  std::string shared_memory{shared_memory_directory};
  if (has_space(shared_memory, bytes))
    return shared_memory;
  std::error_code error;
  auto temporary = std::filesystem::temp_directory_path(error).string();
  if (!error && has_space(temporary, bytes))
    return temporary;
  return failure{errc::no_space,
                 "neither " + shared_memory + " nor "
                   + (error ? "a temporary directory" : temporary) + " has "
                   + std::to_string(bytes >> 20)
                   + " MiB free: enlarge /dev/shm, or set "
                     "TMPDIR to a directory with room"};
}

} // namespace neuroplex::cli
