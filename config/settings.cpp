// The rows. How values are read and written is in setting_values.cpp.
#include "config/settings.hpp"

#include "config/byte_sizes.hpp"
#include "config/namespace_values.hpp"

#include <algorithm>
#include <array>
#include <iterator>

namespace neuroplex::config {

namespace {

constexpr std::uint64_t max_path_bytes = 4'000;
constexpr std::uint64_t max_host_bytes = 253;

constexpr std::array<std::string_view, 4> log_words{"error", "warning", "info",
                                                    "debug"};
constexpr std::array<std::string_view, 1> strategy_words{"hash_slots"};
constexpr std::array<std::string_view, 1> balancing_words{"least_loaded"};
constexpr std::array<std::string_view, 3> protocol_words{"raft", "pbft",
                                                         "hybrid"};

constexpr std::array<std::string_view, 4> gc_words{"adaptive", "incremental",
                                                   "lazy", "manual"};
constexpr std::array<std::string_view, 4> numa_words{"system", "local",
                                                     "interleave", "bind"};
constexpr std::array<std::string_view, 3> optimizer_words{"off", "advise",
                                                          "apply"};

constexpr std::array<std::string_view, 4> preset_words{
  "balanced", "write_throughput", "read_latency", "small_memory"};
constexpr std::array<std::string_view, 4> overflow_words{"spill", "drop_oldest",
                                                         "reject", "block"};
constexpr std::array<std::string_view, 2> durability_words{"none", "log"};
constexpr std::array<std::string_view, 2> replication_words{"none", "replicas"};

// Position of a word in its list is the enumerator's number.
static_assert(static_cast<int>(log_level::debug) + 1 == log_words.size());
static_assert(static_cast<int>(gc_strategy::manual) + 1 == gc_words.size());
static_assert(memory::numa_policy_count == numa_words.size());
static_assert(static_cast<int>(optimizer_mode::apply) + 1
              == optimizer_words.size());
static_assert(static_cast<int>(concept_preset::small_memory) + 1
              == preset_words.size());
static_assert(static_cast<int>(concept_overflow::block) + 1
              == overflow_words.size());
static_assert(static_cast<int>(concept_durability::log) + 1
              == durability_words.size());
static_assert(static_cast<int>(concept_replication::replicas) + 1
              == replication_words.size());

template <class Enum, std::size_t Count>
Enum word_to_enum(const setting_value& value,
                  const std::array<std::string_view, Count>& words) {
  auto found =
    std::find(words.begin(), words.end(), std::get<std::string>(value));
  return static_cast<Enum>(std::distance(words.begin(), found));
}

bool is_cluster_name(const setting_value& value) {
  auto& text = std::get<std::string>(value);
  return text.front() != '-'
         && std::all_of(text.begin(), text.end(), [](char c) {
              return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')
                     || c == '-';
            });
}

bool is_loopback_value(const setting_value& value) {
  return is_loopback(std::get<std::string>(value));
}

bool is_host(const setting_value& value) {
  auto& text = std::get<std::string>(value);
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c > ' ' && c < 0x7f; });
}

bool is_path(const setting_value& value) {
  return std::get<std::string>(value).find('\0') == std::string::npos;
}

bool is_namespace_list(const setting_value& value) {
  return are_namespaces(std::get<std::vector<namespace_options>>(value));
}

bool is_node_set(const setting_value& value) {
  return static_cast<bool>(
    memory::parse_node_set(std::get<std::string>(value)));
}

bool is_zero_or_power_of_two(const setting_value& value) {
  auto number = std::get<std::uint64_t>(value);
  return (number & (number - 1)) == 0;
}

// The getter and the setter of a field, spelled once.
#define NEUROPLEX_FIELD(field)                                                 \
  .get = [](const node_options& o) -> setting_value { return {o.field}; },     \
  .set = [](node_options& o, const setting_value& v) {                         \
    o.field = std::get<decltype(o.field)>(v);                                  \
  }
#define NEUROPLEX_NUMBER(field)                                                \
  .get = [](const node_options& o) -> setting_value {                          \
    return std::uint64_t{o.field};                                             \
  },                                                                           \
  .set = [](node_options& o, const setting_value& v) {                         \
    o.field = static_cast<decltype(o.field)>(std::get<std::uint64_t>(v));      \
  }
#define NEUROPLEX_WORD(field, list)                                            \
  .words = (list),                                                             \
  .get = [](const node_options& o) -> setting_value {                          \
    return std::string{to_string(o.field)};                                    \
  },                                                                           \
  .set = [](node_options& o, const setting_value& v) {                         \
    o.field = word_to_enum<decltype(o.field)>(v, list);                        \
  }

using enum setting_kind;

constexpr std::array setting_rows{
  setting{.name = "node.replica_id",
          .flag = "--replica-id",
          .kind = number,
          .least = 1,
          .most = 0xffff'ffff,
          .doc = "This node's number in its cluster",
          NEUROPLEX_NUMBER(replica_id)},
  setting{.name = "node.cluster",
          .flag = "--cluster",
          .kind = text,
          .least = 1,
          .most = 63,
          .rule = "1 to 63 of a-z, 0-9 and -, not beginning with -",
          .doc = "Name that all nodes of a cluster share",
          .accepts = is_cluster_name,
          NEUROPLEX_FIELD(cluster)},
  setting{.name = "node.data_dir",
          .flag = "--data-dir",
          .kind = text,
          .most = max_path_bytes,
          .rule = "an existing directory, or empty for /dev/shm",
          .doc = "Directory of the segment and its lock file",
          .accepts = is_path,
          NEUROPLEX_FIELD(data_dir)},
  setting{.name = "node.worker_threads",
          .flag = "--worker-threads",
          .kind = number,
          .most = 256,
          .rule = "0 (one a core) to 256",
          .doc = "Threads of the actor scheduler",
          NEUROPLEX_NUMBER(worker_threads)},
  setting{.name = "node.log",
          .flag = "--log",
          .kind = word,
          .doc = "How much is told on standard error",
          NEUROPLEX_WORD(log, log_words)},

  setting{.name = "segment.bytes",
          .flag = "--segment-size",
          .kind = bytes,
          .least = limits::min_segment_bytes,
          .most = limits::max_segment_bytes,
          .rule = "1 MiB to 64 GiB, in bytes or with K, M or G (powers of "
                  "two); rounded up to 4 KiB",
          .doc = "Size of a new segment",
          NEUROPLEX_NUMBER(segment.segment_bytes)},
  setting{.name = "segment.reserved_bytes",
          .flag = "--segment-reserve",
          .kind = bytes,
          .most = limits::max_segment_bytes,
          .rule = "0 (no growth) or segment.bytes to 64 GiB, in bytes or with "
                  "K, M or G (powers of two)",
          .doc = "Size up to which the segment may grow in place",
          NEUROPLEX_NUMBER(segment.reserved_bytes)},
  setting{.name = "segment.bucket_count",
          .flag = "--buckets",
          .kind = number,
          .most = std::uint64_t{1} << 32,
          .rule = "0 (sized for the segment) or a power of two to 4294967296",
          .doc = "Index lines of a new segment, 12 slots each",
          .accepts = is_zero_or_power_of_two,
          NEUROPLEX_NUMBER(segment.bucket_count)},
  setting{.name = "segment.max_entries",
          .flag = "--max-entries",
          .kind = number,
          .most = std::uint64_t{1} << 32,
          .rule = "0 (unspecified) to 4294967296",
          .doc = "Entries the index of a new segment is laid out for",
          NEUROPLEX_NUMBER(segment.max_entries)},
  setting{.name = "segment.huge_pages",
          .flag = "--huge-pages",
          .kind = boolean,
          .doc = "Ask the kernel for huge pages",
          NEUROPLEX_FIELD(segment.huge_pages)},
  setting{.name = "segment.numa",
          .flag = "--numa",
          .kind = word,
          .doc = "Where the segment's memory lies on a machine with several "
                 "memory nodes",
          NEUROPLEX_WORD(segment.numa.policy, numa_words)},
  setting{.name = "segment.numa_nodes",
          .flag = "--numa-nodes",
          .kind = text,
          .most = 256,
          .rule = "memory nodes 0 to 63, as 0-1,3; empty for all",
          .doc = "Memory nodes of interleave and bind",
          .accepts = is_node_set,
          .get = [](const node_options& o) -> setting_value {
            return memory::node_set_text(o.segment.numa.nodes);
          },
          .set =
            [](node_options& o, const setting_value& v) {
              o.segment.numa.nodes =
                *memory::parse_node_set(std::get<std::string>(v));
            }},

  setting{.name = "basp.host",
          .flag = "--host",
          .kind = text,
          .least = 1,
          .most = max_host_bytes,
          .rule = "a loopback address: other hosts come through the tunnel",
          .doc = "Where the actor port listens",
          .accepts = is_loopback_value,
          NEUROPLEX_FIELD(basp.host)},
  setting{.name = "basp.port",
          .flag = "--port",
          .alias = "--basp-port",
          .kind = port,
          .least = 1,
          .doc = "Port for actor messages",
          NEUROPLEX_FIELD(basp.port)},

  setting{.name = "tunnel.enabled",
          .flag = "--tunnel",
          .kind = boolean,
          .doc = "Reach all peers through mutual TLS, and listen for them",
          NEUROPLEX_FIELD(tunnel.enabled)},
  setting{.name = "tunnel.host",
          .flag = "--tunnel-host",
          .kind = text,
          .least = 1,
          .most = max_host_bytes,
          .rule = "an address of this host, or 0.0.0.0",
          .doc = "Where the tunnel listens",
          .accepts = is_host,
          NEUROPLEX_FIELD(tunnel.host)},
  setting{.name = "tunnel.port",
          .flag = "--tunnel-port",
          .kind = port,
          .least = 1,
          .doc = "Port of the tunnel",
          NEUROPLEX_FIELD(tunnel.port)},
  setting{.name = "tunnel.ca_file",
          .flag = "--tunnel-ca",
          .kind = text,
          .most = max_path_bytes,
          .rule = "a PEM file; needed when the tunnel is enabled",
          .doc = "Certificate of the cluster's authority",
          .accepts = is_path,
          NEUROPLEX_FIELD(tunnel.ca_file)},
  setting{.name = "tunnel.certificate_file",
          .flag = "--tunnel-certificate",
          .kind = text,
          .most = max_path_bytes,
          .rule = "a PEM file; needed when the tunnel is enabled",
          .doc = "This node's certificate, which names its replica id",
          .accepts = is_path,
          NEUROPLEX_FIELD(tunnel.certificate_file)},
  setting{.name = "tunnel.key_file",
          .flag = "--tunnel-key",
          .kind = text,
          .most = max_path_bytes,
          .rule = "a PEM file of mode 0600; needed when the tunnel is enabled",
          .doc = "Private key of the certificate",
          .accepts = is_path,
          NEUROPLEX_FIELD(tunnel.key_file)},
  setting{.name = "tunnel.handshake_timeout_ms",
          .flag = "--tunnel-handshake-timeout",
          .kind = milliseconds,
          .least = 100,
          .most = 60'000,
          .doc = "A handshake that takes longer is cut",
          NEUROPLEX_NUMBER(tunnel.handshake_timeout_ms)},
  setting{.name = "tunnel.idle_timeout_ms",
          .flag = "--tunnel-idle-timeout",
          .kind = milliseconds,
          .least = 1'000,
          .most = 3'600'000,
          .doc = "A connection without a byte for so long is cut",
          NEUROPLEX_NUMBER(tunnel.idle_timeout_ms)},
  setting{.name = "tunnel.max_connections",
          .flag = "--tunnel-connections",
          .kind = number,
          .least = 1,
          .most = 4'096,
          .doc = "Tunnel connections at a time, both directions",
          NEUROPLEX_NUMBER(tunnel.max_connections)},
  setting{.name = "tunnel.max_frame_bytes",
          .flag = "--tunnel-frame",
          .kind = bytes,
          .least = 4 * kib,
          .most = 256 * mib,
          .doc = "Longest frame that the tunnel accepts",
          NEUROPLEX_NUMBER(tunnel.max_frame_bytes)},

  setting{.name = "peers",
          .flag = "--peer",
          .kind = peers,
          .most = max_peers,
          .rule = "ID@HOST:PORT, at most 255; the port is the peer's tunnel "
                  "port when the tunnel is enabled, else its actor port",
          .doc = "The other nodes of the cluster",
          NEUROPLEX_FIELD(peers)},

  setting{.name = "placement.strategy",
          .flag = "--placement",
          .kind = word,
          .doc = "Who owns a key",
          NEUROPLEX_WORD(placement.strategy, strategy_words)},
  setting{.name = "placement.shards",
          .flag = "--shards",
          .kind = number,
          .least = 1,
          .most = 65'536,
          .doc = "Shards of the whole cluster, alike on all nodes",
          NEUROPLEX_NUMBER(placement.shards)},
  setting{.name = "placement.replication_factor",
          .flag = "--replication-factor",
          .kind = number,
          .least = 1,
          .most = 1,
          .rule = "1: this version keeps one copy",
          .doc = "Copies of a key",
          NEUROPLEX_NUMBER(placement.replication_factor)},
  setting{.name = "placement.load_balancing",
          .flag = "--load-balancing",
          .kind = word,
          .doc = "How shards are spread over the nodes",
          NEUROPLEX_WORD(placement.load_balancing, balancing_words)},

  setting{.name = "timeouts.request_ms",
          .flag = "--request-timeout",
          .kind = milliseconds,
          .least = 1,
          .most = 600'000,
          .doc = "A request without an answer ends with an unknown outcome",
          NEUROPLEX_NUMBER(timeouts.request_ms)},
  setting{.name = "timeouts.heartbeat_ms",
          .flag = "--heartbeat",
          .kind = milliseconds,
          .least = 10,
          .most = 60'000,
          .doc = "Heartbeat between nodes, alike on all of them",
          NEUROPLEX_NUMBER(timeouts.heartbeat_ms)},
  setting{.name = "timeouts.connection_timeout_ms",
          .flag = "--connection-timeout",
          .kind = milliseconds,
          .least = 20,
          .most = 600'000,
          .rule = "two heartbeats to 600000 ms",
          .doc = "A peer that is silent for so long is down",
          NEUROPLEX_NUMBER(timeouts.connection_timeout_ms)},
  setting{.name = "timeouts.reconnect_ms",
          .flag = "--reconnect",
          .kind = milliseconds,
          .least = 10,
          .most = 60'000,
          .doc = "Pause between attempts to reach a lost peer",
          NEUROPLEX_NUMBER(timeouts.reconnect_ms)},
  setting{.name = "timeouts.shutdown_ms",
          .flag = "--shutdown-timeout",
          .kind = milliseconds,
          .least = 100,
          .most = 600'000,
          .doc = "A stop that takes longer is forced",
          NEUROPLEX_NUMBER(timeouts.shutdown_ms)},

  setting{.name = "limits.request_credit",
          .flag = "--request-credit",
          .kind = number,
          .least = 1,
          .most = 1'000'000,
          .doc = "Requests in flight to one peer before callers are told busy",
          NEUROPLEX_NUMBER(limits.request_credit)},
  setting{.name = "limits.mailbox_messages",
          .flag = "--mailbox",
          .kind = number,
          .least = 16,
          .most = 1'000'000,
          .doc = "Requests waiting in one actor before callers are told busy",
          NEUROPLEX_NUMBER(limits.mailbox_messages)},
  setting{.name = "limits.batch_keys",
          .flag = "--batch-keys",
          .kind = number,
          .least = 1,
          .most = 65'536,
          .doc = "Keys in one batch message; longer ones are refused",
          NEUROPLEX_NUMBER(limits.batch_keys)},
  setting{.name = "limits.message_bytes",
          .flag = "--message-size",
          .kind = bytes,
          .least = 64 * kib,
          .most = 32 * mib,
          .rule = "64 KiB to 32 MiB, and at most three quarters of "
                  "tunnel.max_frame_bytes when the tunnel is enabled",
          .doc = "Keys and values of one message; longer ones are refused",
          NEUROPLEX_NUMBER(limits.message_bytes)},

  setting{.name = "upkeep.eviction_percent",
          .flag = "--eviction-percent",
          .kind = number,
          .least = 1,
          .most = 100,
          .doc = "Percent of the pool from which on namespaces with a policy "
                 "give entries up",
          NEUROPLEX_NUMBER(upkeep.eviction_percent)},
  setting{.name = "upkeep.eviction_batch",
          .flag = "--eviction-batch",
          .kind = number,
          .least = 1,
          .most = 4'096,
          .doc = "Entries given up in one step",
          NEUROPLEX_NUMBER(upkeep.eviction_batch)},
  setting{.name = "upkeep.pressure_interval_ms",
          .flag = "--pressure-interval",
          .kind = milliseconds,
          .least = 10,
          .most = 60'000,
          .doc = "How often the pressure is looked at",
          NEUROPLEX_NUMBER(upkeep.pressure_interval_ms)},
  setting{.name = "upkeep.gc",
          .flag = "--gc",
          .kind = word,
          .doc = "When expiry, recovery and compaction run",
          NEUROPLEX_WORD(upkeep.gc, gc_words)},
  setting{.name = "upkeep.expiry_interval_ms",
          .flag = "--expiry-interval",
          .kind = milliseconds,
          .least = 10,
          .most = 3'600'000,
          .doc = "How often expired entries are looked for",
          NEUROPLEX_NUMBER(upkeep.expiry_interval_ms)},
  setting{.name = "upkeep.expiry_batch",
          .flag = "--expiry-batch",
          .kind = number,
          .least = 16,
          .most = 65'536,
          .doc = "Entries looked at in one step of expiry",
          NEUROPLEX_NUMBER(upkeep.expiry_batch)},
  setting{.name = "upkeep.recovery_interval_ms",
          .flag = "--recovery-interval",
          .kind = milliseconds,
          .least = 10,
          .most = 60'000,
          .doc = "How often participants that died are looked for",
          NEUROPLEX_NUMBER(upkeep.recovery_interval_ms)},
  setting{.name = "upkeep.compaction_interval_ms",
          .flag = "--compaction-interval",
          .kind = milliseconds,
          .least = 10,
          .most = 3'600'000,
          .doc = "How often scattered memory is looked for",
          NEUROPLEX_NUMBER(upkeep.compaction_interval_ms)},
  setting{.name = "upkeep.compaction_step_bytes",
          .flag = "--compaction-step",
          .kind = bytes,
          .least = 4 * kib,
          .most = 16 * mib,
          .doc = "Bytes moved in one step of compaction",
          NEUROPLEX_NUMBER(upkeep.compaction_step_bytes)},
  setting{.name = "upkeep.optimizer",
          .flag = "--optimizer",
          .kind = word,
          .doc = "Whether settings that would serve better are looked for, "
                 "and applied",
          NEUROPLEX_WORD(upkeep.optimizer, optimizer_words)},
  setting{.name = "upkeep.optimizer_interval_ms",
          .flag = "--optimizer-interval",
          .kind = milliseconds,
          .least = 100,
          .most = 3'600'000,
          .doc = "How often the optimizer looks at the statistics",
          NEUROPLEX_NUMBER(upkeep.optimizer_interval_ms)},
  setting{.name = "upkeep.backup_dir",
          .flag = "--backup-dir",
          .kind = text,
          .most = max_path_bytes,
          .rule = "a directory, or empty for no backups",
          .doc = "Where the segment is backed up",
          .accepts = is_path,
          NEUROPLEX_FIELD(upkeep.backup_dir)},
  setting{.name = "upkeep.backup_interval_ms",
          .flag = "--backup-interval",
          .kind = milliseconds,
          .least = 100,
          .most = 3'600'000,
          .doc = "How often what has changed is backed up",
          NEUROPLEX_NUMBER(upkeep.backup_interval_ms)},

  setting{
    .name = "namespaces",
    .flag = "--space",
    .kind = namespaces,
    .most = max_configured_namespaces,
    .rule =
      "NAME:policy=P:priority=CLASS:quota=SIZE:ttl=TIME:"
      "compression=MODE:share_from=SIZE:consistency=LEVEL, each name once; "
      "P is noeviction, "
      "clock, fifo, lru, lfu, s3fifo or adaptive, CLASS is general, training, "
      "inference or critical, MODE is off or adaptive, LEVEL is single_copy, "
      "sequential, linearizable, eventual, causal or bounded_staleness, 0 "
      "means no quota, no lifetime and nothing shared; the last three levels "
      "also have staleness=TIME:stale_reads=HOW:concurrent=WHICH:"
      "resolver=NAME:shards=N, where HOW is wait, forward or refuse and WHICH "
      "is last or all",
    .doc = "Namespaces that are set up as the node starts",
    .accepts = is_namespace_list,
    NEUROPLEX_FIELD(namespaces)},

  setting{.name = "resp.host",
          .flag = "--resp-host",
          .kind = text,
          .least = 1,
          .most = max_host_bytes,
          .rule = "a loopback address: the protocol is not encrypted",
          .doc = "Where the gateway for Redis clients listens",
          .accepts = is_loopback_value,
          NEUROPLEX_FIELD(resp.host)},
  setting{.name = "resp.port",
          .flag = "--resp-port",
          .kind = port,
          .least = 0,
          .doc = "Port for Redis clients",
          NEUROPLEX_FIELD(resp.port)},
  setting{.name = "resp.max_clients",
          .flag = "--resp-clients",
          .kind = number,
          .least = 1,
          .most = 100'000,
          .doc = "Redis clients at a time; more are refused",
          NEUROPLEX_NUMBER(resp.max_clients)},
  setting{.name = "resp.password_file",
          .flag = "--resp-password-file",
          .kind = text,
          .most = max_path_bytes,
          .rule = "a file of mode 0600, or empty for no password",
          .doc = "File with the password that Redis clients must give",
          .accepts = is_path,
          NEUROPLEX_FIELD(resp.password_file)},
  setting{.name = "resp.output_limit_bytes",
          .flag = "--resp-output-limit",
          .kind = bytes,
          .least = 64 * kib,
          .most = gib,
          .doc = "A client that leaves more than this unread is closed",
          NEUROPLEX_NUMBER(resp.output_limit_bytes)},
  setting{.name = "resp.idle_timeout_ms",
          .flag = "--resp-idle-timeout",
          .kind = milliseconds,
          .least = 0,
          .most = 86'400'000,
          .rule = "0 (never) to 86400000 ms",
          .doc = "A client idle for so long is closed",
          NEUROPLEX_NUMBER(resp.idle_timeout_ms)},

  setting{.name = "agreement.protocol",
          .flag = "--agreement",
          .kind = word,
          .doc = "How nodes agree: raft for nodes that may stop, pbft for "
                 "nodes that may lie, hybrid for both in turn",
          NEUROPLEX_WORD(agreement.protocol, protocol_words)},
  setting{.name = "agreement.calm_ms",
          .flag = "--calm",
          .kind = milliseconds,
          .least = 100,
          .most = 3'600'000,
          .doc = "With hybrid: how long all must have been trusted before a "
                 "node votes for Raft",
          NEUROPLEX_NUMBER(agreement.calm_ms)},
  setting{.name = "raft.directory",
          .flag = "--raft-dir",
          .kind = text,
          .most = max_path_bytes,
          .rule = "a directory on a disk, made if there is none, or empty for "
                  "the directory raft in node.data_dir",
          .doc = "Where what nodes agree on is kept: log and snapshots",
          .accepts = is_path,
          NEUROPLEX_FIELD(raft.directory)},
  setting{.name = "raft.port",
          .flag = "--raft-port",
          .kind = port,
          .least = 0,
          .doc = "Port for the agreement of peers",
          NEUROPLEX_FIELD(raft.port)},
  setting{.name = "raft.groups",
          .flag = "--raft-groups",
          .kind = number,
          .least = 1,
          .most = 1'024,
          .rule = "1 to 1024, the same on all nodes, for good",
          .doc = "Groups that keys are spread over, each with its own leader",
          NEUROPLEX_NUMBER(raft.groups)},
  setting{.name = "raft.election_timeout_ms",
          .flag = "--election-timeout",
          .kind = milliseconds,
          .least = 50,
          .most = 60'000,
          .doc = "A leader that is silent for so long is replaced",
          NEUROPLEX_NUMBER(raft.election_timeout_ms)},
  setting{.name = "raft.heartbeat_ms",
          .flag = "--raft-heartbeat",
          .kind = milliseconds,
          .least = 5,
          .most = 30'000,
          .rule = "5 to 30000 ms, at most half of raft.election_timeout_ms",
          .doc = "How often a leader speaks",
          NEUROPLEX_NUMBER(raft.heartbeat_ms)},
  setting{.name = "raft.lease_reads",
          .flag = "--lease-reads",
          .kind = boolean,
          .doc = "Leaders answer reads by their lease, without a round of "
                 "messages; needs clocks that run alike",
          NEUROPLEX_FIELD(raft.lease_reads)},
  setting{.name = "raft.snapshot_after_bytes",
          .flag = "--snapshot-after",
          .kind = bytes,
          .least = 64 * kib,
          .most = 4 * gib,
          .doc = "A snapshot is taken when so much was written since the last",
          NEUROPLEX_NUMBER(raft.snapshot_after_bytes)},

  setting{.name = "concept.enabled",
          .flag = "--concepts",
          .kind = boolean,
          .doc = "Have a concept memory: a graph of concepts and associations "
                 "that is learnt and asked by messages",
          NEUROPLEX_FIELD(concepts.enabled)},
  setting{.name = "concept.directory",
          .flag = "--concept-dir",
          .kind = text,
          .most = max_path_bytes,
          .rule = "a directory, made if there is none, or empty for the "
                  "directory concepts in node.data_dir",
          .doc = "Where concepts are kept",
          .accepts = is_path,
          NEUROPLEX_FIELD(concepts.directory)},
  setting{.name = "concept.preset",
          .flag = "--concept-preset",
          .kind = word,
          .doc = "What concept memory is tuned for",
          NEUROPLEX_WORD(concepts.preset, preset_words)},
  setting{.name = "concept.interval_ms",
          .flag = "--concept-interval",
          .kind = milliseconds,
          .least = 0,
          .most = 60'000,
          .rule = "0 (as the preset has it) to 60000 ms",
          .doc = "How long what was learnt waits before it can be seen",
          NEUROPLEX_NUMBER(concepts.interval_ms)},
  setting{.name = "concept.batch",
          .flag = "--concept-batch",
          .kind = number,
          .least = 1,
          .most = 1'000'000,
          .doc = "Entries that are shown at once, without waiting for the "
                 "interval",
          NEUROPLEX_NUMBER(concepts.batch)},
  setting{.name = "concept.queue",
          .flag = "--concept-queue",
          .kind = number,
          .least = 2,
          .most = 16'777'216,
          .doc = "Entries that wait in memory to be shown",
          NEUROPLEX_NUMBER(concepts.queue)},
  setting{.name = "concept.overflow",
          .flag = "--concept-overflow",
          .kind = word,
          .doc = "What becomes of what is learnt when that queue is full",
          NEUROPLEX_WORD(concepts.overflow, overflow_words)},
  setting{.name = "concept.durability",
          .flag = "--concept-durability",
          .kind = word,
          .doc = "With log, what is learnt is acknowledged when it is on disk",
          NEUROPLEX_WORD(concepts.durability, durability_words)},
  setting{.name = "concept.replication",
          .flag = "--concept-replication",
          .kind = word,
          .rule = "none or replicas, the same on all nodes",
          .doc = "With replicas, every node may teach, and all come to the "
                 "same graph",
          NEUROPLEX_WORD(concepts.replication, replication_words)},
};

#undef NEUROPLEX_FIELD
#undef NEUROPLEX_NUMBER
#undef NEUROPLEX_WORD

} // namespace

std::span<const setting> settings() {
  return setting_rows;
}

const setting* find_setting(std::string_view name) {
  auto found = std::find_if(setting_rows.begin(), setting_rows.end(),
                            [name](auto& row) { return row.name == name; });
  return found == setting_rows.end() ? nullptr : &*found;
}

} // namespace neuroplex::config
