// Each client's last request and its result: what makes it happen once.
//
// Purpose: a part of the replicated state. It changes by executed requests
// alone and travels with every checkpoint, as its first piece (Castro and
// Liskov, OSDI 99, section 4.1).
//
// Threads: one at a time.
//
// Invariants: tables that saw the same requests in the same order are equal,
// and so are their bytes.
//
// Failure behaviour: `load` refuses what `save` does not write.
#pragma once

#include "consensus/pbft/types.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace neuroplex::pbft {

class client_table {
public:
  struct entry {
    timestamp last = 0;
    slice result{};
  };

  [[nodiscard]] const entry* find(node_id client) const;

  [[nodiscard]] std::size_t size() const noexcept {
    return entries_.size();
  }

  void executed(node_id client, timestamp number, slice result) {
    entries_[client] = {number, std::move(result)};
  }

  [[nodiscard]] const std::map<node_id, entry>& entries() const noexcept {
    return entries_;
  }

  [[nodiscard]] slice save() const;
  [[nodiscard]] static std::optional<client_table> load(const slice& bytes);

private:
  std::map<node_id, entry> entries_;
};

} // namespace neuroplex::pbft
