// One version of the graph, as readers see it: nothing of it ever changes.
//
// Purpose: records of 64 bytes by number, an index from ids to numbers, and for
// each concept its associations in both directions. A lookup misses the caches
// twice: a line of the index, the record.
//
// The index hashes linearly (Litwin 1980, "Linear hashing: a new tool for file
// and table addressing"): one bucket of seven entries is split at a time, so
// that it grows without a moment in which all is copied. An entry holds 32 bits
// of hash, of which the low ones choose the bucket and the rest tell others
// off.
//
// Ownership and threads: memory belongs to the graph that made the version.
// Whoever holds a `snapshot` may read, in any number of threads.
#pragma once

#include "storage/concept/edge_list.hpp"
#include "storage/concept/types.hpp"
#include "storage/concept/versioned_array.hpp"

#include <bit>
#include <optional>
#include <span>
#include <string_view>

namespace neuroplex::concepts {

/// What a concept carries beside its record: vector, content and attributes
/// follow it.
struct concept_body {
  std::uint64_t born;
  std::int64_t created_us; ///< Unix time
  std::uint32_t dimensions;
  std::uint32_t content_bytes;
  std::uint32_t attribute_bytes;
  std::uint32_t reserved;

  [[nodiscard]] const char* data() const noexcept {
    return reinterpret_cast<const char*>(this + 1);
  }
  [[nodiscard]] char* data() noexcept {
    return reinterpret_cast<char*>(this + 1);
  }
  [[nodiscard]] std::size_t data_bytes() const noexcept {
    return dimensions * sizeof(float) + content_bytes + attribute_bytes;
  }
  [[nodiscard]] std::size_t bytes() const noexcept {
    return sizeof(concept_body) + data_bytes();
  }
};
static_assert(sizeof(concept_body) == 32);

/// A concept. A place that is not in use has no body.
struct concept_record {
  concept_id id;
  concept_body* body;
  edge_block* out;
  edge_block* in;
  std::int64_t changed_us; ///< Unix time
  float strength;
  float confidence;
  std::uint32_t out_count;
  std::uint32_t in_count; ///< of a free place: the next free one, plus one

  [[nodiscard]] bool in_use() const noexcept {
    return body != nullptr;
  }
  [[nodiscard]] std::span<const float> vector() const noexcept {
    return {reinterpret_cast<const float*>(body->data()), body->dimensions};
  }
  [[nodiscard]] std::string_view content() const noexcept {
    return {body->data() + body->dimensions * sizeof(float),
            body->content_bytes};
  }
  [[nodiscard]] std::string_view attributes() const noexcept {
    return {content().data() + body->content_bytes, body->attribute_bytes};
  }
};
static_assert(sizeof(concept_record) == 64);

/// A line of the index.
struct index_bucket {
  std::array<std::uint64_t, 7> entries; ///< hash << 32 | slot + 1, or 0
  std::uint64_t next;                   ///< place in the overflow, plus one

  /// Which entries have this hash, a bit each. All are looked at, since which
  /// one it is cannot be guessed, and a wrong guess costs more.
  [[nodiscard]] unsigned tagged(std::uint32_t hash) const noexcept {
    unsigned found = 0;
    for (unsigned i = 0; i < entries.size(); ++i)
      found |=
        static_cast<unsigned>(entries[i] >> 32 == hash
                              && static_cast<std::uint32_t>(entries[i]) != 0)
        << i;
    return found;
  }

  /// The concept of an entry that is not 0.
  [[nodiscard]] concept_slot slot(int entry) const noexcept {
    return static_cast<concept_slot>(entries[static_cast<unsigned>(entry)]) - 1;
  }
};
static_assert(sizeof(index_bucket) == 64);

/// Hash of an id. The seed is the graph's own secret, so that nobody can choose
/// ids that meet.
[[nodiscard]] inline std::uint32_t hash_of(const concept_id& id,
                                           std::uint64_t seed) noexcept {
  __extension__ using wide = unsigned __int128;
  auto product = static_cast<wide>(id.high ^ seed ^ 0x9E3779B97F4A7C15U)
                 * (id.low ^ std::rotl(seed, 32) ^ 0xC2B2AE3D27D4EB4FU);
  auto folded = static_cast<std::uint64_t>(product)
                ^ static_cast<std::uint64_t>(product >> 64);
  return static_cast<std::uint32_t>((folded * 0x165667919E3779F9U) >> 32);
}

struct graph_version {
  versioned_array<concept_record, 2, 7> records;
  versioned_array<index_bucket, 2, 7> buckets;
  versioned_array<index_bucket, 2, 7> overflow;
  /// Places where a vector was learnt, in order; a place may come again. An
  /// index of vectors looks here for what it does not know yet.
  versioned_array<concept_slot, 5, 7> vector_log;
  std::uint64_t vector_epoch = 0; ///< changes when `vector_log` begins anew
  std::uint64_t number = 0;       ///< of the version, from 1
  std::uint64_t sequence = 0;     ///< last entry of the write log that is in it
  std::int64_t timestamp_us = 0;
  std::uint64_t concept_count = 0;
  std::uint64_t association_count = 0;
  std::uint64_t seed = 0;
  std::uint32_t dimensions = 0; ///< of all vectors; 0 while there is none

  /// The bucket where a hash belongs.
  [[nodiscard]] std::uint32_t bucket_of(std::uint32_t hash) const noexcept {
    auto mask = std::bit_ceil(buckets.size()) - 1;
    auto bucket = hash & mask;
    return bucket < buckets.size() ? bucket : bucket & mask >> 1;
  }

  /// The place of a concept in this version, or nothing.
  [[nodiscard]] std::optional<concept_slot>
  find(const concept_id& id) const noexcept {
    return find(id, hash_of(id, seed));
  }

  /// The same for whoever has the id's hash.
  [[nodiscard]] std::optional<concept_slot>
  find(const concept_id& id, std::uint32_t hash) const noexcept {
    if (buckets.size() == 0)
      return std::nullopt;
    const auto* bucket = &buckets[bucket_of(hash)];
    for (;;) {
      for (auto tagged = bucket->tagged(hash); tagged != 0;
           tagged &= tagged - 1) {
        auto slot = bucket->slot(std::countr_zero(tagged));
        if (records[slot].id == id)
          return slot;
      }
      if (bucket->next == 0)
        return std::nullopt;
      bucket = &overflow[static_cast<std::uint32_t>(bucket->next - 1)];
    }
  }
};

} // namespace neuroplex::concepts
