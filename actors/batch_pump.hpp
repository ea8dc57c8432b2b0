// Sends the many items of one call in several batch messages.
//
// Purpose: cuts items into messages that are bounded in number and bytes, keeps
// a few of them under way, and gives every item its answer. A message that the
// node refuses as too large is sent again in halves: nodes may take less than
// a client knows.
//
// Ownership and threads: used by one thread, which waits; answers come in any
// thread.
//
// Invariants:
//  1. Every item gets exactly one answer before `pump_batches` returns.
//  2. An item is sent again only when the message that it was in was refused as
//     a whole, and so had no effect.
#pragma once

#include "actors/messages.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

namespace neuroplex::actors {

/// Items from `begin` on, up to but without `end`.
struct item_range {
  std::size_t begin = 0;
  std::size_t end = 0;

  [[nodiscard]] std::size_t size() const noexcept {
    return end - begin;
  }
};

/// Batch messages of one call: sends the next when one comes back, and waits
/// for all of them.
class batch_pump {
public:
  explicit batch_pump(std::size_t width) : free_{width} {
  }

  void acquire() {
    std::unique_lock guard{mutex_};
    changed_.wait(guard, [this] { return free_ > 0; });
    --free_;
    ++under_way_;
  }

  void release() {
    std::lock_guard guard{mutex_};
    ++free_;
    --under_way_;
    changed_.notify_all();
  }

  /// Notes that a message was too large.
  void refuse(item_range which) {
    std::lock_guard guard{mutex_};
    refused_.push_back(which);
  }

  /// Waits until nothing is under way; answers what was refused.
  std::vector<item_range> drain() {
    std::unique_lock guard{mutex_};
    changed_.wait(guard, [this] { return under_way_ == 0; });
    return std::exchange(refused_, {});
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t free_;
  std::size_t under_way_ = 0;
  std::vector<item_range> refused_;
};

/// The end of the batch message that begins where `rest` does: bounded in items
/// and in bytes, at least one item.
template <class Size>
std::size_t end_of_batch(item_range rest, std::size_t max_items, Size size_of) {
  std::size_t bytes = 0;
  auto end = rest.begin;
  while (end < rest.end && end - rest.begin < max_items) {
    bytes += size_of(end);
    if (bytes > limits::max_batch_bytes && end > rest.begin)
      break;
    ++end;
  }
  return end;
}

/// Sends `count` items by `submit(batch, done)`; `store(index, answer)` takes
/// each answer.
template <class Submit, class Size, class Item, class Store>
void pump_batches(std::string_view space, operation op, std::size_t count,
                  std::size_t max_items, Submit submit, Size size_of,
                  Item item_at, Store store) {
  constexpr std::size_t batches_in_flight = 4;
  batch_pump pump{batches_in_flight};
  auto take_answer = [&](item_range sent, batch_reply answer) {
    auto too_large =
      answer.status == errc::too_many || answer.status == errc::value_size;
    if (answer.status == errc::ok && answer.answers.size() != sent.size())
      answer.status = errc::protocol;
    if (too_large && sent.size() > 1)
      return pump.refuse(sent);
    batch_answer refused{answer.status, {}};
    for (auto i = sent.begin; i < sent.end; ++i)
      store(i, answer.status == errc::ok ? answer.answers[i - sent.begin]
                                         : refused);
  };
  std::vector<item_range> rest{{0, count}};
  while (!rest.empty()) {
    for (auto part : rest)
      while (part.begin < part.end) {
        item_range sent{part.begin, end_of_batch(part, max_items, size_of)};
        batch_request what;
        what.op = op;
        what.space = space;
        for (auto i = sent.begin; i < sent.end; ++i)
          what.items.push_back(item_at(i));
        pump.acquire();
        submit(std::move(what), [&, sent](batch_reply answer) {
          take_answer(sent, std::move(answer));
          pump.release();
        });
        part.begin = sent.end;
      }
    rest = pump.drain();
    for (const auto& refused : rest)
      max_items =
        std::min(max_items, std::max<std::size_t>(refused.size() / 2, 1));
  }
}

} // namespace neuroplex::actors
