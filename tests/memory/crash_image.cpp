#include "tests/memory/crash_image.hpp"

#include "memory/backup_marks.hpp"
#include "memory/compression.hpp"
#include "memory/content_recount.hpp"
#include "memory/dedup.hpp"
#include "memory/inline_store.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace neuroplex::memory::testing {

namespace {

using arena_type = basic_arena<native_sync>;

/// Namespaces that runs use; the records of the others stay as they are made.
constexpr unsigned namespaces_in_use = 4;

std::byte* map_or_die(std::size_t bytes, const std::string& path) {
  int fd = -1;
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  if (!path.empty()) {
    fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    flags = MAP_SHARED;
    if (fd < 0 || ::ftruncate(fd, static_cast<off_t>(bytes)) != 0)
      std::abort();
  }
  auto* mapped = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
  if (fd >= 0)
    ::close(fd);
  if (mapped == MAP_FAILED)
    std::abort();
  return static_cast<std::byte*>(mapped);
}

unsigned tables_in_use(const arena_type& arena) {
  auto index_state = arena.control().index_state.load();
  auto doubling = (index_state & layout::index_migrating) != 0 ? 1U : 0U;
  return std::min(arena.level_of(index_state) + doubling + 1,
                  arena.shape().index_levels);
}

bool in_use(const arena_type& arena, std::uint32_t page) {
  return page < arena.committed_pages()
         && layout::page_state_of(arena.page(page).info.load())
              != layout::page_state::free;
}

} // namespace

void copy_used(const geometry& shape, const std::byte* from, std::byte* to) {
  arena_type source{const_cast<std::byte*>(from), shape};
  arena_type target{to, shape};
  std::vector<std::uint32_t> pages;
  for (std::uint32_t i = 0; i < shape.reserved_pages; ++i)
    if (in_use(source, i) || in_use(target, i))
      pages.push_back(i);
  auto copy = [&](std::uint64_t begin, std::uint64_t end) {
    std::memcpy(to + begin, from + begin, end - begin);
  };
  auto committed = std::max(source.committed_pages(), target.committed_pages());
  auto threads = std::max(source.control().threads_high.load(),
                          target.control().threads_high.load());
  auto tables = std::max(tables_in_use(source), tables_in_use(target));
  copy(0,
       layout::namespaces_offset
         + namespaces_in_use * sizeof(layout::namespace_record<native_sync>));
  copy(shape.participants_offset,
       shape.threads_offset
         + std::min(threads, shape.thread_count) * shape.thread_slot_bytes);
  copy(shape.backup_offset, shape.backup_offset
                              + sizeof(layout::backup_record<native_sync>)
                              + shape.backup_regions);
  copy(shape.index_offset, shape.table_offset(tables));
  copy(shape.directory_offset,
       shape.directory_offset
         + committed * sizeof(layout::page_record<native_sync>));
  for (auto page : pages) {
    auto begin = shape.pool_offset + page * shape.page_bytes;
    copy(begin, begin + shape.page_bytes);
  }
}

segment_image::segment_image(const geometry& shape, const std::string& path)
  : shape_{shape}, path_{path}, base_{map_or_die(shape.file_bytes, path)} {
}

segment_image::~segment_image() {
  ::munmap(base_, shape_.file_bytes);
  if (!path_.empty())
    ::unlink(path_.c_str());
}

survivor::survivor(const geometry& shape, std::byte* base)
  : engine_{arena_type{base, shape}, {}}, auditor_{engine_} {
}

/// Puts what a packed value or a reference stands for in its place. Nobody
/// writes: a content that is not there is missing.
errc survivor::unfold(std::uint8_t ns, std::uint8_t form, std::string& value) {
  std::string plain;
  shared_reference reference;
  bool whole = false;
  if (form == layout::flag_packed)
    whole = unpack(value, limits::max_value_bytes, plain);
  else if (form == layout::flag_refers
           && shared_reference::read(value, reference))
    whole = basic_deduplicator<native_sync>{engine_}.read(ns, reference, plain)
            == errc::ok;
  value = std::move(plain);
  return whole ? errc::ok : errc::corrupt;
}

std::vector<content>
survivor::read_all(const std::vector<expectation>& expected) {
  std::vector<content> result(expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    auto& each = expected[i];
    std::string value;
    auto state = engine_.arena().control().namespace_states[each.key.ns].load();
    if (layout::namespace_state_of(state)
        == layout::namespace_state::live_inline) {
      result[i] = read_inline(each);
      continue;
    }
    std::uint8_t form = 0;
    auto answer = engine_.read(
      each.hash, each.key.ns, each.key.name,
      [&](const auto& where, std::int64_t expires) {
        form = where.fields.form();
        value.resize(where.fields.value_bytes);
        native_sync::read(value.data(),
                          where.payload() + where.fields.key_bytes(),
                          value.size());
        return engine_type::intact(each.hash, where, expires, value)
                 ? errc::ok
                 : errc::corrupt;
      });
    if (answer == errc::ok && form != 0)
      answer = unfold(each.key.ns, form, value);
    if (answer == errc::ok)
      result[i] = std::move(value);
    else if (answer != errc::not_found)
      result[i] = "(" + std::string{code_name(answer)} + ")";
  }
  return result;
}

content survivor::read_inline(const expectation& wanted) const {
  auto table = detail::find_inline_table(engine_.arena(), wanted.key.ns);
  if (table == nullptr)
    return "(no table)";
  std::string value(table->shape().value_bytes, '\0');
  std::int64_t expires = 0;
  detail::store_impl::inline_table::location at;
  auto answer = table->read(wanted.hash, std::string_view{wanted.key.name},
                            value.data(), expires, at);
  if (answer == errc::ok)
    return value;
  return answer == errc::not_found
           ? content{}
           : content{"(" + std::string{code_name(answer)} + ")"};
}

void survivor::join() {
  const auto& arena = engine_.arena();
  self_ = {};
  for (unsigned i = 0; i < arena.shape().thread_count; ++i) {
    auto& slot = arena.thread(i);
    if (slot.participant_plus_one.load() != 0)
      continue;
    slot.participant_plus_one.store(arena.shape().participant_count);
    auto& high = arena.control().threads_high;
    high.store(std::max(high.load(), i + 1));
    self_.slot = &slot;
    self_.owner = i + 1;
    self_.namespace_word = arena.control().namespace_states[0].load();
    return;
  }
  std::abort();
}

void survivor::recover(const std::vector<unsigned>& participants) {
  join();
  const auto& arena = engine_.arena();
  for (auto dead : participants) {
    for (unsigned i = 0; i < arena.shape().thread_count; ++i) {
      auto& slot = arena.thread(i);
      if (slot.participant_plus_one.load() != dead + 1)
        continue;
      detail::recover_inline(arena, i);
      engine_.recovery().run(self_, i);
      slot.participant_plus_one.store(0);
    }
    arena.participant(dead).state.store(0);
  }
  (void)basic_content_recount<native_sync>{engine_}.run(self_);
  (void)engine_.recount().run();
}

std::vector<std::string>
survivor::examine(const std::vector<expectation>& expected,
                  const std::vector<content>& before) {
  auto found = auditor_.look();
  auto& wrong = found.wrong;
  auto now = read_all(expected);
  auto in_short = [](const content& value) {
    constexpr std::size_t shown = 24;
    return value ? "'" + value->substr(0, shown) + "' ("
                     + std::to_string(value->size()) + ")"
                 : std::string{"nothing"};
  };
  const auto& arena = engine_.arena();
  std::uint64_t present = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    auto& each = expected[i];
    present += now[i] ? 1U : 0U;
    if (std::find(each.allowed.begin(), each.allowed.end(), now[i])
        == each.allowed.end())
      wrong.push_back("holds what it cannot: " + each.key.name + ": "
                      + in_short(now[i]) + ", may be "
                      + in_short(each.allowed.front()));
    if (now[i] != before[i])
      wrong.push_back("recovery changed what readers see: " + each.key.name
                      + ": " + in_short(before[i]) + ", now "
                      + in_short(now[i]));
    auto state = arena.control().namespace_states[each.key.ns].load();
    bool pooled =
      layout::namespace_state_of(state) == layout::namespace_state::live;
    if (pooled && each.backed_up && now[i] != *each.backed_up
        && arena.mark(region_of(arena, each.hash)).load() == 0)
      wrong.push_back("changed, and the next backup will not know: "
                      + each.key.name);
  }
  if (found.unexpired != present)
    wrong.push_back(std::to_string(found.unexpired) + " entries to be seen, "
                    + std::to_string(present) + " keys are there");
  return wrong;
}

std::vector<std::string> survivor::use() {
  std::vector<std::string> wrong;
  for (std::string_view key : {"target", "a new one", "another new one"}) {
    auto hash = hash_key(0, key);
    auto put = [&](std::string_view value) {
      return engine_.modify(self_, hash, 0, key,
                            [&](const std::string*, std::int64_t, version_token,
                                engine_type::change& change) {
                              change.head = value;
                              return errc::ok;
                            });
    };
    constexpr std::string_view longer =
      "a longer value, of another size than what was there";
    auto good = [](errc answer, errc other) {
      return answer == errc::ok || answer == other;
    };
    if (!good(put("short"), errc::no_space)
        || !good(put(longer), errc::no_space)
        || !good(engine_.erase(self_, hash, 0, key), errc::not_found))
      wrong.push_back("cannot be written any more: " + std::string{key});
  }
  auto found = auditor_.look();
  for (auto& each : found.wrong)
    wrong.push_back("after use: " + each);
  return wrong;
}

} // namespace neuroplex::memory::testing
