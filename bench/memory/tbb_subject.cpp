#include "bench/memory/tbb_subject.hpp"

#include "bench/memory/store_subject.hpp"

#include <oneapi/tbb/concurrent_hash_map.h>

namespace neuroplex::bench {

namespace {

/// Hands out memory piece by piece from huge pages; nothing is taken back,
/// which suits a map that only grows.
struct memory_region {
  explicit memory_region(std::size_t bytes) : memory{bytes} {
  }

  void* take(std::size_t bytes, std::size_t alignment) {
    used = (used + alignment - 1) / alignment * alignment;
    if (used + bytes > memory.bytes())
      give_up("oneTBB", "its memory region is too small");
    auto* result = memory.data() + used;
    used += bytes;
    return result;
  }

  huge_memory memory;
  std::size_t used = 0;
};

template <class T>
struct region_allocator {
  using value_type = T;

  explicit region_allocator(memory_region& from) noexcept : region{&from} {
  }

  template <class U>
  region_allocator(const region_allocator<U>& other) noexcept
    : region{other.region} {
  }

  T* allocate(std::size_t count) {
    return static_cast<T*>(region->take(count * sizeof(T), alignof(T)));
  }

  void deallocate(T*, std::size_t) noexcept {
  }

  template <class U>
  bool operator==(const region_allocator<U>& other) const noexcept {
    return region == other.region;
  }

  memory_region* region;
};

struct key_compare {
  static std::size_t hash(const entry_key& key) noexcept {
    return mix(key.words[0] ^ key.words[1]);
  }

  static bool equal(const entry_key& left, const entry_key& right) noexcept {
    return left.words == right.words;
  }
};

using map_type = oneapi::tbb::concurrent_hash_map<
  entry_key, entry_value, key_compare,
  region_allocator<std::pair<const entry_key, entry_value>>>;

std::size_t region_bytes(std::uint64_t entries) {
  // A node of 136 bytes, and buckets of 16 that double.
  constexpr std::uint64_t bytes_an_entry = 136 + 4 * 16;
  constexpr std::uint64_t slack_bytes = std::uint64_t{16} << 20;
  return entries * bytes_an_entry + slack_bytes;
}

} // namespace

struct tbb_subject::state {
  explicit state(std::uint64_t entries)
    : region{region_bytes(entries)},
      map{entries,
          region_allocator<std::pair<const entry_key, entry_value>>{region}} {
  }

  memory_region region;
  map_type map;
};

tbb_subject::tbb_subject(std::uint64_t entries)
  : state_{std::make_unique<state>(entries)} {
}

tbb_subject::~tbb_subject() = default;

bool tbb_subject::get(const entry_key& key, entry_value& value) {
  map_type::const_accessor found;
  if (!state_->map.find(found, key))
    return false;
  value = found->second;
  return true;
}

bool tbb_subject::set(const entry_key& key, const entry_value& value) {
  map_type::accessor place;
  state_->map.insert(place, key);
  place->second = value;
  return true;
}

double tbb_subject::bytes_in_use() const {
  return static_cast<double>(state_->region.used);
}

} // namespace neuroplex::bench
