// A counter and a set whose operations travel, instead of their states.
//
// Purpose: the smallest messages where every replica gets every operation. A
// verb answers the message for the others; `receive` takes theirs, in any order
// and any number of times.
//
// Source: Shapiro et al., "A comprehensive study of convergent and commutative
// replicated data types" (2011), specifications 5 and 15; Baquero, Almeida,
// Shoker, "Pure operation-based replicated data types" (2017), section 4.
//
// Threads: one at a time.
#pragma once

#include "crdt/causal_delivery.hpp"
#include "crdt/counters.hpp"

#include <set>

namespace neuroplex::crdt {

/// What both have in common. `Derived::apply(message)` carries out an operation
/// whose causes were all carried out before.
template <class Derived, class Payload>
class operation_based {
public:
  using message_type = operation_message<Payload>;

  /// Carries out what can be carried out now.
  [[nodiscard]] expected<void> receive(const message_type& message) {
    auto ready = delivery_.receive(message);
    if (!ready)
      return ready.error();
    for (const auto& one : *ready)
      static_cast<Derived&>(*this).apply(one);
    return {};
  }

  [[nodiscard]] const causal_delivery<Payload>& delivery() const noexcept {
    return delivery_;
  }

protected:
  explicit operation_based(replica_id self) : delivery_{self} {
  }

  [[nodiscard]] expected<message_type> send(Payload payload) {
    auto message = delivery_.send(std::move(payload));
    if (message)
      static_cast<Derived&>(*this).apply(*message);
    return message;
  }

private:
  causal_delivery<Payload> delivery_;
};

class op_counter : public operation_based<op_counter, std::int64_t> {
public:
  explicit op_counter(replica_id self) : operation_based{self} {
  }

  /// `amount` may be negative.
  [[nodiscard]] expected<message_type> add(std::int64_t amount) {
    return send(amount);
  }

  /// 2^64 operations of 2^63 would be needed to overflow it.
  [[nodiscard]] wide_integer value() const noexcept {
    return sum_;
  }

private:
  friend class operation_based<op_counter, std::int64_t>;

  void apply(const message_type& message) noexcept {
    sum_ += message.payload;
  }

  wide_integer sum_ = 0;
};

/// Whether an element is added, and which.
template <class T>
using set_operation = std::pair<bool, T>;

/// An add wins over a remove that has not seen it.
template <class T>
class op_set : public operation_based<op_set<T>, set_operation<T>> {
  using base = operation_based<op_set<T>, set_operation<T>>;

public:
  using message_type = typename base::message_type;

  explicit op_set(replica_id self) : base{self} {
  }

  [[nodiscard]] expected<message_type> add(T element) {
    return this->send({true, std::move(element)});
  }

  [[nodiscard]] expected<message_type> remove(T element) {
    return this->send({false, std::move(element)});
  }

  [[nodiscard]] bool contains(const T& element) const {
    return elements_.contains(element);
  }

  [[nodiscard]] std::size_t size() const noexcept {
    return elements_.size();
  }

  [[nodiscard]] std::set<T> value() const {
    std::set<T> result;
    for (const auto& [element, dots] : elements_)
      result.insert(result.end(), element);
    return result;
  }

private:
  friend class operation_based<op_set<T>, set_operation<T>>;

  void apply(const message_type& message) {
    const auto& [adds, element] = message.payload;
    auto& dots = elements_[element];
    std::erase_if(dots,
                  [&](const dot& one) { return covers(message.after, one); });
    if (adds)
      dots.insert(message.id);
    if (dots.empty())
      elements_.erase(element);
  }

  std::map<T, std::set<dot>> elements_;
};

} // namespace neuroplex::crdt
