// Reading secrets, which live in files of their own.
#include "config/node_options.hpp"

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

} // namespace

expected<std::string> read_secret(const std::string& path) {
  // O_NONBLOCK: a FIFO must not hold us before we have seen that it is one.
  owned_descriptor file{
    ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)};
  if (file.fd < 0)
    return failure{errc::bad_path, path + ": " + std::strerror(errno)
                                     + ": expected a readable secret file"};
  struct stat status {};
  if (::fstat(file.fd, &status) != 0)
    return failure{errc::io, path + ": " + std::strerror(errno)};
  if (!S_ISREG(status.st_mode))
    return failure{errc::bad_path,
                   path + ": not a regular file: expected a secret file"};
  if ((status.st_mode & 077) != 0 || status.st_uid != ::geteuid())
    return failure{errc::denied, path
                                   + ": readable by others: expected mode 0600 "
                                     "and ourselves as owner (chmod 600)"};
  std::string text(max_secret_bytes + 1, '\0');
  std::size_t filled = 0;
  while (filled < text.size()) {
    auto count = ::read(file.fd, text.data() + filled, text.size() - filled);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return failure{errc::io, path + ": " + std::strerror(errno)};
    if (count == 0)
      break;
    filled += static_cast<std::size_t>(count);
  }
  text.resize(filled);
  if (!text.empty() && text.back() == '\n')
    text.pop_back();
  if (!text.empty() && text.back() == '\r')
    text.pop_back();
  if (text.empty() || text.size() > max_secret_bytes)
    return failure{errc::config, path + ": "
                                   + (text.empty() ? "empty" : "too long")
                                   + ": expected a secret of 1 to 4096 bytes"};
  return text;
}

} // namespace neuroplex::config
