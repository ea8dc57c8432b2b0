// Inline namespaces by one thread: against a map, at their limits, and with
// bytes of theirs changed.
#include "memory/inline_namespace.hpp"
#include "memory/inline_fixture.test.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <random>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

namespace {

/// The whole file of a segment, for whoever changes bytes of it.
class raw_segment {
public:
  explicit raw_segment(const std::string& path) {
    auto fd = ::open(path.c_str(), O_RDWR);
    REQUIRE(fd >= 0);
    struct stat info {};
    REQUIRE(::fstat(fd, &info) == 0);
    size_ = static_cast<std::size_t>(info.st_size);
    base_ = static_cast<char*>(
      ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    ::close(fd);
    REQUIRE(base_ != MAP_FAILED);
  }

  raw_segment(const raw_segment&) = delete;
  raw_segment& operator=(const raw_segment&) = delete;

  ~raw_segment() {
    ::munmap(base_, size_);
  }

  /// Where `text` is, or null.
  [[nodiscard]] char* find(std::string_view text) const {
    auto* found = std::search(base_, base_ + size_, text.begin(), text.end());
    return found == base_ + size_ ? nullptr : found;
  }

  [[nodiscard]] char* begin() const {
    return base_;
  }

  [[nodiscard]] std::size_t size() const {
    return size_;
  }

private:
  char* base_ = nullptr;
  std::size_t size_ = 0;
};

struct expected_inline {
  std::string value;
  bool expires = false;
};

/// Random operations on an inline namespace and on a map.
class inline_run {
public:
  inline_run(store& db, inline_namespace space, std::uint64_t seed)
    : db_{db}, space_{space}, ns_{space.id()}, random_{seed} {
  }

  void step() {
    auto key = inline_key(pick(300));
    auto entry = model_.find(key);
    bool there = entry != model_.end();
    auto value = bytes_of(inline_value_bytes, random_());
    auto present_or = [&](errc otherwise) {
      return there ? errc::ok : otherwise;
    };
    std::string text;
    switch (pick(14)) {
      case 0:
      case 1:
        REQUIRE(space_.set(key, value) == errc::ok);
        model_[key] = {value};
        break;
      case 2: {
        set_options options;
        if (pick(2) == 0)
          options.keep_ttl = true;
        else
          options.ttl_ms = hour_ms;
        REQUIRE(db_.set(ns_, key, value, options) == errc::ok);
        bool keeps = options.keep_ttl && there && entry->second.expires;
        model_[key] = {value, options.ttl_ms != 0 || keeps};
        break;
      }
      case 3:
        REQUIRE(space_.set_if_absent(key, value)
                == (there ? errc::exists : errc::ok));
        if (!there)
          model_[key] = {value};
        break;
      case 4:
        REQUIRE(db_.set_if_present(ns_, key, value)
                == present_or(errc::not_found));
        if (there)
          entry->second = {value};
        break;
      case 5:
        REQUIRE(space_.erase(key) == present_or(errc::not_found));
        if (there)
          model_.erase(entry);
        break;
      case 6:
        REQUIRE(db_.take(ns_, key, text) == present_or(errc::not_found));
        if (there) {
          REQUIRE(text == entry->second.value);
          model_.erase(entry);
        }
        break;
      case 7: {
        bool had = false;
        REQUIRE(db_.exchange(ns_, key, value, text, had) == errc::ok);
        REQUIRE(had == there);
        if (there)
          REQUIRE(text == entry->second.value);
        model_[key] = {value};
        break;
      }
      case 8: {
        auto expected =
          there && pick(3) != 0 ? entry->second.value : "other value";
        auto wanted = !there                            ? errc::not_found
                      : expected == entry->second.value ? errc::ok
                                                        : errc::mismatch;
        REQUIRE(db_.compare_and_swap(ns_, key, expected, value) == wanted);
        if (wanted == errc::ok)
          entry->second.value = value;
        break;
      }
      case 9: {
        entry_info info;
        REQUIRE(db_.info(ns_, key, info) == present_or(errc::not_found));
        if (!there)
          break;
        REQUIRE((info.expires_at_ms != 0) == entry->second.expires);
        REQUIRE(db_.compare_and_swap(ns_, key, info.version, value)
                == errc::ok);
        REQUIRE(db_.compare_and_swap(ns_, key, info.version, value)
                == errc::mismatch);
        entry->second.value = value;
        break;
      }
      case 10:
        REQUIRE(db_.expire(ns_, key, hour_ms) == present_or(errc::not_found));
        if (there)
          entry->second.expires = true;
        break;
      case 11:
        REQUIRE(db_.persist(ns_, key)
                == (!there                  ? errc::not_found
                    : entry->second.expires ? errc::ok
                                            : errc::mismatch));
        if (there)
          entry->second.expires = false;
        break;
      case 12:
        if (pick(100) == 0)
          compare_all();
        break;
      default:
        REQUIRE(db_.get(ns_, key, text) == present_or(errc::not_found));
        REQUIRE(space_.contains(key) == there);
        if (there)
          REQUIRE(text == entry->second.value);
    }
  }

  void compare_all() {
    std::map<std::string, std::string> seen;
    for (scan_cursor cursor; !cursor.done();)
      REQUIRE(db_.scan(ns_, cursor, 1 + pick(100),
                       [&](const scan_entry& entry) {
                         REQUIRE(seen
                                   .emplace(std::string{entry.key},
                                            std::string{entry.value})
                                   .second);
                         REQUIRE((entry.info.expires_at_ms != 0)
                                 == model_[std::string{entry.key}].expires);
                       })
              == errc::ok);
    REQUIRE(std::equal(seen.begin(), seen.end(), model_.begin(), model_.end(),
                       [](const auto& left, const auto& right) {
                         return left.first == right.first
                                && left.second == right.second.value;
                       }));
  }

  [[nodiscard]] std::size_t size() const {
    return model_.size();
  }

private:
  std::uint64_t pick(std::uint64_t bound) {
    return random_() % bound;
  }

  store& db_;
  inline_namespace space_;
  namespace_id ns_;
  std::mt19937_64 random_;
  std::map<std::string, expected_inline> model_;
};

} // namespace

TEST_CASE("an inline namespace behaves as a map does", "[inline]") {
  for (std::uint64_t seed = 1; seed <= scaled(6); ++seed) {
    CAPTURE(seed);
    segment s;
    auto other = s.attach();
    inline_run model{other, open_inline(s.db, inline_sizes(300, true)), seed};
    for (std::size_t i = 0; i < scaled(20'000); ++i)
      model.step();
    model.compare_all();
    CHECK(s.db.stats().entries == model.size());
    CHECK(*s.db.verify() == 0);
  }
}

TEST_CASE("an inline namespace refuses other sizes and says which it takes",
          "[inline]") {
  segment s;
  auto space = open_inline(s.db, inline_sizes(100));
  auto ns = space.id();
  auto value = bytes_of(inline_value_bytes, 1);
  CHECK(space.set(inline_key(1, 15), value) == errc::key_size);
  CHECK(s.db.set(ns, inline_key(1, 17), value) == errc::key_size);
  CHECK(space.set(inline_key(1), value + "x") == errc::value_size);
  CHECK(s.db.set(ns, inline_key(1), "short") == errc::value_size);
  CHECK(s.db.erase(ns, "short") == errc::key_size);
  CHECK(space.set(inline_key(1), value, {.ttl_ms = 5}) == errc::bad_ttl);
  REQUIRE(space.set(inline_key(1), value) == errc::ok);
  std::string text;
  CHECK(s.db.get(ns, "short", text) == errc::key_size);
  CHECK(s.db.expire(ns, inline_key(1), 5) == errc::bad_ttl);
  std::size_t length = 0;
  CHECK(s.db.append(ns, inline_key(1), "more", length) == errc::value_size);
  std::int64_t sum = 0;
  CHECK(s.db.increment(ns, inline_key(2), 1, sum) == errc::value_size);
  value_view view;
  CHECK(s.db.view(ns, inline_key(1), view) == errc::wrong_type);
  std::array<char, inline_value_bytes - 1> small{};
  CHECK(space.get(inline_key(1), small) == errc::value_size);
  CHECK(s.db.get(ns, inline_key(1), small, length) == errc::value_size);
  CHECK(length == inline_value_bytes);
  CHECK(value_of(s.db, inline_key(1), ns) == value);

  auto refused = [&](const inline_options& options, const char* field) {
    auto answer = s.db.open_inline_namespace("other", options);
    REQUIRE(answer.code() == errc::config);
    CHECK(answer.error().message().find(field) != std::string::npos);
  };
  refused({.key_bytes = 0, .value_bytes = 1, .capacity = 1}, "key_bytes");
  refused({.key_bytes = 8, .value_bytes = 1 << 20, .capacity = 1},
          "value_bytes");
  refused({.key_bytes = 8, .value_bytes = 8, .capacity = 0}, "capacity");
  CHECK(s.db.open_inline_namespace("inline", inline_sizes(100)).code()
        == errc::ok);
  CHECK(s.db.open_inline_namespace("inline", inline_sizes(100, true)).code()
        == errc::exists);
  CHECK(s.db.open_inline_namespace("default", inline_sizes(100)).code()
        == errc::exists);
  CHECK(s.db.open_inline_namespace("huge", inline_sizes(1'000'000)).code()
        == errc::no_space);
  CHECK(s.db.inline_handle(default_ns).code() == errc::wrong_type);
}

TEST_CASE("an inline namespace holds what it was made for, 95 % of its records "
          "at the least",
          "[inline]") {
  for (std::uint64_t capacity : {1U, 46U, 1000U, 20'000U}) {
    CAPTURE(capacity);
    segment s{{.segment_bytes = 16 * mebibyte}};
    auto space = open_inline(s.db, inline_sizes(capacity));
    std::uint64_t stored = 0;
    while (space.set(inline_key(stored), bytes_of(inline_value_bytes, stored))
           == errc::ok)
      ++stored;
    CHECK(space.set(inline_key(stored), bytes_of(inline_value_bytes, 1))
          == errc::no_space);
    CHECK(stored >= capacity);
    CHECK(stored >= space.records() * 95 / 100);
    // Full, it can still be written to.
    for (std::uint64_t i = 0; i < stored; ++i)
      REQUIRE(space.set(inline_key(i), bytes_of(inline_value_bytes, i + 7))
              == errc::ok);
    std::string value;
    for (std::uint64_t i = 0; i < stored; ++i) {
      REQUIRE(space.get(inline_key(i), value) == errc::ok);
      REQUIRE(value == bytes_of(inline_value_bytes, i + 7));
    }
    CHECK(space.get(inline_key(stored), value) == errc::not_found);
    CHECK(count_entries(s.db, space.id()) == stored);
    REQUIRE(space.erase(inline_key(0)) == errc::ok);
    CHECK(space.set(inline_key(0), bytes_of(inline_value_bytes, 2))
          == errc::ok);
    std::uint64_t removed = 0;
    REQUIRE(s.db.clear(space.id(), removed) == errc::ok);
    CHECK(removed == stored);
    CHECK(s.db.stats().entries == 0);
  }
}

TEST_CASE("batches of an inline namespace answer key by key", "[inline]") {
  segment s;
  auto space = open_inline(s.db, inline_sizes(1000));
  std::vector<std::string> keys;
  std::vector<std::string> values;
  for (std::uint64_t i = 0; i < 100; ++i) {
    keys.push_back(inline_key(i));
    values.push_back(bytes_of(inline_value_bytes, i));
  }
  keys[50] = "short";
  std::vector<set_request> sets(100);
  std::vector<get_request> gets(101);
  auto late = inline_key(1000);
  for (std::size_t i = 0; i < sets.size(); ++i) {
    sets[i].key = keys[i];
    sets[i].value = values[i];
    gets[i].key = keys[i];
  }
  gets[100].key = late;
  for (bool direct : {true, false}) {
    CHECK((direct ? space.set_many(sets) : s.db.set_many(space.id(), sets))
          == errc::key_size);
    CHECK((direct ? space.get_many(gets) : s.db.get_many(space.id(), gets))
          == errc::key_size);
    for (std::size_t i = 0; i < sets.size(); ++i) {
      REQUIRE(sets[i].status == (i == 50 ? errc::key_size : errc::ok));
      REQUIRE(gets[i].status == sets[i].status);
      if (i != 50)
        REQUIRE(gets[i].value == values[i]);
    }
    CHECK(gets[100].status == errc::not_found);
  }
}

TEST_CASE("entries of an inline namespace expire if it was made so",
          "[inline]") {
  segment s;
  auto space = open_inline(s.db, inline_sizes(100, true));
  auto ns = space.id();
  auto value = bytes_of(inline_value_bytes, 1);
  for (std::uint64_t i = 0; i < 50; ++i)
    REQUIRE(space.set(inline_key(i), value, {.ttl_ms = i < 20 ? 1 : hour_ms})
            == errc::ok);
  REQUIRE(eventually([&] { return !space.contains(inline_key(19)); }));
  REQUIRE(eventually([&] { return count_entries(s.db, ns) == 30; }));
  CHECK(space.set_if_present(inline_key(0), value) == errc::not_found);
  CHECK(space.set_if_absent(inline_key(0), value) == errc::ok);
  CHECK(s.db.erase(ns, inline_key(1)) == errc::not_found);
  std::size_t total = 0;
  for (scan_cursor cursor; !cursor.done();) {
    std::size_t removed = 0;
    REQUIRE(s.db.sweep_expired(ns, cursor, 10, removed) == errc::ok);
    total += removed;
  }
  CHECK(total == 18);
  CHECK(s.db.stats().entries == 31);
}

TEST_CASE("a dropped inline namespace gives its memory back and takes its "
          "handles out of use",
          "[inline]") {
  segment s;
  auto used = s.db.stats().pool_used_bytes;
  auto value = bytes_of(inline_value_bytes, 1);
  auto other = s.attach();
  for (int round = 0; round < 20; ++round) {
    auto space = open_inline(s.db, inline_sizes(15'000));
    auto there = open_inline(other, inline_sizes(15'000));
    REQUIRE(there.set(inline_key(1), value) == errc::ok);
    CHECK(space.contains(inline_key(1)));
    CHECK(s.db.namespaces().back().is_inline);
    REQUIRE(s.db.drop_namespace("inline"));
    std::string text;
    CHECK(there.set(inline_key(2), value) == errc::bad_namespace);
    CHECK(there.get(inline_key(1), text) == errc::bad_namespace);
    CHECK(other.set(there.id(), inline_key(1), value) == errc::bad_namespace);
    // The id, with entries of any size.
    auto plain = s.db.open_namespace("plain");
    REQUIRE(plain);
    REQUIRE(*plain == space.id());
    REQUIRE(s.db.set(*plain, "key", "value") == errc::ok);
    CHECK(value_of(other, "key", *plain) == "value");
    CHECK(there.set(inline_key(2), value) == errc::bad_namespace);
    REQUIRE(s.db.drop_namespace("plain"));
  }
  CHECK(s.db.stats().pool_used_bytes <= used + 256 * kibibyte);
}

TEST_CASE("an inline namespace outlives those who made it", "[inline]") {
  temporary_path path;
  auto value = bytes_of(inline_value_bytes, 1);
  {
    auto made = store::create(path.str(), {.segment_bytes = 4 * mebibyte});
    REQUIRE(made);
    REQUIRE(open_inline(*made, inline_sizes(1000)).set(inline_key(1), value)
            == errc::ok);
  }
  auto reader = store::open(path.str(), access_mode::read_only);
  REQUIRE(reader);
  auto id = reader->find_namespace("inline");
  REQUIRE(id);
  CHECK(value_of(*reader, inline_key(1), *id) == value);
  CHECK(reader->set(*id, inline_key(1), value) == errc::read_only);
  auto space = reader->inline_handle(*id);
  REQUIRE(space);
  CHECK(space->contains(inline_key(1)));
  CHECK(space->set(inline_key(1), value) == errc::read_only);
  CHECK(space->options().capacity == 1000);
}

TEST_CASE("a flipped bit in an inline record is never served", "[inline]") {
  segment s{{.segment_bytes = 1 * mebibyte}};
  auto space = open_inline(s.db, inline_sizes(100));
  auto key = inline_key(7);
  auto value = bytes_of(inline_value_bytes, 7);
  REQUIRE(space.set(key, value) == errc::ok);
  raw_segment raw{s.path.str()};
  auto* at = raw.find(value);
  REQUIRE(at != nullptr);
  std::string text;
  for (std::size_t bit = 0; bit < inline_value_bytes * 8; ++bit) {
    at[bit / 8] = static_cast<char>(at[bit / 8] ^ (1 << bit % 8));
    REQUIRE(space.get(key, text) == errc::corrupt);
    REQUIRE(
      s.db.exchange(space.id(), key, value, text, *std::make_unique<bool>())
      == errc::corrupt);
    REQUIRE(*s.db.verify() == 1);
    at[bit / 8] = static_cast<char>(at[bit / 8] ^ (1 << bit % 8));
  }
  // Header and key: whatever is answered, it is not a wrong value.
  for (int bit = -28 * 8; bit < 0; ++bit) {
    auto* byte = at + (bit - 7) / 8;
    auto mask = 1 << (bit & 7);
    *byte = static_cast<char>(*byte ^ mask);
    if (space.get(key, text) == errc::ok)
      REQUIRE(text == value);
    *byte = static_cast<char>(*byte ^ mask);
  }
  CHECK(space.get(key, text) == errc::ok);
}

TEST_CASE("an inline namespace over random bytes stays in bounds", "[inline]") {
  for (std::uint64_t seed = 1; seed <= scaled(20); ++seed) {
    CAPTURE(seed);
    segment s{{.segment_bytes = 1 * mebibyte}};
    auto space = open_inline(s.db, inline_sizes(2000));
    for (std::uint64_t i = 0; i < 1900; ++i)
      REQUIRE(space.set(inline_key(i), bytes_of(inline_value_bytes, i))
              == errc::ok);
    raw_segment raw{s.path.str()};
    auto* line = raw.find("k1.............."); // a record; its table is around
    REQUIRE(line != nullptr);
    std::mt19937_64 random{seed};
    auto begin = raw.size() / 2;
    for (int round = 0; round < 20; ++round) {
      for (int i = 0; i < 2000; ++i) {
        auto at = begin + random() % (raw.size() - begin - 8);
        auto word = random();
        std::memcpy(raw.begin() + at, &word, sizeof word);
      }
      std::string text;
      for (std::uint64_t i = 0; i < 200; ++i) {
        auto key = inline_key(random() % 2000);
        if (space.get(key, text) == errc::ok)
          REQUIRE(text.size() == inline_value_bytes);
        (void)space.set(key, bytes_of(inline_value_bytes, i));
        (void)space.erase(inline_key(random() % 2000));
      }
      (void)s.db.verify();
      (void)s.db.recover();
    }
    std::uint64_t removed = 0;
    (void)s.db.clear(space.id(), removed);
    (void)s.db.drop_namespace("inline");
  }
}
