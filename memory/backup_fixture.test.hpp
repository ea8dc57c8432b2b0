// What the tests of backups share: the content of a store as a map, and a
// restored segment that is removed again.
#pragma once

#include "memory/backup.hpp"
#include "memory/faulty_disk.test.hpp"
#include "memory/fixture.test.hpp"

#include <map>
#include <string>
#include <utility>

namespace neuroplex::memory::testing {

/// Namespace and key to value.
using content = std::map<std::pair<std::string, std::string>, std::string>;

inline content content_of(const store& db) {
  content result;
  for (auto& ns : db.namespaces())
    for (scan_cursor cursor; !cursor.done();)
      REQUIRE(db.scan(ns.id, cursor, 1000, [&](const scan_entry& entry) {
        result[{ns.name, std::string{entry.key}}] = entry.value;
      }) == errc::ok);
  return result;
}

inline backup_writer open_writer(store& source, faulty_disk& disk,
                                 const backup_options& options = {}) {
  auto opened = backup_writer::open(source, disk.medium(), options);
  if (!opened)
    FAIL(opened.error().to_string());
  return std::move(*opened);
}

inline backup_report must_run(backup_writer& writer) {
  auto done = writer.run_once();
  if (!done)
    FAIL(done.error().to_string());
  return *done;
}

struct restored {
  restore_report report;
  content entries;
};

/// Restores into a segment of its own and reads it.
inline restored restore_from(faulty_disk& disk,
                             const restore_options& options = {}) {
  temporary_path path;
  auto medium = disk.medium();
  auto report = restore_backup(*medium, path.str(), options);
  if (!report)
    FAIL(report.error().to_string());
  auto opened = store::open(path.str());
  if (!opened)
    FAIL(opened.error().to_string());
  return {*report, content_of(*opened)};
}

} // namespace neuroplex::memory::testing
