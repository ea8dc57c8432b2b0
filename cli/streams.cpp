#include "cli/streams.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <unistd.h>

namespace neuroplex::cli {

void guard_standard_streams() {
  for (auto fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) != -1 || errno != EBADF)
      continue;
    // The lowest free number is `fd`, as the lower ones are open by now. The
    // wrong direction makes use of the stream fail.
    auto flags = fd == STDIN_FILENO ? O_RDONLY : O_RDONLY | O_CLOEXEC;
    if (::open("/dev/null", flags) != fd)
      ::_exit(6);
  }
}

expected<void> finish_output(std::ostream& out) {
  errno = 0;
  out.flush();
  if (out)
    return {};
  auto reason = errno != 0 ? std::strerror(errno) : "write failed";
  return failure{errc::io, std::string{"standard output: "} + reason
                             + ": expected room for the whole result"};
}

expected<std::string> read_standard_input(std::size_t max_bytes) {
  std::string text;
  char buffer[65'536];
  for (;;) {
    auto count = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return failure{errc::io, std::string{"standard input: "}
                                 + std::strerror(errno)
                                 + ": expected a readable stream"};
    if (count == 0)
      return text;
    if (text.size() + static_cast<std::size_t>(count) > max_bytes)
      return failure{errc::value_size,
                     "standard input: over the limit: expected at most "
                       + std::to_string(max_bytes) + " bytes"};
    text.append(buffer, static_cast<std::size_t>(count));
  }
}

} // namespace neuroplex::cli
