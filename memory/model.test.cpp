// The store against the most obvious model there is: a map.
#include "memory/dedup_fixture.test.hpp"
#include "memory/fixture.test.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <random>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

namespace {

struct expected_entry {
  std::string value;
  bool expires = false;
};

using expected_map = std::map<std::string, expected_entry>;

/// Runs random operations on one namespace of the store and on the model.
class run {
public:
  /// With `contents`, there are only so many values of each length.
  run(store& db, namespace_id ns, std::uint64_t seed,
      std::uint64_t contents = 0)
    : db_{db}, ns_{ns}, contents_{contents}, random_{seed} {
  }

  void step() {
    auto key = random_key();
    auto entry = model_.find(key);
    bool there = entry != model_.end();
    std::string text;
    switch (pick(18)) {
      case 0:
      case 1:
      case 2: {
        auto options = random_options();
        auto value = random_value();
        REQUIRE(db_.set(ns_, key, value, options) == errc::ok);
        bool keeps = options.keep_ttl && there && entry->second.expires;
        model_[key] = {value, options.ttl_ms != 0 || keeps};
        break;
      }
      case 3: {
        auto value = random_value();
        REQUIRE(db_.set_if_absent(ns_, key, value)
                == (there ? errc::exists : errc::ok));
        if (!there)
          model_[key] = {value};
        break;
      }
      case 4: {
        auto value = random_value();
        REQUIRE(db_.set_if_present(ns_, key, value)
                == (there ? errc::ok : errc::not_found));
        if (there)
          entry->second = {value};
        break;
      }
      case 5:
        REQUIRE(db_.erase(ns_, key) == (there ? errc::ok : errc::not_found));
        if (there)
          model_.erase(entry);
        break;
      case 6:
        REQUIRE(db_.take(ns_, key, text)
                == (there ? errc::ok : errc::not_found));
        if (there) {
          REQUIRE(text == entry->second.value);
          model_.erase(entry);
        }
        break;
      case 7: {
        auto value = random_value();
        bool had = false;
        REQUIRE(db_.exchange(ns_, key, value, text, had) == errc::ok);
        REQUIRE(had == there);
        if (there)
          REQUIRE(text == entry->second.value);
        model_[key] = {value};
        break;
      }
      case 8: {
        auto value = random_value();
        auto expected = there && pick(3) != 0 ? entry->second.value : "other";
        auto wanted = !there                            ? errc::not_found
                      : expected == entry->second.value ? errc::ok
                                                        : errc::mismatch;
        REQUIRE(db_.compare_and_swap(ns_, key, expected, value, &text)
                == wanted);
        if (wanted == errc::mismatch)
          REQUIRE(text == entry->second.value);
        if (wanted == errc::ok)
          entry->second.value = value;
        break;
      }
      case 9: {
        auto suffix = random_value().substr(0, 50);
        std::size_t length = 0;
        REQUIRE(db_.append(ns_, key, suffix, length) == errc::ok);
        model_[key].value += suffix;
        REQUIRE(length == model_[key].value.size());
        if (length > 5000) { // keeps the values small
          model_[key].value.clear();
          REQUIRE(db_.set(ns_, key, "", {.keep_ttl = true}) == errc::ok);
        }
        break;
      }
      case 10:
        increment(key, entry);
        break;
      case 11:
        REQUIRE(db_.expire(ns_, key, hour_ms)
                == (there ? errc::ok : errc::not_found));
        if (there)
          entry->second.expires = true;
        break;
      case 12: {
        auto wanted = !there                  ? errc::not_found
                      : entry->second.expires ? errc::ok
                                              : errc::mismatch;
        REQUIRE(db_.persist(ns_, key) == wanted);
        if (there)
          entry->second.expires = false;
        break;
      }
      case 13:
        if (pick(200) == 0)
          compare_all();
        break;
      case 14:
        if (pick(500) == 0) {
          std::uint64_t removed = 0;
          REQUIRE(db_.clear(ns_, removed) == errc::ok);
          REQUIRE(removed == model_.size());
          model_.clear();
        }
        break;
      default:
        REQUIRE(db_.get(ns_, key, text)
                == (there ? errc::ok : errc::not_found));
        if (there)
          REQUIRE(text == entry->second.value);
    }
  }

  void compare_all() {
    expected_map seen;
    for (scan_cursor cursor; !cursor.done();)
      REQUIRE(db_.scan(ns_, cursor, 1 + pick(100),
                       [&](const scan_entry& entry) {
                         seen[std::string{entry.key}] = {
                           std::string{entry.value},
                           entry.info.expires_at_ms != 0};
                       })
              == errc::ok);
    REQUIRE(std::equal(seen.begin(), seen.end(), model_.begin(), model_.end(),
                       [](const auto& left, const auto& right) {
                         return left.first == right.first
                                && left.second.value == right.second.value
                                && left.second.expires == right.second.expires;
                       }));
  }

  [[nodiscard]] std::size_t size() const {
    return model_.size();
  }

private:
  std::uint64_t pick(std::uint64_t bound) {
    return random_() % bound;
  }

  std::string random_key() {
    auto number = pick(400);
    auto key = std::to_string(number);
    // Some keys are long, so that blocks of one key change their class.
    return number % 7 == 0 ? key + std::string(number * 3, 'k') : key;
  }

  std::string random_value() {
    constexpr std::size_t sizes[] = {0, 3, 40, 200, 1000, 5000, 20'000};
    if (contents_ != 0) {
      auto size = sizes[pick(std::size(sizes))];
      return bytes_of(size, pick(contents_));
    }
    return bytes_of(pick(sizes[pick(std::size(sizes))] + 1), random_());
  }

  set_options random_options() {
    switch (pick(3)) {
      case 0:
        return {.ttl_ms = hour_ms};
      case 1:
        return {.keep_ttl = true};
      default:
        return {};
    }
  }

  void increment(const std::string& key, expected_map::iterator entry) {
    std::int64_t sum = 0;
    auto answer = db_.increment(ns_, key, 3, sum);
    if (entry == model_.end()) {
      REQUIRE(answer == errc::ok);
      REQUIRE(sum == 3);
      model_[key] = {"3"};
      return;
    }
    if (answer == errc::ok) {
      REQUIRE(entry->second.value == std::to_string(sum - 3));
      entry->second.value = std::to_string(sum);
    } else {
      REQUIRE(answer == errc::not_integer);
    }
  }

  store& db_;
  namespace_id ns_;
  std::uint64_t contents_;
  std::mt19937_64 random_;
  expected_map model_;
};

} // namespace

TEST_CASE("the store behaves as a map does", "[model]") {
  for (std::uint64_t seed = 1; seed <= scaled(12); ++seed) {
    CAPTURE(seed);
    segment s{{.segment_bytes = 16 * mebibyte, .bucket_count = 64}};
    auto other = s.attach();
    auto second = s.db.open_namespace("second");
    REQUIRE(second);
    run first{s.db, default_ns, seed};
    run beside{other, *second, seed + 1000};
    for (std::size_t i = 0; i < scaled(10'000); ++i) {
      first.step();
      beside.step();
      if (i % 3000 == 0)
        (void)s.db.grow_index();
    }
    first.compare_all();
    beside.compare_all();
    CHECK(s.db.stats().entries == first.size() + beside.size());
    CHECK(*s.db.verify() == 0);
  }
}

TEST_CASE("the store behaves as a map does where values are shared",
          "[model][dedup]") {
  for (std::uint64_t seed = 1; seed <= scaled(6); ++seed) {
    CAPTURE(seed);
    sharing_segment s{{.segment_bytes = 16 * mebibyte, .bucket_count = 64},
                      {.compression = seed % 2 == 0 ? compression_mode::adaptive
                                                    : compression_mode::off}};
    auto other = s.attach();
    auto second = s.db.open_namespace("second");
    REQUIRE(second);
    REQUIRE(s.db.configure(*second, {.share_from = 1000}));
    run first{s.db, s.ns, seed, 5};
    run beside{other, *second, seed + 1000, 5};
    for (std::size_t i = 0; i < scaled(10'000); ++i) {
      first.step();
      beside.step();
      if (i % 3000 == 0)
        (void)s.db.grow_index();
      if (i % 64 == 0)
        REQUIRE(s.db.compact());
      if (i % 1000 == 0)
        REQUIRE(shared_census{s.db}.exact());
    }
    first.compare_all();
    beside.compare_all();
    REQUIRE(shared_census{s.db}.exact());
    CHECK(s.db.stats().entries == first.size() + beside.size());
    CHECK(*s.db.verify() == 0);
  }
}
