// Inside of the host: its state, and the loop's parts.
// Included by host*.cpp only.
#pragma once

#include "actors/agreement/errands.hpp"
#include "actors/agreement/formation.hpp"
#include "actors/agreement/host.hpp"
#include "actors/agreement/inbox.hpp"
#include "actors/agreement/mesh.hpp"

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

namespace neuroplex::agreement {

class host::implementation final : public mesh::owner {
public:
  implementation(const host_options& options, memory::store& store)
    : options_{options}, store_{store} {
    for (std::uint64_t i = 0; i < options_.groups; ++i)
      seats_.push_back(std::make_unique<seat>(first_group + i, options_.self));
    for (const auto& known : {options_.members, options_.peers})
      for (auto id : known)
        if (id != options_.self)
          peers_[id];
  }

  ~implementation() override {
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
    return mesh_->port();
  }

private:
  // What we know of a peer.
  struct peer {
    raft::incarnation_number incarnation = 0;
    raft::time met_at{}; // when a connection was last made
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

  expected<void> open_directories();
  expected<void> begin_groups();
  expected<void> begin_group(seat& where);
  void run();
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
  void flush_beats(raft::node_id id, peer& to);
  void take_beats(raft::node_id from, const beats_frame& what);
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

  // As owner of the connections (host_connections.cpp).
  [[nodiscard]] greeting greet() const override;
  bool agrees(const greeting& what) override;
  void heard(const greeting& what) override;
  void met(raft::node_id peer) override;
  void lost(raft::node_id peer, bool ours) override;
  void take(raft::node_id from, frame what) override;
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

  std::unique_ptr<mesh> mesh_;
  std::map<raft::node_id, peer> peers_;

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

  inbox inbox_;

  mutable std::mutex report_mutex_;
  host_report report_; // under report_mutex_; statuses are kept from last time

  std::atomic<bool> stopping_{false};
  std::unique_ptr<errands> errands_;
  std::thread thread_;
};

} // namespace neuroplex::agreement
