#include "actors/agreement/host.hpp"

#include "memory/eventually.test.hpp"
#include "memory/temporary_directory.test.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <future>
#include <thread>

using namespace neuroplex;
using namespace neuroplex::agreement;
using memory::testing::eventually;

namespace {

using kind = store_machine::operation_kind;

raft::time in_a_while() {
  return std::chrono::steady_clock::now().time_since_epoch()
         + std::chrono::seconds{30};
}

// One node: a segment, a directory, and a host while it runs.
class test_node {
public:
  test_node(raft::node_id id, std::vector<raft::node_id> members) {
    memory::segment_options segment;
    segment.segment_bytes = std::uint64_t{16} << 20;
    segment.huge_pages = false;
    auto made = memory::store::create(room_.path() / "segment", segment);
    REQUIRE(made);
    store_.emplace(std::move(*made));
    options.self = id;
    options.members = std::move(members);
    options.directory = room_.path() / "raft";
    options.spaces = {"default"};
    options.seed = id;
    options.segment_bytes = std::uint64_t{1} << 20;
  }

  void start() {
    auto opened = host::open(options, *store_);
    if (!opened)
      FAIL(opened.error().message());
    host_ = std::move(*opened);
    host_->start();
  }

  void stop() {
    host_.reset();
  }

  void lose_disk() {
    std::filesystem::remove_all(options.directory);
  }

  host* operator->() {
    return host_.get();
  }

  [[nodiscard]] bool running() const {
    return host_ != nullptr;
  }

  [[nodiscard]] raft::node_id leader() const {
    auto report = host_->report();
    return report.groups.empty() ? raft::nobody
                                 : report.groups.front().core.leader;
  }

  store_machine::result ask(const store_machine::operation& what) {
    std::promise<outcome> promise;
    auto read = !store_machine::changes(what.kind);
    host_->submit(first_group, {.read = read,
                                .batch = store_machine::encode_batch({what}),
                                .deadline = in_a_while(),
                                .done = [&](const outcome& one) {
                                  promise.set_value(one);
                                }});
    auto done = promise.get_future().get();
    if (done.code != errc::ok)
      return {.status = done.code};
    return store_machine::decode_answer(done.answer)->front();
  }

  expected<void>
  operate(const std::function<void(host&, operator_answer)>& use) {
    std::promise<expected<void>> promise;
    use(*host_, [&](const expected<void>& how) { promise.set_value(how); });
    return promise.get_future().get();
  }

  host_options options;

private:
  memory::testing::temporary_directory room_;
  std::optional<memory::store> store_;
  std::unique_ptr<host> host_;
};

class test_cluster {
public:
  explicit test_cluster(std::size_t count) {
    std::vector<raft::node_id> members;
    for (std::size_t i = 1; i <= count; ++i)
      members.push_back(i);
    for (auto id : members)
      nodes.push_back(std::make_unique<test_node>(id, members));
  }

  void start(raft::node_id id) {
    at(id).start();
    introduce();
  }

  void start_all() {
    for (auto& one : nodes)
      one->start();
    introduce();
  }

  test_node& at(raft::node_id id) {
    return *nodes.at(id - 1);
  }

  // The node that leads and is known to all that run.
  test_node& leader() {
    raft::node_id found = raft::nobody;
    REQUIRE(eventually([&] {
      found = raft::nobody;
      for (auto& one : nodes)
        if (one->running()) {
          auto named = one->leader();
          if (named == raft::nobody || !at(named).running()
              || (found != raft::nobody && found != named))
            return false;
          found = named;
        }
      return found != raft::nobody;
    }));
    return at(found);
  }

  std::vector<std::unique_ptr<test_node>> nodes;

private:
  void introduce() {
    for (auto& one : nodes)
      for (auto& other : nodes)
        if (one != other && one->running() && other->running())
          (*one)->set_peer(other->options.self, "127.0.0.1", (*other)->port());
  }
};

} // namespace

TEST_CASE("a node alone agrees with itself, and remembers", "[threads]") {
  test_cluster alone{1};
  alone.start_all();
  auto& node = alone.at(1);
  CHECK(node.ask({.kind = kind::set, .key = "k", .value = "v"}).status
        == errc::ok);
  CHECK(node.ask({.key = "k"}).value == "v");
  node.stop();
  node.start();
  CHECK(node.ask({.key = "k"}).value == "v");
}

TEST_CASE("every node answers for the group", "[threads]") {
  test_cluster three{3};
  three.start_all();
  std::int64_t sum = 0;
  for (int round = 0; round < 20; ++round)
    for (auto& one : three.nodes) {
      auto done = one->ask({.kind = kind::increment, .key = "n", .delta = 1});
      REQUIRE(done.status == errc::ok);
      REQUIRE(done.number == ++sum);
    }
  for (auto& one : three.nodes)
    CHECK(one->ask({.key = "n"}).value == std::to_string(sum));
}

TEST_CASE("nothing that was answered is lost when leaders go", "[threads]") {
  test_cluster three{3};
  three.start_all();
  std::atomic<bool> ended{false};
  std::atomic<std::int64_t> least{0}; // surely done
  std::atomic<std::int64_t> most{0};  // asked for
  // Counts through node 3, which stays.
  std::thread client{[&] {
    while (!ended.load()) {
      most.fetch_add(1);
      auto done =
        three.at(3).ask({.kind = kind::increment, .key = "n", .delta = 1});
      if (done.status == errc::ok)
        least.fetch_add(1);
    }
  }};
  for (raft::node_id id : {1, 2, 1, 2}) {
    auto before = least.load();
    CHECK(eventually([&] { return least.load() > before + 20; }));
    three.at(id).stop();
    before = least.load();
    CHECK(eventually([&] { return least.load() > before + 20; }));
    three.start(id);
  }
  ended = true;
  client.join();
  for (auto& one : three.nodes) {
    auto found = std::stoll(one->ask({.key = "n"}).value);
    CHECK(found >= least.load());
    CHECK(found <= most.load());
  }
}

TEST_CASE("a node without its disk is a learner before it votes again",
          "[threads]") {
  test_cluster three{3};
  for (auto& one : three.nodes)
    one->options.snapshot_after_bytes = 20'000;
  three.start_all();
  auto& first = three.leader();
  auto lost = first.options.self == 1 ? raft::node_id{2} : raft::node_id{1};
  std::string value(1'000, 'v');
  for (int i = 0; i < 100; ++i)
    REQUIRE(
      first
        .ask(
          {.kind = kind::set, .key = "k" + std::to_string(i), .value = value})
        .status
      == errc::ok);
  CHECK(
    eventually([&] { return first->report().groups.front().snapshots > 0; }));
  three.at(lost).stop();
  three.at(lost).lose_disk();
  three.start(lost);
  CHECK(eventually([&] { return three.at(lost)->report().formed; }));
  auto add = [&] {
    return three.leader().operate([&](host& one, operator_answer done) {
      one.add_member(first_group, lost, std::move(done));
    });
  };
  // First as a learner, then, once it has caught up, as a voter.
  CHECK(eventually([&] { return static_cast<bool>(add()); }));
  CHECK(eventually([&] { return static_cast<bool>(add()); }));
  CHECK(eventually([&] {
    auto report = three.at(lost)->report();
    return report.groups.front().core.voter;
  }));
  CHECK(three.at(lost).ask({.key = "k99"}).value == value);
}
