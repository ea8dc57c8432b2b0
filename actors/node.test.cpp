#include "actors/node.hpp"

#include "actors/client.hpp"
#include "actors/clock.hpp"
#include "actors/node_fixture.test.hpp"
#include "actors/node_lock.hpp"

#include <caf/scoped_actor.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <fstream>
#include <future>
#include <set>
#include <vector>

using namespace neuroplex;
using namespace neuroplex::actors;
using namespace neuroplex::actors::testing;
using namespace std::chrono_literals;

namespace {

// Stores key0, key1 and so on.
void fill(client& through, int count) {
  for (int i = 0; i < count; ++i)
    REQUIRE(through.set("default", "key" + std::to_string(i), "value"));
}

std::uint64_t restarts_of(node& of) {
  auto report = of.report();
  return report ? report->restarts : 0;
}

} // namespace

TEST_CASE("an actor that dies is started again and counted") {
  directory where;
  auto here = start(options_in(where));
  auto client = attach(*here);
  fill(client, 40);
  std::uint64_t deaths = 0;
  for (const auto* name :
       {"shard-0", "shard-3", "store", "router", "expiry", "shard-0"}) {
    REQUIRE(end_child(*here, name));
    ++deaths;
    REQUIRE(eventually([&] { return restarts_of(*here) == deaths; }));
    for (int i = 0; i < 40; ++i)
      REQUIRE(*client.get("default", "key" + std::to_string(i)) == "value");
    CHECK(*client.count("default") == 40);
  }
  CHECK_FALSE(here->failed());
}

TEST_CASE("a node whose actor keeps dying says so") {
  directory where;
  auto here = start(options_in(where));
  REQUIRE(eventually([&] {
    end_child(*here, "expiry");
    return here->failed().has_value();
  }));
  CHECK(here->failed()->message().find("expiry") != std::string::npos);
}

TEST_CASE("one node a directory, and every start has a higher incarnation") {
  directory where;
  auto options = options_in(where);
  auto first = start(options);
  auto incarnation = first->incarnation();
  auto second = node::start(options);
  REQUIRE(second.code() == errc::locked);
  CHECK(second.error().message().find(std::to_string(::getpid()))
        != std::string::npos);
  {
    auto client = attach(*first);
    REQUIRE(client.set("default", "key", "value"));
  }
  first->stop();
  first.reset();
  auto third = start(options);
  CHECK(third->incarnation() > incarnation);
  auto client = attach(*third);
  CHECK(*client.get("default", "key") == "value");
}

TEST_CASE("two nodes with default options live in one program") {
  std::array<directory, 2> places;
  std::array<config::node_options, 2> options;
  std::array<std::unique_ptr<node>, 2> nodes;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    options[i].data_dir = places[i].path().string();
    nodes[i] = start(options[i]);
  }
  CHECK(nodes[0]->basp_port() != nodes[1]->basp_port());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    CHECK(nodes[i]->resp_port() == 0);
    auto client = attach(*nodes[i]);
    REQUIRE(client.set("default", "key", std::to_string(i)));
    CHECK(*client.get("default", "key") == std::to_string(i));
  }
}

TEST_CASE("the incarnation grows even when the clock went back") {
  directory where;
  auto path = (where.path() / "lock").string();
  std::ofstream{path} << "1 99999999999999999\n";
  auto lock = node_lock::take(path);
  REQUIRE(lock);
  CHECK(lock->incarnation() == 100'000'000'000'000'000);
  CHECK(node_lock::take(where.path()).code() == errc::bad_path);
  CHECK(node_lock::take(where.path() / "no/lock").code() == errc::bad_path);
}

TEST_CASE("a client of a node that stopped is told so and holds nothing up") {
  directory where;
  auto here = start(options_in(where));
  auto client = attach(*here);
  REQUIRE(client.set("default", "key", "value"));
  here->stop();
  CHECK(client.get("default", "key").code() == errc::closed);
}

TEST_CASE("a request is refused once its deadline is over or its id was used "
          "for another one") {
  directory where;
  auto here = start(options_in(where));
  caf::scoped_actor self{here->system()};
  auto send = [&](const request& what) {
    errc status = errc::internal;
    ask(&*self, here->handle(), milliseconds{patience_ms}, apply_atom_v, what)
      .receive([&](const reply& answer) { status = answer.status; },
               [&](const caf::error& error) { status = code_of(error); });
    return status;
  };
  request what;
  what.header.id = {42, 1};
  what.header.deadline_ms = unix_ms() - 1;
  what.op = operation::set;
  what.key = "key";
  what.value = "late";
  CHECK(send(what) == errc::deadline);
  what.header.deadline_ms = unix_ms() + patience_ms;
  what.value = "first";
  CHECK(send(what) == errc::ok);
  CHECK(send(what) == errc::ok);
  what.value = "second";
  CHECK(send(what) == errc::conflict);
  what.header.epoch = 7;
  CHECK(send(what) == errc::conflict);
  auto client = attach(*here);
  CHECK(*client.get("default", "key") == "first");
}

TEST_CASE("a node refuses messages above its limits, and a client makes its "
          "batches smaller") {
  directory where;
  auto options = options_in(where);
  options.limits.batch_keys = 10;
  options.limits.message_bytes = 65'536;
  auto here = start(options);
  auto client = attach(*here);
  auto stored = client.set("default", "key", std::string(70'000, 'x'));
  REQUIRE(stored.code() == errc::value_size);
  CHECK(stored.error().message().starts_with(
    "limits.message_bytes: a request of 70010 bytes: the node takes 65536"));
  CHECK(client.get("default", "key").code() == errc::not_found);
  REQUIRE(here->store().set(memory::namespace_id::default_namespace, "key",
                            std::string(70'000, 'x'))
          == errc::ok);
  auto read = client.get("default", "key");
  REQUIRE(read.code() == errc::value_size);
  CHECK(read.error().message().starts_with("limits.message_bytes: a value"));

  batch_request batch;
  batch.op = operation::set;
  for (int i = 0; i < 11; ++i)
    batch.items.push_back({"batch" + std::to_string(i), "value", 0});
  auto send = [&](batch_request what) {
    std::promise<batch_reply> promise;
    client.submit(std::move(what), [&](batch_reply answer) {
      promise.set_value(std::move(answer));
    });
    return promise.get_future().get();
  };
  CHECK(send(batch).status == errc::too_many);
  CHECK(client.get("default", "batch0").code() == errc::not_found);
  batch.items.pop_back();
  CHECK(send(batch).status == errc::ok);

  std::vector<std::string> keys;
  std::vector<memory::set_request> sets;
  std::vector<memory::get_request> gets;
  keys.reserve(100);
  for (int i = 0; i < 100; ++i)
    keys.push_back("many" + std::to_string(i));
  for (const auto& key : keys) {
    sets.push_back({.key = key, .value = key});
    gets.push_back({.key = key, .value = {}});
  }
  CHECK(client.set_many("default", sets) == errc::ok);
  CHECK(client.get_many("default", gets) == errc::ok);
  for (const auto& one : gets)
    CHECK(one.value == one.key);
}

TEST_CASE("a swap by a client keeps the expiry unless told otherwise") {
  directory where;
  auto here = start(options_in(where));
  auto client = attach(*here);
  auto expires = [&] {
    request what;
    what.op = operation::info;
    what.key = "key";
    return client.apply(what).expires_at_ms != 0;
  };
  REQUIRE(client.set("default", "key", "1", {.ttl_ms = 3'600'000}));
  REQUIRE(client.compare_and_swap("default", "key", "1", "2"));
  CHECK(expires());
  REQUIRE(client.compare_and_swap("default", "key", "2", "3", nullptr, {}));
  CHECK_FALSE(expires());
  REQUIRE(client.compare_and_swap("default", "key", "3", "4", nullptr,
                                  {.ttl_ms = 3'600'000}));
  CHECK(expires());
}

TEST_CASE("a pushed scan sends as many pages as it has credit for") {
  directory where;
  auto here = start(options_in(where));
  auto client = attach(*here);
  fill(client, 200);
  caf::scoped_actor self{here->system()};
  scan_request what;
  what.entries = 10;
  scan_source_actor source;
  ask(&*self, here->handle(), milliseconds{patience_ms}, stream_atom_v, what,
      caf::actor_cast<caf::strong_actor_ptr>(self), std::uint32_t{2})
    .receive(
      [&](const caf::strong_actor_ptr& opened) {
        source = caf::actor_cast<scan_source_actor>(opened);
      },
      [](const caf::error& error) { FAIL(render(error)); });
  std::set<std::string> seen;
  std::uint64_t pages = 0;
  auto done = false;
  auto take_page = [&](milliseconds patience) {
    auto came = false;
    self->receive(
      [&](page_atom, std::uint64_t sequence, const scan_page& page) {
        CHECK(sequence == pages++);
        for (const auto& entry : page.entries)
          seen.insert(entry.key);
        done = page.done;
        came = true;
      },
      caf::after(patience) >> [] {});
    return came;
  };
  REQUIRE(take_page(milliseconds{patience_ms}));
  REQUIRE(take_page(milliseconds{patience_ms}));
  CHECK_FALSE(take_page(50ms));
  while (!done) {
    tell_anonymously(source, credit_atom_v, std::uint32_t{1});
    REQUIRE(take_page(milliseconds{patience_ms}));
  }
  CHECK(seen.size() == 200);
  tell_anonymously(source, credit_atom_v, std::uint32_t{0});
}
