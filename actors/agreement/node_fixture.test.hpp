// A node that agrees, inside of a test: a segment, a directory, and a host
// while it runs.
//
// Threads: the test's own; the host has others.
#pragma once

#include "actors/agreement/service.hpp"
#include "memory/fixture.test.hpp"
#include "memory/temporary_directory.test.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <vector>

namespace neuroplex::agreement::testing {

inline raft::time in_a_while() {
  return std::chrono::steady_clock::now().time_since_epoch()
         + std::chrono::seconds{30};
}

template <class Host, class Options>
class node_of {
public:
  node_of(raft::node_id id, const std::vector<raft::node_id>& members) {
    memory::segment_options segment;
    segment.segment_bytes = std::uint64_t{16} << 20;
    segment.huge_pages = false;
    auto made = memory::store::create(room_.path() / "segment", segment);
    REQUIRE(made);
    store_.emplace(std::move(*made));
    options.self = id;
    options.members = members;
    options.directory = room_.path() / "raft";
    options.spaces = {"default"};
    options.seed = id;
    options.segment_bytes = std::uint64_t{1} << 20;
  }

  void start() {
    auto opened = Host::open(options, *store_);
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

  Host* operator->() {
    return host_.get();
  }

  [[nodiscard]] auto report() const {
    return host_->report();
  }

  [[nodiscard]] bool running() const {
    return host_ != nullptr;
  }

  store_machine::result ask(const store_machine::operation& what) {
    std::promise<outcome> promise;
    auto read = !store_machine::changes(what.kind);
    host_->submit(
      {.group = host_->group_of(what.key),
       .read = read,
       .batch = store_machine::encode_batch({what}),
       .deadline = in_a_while(),
       .done = [&](const outcome& one) { promise.set_value(one); }});
    auto done = promise.get_future().get();
    if (done.code != errc::ok)
      return {.status = done.code};
    return store_machine::decode_answer(done.answer)->front();
  }

  Options options;

private:
  memory::testing::temporary_directory room_;
  std::optional<memory::store> store_;
  std::unique_ptr<Host> host_;
};

/// Tells all that run where the others are.
template <class Nodes>
void introduce(Nodes& nodes) {
  for (auto& one : nodes)
    for (auto& other : nodes)
      if (one != other && one->running() && other->running())
        (*one)->set_peer(other->options.self, "127.0.0.1", (*other)->port());
}

} // namespace neuroplex::agreement::testing
