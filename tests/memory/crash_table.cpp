#include "tests/memory/crash_effects.hpp"

#include "memory/backup_marks.hpp"
#include "memory/geometry.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace neuroplex::memory::testing {

namespace {

constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20;

/// Where the file is mapped last, of all its mappings in this process.
std::byte* mapping_of(const std::string& path,
                      const std::vector<std::byte*>& known) {
  std::ifstream maps{"/proc/self/maps"};
  std::string line;
  while (std::getline(maps, line)) {
    if (!line.ends_with(path))
      continue;
    auto* base =
      reinterpret_cast<std::byte*>(std::strtoull(line.c_str(), nullptr, 16));
    if (std::find(known.begin(), known.end(), base) == known.end())
      return base;
  }
  die("cannot find the mapping of " + path);
}

operation set(std::string name, const std::string& key,
              const std::string& value, std::function<void(world&)> prepare) {
  return {std::move(name), std::move(prepare),
          [key, value](store& db) {
            return acceptable(db.set(default_ns, key, value));
          },
          becomes(key, value)};
}

content incremented(const content& value) {
  return std::to_string((value ? std::atoll(value->c_str()) : 0) + 1);
}

} // namespace

void die(const std::string& what) {
  std::fprintf(stderr, "crash_points: %s\n", what.c_str());
  std::_Exit(2);
}

void must(errc answer) {
  if (answer != errc::ok)
    die("an operation answers " + std::string{code_name(answer)});
}

errc acceptable(errc answer, std::initializer_list<errc> others) {
  if (answer == errc::no_space)
    return answer;
  if (std::find(others.begin(), others.end(), answer) == others.end())
    must(answer);
  return errc::ok;
}

// -- worlds -------------------------------------------------------------------

segment_options world::options() {
  return {.segment_bytes = mebibyte,
          .reserved_bytes = 2 * mebibyte,
          .bucket_count = layout::lines_per_group,
          .huge_pages = false};
}

world::world() {
  static std::atomic<unsigned> next{0};
  path_ = "/dev/shm/neuroplex-points-" + std::to_string(::getpid()) + "-"
          + std::to_string(next++);
  // Who makes a file maps it before it has its name.
  if (auto made = store::create(path_, options()); !made)
    die(made.error().to_string());
  std::vector<std::byte*> known;
  for (unsigned i = 0; i < 3; ++i) {
    auto db = store::open(path_);
    if (!db)
      die(db.error().to_string());
    stores_.push_back(
      {std::make_unique<store>(std::move(*db)), mapping_of(path_, known)});
    known.push_back(stores_.back().base);
  }
  layout::header header{};
  std::memcpy(&header, known.front(), sizeof header);
  auto shape = read_geometry(header, header.file_bytes, path_);
  if (!shape)
    die(shape.error().to_string());
  shape_ = *shape;
}

world::~world() {
  ::unlink(path_.c_str());
  if (!folder_.empty())
    std::filesystem::remove_all(folder_);
}

const std::string& world::folder() {
  if (folder_.empty()) {
    folder_ = path_ + "-backup";
    std::filesystem::create_directory(folder_);
  }
  return folder_;
}

void world::forget_changes() {
  basic_arena<native_sync> arena{base(0), shape_};
  for (std::uint32_t i = 0; i < shape_.backup_regions; ++i)
    (void)take_mark(arena, i);
  backed_up = present;
}

void world::put(const std::string& key, const std::string& value,
                namespace_id ns) {
  must(victim().set(ns, key, value));
  present[{static_cast<std::uint8_t>(ns), key}] = value;
}

void world::put_expired(const std::string& key, const std::string& value) {
  must(victim().set(default_ns, key, value, {.ttl_ms = 1}));
  std::string read;
  while (victim().get(default_ns, key, read) == errc::ok)
    ;
  present[{0, key}] = {};
}

void world::forget(const std::string& key) {
  must(victim().erase(default_ns, key));
  present[{0, key}] = {};
}

namespace_id world::space() {
  auto made = victim().open_namespace("space");
  if (!made)
    die(made.error().to_string());
  return *made;
}

namespace {

constexpr auto inline_name = "inline";

std::string inline_key(int number) {
  auto digits = std::to_string(number);
  return "in" + std::string(4 - digits.size(), '0') + digits;
}

/// An effect on one key of the inline namespace, which is the second one.
effect on_inline(int number, std::function<content(const content&)> change) {
  return [key = inline_key(number),
          change = std::move(change)](const key_id& id, const content& value) {
    return id.ns == 1 && id.name == key ? change(value) : value;
  };
}

/// A change of the inline namespace, by its id.
operation inline_change(std::string name,
                        std::function<errc(store&, namespace_id)> run,
                        effect change) {
  return {std::move(name),
          [](world& w) {
            w.inline_space();
            w.present[{1, inline_key(500)}] = {};
          },
          [run = std::move(run)](store& db) {
            auto ns = db.find_namespace(inline_name);
            return ns ? run(db, *ns) : ns.code();
          },
          std::move(change),
          false,
          true};
}

void add_inline(std::vector<operation>& all) {
  auto set = [&](const char* name, int number) {
    all.push_back(inline_change(
      name,
      [number](store& db, namespace_id ns) {
        return acceptable(db.set(ns, inline_key(number), "10000042"));
      },
      on_inline(number, [](const content&) { return content{"10000042"}; })));
  };
  set("insert inline", 500);
  for (int number : {3, 4}) // in a preferred place and in another
    set("overwrite inline", number);
  all.push_back(inline_change(
    "erase inline",
    [](store& db, namespace_id ns) {
      return acceptable(db.erase(ns, inline_key(7)), {errc::not_found});
    },
    on_inline(7, [](const content&) { return content{}; })));
  all.push_back(inline_change(
    "increment inline",
    [](store& db, namespace_id ns) {
      std::int64_t sum = 0;
      return acceptable(db.increment(ns, inline_key(8), 1, sum));
    },
    on_inline(8, incremented)));
  auto sweep = inline_change(
    "sweep of expired inline ones",
    [](store& db, namespace_id ns) {
      scan_cursor cursor;
      std::size_t removed = 0;
      return db.sweep_expired(ns, cursor, 10'000, removed);
    },
    nothing());
  auto prepare = sweep.prepare;
  sweep.prepare = [prepare](world& w) {
    prepare(w);
    auto ns = namespace_id{1};
    must(w.victim().set(ns, inline_key(9), "expiring", {.ttl_ms = 1}));
    std::string read;
    while (w.victim().get(ns, inline_key(9), read) == errc::ok)
      ;
    w.present[{1, inline_key(9)}] = {};
  };
  all.push_back(sweep);
  all.push_back(
    {"drop of an inline namespace", [](world& w) { w.inline_space(); },
     [](store& db) { return db.drop_namespace(inline_name).code(); },
     [](const key_id& id, const content& value) {
       return id.ns != 0 ? content{} : value;
     },
     true, true});
}

} // namespace

namespace_id world::inline_space() {
  auto made = victim().open_inline_namespace(
    inline_name,
    {.key_bytes = 6, .value_bytes = 8, .capacity = 90, .expiry = true});
  if (!made)
    die(made.error().to_string());
  constexpr int entries = 90;
  for (int i = 0; i < entries; ++i)
    put(inline_key(i), std::to_string(10'000'000 + i), *made);
  return *made;
}

// -- what is stepped through --------------------------------------------------

namespace {

/// Operations on values that entries share.
void add_shared(std::vector<operation>& all) {
  auto value = letters(300, 'v');
  auto other = letters(400, 'w');
  // What "target" and a second entry hold before, if anything.
  auto sharing = [](const content& target, const content& second) {
    return [=](world& w) {
      must(w.victim()
             .configure(default_ns, {.share_from = limits::least_shared_bytes})
             .code());
      w.present[{0, "target"}] = {};
      if (target)
        w.put("target", *target);
      if (second)
        w.put("second", *second);
    };
  };
  all.push_back(set("insert of a content", "target", value, sharing({}, {})));
  all.push_back(
    set("insert of a shared one", "target", value, sharing({}, value)));
  all.push_back(set("overwrite of the last of a content", "target", other,
                    sharing(value, {})));
  all.push_back(
    set("overwrite of a shared one", "target", other, sharing(value, value)));
  all.push_back(
    set("a short one over a shared one", "target", "s", sharing(value, {})));
  auto erase = [](store& db) {
    return acceptable(db.erase(default_ns, "target"), {errc::not_found});
  };
  all.push_back({"erase of the last of a content", sharing(value, other), erase,
                 becomes("target", {})});
  all.push_back({"append to a shared one", sharing(value, value),
                 [](store& db) {
                   std::size_t length = 0;
                   return acceptable(
                     db.append(default_ns, "target", "def", length));
                 },
                 on("target", [](const content& before) {
                   return content{before.value_or("") + "def"};
                 })});
  all.push_back({"drop of a namespace that shares",
                 [value](world& w) {
                   auto space = w.space();
                   must(
                     w.victim().configure(space, {.share_from = 128}).code());
                   for (auto key : {"one", "two"})
                     w.put(key, value, space);
                 },
                 [](store& db) { return db.drop_namespace("space").code(); },
                 [](const key_id& id, const content& before) {
                   return id.ns != 0 ? content{} : before;
                 },
                 true, true});
  all.push_back({"begin to share", [](world& w) { w.put("target", "t"); },
                 [](store& db) {
                   return db.configure(default_ns, {.share_from = 128}).code();
                 },
                 nothing(), true});
}

} // namespace

std::vector<operation> all_operations() {
  auto there = [](std::string value) {
    return [value = std::move(value)](world& w) { w.put("target", value); };
  };
  auto absent = [](world& w) { w.present[{0, "target"}] = {}; };
  auto expired = [](world& w) { w.put_expired("target", letters(90, 'e')); };
  auto small = letters(100, 's');
  auto other = letters(100, 'o');
  auto another_size = letters(700, 'b');
  // Larger than four pages: a block of pages of its own.
  auto large = letters(16'500, 'l');
  auto larger = letters(20'500, 'L');
  auto erase = [](store& db) {
    return acceptable(db.erase(default_ns, "target"), {errc::not_found});
  };
  std::vector<operation> all;
  all.push_back(set("insert", "target", small, absent));
  all.push_back(set("overwrite", "target", other, there(small)));
  all.push_back(
    set("overwrite, another size", "target", another_size, there(small)));
  all.push_back(set("insert over an expired one", "target", small, expired));
  all.push_back({"insert with an expiry", absent,
                 [small](store& db) {
                   return acceptable(db.set(default_ns, "target", small,
                                            {.ttl_ms = limits::max_ttl_ms}));
                 },
                 becomes("target", small)});
  all.push_back({"insert if absent", absent,
                 [small](store& db) {
                   return acceptable(
                     db.set_if_absent(default_ns, "target", small),
                     {errc::exists});
                 },
                 on("target", [small](const content& value) {
                   return value ? value : content{small};
                 })});
  all.push_back({"compare and swap", there(small),
                 [small, other](store& db) {
                   return acceptable(
                     db.compare_and_swap(default_ns, "target", small, other),
                     {errc::mismatch, errc::not_found});
                 },
                 on("target", [small, other](const content& value) {
                   return value == small ? content{other} : value;
                 })});
  all.push_back({"erase", there(small), erase, becomes("target", {})});
  all.push_back({"take", there(small),
                 [](store& db) {
                   std::string value;
                   return acceptable(db.take(default_ns, "target", value),
                                     {errc::not_found});
                 },
                 becomes("target", {})});
  all.push_back(
    {"erase of an expired one", expired, erase, becomes("target", {})});
  all.push_back({"sweep of expired ones",
                 [expired](world& w) {
                   expired(w);
                   w.put_expired("expired too", letters(300, 'E'));
                 },
                 [](store& db) {
                   scan_cursor cursor;
                   std::size_t removed = 0;
                   return db.sweep_expired(default_ns, cursor, 10'000, removed);
                 },
                 nothing()});
  all.push_back({"increment", there("41"),
                 [](store& db) {
                   std::int64_t sum = 0;
                   return acceptable(db.increment(default_ns, "target", 1, sum),
                                     {errc::not_integer});
                 },
                 on("target", incremented)});
  all.push_back({"increment of nothing", absent,
                 [](store& db) {
                   std::int64_t sum = 0;
                   return acceptable(db.increment(default_ns, "target", 1, sum),
                                     {errc::not_integer});
                 },
                 on("target", incremented)});
  all.push_back({"append", there("abc"),
                 [](store& db) {
                   std::size_t length = 0;
                   return acceptable(
                     db.append(default_ns, "target", "def", length));
                 },
                 on("target", [](const content& value) {
                   return content{value.value_or("") + "def"};
                 })});
  all.push_back({"persist",
                 [](world& w) {
                   must(w.victim().set(default_ns, "target", "mortal",
                                       {.ttl_ms = limits::max_ttl_ms}));
                   w.present[{0, "target"}] = "mortal";
                 },
                 [](store& db) {
                   return acceptable(db.persist(default_ns, "target"),
                                     {errc::not_found, errc::mismatch});
                 },
                 nothing()});
  all.push_back(set("insert large", "target", large, absent));
  all.push_back(set("overwrite large", "target", larger, there(large)));
  all.push_back(set("large to small", "target", small, there(large)));
  all.push_back({"erase large", there(large), erase, becomes("target", {})});
  all.push_back(
    {"set of many", absent,
     [small, another_size](store& db) {
       std::vector<set_request> sets{{"target", small, {}, errc::ok},
                                     {"kept3", another_size, {}, errc::ok},
                                     {"kept4", small, {}, errc::ok}};
       return acceptable(db.set_many(default_ns, sets));
     },
     [small, another_size](const key_id& id, const content& value) {
       if (id.ns == 0 && (id.name == "target" || id.name == "kept4"))
         return content{small};
       if (id.ns == 0 && id.name == "kept3")
         return content{another_size};
       return value;
     }});
  all.push_back({"clear", there(small),
                 [](store& db) {
                   std::uint64_t removed = 0;
                   return db.clear(default_ns, removed);
                 },
                 [](const key_id& id, const content& value) {
                   return id.ns == 0 ? content{} : value;
                 },
                 false, true});
  all.push_back({"drop of a namespace",
                 [small](world& w) {
                   auto space = w.space();
                   for (auto key : {"one", "two", "three"})
                     w.put(key, small, space);
                 },
                 [](store& db) { return db.drop_namespace("space").code(); },
                 [](const key_id& id, const content& value) {
                   return id.ns != 0 ? content{} : value;
                 },
                 true, true});
  all.push_back({"open of a namespace", absent,
                 [](store& db) { return db.open_namespace("new").code(); },
                 nothing(), true});
  all.push_back(
    {"growth of the pool", there(small),
     [](store& db) { return acceptable(db.expand_pool(64U << 10).code()); },
     nothing(), true});
  all.push_back({"doubling of the index", there(small),
                 [other](store& db) {
                   (void)db.grow_index();
                   auto answer =
                     acceptable(db.set(default_ns, "target", other));
                   // Until one looks whether all is carried over.
                   constexpr int more_writes = 4;
                   for (int i = 0; i < more_writes; ++i)
                     (void)db.erase(default_ns, "not there");
                   return answer;
                 },
                 becomes("target", other), false, true});
  for (auto& each : memory_operations())
    all.push_back(std::move(each));
  add_shared(all);
  all.push_back({"detach", there(small),
                 [](store& db) {
                   db.close();
                   return errc::ok;
                 },
                 nothing(), true});
  add_inline(all);
  return all;
}

std::vector<neighbourhood> all_neighbourhoods() {
  auto some = [](world& w) {
    constexpr int entries = 12;
    for (int i = 0; i < entries; ++i)
      w.put("kept" + std::to_string(i),
            letters(static_cast<std::size_t>(i) * 37, 'k'));
  };
  auto overwrite = [](world& w, int times) {
    for (int i = 0; i < times; ++i)
      w.put("kept1", letters(static_cast<std::size_t>(i % 3) * 40, 'k'));
  };
  std::vector<neighbourhood> all;
  all.push_back({"a few entries", some});
  all.push_back({"a full list of displaced blocks", [=](world& w) {
                   some(w);
                   // The next displacement but one reuses them.
                   overwrite(w, 29);
                 }});
  all.push_back({"one more on that list", [=](world& w) {
                   some(w);
                   overwrite(w, 31);
                 }});
  all.push_back({"full magazines", [=](world& w) {
                   some(w);
                   constexpr int entries = 40;
                   for (int i = 0; i < entries; ++i)
                     w.put("gone" + std::to_string(i), letters(100, 'g'));
                   for (int i = 0; i < entries; ++i)
                     w.forget("gone" + std::to_string(i));
                 }});
  all.push_back({"a crowded index",
                 [=](world& w) {
                   some(w);
                   constexpr int entries = 560;
                   for (int i = 0; i < entries; ++i)
                     w.put("n" + std::to_string(i), "x");
                 },
                 true});
  all.push_back({"an index that doubles",
                 [=](world& w) {
                   some(w);
                   (void)w.victim().grow_index();
                 },
                 true});
  all.push_back({"memory that runs short",
                 [=](world& w) {
                   some(w);
                   auto value = letters(15'000, 'f');
                   for (int i = 0; i < 1000; ++i) {
                     auto key = "full" + std::to_string(i);
                     if (w.victim().set(default_ns, key, value) != errc::ok)
                       break;
                     w.present[{0, key}] = value;
                   }
                   // Room for what the peers do, in the wrong sizes.
                   w.forget("full7");
                   w.forget("full8");
                   w.forget("full9");
                 },
                 true});
  return all;
}

std::vector<operation> all_interjections() {
  auto none = [](world&) {};
  auto other = letters(100, 'p');
  std::vector<operation> all;
  all.push_back(set("an insert", "peer's", other, none));
  all.push_back(set("a set of the same key", "target", other, none));
  all.push_back(
    set("a set in another size", "target", letters(333, 'q'), none));
  all.push_back({"an erase", none,
                 [](store& db) {
                   return acceptable(db.erase(default_ns, "target"),
                                     {errc::not_found});
                 },
                 becomes("target", {})});
  all.push_back({"an append", none,
                 [](store& db) {
                   std::size_t length = 0;
                   return acceptable(
                     db.append(default_ns, "target", "7", length));
                 },
                 on("target", [](const content& value) {
                   return content{value.value_or("") + "7"};
                 })});
  all.push_back({"sets that reuse memory", none,
                 [other](store& db) {
                   auto answer = errc::ok;
                   for (int i = 0; i < 35 && answer == errc::ok; ++i)
                     answer = acceptable(db.set(default_ns, "peer's", other));
                   return answer;
                 },
                 becomes("peer's", other)});
  all.push_back(
    {"a set and an erase of the same key", none,
     [other](store& db) {
       auto answer = acceptable(db.set(default_ns, "target", other));
       if (answer != errc::ok)
         return answer;
       return acceptable(db.erase(default_ns, "target"), {errc::not_found});
     },
     becomes("target", {}), false, false, becomes("target", other)});
  // Where there is no such namespace they are refused, and change nothing.
  all.push_back(
    {"a set of an inline entry", none,
     [](store& db) {
       auto ns = db.find_namespace(inline_name);
       return ns ? acceptable(db.set(*ns, inline_key(3), "20000000"))
                 : errc::no_space;
     },
     on_inline(3, [](const content&) { return content{"20000000"}; })});
  all.push_back({"an erase of an inline entry", none,
                 [](store& db) {
                   auto ns = db.find_namespace(inline_name);
                   return ns ? acceptable(db.erase(*ns, inline_key(4)),
                                          {errc::not_found})
                             : errc::no_space;
                 },
                 on_inline(4, [](const content&) { return content{}; })});
  for (auto& each : memory_interjections())
    all.push_back(std::move(each));
  all.push_back({"growth of the index", none,
                 [](store& db) {
                   (void)db.grow_index();
                   return acceptable(db.erase(default_ns, "not there"),
                                     {errc::not_found});
                 },
                 nothing()});
  all.push_back({"a recovery", none,
                 [](store& db) { return db.recover().code(); }, nothing()});
  return all;
}

} // namespace neuroplex::memory::testing
