#include "actors/batch_pump.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace neuroplex;
using namespace neuroplex::actors;

namespace {

struct call {
  std::vector<std::size_t> messages; // items of each
  std::vector<errc> answers;
};

// Sends items of these sizes to a node with these limits, which answers every
// key with itself.
call send(const std::vector<std::size_t>& sizes, std::size_t max_items,
          const message_limits& most) {
  call result;
  result.answers.resize(sizes.size(), errc::internal);
  auto submit = [&](const batch_request& what, auto done) {
    result.messages.push_back(what.items.size());
    batch_reply answer;
    answer.status = check(what, most).code();
    if (answer.status == errc::ok)
      for (auto& item : what.items)
        answer.answers.push_back({errc::ok, item.key});
    done(std::move(answer));
  };
  pump_batches(
    "default", operation::set, sizes.size(), max_items, submit,
    [&](std::size_t i) { return sizes[i]; },
    [&](std::size_t i) {
      return batch_item{std::to_string(i), std::string(sizes[i], 'x'), 0};
    },
    [&](std::size_t i, const batch_answer& answer) {
      REQUIRE(result.answers[i] == errc::internal); // the only answer
      result.answers[i] = answer.status;
      if (answer.status == errc::ok)
        CHECK(answer.value == std::to_string(i));
    });
  return result;
}

} // namespace

TEST_CASE("items go in messages of no more than the items and bytes allowed") {
  auto small = send(std::vector<std::size_t>(2'500, 10), 1'000, {});
  CHECK(small.messages == std::vector<std::size_t>{1'000, 1'000, 500});
  CHECK(small.answers == std::vector<errc>(2'500, errc::ok));
  auto large = send({limits::max_batch_bytes, 1, 1}, 1'000, {});
  CHECK(large.messages == std::vector<std::size_t>{1, 2});
  CHECK(send({}, 10, {}).messages.empty());
}

TEST_CASE("a node that takes fewer keys a message gets smaller ones") {
  auto sent =
    send(std::vector<std::size_t>(1'000, 10), 1'000, {.batch_keys = 100});
  CHECK(sent.answers == std::vector<errc>(1'000, errc::ok));
  CHECK(sent.messages.front() == 1'000);
  CHECK(sent.messages.back() <= 100);
}

TEST_CASE("only the item that is too long by itself is refused") {
  std::vector<std::size_t> sizes(64, 100);
  sizes[13] = 100'000;
  auto sent = send(sizes, 1'000, {.message_bytes = 65'536});
  for (std::size_t i = 0; i < sizes.size(); ++i)
    CHECK(sent.answers[i] == (i == 13 ? errc::value_size : errc::ok));
}
