#include "actors/shard_core.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::actors {

namespace {

// Counters are for people: order between them does not matter.
void count(std::atomic<std::uint64_t>& counter, std::uint64_t more = 1) {
  counter.fetch_add(more, std::memory_order_relaxed);
}

std::uint64_t read(const std::atomic<std::uint64_t>& counter) {
  return counter.load(std::memory_order_relaxed);
}

// The id of a namespace; made for writes that may create entries.
expected<memory::namespace_id> resolve(memory::store& store,
                                       const std::string& space, operation op) {
  if (space == "default")
    return memory::namespace_id::default_namespace;
  switch (op) {
    case operation::set:
    case operation::set_if_absent:
    case operation::exchange:
    case operation::increment:
    case operation::append:
      return store.open_namespace(space);
    default:
      return store.find_namespace(space);
  }
}

errc deadline_of(const request_header& header, std::int64_t now_ms) {
  if (header.deadline_ms < now_ms)
    return errc::deadline;
  if (header.deadline_ms > now_ms + limits::max_deadline_ms)
    return errc::bad_argument;
  return errc::ok;
}

void describe_entry(reply& answer, const memory::entry_info& info) {
  answer.version = static_cast<std::uint64_t>(info.version);
  answer.expires_at_ms = info.expires_at_ms;
  answer.number = info.value_bytes;
}

// Values above the limit of the message plane stay in the segment.
bool refuse_large(errc& status, std::string& value,
                  const message_limits& most) {
  if (status != errc::ok || value.size() <= most.value_bytes())
    return false;
  status = errc::value_size;
  value = {};
  return true;
}

std::string reason_for_large(std::int64_t value_bytes,
                             const message_limits& most) {
  return "limits.message_bytes: a value of " + std::to_string(value_bytes)
         + " bytes: an answer of the node takes "
         + std::to_string(most.value_bytes()) + ": read it from the segment";
}

} // namespace

shard_core::shard_core(memory::store& store, placement::placement_ptr table,
                       placement::shard_index shard, const message_limits& most)
  : store_{store}, table_{std::move(table)}, shard_{shard}, most_{most} {
}

shard_core::shard_core(memory::store& store, const message_limits& most)
  : store_{store}, most_{most} {
}

bool shard_core::owns(std::string_view key) const {
  return table_ == nullptr || table_->shard_of(key) == shard_;
}

errc shard_core::admit(const request_header& header, errc checked,
                       std::int64_t now_ms) {
  if (checked == errc::ok)
    checked = deadline_of(header, now_ms);
  if (checked == errc::deadline)
    count(counters_.late);
  else if (checked == errc::ok && table_ != nullptr && header.epoch != 0
           && header.epoch != table_->epoch())
    checked = errc::conflict;
  if (checked != errc::ok && checked != errc::deadline)
    count(counters_.refused);
  return checked;
}

template <class Answer, class Request, class Perform>
Answer shard_core::once(const Request& what, std::int64_t now_ms,
                        Perform perform) {
  if (!changes(what.op) || what.header.id.client == 0)
    return perform();
  auto fingerprint = body_fingerprint(what);
  auto found = remembered_.find(what.header.id, fingerprint, now_ms);
  Answer answer;
  switch (found.what) {
    case dedup_table::verdict::fresh:
      answer = perform();
      remembered_.remember(what.header, fingerprint, answer, now_ms);
      counters_.remembered.store(remembered_.size(), std::memory_order_relaxed);
      return answer;
    case dedup_table::verdict::repeat:
      if (auto* recorded = std::get_if<Answer>(found.recorded)) {
        count(counters_.repeats);
        return *recorded;
      }
      [[fallthrough]];
    case dedup_table::verdict::conflict:
      count(counters_.conflicts);
      answer.status = errc::conflict;
      return answer;
    case dedup_table::verdict::forgotten:
      answer.status = errc::unknown_outcome;
      return answer;
    case dedup_table::verdict::full:
      answer.status = errc::busy;
      return answer;
  }
  return answer;
}

reply shard_core::apply(const request& what, std::int64_t now_ms) {
  count(counters_.requests);
  reply answer;
  answer.status = admit(what.header, check(what), now_ms);
  if (answer.status == errc::ok && !owns(what.key)) {
    answer.status = errc::conflict;
    count(counters_.refused);
  }
  if (answer.status != errc::ok)
    return answer;
  return once<reply>(what, now_ms, [&] { return perform(what); });
}

batch_reply shard_core::apply(const batch_request& what, std::int64_t now_ms) {
  count(counters_.batches);
  count(counters_.batch_items, what.items.size());
  batch_reply answer;
  answer.status = admit(what.header, check(what), now_ms);
  if (answer.status != errc::ok)
    return answer;
  return once<batch_reply>(what, now_ms, [&] { return perform(what); });
}

reply shard_core::perform(const request& what) {
  reply answer;
  auto resolved = resolve(store_, what.space, what.op);
  if (!resolved) {
    answer.status = resolved.code();
    return answer;
  }
  auto space = *resolved;
  auto options = memory::set_options{what.ttl_ms, what.keep_ttl};
  memory::entry_info info;
  std::size_t bytes = 0;
  switch (what.op) {
    case operation::get:
      answer.status = store_.get(space, what.key, answer.value, &info);
      describe_entry(answer, info);
      if (refuse_large(answer.status, answer.value, most_))
        answer.value = reason_for_large(answer.number, most_);
      break;
    case operation::info:
      answer.status = store_.info(space, what.key, info);
      describe_entry(answer, info);
      break;
    case operation::set:
      answer.status = store_.set(space, what.key, what.value, options);
      break;
    case operation::set_if_absent:
      answer.status =
        store_.set_if_absent(space, what.key, what.value, options);
      break;
    case operation::set_if_present:
      answer.status =
        store_.set_if_present(space, what.key, what.value, options);
      break;
    case operation::exchange:
      answer.status = store_.exchange(space, what.key, what.value, answer.value,
                                      answer.found, options);
      break;
    case operation::compare_and_swap:
      if (what.version != 0) {
        auto actual = memory::version_token{};
        answer.status = store_.compare_and_swap(
          space, what.key, memory::version_token{what.version}, what.value,
          &actual, options);
        answer.version = static_cast<std::uint64_t>(actual);
      } else {
        answer.status = store_.compare_and_swap(
          space, what.key, what.expected, what.value, &answer.value, options);
      }
      break;
    case operation::increment:
      answer.status =
        store_.increment(space, what.key, what.delta, answer.number);
      break;
    case operation::append:
      answer.status = store_.append(space, what.key, what.value, bytes);
      answer.number = static_cast<std::int64_t>(bytes);
      break;
    case operation::erase:
      answer.status = store_.erase(space, what.key);
      break;
    case operation::take:
      answer.status = store_.take(space, what.key, answer.value);
      break;
    case operation::expire:
      answer.status = store_.expire(space, what.key, what.ttl_ms);
      break;
    case operation::persist:
      answer.status = store_.persist(space, what.key);
      break;
  }
  return answer;
}

batch_reply shard_core::perform(const batch_request& what) {
  batch_reply answer;
  answer.answers.resize(what.items.size());
  auto space = resolve(store_, what.space, what.op);
  if (!space) {
    for (auto& item : answer.answers)
      item.status = space.code();
    return answer;
  }
  for (std::size_t i = 0; i < what.items.size(); ++i) {
    auto& status = answer.answers[i].status;
    status = check_item(what.op, what.items[i]);
    if (status == errc::ok && !owns(what.items[i].key))
      status = errc::conflict;
  }
  switch (what.op) {
    case operation::get:
      read_batch(what, *space, answer);
      break;
    case operation::set:
      write_batch(what, *space, answer);
      break;
    case operation::set_if_absent:
      for (std::size_t i = 0; i < what.items.size(); ++i)
        if (auto& item = what.items[i]; answer.answers[i].status == errc::ok)
          answer.answers[i].status = store_.set_if_absent(
            *space, item.key, item.value, {.ttl_ms = item.ttl_ms});
      break;
    default: // check() lets only erase through beside these
      for (std::size_t i = 0; i < what.items.size(); ++i)
        if (answer.answers[i].status == errc::ok)
          answer.answers[i].status = store_.erase(*space, what.items[i].key);
  }
  return answer;
}

void shard_core::read_batch(const batch_request& what,
                            memory::namespace_id space, batch_reply& answer) {
  std::vector<memory::get_request> gets;
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < what.items.size(); ++i)
    if (answer.answers[i].status == errc::ok) {
      gets.push_back({.key = what.items[i].key, .value = {}});
      positions.push_back(i);
    }
  static_cast<void>(store_.get_many(space, gets));
  auto budget = std::min({what.reply_budget_bytes, most_.message_bytes,
                          std::uint64_t{limits::max_batch_reply_bytes}});
  for (std::size_t i = 0; i < gets.size(); ++i) {
    auto& item = answer.answers[positions[i]];
    item.status = gets[i].status;
    refuse_large(item.status, gets[i].value, most_);
    if (item.status != errc::ok)
      continue;
    if (gets[i].value.size() > budget) {
      item.status = errc::busy;
      continue;
    }
    budget -= gets[i].value.size();
    item.value = std::move(gets[i].value);
  }
}

void shard_core::write_batch(const batch_request& what,
                             memory::namespace_id space, batch_reply& answer) {
  std::vector<memory::set_request> sets;
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < what.items.size(); ++i)
    if (answer.answers[i].status == errc::ok) {
      const auto& item = what.items[i];
      sets.push_back({.key = item.key,
                      .value = item.value,
                      .options = {.ttl_ms = item.ttl_ms}});
      positions.push_back(i);
    }
  static_cast<void>(store_.set_many(space, sets));
  for (std::size_t i = 0; i < sets.size(); ++i)
    answer.answers[positions[i]].status = sets[i].status;
}

shard_report shard_core::report() const {
  shard_report result;
  result.requests = read(counters_.requests);
  result.batches = read(counters_.batches);
  result.batch_items = read(counters_.batch_items);
  result.repeats = read(counters_.repeats);
  result.conflicts = read(counters_.conflicts);
  result.late = read(counters_.late);
  result.refused = read(counters_.refused);
  result.remembered = read(counters_.remembered);
  return result;
}

void accumulate(shard_report& sum, const shard_report& part) {
  sum.requests += part.requests;
  sum.batches += part.batches;
  sum.batch_items += part.batch_items;
  sum.repeats += part.repeats;
  sum.conflicts += part.conflicts;
  sum.late += part.late;
  sum.refused += part.refused;
  sum.remembered += part.remembered;
}

scan_page read_page(const memory::store& store, const scan_request& what,
                    std::int64_t now_ms, const message_limits& most) {
  scan_page page;
  page.member = what.from.member;
  page.next = {what.from.member + 1, 0};
  page.status = check(what);
  if (page.status == errc::ok)
    page.status = deadline_of(what.header, now_ms);
  if (page.status != errc::ok)
    return page;
  auto space = store.find_namespace(what.space);
  if (!space) {
    // A namespace that this segment has never seen holds nothing.
    if (space.code() != errc::not_found)
      page.status = space.code();
    return page;
  }
  auto budget =
    std::min<std::uint64_t>(limits::max_scan_page_bytes, most.message_bytes);
  auto take = [&budget](std::size_t bytes) {
    auto fits = bytes <= budget;
    budget -= fits ? bytes : 0;
    return fits;
  };
  auto full = false;
  auto show = [&](const memory::scan_entry& entry) {
    auto& shown = page.entries.emplace_back();
    shown.key = entry.key;
    shown.value_bytes = entry.info.value_bytes;
    shown.expires_at_ms = entry.info.expires_at_ms;
    full |= !take(entry.key.size());
    if (!what.with_values)
      return;
    shown.value_omitted = !take(entry.value.size());
    if (!shown.value_omitted)
      shown.value = entry.value;
  };
  auto cursor = memory::scan_cursor{what.from.cursor};
  do {
    auto step = std::min<std::size_t>(limits::scan_step_entries,
                                      what.entries - page.entries.size());
    page.status = store.scan(*space, cursor, step, show, what.with_values);
  } while (page.status == errc::ok && !cursor.done() && !full
           && page.entries.size() < what.entries);
  if (page.status == errc::ok && !cursor.done())
    page.next = {what.from.member, cursor.position};
  return page;
}

reply apply_to_space(memory::store& store, const space_request& what,
                     std::int64_t now_ms) {
  reply answer;
  answer.status = check(what);
  if (answer.status == errc::ok)
    answer.status = deadline_of(what.header, now_ms);
  if (answer.status != errc::ok)
    return answer;
  auto space = store.find_namespace(what.space);
  if (!space) {
    // A namespace that this segment has never seen holds nothing.
    if (space.code() != errc::not_found)
      answer.status = space.code();
    return answer;
  }
  std::uint64_t entries = 0;
  switch (what.op) {
    case space_operation::count:
      for (const auto& known : store.namespaces())
        if (known.id == *space)
          entries = known.entries;
      break;
    case space_operation::clear:
      answer.status = store.clear(*space, entries);
      break;
    case space_operation::drop:
      answer.status = store.drop_namespace(what.space).code();
      break;
  }
  answer.number = static_cast<std::int64_t>(entries);
  return answer;
}

segment_report report_of(const memory::store& store) {
  auto stats = store.stats();
  segment_report result;
  result.path = stats.path;
  result.segment_bytes = stats.segment_bytes;
  result.pool_bytes = stats.pool_bytes;
  result.pool_used_bytes = stats.pool_used_bytes;
  result.live_block_bytes = stats.live_block_bytes;
  result.entries = stats.entries;
  result.huge_page_bytes = store.huge_page_bytes();
  result.placement = store.memory_placement().text;
  result.participants = stats.participants;
  result.reads = stats.reads;
  result.hits = stats.hits;
  result.writes = stats.writes;
  result.expired = stats.expired;
  result.evicted = stats.evicted;
  result.recoveries = stats.recoveries;
  result.corrupt_reads = stats.corrupt_reads;
  result.damage = stats.damage;
  return result;
}

} // namespace neuroplex::actors
