// Which changes a state has seen.
//
// Purpose: the causal context of Almeida, Shoker, Baquero, "Delta state
// replicated data types" (2018), section 7.2, as intervals a replica: a state
// without gaps costs one interval a replica, a delta may have any gaps, and
// needs no order of delivery to be safe.
//
// Threads: a plain value.
//
// Invariants: replicas are sorted and each has at least one counter.
#pragma once

#include "crdt/codec.hpp"
#include "crdt/interval_set.hpp"
#include "crdt/replica_id.hpp"

#include <span>
#include <vector>

namespace neuroplex::crdt {

class causal_context {
public:
  struct entry {
    replica_id replica;
    interval_set seen;

    friend bool operator==(const entry&, const entry&) = default;
  };

  [[nodiscard]] bool contains(const dot& what) const noexcept {
    const auto* seen = find(what.replica);
    return seen != nullptr && seen->contains(what.counter);
  }

  /// What was seen of `replica`; null when nothing was.
  [[nodiscard]] const interval_set* find(replica_id replica) const noexcept;

  void add(const dot& what) {
    at(what.replica).add(what.counter);
  }

  /// `more` is not empty.
  void add(replica_id replica, const interval_set& more) {
    at(replica).merge(more);
  }

  void merge(const causal_context& other);

  /// Refuses with `too_many` what would make this name more than `max_replicas`
  /// replicas: nobody has so many, and each costs memory for ever.
  [[nodiscard]] expected<void>
  check_merge(const causal_context& other,
              std::size_t max_replicas = limits::max_replicas) const;

  /// Forgets what was seen of `replica`.
  void erase(replica_id replica);

  /// The dot that the next change of `replica` gets; fails when its counters
  /// are used up.
  [[nodiscard]] expected<dot> next(replica_id replica) const;

  [[nodiscard]] bool includes(const causal_context& other) const;
  [[nodiscard]] causal_context difference(const causal_context& other) const;
  [[nodiscard]] causal_context intersection(const causal_context& other) const;

  [[nodiscard]] bool empty() const noexcept {
    return entries_.empty();
  }

  [[nodiscard]] std::span<const entry> entries() const noexcept {
    return entries_;
  }

  void write(encoder& out) const;
  [[nodiscard]] static causal_context read(decoder& in);

  friend bool operator==(const causal_context&,
                         const causal_context&) = default;

private:
  interval_set& at(replica_id replica);

  std::vector<entry> entries_;
};

/// Writes `count` dots, sorted, all of them in `context`, by their places in
/// it: a byte each where they are dense. `dot_at(i)` names a dot,
/// `write_value(i)` adds what belongs to it.
template <class DotAt, class WriteValue>
void write_dots(encoder& out, const causal_context& context, std::size_t count,
                DotAt dot_at, WriteValue write_value) {
  std::size_t groups = 0;
  for (std::size_t i = 0; i < count; ++i)
    if (i == 0 || dot_at(i).replica != dot_at(i - 1).replica)
      ++groups;
  out.put_varint(groups);
  std::size_t entry = 0;
  for (std::size_t begin = 0; begin < count;) {
    auto replica = dot_at(begin).replica;
    auto skipped = std::size_t{0};
    for (; context.entries()[entry].replica != replica; ++entry)
      ++skipped;
    auto end = begin;
    while (end < count && dot_at(end).replica == replica)
      ++end;
    out.put_varint(skipped);
    out.put_varint(end - begin - 1);
    place_cursor places{context.entries()[entry].seen.intervals()};
    std::uint64_t expected_place = 0;
    for (; begin < end; ++begin) {
      auto place = places.place_of(dot_at(begin).counter);
      out.put_varint(place - expected_place);
      expected_place = place + 1;
      write_value(begin);
    }
    ++entry;
  }
}

/// Reads what `write_dots` wrote; `take(dot)` gets each dot, in order, and
/// reads what belongs to it.
template <class Take>
void read_dots(decoder& in, const causal_context& context, Take take) {
  auto groups = in.take_count(3);
  std::size_t entry = 0;
  for (std::size_t group = 0; group < groups && !in.failed(); ++group) {
    auto skipped = in.take_varint();
    if (entry >= context.entries().size()
        || skipped >= context.entries().size() - entry) {
      in.fail("a dot of a replica outside the context");
      return;
    }
    entry += skipped;
    const auto& [replica, seen] = context.entries()[entry];
    auto count = in.take_count() + 1;
    place_cursor places{seen.intervals()};
    std::uint64_t place = 0;
    for (std::size_t i = 0; i < count && !in.failed(); ++i) {
      auto gap = in.take_varint();
      auto counter =
        gap > limits::max_counter ? 0 : places.counter_at(place + gap);
      if (counter == 0) {
        in.fail("a dot outside the context");
        return;
      }
      place += gap + 1;
      take(dot{replica, counter});
    }
    ++entry;
  }
}

} // namespace neuroplex::crdt
