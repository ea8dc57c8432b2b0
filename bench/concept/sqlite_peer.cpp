#include "bench/concept/peers.hpp"

#include <sqlite3.h>

namespace neuroplex::bench {

namespace {

using concepts::association;
using concepts::concept_id;

class statement {
public:
  statement(sqlite3* db, const char* text) : db_{db} {
    if (::sqlite3_prepare_v2(db, text, -1, &made_, nullptr) != SQLITE_OK)
      peers_give_up(::sqlite3_errmsg(db));
  }
  statement(const statement&) = delete;
  statement& operator=(const statement&) = delete;
  ~statement() {
    ::sqlite3_finalize(made_);
  }

  void bind(int place, const concept_id& id) {
    check(::sqlite3_bind_blob(made_, place, &id, sizeof id, SQLITE_STATIC));
  }
  void bind(int place, std::string_view text) {
    check(::sqlite3_bind_text(made_, place, text.data(),
                              static_cast<int>(text.size()), SQLITE_STATIC));
  }
  void bind(int place, int number) {
    check(::sqlite3_bind_int(made_, place, number));
  }
  void bind(int place, double number) {
    check(::sqlite3_bind_double(made_, place, number));
  }

  /// Runs it to its first row; answers whether there is one. If so, `end` comes
  /// before the next values.
  bool first() {
    auto result = ::sqlite3_step(made_);
    if (result == SQLITE_DONE)
      end();
    else if (result != SQLITE_ROW)
      peers_give_up(::sqlite3_errmsg(db_));
    return result == SQLITE_ROW;
  }

  [[nodiscard]] int number() const {
    return ::sqlite3_column_int(made_, 0);
  }

  void end() {
    ::sqlite3_reset(made_);
  }

private:
  void check(int result) const {
    if (result != SQLITE_OK)
      peers_give_up(::sqlite3_errmsg(db_));
  }

  sqlite3* db_;
  sqlite3_stmt* made_ = nullptr;
};

struct closing {
  void operator()(sqlite3* db) const {
    ::sqlite3_close(db);
  }
};

class sqlite_store final : public graph_store {
public:
  explicit sqlite_store(sqlite3* db) : db_{db} {
  }

  void learn(std::span<const plain_concept> batch) override {
    begin_.first();
    for (const auto& each : batch) {
      learn_concept_.bind(1, each.id);
      learn_concept_.bind(2, std::string_view{each.content});
      learn_concept_.first();
    }
    commit_.first();
  }

  void learn(std::span<const association> batch) override {
    begin_.first();
    for (const auto& each : batch) {
      learn_association_.bind(1, each.source);
      learn_association_.bind(2, static_cast<int>(each.type));
      learn_association_.bind(3, each.target);
      learn_association_.bind(4, static_cast<int>(each.qualifier));
      learn_association_.bind(5, double{each.weight});
      learn_association_.bind(6, double{each.confidence});
      learn_association_.first();
    }
    commit_.first();
  }

  std::size_t content_bytes(const concept_id& id) override {
    content_.bind(1, id);
    auto bytes = content_.first() ? content_.number() : 0;
    content_.end();
    return static_cast<std::size_t>(bytes);
  }

  int path_length(const concept_id& from, const concept_id& to,
                  unsigned max_depth) override {
    path_.bind(1, from);
    path_.bind(2, static_cast<int>(max_depth));
    path_.bind(3, to);
    auto length = path_.first() ? path_.number() : -1;
    path_.end();
    return length;
  }

private:
  std::unique_ptr<sqlite3, closing> db_;
  statement begin_{db_.get(), "BEGIN"};
  statement commit_{db_.get(), "COMMIT"};
  statement learn_concept_{db_.get(),
                           "INSERT OR REPLACE INTO concept VALUES (?1, ?2)"};
  statement learn_association_{db_.get(), "INSERT OR REPLACE INTO association "
                                          "VALUES (?1, ?2, ?3, ?4, ?5, ?6)"};
  statement content_{
    db_.get(),
    "SELECT length(CAST(content AS BLOB)) FROM concept WHERE id = ?1"};
  // Rows come first in, first out, so the first that is found is the nearest.
  statement path_{db_.get(),
                  "WITH RECURSIVE walk(id, depth) AS (VALUES (?1, 0) UNION "
                  "SELECT association.target, depth + 1 FROM walk "
                  "JOIN association ON association.source = walk.id "
                  "WHERE depth < ?2) "
                  "SELECT depth FROM walk WHERE id = ?3 LIMIT 1"};
};

} // namespace

std::unique_ptr<graph_store> open_sqlite(const std::string& folder,
                                         bool durable) {
  auto file = durable ? folder + "/sqlite" : std::string{":memory:"};
  sqlite3* db = nullptr;
  if (::sqlite3_open(file.c_str(), &db) != SQLITE_OK)
    peers_give_up(::sqlite3_errmsg(db));
  constexpr auto tables =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
    "PRAGMA cache_size = -524288;"
    "CREATE TABLE concept (id BLOB PRIMARY KEY, content TEXT) WITHOUT ROWID;"
    "CREATE TABLE association (source BLOB, type INTEGER, target BLOB,"
    " qualifier INTEGER, weight REAL, confidence REAL,"
    " PRIMARY KEY (source, type, target, qualifier)) WITHOUT ROWID";
  if (::sqlite3_exec(db, tables, nullptr, nullptr, nullptr) != SQLITE_OK)
    peers_give_up(::sqlite3_errmsg(db));
  return std::make_unique<sqlite_store>(db);
}

} // namespace neuroplex::bench
