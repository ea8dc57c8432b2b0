// A Redis client that knows what it does not know.
//
// Purpose: one connection, one command at a time, for tests that write down
// what they were told.
//
// Threads: one at a time.
//
// Failure behaviour: a connection that ends or is silent leaves the outcome of
// the command unknown; the next one connects anew.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace neuroplex::tests {

class resp_client {
public:
  enum class answer : std::uint8_t {
    value,   ///< `text` holds it
    nothing, ///< there is no value
    refused, ///< not done; `text` says why
    unknown, ///< perhaps done
  };

  explicit resp_client(std::uint16_t port) : port_{port} {
  }

  ~resp_client();
  resp_client(const resp_client&) = delete;
  resp_client& operator=(const resp_client&) = delete;

  /// Has a command executed.
  answer ask(const std::vector<std::string>& words, std::string& text);

private:
  bool connect();
  void disconnect() noexcept;
  bool read_line(std::string& line);
  bool read_more();

  std::uint16_t port_;
  int socket_ = -1;
  std::string input_;
};

} // namespace neuroplex::tests
