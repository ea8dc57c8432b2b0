#include "storage/concept/graph.hpp"

#include "storage/concept/limits.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>

namespace neuroplex::concepts {

namespace {

/// Concepts a bucket on average before one more is made. A bucket that was not
/// yet split has up to this many, one that was has half.
constexpr std::uint64_t concepts_a_bucket = 4;

constexpr std::uint64_t index_entry(std::uint32_t hash,
                                    concept_slot slot) noexcept {
  return std::uint64_t{hash} << 32 | (slot + 1);
}

constexpr bool has_target(entry_kind kind) noexcept {
  return kind == entry_kind::learn_association
         || kind == entry_kind::forget_association;
}

/// Whether an entry is about a concept that is known, and stays.
constexpr bool looks_up(entry_kind kind) noexcept {
  return kind != entry_kind::learn_concept
         && kind != entry_kind::forget_concept;
}

} // namespace

graph::graph(std::uint64_t seed, block_source* source)
  : arena_{source}, session_{arena_, 1} {
  working_.seed = seed;
  working_.buckets.append(session_);
  // The empty version is one that readers may have.
  std::vector<retired_block> none;
  publish(0, 0, none);
}

errc graph::apply(const write_entry& entry, std::int64_t now_us) {
  return apply(entry, find_ends(entry), now_us);
}

errc graph::apply(const write_entry& entry, const entry_ends& ends,
                  std::int64_t now_us) {
  switch (entry.kind) {
    case entry_kind::learn_concept:
      return learn_concept(entry, now_us);
    case entry_kind::learn_association:
      return learn_association(entry, ends);
    case entry_kind::strengthen:
    case entry_kind::decay:
      return scale(entry, ends, now_us);
    case entry_kind::forget_concept:
      return forget_concept(entry);
    case entry_kind::forget_association:
      return forget_association(entry, ends);
  }
  return errc::bad_argument;
}

graph::entry_ends graph::find_ends(const write_entry& entry) const noexcept {
  entry_ends ends;
  if (!looks_up(entry.kind))
    return ends;
  ends.source = working_.find(entry.id);
  if (has_target(entry.kind))
    ends.target = working_.find(entry.target);
  return ends;
}

void graph::begin_look_up(entry_group& group) const noexcept {
  auto hash = [&](std::size_t place, const concept_id& id) {
    group.hashes[place] = hash_of(id, working_.seed);
    working_.buckets.prefetch(working_.bucket_of(group.hashes[place]));
  };
  for (std::size_t i = 0; i < group.entries.size(); ++i) {
    hash(2 * i, group.entries[i].id);
    if (has_target(group.entries[i].kind))
      hash(2 * i + 1, group.entries[i].target);
  }
}

void graph::prefetch_records(const entry_group& group) const noexcept {
  auto prefetch = [&](std::uint32_t hash) {
    const auto& bucket = working_.buckets[working_.bucket_of(hash)];
    if (auto tagged = bucket.tagged(hash); tagged != 0)
      working_.records.prefetch_to_edit(bucket.slot(std::countr_zero(tagged)),
                                        session_);
  };
  for (std::size_t i = 0; i < group.entries.size(); ++i) {
    prefetch(group.hashes[2 * i]);
    if (has_target(group.entries[i].kind))
      prefetch(group.hashes[2 * i + 1]);
  }
}

/// Finds the concepts, and asks for the beginnings of their lists.
void graph::end_look_up(entry_group& group) const noexcept {
  group.index_changes = index_changes_;
  for (std::size_t i = 0; i < group.entries.size(); ++i) {
    const auto& entry = group.entries[i];
    auto& ends = group.ends[i];
    ends = {};
    if (!looks_up(entry.kind))
      continue;
    ends.source = working_.find(entry.id, group.hashes[2 * i]);
    if (!has_target(entry.kind))
      continue;
    ends.target = working_.find(entry.target, group.hashes[2 * i + 1]);
    if (ends.source) {
      const auto& record = working_.records[*ends.source];
      edge_list::prefetch(record.out, record.out_count);
    }
    if (ends.target) {
      const auto& record = working_.records[*ends.target];
      edge_list::prefetch(record.in, record.in_count);
    }
  }
}

graph_version graph::publish(std::uint64_t sequence, std::int64_t timestamp_us,
                             std::vector<retired_block>& left) {
  working_.number = session_.version();
  working_.sequence = sequence;
  working_.timestamp_us = timestamp_us;
  left = session_.next_version();
  return working_;
}

/// A record that is to be written to a file again.
concept_record& graph::change(concept_slot slot) {
  if (slot >= is_changed_.size())
    is_changed_.resize(working_.records.size());
  if (!is_changed_[slot]) {
    is_changed_[slot] = true;
    changed_.push_back(slot);
  }
  return working_.records.edit(slot, session_);
}

graph::changes graph::take_changes() {
  changes result;
  for (auto slot : std::exchange(changed_, {})) {
    is_changed_[slot] = false;
    if (working_.records[slot].in_use())
      result.slots.push_back(slot);
  }
  std::sort(forgotten_.begin(), forgotten_.end());
  forgotten_.erase(std::unique(forgotten_.begin(), forgotten_.end()),
                   forgotten_.end());
  for (const auto& id : std::exchange(forgotten_, {}))
    if (!working_.find(id))
      result.forgotten.push_back(id);
  return result;
}

errc graph::restore(const write_entry& entry, std::int64_t created_us,
                    std::int64_t changed_us) {
  NEUROPLEX_ENSURE(!working_.find(entry.id));
  auto result = learn_concept(entry, created_us);
  if (result == errc::ok)
    change(*working_.find(entry.id)).changed_us = changed_us;
  return result;
}

errc graph::learn_concept(const write_entry& entry, std::int64_t now_us) {
  if (entry.dimensions != 0 && working_.dimensions != 0
      && entry.dimensions != working_.dimensions)
    return errc::wrong_type;
  auto slot = working_.find(entry.id);
  if (!slot && working_.concept_count >= limits::max_concepts)
    return errc::too_many;
  if (entry.dimensions != 0)
    working_.dimensions = entry.dimensions;
  auto is_new = !slot;
  if (is_new) {
    slot = take_slot();
    add_to_index(hash_of(entry.id, working_.seed), *slot);
    ++working_.concept_count;
  }
  auto& record = change(*slot);
  auto created_us = now_us;
  if (is_new) {
    record = {};
    record.id = entry.id;
  } else {
    created_us = record.body->created_us;
    session_.retire(record.body, record.body->bytes(), record.body->born);
  }
  record.body = new_body(entry, created_us);
  if (entry.dimensions != 0)
    note_vector(*slot);
  record.strength = entry.amount;
  record.confidence = entry.confidence;
  record.changed_us = now_us;
  return errc::ok;
}

void graph::note_vector(concept_slot slot) {
  auto note = [this](concept_slot noted) {
    working_.vector_log.edit(working_.vector_log.append(session_), session_) =
      noted;
  };
  // Begun anew now and then, so that learning the same again costs no memory.
  constexpr std::uint64_t least_notes = 4096;
  if (working_.vector_log.size() > 2 * working_.concept_count + least_notes) {
    working_.vector_log.clear(session_);
    ++working_.vector_epoch;
    for (concept_slot each = 0; each < working_.records.size(); ++each)
      if (const auto& record = working_.records[each];
          each != slot && record.in_use() && record.body->dimensions != 0)
        note(each);
  }
  note(slot);
}

errc graph::learn_association(const write_entry& entry,
                              const entry_ends& ends) {
  auto [source, target] = ends;
  if (!source || !target)
    return errc::not_found;
  edge out{*target, entry.type, entry.qualifier, entry.amount,
           entry.confidence};
  auto& from = change(*source);
  auto& to = working_.records.edit(*target, session_);
  if ((from.out_count >= limits::max_degree
       || to.in_count >= limits::max_degree)
      && edge_list::find(from.out, out.key()) == nullptr)
    return errc::too_many;
  auto in = out;
  in.other = *source;
  auto is_new = edge_list::put(from.out, out, session_);
  edge_list::put(to.in, in, session_);
  if (is_new) {
    ++from.out_count;
    ++to.in_count;
    ++working_.association_count;
  }
  return errc::ok;
}

errc graph::scale(const write_entry& entry, const entry_ends& ends,
                  std::int64_t now_us) {
  if (!ends.source)
    return errc::not_found;
  auto& record = change(*ends.source);
  auto strength = entry.kind == entry_kind::decay
                    ? record.strength * entry.amount
                    : record.strength + entry.amount;
  record.strength = std::min(strength, std::numeric_limits<float>::max());
  record.changed_us = now_us;
  return errc::ok;
}

errc graph::forget_concept(const write_entry& entry) {
  auto found = working_.find(entry.id);
  if (!found)
    return errc::not_found;
  auto slot = *found;
  forgotten_.push_back(entry.id);
  auto& record = working_.records.edit(slot, session_);
  working_.association_count -= record.out_count;
  // Who points to itself is in both lists, and counted once.
  edge_list::for_each(record.out, [&](const edge& out) {
    if (out.other == slot)
      return true;
    auto in = out;
    in.other = slot;
    auto& to = working_.records.edit(out.other, session_);
    edge_list::erase(to.in, in.key(), session_);
    --to.in_count;
    return true;
  });
  edge_list::for_each(record.in, [&](const edge& in) {
    if (in.other == slot)
      return true;
    auto out = in;
    out.other = slot;
    auto& from = change(in.other);
    edge_list::erase(from.out, out.key(), session_);
    --from.out_count;
    --working_.association_count;
    return true;
  });
  edge_list::clear(record.out, session_);
  edge_list::clear(record.in, session_);
  session_.retire(record.body, record.body->bytes(), record.body->born);
  remove_from_index(hash_of(entry.id, working_.seed), slot);
  record = {};
  record.in_count = std::exchange(free_slot_, slot + 1);
  --working_.concept_count;
  return errc::ok;
}

errc graph::forget_association(const write_entry& entry,
                               const entry_ends& ends) {
  auto [source, target] = ends;
  if (!source || !target)
    return errc::not_found;
  edge out{*target, entry.type, entry.qualifier};
  if (edge_list::find(working_.records[*source].out, out.key()) == nullptr)
    return errc::not_found;
  auto in = out;
  in.other = *source;
  auto& from = change(*source);
  auto& to = working_.records.edit(*target, session_);
  edge_list::erase(from.out, out.key(), session_);
  edge_list::erase(to.in, in.key(), session_);
  --from.out_count;
  --to.in_count;
  --working_.association_count;
  return errc::ok;
}

concept_body* graph::new_body(const write_entry& entry,
                              std::int64_t created_us) {
  auto data_bytes = entry.body_bytes();
  auto* body = new (session_.take(sizeof(concept_body) + data_bytes))
    concept_body{session_.version(),    created_us,
                 entry.dimensions,      entry.content_bytes,
                 entry.attribute_bytes, 0};
  if (data_bytes != 0)
    std::memcpy(body->data(), entry.body.get(), data_bytes);
  return body;
}

concept_slot graph::take_slot() {
  if (free_slot_ == 0)
    return working_.records.append(session_);
  auto slot = free_slot_ - 1;
  free_slot_ = working_.records[slot].in_count;
  return slot;
}

void graph::add_to_index(std::uint32_t hash, concept_slot slot) {
  ++index_changes_;
  if (working_.concept_count >= working_.buckets.size() * concepts_a_bucket)
    split_bucket();
  put_in_bucket(working_.bucket_of(hash), index_entry(hash, slot));
}

void graph::put_in_bucket(std::uint32_t bucket, std::uint64_t entry) {
  auto* at = &working_.buckets.edit(bucket, session_);
  for (;;) {
    auto free = std::find(at->entries.begin(), at->entries.end(), 0U);
    if (free != at->entries.end()) {
      *free = entry;
      return;
    }
    if (at->next == 0) {
      // Before the overflow grows, since the bucket itself stays where it is.
      auto place = take_overflow();
      at->next = place + 1;
    }
    at = &working_.overflow.edit(static_cast<std::uint32_t>(at->next - 1),
                                 session_);
  }
}

/// Adds a bucket at the end, and moves there what belongs there now.
void graph::split_bucket() {
  auto added = working_.buckets.append(session_);
  auto old_bucket = added & (std::bit_ceil(added + 1) - 1) >> 1;
  auto& whole = working_.buckets.edit(old_bucket, session_);
  std::vector<std::uint64_t> entries;
  auto collect = [&entries](const index_bucket& from) {
    for (auto entry : from.entries)
      if (entry != 0)
        entries.push_back(entry);
  };
  collect(whole);
  auto next = whole.next;
  whole = {};
  while (next != 0) {
    auto place = static_cast<std::uint32_t>(next - 1);
    collect(working_.overflow[place]);
    next = working_.overflow[place].next;
    free_overflow(place);
  }
  for (auto entry : entries)
    put_in_bucket(working_.bucket_of(static_cast<std::uint32_t>(entry >> 32)),
                  entry);
}

void graph::remove_from_index(std::uint32_t hash, concept_slot slot) {
  ++index_changes_;
  auto entry = index_entry(hash, slot);
  auto* at = &working_.buckets.edit(working_.bucket_of(hash), session_);
  for (;;) {
    auto found = std::find(at->entries.begin(), at->entries.end(), entry);
    if (found != at->entries.end()) {
      *found = 0;
      return;
    }
    at = &working_.overflow.edit(static_cast<std::uint32_t>(at->next - 1),
                                 session_);
  }
}

std::uint32_t graph::take_overflow() {
  if (free_overflow_ == 0)
    return working_.overflow.append(session_);
  auto place = free_overflow_ - 1;
  auto& bucket = working_.overflow.edit(place, session_);
  free_overflow_ = static_cast<std::uint32_t>(bucket.next);
  bucket = {};
  return place;
}

void graph::free_overflow(std::uint32_t place) {
  auto& bucket = working_.overflow.edit(place, session_);
  bucket = {};
  bucket.next = std::exchange(free_overflow_, place + 1);
}

} // namespace neuroplex::concepts
