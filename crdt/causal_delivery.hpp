// Operations in causal order, each exactly once, out of any stream.
//
// Purpose: what operation-based types stand on. A message carries what its
// sender had delivered; it waits here until that was delivered here too.
// Duplicates are dropped.
//
// Source: Birman, Schiper, Stephenson, "Lightweight causal and atomic group
// multicast" (1991), section 5.1; Baquero, Almeida, Shoker, "Pure
// operation-based replicated data types" (2017).
//
// Threads: one at a time.
//
// Invariants:
//  1. An operation is delivered once, after all that its sender had delivered.
//  2. At most `max_waiting` operations wait.
//
// Failure behaviour: an operation for which there is no room is refused with
// `errc::busy` and is to be sent again; one under this replica's id that it did
// not make is refused with `errc::conflict`.
#pragma once

#include "crdt/codec.hpp"
#include "crdt/replica_id.hpp"

#include <algorithm>
#include <map>
#include <vector>

namespace neuroplex::crdt {

/// How many operations of each replica were delivered.
using version_vector = std::map<replica_id, std::uint64_t>;

/// Whether `what` is among those that `delivered` counts.
[[nodiscard]] inline bool covers(const version_vector& delivered,
                                 const dot& what) {
  auto at = delivered.find(what.replica);
  return at != delivered.end() && at->second >= what.counter;
}

/// An operation on the way.
template <class Payload>
struct operation_message {
  dot id;
  version_vector after; ///< what its sender had delivered, itself included
  Payload payload{};

  [[nodiscard]] std::string encode() const {
    replica_table table;
    encoder out{table};
    out.put_replica(id.replica);
    out.put_varint(id.counter);
    out.put_varint(after.size());
    for (const auto& [replica, count] : after) {
      out.put_replica(replica);
      out.put_varint(count);
    }
    codec<Payload>::write(out, payload);
    return out.finish(kind());
  }

  [[nodiscard]] static expected<operation_message>
  decode(std::string_view bytes, const decode_limits& limits = {}) {
    replica_table table;
    decoder in{bytes, kind(), table, limits};
    operation_message result;
    result.id.replica = in.take_replica();
    result.id.counter = in.take_varint();
    auto count = in.take_count(2);
    for (std::size_t i = 0; i < count && !in.failed(); ++i) {
      auto replica = in.take_replica();
      auto delivered = in.take_varint();
      if (delivered == 0 || delivered > limits::max_counter
          || (!result.after.empty() && replica <= result.after.rbegin()->first))
        in.fail("counts out of order in a version vector");
      result.after.emplace_hint(result.after.end(), replica, delivered);
    }
    if (result.id.counter == 0 || result.id.counter > limits::max_counter
        || covers(result.after, result.id))
      in.fail("an operation after itself");
    result.payload = codec<Payload>::read(in);
    if (auto read = in.finish(); !read)
      return read.error();
    return result;
  }

  friend bool operator==(const operation_message&,
                         const operation_message&) = default;

private:
  [[nodiscard]] static std::uint32_t kind() {
    std::string text{"operation("};
    codec<Payload>::describe(text);
    return kind_of(text);
  }
};

template <class Payload>
class causal_delivery {
public:
  using message_type = operation_message<Payload>;

  explicit causal_delivery(replica_id self, std::size_t max_waiting = 1'024)
    : self_{self}, max_waiting_{max_waiting} {
  }

  /// The message of an operation of this replica, which counts as delivered.
  [[nodiscard]] expected<message_type> send(Payload payload) {
    if (auto fits = codec<Payload>::check(payload); !fits)
      return fits.error();
    auto counter = count_of(self_) + 1;
    if (counter > limits::max_counter)
      return failure{errc::overflow,
                     "operations of replica " + to_string(self_)
                       + ": its counters are used up: give the node a new "
                         "incarnation"};
    message_type message{{self_, counter}, delivered_, std::move(payload)};
    delivered_[self_] = counter;
    return message;
  }

  /// The operations that can be delivered now, in order: none, this one, or
  /// this one and some that waited for it.
  [[nodiscard]] expected<std::vector<message_type>>
  receive(const message_type& message) {
    std::vector<message_type> ready;
    if (covers(delivered_, message.id) || waiting_.contains(message.id))
      return ready;
    if (message.id.replica == self_)
      return failure{errc::conflict,
                     "operation " + to_string(message.id)
                       + ": this replica did not make it: another one has its "
                         "id, or it lost its memory: give it a new "
                         "incarnation"};
    if (is_ready(message)) {
      deliver(message, ready);
      release(ready);
      return ready;
    }
    if (waiting_.size() >= max_waiting_)
      return failure{errc::busy,
                     "operation " + to_string(message.id) + ": "
                       + std::to_string(max_waiting_)
                       + " wait already for those before them: send it again "
                         "when they came"};
    waiting_.emplace(message.id, message);
    return ready;
  }

  [[nodiscard]] const version_vector& delivered() const noexcept {
    return delivered_;
  }

  [[nodiscard]] std::size_t waiting() const noexcept {
    return waiting_.size();
  }

private:
  [[nodiscard]] std::uint64_t count_of(replica_id replica) const {
    auto at = delivered_.find(replica);
    return at == delivered_.end() ? 0 : at->second;
  }

  [[nodiscard]] bool is_ready(const message_type& message) const {
    return message.id.counter == count_of(message.id.replica) + 1
           && std::all_of(message.after.begin(), message.after.end(),
                          [this](const auto& one) {
                            return count_of(one.first) >= one.second;
                          });
  }

  void deliver(const message_type& message, std::vector<message_type>& ready) {
    delivered_[message.id.replica] = message.id.counter;
    ready.push_back(message);
  }

  void release(std::vector<message_type>& ready) {
    for (auto found = true; found;) {
      found = false;
      for (auto at = waiting_.begin(); at != waiting_.end();) {
        if (!is_ready(at->second)) {
          ++at;
          continue;
        }
        deliver(at->second, ready);
        at = waiting_.erase(at);
        found = true;
      }
    }
  }

  replica_id self_;
  std::size_t max_waiting_;
  version_vector delivered_;
  std::map<dot, message_type> waiting_;
};

} // namespace neuroplex::crdt
