// Inside of the host: its state, and the loop's parts.
// Included by host*.cpp only.
#pragma once

#include "actors/agreement/connection.hpp"
#include "actors/agreement/errands.hpp"
#include "actors/agreement/formation.hpp"
#include "actors/agreement/host.hpp"

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

namespace neuroplex::agreement {

class host::implementation {
public:
  implementation(const host_options& options, memory::store& store)
    : options_{options}, store_{store}, requester_{{.group = first_group,
                                                    .self = options.self}} {
    for (const auto& known : {options_.members, options_.peers})
      for (auto id : known)
        if (id != options_.self)
          peers_[id].id = id;
  }

  ~implementation() {
    stop();
  }

  expected<void> open();
  void start();
  void stop() noexcept;

  void post(std::function<void()> task);
  void submit(std::vector<wish> what);
  void with_group(operator_answer done,
                  const std::function<void(group&, operator_answer)>& use);

  [[nodiscard]] host_report report() const {
    std::lock_guard guard{report_mutex_};
    return report_;
  }

  void set_peer(raft::node_id id, const std::string& address,
                std::uint16_t port);
  void add_member(raft::node_id who, operator_answer done);
  void remove_member(raft::node_id who, operator_answer done);

  [[nodiscard]] std::uint16_t port() const noexcept {
    return port_;
  }

private:
  // What a readiness event is about.
  enum class source : std::uint32_t { wake, listener, to_peer, from_peer };

  static constexpr std::uint64_t token(source what, std::uint64_t number) {
    return static_cast<std::uint64_t>(what) << 56 | number;
  }

  // Our connection to a peer, and what we know of it.
  struct peer {
    raft::node_id id = raft::nobody;
    std::string address{};
    std::uint16_t port = 0; // 0: not known yet
    connection link{};
    bool connected = false; // the socket
    bool greeted = false;   // and the other side has answered
    bool wants_writable = false;
    raft::time next_attempt{};
    raft::time attempt_ends{};
    std::uint64_t meetings = 0; // of both directions
    std::uint64_t incoming = 0; // number of its connection to us; 0: none
    raft::incarnation_number incarnation = 0;
  };

  struct incoming_link {
    connection link{};
    raft::node_id from = raft::nobody; // before its greeting
    raft::time must_greet_by{};
  };

  expected<void> open_directories();
  expected<void> begin_group();
  void run();
  void wait();
  void take_inbox();
  void take_written();
  void turn();
  void carry_out();
  void send_requests();
  void note_leader();
  void publish_report();

  // Connections.
  void watch(int descriptor, std::uint64_t what, bool writable);
  void rewatch(int descriptor, std::uint64_t what, bool writable);
  void connect_peers();
  void begin_connect(peer& to);
  void on_peer(peer& to, std::uint32_t events);
  void drop(peer& to);
  void accept_all();
  void on_incoming(std::uint64_t number, std::uint32_t events);
  void drop_incoming(std::uint64_t number);
  void drop_silent();
  bool admit(const greeting& what, std::uint64_t number);
  [[nodiscard]] greeting greet(raft::node_id to) const;
  void heard(const greeting& what);
  void take_frame(peer& from, frame what);
  void send_all();
  [[nodiscard]] raft::time next_deadline() const;

  host_options options_;
  memory::store& store_;
  std::vector<std::string> problems_;

  std::unique_ptr<memory::disk_directory> state_directory_;
  std::unique_ptr<memory::disk_directory> errand_directory_;
  std::optional<formation> formation_;
  std::unique_ptr<log_writer> writer_;
  raft::durable_state recovered_;
  std::unique_ptr<group> group_; // once the nodes have met
  requester requester_;

  tunnel::socket_handle epoll_;
  tunnel::socket_handle wake_;
  tunnel::socket_handle listener_;
  std::map<raft::node_id, peer> peers_;
  std::unordered_map<std::uint64_t, incoming_link> incoming_;
  std::uint64_t last_incoming_ = 0;
  std::uint64_t refused_connections_ = 0;
  std::uint16_t port_ = 0; // set once, before there are threads

  raft::time now_{};
  raft::time next_report_{};
  bool again_ = false; // there is more to do at once
  group_output output_;
  std::vector<request_frame> requests_;
  std::vector<log_writer::written> written_;
  bool log_failed_ = false;

  std::mutex inbox_mutex_; // for the next three
  std::vector<wish> wishes_;
  std::vector<std::function<void()>> tasks_;
  bool awake_ = false; // told already

  mutable std::mutex report_mutex_;
  host_report report_; // under report_mutex_

  std::atomic<bool> stopping_{false};
  std::unique_ptr<errands> errands_;
  std::thread thread_;
};

} // namespace neuroplex::agreement
