// What travels between actors: plain values, one struct a message.
//
// Purpose: requests and answers of the data plane, the greeting between nodes
// and their reports. How they travel is told in message_types.hpp.
//
// Threads: plain values.
//
// Invariants:
//  1. A request carries an id and a deadline. Its effect happens at most once
//     however often it is sent with that id (actors/dedup_table.hpp).
//  2. Bytes from other processes are checked before use: `check` for requests
//     (enumerations in range, sizes within limits), `settle` for answers.
//  3. An answer carries its errc inside; an error of the actor system means
//     that the transport failed, never the operation.
#pragma once

#include "actors/limits.hpp"
#include "actors/upkeep/report.hpp"
#include "memory/status.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace neuroplex::actors {

/// What a request asks of the entry under its key. Fields used are named; the
/// codes are those of the store's function of the same name.
enum class operation : std::uint8_t {
  get,              ///< the value, its version and expiry
  info,             ///< size (number), version and expiry without the value
  set,              ///< value, ttl_ms or keep_ttl
  set_if_absent,    ///< value, ttl_ms; `exists` when there is one
  set_if_present,   ///< value, ttl_ms or keep_ttl; `not_found` when none
  exchange,         ///< as set; answers the previous value (found tells)
  compare_and_swap, ///< expected, value, ttl_ms or keep_ttl; by version instead
                    ///< when version != 0
  increment,        ///< delta; answers the sum in number
  append,           ///< value; answers the new length in number
  erase,            ///< `not_found` when there is none
  take,             ///< erase that answers the value
  expire,           ///< ttl_ms
  persist,          ///< `mismatch` when there was no expiry
};

/// Number of operations; decoders refuse an integer at or above it.
inline constexpr std::uint8_t operation_count =
  static_cast<std::uint8_t>(operation::persist) + 1;

/// True when the operation may change the entry.
[[nodiscard]] constexpr bool changes(operation op) noexcept {
  return op != operation::get && op != operation::info;
}

/// Names one request for ever: a client draws its number at random once and
/// counts its requests. Client 0 is nobody: such a request is never repeated.
struct request_id {
  std::uint64_t client = 0;
  std::uint64_t sequence = 0;

  friend bool operator==(const request_id&, const request_id&) = default;
};

struct request_header {
  request_id id;

  /// Unix time in milliseconds on the clock of the receiver, after which the
  /// request must have no effect. The router adjusts it between hosts.
  std::int64_t deadline_ms = 0;

  /// Epoch of the sender's placement table, 0 when the sender has none.
  std::uint64_t epoch = 0;

  /// True once a router has forwarded the request: the receiver must own the
  /// key and does not forward again.
  bool forwarded = false;
};

/// One operation on one key.
struct request {
  request_header header;
  operation op = operation::get;
  std::string space = "default"; ///< name of the namespace
  std::string key;
  std::string value;
  std::string expected;
  std::int64_t ttl_ms = 0;
  bool keep_ttl = false;
  std::int64_t delta = 0;
  std::uint64_t version = 0;
};

/// The answer to a request. `value` of a compare_and_swap that answered
/// `mismatch` is the actual value; of a request refused by a message limit it
/// is the reason in words.
struct reply {
  errc status = errc::ok;
  std::string value;
  std::int64_t number = 0;
  std::uint64_t version = 0;
  std::int64_t expires_at_ms = 0;
  bool found = false;
};

struct batch_item {
  std::string key;
  std::string value;
  std::int64_t ttl_ms = 0;
};

/// The same operation on many keys: get, set, set_if_absent, or erase.
struct batch_request {
  request_header header;
  operation op = operation::get;
  std::string space = "default";
  std::vector<batch_item> items;

  /// Most bytes of values in the answer; items beyond answer `busy`.
  std::uint64_t reply_budget_bytes = limits::max_batch_reply_bytes;
};

struct batch_answer {
  errc status = errc::ok;
  std::string value;
};

/// Answers in the order of the items. When `status` is not ok, the batch as a
/// whole was refused without effect and there are no answers.
struct batch_reply {
  errc status = errc::ok;
  std::vector<batch_answer> answers;
};

/// Where a scan over the cluster goes on: which node (by position among the
/// members), and where in its segment.
struct scan_position {
  std::uint32_t member = 0;
  std::uint64_t cursor = 0;

  friend bool operator==(const scan_position&, const scan_position&) = default;
};

struct scan_request {
  request_header header;
  std::string space = "default";
  scan_position from;
  std::uint32_t entries = 128; ///< about so many a page
  bool with_values = true;
};

struct scanned_entry {
  std::string key;
  std::string value;
  std::uint64_t value_bytes = 0;
  std::int64_t expires_at_ms = 0;
  bool value_omitted = false; ///< did not fit into the page; get it by key
};

/// Part of a scan. With `status` other than ok the node at `member` could not
/// be read: `next` is the same page again when it was `busy`, else it skips the
/// node, and the scan goes on incomplete.
struct scan_page {
  errc status = errc::ok;
  std::uint32_t member = 0; ///< position of the node that was read
  std::vector<scanned_entry> entries;
  scan_position next;
  bool done = false;
};

/// How far a watcher of keys that are agreed on has come; as it was made, it
/// begins with what comes next. Every node understands another one's.
struct watch_mark {
  std::vector<std::uint64_t> seen; ///< of each group the last entry looked at
  std::uint64_t feed = 0;          ///< where that is in the history of a node
  std::uint64_t place = 0;

  friend bool operator==(const watch_mark&, const watch_mark&) = default;
};

struct watch_request {
  request_header header;
  std::string space = "default";
  std::string prefix; ///< of keys
  watch_mark after;
  std::uint32_t max_changes = 256; ///< about so many an answer
};

/// What became of a key.
enum class watch_event : std::uint8_t { set, erase, expire };

inline constexpr std::uint8_t watch_event_count =
  static_cast<std::uint8_t>(watch_event::expire) + 1;

struct watched_entry {
  watch_event event = watch_event::set;
  std::string key;
  std::string value;
  bool value_omitted = false; ///< did not fit into the answer; get it by key
  std::uint64_t group = 0;
  std::uint64_t index = 0; ///< in the log of the group
};

/// Changes in the order of the logs; none when the time was over. With `gap`
/// not all that happened since the mark is known any more: read the entries
/// anew, and go on with `next`.
struct watch_reply {
  errc status = errc::ok;
  bool gap = false;
  std::vector<watched_entry> changes;
  watch_mark next;
};

/// An operation on a namespace as a whole.
enum class space_operation : std::uint8_t {
  count, ///< number of entries
  clear, ///< erase all entries; answers how many
  drop,  ///< clear and forget the name
};

inline constexpr std::uint8_t space_operation_count =
  static_cast<std::uint8_t>(space_operation::drop) + 1;

struct space_request {
  request_header header;
  space_operation op = space_operation::count;
  std::string space = "default";
};

/// What a node takes and how it keeps time, as far as others have to know.
struct node_bounds {
  std::uint64_t message_bytes = limits::max_message_bytes; ///< its limits.*
  std::uint32_t batch_keys = limits::max_batch_items;
  std::uint64_t frame_bytes = 0; ///< tunnel.max_frame_bytes; 0: no tunnel
  std::uint32_t heartbeat_ms = 250;
  std::uint32_t connection_timeout_ms = 1'000;
  std::uint16_t raft_port = 0; ///< where agreement listens; 0: nowhere
};

/// How a node presents itself to another before anything else.
struct hello {
  std::uint32_t version = limits::protocol_version;
  std::string cluster;
  std::uint32_t replica_id = 0;
  std::uint64_t incarnation = 0; ///< grows with every start of that node
  std::uint64_t placement_epoch = 0;
  std::uint64_t placement_fingerprint = 0;
  std::int64_t clock_ms = 0; ///< Unix time of the sender
  node_bounds bounds = {};

  /// False in the first greeting, which only asks for the other side's hello.
  /// The second one tells how far ahead the receiver's clock is, and joins.
  bool joins = false;
  std::int64_t receiver_ahead_ms = 0;
};

/// `status` ok with the other side's hello, or why it refuses.
struct welcome {
  errc status = errc::ok;
  std::string reason;
  hello self;
};

enum class peer_state : std::uint8_t {
  never_met, ///< not reached since this node started
  connected,
  lost,    ///< was connected; is being looked for
  refused, ///< reached, but one side refuses the other; see reason
};

struct peer_report {
  std::uint32_t replica_id = 0;
  peer_state state = peer_state::never_met;
  std::uint64_t incarnation = 0;
  std::uint64_t meetings = 0; ///< times it was welcomed
  std::uint64_t losses = 0;
  std::uint64_t in_flight = 0;
  std::string reason; ///< of the last refusal or loss
};

/// What one router has done since it started.
struct router_report {
  std::uint64_t local = 0;       ///< requests handed to shards of this node
  std::uint64_t forwarded = 0;   ///< requests sent to peers
  std::uint64_t retries = 0;     ///< sent again after a timeout
  std::uint64_t busy = 0;        ///< refused for lack of credit
  std::uint64_t unavailable = 0; ///< refused since the owner was down
  std::uint64_t unknown = 0;     ///< ended as unknown_outcome
  std::uint64_t stale = 0;       ///< of another epoch or not ours: dropped
  std::vector<peer_report> peers;
};

/// What one shard, or the store actor, has done since its node started.
struct shard_report {
  std::uint64_t requests = 0;
  std::uint64_t batches = 0;
  std::uint64_t batch_items = 0;
  std::uint64_t repeats = 0;   ///< answered from memory of an earlier answer
  std::uint64_t conflicts = 0; ///< an id used again with another body
  std::uint64_t late = 0;      ///< deadline over on arrival
  std::uint64_t refused = 0;   ///< malformed, too large, or of another shard
  std::uint64_t remembered = 0;
};

/// The segment's facts that a report carries (memory::store_stats has more).
struct segment_report {
  std::string path;
  std::uint64_t segment_bytes = 0;
  std::uint64_t pool_bytes = 0;
  std::uint64_t pool_used_bytes = 0;
  std::uint64_t live_block_bytes = 0;
  std::uint64_t entries = 0;
  std::uint64_t huge_page_bytes = 0;
  std::string placement; ///< of its memory, as memory::placement_report
  std::uint64_t participants = 0;
  std::uint64_t reads = 0;
  std::uint64_t hits = 0;
  std::uint64_t writes = 0;
  std::uint64_t expired = 0;
  std::uint64_t evicted = 0;
  std::uint64_t recoveries = 0;
  std::uint64_t corrupt_reads = 0;
  std::uint64_t damage = 0; ///< lists and slots found scribbled over
};

/// What a node found in its segment as it started.
struct start_report {
  bool made = false;       ///< there was none: it made one
  bool clean = true;       ///< whoever used it last had left it properly
  bool power_lost = false; ///< it was last used before the machine stopped
  bool checked = false;    ///< every entry was read and its checksum compared
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;   ///< their keys and values, or blocks if unchecked
  std::uint64_t dropped = 0; ///< not whole any more, or not where they belong
  std::uint64_t recovered_threads = 0; ///< of the dead, cleaned up after
  std::int64_t took_ms = 0;
  std::string text; ///< all that in one line
};

/// What the gateway for Redis clients has done since its node started, over
/// all its restarts.
struct gateway_report {
  bool enabled = false; ///< the node is to have one
  bool open = false;    ///< it serves at this moment
  std::uint16_t port = 0;
  std::uint64_t openings = 0; ///< 1 more than its restarts
  std::uint64_t connections_open = 0;
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_refused = 0; ///< above resp.max_clients
  std::uint64_t accept_pauses = 0;       ///< out of file descriptors
  std::uint64_t commands = 0;
  std::uint64_t failed_commands = 0; ///< unknown, malformed, or before AUTH
  std::uint64_t remote_commands = 0; ///< for keys of other nodes
  std::uint64_t protocol_errors = 0;
  std::uint64_t auth_failures = 0;
  std::uint64_t slow_readers_closed = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::string problem; ///< why it could not be opened the last time
};

/// How often connections of a tunnel ended for one reason.
struct tunnel_ending {
  std::string reason;   ///< as tunnel::reason_name
  bool refused = false; ///< rather than an end that is in order
  std::uint64_t count = 0;
};

/// The tunnel of a node: the server that peers dial and the clients that dial
/// peers, added up.
struct tunnel_report {
  bool enabled = false;
  std::uint16_t port = 0; ///< 0 when nobody dials this node
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_open = 0;
  std::uint64_t connections_pending = 0; ///< open and not authenticated
  std::uint64_t streams_established = 0; ///< ever
  std::uint64_t accept_pauses = 0;
  std::uint64_t bytes_from_peers = 0;
  std::uint64_t bytes_to_peers = 0;
  std::uint64_t frames = 0;           ///< whole ones let through
  std::vector<tunnel_ending> endings; ///< only reasons that occurred
  std::string last_failure;
};

/// A member of a group, as the node that leads sees it.
struct agreement_member {
  std::uint32_t replica_id = 0;
  std::string kind;        ///< voter, leaving or learner
  bool present = false;    ///< its disk is the one that the group counts
  bool connected = false;  ///< in both directions, from here
  std::uint64_t match = 0; ///< it has the log up to here; known to the leader
};

/// A node's part in one Raft group.
struct agreement_group_report {
  std::uint64_t group = 0;
  std::string role; ///< as raft::role_name
  bool voter = false;
  std::uint32_t leader = 0; ///< 0: nobody is known to lead
  std::uint64_t term = 0;
  std::uint64_t last_index = 0;
  std::uint64_t commit = 0;
  std::uint64_t applied = 0;
  std::uint64_t snapshot = 0; ///< the last entry that it stands for
  std::uint64_t log_bytes = 0;
  std::uint64_t commands = 0;
  std::uint64_t reads = 0;
  std::uint64_t elections = 0; ///< terms in which this node led
  std::uint64_t odd_messages = 0;
  std::vector<agreement_member> members;
  std::string problem; ///< why this node takes no further part
};

/// A node's part in a group of which some members may lie.
struct byzantine_report {
  std::string mode;         ///< pbft, or raft in an epoch by Raft
  std::uint32_t faults = 0; ///< how many may lie
  std::uint64_t epoch = 0;  ///< rises with each switch of mode
  std::uint64_t view = 0;
  std::uint32_t primary = 0; ///< of the view
  bool view_active = false;  ///< the view has begun here
  std::uint64_t executed = 0;
  std::uint64_t stable_checkpoint = 0;
  std::uint64_t view_changes = 0; ///< that this node asked for
  std::uint64_t state_transfers = 0;
  bool transferring = false;
  std::uint64_t misdeeds = 0;    ///< seen in PBFT
  std::uint64_t evidence = 0;    ///< cases that trust counts
  double lowest_trust = 1;       ///< of the other nodes, 0 to 1
  std::uint64_t switches = 0;    ///< of mode, since the start
  std::uint64_t rolled_back = 0; ///< commands of a leader that lied
  std::uint64_t operations = 0;  ///< asked for by this node's clients
  std::uint64_t wishes = 0;      ///< that they carried
  std::string key;               ///< beginning of this node's public key
};

/// What a node does for the namespaces that are agreed on.
struct agreement_report {
  bool enabled = false;
  std::string protocol; ///< raft, pbft or hybrid
  bool formed = false;  ///< the first members have met
  std::uint16_t port = 0;
  std::vector<std::string> spaces;
  std::vector<agreement_group_report> groups;
  std::uint64_t log_batches = 0; ///< flushes of the log
  std::uint64_t log_writes = 0;
  std::uint64_t log_bytes = 0;
  bool log_full = false;
  std::string problem;        ///< of the disk
  byzantine_report byzantine; ///< not with Raft
};

/// A peer, as the replica of a shard sees it.
struct replica_peer_report {
  std::uint32_t replica_id = 0;
  std::uint32_t incarnation = 0; ///< 0: never heard of
  bool connected = false;
  std::uint64_t acknowledged = 0; ///< of our changes
  std::uint64_t kept_bytes = 0;   ///< of changes, for it
  std::int64_t age_ms = -1;       ///< of what we have of it; -1: not measured
};

/// The replica of one shard of a namespace.
struct replica_report {
  std::string space;
  std::uint32_t shard = 0;
  std::uint32_t incarnation = 0;
  std::uint64_t keys = 0;
  std::uint64_t facts = 0;
  std::uint64_t fact_bytes = 0; ///< as they are encoded
  std::uint64_t recorded = 0;   ///< changes of ours that peers are told
  std::uint64_t buffered = 0;   ///< of them, that some peer lacks
  std::uint64_t waiting = 0;    ///< requests
  std::uint64_t messages_sent = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_packed = 0; ///< what compression has saved
  std::uint64_t messages_refused = 0;
  std::uint64_t digest_syncs = 0; ///< times a peer was told by digest
  std::string problem;            ///< why a message was refused the last time
  std::vector<replica_peer_report> peers;
};

/// What replicas of one shard tell one another.
struct replica_message {
  std::string space;
  std::uint32_t shard = 0;
  std::uint32_t from = 0; ///< node
  std::string bytes;
};

/// What a comparison of a shard's replicas here and at one node found.
struct replica_comparison {
  std::string space;
  std::uint32_t shard = 0;
  std::uint32_t replica_id = 0; ///< of that node
  bool answered = false;
  bool same_context = false;     ///< both have seen the same changes
  std::uint64_t differing = 0;   ///< keys
  std::vector<std::string> keys; ///< some of them
};

struct replica_verdict {
  errc status = errc::ok;
  std::vector<replica_comparison> nodes;
};

/// Who looks at an old snapshot.
struct concept_holder {
  std::string who;
  std::uint64_t sequence = 0;
};

/// What is not as it should be, why, and what to do about it.
struct concept_notice {
  std::string state;
  std::string reason;
  std::string advice;
};

/// Another node's replica of concept memory.
struct concept_peer {
  std::uint32_t replica_id = 0;
  bool connected = false;
  std::uint64_t changes_behind = 0; ///< of ours, not acknowledged
};

/// A node's concept memory.
struct concept_report {
  bool enabled = false;
  std::string directory;
  std::uint64_t concepts = 0;
  std::uint64_t edges = 0;
  std::uint64_t written = 0; ///< entries accepted, in this life
  std::uint64_t dropped = 0;
  std::uint64_t rejected = 0;
  std::uint64_t spilled = 0;
  std::uint64_t pending = 0;
  std::uint64_t refused = 0; ///< entries that could not be applied
  std::uint64_t reconciliations = 0;
  std::uint64_t entries_processed = 0;
  std::uint64_t disk_flushes = 0;
  std::uint64_t sequence = 0;    ///< of the newest snapshot
  std::int64_t timestamp_us = 0; ///< Unix time it was published at
  std::uint64_t memory_bytes = 0;
  std::uint64_t version_bytes = 0; ///< of these, held by old versions only
  std::uint64_t versions = 0;
  std::uint64_t segments = 0;  ///< files, as it was opened
  std::uint64_t replayed = 0;  ///< entries of the log, as it was opened
  std::uint64_t cut_bytes = 0; ///< of a batch that never became durable
  std::uint64_t lessons = 0;
  std::uint64_t questions = 0;
  std::uint64_t waiting = 0; ///< lessons
  bool replicated = false;
  std::uint64_t unshown = 0; ///< changes of the replica, not yet in the log
  std::vector<concept_peer> peers; ///< of a node's report
  std::vector<concept_holder> holders;
  std::vector<concept_notice> notices;
};

/// A node at one moment.
struct node_report {
  errc status = errc::ok;
  std::string cluster;
  std::uint32_t replica_id = 0;
  std::uint64_t incarnation = 0;
  std::int64_t uptime_ms = 0;
  std::uint64_t process_id = 0;
  std::uint64_t placement_epoch = 0;
  std::uint32_t shards = 0;       ///< in the cluster
  std::uint32_t local_shards = 0; ///< served here
  std::uint64_t restarts = 0;     ///< child actors started again
  start_report start;
  segment_report segment;
  router_report router;
  shard_report requests; ///< summed over the shards and the store actor
  gateway_report gateway;
  tunnel_report tunnel;
  upkeep::upkeep_report upkeep;
  agreement_report agreement;
  std::vector<replica_report> replicas;
  concept_report concepts;
};

/// What one node takes in a message, as its operator has set it.
struct message_limits {
  std::uint32_t batch_keys = limits::max_batch_items; ///< limits.batch_keys

  /// limits.message_bytes: keys and values of a request or an answer.
  std::uint64_t message_bytes = limits::max_message_bytes;

  /// Longest value that one message carries.
  [[nodiscard]] std::uint64_t value_bytes() const noexcept {
    return std::min<std::uint64_t>(message_bytes,
                                   limits::max_message_value_bytes);
  }
};

/// ok; `value_size` for a message that is too long, `too_many` for a batch of
/// too many keys.
[[nodiscard]] expected<void> check(const request& what,
                                   const message_limits& most);
[[nodiscard]] expected<void> check(const batch_request& what,
                                   const message_limits& most);

/// ok, or why a request must be refused before anything is done: `bad_argument`
/// (enumeration, deadline), `bad_key`, `key_size`, `value_size`,
/// `bad_namespace`, `bad_ttl`.
[[nodiscard]] errc check(const request& what);
[[nodiscard]] errc check(const batch_request& what);
[[nodiscard]] errc check(const scan_request& what);
[[nodiscard]] errc check(const watch_request& what);
[[nodiscard]] errc check(const space_request& what);

/// The same for one item of a batch whose operation is `op`.
[[nodiscard]] errc check_item(operation op, const batch_item& item);

/// Replaces codes that no errc has by `protocol`.
void settle(reply& answer);
void settle(batch_reply& answer);
void settle(scan_page& answer);

/// Bytes that the body of a message takes, without its envelope.
[[nodiscard]] std::size_t body_bytes(const request& what);
[[nodiscard]] std::size_t body_bytes(const batch_request& what);

} // namespace neuroplex::actors
