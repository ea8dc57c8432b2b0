// Closed-loop clients of a server that agrees, over TCP: each has a connection
// and asks again when it was answered.
//
//   bench_agreement_load neuroplex|etcd put|get PORT CLIENTS SECONDS
//
// Redis' protocol to Neuroplex, gRPC (HTTP/2 without TLS) to etcd. Keys of 16
// bytes, 100,000 of them, drawn at random; values of 100 bytes. One line: the
// operations a second and the latencies, as JSON.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

constexpr std::size_t value_bytes = 100;
constexpr std::uint64_t key_count = 100'000;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "bench_agreement_load: %s\n", what.c_str());
  std::exit(1);
}

double seconds_now() {
  return std::chrono::duration<double>(
           std::chrono::steady_clock::now().time_since_epoch())
    .count();
}

// How one client speaks, and how it knows that it was answered.
class protocol {
public:
  virtual ~protocol() = default;

  virtual std::string greeting() = 0;
  virtual std::string request(std::string_view key, std::string_view value) = 0;

  // Takes what can be taken from `input`; puts what must be sent at once into
  // `output`. True when the request was answered.
  virtual bool take(std::string& input, std::string& output) = 0;
};

class redis_protocol final : public protocol {
public:
  explicit redis_protocol(bool reads) : reads_{reads} {
  }

  std::string greeting() override {
    return {};
  }

  std::string request(std::string_view key, std::string_view value) override {
    auto bulk = [](std::string_view text) {
      return "$" + std::to_string(text.size()) + "\r\n" + std::string{text}
             + "\r\n";
    };
    return reads_ ? "*2\r\n" + bulk("GET") + bulk(key)
                  : "*3\r\n" + bulk("SET") + bulk(key) + bulk(value);
  }

  bool take(std::string& input, std::string& /*output*/) override {
    auto end = input.find("\r\n");
    if (end == std::string::npos)
      return false;
    if (input[0] == '-')
      fail("refused: " + input.substr(0, end));
    end += 2;
    if (input[0] == '$' && input[1] != '-')
      end += std::strtoull(input.c_str() + 1, nullptr, 10) + 2;
    if (input.size() < end)
      return false;
    input.erase(0, end);
    return true;
  }

private:
  bool reads_;
};

// As much of HTTP/2 (RFC 9113) and gRPC as unary calls need.
class grpc_protocol final : public protocol {
public:
  explicit grpc_protocol(bool reads) : reads_{reads} {
  }

  std::string greeting() override {
    std::string bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    append(bytes, type_settings, 0, 0, {});
    return bytes;
  }

  std::string request(std::string_view key, std::string_view value) override {
    stream_ += 2;
    answered_ = false;
    auto path = std::string{"/etcdserverpb.KV/"} + (reads_ ? "Range" : "Put");
    // Header fields by the static table of RFC 7541, none of them kept.
    std::string headers = "\x83\x86";
    headers += '\x04' + text(path);
    headers += '\x01' + text("localhost");
    headers += std::string{"\x0f\x10"} + text("application/grpc");
    headers += std::string(1, '\0') + text("te") + text("trailers");
    std::string message = '\x0a' + text(key);
    if (!reads_)
      message += '\x12' + text(value);
    std::string data(1, '\0');
    for (int shift = 24; shift >= 0; shift -= 8)
      data += static_cast<char>(message.size() >> shift);
    data += message;
    std::string bytes;
    append(bytes, type_headers, flag_end_headers, stream_, headers);
    append(bytes, type_data, flag_end_stream, stream_, data);
    return bytes;
  }

  bool take(std::string& input, std::string& output) override {
    auto done = false;
    while (input.size() >= head_bytes && !done) {
      auto byte = [&](std::size_t i) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(input[i]));
      };
      auto length = byte(0) << 16 | byte(1) << 8 | byte(2);
      if (input.size() < head_bytes + length)
        return false;
      auto type = byte(3);
      auto flags = byte(4);
      if (type == type_data) {
        answered_ = answered_ || length > 0;
        unacknowledged_ += length;
      } else if (type == type_settings && (flags & flag_ack) == 0) {
        append(output, type_settings, flag_ack, 0, {});
      } else if (type == type_ping && (flags & flag_ack) == 0) {
        append(output, type_ping, flag_ack, 0,
               std::string_view{input}.substr(head_bytes, length));
      } else if (type == type_goaway || type == type_reset) {
        fail("etcd closed the stream");
      }
      if ((type == type_headers || type == type_data)
          && (flags & flag_end_stream) != 0) {
        if (!answered_)
          fail("etcd refused the request");
        done = true;
      }
      input.erase(0, head_bytes + length);
    }
    if (unacknowledged_ > 16'384) {
      std::string more;
      for (int shift = 24; shift >= 0; shift -= 8)
        more += static_cast<char>(unacknowledged_ >> shift);
      append(output, type_window, 0, 0, more);
      unacknowledged_ = 0;
    }
    return done;
  }

private:
  static constexpr std::size_t head_bytes = 9;
  static constexpr std::uint32_t type_data = 0;
  static constexpr std::uint32_t type_headers = 1;
  static constexpr std::uint32_t type_reset = 3;
  static constexpr std::uint32_t type_settings = 4;
  static constexpr std::uint32_t type_ping = 6;
  static constexpr std::uint32_t type_goaway = 7;
  static constexpr std::uint32_t type_window = 8;
  static constexpr std::uint32_t flag_end_stream = 1;
  static constexpr std::uint32_t flag_ack = 1;
  static constexpr std::uint32_t flag_end_headers = 4;

  // A text of less than 127 bytes with its length, as both formats have it.
  static std::string text(std::string_view what) {
    return static_cast<char>(what.size()) + std::string{what};
  }

  static void append(std::string& out, std::uint32_t type, std::uint32_t flags,
                     std::uint32_t stream, std::string_view body) {
    for (int shift = 16; shift >= 0; shift -= 8)
      out += static_cast<char>(body.size() >> shift);
    out += static_cast<char>(type);
    out += static_cast<char>(flags);
    for (int shift = 24; shift >= 0; shift -= 8)
      out += static_cast<char>(stream >> shift);
    out += body;
  }

  bool reads_;
  std::uint32_t stream_ = static_cast<std::uint32_t>(-1); // the first is 1
  bool answered_ = false;
  std::uint32_t unacknowledged_ = 0;
};

struct client {
  int socket = -1;
  std::unique_ptr<protocol> speaks;
  std::string input;
  double asked_at = 0;
};

int connect_to(std::uint16_t port) {
  auto socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int yes = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&where),
                sizeof(where))
      != 0)
    fail("nobody listens on port " + std::to_string(port));
  return socket;
}

void send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    auto sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0)
      fail("the connection ended");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 6)
    fail("usage: neuroplex|etcd put|get PORT CLIENTS SECONDS");
  const std::string_view server = argv[1];
  const auto reads = std::string_view{argv[2]} == "get";
  const auto port = static_cast<std::uint16_t>(std::atoi(argv[3]));
  const auto count = std::strtoull(argv[4], nullptr, 10);
  const auto seconds = std::strtod(argv[5], nullptr);
  std::vector<client> clients(count);
  std::mt19937_64 chance{count};
  const std::string value(value_bytes, 'v');
  const auto poll = ::epoll_create1(EPOLL_CLOEXEC);
  auto ask = [&](client& one) {
    char key[17];
    std::snprintf(key, sizeof(key), "key-%012llu",
                  static_cast<unsigned long long>(chance() % key_count));
    one.asked_at = seconds_now();
    send_all(one.socket, one.speaks->request(key, value));
  };
  for (std::size_t i = 0; i < clients.size(); ++i) {
    auto& one = clients[i];
    one.socket = connect_to(port);
    if (server == "etcd")
      one.speaks = std::make_unique<grpc_protocol>(reads);
    else
      one.speaks = std::make_unique<redis_protocol>(reads);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ::epoll_ctl(poll, EPOLL_CTL_ADD, one.socket, &event);
    send_all(one.socket, one.speaks->greeting());
  }
  for (auto& one : clients)
    ask(one);
  std::vector<float> latencies_ms;
  // The first fifth warms up.
  const auto began = seconds_now();
  const auto counts_from = began + seconds / 5;
  const auto ends = began + seconds;
  std::array<epoll_event, 256> events;
  std::array<char, 65'536> room;
  for (auto now = began; now < ends; now = seconds_now()) {
    auto ready =
      ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), 1'000);
    for (int i = 0; i < ready; ++i) {
      auto& one = clients[events[static_cast<std::size_t>(i)].data.u64];
      auto got = ::recv(one.socket, room.data(), room.size(), 0);
      if (got <= 0)
        fail("the connection ended");
      one.input.append(room.data(), static_cast<std::size_t>(got));
      std::string output;
      auto answered = one.speaks->take(one.input, output);
      send_all(one.socket, output);
      if (!answered)
        continue;
      auto at = seconds_now();
      if (one.asked_at >= counts_from)
        latencies_ms.push_back(static_cast<float>((at - one.asked_at) * 1e3));
      ask(one);
    }
  }
  if (latencies_ms.empty())
    fail("nothing was answered");
  std::sort(latencies_ms.begin(), latencies_ms.end());
  auto at = [&](double share) {
    return static_cast<double>(latencies_ms[static_cast<std::size_t>(
      share * static_cast<double>(latencies_ms.size() - 1))]);
  };
  std::printf("{\"ops_per_s\": %.0f, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n",
              static_cast<double>(latencies_ms.size()) / (seconds * 0.8),
              at(0.5), at(0.99));
  return 0;
}
