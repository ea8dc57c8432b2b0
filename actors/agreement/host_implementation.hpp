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
#include <set>
#include <thread>
#include <unordered_map>

namespace neuroplex::agreement {

class host::implementation {
public:
  implementation(const host_options& options, memory::store& store)
    : options_{options}, store_{store} {
    for (std::uint64_t i = 0; i < options_.groups; ++i)
      seats_.push_back(std::make_unique<seat>(first_group + i, options_.self));
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
  void watch_changes(watch_wish what);
  void order(group_id group, order_kind kind, raft::node_id node,
             operator_answer done);
  void take_snapshot(group_id group, operator_answer done);

  [[nodiscard]] std::uint64_t groups() const noexcept {
    return options_.groups;
  }

  [[nodiscard]] host_report report() const {
    std::lock_guard guard{report_mutex_};
    return report_;
  }

  void set_peer(raft::node_id id, const std::string& address,
                std::uint16_t port);
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
    raft::time met_at{}; // the latest of these meetings
    // Of this round, for all groups.
    beats_frame beats{.replies = false};
    beats_frame beat_replies{.replies = true};
  };

  // A group's place in the loop.
  struct seat {
    seat(group_id group, raft::node_id self)
      : id{group}, asks{{.group = group, .self = self}} {
    }

    group_id id;
    requester asks;
    raft::durable_state recovered;
    std::unique_ptr<group> part; // once the nodes have met
    raft::time deadline = raft::time::max();
    bool touched = false; // has a turn in this round
  };

  // Tags of orders and of requests never meet.
  static constexpr std::uint64_t order_tags = std::uint64_t{1} << 63;

  static constexpr bool is_order_tag(std::uint64_t tag) {
    return (tag & order_tags) != 0;
  }

  struct open_order {
    raft::time deadline{};
    operator_answer done{};
  };

  struct incoming_link {
    connection link{};
    raft::node_id from = raft::nobody; // before its greeting
    raft::time must_greet_by{};
  };

  expected<void> open_directories();
  expected<void> begin_groups();
  expected<void> begin_group(seat& where);
  void run();
  void wait();
  void take_inbox();
  void take_written();
  void touch(seat& which);
  void touch_all();
  void touch_due();
  void reschedule(seat& which);
  [[nodiscard]] seat* find_seat(group_id group);
  void take_turns();
  void turn(seat& which);
  void note_leader(seat& which);
  void send_requests(seat& which);
  void send_message(group_id group, const raft::message& what);
  void flush_beats(peer& to);
  void take_beats(peer& from, const beats_frame& what);
  void publish_report();

  // An operator's wishes, and who leads (host_orders.cpp).
  void order_one(seat& which, order_kind kind, raft::node_id node,
                 operator_answer done);
  void carry_out_order(seat& which, order_kind kind, raft::node_id node,
                       const operator_answer& done);
  void take_order(raft::node_id from, const order_frame& what);
  void take_order_reply(const reply_frame& what);
  void drop_late_orders();
  void spread_leaders();
  void campaign_at_home();

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
  void met(peer& who);
  [[nodiscard]] bool agrees_on_groups(const greeting& what);
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
  std::optional<change_feed> feed_; // since `open`
  std::unique_ptr<log_writer> writer_;
  std::vector<std::unique_ptr<seat>> seats_; // of group first_group + position
  bool formed_ = false;                      // the nodes have met
  std::set<std::pair<raft::time, group_id>> deadlines_; // of seats
  std::vector<seat*> touched_; // have a turn in the next round
  std::vector<seat*> round_;   // have one now

  tunnel::socket_handle epoll_;
  tunnel::socket_handle wake_;
  tunnel::socket_handle listener_;
  std::map<raft::node_id, peer> peers_;
  std::unordered_map<std::uint64_t, incoming_link> incoming_;
  std::uint64_t last_incoming_ = 0;
  std::uint64_t refused_connections_ = 0;
  std::uint16_t port_ = 0; // set once, before there are threads

  raft::time now_{};
  std::int64_t unix_ms_ = 0;
  raft::time next_report_{};
  raft::time next_spread_{};
  bool handing_over_ = false;
  bool keeping_ = false; // a snapshot is being written
  group_output output_;
  std::vector<log_writer::job> jobs_; // of this round, for the disk
  std::vector<std::pair<seat*, reply_frame>> own_replies_;
  std::map<std::uint64_t, open_order> orders_; // sent to leaders, by tag
  std::uint64_t last_order_ = 0;
  std::vector<request_frame> requests_;
  std::vector<log_writer::written> written_;
  bool log_failed_ = false;

  std::mutex inbox_mutex_; // for the next three
  std::vector<wish> wishes_;
  std::vector<std::function<void()>> tasks_;
  bool awake_ = false; // told already

  mutable std::mutex report_mutex_;
  host_report report_; // under report_mutex_; statuses are kept from last time

  std::atomic<bool> stopping_{false};
  std::unique_ptr<errands> errands_;
  std::thread thread_;
};

} // namespace neuroplex::agreement
