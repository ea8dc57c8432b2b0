// The part of the tour in which a node with replicas is cut off, all go on
// writing, and all converge once it is back.
#include "cli/terminal/interrupt.hpp"
#include "cli/terminal/units.hpp"
#include "cli/tour/tour.hpp"

#include "config/diagnostic.hpp"

#include <thread>

namespace neuroplex::cli {

namespace {

constexpr const char* replicated_space = "notes";
const std::string counter_key = "visits";
constexpr std::size_t entries_before = 5'000;
constexpr std::size_t entries_apart = 100;   // on each side
constexpr std::int64_t counted_apart = 20;   // on each side
constexpr std::size_t filled_to_bytes = 100; // of a value
constexpr std::chrono::milliseconds converge_timeout{60'000};
constexpr std::chrono::milliseconds look_pause{2};
constexpr std::uint32_t cut_off_id = tour_node_count;
constexpr std::size_t cut_off_index = cut_off_id - 1;

std::vector<std::string> note_names(const std::string& side,
                                    std::size_t count) {
  std::vector<std::string> result;
  for (std::size_t i = 0; i < count; ++i)
    result.push_back("note-" + side + '-' + std::to_string(i));
  return result;
}

std::string note_of(const std::string& name) {
  auto note = "what was noted in " + name;
  note.resize(filled_to_bytes, '.');
  return note;
}

failure interrupted_apart() {
  return {errc::deadline, "interrupted while a node was cut off"};
}

// Writes notes, and counts.
expected<void> write_notes(message_door& through,
                           const std::vector<std::string>& names,
                           std::int64_t counted) {
  std::vector<std::string> notes;
  notes.reserve(names.size());
  for (const auto& name : names)
    notes.push_back(note_of(name));
  std::vector<memory::set_request> entries;
  for (std::size_t i = 0; i < names.size(); ++i)
    entries.push_back({names[i], notes[i]});
  if (auto sent = through.set_many(entries); !sent)
    return sent;
  for (const auto& one : entries)
    if (one.status != errc::ok)
      return failure{one.status, config::quote(one.key)
                                   + " is not taken by a node with replicas"};
  for (std::int64_t i = 0; i < counted; ++i)
    if (auto code = through.add(counter_key, 1); code != errc::ok)
      return failure{code, "a node with replicas does not count"};
  return {};
}

// Until a node has so many keys and, if that is asked for, all others have what
// was written there.
expected<void> wait_for_notes(message_door& at, std::uint64_t keys,
                              bool told_all) {
  const auto deadline = std::chrono::steady_clock::now() + converge_timeout;
  while (!interrupt_guard::requested()) {
    auto view = at.replica();
    if (!view)
      return view.error();
    if (view->keys == keys && (view->told_all || !told_all))
      return {};
    if (std::chrono::steady_clock::now() > deadline)
      return failure{errc::deadline,
                     "a node with replicas has " + human_count(view->keys)
                       + " of " + human_count(keys)
                       + " keys, and the nodes do not converge"};
    std::this_thread::sleep_for(look_pause);
  }
  return interrupted_apart();
}

// Every note must be there, and everything that was counted.
expected<void> check_notes(message_door& at,
                           const std::vector<std::string>& names,
                           std::int64_t counted) {
  std::vector<memory::get_request> wanted;
  wanted.reserve(names.size() + 1);
  for (const auto& name : names)
    wanted.push_back({name, {}, errc::internal});
  wanted.push_back({counter_key, {}, errc::internal});
  if (auto asked = at.get_many(wanted); !asked)
    return asked;
  for (const auto& one : wanted) {
    const auto right = one.key == counter_key ? std::to_string(counted)
                                              : note_of(std::string{one.key});
    if (one.status != errc::ok || one.value != right)
      return failure{errc::corrupt,
                     config::quote(one.key)
                       + " was written while a node was cut off, and is lost: "
                         "a node answers "
                       + std::string{code_name(one.status)} + ' ' + one.value};
  }
  return {};
}

} // namespace

expected<void>
tour::at_replica(std::size_t node_index,
                 const std::function<expected<void>(message_door&)>& act) {
  auto door = open_door(node_index, replicated_space);
  return door ? act(**door) : door.error();
}

// What the replicas of all nodes have sent so far.
expected<std::uint64_t> tour::bytes_between_replicas() {
  std::uint64_t result = 0;
  for (std::size_t i = 0; i < tour_node_count; ++i)
    if (auto seen = at_replica(i,
                               [&](message_door& door) -> expected<void> {
                                 auto view = door.replica();
                                 if (!view)
                                   return view.error();
                                 result += view->bytes_sent;
                                 return {};
                               });
        !seen)
      return seen.error();
  return result;
}

// Until all nodes have so many keys, and have told each other so.
expected<void> tour::wait_for_replicas(std::uint64_t keys) {
  for (std::size_t i = tour_node_count; i-- > 0;)
    if (auto there = at_replica(i,
                                [keys](message_door& door) {
                                  return wait_for_notes(door, keys, true);
                                });
        !there)
      return there;
  return {};
}

// One node is cut off, and both sides write; neither has what the other wrote.
expected<void> tour::write_apart(std::vector<std::string>& names) {
  cluster_->cut_off();
  const auto here = note_names("here", entries_apart);
  const auto there = note_names("there", entries_apart);
  const auto keys_on_a_side = names.size() + entries_apart + 1;
  auto done = at_replica(0, [&](message_door& door) {
    return write_notes(door, here, counted_apart);
  });
  if (done)
    done = at_replica(cut_off_index, [&](message_door& door) {
      return write_notes(door, there, counted_apart);
    });
  for (std::size_t i = 0; i < tour_node_count && done; ++i)
    done = at_replica(i, [&](message_door& door) {
      return wait_for_notes(door, keys_on_a_side, false);
    });
  names.insert(names.end(), here.begin(), here.end());
  names.insert(names.end(), there.begin(), there.end());
  return done;
}

expected<void> tour::check_replica(message_door& door,
                                   const std::vector<std::string>& names) {
  if (auto whole = check_notes(door, names, 1 + 2 * counted_apart); !whole)
    return whole;
  auto differing = door.differing_keys();
  if (!differing)
    return differing.error();
  if (*differing != 0)
    return failure{errc::corrupt, human_count(*differing)
                                    + " keys differ between nodes that have "
                                      "told each other all"};
  auto view = door.replica();
  if (!view)
    return view.error();
  report_.partition.state_bytes = view->fact_bytes;
  return {};
}

expected<void> tour::part() {
  config::namespace_options space;
  space.name = replicated_space;
  space.consistency = config::consistency_level::eventual;
  auto done =
    start_small_cluster("tour-replicas", std::move(space), cut_off_id);
  auto names = note_names("before", entries_before);
  if (done)
    done = at_replica(
      0, [&](message_door& door) { return write_notes(door, names, 1); });
  if (done)
    done = wait_for_replicas(names.size() + 1);
  if (done)
    done = write_apart(names);
  if (!done)
    return done;
  auto before = bytes_between_replicas();
  if (!before)
    return before.error();

  const auto healed = std::chrono::steady_clock::now();
  cluster_->reconnect();
  if (done = wait_for_replicas(names.size() + 1); !done)
    return done;
  const auto took = std::chrono::steady_clock::now() - healed;
  auto after = bytes_between_replicas();
  if (!after)
    return after.error();
  for (std::size_t i = 0; i < tour_node_count; ++i)
    if (done = at_replica(
          i, [&](message_door& door) { return check_replica(door, names); });
        !done)
      return done;
  auto& figures = report_.partition;
  figures.replica_id = cut_off_id;
  figures.entries = names.size() + 1;
  figures.written_apart = 2 * (entries_apart + counted_apart);
  figures.converged_ms = static_cast<std::uint64_t>(
    std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
  figures.bytes_sent = *after - *before;
  tell("three nodes have replicas: cut node " + std::to_string(cut_off_id)
       + " off, and both sides write, "
       + human_count(figures.written_apart, "change", "changes"));
  tell("  heal: all have all " + human_duration(took) + " later, for "
       + human_bytes(figures.bytes_sent) + "; the whole state has "
       + human_bytes(figures.state_bytes));
  return cluster_->stop(small_stop_grace);
}

} // namespace neuroplex::cli
