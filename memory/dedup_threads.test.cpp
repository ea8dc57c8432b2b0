// Many threads, few values: counts must end exact, and readers must see whole
// values all the time.
#include "memory/dedup_fixture.test.hpp"

#include <random>
#include <thread>
#include <vector>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

namespace {

constexpr std::uint64_t values = 5;
constexpr std::uint64_t keys = 12;

std::string value_of_number(std::uint64_t number) {
  return std::to_string(number) + bytes_of(300 + 700 * number, number);
}

/// Whether it is one of the values, or a short one.
bool is_whole(std::string_view value) {
  return value.size() < limits::least_shared_bytes
         || (value.front() >= '0' && value.front() < '0' + int{values}
             && value
                  == value_of_number(
                    static_cast<std::uint64_t>(value.front() - '0')));
}

void must_be(errc answer, std::initializer_list<errc> others) {
  if (answer != errc::ok
      && std::find(others.begin(), others.end(), answer) == others.end())
    throw std::runtime_error{std::string{code_name(answer)}};
}

void write_at_random(store& db, namespace_id ns, std::uint64_t seed,
                     std::size_t steps) {
  std::mt19937_64 random{seed};
  std::string text;
  bool had = false;
  for (std::size_t i = 0; i < steps; ++i) {
    auto key = std::to_string(random() % keys);
    auto value = value_of_number(random() % values);
    switch (random() % 8) {
      case 0:
        must_be(db.erase(ns, key), {errc::not_found});
        break;
      case 1:
        must_be(db.exchange(ns, key, value, text, had), {});
        break;
      case 2:
        must_be(db.expire(ns, key, 1'000'000), {errc::not_found});
        break;
      case 3:
        must_be(db.set(ns, key, "short"), {});
        break;
      case 4:
        must_be(db.take(ns, key, text), {errc::not_found});
        break;
      default:
        must_be(db.set(ns, key, value), {});
    }
  }
}

} // namespace

TEST_CASE("threads that share values leave exact counts and see whole values",
          "[dedup][threads]") {
  sharing_segment s{{.segment_bytes = 16 * mebibyte, .bucket_count = 64}};
  auto second = s.attach();
  auto& other = beside(s.db, second);
  std::atomic<bool> done{false};
  std::atomic<unsigned> torn{0};
  std::atomic<unsigned> failed{0};
  auto guarded = [&](auto&& work) {
    return [&, work] {
      try {
        work();
      } catch (const std::exception&) {
        ++failed;
      }
    };
  };
  std::vector<std::thread> writers;
  for (std::uint64_t i = 0; i < 3; ++i)
    writers.emplace_back(guarded([&, i] {
      write_at_random(i % 2 == 0 ? s.db : other, s.ns, i, scaled(20'000));
    }));
  std::thread reader{guarded([&] {
    std::string text;
    value_view view;
    std::uint64_t i = 0;
    while (!done.load()) {
      auto key = std::to_string(++i % keys);
      auto answer = other.get(s.ns, key, text);
      must_be(answer, {errc::not_found});
      if (answer == errc::ok && !is_whole(text))
        ++torn;
      answer = other.view(s.ns, key, view);
      must_be(answer, {errc::not_found});
      if (answer == errc::ok && !is_whole(view.bytes()))
        ++torn;
      view.release();
    }
  })};
  std::thread mover{guarded([&] {
    for (unsigned i = 0; !done.load(); ++i) {
      if (!s.db.compact())
        throw std::runtime_error{"compact"};
      if (i % 1000 == 999)
        (void)s.db.grow_index();
      (void)s.db.recover();
    }
  })};
  for (auto& each : writers)
    each.join();
  done = true;
  reader.join();
  mover.join();
  CHECK(torn == 0);
  CHECK(failed == 0);
  CHECK(shared_census{s.db}.exact());
  CHECK(*s.db.verify() == 0);
  std::uint64_t removed = 0;
  REQUIRE(s.db.clear(s.ns, removed) == errc::ok);
  CHECK(s.info().block_bytes == 0);
  CHECK(s.info().shared_entries == 0);
  CHECK(s.info().shared_bytes == 0);
}

TEST_CASE("threads that share values under eviction leave exact counts",
          "[dedup][threads]") {
  sharing_segment s{{.segment_bytes = 2 * mebibyte},
                    {.policy = policy_kind::clock}};
  std::atomic<unsigned> failed{0};
  std::vector<std::thread> writers;
  for (std::uint64_t t = 0; t < 3; ++t)
    writers.emplace_back([&, t] {
      std::mt19937_64 random{t};
      std::string text;
      for (std::size_t i = 0; i < scaled(6000); ++i) {
        auto key = std::to_string(random() % 3000);
        auto number = random() % 1500;
        auto value = bytes_of(500 + number, number);
        if (s.db.set(s.ns, key, value) != errc::ok)
          ++failed;
        auto answer = s.db.get(s.ns, key, text);
        if (answer != errc::ok && answer != errc::not_found)
          ++failed;
      }
    });
  for (auto& each : writers)
    each.join();
  CHECK(failed == 0);
  CHECK(shared_census{s.db}.exact());
  CHECK(*s.db.verify() == 0);
}
