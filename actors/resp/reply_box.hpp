// Replies that come from other threads, on their way to the gateway's loop.
//
// Purpose: a reply is given where it is made, and handed out by the loop that
// owns the connections, many in one turn.
//
// Threads: `post` from any; what was posted is handed out on the server's loop.
//
// Ownership: shared with whoever will post, so that it outlives the server as
// long as a request is under way. What comes after `close` is dropped.
#pragma once

#include "actors/resp/server.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace neuroplex::resp {

template <class Reply>
class reply_box : public std::enable_shared_from_this<reply_box<Reply>> {
public:
  /// `hand_out` runs on the loop of `gate`, once for each reply.
  void open(server& gate, std::function<void(Reply&)> hand_out) {
    std::lock_guard guard{mutex_};
    gate_ = &gate;
    hand_out_ = std::move(hand_out);
  }

  /// Drops what has not been handed out; the server must not be used after.
  void close() noexcept {
    std::lock_guard guard{mutex_};
    gate_ = nullptr;
    arrived_.clear();
  }

  void post(Reply what) {
    std::lock_guard guard{mutex_};
    if (gate_ == nullptr)
      return;
    arrived_.push_back(std::move(what));
    if (arrived_.size() > 1)
      return; // the loop knows already
    gate_->post([self = this->shared_from_this()] {
      std::vector<Reply> arrived;
      {
        std::lock_guard inner{self->mutex_};
        arrived.swap(self->arrived_);
      }
      for (auto& one : arrived)
        self->hand_out_(one);
    });
  }

private:
  std::mutex mutex_; // for the two that follow
  std::vector<Reply> arrived_;
  server* gate_ = nullptr;
  std::function<void(Reply&)> hand_out_; // set once, before the first post
};

} // namespace neuroplex::resp
