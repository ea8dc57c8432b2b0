// Replicas without CAF, disk or network, for tests.
//
// Purpose: several cores, their disks as lists of records, and a network that
// delivers what the test lets through, in virtual time.
//
// Threads: one.
#pragma once

#include "actors/replica/redis_commands.hpp"

#include <catch2/catch.hpp>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace neuroplex::replica::testing {

/// Nodes 1 to n, each with a replica of the one shard.
class world {
public:
  struct node {
    std::unique_ptr<core> replica;
    std::vector<record> disk{};      ///< durable
    std::vector<record> unwritten{}; ///< handed over, not durable
  };

  struct message {
    std::uint32_t from = 0;
    outgoing_message what{};
  };

  explicit world(std::uint32_t count, core_options options = {})
    : count_{count}, options_{std::move(options)} {
    for (std::uint32_t id = 1; id <= count; ++id)
      start(id);
    for (std::uint32_t id = 1; id <= count; ++id)
      meet_all(id);
  }

  core& at(std::uint32_t id) {
    return *nodes_.at(id).replica;
  }

  node& node_of(std::uint32_t id) {
    return nodes_.at(id);
  }

  [[nodiscard]] const moment& now() const {
    return now_;
  }

  /// Executes a command and answers its reply, as RESP2.
  std::string ask(std::uint32_t id, const command_words& words,
                  concurrent_values shown = concurrent_values::last) {
    auto nature = nature_of(words);
    if (!nature.refusal.empty())
      return "-" + nature.refusal;
    resp::byte_buffer output;
    execute(at(id), now_, words, shown, 2, output);
    at(id).take_turn();
    return std::string{output.view()};
  }

  /// Has the disk of a node write all it was given.
  void write(std::uint32_t id) {
    auto& one = nodes_.at(id);
    collect(id);
    for (auto& each : one.unwritten)
      one.disk.push_back(std::move(each));
    one.unwritten.clear();
    if (!one.disk.empty())
      one.replica->written(one.disk.back().sequence, now_);
    collect(id);
  }

  /// Nobody hears `a` from `b`, nor the other way.
  void cut(std::uint32_t a, std::uint32_t b) {
    cut_.insert({std::min(a, b), std::max(a, b)});
    at(a).peer_lost(b);
    at(b).peer_lost(a);
  }

  void heal() {
    auto pairs = std::exchange(cut_, {});
    for (auto [a, b] : pairs) {
      at(a).peer_met(b, now_);
      at(b).peer_met(a, now_);
    }
  }

  /// The process ends without warning: what its disk has not written is gone.
  void crash(std::uint32_t id, bool wiped = false) {
    auto& one = nodes_.at(id);
    one.unwritten.clear();
    if (wiped)
      one.disk.clear();
    std::erase_if(network_, [&](const message& each) {
      return each.from == id || each.what.to == id;
    });
    for (auto& [other, each] : nodes_)
      if (other != id)
        each.replica->peer_lost(id);
    start(id);
    meet_all(id);
  }

  /// Delivers one message, the `which`th of those under way; `keep` doubles it.
  void deliver(std::size_t which, bool keep = false) {
    auto at = network_.begin() + static_cast<std::ptrdiff_t>(which);
    auto one = *at;
    if (!keep)
      network_.erase(at);
    auto to = one.what.to;
    if (cut_.contains({std::min(one.from, to), std::max(one.from, to)}))
      return;
    auto taken = nodes_.at(to).replica->receive(one.from, one.what.bytes, now_);
    if (!taken)
      refusals.push_back(taken.error().message());
    collect(to);
  }

  void drop(std::size_t which) {
    network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(which));
  }

  [[nodiscard]] std::size_t under_way() const {
    return network_.size();
  }

  void pass(milliseconds time) {
    now_.steady += time;
    now_.unix_time += time;
    for (auto& [id, one] : nodes_) {
      one.replica->tick(now_);
      collect(id);
    }
  }

  /// Lets everything come to rest; false when it does not.
  bool settle(std::size_t rounds = 60) {
    for (std::size_t i = 0; i < rounds; ++i) {
      for (auto& [id, one] : nodes_)
        write(id);
      while (!network_.empty()) {
        deliver(0);
        for (auto& [id, one] : nodes_)
          write(id);
      }
      if (same())
        return true;
      pass(milliseconds{200});
    }
    return false;
  }

  /// All replicas have the same state.
  bool same() {
    auto first = at(1).state().digest();
    for (auto& [id, one] : nodes_)
      if (one.replica->state().digest() != first)
        return false;
    return true;
  }

  std::vector<std::string> refusals;

private:
  void start(std::uint32_t id) {
    auto options = options_;
    options.self = id;
    options.peers.clear();
    for (std::uint32_t other = 1; other <= count_; ++other)
      if (other != id)
        options.peers.push_back(other);
    auto& one = nodes_[id];
    recovered_state from;
    for (const auto& each : one.disk)
      if (auto applied = from.apply(each); !applied)
        FAIL(applied.error().message());
    now_.unix_time += milliseconds{1'000};
    one.replica = std::make_unique<core>(
      options, std::move(from),
      static_cast<std::uint32_t>(now_.unix_time.count() / 1'000));
    write(id);
  }

  void meet_all(std::uint32_t id) {
    for (auto& [other, one] : nodes_)
      if (other != id
          && !cut_.contains({std::min(id, other), std::max(id, other)})) {
        one.replica->peer_met(id, now_);
        at(id).peer_met(other, now_);
        collect(other);
      }
    collect(id);
  }

  void collect(std::uint32_t id) {
    auto& one = nodes_.at(id);
    for (auto& each : one.replica->take_records())
      one.unwritten.push_back(std::move(each));
    for (auto& each : one.replica->take_messages())
      network_.push_back({id, std::move(each)});
  }

  std::uint32_t count_;
  core_options options_;
  moment now_{milliseconds{1'000}, milliseconds{1'700'000'000'000}};
  std::map<std::uint32_t, node> nodes_;
  std::deque<message> network_;
  std::set<std::pair<std::uint32_t, std::uint32_t>> cut_;
};

} // namespace neuroplex::replica::testing
