#include "memory/mapping.hpp"

#include "memory/geometry.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <fstream>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

namespace neuroplex::memory {

namespace {

// Locks lie beyond any file's end, so they never meet its bytes.
constexpr off_t lock_base = off_t{1} << 62;

// Bytes of huge pages that are asked for in one call, and how many threads ask.
constexpr std::uint64_t collapse_step = std::uint64_t{64} << 20;
constexpr std::uint64_t most_collapse_threads = 8;

failure mapping_failure(const std::string& path, std::string_view what,
                        int error) {
  auto code = errc::io;
  if (error == ENOSPC || error == EDQUOT || error == ENOMEM)
    code = errc::no_space;
  else if (error == ENOENT || error == ENOTDIR || error == EACCES
           || error == EISDIR || error == ELOOP || error == EROFS
           || error == ENAMETOOLONG || error == ENXIO || error == EPERM)
    code = errc::bad_path;
  else if (error == EEXIST)
    code = errc::exists;
  return {code, "segment " + path + ": " + std::string{what} + ": "
                  + std::strerror(error)};
}

struct flock lock_request(short type, std::uint32_t number) {
  struct flock request {};
  request.l_type = type;
  request.l_whence = SEEK_SET;
  request.l_start = lock_base + static_cast<off_t>(number);
  request.l_len = 1;
  return request;
}

// Closes a descriptor unless told that another owns it now, and removes the
// temporary name, if the file had to have one.
class file_guard {
public:
  file_guard(int fd, std::string temporary)
    : fd_{fd}, temporary_{std::move(temporary)} {
  }

  file_guard(const file_guard&) = delete;
  file_guard& operator=(const file_guard&) = delete;

  ~file_guard() {
    if (fd_ >= 0)
      ::close(fd_);
    if (!temporary_.empty())
      ::unlink(temporary_.c_str());
  }

  void keep_descriptor() {
    fd_ = -1;
  }

private:
  int fd_;
  std::string temporary_;
};

int commit_range(int fd, std::uint64_t offset, std::uint64_t bytes) {
  int error = 0;
  do {
    error = ::posix_fallocate(fd, static_cast<off_t>(offset),
                              static_cast<off_t>(bytes));
  } while (error == EINTR);
  return error;
}

} // namespace

bool on_network_file_system(int fd) noexcept {
  struct statfs info {};
  if (::fstatfs(fd, &info) != 0)
    return false;
  constexpr std::uint32_t cifs_magic = 0xFF534D42U;
  constexpr std::uint32_t smb2_magic = 0xFE534D42U;
  auto type = static_cast<std::uint32_t>(info.f_type);
  return type == NFS_SUPER_MAGIC || type == SMB_SUPER_MAGIC
         || type == cifs_magic || type == smb2_magic || type == CODA_SUPER_MAGIC
         || type == AFS_SUPER_MAGIC || type == V9FS_MAGIC;
}

expected<mapping>
mapping::create(const std::string& path, const layout::header& header,
                std::uint64_t prefix_bytes, std::uint64_t pool_offset,
                std::uint64_t pool_bytes, const segment_options& options,
                void (*initialise)(std::byte* base, const layout::header&)) {
  struct stat present {};
  if (::lstat(path.c_str(), &present) == 0)
    return failure{errc::exists,
                   "segment " + path
                     + ": there is a file already; open it, or remove it"};
  // A file without a name goes with its maker, should he die on the way; not
  // every file system has that.
  auto slash = path.rfind('/');
  auto folder =
    slash == std::string::npos ? std::string{"."} : path.substr(0, slash + 1);
  constexpr int flags = O_RDWR | O_CLOEXEC;
  constexpr mode_t only_ours = 0600;
  std::string temporary;
  int fd = ::open(folder.c_str(), O_TMPFILE | flags, only_ours);
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
    temporary = path + ".new." + std::to_string(header.creation_id);
    fd = ::open(temporary.c_str(), O_CREAT | O_EXCL | O_NOFOLLOW | flags,
                only_ours);
  }
  if (fd < 0)
    return mapping_failure(path, "cannot create", errno);
  file_guard guard{fd, std::move(temporary)};
  if (on_network_file_system(fd))
    return failure{errc::segment_mode,
                   "segment " + path
                     + ": on a network file system; use a local"
                       " one, /dev/shm for memory"};
  if (::ftruncate(fd, static_cast<off_t>(header.file_bytes)) != 0)
    return mapping_failure(path, "cannot set its length", errno);
  mapping result;
  result.fd_ = fd;
  guard.keep_descriptor();
  result.bytes_ = header.file_bytes;
  if (auto mapped = result.map(path, access_mode::read_write); !mapped)
    return mapped.error();
  // Before there is a page: those that are there stay where they are.
  result.placement_ =
    place_memory(result.base_, result.bytes_, fd, options.numa);
  if (options.huge_pages) {
    result.prefer_huge_pages(0, prefix_bytes);
    result.prefer_huge_pages(pool_offset, pool_bytes);
  }
  if (int error = commit_range(fd, 0, prefix_bytes); error != 0)
    return mapping_failure(path, "cannot reserve memory for its index", error);
  if (int error = commit_range(fd, pool_offset, pool_bytes); error != 0)
    return mapping_failure(path, "cannot reserve memory for its pool", error);
  initialise(result.base_, header);
  // Given by link(), so a name that another process took meanwhile stays its.
  auto nameless = "/proc/self/fd/" + std::to_string(fd);
  if (::linkat(AT_FDCWD, nameless.c_str(), AT_FDCWD, path.c_str(),
               AT_SYMLINK_FOLLOW)
      != 0)
    return mapping_failure(path, "cannot give the new file its name", errno);
  return result;
}

expected<mapping> mapping::open(const std::string& path, access_mode mode,
                                layout::header& header,
                                const numa_options& numa) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0)
    return mapping_failure(path, "cannot open", errno);
  if (!S_ISREG(info.st_mode))
    return failure{errc::bad_path, "segment " + path + ": not a regular file"};
  int flags = mode == access_mode::read_only ? O_RDONLY : O_RDWR;
  int fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return mapping_failure(path, "cannot open", errno);
  mapping result;
  result.fd_ = fd;
  if (::fstat(fd, &info) != 0)
    return mapping_failure(path, "cannot examine", errno);
  if (!S_ISREG(info.st_mode))
    return failure{errc::bad_path, "segment " + path + ": not a regular file"};
  if (info.st_uid != ::geteuid())
    return failure{errc::segment_mode,
                   "segment " + path + ": belongs to another user"};
  if ((info.st_mode & 0077U) != 0)
    return failure{errc::segment_mode,
                   "segment " + path
                     + ": others may access it; run chmod 600 on it"};
  if (on_network_file_system(fd))
    return failure{errc::segment_mode,
                   "segment " + path + ": on a network file system"};
  auto length = static_cast<std::uint64_t>(info.st_size);
  constexpr std::uint64_t file_page = 4096;
  if (length < limits::min_segment_bytes / 2 || length % file_page != 0)
    return failure{errc::segment_size, "segment " + path + ": a length of "
                                         + std::to_string(length)
                                         + " bytes, which no segment has"};
  if (::pread(fd, &header, sizeof header, 0)
      != static_cast<ssize_t>(sizeof header))
    return mapping_failure(path, "cannot read its header", errno);
  auto shape = read_geometry(header, length, path);
  if (!shape)
    return shape.error();
  result.bytes_ = length;
  if (auto mapped = result.map(path, mode); !mapped)
    return mapped.error();
  result.placement_ = place_memory(result.base_, result.bytes_, fd, numa);
  return result;
}

// Maps at an address with the file offset's place in a huge page, so that huge
// pages of the file can be mapped as such.
expected<void> mapping::map(const std::string& path, access_mode mode) {
  auto span = bytes_ + huge_page;
  void* reserved = ::mmap(nullptr, span, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED)
    return mapping_failure(path, "cannot reserve addresses", errno);
  auto start = reinterpret_cast<std::uintptr_t>(reserved);
  auto aligned = (start + huge_page - 1) & ~(huge_page - 1);
  int protection =
    mode == access_mode::read_only ? PROT_READ : PROT_READ | PROT_WRITE;
  void* mapped = ::mmap(reinterpret_cast<void*>(aligned), bytes_, protection,
                        MAP_SHARED | MAP_FIXED, fd_, 0);
  if (mapped == MAP_FAILED) {
    int error = errno;
    ::munmap(reserved, span);
    return mapping_failure(path, "cannot map", error);
  }
  if (aligned > start)
    ::munmap(reserved, aligned - start);
  constexpr std::uint64_t file_page = 4096;
  auto end = aligned + (bytes_ + file_page - 1) / file_page * file_page;
  if (end < start + span)
    ::munmap(reinterpret_cast<void*>(end), start + span - end);
  base_ = static_cast<std::byte*>(mapped);
  ::madvise(base_, bytes_, MADV_HUGEPAGE);
  watched_ = {base_, bytes_, fd_, path};
  return {};
}

mapping::mapping(mapping&& other) noexcept
  : base_{std::exchange(other.base_, nullptr)},
    bytes_{std::exchange(other.bytes_, 0)}, fd_{std::exchange(other.fd_, -1)},
    placement_{std::move(other.placement_)}, watched_{
                                               std::move(other.watched_)} {
}

mapping& mapping::operator=(mapping&& other) noexcept {
  std::swap(base_, other.base_);
  std::swap(bytes_, other.bytes_);
  std::swap(fd_, other.fd_);
  std::swap(placement_, other.placement_);
  std::swap(watched_, other.watched_);
  return *this;
}

mapping::~mapping() {
  watched_ = {};
  if (base_ != nullptr)
    ::munmap(base_, bytes_);
  if (fd_ >= 0)
    ::close(fd_);
}

errc mapping::commit(std::uint64_t offset, std::uint64_t bytes) const {
  if (bytes == 0)
    return errc::ok;
  int error = commit_range(fd_, offset, bytes);
  if (error == 0)
    return errc::ok;
  return error == ENOSPC || error == ENOMEM || error == EDQUOT ? errc::no_space
                                                               : errc::io;
}

// The kernel puts a huge page in the place of small ones, of which there has to
// be one, and clears the rest of it. Over a range that is filled with small
// pages it would clear, copy and free each of them: seven times the work.
void mapping::prefer_huge_pages(std::uint64_t offset,
                                std::uint64_t bytes) const noexcept {
  constexpr std::uint64_t file_page = 4096;
  if (!lies_in_memory(fd_))
    return; // files on disks have none; a page here and there would scatter
            // them
  auto begin = offset / huge_page * huge_page;
  auto end = (offset + bytes) / huge_page * huge_page;
  for (auto at = begin; at < end; at += huge_page)
    if (commit_range(fd_, at, file_page) != 0)
      return; // no room, as `commit` will find
  // Clearing is all the work, so that threads share it.
  std::atomic<std::uint64_t> next{begin};
  auto work = [&] {
    for (;;) {
      auto at = next.fetch_add(collapse_step, std::memory_order_relaxed);
      if (at >= end || !collapse(at, std::min(at + collapse_step, end)))
        return;
    }
  };
  std::vector<std::thread> helpers;
  auto wanted = begin < end ? (end - begin) / collapse_step : 0;
  auto most = std::min<std::uint64_t>(
    {wanted, std::thread::hardware_concurrency(), most_collapse_threads});
  try {
    for (std::uint64_t i = 1; i < most; ++i)
      helpers.emplace_back(work);
  } catch (const std::system_error&) {
    // Those that there are do it, or we alone.
  }
  work();
  for (auto& each : helpers)
    each.join();
}

// Every call waits for all processors, so there are few; but one ends at the
// first page that cannot be had, and then the others are asked for one by one.
bool mapping::collapse(std::uint64_t begin, std::uint64_t end) const noexcept {
  if (::madvise(base_ + begin, end - begin, MADV_COLLAPSE) == 0)
    return true;
  for (auto at = begin; at < end; at += huge_page)
    if (::madvise(base_ + at, huge_page, MADV_COLLAPSE) != 0 && errno == EINVAL)
      return false; // this kernel has no huge pages for files
  return true;
}

std::uint64_t mapping::huge_page_bytes() const {
  std::ifstream maps{"/proc/self/smaps"};
  std::string line;
  bool ours = false;
  std::uint64_t kibibytes = 0;
  auto begin = reinterpret_cast<std::uintptr_t>(base_);
  while (std::getline(maps, line)) {
    auto dash = line.find('-');
    std::uintptr_t start = 0;
    if (dash != std::string::npos && dash < 17
        && std::from_chars(line.data(), line.data() + dash, start, 16).ptr
             == line.data() + dash) {
      ours = start >= begin && start < begin + bytes_;
      continue;
    }
    if (ours
        && (line.starts_with("ShmemPmdMapped:")
            || line.starts_with("FilePmdMapped:"))) {
      auto digits = line.find_first_of("0123456789");
      std::uint64_t value = 0;
      if (digits != std::string::npos)
        std::from_chars(line.data() + digits, line.data() + line.size(), value);
      kibibytes += value;
    }
  }
  return kibibytes * 1024;
}

bool mapping::try_lock(std::uint32_t number) const noexcept {
  auto request = lock_request(F_WRLCK, number);
  return ::fcntl(fd_, F_OFD_SETLK, &request) == 0;
}

bool mapping::lock(std::uint32_t number, int timeout_ms) const noexcept {
  using clock = std::chrono::steady_clock;
  auto deadline = clock::now() + std::chrono::milliseconds{timeout_ms};
  // Polling keeps the wait bounded; the blocking call has no timeout.
  while (!try_lock(number)) {
    if (clock::now() >= deadline)
      return false;
    std::this_thread::sleep_for(std::chrono::microseconds{200});
  }
  return true;
}

void mapping::unlock(std::uint32_t number) const noexcept {
  auto request = lock_request(F_UNLCK, number);
  ::fcntl(fd_, F_OFD_SETLK, &request);
}

bool mapping::is_locked_elsewhere(std::uint32_t number) const noexcept {
  auto request = lock_request(F_WRLCK, number);
  return ::fcntl(fd_, F_OFD_GETLK, &request) == 0 && request.l_type != F_UNLCK;
}

void mapping::close_after_fork() noexcept {
  if (fd_ >= 0)
    ::close(fd_);
  fd_ = -1;
}

} // namespace neuroplex::memory
