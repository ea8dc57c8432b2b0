// oneTBB's concurrent_hash_map under test: inside one process, keys and values
// in its nodes, its memory on huge pages like the segment's.
//
// A get copies the value out under the node's read lock; a set overwrites it
// under the write lock.
//
// Threads: one here, though the map would allow more.
#pragma once

#include "bench/memory/machine.hpp"
#include "bench/memory/workload.hpp"

#include <memory>

namespace neuroplex::bench {

class tbb_subject : public subject {
public:
  explicit tbb_subject(std::uint64_t entries);
  ~tbb_subject() override;

  bool get(const entry_key& key, entry_value& value) override;
  bool set(const entry_key& key, const entry_value& value) override;
  [[nodiscard]] double bytes_in_use() const override;

private:
  struct state;
  std::unique_ptr<state> state_;
};

} // namespace neuroplex::bench
