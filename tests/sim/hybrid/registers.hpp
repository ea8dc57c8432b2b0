// What a simulated hybrid group executes: registers without any sessions, so
// that a command which the group executes twice shows.
//
// Threads: one at a time.
#pragma once

#include "consensus/hybrid/ledger.hpp"
#include "tests/sim/history.hpp"

#include <map>

namespace neuroplex::sim {

class plain_registers final : public hybrid::state_machine {
public:
  [[nodiscard]] slice execute(hybrid::node_id client,
                              std::string_view what) override;
  [[nodiscard]] slice read(std::string_view what) const override;
  [[nodiscard]] std::unique_ptr<hybrid::state_machine> copy() const override;
  [[nodiscard]] std::vector<slice> pieces() const override;
  [[nodiscard]] bool load(std::span<const slice> pieces) override;

private:
  std::map<std::uint32_t, register_value> values_;
};

} // namespace neuroplex::sim
