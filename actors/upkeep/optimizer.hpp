// Turns statistics into advice: which setting would serve better, and why.
//
// Purpose: the decisions of the performance optimizer. It compares what is now
// with its last look; each rule names the figures it rests on. Advice is safe
// when following it can lose no entry and needs no restart; only that may be
// applied unasked.
//
// Threads: one. No clock, no store: the picture comes in as an argument.
#pragma once

#include "actors/upkeep/report.hpp"
#include "memory/store.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::upkeep {

/// What is looked at.
struct picture {
  memory::store_stats stats;
  std::vector<memory::namespace_info> spaces;
  pressure_report pressure;
  std::vector<task_report> tasks;
};

class optimizer {
public:
  /// Advice by what has happened since the last look; the first look has only
  /// what can be told from the present.
  std::vector<advice> look(const picture& now);

private:
  struct past {
    memory::store_stats stats;
    std::map<std::string, task_report, std::less<>> tasks;
  };

  void about_pressure(const picture& now, std::vector<advice>& into) const;
  void about_spaces(const picture& now, std::vector<advice>& into) const;
  void about_tasks(const picture& now, std::vector<advice>& into) const;
  void about_fragmentation(const picture& now, std::vector<advice>& into) const;
  void about_damage(const picture& now, std::vector<advice>& into) const;

  std::optional<past> before_;
};

/// The task and field that an advice's setting means ("expiry", interval or
/// step), when it is one of a worker's.
struct task_setting {
  std::string_view task;
  bool interval = false; ///< else its step
};
[[nodiscard]] std::optional<task_setting>
task_setting_of(std::string_view setting) noexcept;

} // namespace neuroplex::upkeep
