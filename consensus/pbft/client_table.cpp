#include "consensus/pbft/client_table.hpp"

#include "consensus/pbft/limits.hpp"
#include "consensus/wire.hpp"

namespace neuroplex::pbft {

const client_table::entry* client_table::find(node_id client) const {
  auto found = entries_.find(client);
  return found == entries_.end() ? nullptr : &found->second;
}

slice client_table::save() const {
  std::string bytes;
  wire_writer out{bytes};
  out.put(static_cast<std::uint64_t>(entries_.size()));
  for (const auto& [client, one] : entries_) {
    out.put(client);
    out.put(one.last);
    out.put_bytes(one.result.view());
  }
  return slice::copy_of(bytes);
}

std::optional<client_table> client_table::load(const slice& bytes) {
  client_table result;
  wire_reader in{bytes.view()};
  auto count = in.take<std::uint64_t>();
  node_id before = nobody;
  for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
    auto client = in.take<std::uint64_t>();
    auto last = in.take<std::uint64_t>();
    auto answer = bytes.part(in.take_bytes(limits::max_result_bytes));
    if (client <= before)
      in.fail();
    before = client;
    result.entries_[client] = {last, std::move(answer)};
  }
  if (!in.complete())
    return std::nullopt;
  return result;
}

} // namespace neuroplex::pbft
