// LMDB under test: one transaction an operation, on tmpfs, MDB_NOSYNC and
// MDB_WRITEMAP, so that it never waits for a disk.
//
// A read renews one read transaction, LMDB's fastest way to have a transaction
// for each. `load` is the exception: it fills the tree in large transactions.
//
// Threads: one. Ends the program when LMDB refuses to start.
#pragma once

#include "bench/memory/workload.hpp"

#include <string>

#include <lmdb.h>

namespace neuroplex::bench {

class lmdb_subject : public subject {
public:
  /// `directory` must exist; its files are made when they are not there.
  lmdb_subject(const std::string& directory, std::uint64_t entries);
  ~lmdb_subject() override;

  bool get(const entry_key& key, entry_value& value) override;
  bool set(const entry_key& key, const entry_value& value) override;
  bool load(std::uint64_t first, std::uint64_t count) override;
  [[nodiscard]] double bytes_in_use() const override;

private:
  MDB_env* environment_ = nullptr;
  MDB_dbi table_ = 0;
  MDB_txn* reader_ = nullptr;
};

} // namespace neuroplex::bench
