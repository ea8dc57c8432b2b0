#include "actors/concept_access.hpp"

#include "storage/concept/unix_time.hpp"

#include <utility>

namespace neuroplex::actors {

namespace {

const replica::shard_name own_replica{std::string{config::concept_replica_name},
                                      0};

concepts::memory_options options_of(const config::concept_options& given) {
  concepts::memory_options result;
  switch (given.preset) {
    case config::concept_preset::balanced:
      break;
    case config::concept_preset::write_throughput:
      result = concepts::memory_options::write_throughput();
      break;
    case config::concept_preset::read_latency:
      result = concepts::memory_options::read_latency();
      break;
    case config::concept_preset::small_memory:
      result = concepts::memory_options::small_memory();
      break;
  }
  if (given.interval_ms != 0)
    result.interval = std::chrono::milliseconds{given.interval_ms};
  result.max_batch = given.batch;
  result.log.capacity = given.queue;
  switch (given.overflow) {
    case config::concept_overflow::spill:
      result.log.policy = concepts::overflow_policy::spill;
      break;
    case config::concept_overflow::drop_oldest:
      result.log.policy = concepts::overflow_policy::drop_oldest;
      break;
    case config::concept_overflow::reject:
    case config::concept_overflow::block:
      // An actor must not block: the lesson waits, not the writer.
      result.log.policy = concepts::overflow_policy::reject;
      break;
  }
  result.keep = given.durability == config::concept_durability::log
                  ? concepts::durability::log
                  : concepts::durability::none;
  result.own_thread = false;
  return result;
}

} // namespace

expected<std::shared_ptr<concept_access>>
concept_access::open(const config::node_options& options) {
  if (!options.concepts.enabled)
    return std::shared_ptr<concept_access>{};
  auto result = std::make_shared<concept_access>();
  result->options_ = options.concepts;
  const auto replicated = options.concepts.replicated();
  result->directory_ =
    replicated ? options.replica_path() : options.concept_path();
  // What is replicated lies in the log of the replica, and is shown anew.
  auto opened =
    replicated ? concepts::concurrent_memory::make(options_of(options.concepts))
               : concepts::concurrent_memory::open(
                 result->directory_, true, options_of(options.concepts));
  if (!opened)
    return failure{opened.code(),
                   "concept.directory: " + opened.error().message()};
  result->memory_ = std::move(*opened);
  return result;
}

void concept_access::follow(std::shared_ptr<replica_access> replicas) {
  if (!options_.replicated())
    return;
  replicas_ = std::move(replicas);
  auto& service = replicas_->at(own_replica);
  replica_ = std::make_shared<concept_replica::graph_replica>(
    service.replica().state(), *memory_, options_.queue);
  service.let_follow(replica_);
  while (!replica_->catch_up()
         || memory_->visible_sequence() < memory_->accepted_sequence())
    memory_->reconcile();
}

void concept_access::submit(replica::job what) {
  replicas_->submit(own_replica, std::move(what));
}

void concept_access::attach(const concept_writer_actor& writer) {
  std::lock_guard guard{mutex_};
  writer_ = writer;
}

concept_writer_actor concept_access::writer() const {
  std::lock_guard guard{mutex_};
  return writer_;
}

expected<void> concept_access::close() {
  return memory_->close();
}

concept_report report_of(const concepts::concurrent_memory& memory,
                         const std::string& directory) {
  auto stats = memory.stats();
  concept_report result;
  result.enabled = true;
  result.directory = directory;
  result.concepts = stats.concepts;
  result.edges = stats.edges;
  result.written = stats.write_log.written;
  result.dropped = stats.write_log.dropped;
  result.rejected = stats.write_log.rejected;
  result.spilled = stats.write_log.spilled;
  result.pending = stats.write_log.pending;
  result.refused = stats.reconciler.entries_refused;
  result.reconciliations = stats.reconciler.reconciliations;
  result.entries_processed = stats.reconciler.entries_processed;
  result.disk_flushes = stats.disk_flushes;
  result.sequence = stats.sequence;
  result.timestamp_us = stats.timestamp_us;
  result.memory_bytes = stats.memory_bytes;
  result.version_bytes = stats.version_bytes;
  result.versions = stats.versions;
  result.segments = memory.found().segments;
  result.replayed = memory.found().replayed;
  result.cut_bytes = memory.found().cut_bytes;
  for (const auto& holder : stats.holders)
    result.holders.push_back({holder.who, holder.sequence});
  for (auto& notice : concepts::health(stats, concepts::unix_time_us()))
    result.notices.push_back({std::move(notice.state), std::move(notice.reason),
                              std::move(notice.advice)});
  return result;
}

concept_report concept_access::report() const {
  auto result = report_of(*memory_, directory_);
  result.lessons = lessons;
  result.questions = questions;
  result.waiting = waiting;
  if (!replica_)
    return result;
  result.replicated = true;
  result.unshown = replica_->unshown();
  // The graph refuses what the replica has settled; lessons ask the replica.
  result.refused = replica_->refused();
  return result;
}

} // namespace neuroplex::actors
