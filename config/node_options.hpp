// Everything a node can be told, as plain structs.
//
// Purpose: the one description of a node that `serve`, `cluster`, the tests
// and a program that spawns a node in-process all fill in. Where the values
// come from (file, environment, flag) is the business of config/settings.hpp;
// here they are just fields.
//
// Threads: plain values, no shared state.
//
// Invariants:
//  1. A default-constructed node_options is valid: a node inside a program. It
//     takes no port that a second one would want as well; `of_server` does.
//  2. A secret is never a field: only the path of the file that holds it is.
//  3. Every field has a unit in its name or is a pure number; its comment gives
//     range and default. `validate` enforces exactly these ranges, and the
//     rules that tie fields to one another.
//
// Failure behaviour: `validate` answers `errc::config` and names the field.
#pragma once

#include "memory/status.hpp"
#include "memory/store.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::config {

/// Most peers in one node's configuration.
inline constexpr std::size_t max_peers = 255;

/// Most namespaces that one node's configuration has settings for.
inline constexpr std::size_t max_configured_namespaces = limits::max_namespaces;

/// Longest configuration file, and deepest nesting in it.
inline constexpr std::size_t max_config_file_bytes = std::size_t{1} << 20;
inline constexpr std::size_t max_config_nesting = 16;

/// Longest secret in a file of its own.
inline constexpr std::size_t max_secret_bytes = 4'096;

/// Where `serve` listens unless told otherwise.
inline constexpr std::uint16_t default_basp_port = 7'400;
inline constexpr std::uint16_t default_resp_port = 6'380;

/// A listening port: none, one that the system picks, or a given one. Written
/// "off", "auto" or 1 to 65535.
struct listen_port {
  enum class kind : std::uint8_t { off, automatic, fixed };

  kind mode = kind::off;
  std::uint16_t number = 0; ///< only when mode is fixed

  [[nodiscard]] static constexpr listen_port none() noexcept {
    return {};
  }

  [[nodiscard]] static constexpr listen_port any() noexcept {
    return {kind::automatic, 0};
  }

  [[nodiscard]] static constexpr listen_port at(std::uint16_t number) noexcept {
    return {kind::fixed, number};
  }

  [[nodiscard]] constexpr bool enabled() const noexcept {
    return mode != kind::off;
  }

  /// What to pass to bind(): 0 lets the system pick.
  [[nodiscard]] constexpr std::uint16_t bind_number() const noexcept {
    return mode == kind::fixed ? number : std::uint16_t{0};
  }

  friend constexpr bool operator==(const listen_port&,
                                   const listen_port&) noexcept = default;
};

/// How much a node tells on standard error.
enum class log_level : std::uint8_t { error, warning, info, debug };

/// Who owns a key.
enum class placement_strategy : std::uint8_t {
  hash_slots, ///< 65,536 slots in an explicit, versioned table
};

/// How shards are spread over the nodes, and which copy serves a read.
enum class balancing_strategy : std::uint8_t {
  least_loaded, ///< the node with the fewest shards or requests in flight
};

/// When expired entries, scattered memory and what the dead left are looked
/// for.
enum class gc_strategy : std::uint8_t {
  adaptive,    ///< sooner the more there is to do and the fuller the pool is
  incremental, ///< a small step of each at its interval, come what may
  lazy,   ///< nothing but recovery until the pool is filled to the threshold
  manual, ///< recovery alone; the rest when somebody asks
};

/// How nodes agree on namespaces that are linearizable or sequential.
enum class agreement_protocol : std::uint8_t {
  raft,   ///< survives nodes that stop
  pbft,   ///< survives nodes that lie as well, f of 3 f + 1
  hybrid, ///< by Raft while all are trusted, by PBFT while they are not
};

/// What the performance optimizer may do with what it finds.
enum class optimizer_mode : std::uint8_t {
  off,    ///< looks at nothing
  advise, ///< says what it would change
  apply,  ///< changes it
};

/// What a namespace promises to those who use it through nodes.
enum class consistency_level : std::uint8_t {
  single_copy,       ///< one copy, on the node that owns the key; gone with it
  sequential,        ///< as linearizable
  linearizable,      ///< agreed on by a majority of nodes, and on their disks
  eventual,          ///< every node has a replica and writes; all converge
  causal,            ///< and what is seen has all that it came from
  bounded_staleness, ///< and a read is at most staleness_ms old
};

/// What becomes of a read that would be older than its namespace promises.
enum class stale_read : std::uint8_t {
  wait,    ///< it waits until it is fresh enough, or its time is over
  forward, ///< another node that is fresh enough answers it
  refuse,  ///< it is refused at once
};

/// What a register shows when it was written at the same time at two nodes.
enum class concurrent_writes : std::uint8_t {
  last, ///< what was written last, by the hybrid clocks of the writers
  all,  ///< all of it, until somebody writes who has seen it
};

/// What concept memory is tuned for.
enum class concept_preset : std::uint8_t {
  balanced,         ///< 10 ms, files of 50,000 concepts
  write_throughput, ///< 50 ms, 100,000
  read_latency,     ///< 5 ms, 10,000
  small_memory,     ///< 10 ms, 5,000
};

/// What becomes of what is learnt when the write log is full.
enum class concept_overflow : std::uint8_t {
  spill,       ///< it goes through a file; nothing is lost
  drop_oldest, ///< the oldest entry is dropped, and counted
  reject,      ///< it is refused as `busy`
  block,       ///< it waits for room, until its request's time is over
};

/// When what is learnt is acknowledged.
enum class concept_durability : std::uint8_t {
  none, ///< once it is in the write log; a crash may lose it
  log,  ///< once it is on disk and readers see it
};

/// Whether other nodes learn what is learnt here.
enum class concept_replication : std::uint8_t {
  none,     ///< no
  replicas, ///< each may teach, and all come to the same graph
};

/// Replicas of concept memory call themselves so; no namespace may.
inline constexpr std::string_view concept_replica_name = ".concepts";

/// Most shards of a namespace of replicas.
inline constexpr std::uint32_t max_replica_shards = 64;

/// Where another node is met.
struct peer_options {
  /// The peer's replica id: 1 to 4294967295, not ours, each once.
  std::uint32_t replica_id = 0;

  /// Name or address, 1 to 253 bytes. Loopback unless the tunnel is enabled.
  std::string host;

  /// Its tunnel port when our tunnel is enabled, else its BASP port: 1 to
  /// 65535.
  std::uint16_t port = 0;

  friend bool operator==(const peer_options&, const peer_options&) = default;
};

/// The listener for actor messages between nodes (CAF's BASP). It trusts
/// whoever connects, so it is kept to loopback; other hosts use the tunnel.
struct basp_options {
  /// Loopback address to listen on; 127.0.0.1.
  std::string host = "127.0.0.1";

  /// 1 to 65535, or "auto"; "auto", and default_basp_port for `serve`.
  listen_port port = listen_port::any();
};

/// The mutual-TLS tunnel that carries messages between hosts.
struct tunnel_options {
  /// Listen, and reach all peers through it; false.
  bool enabled = false;

  /// Address to listen on, any interface allowed; 0.0.0.0.
  std::string host = "0.0.0.0";

  /// 1 to 65535, or "auto"; 7401.
  listen_port port = listen_port::at(7401);

  /// PEM file of the certificate authority; required when enabled.
  std::string ca_file;

  /// PEM file of this node's certificate; required when enabled.
  std::string certificate_file;

  /// PEM file of its private key, mode 0600; required when enabled.
  std::string key_file;

  /// A handshake that takes longer is cut: 100 to 60000 ms; 5000.
  std::uint32_t handshake_timeout_ms = 5'000;

  /// A connection without a byte for so long is cut: 1000 to 3600000 ms; 60000.
  std::uint32_t idle_timeout_ms = 60'000;

  /// Connections at a time, both directions: 1 to 4096; 64.
  std::uint32_t max_connections = 64;

  /// Longest frame accepted: 4 KiB to 256 MiB; 16 MiB.
  std::uint64_t max_frame_bytes = std::uint64_t{16} << 20;
};

/// Which node serves which key.
struct placement_options {
  /// How keys are placed; hash_slots.
  placement_strategy strategy = placement_strategy::hash_slots;

  /// Shard actors over the whole cluster, alike on all nodes: 1 to 65536; 64.
  std::uint32_t shards = 64;

  /// Copies of a key: 1, since this version keeps one copy; 1.
  std::uint32_t replication_factor = 1;

  /// How shards are spread; least_loaded.
  balancing_strategy load_balancing = balancing_strategy::least_loaded;
};

/// How long things may take.
struct timeout_options {
  /// A request without an answer ends as unknown_outcome: 1 to 600000 ms; 1000.
  std::uint32_t request_ms = 1'000;

  /// Heartbeat between nodes, alike on all of them: 10 to 60000 ms; 250.
  std::uint32_t heartbeat_ms = 250;

  /// A peer silent for so long is down: 2 heartbeats to 600000 ms; 1000.
  std::uint32_t connection_timeout_ms = 1'000;

  /// Pause between attempts to reach a lost peer: 10 to 60000 ms; 500.
  std::uint32_t reconnect_ms = 500;

  /// A stop that takes longer is forced: 100 to 600000 ms; 5000.
  std::uint32_t shutdown_ms = 5'000;
};

/// How much may be under way at once.
struct limit_options {
  /// Requests in flight to one peer before callers get `busy`: 1 to 1000000;
  /// 4096.
  std::uint32_t request_credit = 4'096;

  /// Requests waiting in one actor before callers get `busy`: 16 to 1000000;
  /// 65536.
  std::uint32_t mailbox_messages = 65'536;

  /// Keys in one batch message; longer batches are refused: 1 to 65536; 1024.
  std::uint32_t batch_keys = 1'024;

  /// Keys and values of one message; longer requests are refused: 64 KiB to
  /// 32 MiB, and three quarters of tunnel.max_frame_bytes when the tunnel is
  /// enabled; 12 MiB.
  std::uint64_t message_bytes = std::uint64_t{12} << 20;
};

/// The gateway for Redis clients. It has no encryption: loopback only.
struct resp_options {
  /// Loopback address to listen on; 127.0.0.1.
  std::string host = "127.0.0.1";

  /// 1 to 65535, "auto" or "off"; "off", and default_resp_port for `serve`.
  listen_port port = listen_port::none();

  /// Connections at a time; more are refused: 1 to 100000; 1000.
  std::uint32_t max_clients = 1'000;

  /// File (mode 0600) with the password clients must give; empty: none.
  std::string password_file;

  /// A client that leaves more unread is closed: 64 KiB to 1 GiB; 64 MiB.
  std::uint64_t output_limit_bytes = std::uint64_t{64} << 20;

  /// A client idle for so long is closed: 0 (never) to 86400000 ms; 0.
  std::uint32_t idle_timeout_ms = 0;
};

/// How the segment is kept in order while the node runs.
struct upkeep_options {
  /// Percent of the pool from which on entries are given up, in namespaces
  /// that allow it: 1 to 100; 85. Set in the segment as the node starts.
  std::uint32_t eviction_percent = 85;

  /// Entries given up in one step: 1 to 4096; 128.
  std::uint32_t eviction_batch = 128;

  /// How often the pressure is looked at: 10 to 60000 ms; 100.
  std::uint32_t pressure_interval_ms = 100;

  /// When the three that follow run; adaptive.
  gc_strategy gc = gc_strategy::adaptive;

  /// How often expired entries are looked for: 10 to 3600000 ms; 200.
  std::uint32_t expiry_interval_ms = 200;

  /// Entries looked at in one step: 16 to 65536; 1024.
  std::uint32_t expiry_batch = 1'024;

  /// How often participants that died are looked for: 10 to 60000 ms; 200.
  std::uint32_t recovery_interval_ms = 200;

  /// How often memory is compacted: 10 to 3600000 ms; 1000.
  std::uint32_t compaction_interval_ms = 1'000;

  /// Bytes moved in one step of compaction: 4 KiB to 16 MiB; 4 KiB.
  std::uint64_t compaction_step_bytes = 4'096;

  /// off, advise or apply; advise.
  optimizer_mode optimizer = optimizer_mode::advise;

  /// How often the optimizer looks at the statistics: 100 to 3600000 ms;
  /// 10000.
  std::uint32_t optimizer_interval_ms = 10'000;

  /// Directory for backups of the segment; empty: none are made.
  std::string backup_dir;

  /// How often what has changed is backed up: 100 to 3600000 ms; 1000.
  std::uint32_t backup_interval_ms = 1'000;
};

/// By which protocol nodes agree. Alike on all nodes, for good.
struct agreement_options {
  /// raft, pbft or hybrid; raft. With the other two it takes 4 nodes at least,
  /// `raft.election_timeout_ms` is the patience with a primary, and
  /// `raft.heartbeat_ms` how often each says where it is.
  agreement_protocol protocol = agreement_protocol::raft;

  /// With hybrid: how long all must have been trusted before a node votes for
  /// Raft: 100 to 3600000 ms; 5000. Doubles with each relapse.
  std::uint32_t calm_ms = 5'000;
};

/// Agreement among the nodes on the namespaces that are linearizable or
/// sequential. This node and its peers are the first members.
struct raft_options {
  /// Directory of log and snapshots; empty: "<data_dir>/raft". It must be one
  /// that outlives the machine's power when there is such a namespace.
  std::string directory;

  /// Where peers reach it, on basp.host: 1 to 65535, or "auto"; "auto".
  listen_port port = listen_port::any();

  /// Groups that keys are spread over by their hash tags, each with a leader of
  /// its own: 1 to 1024, alike on all nodes, for good; 1. What one request does
  /// to keys of one group is atomic; to keys of several it is so for each.
  std::uint32_t groups = 1;

  /// A leader that is not heard of for so long is replaced: 50 to 60000 ms,
  /// alike on all nodes; 300.
  std::uint32_t election_timeout_ms = 300;

  /// How often a leader speaks: 5 to 30000 ms, at most half the election
  /// timeout; 50.
  std::uint32_t heartbeat_ms = 50;

  /// Answer reads by the leader's lease instead of a round of messages. Needs
  /// clocks that run at the same rate, give or take 1 %; false.
  bool lease_reads = false;

  /// A snapshot is taken when so much was written since the last one: 64 KiB
  /// to 4 GiB; 64 MiB.
  std::uint64_t snapshot_after_bytes = std::uint64_t{64} << 20;
};

/// What a namespace is to be like from the start of the node on. It is made
/// when there is none.
struct namespace_options {
  /// 1 to 255 bytes, each name once.
  std::string name;

  /// A policy that namespaces can have (memory/store_policies.hpp); any class;
  /// a quota up to 64 GiB.
  memory::namespace_settings settings;

  /// single_copy, sequential, linearizable, eventual, causal or
  /// bounded_staleness; single_copy. What several nodes have is not given up:
  /// all but the first need policy noeviction, and no lifetime, quota or
  /// sharing.
  consistency_level consistency = consistency_level::single_copy;

  // -- of eventual, causal and bounded_staleness; alike on all nodes ----------

  /// Of bounded_staleness: 10 to 600000 ms; 1000.
  std::uint32_t staleness_ms = 1'000;

  /// Of bounded_staleness: wait, forward or refuse; wait.
  stale_read stale_reads = stale_read::wait;

  /// last or all; last.
  concurrent_writes concurrent = concurrent_writes::last;

  /// Which function of the program resolves what was written at the same time,
  /// by its name (`node::start`); last.
  std::string resolver = "last";

  /// Parts with an actor each, for good: 1 to max_replica_shards, 1 when
  /// causal, since causality crosses keys; 1.
  std::uint32_t shards = 1;

  /// Whether nodes agree on it.
  [[nodiscard]] bool agreed() const noexcept {
    return consistency == consistency_level::sequential
           || consistency == consistency_level::linearizable;
  }

  /// Whether every node has a replica of it.
  [[nodiscard]] bool replicated() const noexcept {
    return consistency >= consistency_level::eventual;
  }

  friend bool operator==(const namespace_options&,
                         const namespace_options&) = default;
};

/// Concept memory: what the node learns by messages, and answers from.
struct concept_options {
  /// Have one; false.
  bool enabled = false;

  /// Directory of its files, made if there is none; empty:
  /// "<data_dir>/concepts".
  std::string directory;

  /// balanced, write_throughput, read_latency or small_memory; balanced.
  concept_preset preset = concept_preset::balanced;

  /// Between reconciliations: 0 (as the preset has it) to 60000 ms; 0.
  std::uint32_t interval_ms = 0;

  /// Entries that start a reconciliation at once: 1 to 1000000; 10000.
  std::uint32_t batch = 10'000;

  /// Entries that the write log takes: 2 to 16777216; 100000.
  std::uint32_t queue = 100'000;

  /// spill, drop_oldest, reject or block; spill.
  concept_overflow overflow = concept_overflow::spill;

  /// none or log; none.
  concept_durability durability = concept_durability::none;

  /// none or replicas, alike on all nodes; none. With replicas it lies in
  /// `replica_path`, and has no files of its own.
  concept_replication replication = concept_replication::none;

  [[nodiscard]] bool replicated() const noexcept {
    return enabled && replication == concept_replication::replicas;
  }
};

struct node_options {
  /// This node's number in its cluster: 1 to 4294967295; 1.
  std::uint32_t replica_id = 1;

  /// Name that all nodes of a cluster share: 1 to 63 of [a-z0-9-]; "local".
  std::string cluster = "local";

  /// Existing directory for segment and lock file; empty: /dev/shm.
  std::string data_dir;

  /// Threads of the actor scheduler: 0 (one a core) to 256; 0.
  std::uint32_t worker_threads = 0;

  /// error, warning, info or debug; info.
  log_level log = log_level::info;

  /// Geometry of a segment that this node has to create; an existing one keeps
  /// its own.
  memory::segment_options segment;

  basp_options basp;
  tunnel_options tunnel;
  std::vector<peer_options> peers; ///< at most max_peers; none
  placement_options placement;
  timeout_options timeouts;
  limit_options limits;
  upkeep_options upkeep;
  std::vector<namespace_options> namespaces; ///< each name once; none
  resp_options resp;
  agreement_options agreement;
  raft_options raft;
  concept_options concepts;

  /// What a node that is a server of its own begins with: the same, at ports
  /// that clients can know.
  [[nodiscard]] static node_options of_server();

  /// `errc::config` with the first field that is out of range or contradicts
  /// another one. Reads no file and no clock.
  [[nodiscard]] expected<void> validate() const;

  /// File of the segment: "<data_dir>/segment", or in /dev/shm a name made of
  /// cluster and replica id.
  [[nodiscard]] std::string segment_path() const;

  /// Directory of log and snapshots of what is agreed on.
  [[nodiscard]] std::string raft_path() const;

  /// Directory of the replicas' log and snapshots; empty: there is none.
  [[nodiscard]] std::string replica_path() const;

  /// Directory of concept memory; empty: there is none.
  [[nodiscard]] std::string concept_path() const;

  /// Names of the namespaces that are agreed on.
  [[nodiscard]] std::vector<std::string> agreed_namespaces() const;

  /// File whose lock says that a node runs on this segment.
  [[nodiscard]] std::string lock_path() const;
};

/// The word for a value as files and flags write it ("least_loaded").
[[nodiscard]] std::string_view to_string(log_level value) noexcept;
[[nodiscard]] std::string_view to_string(placement_strategy value) noexcept;
[[nodiscard]] std::string_view to_string(balancing_strategy value) noexcept;
[[nodiscard]] std::string_view to_string(gc_strategy value) noexcept;
[[nodiscard]] std::string_view to_string(optimizer_mode value) noexcept;
[[nodiscard]] std::string_view to_string(consistency_level value) noexcept;
[[nodiscard]] std::string_view to_string(agreement_protocol value) noexcept;
[[nodiscard]] std::string_view to_string(stale_read value) noexcept;
[[nodiscard]] std::string_view to_string(concurrent_writes value) noexcept;
[[nodiscard]] std::string_view to_string(concept_preset value) noexcept;
[[nodiscard]] std::string_view to_string(concept_overflow value) noexcept;
[[nodiscard]] std::string_view to_string(concept_durability value) noexcept;
[[nodiscard]] std::string_view to_string(concept_replication value) noexcept;

/// "off", "auto" or the number.
[[nodiscard]] std::string to_string(listen_port value);

/// True for "localhost", 127.0.0.0/8 and ::1.
[[nodiscard]] bool is_loopback(std::string_view host) noexcept;

/// The text of a secret file without its line end. Refuses a file that is
/// not regular, not ours, readable by others, empty or too long; the text
/// itself never appears in a failure.
[[nodiscard]] expected<std::string> read_secret(const std::string& path);

} // namespace neuroplex::config
