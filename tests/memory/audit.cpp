#include "tests/memory/audit.hpp"

#include "memory/inline_store.hpp"

#include <algorithm>
#include <cstring>

namespace neuroplex::memory::testing {

namespace {

using state = layout::block_state;
using sync = native_sync;

constexpr std::size_t most_complaints = 8;

std::string of(const char* what, std::uint64_t number) {
  return std::string{what} + " " + std::to_string(number);
}

} // namespace

auditor::auditor(engine_type& engine)
  : engine_{engine}, arena_{engine.arena()},
    first_granule_{static_cast<std::uint32_t>(arena_.shape().pool_offset
                                              >> arena_.shape().granule_shift)},
    marks_(arena_.granules_with(layout::min_block_bytes), found::nothing) {
}

inventory auditor::look() {
  for (auto granule : marked_)
    marks_[granule] = found::nothing;
  marked_.clear();
  keys_.clear();
  contents_.clear();
  inventory result;
  look_at_pages(result);
  look_at_threads(result);
  look_at_index(result);
  look_at_tables(result);
  for (auto granule : marked_)
    if (marks_[granule] == found::held)
      complain(result, of("in no magazine: held block", granule));
    else if (marks_[granule] == found::retired)
      complain(result, of("on no list: retired block", granule));
    else if (marks_[granule] == found::live)
      complain(result, of("in no slot: live block", granule));
  look_at_contents(result);
  look_at_counters(result);
  return result;
}

void auditor::complain(inventory& result, std::string what) {
  if (result.wrong.size() < most_complaints)
    result.wrong.push_back(std::move(what));
}

bool auditor::lives(unsigned owner) const {
  return owner != 0 && owner <= arena_.shape().thread_count
         && arena_.thread(owner - 1).participant_plus_one.load() != 0;
}

void auditor::look_at_pages(inventory& result) {
  const auto& shape = arena_.shape();
  auto pages = arena_.committed_pages();
  for (std::uint32_t i = 0; i < pages;) {
    auto info = arena_.page(i).info.load();
    auto length = layout::page_length_of(info);
    auto size_class = layout::page_class_of(info);
    switch (layout::page_state_of(info)) {
      case layout::page_state::free:
        ++i;
        continue;
      case layout::page_state::span:
        if (size_class >= shape.classes.count()
            || length != shape.classes.pages_of(size_class)) {
          complain(result, of("of a length that its class has not: span", i));
          ++i;
          continue;
        }
        if (auto owner = layout::page_owner_of(info);
            owner != 0 && !lives(owner))
          complain(result, of("still owned by the dead: span", i));
        look_at_span(result, i, size_class);
        break;
      case layout::page_state::large:
        look_at_block(
          result, arena_.granule(arena_.page_address(i) + shape.granule_bytes),
          false);
        break;
      default:
        complain(result, of("lost: page", i));
        ++result.pages_in_use;
        ++i;
        continue;
    }
    for (std::uint32_t j = 1; j < length; ++j)
      if (i + j >= pages
          || arena_.page(i + j).info.load()
               != layout::make_page_info(layout::page_state::tail, 0, 0, j))
        complain(result, of("not the tail of its span: page", i + j));
    result.pages_in_use += length;
    i += std::max(length, 1U);
  }
}

void auditor::look_at_span(inventory& result, std::uint32_t page,
                           unsigned size_class) {
  const auto& classes = arena_.shape().classes;
  auto count = classes.blocks_of(size_class);
  std::uint32_t free = 0;
  for (std::uint32_t n = 0; n < count; ++n) {
    auto* address = arena_.page_address(page)
                    + classes.first_block_of(size_class)
                    + n * classes.bytes_of(size_class);
    auto* words =
      reinterpret_cast<std::atomic<std::uint64_t>*>(arena_.page_address(page));
    auto bit = count <= layout::bits_in_record
                 ? arena_.page(page).bits.load() >> n & 1U
                 : words[n / 64].load() >> (n % 64) & 1U;
    auto granule = arena_.granule(address);
    look_at_block(result, granule, true);
    if (marks_[granule] != found::free)
      continue;
    ++free;
    if (bit == 0)
      complain(result, of("free, but nobody will find it: block", granule));
  }
  // Too low, and the page would never be given back.
  if (arena_.page(page).free_blocks.load() < free)
    complain(result,
             of("fewer free blocks counted than there are: span", page));
}

void auditor::look_at_block(inventory& result, std::uint32_t granule,
                            bool may_free) {
  auto word = arena_.block(granule)->word.load();
  auto owner = layout::owner_of(word);
  auto mark = found::nothing;
  switch (layout::state_of(word)) {
    case state::free:
      mark = found::free;
      if (!may_free)
        complain(result, of("free in the middle of its pages: block", granule));
      break;
    case state::held:
      mark = found::held;
      break;
    case state::retired:
      mark = found::retired;
      break;
    case state::live:
      mark = found::live;
      break;
    default:
      complain(result, of("between two states for ever: block", granule));
      return;
  }
  if (mark == found::held && owner == 0 && is_table(granule))
    mark = found::seen;
  else if ((mark == found::held || mark == found::retired) && !lives(owner))
    complain(result, of("kept by the dead: block", granule));
  marks_[granule] = mark;
  marked_.push_back(granule);
}

void auditor::look_at_threads(inventory& result) {
  const auto& shape = arena_.shape();
  for (unsigned i = 0; i < shape.thread_count; ++i) {
    auto& slot = arena_.thread(i);
    auto owner = i + 1;
    if (slot.intent.load() != 0)
      complain(result, of("an intent is left in thread slot", i));
    if (slot.pending.load() != 0 || slot.recovering.load() != 0)
      complain(result, of("a block is in transit in thread slot", i));
    if (!lives(owner)) {
      if (slot.retired_head.load() != 0)
        complain(result, of("a list is left in thread slot", i));
      for (auto& pin : slot.pins)
        if (pin.load() != 0)
          complain(result, of("a pin is left in thread slot", i));
    }
    look_at_list(result, slot.retired_head.load(), owner, found::retired,
                 "the retired list");
    for (unsigned c = 0; c < shape.classes.count(); ++c)
      look_at_list(result, slot.magazines()[c].head.load(), owner, found::held,
                   "a magazine");
  }
}

void auditor::look_at_list(inventory& result, std::uint32_t head,
                           unsigned owner, found expected, const char* what) {
  for (auto granule = head; granule != 0;) {
    auto* block = arena_.block(granule);
    if (block == nullptr || marks_[granule] != expected
        || layout::owner_of(block->word.load()) != owner) {
      complain(result, std::string{what} + " of thread slot "
                         + std::to_string(owner - 1) + " names block "
                         + std::to_string(granule)
                         + ", which is not its, or twice");
      return;
    }
    marks_[granule] = found::seen;
    granule = block->link.load();
  }
}

void auditor::look_at_index(inventory& result) {
  auto index_state = arena_.control().index_state.load();
  auto level = arena_.level_of(index_state);
  bool doubling = (index_state & layout::index_migrating) != 0;
  constexpr std::uint64_t group = layout::lines_per_group;
  for (std::uint64_t first = 0; first < arena_.lines(level); first += group) {
    bool carried =
      doubling
      && (arena_.line(level, first).meta.load() & layout::meta_carried_over)
           != 0;
    if (carried)
      for (std::uint64_t i = 0; i < 2 * group; ++i)
        look_at_line(result, level + 1, 2 * first + i);
    else
      for (std::uint64_t i = 0; i < group; ++i)
        look_at_line(result, level, first + i);
  }
  std::sort(keys_.begin(), keys_.end());
  if (auto twice = std::adjacent_find(keys_.begin(), keys_.end());
      twice != keys_.end())
    complain(result, "twice in the index: " + twice->second);
}

void auditor::look_at_line(inventory& result, unsigned level,
                           std::uint64_t line) {
  auto& slots = arena_.line(level, line).slots;
  for (unsigned i = 0; i < layout::slots_per_line; ++i)
    if (auto raw = slots[i].load(); layout::holds_block(raw))
      look_at_entry(result, level, line, i, layout::granule_of(raw));
}

void auditor::look_at_entry(inventory& result, unsigned level,
                            std::uint64_t line, unsigned slot,
                            std::uint32_t granule) {
  auto place = of("the slot in line", line);
  if (granule < first_granule_ || granule >= marks_.size()
      || marks_[granule] != found::live) {
    complain(result, place + " names block " + std::to_string(granule)
                       + ", which is not live, or in two slots");
    return;
  }
  marks_[granule] = found::seen;
  basic_location<sync> where;
  where.block = arena_.block(granule);
  where.raw = granule;
  if (!engine_.index().read_fields(where)) {
    complain(result, place + " names an entry that leaves the file");
    return;
  }
  std::string key(where.fields.key_bytes(), '\0');
  std::string value(where.fields.value_bytes, '\0');
  sync::read(key.data(), where.payload(), key.size());
  sync::read(value.data(), where.payload() + key.size(), value.size());
  auto ns = where.fields.ns();
  auto hash = hash_key(ns, key);
  if (!engine_type::intact(hash, where, engine_.expiry_of(where), value))
    complain(result, "torn: " + key);
  auto home_line = line_of(hash, arena_.lines(level));
  constexpr std::uint64_t in_group = layout::lines_per_group - 1;
  auto probe = layout::probe_of(arena_.line(level, home_line).meta.load());
  if ((home_line & ~in_group) != (line & ~in_group)
      || ((line - home_line) & in_group) > probe
      || arena_.line(level, line).tags[slot].load() != tag_of(hash))
    complain(result, "where no lookup finds it: " + key);
  auto& space = result.spaces[ns];
  ++space.entries;
  space.block_bytes += engine_.block_bytes(where.fields.total_bytes());
  auto expires = engine_.expiry_of(where);
  bool internal =
    layout::namespace_state_of(arena_.control().namespace_states[ns].load())
    == layout::namespace_state::contents;
  if (!internal && (expires == 0 || expires > unix_time_ms()))
    ++result.unexpired;
  if (internal || where.fields.refers())
    look_at_shared(result, where, key, value);
  keys_.emplace_back(hash, std::move(key));
}

/// A namespace's record names its block, or did when its maker died.
bool auditor::is_table(std::uint32_t granule) const {
  for (unsigned ns = 0; ns < limits::max_namespaces; ++ns) {
    const auto& record = arena_.name_record(ns);
    if (record.inline_granule == granule
        && record.inline_block_word == arena_.block(granule)->word.load())
      return true;
  }
  return false;
}

void auditor::look_at_tables(inventory& result) {
  for (unsigned ns = 0; ns < limits::max_namespaces; ++ns)
    if (layout::namespace_state_of(arena_.control().namespace_states[ns].load())
        == layout::namespace_state::live_inline)
      look_at_table(result, ns);
}

void auditor::look_at_table(inventory& result, unsigned ns) {
  auto table = detail::find_inline_table(arena_, ns);
  if (table == nullptr || !is_table(arena_.name_record(ns).inline_granule))
    return complain(result, of("no table: inline namespace", ns));
  keys_.clear();
  for (std::uint32_t group = 0; group < table->groups(); ++group) {
    unsigned published_records = 0;
    table->audit_group(group, [&](std::uint64_t word, bool published) {
      published_records += published ? 1U : 0U;
      auto wanted = published ? state::live : state::free;
      // Of one who lives and has not ended his write anything may be.
      if (layout::state_of(word) != wanted && !lives(layout::owner_of(word)))
        complain(result, of(published ? "published, but not live: record of "
                                        "group"
                                      : "neither published nor free: record "
                                        "of group",
                            group));
    });
    if (published_records > layout::most_published)
      complain(result, of("no room to replace anything: group", group));
  }
  for (std::uint32_t home = 0; home < table->groups(); ++home)
    table->visit_home(
      home,
      [&](const auto&, std::uint64_t hash, std::string_view key,
          std::string_view, std::int64_t expires, bool intact) {
        if (!intact)
          complain(result, "torn: " + std::string{key});
        if (expires == 0 || expires > unix_time_ms())
          ++result.unexpired;
        keys_.emplace_back(hash, key);
      },
      [](std::uint64_t) { return true; });
  std::sort(keys_.begin(), keys_.end());
  if (auto twice = std::adjacent_find(keys_.begin(), keys_.end());
      twice != keys_.end())
    complain(result, "twice in its table: " + twice->second);
  if (keys_.size() != table->entries())
    complain(result, of("where no lookup finds it: entry of namespace", ns));
}

void auditor::look_at_shared(inventory& result,
                             const basic_location<sync>& where,
                             std::string_view key, std::string_view value) {
  std::uint64_t number = 0;
  shared_reference reference;
  if (where.fields.refers() && shared_reference::read(value, reference)) {
    ++contents_[reference.number].referring;
  } else if (where.fields.counted() && value.size() == sizeof number) {
    std::memcpy(&number, value.data(), sizeof number);
    contents_[number].counted = reference_count::of(where.block->link.load());
  } else if (!where.fields.refers() && key.size() == sizeof number) {
    std::memcpy(&number, key.data(), sizeof number);
    contents_[number].has_bytes = true;
  } else {
    complain(result, "neither reference, nor record, nor bytes of a content");
  }
}

void auditor::look_at_contents(inventory& result) {
  for (auto& [number, each] : contents_)
    if (each.counted != each.referring || each.counted == 0 || !each.has_bytes)
      complain(result, of("content", number) + ": "
                         + of("counted", each.counted) + ", "
                         + of("referring", each.referring)
                         + (each.has_bytes ? "" : ", without its bytes"));
}

void auditor::look_at_counters(inventory& result) {
  for (unsigned ns = 0; ns < limits::max_namespaces; ++ns) {
    auto& record = arena_.name_record(ns);
    auto& space = result.spaces[ns];
    if (record.entries.load() != space.entries)
      complain(result, std::to_string(record.entries.load())
                         + " entries counted, there are "
                         + std::to_string(space.entries));
    if (record.block_bytes.load() != space.block_bytes)
      complain(result, std::to_string(record.block_bytes.load())
                         + " bytes counted, there are "
                         + std::to_string(space.block_bytes));
  }
  if (auto used = arena_.control().used_pages.load();
      used != result.pages_in_use)
    complain(result, std::to_string(used) + " pages counted, in use are "
                       + std::to_string(result.pages_in_use));
}

} // namespace neuroplex::memory::testing
