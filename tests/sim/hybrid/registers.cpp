#include "tests/sim/hybrid/registers.hpp"

#include "consensus/wire.hpp"
#include "tests/sim/pbft/host.hpp"

namespace neuroplex::sim {

slice plain_registers::execute(hybrid::node_id /*client*/,
                               std::string_view what) {
  const auto asked = unpack_command(what);
  if (asked.what == verb::get) {
    return read(what);
  }
  auto& value = values_[asked.key];
  if (asked.what == verb::cas && value != asked.expect) {
    return pack_reply({outcome::mismatch, value});
  }
  value = asked.value;
  return pack_reply({outcome::ok, absent});
}

slice plain_registers::read(std::string_view what) const {
  const auto found = values_.find(unpack_command(what).key);
  return pack_reply(
    {outcome::ok, found == values_.end() ? absent : found->second});
}

std::unique_ptr<hybrid::state_machine> plain_registers::copy() const {
  auto result = std::make_unique<plain_registers>();
  result->values_ = values_;
  return result;
}

// One a register, so that a state has several.
std::vector<slice> plain_registers::pieces() const {
  std::vector<slice> result;
  for (const auto& [key, value] : values_) {
    std::string bytes;
    wire_writer out{bytes};
    out.put(key);
    out.put(value);
    result.push_back(slice::copy_of(bytes));
  }
  return result;
}

bool plain_registers::load(std::span<const slice> pieces) {
  values_.clear();
  for (const auto& one : pieces) {
    wire_reader in{one.view()};
    const auto key = in.take<std::uint32_t>();
    values_[key] = in.take<register_value>();
    if (!in.complete()) {
      return false;
    }
  }
  return true;
}

} // namespace neuroplex::sim
