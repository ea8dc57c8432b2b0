#include "bench/memory/lmdb_subject.hpp"

#include "bench/memory/store_subject.hpp"

#include <algorithm>

namespace neuroplex::bench {

namespace {

void check(int answer, const char* what) {
  if (answer != MDB_SUCCESS)
    give_up(std::string{"LMDB: "} + what, mdb_strerror(answer));
}

MDB_val key_of(const entry_key& key) {
  return {key_bytes, const_cast<std::uint64_t*>(key.words.data())};
}

MDB_val value_of(const entry_value& value) {
  return {value_bytes, const_cast<char*>(value.bytes.data())};
}

} // namespace

lmdb_subject::lmdb_subject(const std::string& directory,
                           std::uint64_t entries) {
  // Random insertion leaves pages two thirds full; twice that is plenty.
  constexpr std::uint64_t bytes_an_entry = 512;
  constexpr std::uint64_t slack_bytes = std::uint64_t{64} << 20;
  check(mdb_env_create(&environment_), "mdb_env_create");
  check(
    mdb_env_set_mapsize(environment_, entries * bytes_an_entry + slack_bytes),
    "mdb_env_set_mapsize");
  check(mdb_env_open(environment_, directory.c_str(), MDB_NOSYNC | MDB_WRITEMAP,
                     0600),
        "mdb_env_open");
  MDB_txn* first = nullptr;
  check(mdb_txn_begin(environment_, nullptr, 0, &first), "mdb_txn_begin");
  check(mdb_dbi_open(first, nullptr, 0, &table_), "mdb_dbi_open");
  check(mdb_txn_commit(first), "mdb_txn_commit");
  check(mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &reader_),
        "mdb_txn_begin");
  mdb_txn_reset(reader_);
}

lmdb_subject::~lmdb_subject() {
  mdb_txn_abort(reader_);
  mdb_env_close(environment_);
}

bool lmdb_subject::get(const entry_key& key, entry_value& value) {
  if (mdb_txn_renew(reader_) != MDB_SUCCESS)
    return false;
  auto wanted = key_of(key);
  MDB_val found{};
  auto answer = mdb_get(reader_, table_, &wanted, &found);
  auto good = answer == MDB_SUCCESS && found.mv_size == value_bytes;
  if (good)
    std::memcpy(value.bytes.data(), found.mv_data, value_bytes);
  mdb_txn_reset(reader_);
  return good;
}

bool lmdb_subject::set(const entry_key& key, const entry_value& value) {
  MDB_txn* writer = nullptr;
  if (mdb_txn_begin(environment_, nullptr, 0, &writer) != MDB_SUCCESS)
    return false;
  auto where = key_of(key);
  auto what = value_of(value);
  if (mdb_put(writer, table_, &where, &what, 0) != MDB_SUCCESS) {
    mdb_txn_abort(writer);
    return false;
  }
  return mdb_txn_commit(writer) == MDB_SUCCESS;
}

bool lmdb_subject::load(std::uint64_t first, std::uint64_t count) {
  constexpr std::uint64_t entries_a_transaction = 50'000;
  entry_value value;
  for (auto begin = first; begin < first + count;
       begin += entries_a_transaction) {
    MDB_txn* writer = nullptr;
    if (mdb_txn_begin(environment_, nullptr, 0, &writer) != MDB_SUCCESS)
      return false;
    auto end = std::min(begin + entries_a_transaction, first + count);
    for (auto i = begin; i < end; ++i) {
      entry_key key{i};
      value.stamp(key);
      auto where = key_of(key);
      auto what = value_of(value);
      if (mdb_put(writer, table_, &where, &what, 0) != MDB_SUCCESS) {
        mdb_txn_abort(writer);
        return false;
      }
    }
    if (mdb_txn_commit(writer) != MDB_SUCCESS)
      return false;
  }
  return true;
}

double lmdb_subject::bytes_in_use() const {
  MDB_envinfo info{};
  MDB_stat pages{};
  if (mdb_env_info(environment_, &info) != MDB_SUCCESS
      || mdb_env_stat(environment_, &pages) != MDB_SUCCESS)
    return 0;
  return static_cast<double>(info.me_last_pgno + 1) * pages.ms_psize;
}

} // namespace neuroplex::bench
