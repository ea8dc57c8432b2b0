// A set whose add wins over a remove that has not seen it, for many elements.
//
// Purpose: an observed-remove set without tombstones. Elements lie in a flat
// hash table with their dots (`element_table.hpp`); for each replica an index
// tells which of its dots are live (`dot_index.hpp`). So joining a delta
// touches the dots that it names and nothing else, and two whole states are
// compared index by index, in memory order.
//
// Source: Bieniusa et al., "An optimized conflict-free replicated set" (2012);
// contexts with gaps as in Almeida, Shoker, Baquero (2018), section 7.
//
// Invariants:
//  1. A dot is live in the index of its replica exactly when a slot of the
//     table holds it, and then it was seen.
//  2. What was removed leaves nothing but its place in the context.
//
// Failure behaviour: a merge that fails changed nothing.
#pragma once

#include "crdt/deferred_removes.hpp"
#include "crdt/dot_index.hpp"
#include "crdt/element_table.hpp"
#include "crdt/state.hpp"

#include <algorithm>
#include <set>

namespace neuroplex::crdt {

/// Live dots and their elements, and removes that wait, as they travel.
template <class T>
struct or_set_store : dot_fun<T> {
  deferred_removes<T> deferred;

  [[nodiscard]] bool empty() const noexcept {
    return dot_fun<T>::empty() && deferred.empty();
  }

  void join(const causal_context& mine, const or_set_store& other,
            const causal_context& theirs) {
    dot_fun<T>::join(mine, other, theirs);
    deferred.merge(other.deferred);
    if (deferred.empty())
      return;
    std::erase_if(this->values, [this](const auto& one) {
      return deferred.removes(one.second, one.first);
    });
    deferred.forget(mine);
    deferred.forget(theirs);
  }

  /// A hash of what waits; 0 when nothing does.
  [[nodiscard]] std::uint64_t rest_hash() const {
    if (deferred.empty())
      return 0;
    replica_table table;
    encoder out{table};
    deferred.write(out);
    return hash_bytes(out.finish(0));
  }

  void write(encoder& out, const causal_context& context) const {
    dot_fun<T>::write(out, context);
    deferred.write(out);
  }

  [[nodiscard]] static or_set_store read(decoder& in,
                                         const causal_context& context) {
    // Braces keep the order of evaluation.
    return {dot_fun<T>::read(in, context),
            deferred_removes<T>::read(in, context)};
  }

  static void describe(std::string& out) {
    out += "or_set(";
    codec<T>::describe(out);
    out += ",deferred)";
  }

  friend bool operator==(const or_set_store&, const or_set_store&) = default;
};

template <class T>
class or_set;

/// A change of an `or_set`, or several; or all of one, for the way.
template <class T>
class or_set_delta : public state<or_set_delta<T>, causal<or_set_store<T>>> {
public:
  [[nodiscard]] std::set<T> value() const {
    std::set<T> result;
    for (const auto& [what, element] : this->lattice_.store.values)
      result.insert(element);
    return result;
  }

private:
  friend class or_set<T>;
};

template <class T>
class or_set {
public:
  using delta_type = or_set_delta<T>;
  using element_type = T;

  [[nodiscard]] expected<delta_type> add(replica_id by, T element);

  /// Removes the adds of `element` that were seen here.
  [[nodiscard]] expected<delta_type> remove(replica_id by, const T& element);

  /// Removes those adds of `element` that are in `observed`: what a client saw,
  /// perhaps at another replica. Those that did not come here yet go when they
  /// come; fails with `errc::too_many` when too many elements wait for that.
  [[nodiscard]] expected<delta_type> remove(replica_id by, const T& element,
                                            const causal_context& observed);

  /// Removes all adds that were seen here.
  [[nodiscard]] expected<delta_type> clear(replica_id by);

  [[nodiscard]] bool contains(const T& element) const {
    return table_.find(element, table::hash_of(element)) != table::nowhere;
  }

  [[nodiscard]] std::size_t size() const noexcept {
    return size_;
  }

  [[nodiscard]] std::set<T> value() const {
    std::set<T> result;
    for (const auto& one : table_.slots())
      if (one.what != packed_dot::none)
        result.insert(one.element);
    return result;
  }

  /// Joins a delta, at a cost that depends on the delta only. Fails with
  /// `errc::conflict` when both use one dot for different elements, with
  /// `errc::too_many` when there would be too many replicas.
  [[nodiscard]] expected<void> merge(const delta_type& delta);

  /// Joins a whole state, likewise.
  [[nodiscard]] expected<void> merge(const or_set& other);

  [[nodiscard]] std::string encode() const {
    return whole().encode();
  }

  [[nodiscard]] std::string encode(replica_table& table) const {
    return whole().encode(table);
  }

  [[nodiscard]] static expected<or_set>
  decode(std::string_view bytes, const decode_limits& limits = {}) {
    replica_table table;
    return decode(bytes, table, limits);
  }

  [[nodiscard]] static expected<or_set>
  decode(std::string_view bytes, replica_table& table,
         const decode_limits& limits = {}) {
    auto delta = delta_type::decode(bytes, table, limits);
    if (!delta)
      return delta.error();
    or_set result;
    if (auto merged = result.merge(*delta); !merged)
      return merged.error();
    return result;
  }

  [[nodiscard]] state_digest digest() const {
    return {context(), ranges(), rest_hash()};
  }

  [[nodiscard]] std::optional<delta_type>
  difference(const state_digest& theirs) const {
    auto dots = dots_to_send(context(), ranges(), theirs);
    auto rest = rest_hash();
    if (dots.empty() && (rest == 0 || rest == theirs.whole))
      return std::nullopt;
    return part(dots);
  }

  /// The set without what it keeps of a replica that is a member no more and of
  /// which no add lives, once that is stable (`membership.hpp`).
  [[nodiscard]] expected<or_set> without(replica_id gone) const;

  /// What is held of `replica`, as a number to be compared. Fails with
  /// `errc::busy` while an add of it lives.
  [[nodiscard]] expected<std::uint64_t> held_of(replica_id replica) const {
    return digest().held_of(replica);
  }

  [[nodiscard]] static std::uint32_t kind() {
    return delta_type::kind();
  }

  /// Which changes were seen.
  [[nodiscard]] causal_context context() const;

  /// What was removed and is waited for (`deferred_removes.hpp`).
  [[nodiscard]] const deferred_removes<T>& deferred() const noexcept {
    return deferred_;
  }

  /// All of it, as a delta.
  [[nodiscard]] delta_type whole() const {
    return part(context());
  }

  /// Memory that the set uses, for elements that use none themselves.
  [[nodiscard]] std::size_t bytes() const noexcept;

  friend bool operator==(const or_set& a, const or_set& b) {
    return a.whole() == b.whole();
  }

private:
  using table = element_table<T>;

  /// What is known of one replica. Its place in the list is its number in
  /// packed dots.
  struct replica_record {
    replica_id id;
    interval_set seen;
    dot_index live;
  };

  /// What a replica of another set did that was not seen here, and its number
  /// here.
  struct news_of_replica {
    std::size_t number = 0;
    interval_set unseen;
  };

  /// Of several slots, so many are on their way from memory while one is dealt
  /// with.
  static constexpr std::size_t ahead = 12;

  [[nodiscard]] std::size_t find_replica(replica_id id) const noexcept;
  [[nodiscard]] std::size_t replica_number(replica_id id);
  [[nodiscard]] std::vector<range_hash> ranges() const;
  [[nodiscard]] delta_type part(const causal_context& dots) const;

  [[nodiscard]] expected<void> check(const delta_type& delta) const;
  [[nodiscard]] expected<void> check(const or_set& other) const;

  /// Refuses to name too many replicas with `unknown` ones and those of which
  /// something is waited for, here or there.
  [[nodiscard]] expected<void>
  check_replicas(std::vector<replica_id> unknown,
                 const deferred_removes<T>& theirs) const;

  [[nodiscard]] std::uint64_t rest_hash() const {
    return or_set_store<T>{{}, deferred_}.rest_hash();
  }

  /// Removes what is here of what waits there, and waits for the rest.
  void take_deferred(const deferred_removes<T>& theirs);

  void put(T element, std::uint32_t hash, packed_dot what);
  void drop(packed_dot what, std::uint32_t hash);
  void drop_at(std::size_t at); ///< the last dot of an element
  [[nodiscard]] delta_type remove_some(const T& element,
                                       const causal_context* observed);
  void drop_unlisted(const interval_set& seen, const replica_record& mine,
                     const std::vector<std::pair<dot, T>>& listed);
  void
  drop_all(const replica_record& mine,
           const std::vector<std::pair<std::uint64_t, std::uint32_t>>& gone);
  void drop_removed(const replica_record& mine, const replica_record& theirs);
  void take_some(const or_set& other, const replica_record& theirs,
                 const news_of_replica& news);
  void take_many(const or_set& other, const std::vector<news_of_replica>& news,
                 std::size_t count);

  [[nodiscard]] dot unpack(packed_dot what) const noexcept {
    return {replicas_[replica_index_of(what)].id, counter_of(what)};
  }

  table table_;
  std::vector<replica_record> replicas_;
  std::vector<std::size_t> by_id_; ///< places in `replicas_`, sorted by id
  std::size_t size_ = 0;           ///< elements; the table counts dots
  deferred_removes<T> deferred_;
};

template <class T>
std::size_t or_set<T>::find_replica(replica_id id) const noexcept {
  auto at = std::lower_bound(by_id_.begin(), by_id_.end(), id,
                             [this](std::size_t number, replica_id wanted) {
                               return replicas_[number].id < wanted;
                             });
  return at != by_id_.end() && replicas_[*at].id == id ? *at : replicas_.size();
}

template <class T>
std::size_t or_set<T>::replica_number(replica_id id) {
  auto number = find_replica(id);
  if (number == replicas_.size()) {
    replicas_.push_back({id, {}, {}});
    auto at = std::lower_bound(by_id_.begin(), by_id_.end(), id,
                               [this](std::size_t known, replica_id wanted) {
                                 return replicas_[known].id < wanted;
                               });
    by_id_.insert(at, number);
  }
  return number;
}

template <class T>
expected<typename or_set<T>::delta_type> or_set<T>::add(replica_id by,
                                                        T element) {
  if (auto fits = codec<T>::check(element); !fits)
    return fits.error();
  auto number = find_replica(by);
  if (number == replicas_.size()) {
    if (auto fits = check_replicas({by}, {}); !fits)
      return fits.error();
    number = replica_number(by);
  }
  auto& mine = replicas_[number];
  auto counter = mine.seen.largest() + 1;
  if (counter > limits::max_counter)
    return causal_context{}.next(by).error();
  auto hash = table::hash_of(element);
  delta_type delta;
  auto& [store, seen] = delta.lattice_;
  auto at = table_.find(element, hash);
  auto what = pack(number, counter);
  if (at == table::nowhere) {
    table_.insert(element, hash, what);
    ++size_;
  } else {
    // The new dot stands for all that were there.
    auto first = table_[at].what;
    for (auto more = table_.find_next(at); more != table::nowhere;
         more = table_.find_next(at)) {
      auto old = table_[more].what;
      seen.add(unpack(old));
      replicas_[replica_index_of(old)].live.erase(counter_of(old));
      table_.erase(more);
    }
    seen.add(unpack(first));
    replicas_[replica_index_of(first)].live.erase(counter_of(first));
    table_.replace(table_.slot_of(first, hash), what);
  }
  mine.live.insert(counter, hash);
  mine.seen.add(counter);
  seen.add(dot{by, counter});
  store.values.emplace_back(dot{by, counter}, std::move(element));
  return delta;
}

template <class T>
expected<typename or_set<T>::delta_type> or_set<T>::remove(replica_id,
                                                           const T& element) {
  delta_type delta;
  auto hash = table::hash_of(element);
  auto at = table_.find(element, hash);
  if (at == table::nowhere)
    return delta;
  if (table_.find_next(at) != table::nowhere)
    return remove_some(element, nullptr);
  delta.lattice_.context.add(unpack(table_[at].what));
  drop_at(at);
  return delta;
}

template <class T>
expected<typename or_set<T>::delta_type>
or_set<T>::remove(replica_id, const T& element,
                  const causal_context& observed) {
  deferred_removes<T> unseen;
  unseen.add(element, observed.difference(context()));
  if (!unseen.empty()) {
    auto fits = codec<T>::check(element);
    if (fits)
      fits = deferred_.check(unseen);
    if (fits)
      fits = check_replicas({}, unseen);
    if (!fits)
      return fits.error();
  }
  auto delta = remove_some(element, &observed);
  deferred_.merge(unseen);
  delta.lattice_.store.deferred = std::move(unseen);
  return delta;
}

template <class T>
typename or_set<T>::delta_type
or_set<T>::remove_some(const T& element, const causal_context* observed) {
  delta_type delta;
  auto hash = table::hash_of(element);
  std::vector<packed_dot> gone;
  for (auto at = table_.find(element, hash); at != table::nowhere;
       at = table_.find_next(at))
    if (observed == nullptr || observed->contains(unpack(table_[at].what)))
      gone.push_back(table_[at].what);
  for (auto what : gone) {
    delta.lattice_.context.add(unpack(what));
    drop(what, hash);
  }
  return delta;
}

template <class T>
expected<typename or_set<T>::delta_type> or_set<T>::clear(replica_id) {
  delta_type delta;
  for (auto& known : replicas_) {
    known.live.for_each(0, limits::max_counter,
                        [&](std::uint64_t counter, std::uint32_t) {
                          delta.lattice_.context.add(dot{known.id, counter});
                        });
    known.live = {};
  }
  table_ = {};
  size_ = 0;
  return delta;
}

template <class T>
void or_set<T>::put(T element, std::uint32_t hash, packed_dot what) {
  replicas_[replica_index_of(what)].live.insert(counter_of(what), hash);
  if (table_.insert(std::move(element), hash, what))
    ++size_;
}

template <class T>
void or_set<T>::drop(packed_dot what, std::uint32_t hash) {
  auto at = table_.slot_of(what, hash);
  // Another dot may keep the element.
  if (!table_.is_alone(at, hash))
    ++size_;
  drop_at(at);
}

template <class T>
void or_set<T>::drop_at(std::size_t at) {
  auto what = table_[at].what;
  replicas_[replica_index_of(what)].live.erase(counter_of(what));
  table_.erase(at);
  --size_;
}

template <class T>
expected<void> or_set<T>::check(const delta_type& delta) const {
  const auto& waiting = delta.lattice().store.deferred;
  std::vector<replica_id> unknown;
  for (const auto& [replica, seen] : delta.context().entries())
    if (find_replica(replica) == replicas_.size())
      unknown.push_back(replica);
  if (auto fits = check_replicas(std::move(unknown), waiting); !fits)
    return fits;
  if (auto fits = deferred_.check(waiting); !fits)
    return fits;
  for (const auto& [what, element] : delta.lattice().store.values) {
    auto number = find_replica(what.replica);
    if (number == replicas_.size())
      continue;
    auto mine = replicas_[number].live.find(what.counter);
    if (mine != 0 && mine != table::hash_of(element))
      return reused_dot(what);
  }
  return {};
}

template <class T>
expected<void>
or_set<T>::check_replicas(std::vector<replica_id> unknown,
                          const deferred_removes<T>& theirs) const {
  for (const auto* waiting : {&deferred_, &theirs})
    for (const auto& [element, dots] : waiting->elements())
      for (const auto& [replica, seen] : dots.entries())
        if (find_replica(replica) == replicas_.size())
          unknown.push_back(replica);
  std::sort(unknown.begin(), unknown.end());
  auto last = std::unique(unknown.begin(), unknown.end());
  return check_replica_count(
    replicas_.size() + static_cast<std::size_t>(last - unknown.begin()));
}

template <class T>
void or_set<T>::drop_unlisted(const interval_set& seen,
                              const replica_record& mine,
                              const std::vector<std::pair<dot, T>>& listed) {
  std::vector<std::pair<std::uint64_t, std::uint32_t>> gone;
  auto at = std::lower_bound(
    listed.begin(), listed.end(), dot{mine.id, 0},
    [](const auto& one, const dot& wanted) { return one.first < wanted; });
  for (const auto& [first, last] : seen.intervals()) {
    mine.live.for_each(first, last,
                       [&](std::uint64_t counter, std::uint32_t hash) {
                         dot what{mine.id, counter};
                         while (at != listed.end() && at->first < what)
                           ++at;
                         if (at != listed.end() && at->first == what)
                           return;
                         table_.prefetch(hash);
                         gone.emplace_back(counter, hash);
                       });
  }
  drop_all(mine, gone);
}

template <class T>
void or_set<T>::drop_all(
  const replica_record& mine,
  const std::vector<std::pair<std::uint64_t, std::uint32_t>>& gone) {
  auto number = static_cast<std::size_t>(&mine - replicas_.data());
  for (std::size_t i = 0; i < gone.size(); ++i) {
    if (i + ahead < gone.size())
      table_.prefetch(gone[i + ahead].second);
    drop(pack(number, gone[i].first), gone[i].second);
  }
}

template <class T>
void or_set<T>::take_deferred(const deferred_removes<T>& theirs) {
  for (const auto& [element, dots] : theirs.elements())
    (void)remove_some(element, &dots);
  deferred_.merge(theirs);
}

template <class T>
expected<void> or_set<T>::merge(const delta_type& delta) {
  if (auto fits = check(delta); !fits)
    return fits;
  const auto& [store, context] = delta.lattice();
  for (const auto& [replica, seen] : context.entries()) {
    auto number = find_replica(replica);
    if (number != replicas_.size())
      drop_unlisted(seen, replicas_[number], store.values);
  }
  take_deferred(store.deferred);
  if (store.values.size() > 64)
    table_.reserve(store.values.size());
  for (const auto& [what, element] : store.values) {
    auto number = replica_number(what.replica);
    if (!replicas_[number].seen.contains(what.counter)
        && !deferred_.removes(element, what))
      put(element, table::hash_of(element), pack(number, what.counter));
  }
  for (const auto& [replica, seen] : context.entries())
    replicas_[replica_number(replica)].seen.merge(seen);
  if (!deferred_.empty())
    deferred_.forget(this->context());
  return {};
}

template <class T>
expected<void> or_set<T>::check(const or_set& other) const {
  std::vector<replica_id> unknown;
  for (const auto& theirs : other.replicas_) {
    auto number = find_replica(theirs.id);
    if (number == replicas_.size()) {
      unknown.push_back(theirs.id);
      continue;
    }
    const auto& mine = replicas_[number].live.pages();
    auto at = mine.begin();
    for (const auto& page : theirs.live.pages()) {
      while (at != mine.end() && at->number < page.number)
        ++at;
      if (at == mine.end())
        break;
      if (at->number != page.number || *at == page)
        continue;
      for (std::size_t i = 0; i < page.hashes.size(); ++i)
        if (at->hashes[i] != page.hashes[i] && at->hashes[i] != 0
            && page.hashes[i] != 0)
          return reused_dot(
            {theirs.id, page.number * dot_index::page_counters + i});
    }
  }
  if (auto fits = deferred_.check(other.deferred_); !fits)
    return fits;
  return check_replicas(std::move(unknown), other.deferred_);
}

template <class T>
void or_set<T>::drop_removed(const replica_record& mine,
                             const replica_record& theirs) {
  // What both have seen and only one has live was removed by somebody.
  std::vector<std::pair<std::uint64_t, std::uint32_t>> gone;
  auto place = std::size_t{0};
  const auto& their_pages = theirs.live.pages();
  for (const auto& page : mine.live.pages()) {
    while (place < their_pages.size()
           && their_pages[place].number < page.number)
      ++place;
    auto both =
      place < their_pages.size() && their_pages[place].number == page.number;
    if (both && their_pages[place] == page)
      continue;
    for (std::size_t i = 0; i < page.hashes.size(); ++i) {
      auto counter = page.number * dot_index::page_counters + i;
      if (page.hashes[i] != 0 && !(both && their_pages[place].hashes[i] != 0)
          && theirs.seen.contains(counter))
        gone.emplace_back(counter, page.hashes[i]);
    }
  }
  drop_all(mine, gone);
}

template <class T>
void or_set<T>::take_some(const or_set& other, const replica_record& theirs,
                          const news_of_replica& news) {
  std::vector<std::pair<std::uint64_t, std::uint32_t>> come;
  for (const auto& [first, last] : news.unseen.intervals())
    theirs.live.for_each(first, last,
                         [&](std::uint64_t counter, std::uint32_t hash) {
                           come.emplace_back(counter, hash);
                         });
  auto their_number =
    static_cast<std::size_t>(&theirs - other.replicas_.data());
  for (std::size_t i = 0; i < come.size(); ++i) {
    if (i + ahead < come.size()) {
      other.table_.prefetch(come[i + ahead].second);
      table_.prefetch(come[i + ahead].second);
    }
    auto [counter, hash] = come[i];
    auto at = other.table_.slot_of(pack(their_number, counter), hash);
    const auto& element = other.table_[at].element;
    if (!deferred_.removes(element, dot{theirs.id, counter}))
      put(element, hash, pack(news.number, counter));
  }
}

template <class T>
void or_set<T>::take_many(const or_set& other,
                          const std::vector<news_of_replica>& news,
                          std::size_t count) {
  for (std::size_t i = 0; i < news.size(); ++i) {
    auto& live = replicas_[news[i].number].live;
    for (const auto& [first, last] : news[i].unseen.intervals())
      other.replicas_[i].live.for_each(
        first, last, [&](std::uint64_t counter, std::uint32_t hash) {
          live.insert(counter, hash);
        });
  }
  size_ += table_.merge(other.table_, count, [&](packed_dot what) {
    const auto& [number, unseen] = news[replica_index_of(what)];
    auto counter = counter_of(what);
    return unseen.contains(counter) ? pack(number, counter) : packed_dot::none;
  });
}

template <class T>
expected<void> or_set<T>::merge(const or_set& other) {
  if (&other == this)
    return {};
  if (auto fits = check(other); !fits)
    return fits;
  take_deferred(other.deferred_);
  std::vector<news_of_replica> news;
  std::size_t count = 0;
  for (const auto& theirs : other.replicas_) {
    auto number = replica_number(theirs.id);
    const auto& mine = replicas_[number];
    drop_removed(mine, theirs);
    news.push_back({number, theirs.seen.difference(mine.seen)});
    for (const auto& [first, last] : news.back().unseen.intervals())
      count += theirs.live.count(first, last);
  }
  // Many are cheaper in the order of the tables, few one by one.
  if (deferred_.empty() && count > table_.used() / 16) {
    take_many(other, news, count);
  } else {
    for (std::size_t i = 0; i < news.size(); ++i)
      take_some(other, other.replicas_[i], news[i]);
  }
  for (std::size_t i = 0; i < news.size(); ++i)
    replicas_[news[i].number].seen.merge(other.replicas_[i].seen);
  if (!deferred_.empty())
    deferred_.forget(context());
  return {};
}

template <class T>
expected<or_set<T>> or_set<T>::without(replica_id gone) const {
  if (auto held = held_of(gone); !held)
    return held.error();
  auto kept = context();
  kept.erase(gone);
  or_set result;
  NEUROPLEX_ENSURE(result.merge(part(kept)));
  return result;
}

template <class T>
causal_context or_set<T>::context() const {
  causal_context result;
  for (auto number : by_id_)
    if (!replicas_[number].seen.empty())
      result.add(replicas_[number].id, replicas_[number].seen);
  return result;
}

template <class T>
std::vector<range_hash> or_set<T>::ranges() const {
  range_hasher hasher;
  for (auto number : by_id_) {
    const auto& known = replicas_[number];
    known.live.for_each(0, limits::max_counter,
                        [&](std::uint64_t counter, std::uint32_t hash) {
                          hasher.add({known.id, counter}, hash);
                        });
  }
  return std::move(hasher).finish();
}

template <class T>
typename or_set<T>::delta_type
or_set<T>::part(const causal_context& dots) const {
  delta_type result;
  auto& values = result.lattice_.store.values;
  for (const auto& [replica, wanted] : dots.entries()) {
    auto number = find_replica(replica);
    if (number == replicas_.size())
      continue;
    std::vector<std::pair<std::uint64_t, std::uint32_t>> live;
    for (const auto& [first, last] : wanted.intervals())
      replicas_[number].live.for_each(
        first, last, [&](std::uint64_t counter, std::uint32_t hash) {
          live.emplace_back(counter, hash);
        });
    for (std::size_t i = 0; i < live.size(); ++i) {
      if (i + ahead < live.size())
        table_.prefetch(live[i + ahead].second);
      auto [counter, hash] = live[i];
      auto at = table_.slot_of(pack(number, counter), hash);
      values.emplace_back(dot{replica, counter}, table_[at].element);
    }
  }
  result.lattice_.context = dots;
  result.lattice_.store.deferred = deferred_;
  return result;
}

template <class T>
std::size_t or_set<T>::bytes() const noexcept {
  auto sum = table_.bytes() + replicas_.capacity() * sizeof(replica_record)
             + by_id_.capacity() * sizeof(std::size_t);
  for (const auto& known : replicas_)
    sum +=
      known.live.bytes() + known.seen.intervals().size() * sizeof(interval);
  return sum;
}

} // namespace neuroplex::crdt
