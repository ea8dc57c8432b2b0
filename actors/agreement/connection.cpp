#include "actors/agreement/connection.hpp"

#include <array>
#include <cerrno>

#include <sys/socket.h>

namespace neuroplex::agreement {

namespace {

// Bytes read from one connection before others have their turn.
constexpr std::size_t most_read_bytes = std::size_t{1} << 20;

// Room at the front of a buffer that is given back at once.
constexpr std::size_t tidy_bytes = std::size_t{256} << 10;

} // namespace

bool connection::send() {
  while (has_output()) {
    auto sent = ::send(socket_.get(), output_.data() + sent_,
                       output_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR)
      continue;
    if (sent < 0)
      return (errno == EAGAIN || errno == EWOULDBLOCK)
             && output_.size() - sent_ <= max_unsent_bytes;
    sent_ += static_cast<std::size_t>(sent);
    if (sent_ >= tidy_bytes && has_output()) {
      output_.erase(0, sent_);
      sent_ = 0;
    }
  }
  output_.clear();
  sent_ = 0;
  return true;
}

bool connection::receive() {
  std::array<char, 65'536> room;
  std::size_t total = 0;
  while (total < most_read_bytes) {
    auto got = ::recv(socket_.get(), room.data(), room.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return errno == EAGAIN || errno == EWOULDBLOCK;
    if (got == 0)
      return false;
    input_.append(room.data(), static_cast<std::size_t>(got));
    total += static_cast<std::size_t>(got);
    // Less than asked for: there is no more at present.
    if (static_cast<std::size_t>(got) < room.size())
      return true;
  }
  return true;
}

expected<raft::slice> connection::next_frame() {
  auto rest = std::string_view{input_}.substr(taken_);
  auto length = frame_bytes(rest);
  if (!length)
    return length.error();
  if (!*length || **length > rest.size()) {
    input_.erase(0, taken_);
    taken_ = 0;
    return raft::slice{};
  }
  taken_ += **length;
  return raft::slice::copy_of(rest.substr(0, **length));
}

} // namespace neuroplex::agreement
