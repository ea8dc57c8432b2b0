// The way into a cluster for programs: blocking, asynchronous, in batches, and
// as a stream.
//
//   auto made = actors::client::connect({.port = 7400});
//   if (!made)
//     return fail(made.error());
//   auto& client = *made;
//   if (auto stored = client.set("default", "answer", "42"); !stored)
//     return fail(stored.error());
//   auto value = client.get("default", "answer");      // expected<std::string>
//   client.scan("default", {}, [](const scanned_entry& entry) { ... });
//
// Purpose: any node leads to the whole cluster: it serves its own keys and
// forwards the rest. A client reaches one node, by address from another
// process or directly in the same one, and knows nothing of shards.
//
// Ownership and threads: a client may be used by any number of threads at once.
// `connect` makes an actor system of its own; `attach` uses the node's, and the
// client must be gone before the node is. A process that runs a node reaches
// it by `attach` only: CAF tells two systems of one process not apart.
//
// Invariants:
//  1. Every call ends within its timeout and a little.
//  2. Writes carry an id, so that the cluster applies them at most once.
//  3. No more than `window` requests are under way: more answer `busy` at once
//     and are not sent.
//
// Failure behaviour: results carry an errc. `unavailable` says that nothing was
// applied; `unknown_outcome` that a write may have been. A lost node is looked
// for again in the background; until then calls answer `unavailable`.
#pragma once

#include "actors/concept_messages.hpp"
#include "actors/messages.hpp"
#include "memory/status.hpp"
#include "memory/store.hpp"

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::actors {

class node;
struct node_access;

struct client_options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0; ///< the node's BASP port; only for `connect`

  std::uint32_t connect_timeout_ms = 3'000;
  std::uint32_t request_timeout_ms = 1'000;

  /// Requests under way at once: 1 to 1000000.
  std::uint32_t window = 1'024;

  /// Keys in one batch message: 1 to limits::max_batch_items. A node that takes
  /// less gets smaller ones.
  std::uint32_t batch_keys = 1'024;

  /// Must be those of the node, or healthy connections are cut.
  std::uint32_t heartbeat_ms = 250;
  std::uint32_t connection_timeout_ms = 1'000;

  /// Pause before a lost node is looked for again.
  std::uint32_t reconnect_ms = 200;

  [[nodiscard]] expected<void> validate() const;
};

struct scan_options {
  std::uint32_t page_entries = 128; ///< 1 to limits::max_scan_entries
  std::uint32_t credit = 4;         ///< pages under way
  bool with_values = true; ///< a value above the page's size is fetched
};

/// What a scan over the cluster has seen.
struct scan_outcome {
  std::uint64_t entries = 0;

  /// Nodes that could not be read, by position among the members. The scan is
  /// complete when there is none.
  std::vector<std::uint32_t> unread_members;
};

class client {
public:
  /// Reaches a node of another process. `unavailable` when it cannot be reached
  /// in time, `protocol` when what answers is no node of this release.
  static expected<client> connect(const client_options& options);

  /// Uses a node of this process.
  static expected<client> attach(node& here,
                                 const client_options& options = {});

  /// The same for the node's own components.
  static expected<client> attach(const node_access& here,
                                 const client_options& options = {});

  client(client&&) noexcept;
  client& operator=(client&&) noexcept;
  ~client();

  // -- one key ----------------------------------------------------------------

  /// `not_found` and the other codes of the store's function of that name.
  expected<std::string> get(std::string_view space, std::string_view key);
  expected<void> set(std::string_view space, std::string_view key,
                     std::string_view value,
                     const memory::set_options& options = {});
  expected<void> set_if_absent(std::string_view space, std::string_view key,
                               std::string_view value,
                               const memory::set_options& options = {});
  /// Keeps the expiry unless told otherwise, as the store's does.
  expected<void> compare_and_swap(std::string_view space, std::string_view key,
                                  std::string_view expected_value,
                                  std::string_view desired,
                                  std::string* actual = nullptr,
                                  const memory::set_options& options = {
                                    .ttl_ms = 0, .keep_ttl = true});
  expected<std::int64_t> increment(std::string_view space, std::string_view key,
                                   std::int64_t delta);
  expected<void> erase(std::string_view space, std::string_view key);

  /// Any operation; the header is filled in.
  reply apply(request what);

  // -- many keys --------------------------------------------------------------

  /// Each request carries its own answer. The result is ok, or the first code
  /// of a request that failed with other than `not_found`.
  errc get_many(std::string_view space, std::span<memory::get_request> keys);
  errc set_many(std::string_view space, std::span<memory::set_request> entries);

  /// Shows every entry of the namespace on all nodes, in no order; entries that
  /// come or go meanwhile may be shown or not. `visit` runs in this thread and
  /// slows the scan down as it needs.
  expected<scan_outcome>
  scan(std::string_view space, const scan_options& options,
       const std::function<void(const scanned_entry&)>& visit);

  /// One page; for callers that keep the position themselves.
  scan_page read_page(scan_request what);

  expected<std::uint64_t> count(std::string_view space);
  expected<std::uint64_t> clear(std::string_view space);
  expected<void> drop(std::string_view space);

  // -- asynchronous -----------------------------------------------------------

  /// Sends a request; `done` runs once, in a thread of the actor system, and
  /// must not block. Beyond the window it runs at once with `busy`.
  void submit(request what, std::function<void(reply)> done);
  void submit(batch_request what, std::function<void(batch_reply)> done);

  [[nodiscard]] std::future<reply> submit(request what);

  // -- the node ---------------------------------------------------------------

  /// State of the node this client is connected to, and of its peers.
  expected<node_report> stats();

  /// An operator's wish about what nodes agree on, as agreement_peer_actor has
  /// it
  /// ("add", "remove", "transfer", "snapshot"), for a group or all (0). Why
  /// not: its code and line. `unknown_outcome` when no answer comes.
  expected<void> operate_agreement(const std::string& wish, std::uint32_t node,
                                   std::uint64_t group = 0);

  /// Compares the replicas of a namespace ("": of all) at the node with those
  /// of all other nodes. `not_found` when there are none.
  expected<replica_verdict> verify_replicas(const std::string& space);

  /// Resolves what was written at the same time in a namespace of replicas ("":
  /// in all), and answers in how many places. `not_found`.
  expected<std::uint64_t> resolve_replicas(const std::string& space);

  /// What has changed in the keys of a namespace that is agreed on, since a
  /// mark: an empty one for the first call, then `next` of the answer before.
  /// Waits for most of the request's timeout, and then answers nothing new.
  /// `bad_argument`: Raft does not keep the namespace.
  expected<watch_reply> watch(std::string_view space, std::string_view prefix,
                              watch_mark after);

  // -- concept memory ---------------------------------------------------------

  /// Hands a lesson to the node's concept memory. The receipt says how much of
  /// it was taken, and what became of that.
  lesson_receipt learn(concept_service::lesson what,
                       lesson_wait until = lesson_wait::as_configured);

  /// What the node's concept memory answers.
  concept_service::answer ask(concept_service::question what);

  /// True while the node is reached.
  [[nodiscard]] bool connected() const noexcept;

private:
  class implementation;

  explicit client(std::shared_ptr<implementation> inside);

  std::shared_ptr<implementation> inside_;
};

} // namespace neuroplex::actors
