// A small hybrid group in memory, for tests: cores with real keys, a queue of
// packets that the test may look at, and disks that finish at once.
//
// Threads: one at a time. Everything is deterministic.
#pragma once

#include "consensus/hybrid/client.hpp"
#include "consensus/hybrid/core.hpp"
#include "consensus/pbft/sodium_crypto.hpp"

#include <catch2/catch.hpp>

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace neuroplex::hybrid::testing {

using namespace std::chrono_literals;

inline constexpr node_id the_client = 100;

/// A replica and its control client share a pair of keys.
inline pbft::secret_seed seed_of(node_id id) {
  pbft::secret_seed seed;
  seed.bytes.fill(static_cast<std::uint8_t>(id));
  return seed;
}

inline std::shared_ptr<const crypto> keys_of(node_id id) {
  std::map<node_id, pbft::public_key> all;
  for (node_id one = 1; one <= 4; ++one) {
    all[one] = *pbft::public_key_of(seed_of(one));
    all[control_client_of(one)] = all[one];
  }
  all[the_client] = *pbft::public_key_of(seed_of(the_client));
  return *pbft::sodium_crypto::make(seed_of(id), all);
}

inline options options_for(node_id id) {
  options settings;
  settings.agreement.group = 7;
  settings.agreement.id = id;
  settings.agreement.replicas = {1, 2, 3, 4};
  settings.agreement.checkpoint_interval = 4;
  settings.agreement.window = 16;
  settings.calm = 1s;
  return settings;
}

/// Joins the commands that it is given.
class journal final : public state_machine {
public:
  slice execute(node_id /*client*/, std::string_view what) override {
    text_ += std::string{what} + ";";
    return slice::copy_of(text_);
  }

  slice read(std::string_view /*what*/) const override {
    return slice::copy_of(text_);
  }

  std::unique_ptr<state_machine> copy() const override {
    auto result = std::make_unique<journal>();
    result->text_ = text_;
    return result;
  }

  std::vector<slice> pieces() const override {
    return {slice::copy_of(text_)};
  }

  bool load(std::span<const slice> pieces) override {
    if (pieces.size() != 1)
      return false;
    text_ = pieces.front().view();
    return true;
  }

private:
  std::string text_;
};

class group {
public:
  explicit group(std::size_t longest_epoch = 65'536)
    : longest_epoch_{longest_epoch} {
    for (node_id id = 1; id <= 4; ++id)
      start(id);
    asks_ = std::make_unique<client>(
      *client::create(client_options(), keys_of(the_client), 1));
  }

  void start(node_id id) {
    auto settings = options_for(id);
    settings.max_epoch_entries = longest_epoch_;
    auto made = core::create(settings, {keys_of(id), keys_of(id)},
                             std::make_unique<journal>(), disks_[id],
                             static_cast<timestamp>(now_.count()) + 1, now_);
    REQUIRE(made);
    cores_[id] = std::make_unique<core>(*std::move(made));
    feed(id, tick{});
  }

  void stop(node_id id) {
    cores_[id].reset();
  }

  void feed(node_id id, const input& what) {
    if (!cores_[id])
      return;
    effects wanted;
    cores_[id]->step(what, now_, wanted);
    for (auto& one : wanted.packets)
      packets_.push_back(std::move(one));
    if (wanted.write) {
      for (const auto& one : wanted.write->records)
        disks_[id].apply(one);
      feed(id, persisted{wanted.write->id});
    }
  }

  /// Delivers what is under way, and what follows from it.
  void deliver() {
    while (!packets_.empty()) {
      auto next = std::move(packets_.front());
      packets_.pop_front();
      if (tamper && !tamper(next))
        continue;
      if (next.to == the_client) {
        client_effects wanted;
        asks_->receive(next, now_, wanted);
        take(wanted);
      } else {
        feed(next.to & ~control_client_of(0), received{next});
      }
    }
  }

  /// Lets time pass until `done`, or so long.
  bool run(const std::function<bool()>& done, time longest = 60s) {
    for (auto until = now_ + longest; now_ < until; now_ += 10ms) {
      for (auto& [id, one] : cores_)
        if (one && one->next_deadline() <= now_)
          feed(id, tick{});
      client_effects wanted;
      asks_->tick(now_, wanted);
      take(wanted);
      deliver();
      if (done())
        return true;
    }
    return false;
  }

  /// What the client is answered.
  std::string ask(const std::string& what, bool read_only = false) {
    result_.reset();
    client_effects wanted;
    asks_->invoke(slice::copy_of(what), read_only, now_, wanted);
    take(wanted);
    REQUIRE(run([this] { return result_.has_value(); }));
    return std::string{result_->view()};
  }

  /// Until all that are up work in that mode, in that epoch at least.
  bool reach(mode how, epoch_number epoch = 0) {
    return run([&] {
      for (const auto& [id, one] : cores_)
        if (one
            && (one->state().where.how != how
                || one->state().where.epoch < epoch))
          return false;
      return true;
    });
  }

  core& at(node_id id) {
    return *cores_.at(id);
  }

  epoch_info where() {
    for (auto& [id, one] : cores_)
      if (one)
        return one->state().where;
    return {};
  }

  const durable_state& disk(node_id id) {
    return disks_[id];
  }

  /// May change a packet on its way, or say that it is lost.
  std::function<bool(pbft::packet&)> tamper{};

private:
  static pbft::options client_options() {
    auto settings = options_for(1).agreement;
    settings.id = the_client;
    return settings;
  }

  void take(client_effects& wanted) {
    for (auto& one : wanted.packets)
      packets_.push_back(std::move(one));
    if (wanted.result)
      result_ = wanted.result;
  }

  std::size_t longest_epoch_;
  time now_{1s};
  std::map<node_id, std::unique_ptr<core>> cores_;
  std::map<node_id, durable_state> disks_;
  std::deque<pbft::packet> packets_;
  std::unique_ptr<client> asks_;
  std::optional<slice> result_;
};

} // namespace neuroplex::hybrid::testing
