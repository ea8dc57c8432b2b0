// How reports of upkeep and leases travel: which fields go on the wire.
//
// Threads: declarations only. Rules as in message_types.hpp.
#pragma once

#include "actors/caf_compat.hpp"
#include "actors/upkeep/lender.hpp"
#include "actors/upkeep/report.hpp"

namespace neuroplex::memory {

template <class Inspector>
auto inspect(Inspector& f, latency_summary& x) {
  using actors::field;
  return actors::inspect_as(
    f, x, "latency_summary", field("samples", x.samples),
    field("min_ns", x.min_ns), field("median_ns", x.median_ns),
    field("mean_ns", x.mean_ns), field("p95_ns", x.p95_ns),
    field("p99_ns", x.p99_ns), field("p999_ns", x.p999_ns),
    field("max_ns", x.max_ns));
}

template <class Inspector>
auto inspect(Inspector& f, raw_block& x) {
  using actors::field;
  return actors::inspect_as(f, x, "raw_block", field("offset", x.offset),
                            field("bytes", x.bytes), field("token", x.token));
}

} // namespace neuroplex::memory

namespace neuroplex::upkeep {

using actors::field;
using actors::inspect_as;

template <class Inspector>
auto inspect(Inspector& f, task_report& x) {
  return inspect_as(
    f, x, "task_report", field("task", x.task),
    field("interval_ms", x.interval_ms), field("step", x.step),
    field("unit", x.unit), field("runs", x.runs),
    field("full_runs", x.full_runs), field("failures", x.failures),
    field("found", x.found), field("last_found", x.last_found),
    field("last_took_ns", x.last_took_ns), field("longest_ns", x.longest_ns),
    field("last_run_ms", x.last_run_ms), field("more", x.more),
    field("problem", x.problem));
}

template <class Inspector>
auto inspect(Inspector& f, pressure_report& x) {
  return inspect_as(f, x, "pressure_report", field("permille", x.permille),
                    field("threshold_percent", x.threshold_percent),
                    field("level", x.level));
}

template <class Inspector>
auto inspect(Inspector& f, chore_report& x) {
  return inspect_as(f, x, "chore_report", field("chore", x.chore),
                    field("interval_ms", x.interval_ms),
                    field("due_ms", x.due_ms), field("running", x.running));
}

template <class Inspector>
auto inspect(Inspector& f, gc_report& x) {
  return inspect_as(f, x, "gc_report", field("strategy", x.strategy),
                    field("chores", x.chores));
}

template <class Inspector>
auto inspect(Inspector& f, advice& x) {
  return inspect_as(f, x, "advice", field("setting", x.setting),
                    field("present", x.present), field("proposed", x.proposed),
                    field("reason", x.reason), field("safe", x.safe),
                    field("applied", x.applied));
}

template <class Inspector>
auto inspect(Inspector& f, optimizer_report& x) {
  return inspect_as(f, x, "optimizer_report", field("mode", x.mode),
                    field("looks", x.looks), field("applied", x.applied),
                    field("advices", x.advices));
}

template <class Inspector>
auto inspect(Inspector& f, space_report& x) {
  return inspect_as(
    f, x, "space_report", field("name", x.name), field("policy", x.policy),
    field("priority", x.priority), field("entries", x.entries),
    field("block_bytes", x.block_bytes), field("quota_bytes", x.quota_bytes),
    field("default_ttl_ms", x.default_ttl_ms),
    field("share_from", x.share_from), field("shared_bytes", x.shared_bytes),
    field("content_block_bytes", x.content_block_bytes));
}

template <class Inspector>
auto inspect(Inspector& f, pool_report& x) {
  return inspect_as(
    f, x, "pool_report", field("blocks", x.blocks), field("bytes", x.bytes),
    field("pool_bytes", x.pool_bytes), field("used_bytes", x.used_bytes),
    field("live_bytes", x.live_bytes), field("allocated", x.allocated),
    field("returned", x.returned), field("expired", x.expired),
    field("orphaned", x.orphaned), field("refused", x.refused));
}

template <class Inspector>
auto inspect(Inspector& f, upkeep_report& x) {
  return inspect_as(f, x, "upkeep_report", field("pressure", x.pressure),
                    field("tasks", x.tasks), field("gc", x.gc),
                    field("optimizer", x.optimizer), field("spaces", x.spaces),
                    field("lent", x.lent));
}

template <class Inspector>
auto inspect(Inspector& f, performance_report& x) {
  return inspect_as(f, x, "performance_report", field("allocate", x.allocate),
                    field("deallocate", x.deallocate));
}

template <class Inspector>
auto inspect(Inspector& f, lease& x) {
  return inspect_as(f, x, "lease", field("id", x.id), field("block", x.block),
                    field("ends_ms", x.ends_ms));
}

} // namespace neuroplex::upkeep
