// The tour: a cluster of three processes, real data, a crash, and the proof.
//
// Purpose: shows what Neuroplex does and fails loudly when it does not. It
// reads WordNet, starts nodes as processes, loads everything by messages, reads
// everything back (from another process straight out of the segments, and by
// messages from nodes that do not own the keys), compares every byte, kills a
// node, shows what the others still serve, starts it again, compares again, has
// three nodes agree and kills the one that leads, cuts a node with replicas off
// and lets all converge, teaches a concept memory in bursts while it asks it
// for paths, and answers the figures.
//
// Ownership and threads: owns nodes and scratch directory for the time of the
// run; main thread only.
//
// Invariants:
//  1. However the run ends, all processes it started are gone and so are its
//     files, but for SIGKILL: then the processes go at once and the files with
//     the next run.
//  2. Figures are answered only when not one byte differed.
//
// Failure behaviour: `corrupt` when something differs, `deadline` when it was
// interrupted, else the code of what failed.
#pragma once

#include "cli/cluster/local_cluster.hpp"
#include "cli/cluster/scratch_directory.hpp"
#include "cli/terminal/progress.hpp"
#include "cli/tour/corpus.hpp"
#include "cli/tour/message_door.hpp"
#include "cli/tour/report.hpp"

#include <functional>
#include <optional>
#include <ostream>

namespace neuroplex::cli {

/// Namespace that the tour loads WordNet into.
inline constexpr std::string_view tour_namespace = "wordnet";

/// Nodes of every cluster that the tour starts.
inline constexpr std::uint32_t tour_node_count = 3;

/// How long nodes with little to keep may take to stop.
inline constexpr std::chrono::milliseconds small_stop_grace{30'000};

/// Keys that one request of the tour asks for.
inline constexpr std::size_t keys_per_call = 8'192;

struct tour_options {
  /// Where data.noun and its kin are.
  std::string wordnet_directory;

  /// The `neuroplex` program that nodes and the comparing process run.
  std::string program;

  /// Existing directory for the nodes' segments, settings and logs; empty:
  /// shared memory, or where temporary files go.
  std::string directory;

  /// Size of each node's segment.
  std::uint64_t segment_bytes = std::uint64_t{64} << 20;

  /// Name of the step after which to wait for a line on standard input: start,
  /// load, verify, measure, kill, restart, agree, part or learn. Empty: no
  /// pause.
  std::string pause_after;

  /// Leave segments, settings and logs behind for a look.
  bool keep_files = false;
};

class tour {
public:
  /// Tells people on `out`; both must outlive the tour.
  tour(const tour_options& options, std::ostream& out,
       const terminal_traits& terminal);

  expected<tour_report> run();

private:
  using step_function = expected<void> (tour::*)();

  expected<void> read_input();
  expected<void> start_cluster();
  expected<void> load();
  expected<void> verify();
  expected<void> measure();
  expected<void> kill_one();
  expected<void> restart_it();
  expected<void> agree();
  expected<void> part();
  expected<void> learn_concepts();

  expected<void> run_step(std::string_view name, step_function step);
  expected<void> pause(std::string_view step);

  expected<void> compare_from_another_process();
  expected<void> compare_by_messages();
  expected<void> compare_through(std::size_t door_index,
                                 const std::vector<std::size_t>& indexes,
                                 progress& bar, std::uint64_t& done);
  expected<void> learn_owners();
  expected<void> measure_segments();
  expected<void> measure_messages();
  expected<void> survey_outage(std::size_t survivor);
  expected<std::chrono::milliseconds>
  wait_for_answer(std::size_t through, errc wanted,
                  std::chrono::steady_clock::time_point since);

  expected<void> write_agreed(message_door& through, std::size_t count);
  expected<void> check_agreed(message_door& through);
  expected<std::uint32_t> wait_for_leader(message_door& through);

  expected<void> start_small_cluster(std::string name,
                                     config::namespace_options space,
                                     std::uint32_t may_be_cut_off);
  expected<void>
  at_replica(std::size_t node_index,
             const std::function<expected<void>(message_door&)>& act);
  expected<std::uint64_t> bytes_between_replicas();
  expected<void> wait_for_replicas(std::uint64_t keys);
  expected<void> write_apart(std::vector<std::string>& names);
  expected<void> check_replica(message_door& door,
                               const std::vector<std::string>& names);

  [[nodiscard]] expected<std::unique_ptr<message_door>>
  open_door(std::size_t node_index, std::string_view space = tour_namespace);
  [[nodiscard]] std::string segment_path(std::size_t node_index);
  void tell(const std::string& line);

  const tour_options& options_;
  std::ostream& out_;
  terminal_traits terminal_;
  tour_report report_;
  corpus corpus_;
  std::vector<std::uint8_t> owners_; // node index of each entry of corpus_
  std::vector<std::vector<std::size_t>> owned_; // entry indexes of each node
  std::vector<std::string> agreed_keys_;        // each was acknowledged
  std::uint64_t agreed_writes_ = 0;             // that were tried
  std::optional<scratch_directory> scratch_;
  std::optional<scratch_directory> disk_; // of what is agreed on
  std::optional<local_cluster> cluster_;  // last: gone before its directories
};

} // namespace neuroplex::cli
