// The event loop inside the server.
//
// Purpose: accepts, reads, executes, writes, and keeps the deadlines. Not for
// use outside server*.cpp.
//
// Threads: constructed by `server::start`; `run` is the loop thread; `post`,
// `ask_to_stop` and the counters may be used by any thread.
#pragma once

#include "actors/resp/connection.hpp"
#include "actors/resp/server.hpp"

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

namespace neuroplex::resp {

class server::loop final : public client_directory {
public:
  loop(memory::store& data, server_options options, remote* cluster);
  ~loop() override;

  /// Makes the sockets; `io` or `config` with the reason.
  expected<void> open();

  void start_thread();
  void ask_to_stop() noexcept;
  void join() noexcept;
  void post(std::function<void()> task);

  [[nodiscard]] service& shared() noexcept {
    return shared_;
  }

  void list(std::string& lines) const override;
  std::size_t kill(std::uint64_t id, std::string_view address,
                   std::uint64_t except) override;

private:
  void run();
  int wait(void* events, int capacity);
  void run_tasks();
  void serve_ready();
  void accept_some();
  void admit(descriptor socket);
  void pause_accepting();
  void resume_accepting();
  void on_event(connection& client, std::uint32_t events);
  void read_from(connection& client);
  void advance(connection& client);
  bool process(connection& client, std::string_view fresh);
  void send_output(connection& client, byte_buffer& output);
  void settle(connection& client);
  void account(connection& client);
  void close(connection& client);
  void bury();
  void check_deadlines();
  bool over_deadline(connection& client, std::int64_t now_ms);
  [[nodiscard]] bool paused(const connection& client) const noexcept;
  [[nodiscard]] int wait_ms() const noexcept;

  server_options options_;
  service shared_;
  std::size_t max_query_bytes_;
  descriptor epoll_;
  descriptor wake_;
  descriptor listener_;
  bool accepting_ = false;
  std::int64_t accept_again_ms_ = 0;

  std::unordered_map<std::uint64_t, std::unique_ptr<connection>> clients_;
  std::vector<std::uint64_t> dead_;
  std::vector<std::uint64_t> ready_;
  std::uint64_t next_id_ = 1;
  std::uint64_t buffered_bytes_ = 0;
  std::size_t timed_clients_ = 0;
  std::int64_t next_check_ms_ = 0;
  std::int64_t now_ms_ = 0; // of this turn of the loop

  std::unique_ptr<char[]> read_area_;
  byte_buffer reply_area_;

  std::mutex tasks_mutex_;
  std::vector<std::function<void()>> tasks_; // guarded by tasks_mutex_
  std::atomic<bool> stopping_{false};
  std::mutex join_mutex_; // for callers of stop that meet
  std::thread thread_;
};

} // namespace neuroplex::resp
