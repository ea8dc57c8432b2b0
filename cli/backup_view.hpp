// What backups, restores and checks report, as text and as JSON.
//
// Threads: one.
#pragma once

#include "cli/context.hpp"
#include "memory/backup.hpp"
#include "memory/checked_open.hpp"

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace neuroplex::cli {

[[nodiscard]] nlohmann::ordered_json
generation_json(const memory::backup_report& report);

/// "generation 3: 12 entries of 2 regions, 34 KiB".
[[nodiscard]] std::string generation_text(const memory::backup_report& report);

/// What was found in the backup in `directory`; and the segment that was made
/// of it, unless `path` is empty.
void show_restore(context& ctx, const std::string& directory,
                  const std::string& path,
                  const memory::restore_report& report);

/// What is wrong with a backup, in one line; for one that is not intact.
[[nodiscard]] std::string damage_text(const memory::restore_report& report);

/// What a segment was found to hold.
void show_check(context& ctx, const std::string& path,
                const memory::check_report& report);

} // namespace neuroplex::cli
