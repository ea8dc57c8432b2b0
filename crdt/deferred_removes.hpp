// Removes whose adds did not come yet.
//
// Purpose: a client may have seen adds at another replica and remove them here.
// Which of the dots that it saw belong to the element cannot be told before
// they come, so the remove waits for them, with the element.
//
// Source: the deferred operations of Brown, Cribbs, Meiklejohn, Elliott, "Riak
// DT map: a composable, convergent replicated dictionary" (2014).
//
// Threads: a plain value.
//
// Invariants: no element waits for nothing; a dot that was seen is not waited
// for, once `forget` was told.
#pragma once

#include "crdt/causal_context.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace neuroplex::crdt {

template <class T>
class deferred_removes {
public:
  /// The dots of `element` among `dots` are to go as they come.
  void add(const T& element, const causal_context& dots) {
    if (!dots.empty())
      elements_[element].merge(dots);
  }

  void merge(const deferred_removes& other) {
    for (const auto& [element, dots] : other.elements_)
      elements_[element].merge(dots);
  }

  /// Whether `what`, an add of `element`, goes as it comes.
  [[nodiscard]] bool removes(const T& element, const dot& what) const {
    auto at = elements_.find(element);
    return at != elements_.end() && at->second.contains(what);
  }

  /// What was seen is waited for no longer.
  void forget(const causal_context& seen) {
    for (auto at = elements_.begin(); at != elements_.end();) {
      at->second = at->second.difference(seen);
      at = at->second.empty() ? elements_.erase(at) : std::next(at);
    }
  }

  /// Refuses more elements than may wait.
  [[nodiscard]] expected<void> check(const deferred_removes& more) const {
    auto size = elements_.size();
    for (const auto& [element, dots] : more.elements_)
      size += elements_.contains(element) ? 0 : 1;
    if (size <= limits::max_deferred)
      return {};
    return failure{errc::too_many,
                   "CRDT set: removes of more than "
                     + std::to_string(limits::max_deferred)
                     + " elements wait for adds: nothing was changed; "
                       "have the replica merge what its clients saw"};
  }

  [[nodiscard]] bool empty() const noexcept {
    return elements_.empty();
  }

  [[nodiscard]] const std::map<T, causal_context>& elements() const noexcept {
    return elements_;
  }

  void write(encoder& out) const {
    out.put_varint(elements_.size());
    for (const auto& [element, dots] : elements_) {
      codec<T>::write(out, element);
      dots.write(out);
    }
  }

  /// `seen` is the context of the state that this belongs to.
  [[nodiscard]] static deferred_removes read(decoder& in,
                                             const causal_context& seen) {
    deferred_removes result;
    auto count = in.take_count(4);
    for (std::size_t i = 0; i < count && !in.failed(); ++i) {
      auto element = codec<T>::read(in);
      auto dots = causal_context::read(in);
      if (dots.empty() || !dots.intersection(seen).empty())
        in.fail("a remove that waits for nothing");
      if (!result.elements_.empty()
          && !(result.elements_.rbegin()->first < element))
        in.fail("elements out of order");
      result.elements_.emplace_hint(result.elements_.end(), std::move(element),
                                    std::move(dots));
    }
    return result;
  }

  friend bool operator==(const deferred_removes&,
                         const deferred_removes&) = default;

private:
  std::map<T, causal_context> elements_;
};

} // namespace neuroplex::crdt
