#include "bench/concept/peers.hpp"

#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <array>
#include <cstring>
#include <set>
#include <utility>

namespace neuroplex::bench {

namespace {

using concepts::association;
using concepts::concept_id;

void check(const rocksdb::Status& status) {
  if (!status.ok())
    peers_give_up(status.ToString());
}

/// What a key is about, and of whom: 'c' content, 'o' and 'i' associations from
/// and to a concept. The other end, type and qualifier follow.
using key_head = std::array<char, 1 + sizeof(concept_id)>;

key_head head_of(char kind, const concept_id& id) {
  key_head head{kind};
  std::memcpy(&head[1], &id, sizeof id);
  return head;
}

rocksdb::Slice slice_of(const key_head& head) {
  return {head.data(), head.size()};
}

class rocksdb_store final : public graph_store {
public:
  rocksdb_store(rocksdb::DB* db, bool durable) : db_{db} {
    write_.sync = durable;
    write_.disableWAL = !durable;
    walk_.prefix_same_as_start = true;
  }

  void learn(std::span<const plain_concept> batch) override {
    rocksdb::WriteBatch writes;
    for (const auto& each : batch)
      check(writes.Put(slice_of(head_of('c', each.id)), each.content));
    check(db_->Write(write_, &writes));
  }

  void learn(std::span<const association> batch) override {
    rocksdb::WriteBatch writes;
    for (const auto& each : batch) {
      std::array<float, 2> facts{each.weight, each.confidence};
      rocksdb::Slice value{reinterpret_cast<const char*>(facts.data()),
                           sizeof facts};
      check(writes.Put(key_of(each, 'o', each.source, each.target), value));
      check(writes.Put(key_of(each, 'i', each.target, each.source), value));
    }
    check(db_->Write(write_, &writes));
  }

  std::size_t content_bytes(const concept_id& id) override {
    rocksdb::PinnableSlice content;
    check(db_->Get({}, db_->DefaultColumnFamily(), slice_of(head_of('c', id)),
                   &content));
    return content.size();
  }

  /// From both ends, the smaller side first, as our own search does it.
  int path_length(const concept_id& from, const concept_id& to,
                  unsigned max_depth) override {
    if (from == to)
      return 0;
    side forwards{'o', {from}, {from}};
    side backwards{'i', {to}, {to}};
    for (int depth = 1; depth <= static_cast<int>(max_depth); ++depth) {
      auto& here =
        forwards.edge.size() <= backwards.edge.size() ? forwards : backwards;
      const auto& there = &here == &forwards ? backwards : forwards;
      if (here.edge.empty())
        return -1;
      if (step(here, there))
        return depth;
    }
    return -1;
  }

private:
  struct side {
    char kind;
    std::set<concept_id> seen;
    std::vector<concept_id> edge;
  };

  static std::string key_of(const association& what, char kind,
                            const concept_id& of, const concept_id& other) {
    auto head = head_of(kind, of);
    std::string key{head.data(), head.size()};
    key.append(reinterpret_cast<const char*>(&other), sizeof other);
    key.append(reinterpret_cast<const char*>(&what.type), sizeof what.type);
    key.append(reinterpret_cast<const char*>(&what.qualifier),
               sizeof what.qualifier);
    return key;
  }

  /// One level further; answers whether the sides met.
  bool step(side& here, const side& there) {
    std::vector<concept_id> next;
    std::unique_ptr<rocksdb::Iterator> at{db_->NewIterator(walk_)};
    for (const auto& id : here.edge) {
      auto head = head_of(here.kind, id);
      for (at->Seek(slice_of(head));
           at->Valid() && at->key().starts_with(slice_of(head)); at->Next()) {
        concept_id other;
        std::memcpy(&other, at->key().data() + head.size(), sizeof other);
        if (there.seen.contains(other))
          return true;
        if (here.seen.insert(other).second)
          next.push_back(other);
      }
      check(at->status());
    }
    here.edge = std::move(next);
    return false;
  }

  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::WriteOptions write_;
  rocksdb::ReadOptions walk_;
};

} // namespace

std::unique_ptr<graph_store> open_rocksdb(const std::string& folder,
                                          bool durable) {
  constexpr std::size_t cache_bytes = std::size_t{512} << 20;
  constexpr double filter_bits = 10;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(cache_bytes);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(filter_bits));
  rocksdb::Options options;
  options.create_if_missing = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.prefix_extractor.reset(
    rocksdb::NewFixedPrefixTransform(std::tuple_size_v<key_head>));
  rocksdb::DB* db = nullptr;
  check(rocksdb::DB::Open(options, folder + "/rocksdb", &db));
  return std::make_unique<rocksdb_store>(db, durable);
}

} // namespace neuroplex::bench
