#include "consensus/hybrid/ledger.hpp"

#include "consensus/wire.hpp"

namespace neuroplex::hybrid {

ledger ledger::copy() const {
  ledger result{machine_->copy()};
  result.sessions_ = sessions_;
  result.position_ = position_;
  return result;
}

slice ledger::execute(node_id client, const command& what, bool& fresh) {
  fresh = !has(client, what.number);
  if (!fresh) {
    const auto* known = result_of(client, what.number);
    return known != nullptr ? *known : slice{};
  }
  auto result = machine_->execute(client, what.what.view());
  sessions_.executed(client, what.number, result);
  ++position_;
  return result;
}

bool ledger::has(node_id client, std::uint64_t number) const {
  const auto* known = sessions_.find(client);
  return known != nullptr && known->last >= number;
}

const slice* ledger::result_of(node_id client, std::uint64_t number) const {
  const auto* known = sessions_.find(client);
  return known != nullptr && known->last == number ? &known->result : nullptr;
}

std::vector<slice> ledger::pieces() const {
  std::string head;
  wire_writer{head}.put(position_);
  head += sessions_.save().view();
  std::vector<slice> result{slice::copy_of(head)};
  for (auto& one : machine_->pieces())
    result.push_back(std::move(one));
  return result;
}

bool ledger::load(std::span<const slice> pieces) {
  if (pieces.empty())
    return false;
  const auto& first = pieces.front();
  wire_reader in{first.view()};
  auto position = in.take<std::uint64_t>();
  auto sessions =
    pbft::client_table::load(first.part(in.take_exactly(in.left())));
  if (in.failed() || !sessions || !machine_->load(pieces.subspan(1)))
    return false;
  position_ = position;
  sessions_ = *std::move(sessions);
  return true;
}

} // namespace neuroplex::hybrid
