#include "tests/museum/world.hpp"

#include "memory/engine.hpp"
#include "tests/museum/keys.hpp"
#include "tests/museum/shape.hpp"
#include "tests/museum/sharing.hpp"
#include "tests/museum/values.hpp"
#include "tests/schedule/model_sync.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <limits>
#include <new>
#include <utility>
#include <vector>

namespace neuroplex::museum {

namespace {

namespace layout = memory::layout;

using schedule::max_threads;
using schedule::model_sync;
using schedule::scheduler;

constexpr unsigned judge_thread = max_threads - 1;
constexpr std::uint8_t ns = 0;
constexpr std::size_t space_count = 2; ///< with that of shared contents

constexpr std::align_val_t page_aligned{4096};

struct aligned_delete {
  void operator()(std::byte* bytes) const noexcept {
    ::operator delete(bytes, page_aligned);
  }
};

class engine_world final : public world {
public:
  using engine_type = memory::basic_engine<model_sync>;
  using context = engine_type::context;
  using location = engine_type::location;
  using index_type = memory::basic_index<model_sync>;
  using state = layout::block_state;

  engine_world(std::uint32_t pages, std::uint32_t index_groups)
    : shape_{plan(pages, index_groups)}, storage_{static_cast<std::byte*>(
                                           ::operator new(shape_.file_bytes,
                                                          page_aligned))},
      scheduler_{cleared()},
      engine_{memory::basic_arena<model_sync>{storage_.get(), shape_},
              {.owner = this,
               .grow_index = [](void* owner, std::uint32_t index_state) {
                 return static_cast<engine_world*>(owner)
                   ->engine_.index()
                   .begin_doubling(index_state);
               }}} {
    auto& control = arena().control();
    control.committed_pages.store(pages);
    control.threads_high.store(max_threads);
    auto live =
      layout::with_namespace_state(0x100U, layout::namespace_state::live);
    control.namespace_states[ns].store(live);
    auto lines = arena().lines(0);
    for (std::uint64_t i = 0; i < lines; ++i) {
      auto& line = arena().line(0, i);
      for (auto& slot : line.slots)
        slot.store(layout::slot_empty);
      line.meta.store(layout::meta_open);
    }
    for (unsigned i = 0; i < max_threads; ++i) {
      auto& slot = arena().thread(i);
      slot.participant_plus_one.store(1);
      contexts_[i].slot = &slot;
      contexts_[i].owner = i + 1;
      contexts_[i].namespace_word = live;
    }
    view_.fill(arena(), 1);
    auto chosen = choose_keys<key_count>(ns, arena().lines(0));
    keys_ = std::move(chosen.names);
    hashes_ = chosen.hashes;
    auto granules = shape_.file_bytes >> shape_.granule_shift;
    named_.resize(granules);
    holder_.resize(granules);
  }

  // -- around a run -----------------------------------------------------------

  void remember() override {
    image_.assign(storage_.get(), storage_.get() + shape_.file_bytes);
    first_contexts_ = contexts_;
    for (unsigned i = 0; i < key_count; ++i) {
      operation found;
      found.key = static_cast<std::uint8_t>(i);
      first_values_[i] = look_up(found) == outcome::ok ? found.result : 0;
    }
    restore();
  }

  void restore() override {
    // Nothing is stored between the namespaces in use and the participants.
    auto used = layout::namespaces_offset
                + space_count * sizeof(layout::namespace_record<model_sync>);
    std::memcpy(storage_.get(), image_.data(), used);
    std::memcpy(storage_.get() + shape_.participants_offset,
                image_.data() + shape_.participants_offset,
                image_.size() - shape_.participants_offset);
    contexts_ = first_contexts_;
    history_.clear();
    recovered_ = {};
    any_death_ = false;
    damage_expected_ = false;
    std::fill(holder_.begin(), holder_.end(), std::uint8_t{0});
  }

  std::string judge() override {
    auto wrong = judge_threads();
    if (wrong.empty() && !damage_expected_)
      wrong = judge_index();
    if (wrong.empty())
      wrong = history_.judge(first_values_, !scheduler_.was_weak());
    if (wrong.empty() && !damage_expected_)
      wrong = judge_pool();
    if (wrong.empty() && !any_death_ && !damage_expected_)
      wrong = judge_counts();
    return wrong;
  }

  scheduler& threads() noexcept override {
    return scheduler_;
  }

  std::string describe(std::uint32_t offset) const override {
    auto part = [&](const char* what, std::uint64_t begin, std::uint64_t each) {
      auto at = offset - begin;
      return what + (" " + std::to_string(at / each)) + " +"
             + std::to_string(at % each);
    };
    if (offset < layout::namespaces_offset)
      return part("control", layout::control_offset, shape_.file_bytes);
    if (offset < shape_.participants_offset)
      return part("namespace", layout::namespaces_offset,
                  sizeof(layout::namespace_record<model_sync>));
    if (offset < shape_.threads_offset)
      return part("participant", shape_.participants_offset,
                  sizeof(layout::participant<model_sync>));
    if (offset < shape_.index_offset)
      return part("thread", shape_.threads_offset, shape_.thread_slot_bytes);
    if (offset < shape_.directory_offset)
      return part("line", shape_.index_offset, layout::line_bytes);
    if (offset < shape_.pool_offset)
      return part("page", shape_.directory_offset,
                  sizeof(layout::page_record<model_sync>));
    auto in_page = (offset - shape_.pool_offset) % shape_.page_bytes;
    auto page = static_cast<std::uint32_t>((offset - shape_.pool_offset)
                                           / shape_.page_bytes);
    auto size_class = layout::page_class_of(arena().page(page).info.raw());
    const auto& classes = shape_.classes;
    if (size_class >= classes.count()
        || in_page < classes.first_block_of(size_class))
      return part("pool page", shape_.pool_offset, shape_.page_bytes);
    auto in_blocks = in_page - classes.first_block_of(size_class);
    auto bytes = classes.bytes_of(size_class);
    auto begin = offset - in_blocks % bytes;
    char granule[32];
    std::snprintf(
      granule, sizeof granule, "block %#llx +%llu",
      static_cast<unsigned long long>(begin >> shape_.granule_shift),
      static_cast<unsigned long long>(in_blocks % bytes));
    return granule;
  }

  // -- operations -------------------------------------------------------------

  outcome get(unsigned thread, unsigned key) override {
    auto* which = begin(thread, action::get, key);
    std::uint32_t value = no_value;
    if (read_usual(key, value))
      return end(which, outcome::ok, value);
    return end_read(which);
  }

  outcome get_with_care(unsigned thread, unsigned key) override {
    return end_read(begin(thread, action::get, key));
  }

  outcome view(unsigned thread, unsigned key) override {
    auto* which = begin(thread, action::get, key);
    auto& pin = arena().thread(thread).pins[0];
    location where;
    auto answer = engine_.pin(hashes_[key], ns, keys_[key], pin,
                              [&](const location& found) { where = found; });
    if (answer != errc::ok)
      return end(which, outcome_of(answer));
    index_type::block_type* block = where.block;
    where = {};
    where.block = block;
    (void)engine_.index().read_fields(where);
    auto first = read_value(where);
    auto second = read_value(where);
    if (first == no_value || first != second)
      fail("a view does not stand still");
    pin.store(0, std::memory_order_release);
    return end(which, outcome::ok, first);
  }

  outcome set(unsigned thread, unsigned key, std::uint32_t value) override {
    return put(thread, action::set, key, value, memory::condition::always);
  }

  outcome add(unsigned thread, unsigned key, std::uint32_t value) override {
    return put(thread, action::add, key, value, memory::condition::if_absent);
  }

  outcome replace(unsigned thread, unsigned key, std::uint32_t value) override {
    return put(thread, action::replace, key, value,
               memory::condition::if_present);
  }

  outcome erase(unsigned thread, unsigned key) override {
    auto* which = begin(thread, action::erase, key);
    return end(which, outcome_of(engine_.erase(contexts_[thread], hashes_[key],
                                               ns, keys_[key])));
  }

  outcome increment(unsigned thread, unsigned key, std::uint32_t by) override {
    auto* which = begin(thread, action::increment, key, by);
    std::uint32_t result = no_value;
    std::string bytes;
    auto answer = engine_.modify(
      contexts_[thread], hashes_[key], ns, keys_[key],
      [&](const std::string* present, std::int64_t, auto, auto& change) {
        result = by;
        if (present != nullptr)
          result += decode_whole(present->data(), present->size());
        bytes = encode(result);
        change.head = bytes;
        return errc::ok;
      });
    return end(which, outcome_of(answer), result);
  }

  outcome swap(unsigned thread, unsigned key, std::uint32_t expected,
               std::uint32_t desired) override {
    auto* which = begin(thread, action::swap, key, desired, expected);
    std::uint32_t actual = no_value;
    auto bytes = encode(desired);
    auto answer = engine_.modify(
      contexts_[thread], hashes_[key], ns, keys_[key],
      [&](const std::string* present, std::int64_t, auto, auto& change) {
        if (present == nullptr)
          return errc::not_found;
        actual = decode_whole(present->data(), present->size());
        change.head = bytes;
        return actual == expected ? errc::ok : errc::mismatch;
      });
    return end(which, outcome_of(answer), actual);
  }

  void scan_for(unsigned, unsigned key) override {
    auto at = engine_.index().home_of(hashes_[key]);
    bool met = false;
    engine_.index().visit_line(at, [&](const location& where) {
      std::string name(where.fields.key_bytes(), '\0');
      model_sync::read(name.data(), where.payload(), name.size());
      if (!engine_.index().unchanged(at, where))
        return false;
      met = met || name == keys_[key];
      return true;
    });
    scheduler_.catch_up();
    if (!met)
      fail("a scan misses an entry that was there all the time");
  }

  void reuse(unsigned thread) override {
    engine_.pool().reuse_retired(contexts_[thread]);
  }

  void make_tidy(unsigned thread) override {
    contexts_[thread].retired_bytes = shape_.file_bytes;
  }

  void flush(unsigned thread) override {
    (void)engine_.pool().flush(contexts_[thread]);
  }

  void scavenge(unsigned thread) override {
    (void)engine_.pool().scavenge(contexts_[thread]);
  }

  void recover(unsigned thread, unsigned dead) override {
    engine_.recovery().run(contexts_[thread], dead);
    recovered_[dead] = true;
  }

  std::uint32_t take(unsigned thread, std::uint64_t bytes) override {
    auto& self = contexts_[thread];
    auto granule = engine_.pool().allocate(self, bytes);
    if (granule == 0)
      return 0;
    if (holder_[granule] != 0 && !scheduler_.died(holder_[granule] - 1U))
      fail("a block is given out twice");
    holder_[granule] = static_cast<std::uint8_t>(thread + 1);
    return granule;
  }

  void give(unsigned thread, std::uint32_t granule) override {
    holder_[granule] = 0;
    engine_.pool().give_back(contexts_[thread], granule);
  }

  void fill_alike(std::uint32_t granule, unsigned owner) override {
    if (granule == 0)
      return;
    auto words = alike(owner);
    model_sync::write(words_of(granule), words.data(), sizeof words);
  }

  void kept(std::uint32_t granule, unsigned owner) override {
    if (granule == 0)
      return;
    decltype(alike(owner)) words{};
    model_sync::read(words.data(), words_of(granule), sizeof words);
    if (words != alike(owner))
      fail("a block is written to that another thread holds");
  }

  void grow_index() override {
    (void)engine_.index().begin_doubling(
      arena().control().index_state.load(std::memory_order_acquire));
  }

  void share() override {
    sharing_.begin();
  }

  void fill_line(unsigned slots) override {
    fill(slots, [](std::uint64_t line) { return line; });
  }

  void fill_group() override {
    fill(layout::lines_per_group * layout::slots_per_line,
         [](std::uint64_t line) { return line / layout::lines_per_group; });
  }

  // -- damage -----------------------------------------------------------------

  void knot_retired_list(unsigned thread) override {
    arena().thread(thread).retired_head.store(knot());
  }

  void knot_magazine(unsigned thread) override {
    auto bytes =
      sizeof(layout::block_header<model_sync>) + keys_[0].size() + short_bytes;
    arena()
      .thread(thread)
      .magazines()[shape_.classes.class_of(bytes)]
      .head.store(knot());
  }

  void knot_pinned_list(unsigned thread) override {
    auto first = arena().thread(thread).retired_head.load();
    arena().block(first)->link.store(first);
    arena().thread(judge_thread).pins[0].store(first);
  }

  void expect_damage() override {
    damage_expected_ = true;
  }

private:
  [[nodiscard]] const memory::basic_arena<model_sync>& arena() const noexcept {
    return engine_.arena();
  }

  std::span<std::byte> cleared() {
    std::memset(storage_.get(), 0, shape_.file_bytes);
    return {storage_.get(), shape_.file_bytes};
  }

  // -- content that looks like words ------------------------------------------

  [[nodiscard]] std::byte* words_of(std::uint32_t granule) const {
    return reinterpret_cast<std::byte*>(arena().block(granule))
           + offsetof(layout::block_header<model_sync>, value_bytes);
  }

  static std::array<std::uint64_t, 4> alike(unsigned owner) {
    std::array<std::uint64_t, 4> words{};
    words.fill(layout::next_word(0, state::held, owner + 1));
    return words;
  }

  // -- noting operations ------------------------------------------------------

  [[noreturn]] void fail(const std::string& what) {
    if (scheduler::current() != nullptr)
      scheduler_.fail(what);
    std::fprintf(stderr, "museum: outside of a run: %s\n", what.c_str());
    std::exit(1);
  }

  operation* begin(unsigned thread, action what, unsigned key,
                   std::uint32_t argument = no_value,
                   std::uint32_t expected = no_value) {
    if (scheduler::current() == nullptr)
      return nullptr;
    operation begun;
    begun.what = what;
    begun.thread = static_cast<std::uint8_t>(thread);
    begun.key = static_cast<std::uint8_t>(key);
    begun.argument = argument;
    begun.expected = expected;
    begun.first_step = scheduler_.steps();
    begun.begin = scheduler_.now();
    auto* which = history_.append(begun);
    if (which == nullptr)
      fail("a scenario has too many operations");
    return which;
  }

  outcome end(operation* which, outcome answer,
              std::uint32_t result = no_value) {
    if (which == nullptr)
      return answer;
    which->answer = answer;
    which->result = result;
    which->last_step = scheduler_.steps();
    which->ended = scheduler_.now()[which->thread];
    scheduler_.catch_up();
    return answer;
  }

  outcome outcome_of(errc answer) {
    switch (answer) {
      case errc::ok:
        return outcome::ok;
      case errc::not_found:
        return outcome::absent;
      case errc::exists:
        return outcome::exists;
      case errc::mismatch:
        return outcome::mismatch;
      default:
        fail("an operation answers "
             + std::to_string(static_cast<unsigned>(answer)) + ": "
             + failure{answer}.to_string());
    }
  }

  /// Stores as many entries whose home is the same as key 0's, by what
  /// `part(line)` says of it.
  template <class Part>
  void fill(unsigned count, Part&& part) {
    auto home_part = [&](std::uint64_t hash) {
      return part(memory::line_of(hash, arena().lines(0)));
    };
    for (unsigned n = 0; count > 0; ++n) {
      auto text = "fill-" + std::to_string(1'000'000 + n);
      auto hash = memory::hash_key(ns, std::string_view{text});
      if (home_part(hash) != home_part(hashes_[0]))
        continue;
      (void)engine_.put(view_, contexts_[judge_thread], hash, ns, text,
                        encode(1), 0, memory::condition::always);
      fillers_.push_back(text);
      --count;
    }
  }

  // -- values -----------------------------------------------------------------

  std::uint32_t decode_whole(const char* bytes, std::size_t size) {
    auto value = decode(bytes, size);
    if (value == no_value)
      fail("a value is torn");
    return value;
  }

  std::uint32_t read_value(const location& where) {
    auto size = where.fields.value_bytes;
    std::array<char, long_bytes> copy{};
    if (size > copy.size())
      return no_value;
    model_sync::read(copy.data(), where.payload() + where.fields.key_bytes(),
                     size);
    return decode(copy.data(), size);
  }

  // -- parts of operations ----------------------------------------------------

  /// As the store's short way for usual entries does it.
  bool read_usual(unsigned key, std::uint32_t& value) {
    memory::short_key words{keys_[key]};
    location where;
    const auto* bytes = index_type::find_usual(
      view_, hashes_[key], layout::make_entry_kind(words.size(), ns, 0), words,
      where);
    if (bytes == nullptr)
      return false;
    const auto* header = reinterpret_cast<const std::byte*>(where.block);
    auto fields = layout::read_entry_fields<model_sync>(header);
    auto length = fields.value_bytes;
    std::array<char, long_bytes> copy{};
    if (length > copy.size())
      return false;
    auto sum = memory::read_short<model_sync>(
      copy.data(), bytes, length,
      memory::checksum_seed(hashes_[key], length, 0));
    if (sum != fields.checksum || !index_type::unchanged(where))
      return false;
    value = decode_whole(copy.data(), length);
    return true;
  }

  /// Reads with care into `which`.
  outcome look_up(operation& which) {
    auto key = which.key;
    auto answer = sharing_.read(
      hashes_[key], keys_[key],
      [&](const location& where, std::uint64_t hash, std::int64_t expires) {
        std::array<char, long_bytes> copy{};
        auto length = where.fields.value_bytes;
        if (length > copy.size())
          return errc::value_size;
        auto sum = memory::read_summed<model_sync>(
          copy.data(), where.payload() + where.fields.key_bytes(), length,
          memory::checksum_seed(hash, length, expires));
        if (sum != where.fields.checksum)
          return errc::corrupt;
        which.result = decode(copy.data(), length);
        return errc::ok;
      });
    auto result = outcome_of(answer);
    if (result == outcome::ok && which.result == no_value)
      fail("a value is torn");
    if (result != outcome::ok)
      which.result = no_value;
    return result;
  }

  outcome end_read(operation* which) {
    operation found;
    found.key = which->key;
    auto answer = look_up(found);
    return end(which, answer, found.result);
  }

  outcome put(unsigned thread, action what, unsigned key, std::uint32_t value,
              memory::condition when) {
    auto* which = begin(thread, what, key, value);
    auto bytes = encode(value);
    auto& self = contexts_[thread];
    auto answer = sharing_.begun() ? sharing_.put(view_, self, hashes_[key],
                                                  keys_[key], bytes, when)
                                   : engine_.put(view_, self, hashes_[key], ns,
                                                 keys_[key], bytes, 0, when);
    return end(which, outcome_of(answer));
  }

  /// Links the block of key 0 to itself.
  std::uint32_t knot() {
    auto at = engine_.index().home_of(hashes_[0]);
    location where;
    if (engine_.index().find(at, hashes_[0], ns, keys_[0], where)
        != memory::lookup::found)
      fail("key 0 is not there");
    where.block->link.store(where.granule());
    return where.granule();
  }

  // -- judging ----------------------------------------------------------------

  /// Recovers the dead, and has the living give back what they keep.
  std::string judge_threads() {
    auto& self = contexts_[judge_thread];
    for (unsigned i = 0; i < judge_thread; ++i) {
      if (!scheduler_.died(i))
        continue;
      any_death_ = true;
      if (!recovered_[i])
        engine_.recovery().run(self, i);
    }
    // Their index may still be doubling.
    for (unsigned i = 0; i < 256; ++i) {
      auto at = engine_.index().home_of(hashes_[0]);
      if (!engine_.index().help_doubling(self, at))
        break;
    }
    if (auto wrong = sharing_.recount(self); !wrong.empty())
      return wrong;
    for (unsigned i = 0; i < key_count && !damage_expected_; ++i) {
      operation last;
      last.key = static_cast<std::uint8_t>(i);
      last.thread = judge_thread;
      last.answer = look_up(last);
      last.first_step = last.last_step =
        std::numeric_limits<std::uint64_t>::max();
      last.begin.fill(std::numeric_limits<std::uint32_t>::max());
      last.ended = std::numeric_limits<std::uint32_t>::max();
      if (history_.append(last) == nullptr)
        return "a scenario has too many operations";
    }
    for (unsigned i = 0; i < max_threads; ++i) {
      auto& slot = arena().thread(i);
      auto who = "thread " + std::to_string(i);
      bool took_part = i < scheduler_.thread_count() || i == judge_thread;
      if (took_part && !scheduler_.died(i))
        (void)engine_.pool().flush(contexts_[i]);
      if (!took_part)
        continue;
      if (damage_expected_)
        continue;
      // What is given up hides what a mistake did to it.
      if (slot.damage.load() != 0)
        return who + " met a list or a slot that no mistake may make";
      if (slot.intent.load() != 0 || slot.pending.load() != 0
          || slot.recovering.load() != 0 || slot.sharing.load() % 2 != 0)
        return who + " leaves an intent, a count or a block in transit";
      if (slot.retired_head.load() != 0)
        return who + " keeps displaced blocks back that nobody pins";
      for (unsigned c = 0; c < shape_.classes.count(); ++c)
        if (slot.magazines()[c].head.load() != 0)
          return who + " leaves blocks in a magazine";
    }
    return {};
  }

  std::string judge_index() {
    std::fill(named_.begin(), named_.end(), std::uint8_t{0});
    entries_ = entry_bytes_ = {};
    sharing_.forget();
    auto index_state = arena().control().index_state.load();
    if ((index_state & layout::index_migrating) != 0)
      return "the index never ends doubling";
    auto level = arena().level_of(index_state);
    std::array<bool, key_count> met{};
    for (std::uint64_t i = 0; i < arena().lines(level); ++i)
      for (auto& slot : arena().line(level, i).slots) {
        location where;
        where.raw = slot.load();
        if (layout::is_frozen(where.raw) || where.raw == layout::slot_closed)
          return "a slot of the open table is closed or frozen";
        if (!layout::holds_block(where.raw))
          continue;
        where.block = arena().block(where.granule());
        if (where.block == nullptr || !engine_.index().read_fields(where))
          return "a slot names no block";
        if (++named_[where.granule()] > 1)
          return "two slots name one block";
        auto in = layout::state_of(where.block->word.load());
        if (in != state::live)
          return "a slot names a block in state "
                 + std::to_string(static_cast<unsigned>(in));
        std::string name(where.fields.key_bytes(), '\0');
        model_sync::read(name.data(), where.payload(), name.size());
        auto key = std::find(keys_.begin(), keys_.end(), name);
        if (where.fields.ns() >= space_count || !sharing_.note(where, name))
          return "an entry of a kind that nobody stores";
        ++entries_[where.fields.ns()];
        entry_bytes_[where.fields.ns()] +=
          engine_.block_bytes(where.fields.total_bytes());
        if (where.fields.ns() == sharing::contents_ns)
          continue;
        if (std::find(fillers_.begin(), fillers_.end(), name) != fillers_.end())
          continue;
        if (key == keys_.end())
          return "a slot names a block of no key";
        auto& seen = met[static_cast<std::size_t>(key - keys_.begin())];
        if (seen)
          return "a key is in the index twice";
        seen = true;
      }
    return sharing_.judge();
  }

  std::string judge_pool() {
    std::uint32_t used = 0;
    auto pages = arena().committed_pages();
    for (std::uint32_t i = 0; i < pages;) {
      auto info = arena().page(i).info.load();
      auto length = layout::page_length_of(info);
      std::string wrong;
      switch (layout::page_state_of(info)) {
        case layout::page_state::free:
          ++i;
          continue;
        case layout::page_state::span:
          if (layout::page_owner_of(info) != 0)
            return "a span is still owned";
          wrong = judge_span(i, layout::page_class_of(info));
          break;
        case layout::page_state::large:
          return "a large block is lost";
        case layout::page_state::claimed:
          return "a page stays claimed";
        case layout::page_state::tail:
          return "a tail without its first page";
      }
      if (!wrong.empty())
        return wrong;
      if (length == 0 || length > pages - i)
        return "a span of impossible length";
      used += length;
      i += length;
    }
    // Who dies may leave too low a count, which does no harm.
    if (auto counted = arena().control().used_pages.load();
        any_death_ ? counted > used : counted != used)
      return std::to_string(used) + " pages are in use, not "
             + std::to_string(counted);
    return {};
  }

  std::string judge_span(std::uint32_t page, unsigned size_class) {
    const auto& classes = shape_.classes;
    auto* first = arena().page_address(page);
    for (std::uint32_t n = 0; n < classes.blocks_of(size_class); ++n) {
      auto granule = arena().granule(first + classes.first_block_of(size_class)
                                     + n * classes.bytes_of(size_class));
      std::uint64_t bits = arena().page(page).bits.load();
      if (classes.blocks_of(size_class) > layout::bits_in_record)
        std::memcpy(&bits, first + n / 64 * sizeof bits, sizeof bits);
      bool marked = (bits >> (n % 64) & 1U) != 0;
      auto in = layout::state_of(arena().block(granule)->word.load());
      if (in == state::free && !marked)
        return "a free block is lost: no bit says so";
      if (in == state::live && named_[granule] == 0)
        return "a live block is lost: no slot names it";
      if (in != state::free && in != state::live)
        return "a block is lost in state "
               + std::to_string(static_cast<unsigned>(in));
    }
    return {};
  }

  [[nodiscard]] std::string judge_counts() const {
    for (unsigned i = 0; i < space_count; ++i) {
      auto& record = arena().name_record(i);
      if (record.entries.load() != entries_[i])
        return "a namespace counts " + std::to_string(record.entries.load())
               + " entries, not " + std::to_string(entries_[i]);
      if (record.block_bytes.load() != entry_bytes_[i])
        return "a namespace counts " + std::to_string(record.block_bytes.load())
               + " bytes, not " + std::to_string(entry_bytes_[i]);
    }
    return {};
  }

  memory::geometry shape_;
  std::unique_ptr<std::byte, aligned_delete> storage_;
  scheduler scheduler_;
  engine_type engine_;
  sharing sharing_{engine_};
  memory::basic_lookup_view<model_sync> view_;
  std::array<context, max_threads> contexts_{};
  std::array<std::string, key_count> keys_;
  std::array<std::uint64_t, key_count> hashes_{};
  std::vector<std::string> fillers_;
  history history_;

  // The beginning of every run.
  std::vector<std::byte> image_;
  std::array<context, max_threads> first_contexts_{};
  std::array<std::uint32_t, key_count> first_values_{};

  std::array<bool, max_threads> recovered_{};
  bool any_death_ = false;
  bool damage_expected_ = false;
  std::vector<std::uint8_t> named_;  ///< by granule: slots that name it
  std::vector<std::uint8_t> holder_; ///< by granule: thread + 1 that took it
  std::array<std::uint64_t, space_count> entries_{}; ///< by namespace
  std::array<std::uint64_t, space_count> entry_bytes_{};
};

} // namespace

std::unique_ptr<world> make_world(std::uint32_t pages,
                                  std::uint32_t index_groups) {
  return std::make_unique<engine_world>(pages, index_groups);
}

} // namespace neuroplex::museum
