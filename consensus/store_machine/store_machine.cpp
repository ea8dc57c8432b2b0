#include "consensus/store_machine/store_machine.hpp"

#include "consensus/wire.hpp"

#include <algorithm>
#include <limits>

namespace neuroplex::store_machine {

namespace {

constexpr std::uint8_t snapshot_version = 1;

// Share of the pool beyond which a leader takes nothing that grows. What is
// under way by then must still fit, on replicas that are filled a bit more too.
constexpr double nearly_full = 0.85;

// Values that are noted as changes of one entry. All that are set by it fit;
// appends by the thousand to a long value do not.
constexpr std::size_t max_noted_bytes = 2 * limits::max_batch_bytes;

// Entries of a namespace that are looked at in one go.
constexpr std::size_t scan_step = 4'096;

// An answer that depends on the state and the operation alone, and so is the
// same on every replica. Anything else is this machine's own trouble.
bool is_same_everywhere(errc code) noexcept {
  switch (code) {
    case errc::ok:
    case errc::not_found:
    case errc::exists:
    case errc::mismatch:
    case errc::not_integer:
    case errc::overflow:
    case errc::bad_key:
    case errc::key_size:
    case errc::bad_ttl:
    case errc::bad_namespace:
    case errc::bad_argument:
      return true;
    default:
      return false;
  }
}

failure cannot_apply(errc code, std::string_view what) {
  return {code, "replicated store: " + std::string{what}
                  + " was agreed on and cannot be done here: "
                  + std::string{describe(code)}};
}

failure corrupt_snapshot() {
  return {errc::corrupt, "replicated store: not a snapshot of one"};
}

// The moment a lifetime ends, in log time; `bad_ttl` beyond what can be told.
expected<std::int64_t> expiry_after(std::int64_t now_ms, std::int64_t ttl_ms) {
  if (ttl_ms <= 0 || now_ms > std::numeric_limits<std::int64_t>::max() - ttl_ms)
    return errc::bad_ttl;
  return now_ms + ttl_ms;
}

} // namespace

machine::machine(memory::store& store, const machine_options& options)
  : store_{store}, holds_{options.holds},
    notes_changes_{options.notes_changes}, suffix_{options.suffix},
    fixed_spaces_{options.fixed_spaces}, sessions_{options.max_sessions,
                                                   options.session_window} {
}

expected<memory::namespace_id> machine::space_of(std::string_view name) {
  if (const auto* known = known_space(name))
    return *known;
  if (fixed_spaces_ && begun_)
    return errc::bad_namespace;
  auto made = store_.open_namespace(std::string{name} + suffix_);
  if (made)
    spaces_.emplace(name, *made);
  return made;
}

const memory::namespace_id* machine::known_space(std::string_view name) const {
  auto found = spaces_.find(name);
  return found == spaces_.end() ? nullptr : &found->second;
}

expected<void> machine::begin(const std::vector<std::string>& spaces) {
  for (const auto& name : spaces)
    if (auto made = space_of(name); !made)
      return made.error();
  untouched_ = true;
  begun_ = true;
  return {};
}

expected<void> machine::empty(memory::store& store,
                              const std::vector<std::string>& spaces) {
  for (const auto& name : spaces) {
    auto space = store.open_namespace(name);
    if (!space)
      return space.error();
    std::uint64_t removed = 0;
    if (auto code = store.clear(*space, removed); code != errc::ok)
      return cannot_apply(code, "emptying namespace \"" + name + "\"");
  }
  return {};
}

expected<void> machine::clear() {
  for (const auto& [name, space] : spaces_) {
    if (untouched_)
      break;
    auto code = errc::ok;
    if (!holds_) {
      std::uint64_t removed = 0;
      code = store_.clear(space, removed);
    } else {
      auto entries = entries_of(name, space, false);
      if (!entries)
        return entries.error();
      for (const auto& [key, value] : *entries)
        if (code == errc::ok || code == errc::not_found)
          code = store_.erase(space, key);
      if (code == errc::not_found)
        code = errc::ok;
    }
    if (code != errc::ok)
      return cannot_apply(code, "emptying namespace \"" + name + "\"");
  }
  expiries_.clear();
  by_expiry_.clear();
  return {};
}

std::int64_t machine::expiry_of(const place& where) const {
  auto found = expiries_.find(where);
  return found == expiries_.end() ? 0 : found->second;
}

void machine::set_expiry(const place& where, std::int64_t expires_at_ms) {
  if (auto found = expiries_.find(where); found != expiries_.end()) {
    by_expiry_.erase({found->second, where});
    expiries_.erase(found);
  }
  if (expires_at_ms != 0) {
    expiries_.emplace(where, expires_at_ms);
    by_expiry_.emplace(expires_at_ms, where);
  }
}

expected<void> machine::expire_due() {
  while (!by_expiry_.empty() && by_expiry_.begin()->first <= time_ms_) {
    auto where = by_expiry_.begin()->second;
    auto code = store_.erase(where.first, where.second);
    if (code != errc::ok && code != errc::not_found)
      return cannot_apply(code, "an expiry");
    if (notes_changes_) {
      auto named =
        std::find_if(spaces_.begin(), spaces_.end(), [&](const auto& one) {
          return one.second == where.first;
        });
      changes_.push_back({.kind = change_kind::expire,
                          .space = named->first,
                          .key = where.second});
    }
    set_expiry(where, 0);
  }
  return {};
}

expected<std::vector<command_answer>> machine::apply(raft::log_index index,
                                                     std::string_view bytes) {
  auto decoded = decode_entry(bytes);
  if (!decoded)
    return decoded.error();
  if (auto passed = pass_time(decoded->time_ms); !passed)
    return passed.error();
  std::vector<command_answer> answers;
  answers.reserve(decoded->commands.size());
  for (const auto& one : decoded->commands) {
    if (one.kind == command_kind::open_session) {
      answers.push_back({.session = sessions_.open(index)});
    } else if (one.kind == command_kind::close_session) {
      auto known = sessions_.close(one.session);
      answers.push_back({.verdict = known ? raft::session_verdict::execute
                                          : raft::session_verdict::unknown,
                         .session = one.session});
    } else {
      auto answer = execute(one);
      if (!answer)
        return answer.error();
      answers.push_back(std::move(*answer));
    }
  }
  return answers;
}

expected<std::string> machine::apply_once(std::int64_t time_ms,
                                          std::string_view batch) {
  if (auto passed = pass_time(time_ms); !passed)
    return passed.error();
  return execute_batch(batch);
}

expected<void> machine::pass_time(std::int64_t time_ms) {
  untouched_ = false;
  changes_.clear();
  noted_bytes_ = 0;
  time_ms_ = std::max(time_ms_, time_ms);
  return expire_due();
}

expected<command_answer> machine::execute(const command& what) {
  command_answer answer;
  auto seen = sessions_.begin(what.session, what.sequence, what.acknowledged);
  answer.verdict = seen.verdict;
  answer.session = what.session;
  if (seen.verdict == raft::session_verdict::repeated)
    answer.bytes = seen.answer;
  if (seen.verdict != raft::session_verdict::execute)
    return answer;
  auto results = execute_batch(what.batch);
  if (!results)
    return results.error();
  answer.bytes = std::move(*results);
  sessions_.remember(what.session, what.sequence, answer.bytes);
  return answer;
}

expected<std::string> machine::execute_batch(std::string_view batch) {
  std::vector<result> results;
  auto operations = decode_batch(batch);
  if (operations) {
    results.reserve(operations->size());
    for (const auto& one : *operations) {
      auto done = execute(one);
      if (!done)
        return done.error();
      results.push_back(std::move(*done));
    }
  } else {
    // No leader of ours lets it into the log, and all replicas see the same.
    results.push_back({.status = operations.code()});
  }
  return encode_answer(results);
}

bool machine::has_room_for(std::string_view batch) const {
  if (store_.pressure() < nearly_full)
    return true;
  auto operations = decode_batch(batch);
  return !operations
         || std::none_of(operations->begin(), operations->end(),
                         [](const auto& one) { return may_grow(one.kind); });
}

expected<result> machine::execute(const operation& what) {
  auto space = space_of(what.space);
  if (!space) {
    if (!is_same_everywhere(space.code()))
      return cannot_apply(space.code(), "a namespace");
    return result{.status = space.code()};
  }
  if (what.value.size() > limits::max_value_bytes)
    return result{.status = errc::value_size};
  // Of no client of ours: keys of other machines are theirs.
  if (!holds(what.key))
    return result{.status = errc::bad_argument};
  result done;
  const place where{*space, std::string{what.key}};
  auto& status = done.status;
  auto keeps = what.keep_ttl;
  std::int64_t expires_at_ms = 0;
  auto stores = true; // leaves an entry whose expiry is to be set
  if (what.ttl_ms != 0 || what.kind == operation_kind::expire) {
    auto end = expiry_after(time_ms_, what.ttl_ms);
    if (!end)
      return result{.status = end.code()};
    expires_at_ms = *end;
  }
  switch (what.kind) {
    case operation_kind::get:
      status = store_.get(*space, what.key, done.value);
      done.found = status == errc::ok;
      done.expires_at_ms = expiry_of(where);
      stores = false;
      break;
    case operation_kind::set:
      status = store_.set(*space, what.key, what.value);
      break;
    case operation_kind::set_if_absent:
      status = store_.set_if_absent(*space, what.key, what.value);
      break;
    case operation_kind::set_if_present:
      status = store_.set_if_present(*space, what.key, what.value);
      break;
    case operation_kind::exchange:
      status =
        store_.exchange(*space, what.key, what.value, done.value, done.found);
      break;
    case operation_kind::compare_and_swap:
      status = store_.compare_and_swap(*space, what.key, what.expected,
                                       what.value, &done.value);
      break;
    case operation_kind::increment:
      status = store_.increment(*space, what.key, what.delta, done.number);
      keeps = true;
      break;
    case operation_kind::append: {
      memory::entry_info present;
      std::size_t bytes = 0;
      if (store_.info(*space, what.key, present) == errc::ok
          && present.value_bytes + what.value.size() > limits::max_value_bytes)
        return result{.status = errc::value_size};
      status = store_.append(*space, what.key, what.value, bytes);
      done.number = static_cast<std::int64_t>(bytes);
      keeps = true;
      break;
    }
    case operation_kind::erase:
      status = store_.erase(*space, what.key);
      break;
    case operation_kind::take:
      status = store_.take(*space, what.key, done.value);
      done.found = status == errc::ok;
      break;
    case operation_kind::expire:
      status = store_.contains(*space, what.key) ? errc::ok : errc::not_found;
      break;
    case operation_kind::persist:
      if (!store_.contains(*space, what.key))
        status = errc::not_found;
      else if (expiry_of(where) == 0)
        status = errc::mismatch;
      break;
  }
  if (!is_same_everywhere(status))
    return cannot_apply(status, "an operation");
  if (status == errc::ok && stores && !keeps)
    set_expiry(where, expires_at_ms);
  if (status == errc::ok && notes_changes_)
    if (auto noted = note_change(what, *space); !noted)
      return noted.error();
  return done;
}

// Only for what was carried out.
expected<void> machine::note_change(const operation& what,
                                    memory::namespace_id space) {
  change one{.space = std::string{what.space}, .key = std::string{what.key}};
  switch (what.kind) {
    case operation_kind::get:
    case operation_kind::expire:
    case operation_kind::persist:
      return {};
    case operation_kind::erase:
    case operation_kind::take:
      one.kind = change_kind::erase;
      break;
    case operation_kind::increment:
    case operation_kind::append:
      if (auto code = store_.get(space, what.key, one.value); code != errc::ok)
        return cannot_apply(code, "an operation");
      break;
    default:
      one.value = what.value;
      break;
  }
  if (noted_bytes_ + one.value.size() > max_noted_bytes) {
    one.value_omitted = true;
    one.value.clear();
  }
  noted_bytes_ += one.value.size();
  changes_.push_back(std::move(one));
  return {};
}

expected<std::vector<result>>
machine::read(const std::vector<operation>& operations) const {
  std::vector<result> results(operations.size());
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const auto& one = operations[i];
    if (changes(one.kind))
      return failure{errc::bad_argument,
                     "replicated store: a read that would change an entry"};
    auto& done = results[i];
    const auto* space = known_space(one.space);
    if (space == nullptr) {
      done.status = errc::not_found;
      continue;
    }
    done.status = store_.get(*space, one.key, done.value);
    done.found = done.status == errc::ok;
    if (done.found && !expiries_.empty())
      done.expires_at_ms = expiry_of({*space, std::string{one.key}});
  }
  return results;
}

// -- snapshots ----------------------------------------------------------------

expected<std::map<std::string, std::string>>
machine::entries_of(std::string_view name, memory::namespace_id space,
                    bool with_values) const {
  // A scan may show an entry twice, and in any order.
  std::map<std::string, std::string> entries;
  memory::scan_cursor cursor;
  do {
    auto code = store_.scan(
      space, cursor, scan_step,
      [&](const memory::scan_entry& shown) {
        if (holds(shown.key))
          entries.emplace(shown.key, shown.value);
      },
      with_values);
    if (code != errc::ok)
      return failure{code,
                     "replicated store: namespace \"" + std::string{name}
                       + "\" cannot be read: " + std::string{describe(code)}};
  } while (!cursor.done());
  return entries;
}

expected<std::string> machine::save() const {
  std::string bytes;
  wire_writer out{bytes};
  out.put(snapshot_version);
  out.put(static_cast<std::uint64_t>(time_ms_));
  std::string sessions;
  sessions_.save(sessions);
  out.put(static_cast<std::uint64_t>(sessions.size()));
  bytes += sessions;
  out.put(static_cast<std::uint32_t>(spaces_.size()));
  for (const auto& [name, space] : spaces_) {
    auto entries = entries_of(name, space, true);
    if (!entries)
      return entries.error();
    out.put_bytes(name);
    out.put(static_cast<std::uint64_t>(entries->size()));
    for (const auto& [key, value] : *entries) {
      out.put_bytes(key);
      out.put_bytes(value);
      out.put(static_cast<std::uint64_t>(expiry_of({space, key})));
    }
  }
  return bytes;
}

expected<void> machine::restore(std::string_view bytes) {
  struct saved_entry {
    std::string_view space, key, value;
    std::int64_t expires_at_ms;
  };
  wire_reader in{bytes};
  auto version = in.take<std::uint8_t>();
  auto time_ms = static_cast<std::int64_t>(in.take<std::uint64_t>());
  auto sessions = raft::session_table::load(
    in.take_exactly(static_cast<std::size_t>(in.take<std::uint64_t>())));
  if (version != snapshot_version || !sessions)
    return corrupt_snapshot();
  auto space_count = in.take<std::uint32_t>();
  std::vector<std::string_view> names;
  std::vector<saved_entry> entries;
  for (std::uint32_t i = 0; i < space_count && !in.failed(); ++i) {
    names.push_back(in.take_bytes(limits::max_batch_bytes));
    auto count = in.take<std::uint64_t>();
    for (std::uint64_t k = 0; k < count && !in.failed(); ++k) {
      auto key = in.take_bytes(limits::max_batch_bytes);
      auto value = in.take_bytes(std::numeric_limits<std::uint32_t>::max());
      entries.push_back({names.back(), key, value,
                         static_cast<std::int64_t>(in.take<std::uint64_t>())});
    }
  }
  if (!in.complete())
    return corrupt_snapshot();
  for (auto name : names)
    if (auto made = space_of(name); !made)
      return made.error();
  if (auto cleared = clear(); !cleared)
    return cleared;
  untouched_ = false;
  for (const auto& one : entries) {
    auto space = *known_space(one.space);
    if (auto code = store_.set(space, one.key, one.value); code != errc::ok)
      return cannot_apply(code, "an entry of a snapshot");
    set_expiry({space, std::string{one.key}}, one.expires_at_ms);
  }
  time_ms_ = time_ms;
  sessions_ = std::move(*sessions);
  return {};
}

} // namespace neuroplex::store_machine
