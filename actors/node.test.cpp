#include "actors/node.hpp"

#include "actors/client.hpp"
#include "actors/clock.hpp"
#include "actors/node_lock.hpp"

#include <caf/scoped_actor.hpp>

#include <catch2/catch.hpp>

#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

using namespace neuroplex;
using namespace neuroplex::actors;
using namespace std::chrono_literals;

namespace {

class directory {
public:
  directory() {
    char pattern[] = "/dev/shm/neuroplex-node-XXXXXX";
    REQUIRE(::mkdtemp(pattern) != nullptr);
    path_ = pattern;
  }

  directory(const directory&) = delete;
  directory& operator=(const directory&) = delete;

  ~directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const {
    return path_;
  }

private:
  std::string path_;
};

config::node_options options_in(const directory& where) {
  config::node_options options;
  options.data_dir = where.path();
  options.worker_threads = 2;
  options.segment.segment_bytes = std::uint64_t{32} << 20;
  options.segment.huge_pages = false;
  options.basp.port = config::listen_port::any();
  options.resp.port = config::listen_port::none();
  options.placement.shards = 4;
  return options;
}

std::unique_ptr<node> start(const config::node_options& options) {
  auto started = node::start(options);
  if (!started)
    FAIL(started.error().to_string());
  return std::move(*started);
}

bool eventually(const std::function<bool()>& condition) {
  auto end = std::chrono::steady_clock::now() + 20s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end)
      return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

// Kills a child of the node by name; false when there is none just now.
bool kill_child(node& of, const std::string& name) {
  caf::scoped_actor self{of.system()};
  auto killed = false;
  ask(&*self, of.handle(), milliseconds{2'000}, child_atom_v, name)
    .receive(
      [&](const caf::strong_actor_ptr& child) {
        kill(child);
        killed = true;
      },
      [](const caf::error&) {});
  return killed;
}

std::uint64_t restarts_of(node& of) {
  auto report = of.report();
  return report ? report->restarts : 0;
}

} // namespace

TEST_CASE("an actor that dies is started again and counted") {
  directory where;
  auto here = start(options_in(where));
  auto client = *client::attach(*here);
  for (int i = 0; i < 40; ++i)
    REQUIRE(client.set("default", "key" + std::to_string(i), "value"));
  std::uint64_t deaths = 0;
  for (const auto* name :
       {"shard-0", "shard-3", "store", "router", "maintenance", "shard-0"}) {
    REQUIRE(kill_child(*here, name));
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
    kill_child(*here, "maintenance");
    return here->failed().has_value();
  }));
  CHECK(here->failed()->message().find("maintenance") != std::string::npos);
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
    auto client = *client::attach(*first);
    REQUIRE(client.set("default", "key", "value"));
  }
  first->stop();
  first.reset();
  auto third = start(options);
  CHECK(third->incarnation() > incarnation);
  auto client = *client::attach(*third);
  CHECK(*client.get("default", "key") == "value");
}

TEST_CASE("the incarnation grows even when the clock went back") {
  directory where;
  auto path = where.path() + "/lock";
  std::ofstream{path} << "1 99999999999999999\n";
  auto lock = node_lock::take(path);
  REQUIRE(lock);
  CHECK(lock->incarnation() == 100'000'000'000'000'000);
  CHECK(node_lock::take(where.path()).code() == errc::bad_path);
  CHECK(node_lock::take(where.path() + "/no/lock").code() == errc::bad_path);
}

TEST_CASE("a client of a node that stopped is told so and holds nothing up") {
  directory where;
  auto here = start(options_in(where));
  auto client = *client::attach(*here);
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
    ask(&*self, here->handle(), milliseconds{5'000}, apply_atom_v, what)
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
  what.header.deadline_ms = unix_ms() + 5'000;
  what.value = "first";
  CHECK(send(what) == errc::ok);
  CHECK(send(what) == errc::ok);
  what.value = "second";
  CHECK(send(what) == errc::conflict);
  what.header.epoch = 7;
  CHECK(send(what) == errc::conflict);
  auto client = *client::attach(*here);
  CHECK(*client.get("default", "key") == "first");
}

TEST_CASE("a pushed scan sends as many pages as it has credit for") {
  directory where;
  auto here = start(options_in(where));
  auto client = *client::attach(*here);
  for (int i = 0; i < 200; ++i)
    REQUIRE(client.set("default", "key" + std::to_string(i), "value"));
  caf::scoped_actor self{here->system()};
  scan_request what;
  what.entries = 10;
  scan_source_actor source;
  ask(&*self, here->handle(), milliseconds{5'000}, stream_atom_v, what,
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
  REQUIRE(take_page(10s));
  REQUIRE(take_page(10s));
  CHECK_FALSE(take_page(50ms));
  while (!done) {
    tell_anonymously(source, credit_atom_v, std::uint32_t{1});
    REQUIRE(take_page(10s));
  }
  CHECK(seen.size() == 200);
  tell_anonymously(source, credit_atom_v, std::uint32_t{0});
}
