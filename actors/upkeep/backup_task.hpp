// Backups as a kind of upkeep.
#pragma once

#include "actors/upkeep/worker.hpp"

#include <string>

namespace neuroplex::upkeep {

/// Writes what has changed into `directory`, which is opened at the first step:
/// a step whose disk is not there fails, and the next one tries again. Waits
/// for the disk.
[[nodiscard]] std::unique_ptr<task> make_backup(memory::store& store,
                                                std::string directory);

} // namespace neuroplex::upkeep
