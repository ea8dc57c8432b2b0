// All upkeep of one node, without its actors.
//
// Purpose: the workers, the plan, the advisor and the lender of a node in one
// place, made from its options. It outlives the actors that drive them, which
// may be killed and started again at any time without losing a setting, a
// figure or a lease.
//
// Ownership: refers to a store that outlives it; owns the rest. Threads: any.
#pragma once

#include "actors/upkeep/gc_plan.hpp"
#include "actors/upkeep/lender.hpp"
#include "actors/upkeep/optimizer.hpp"
#include "actors/upkeep/worker.hpp"
#include "config/node_options.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace neuroplex::upkeep {

/// The mode of this name, as config::to_string spells it.
[[nodiscard]] std::optional<config::optimizer_mode>
parse_optimizer_mode(std::string_view name) noexcept;

class parts {
public:
  /// `config` when namespaces of `options` cannot be set up in the store.
  static expected<std::shared_ptr<parts>>
  make(memory::store& store, const config::node_options& options);

  parts(memory::store& store, const config::upkeep_options& options);

  parts(const parts&) = delete;
  parts& operator=(const parts&) = delete;

  /// The worker of this name, or null: "recovery", "expiry", "compaction",
  /// "pressure", "backup".
  [[nodiscard]] std::shared_ptr<worker> find(std::string_view name) const;

  [[nodiscard]] gc_plan& plan() noexcept {
    return plan_;
  }

  [[nodiscard]] lender& loans() noexcept {
    return loans_;
  }

  [[nodiscard]] memory::store& store() noexcept {
    return store_;
  }

  [[nodiscard]] pressure_report pressure() const;

  /// Lets the optimizer look, if its mode allows, and applies what it may.
  optimizer_report look();

  void set_mode(config::optimizer_mode mode);
  [[nodiscard]] optimizer_report advice_so_far() const;

  /// Milliseconds between two looks of the optimizer.
  [[nodiscard]] std::uint32_t look_interval_ms() const noexcept {
    return look_interval_ms_;
  }

  [[nodiscard]] upkeep_report report() const;

  /// Lets go of the store, before it is closed. Only `report` and settings may
  /// be asked for from then on, and only while the store object is there.
  void close() noexcept;

private:
  bool apply(const advice& what);

  memory::store& store_;
  std::map<std::string, std::shared_ptr<worker>, std::less<>> workers_;
  gc_plan plan_;
  lender loans_;
  std::uint32_t look_interval_ms_;
  mutable std::mutex mutex_; // for the rest
  optimizer optimizer_;
  config::optimizer_mode mode_;
  optimizer_report advices_;
};

} // namespace neuroplex::upkeep
