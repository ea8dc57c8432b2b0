#include "config/file.hpp"

#include "config/diagnostic.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace neuroplex::config {

namespace {

struct owned_descriptor {
  int fd;

  explicit owned_descriptor(int number) : fd{number} {
  }

  owned_descriptor(const owned_descriptor&) = delete;
  owned_descriptor& operator=(const owned_descriptor&) = delete;

  ~owned_descriptor() {
    if (fd >= 0)
      ::close(fd);
  }
};

failure path_failure(errc code, const std::string& path,
                     const std::string& what, const std::string& expected) {
  return {code, quote(path, 256) + ": " + what + ": expected " + expected};
}

failure errno_failure(errc code, const std::string& path,
                      const std::string& expected) {
  return path_failure(code, path, std::strerror(errno), expected);
}

} // namespace

expected<std::string> read_file(const std::string& path,
                                const file_rules& rules) {
  // O_NONBLOCK: a FIFO must not hold us before we have seen that it is one.
  owned_descriptor file{
    ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)};
  if (file.fd < 0)
    return errno_failure(errc::bad_path, path, "a readable file");
  struct stat status {};
  if (::fstat(file.fd, &status) != 0)
    return errno_failure(errc::io, path, "a readable file");
  if (!S_ISREG(status.st_mode))
    return path_failure(errc::bad_path, path,
                        S_ISDIR(status.st_mode) ? "a directory"
                                                : "not a regular file",
                        "a regular file");
  if (rules.is_private
      && ((status.st_mode & 077) != 0 || status.st_uid != ::geteuid()))
    return path_failure(errc::denied, path, "others can read or change it",
                        "mode 0600 and ourselves as owner (chmod 600)");
  std::string text;
  char buffer[16'384];
  for (;;) {
    auto count = ::read(file.fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return errno_failure(errc::io, path, "a readable file");
    if (count == 0)
      return text;
    if (text.size() + static_cast<std::size_t>(count) > rules.max_bytes)
      return path_failure(errc::value_size, path,
                          "longer than " + std::to_string(rules.max_bytes)
                            + " bytes",
                          "a shorter file");
    text.append(buffer, static_cast<std::size_t>(count));
  }
}

} // namespace neuroplex::config
