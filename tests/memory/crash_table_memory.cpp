#include "memory/backup.hpp"
#include "memory/raw_blocks.hpp"
#include "tests/memory/crash_effects.hpp"

#include <filesystem>
#include <memory>
#include <utility>

namespace neuroplex::memory::testing {

namespace {

/// A target, and an entry that stays, which alone is more than the threshold of
/// `begin_to_evict` leaves.
void put_too_much(world& w) {
  w.put("target", letters(100, 's'));
  w.put("pinned", letters(20'000, 'P'));
  must(w.victim().pin(default_ns, "pinned"));
}

/// Entries of the default namespace are given up from now on, all but one.
void begin_to_evict(world& w) {
  // The first of its size, so the next write looks how full the pool is.
  auto value = letters(2'500, 'f');
  if (acceptable(w.victim().set(default_ns, "fresh", value)) == errc::ok)
    w.present[{0, "fresh"}] = value;
  auto configured =
    w.victim().configure(default_ns, {.policy = policy_kind::lru});
  must(configured ? w.victim().set_eviction_percent(1).code()
                  : configured.code());
}

bool not_pinned(const key_id& key) {
  return key.ns == 0 && key.name != "pinned";
}

namespace_id space_of(store& db) {
  auto found = db.find_namespace("space");
  if (!found)
    die(found.error().to_string());
  return *found;
}

/// A namespace that is nearly at its quota.
void limit_space(world& w) {
  auto space = w.space();
  for (auto key : {"one", "two", "three"})
    w.put(key, letters(200, 's'), space);
  must(w.victim().configure(space, {.quota_bytes = 1000}).code());
}

void evict_in_space(world& w) {
  must(w.victim()
         .configure(space_of(w.victim()),
                    {.policy = policy_kind::clock, .quota_bytes = 1000})
         .code());
}

/// Uses nearly all that the pool has before it grows.
void fill_pool(world& w) {
  auto value = letters(60'000, 'f');
  for (int i = 0;; ++i) {
    auto now = w.victim().stats();
    if (now.pool_bytes - now.pool_used_bytes < value.size() + 8'192)
      break;
    auto key = "fill" + std::to_string(i);
    if (acceptable(w.victim().set(default_ns, key, value)) != errc::ok)
      break;
    w.present[{0, key}] = value;
  }
  while (w.victim().stats().pool_bytes - w.victim().stats().pool_used_bytes
         >= 20'480) {
    auto key = "fill" + std::to_string(w.present.size());
    if (acceptable(w.victim().set(default_ns, key, letters(16'400, 'f')))
        != errc::ok)
      break;
    w.present[{0, key}] = letters(16'400, 'f');
  }
}

/// Spans of one size, most of them nearly empty.
void scatter(world& w) {
  constexpr int entries = 60;
  constexpr std::size_t bytes = 300;
  auto name = [](int i) { return "sparse" + std::to_string(i); };
  for (int i = 0; i < entries; ++i)
    w.put(name(i), letters(bytes, 's'));
  w.put("target", letters(bytes, 't'));
  constexpr int one_of = 8;
  for (int i = 0; i < entries; ++i)
    if (i % one_of != 0)
      w.forget(name(i));
}

errc compact(store& db) {
  constexpr int most_steps = 12;
  for (int i = 0; i < most_steps; ++i) {
    auto moved = db.compact();
    if (!moved || moved->done)
      return moved.code();
  }
  return errc::ok;
}

errc borrow(store& db) {
  auto blocks = raw_blocks::make(db);
  if (!blocks)
    return blocks.code();
  raw_block small;
  raw_block large;
  auto answer = acceptable(blocks->allocate(300, small));
  if (answer == errc::ok)
    answer = acceptable(blocks->allocate(17'000, large));
  if (answer == errc::ok)
    answer = blocks->deallocate(small);
  return answer; // the other goes back with its lender
}

errc back_up(store& db, const std::string& folder) {
  auto writer = backup_writer::open(db, folder);
  return writer ? writer->run_once().code() : writer.code();
}

/// What is in a backup and what comes of the next one: what is wrong with it.
std::vector<std::string> look_at_backup(world& w, store& db) {
  std::vector<std::string> wrong;
  // The files are looked at as they are, and written to elsewhere.
  auto copy = w.folder() + "-copy";
  auto restored = w.folder() + "-restored";
  std::filesystem::copy(w.folder(), copy);
  auto compare = [&](const char* when, bool with_changes) {
    auto report = restore_backup(copy, restored);
    if (!report || !report->intact()) {
      wrong.push_back(std::string{"backup, "} + when + ": cannot be restored"
                      + (report ? "" : ": " + report.error().to_string()));
      return;
    }
    auto from = store::open(restored);
    for (auto& [key, old] : w.backed_up) {
      std::string kept;
      std::string now;
      auto has =
        from && from->get(namespace_id{key.ns}, key.name, kept) == errc::ok;
      auto there = db.get(namespace_id{key.ns}, key.name, now) == errc::ok;
      bool same = has == there && kept == now;
      auto is = [&](const content& value) {
        return has == value.has_value() && (!has || kept == *value);
      };
      bool older = is(old) || is(w.present[key]);
      if (!same && (with_changes || !older))
        wrong.push_back(std::string{"backup, "} + when
                        + ": holds what it cannot: " + key.name);
    }
    (void)store::remove(restored);
  };
  compare("as it is", false);
  if (auto answer = back_up(db, copy); answer != errc::ok)
    wrong.push_back("the next backup fails: " + std::string{code_name(answer)});
  else
    compare("after the next one", true);
  std::filesystem::remove_all(copy);
  return wrong;
}

} // namespace

std::vector<operation> memory_operations() {
  auto small = letters(100, 's');
  auto other = letters(100, 'o');
  auto target = [small](world& w) { w.put("target", small); };
  std::vector<operation> all;
  all.push_back({.name = "eviction",
                 .prepare = put_too_much,
                 .run =
                   [](store& db) {
                     std::size_t evicted = 0;
                     return db.relieve_pressure(4, evicted);
                   },
                 .change = nothing(),
                 .long_one = true,
                 .ready = begin_to_evict,
                 .may_go = not_pinned});
  all.push_back({.name = "a set that evicts",
                 .prepare = put_too_much,
                 .run =
                   [other](store& db) {
                     return acceptable(db.set(default_ns, "target", other));
                   },
                 .change = becomes("target", other),
                 .long_one = true,
                 .ready = begin_to_evict,
                 .may_go = not_pinned});
  auto set_in_space = [other](store& db) {
    return db.set(space_of(db), "four", letters(600, 'f'));
  };
  all.push_back({.name = "a refusal by quota",
                 .prepare = limit_space,
                 .run =
                   [set_in_space](store& db) {
                     auto answer = set_in_space(db);
                     return answer == errc::no_space ? errc::ok : errc::busy;
                   },
                 .change = nothing()});
  all.push_back(
    {.name = "a set at the quota",
     .prepare = limit_space,
     .run = [set_in_space](store& db) { return acceptable(set_in_space(db)); },
     .change =
       [](const key_id& key, const content& value) {
         return key.ns != 0 && key.name == "four" ? letters(600, 'f') : value;
       },
     .long_one = true,
     .ready = evict_in_space,
     .may_go = [](const key_id& key) { return key.ns != 0; }});
  all.push_back({"pin", target,
                 [](store& db) {
                   return acceptable(db.pin(default_ns, "target"),
                                     {errc::not_found});
                 },
                 nothing()});
  all.push_back({"unpin",
                 [target](world& w) {
                   target(w);
                   must(w.victim().pin(default_ns, "target"));
                 },
                 [](store& db) {
                   return acceptable(db.unpin(default_ns, "target"),
                                     {errc::not_found});
                 },
                 nothing()});
  auto packed = [](world& w) {
    must(w.victim()
           .configure(default_ns, {.compression = compression_mode::adaptive})
           .code());
    w.put("target", letters(3'000, 'z'));
  };
  all.push_back({.name = "a compressed set",
                 .prepare = packed,
                 .run =
                   [](store& db) {
                     return acceptable(
                       db.set(default_ns, "target", letters(2'000, 'y')));
                   },
                 .change = becomes("target", letters(2'000, 'y'))});
  all.push_back({.name = "append to a compressed one",
                 .prepare = packed,
                 .run =
                   [](store& db) {
                     std::size_t length = 0;
                     return acceptable(
                       db.append(default_ns, "target", "def", length));
                   },
                 .change = on("target", [](const content& value) {
                   return content{value.value_or("") + "def"};
                 })});
  all.push_back({.name = "compaction",
                 .prepare = scatter,
                 .run = compact,
                 .change = nothing(),
                 .long_one = true});
  all.push_back({.name = "defragmentation",
                 .prepare = scatter,
                 .run = [](store& db) { return db.defragment().code(); },
                 .change = nothing(),
                 .long_one = true});
  // Larger than what is left, of pages in a row.
  auto large = letters(20'500, 'L');
  all.push_back({.name = "a set that grows the pool",
                 .prepare = target,
                 .run =
                   [large](store& db) {
                     return acceptable(db.set(default_ns, "target", large));
                   },
                 .change = becomes("target", large),
                 .long_one = true,
                 .ready = fill_pool});
  all.push_back({.name = "lending of raw blocks",
                 .prepare = target,
                 .run = [](store& db) { return acceptable(borrow(db)); },
                 .change = nothing()});
  auto lender = [](world& w) {
    auto blocks = raw_blocks::make(w.victim());
    must(blocks.code());
    auto made = std::make_shared<raw_blocks>(std::move(*blocks));
    raw_block lent;
    for (auto bytes : {100, 300, 17'000})
      must(made->allocate(static_cast<std::uint64_t>(bytes), lent));
    w.tool = std::move(made);
  };
  all.push_back({"a write while raw blocks are lent", lender,
                 [small](store& db) {
                   return acceptable(db.set(default_ns, "target", small));
                 },
                 becomes("target", small)});
  auto folder = std::make_shared<std::string>();
  all.push_back({.name = "backup",
                 .prepare = target,
                 .run = [folder](store& db) { return back_up(db, *folder); },
                 .change = nothing(),
                 .through_store = true,
                 .long_one = true,
                 .ready =
                   [folder, other](world& w) {
                     *folder = w.folder();
                     must(back_up(w.victim(), *folder));
                     w.backed_up = w.present;
                     w.put("target", other);
                   },
                 .look = look_at_backup});
  return all;
}

std::vector<operation> memory_interjections() {
  auto none = [](world&) {};
  std::vector<operation> all;
  all.push_back({"a compaction", none, compact, nothing()});
  all.push_back({"a raw block", none,
                 [](store& db) { return acceptable(borrow(db)); }, nothing()});
  return all;
}

} // namespace neuroplex::memory::testing
