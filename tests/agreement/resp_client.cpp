#include "tests/agreement/resp_client.hpp"

#include <array>
#include <cstdlib>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace neuroplex::tests {

namespace {

// A node answers within its request time; this is for one that is gone.
constexpr time_t patience_s = 5;

} // namespace

resp_client::~resp_client() {
  disconnect();
}

void resp_client::disconnect() noexcept {
  if (socket_ >= 0)
    ::close(socket_);
  socket_ = -1;
  input_.clear();
}

bool resp_client::connect() {
  if (socket_ >= 0)
    return true;
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port_);
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{patience_s, 0};
  const int yes = 1;
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&where),
                sizeof(where))
      == 0)
    return true;
  disconnect();
  return false;
}

bool resp_client::read_more() {
  std::array<char, 4'096> room;
  auto got = ::recv(socket_, room.data(), room.size(), 0);
  if (got <= 0)
    return false;
  input_.append(room.data(), static_cast<std::size_t>(got));
  return true;
}

bool resp_client::read_line(std::string& line) {
  for (;;) {
    if (auto end = input_.find("\r\n"); end != std::string::npos) {
      line = input_.substr(0, end);
      input_.erase(0, end + 2);
      return true;
    }
    if (!read_more())
      return false;
  }
}

resp_client::answer resp_client::ask(const std::vector<std::string>& words,
                                     std::string& text) {
  text.clear();
  if (!connect())
    return answer::refused; // it never left
  auto command = "*" + std::to_string(words.size()) + "\r\n";
  for (const auto& word : words)
    command += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  auto lost = [this] {
    disconnect();
    return answer::unknown;
  };
  if (::send(socket_, command.data(), command.size(), MSG_NOSIGNAL)
      != static_cast<ssize_t>(command.size()))
    return lost();
  std::string line;
  if (!read_line(line) || line.empty())
    return lost();
  text = line.substr(1);
  if (line[0] == '-')
    return text.starts_with("UNKNOWN") ? answer::unknown : answer::refused;
  if (line[0] != '$')
    return answer::value;
  auto length = std::strtoll(text.c_str(), nullptr, 10);
  if (length < 0)
    return answer::nothing;
  while (input_.size() < static_cast<std::size_t>(length) + 2)
    if (!read_more())
      return lost();
  text = input_.substr(0, static_cast<std::size_t>(length));
  input_.erase(0, static_cast<std::size_t>(length) + 2);
  return answer::value;
}

} // namespace neuroplex::tests
