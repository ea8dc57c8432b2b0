#include "tests/schedule/scheduler.hpp"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace neuroplex::schedule {

namespace {

constexpr std::size_t stack_bytes = std::size_t{256} << 10;

scheduler* in_run = nullptr;

[[noreturn]] void misuse(const char* what) {
  std::fprintf(stderr, "scheduler: %s\n", what);
  std::abort();
}

} // namespace

struct scheduler::fiber {
  enum class state : std::uint8_t {
    ready,
    awaits_end,
    awaits_flag,
    ended,
    dead
  };

  ucontext_t context{};
  std::unique_ptr<std::byte[]> stack;
  std::function<void()> body;
  state in = state::ready;
  bool mortal = false;
  bool lagging = false;
  unsigned awaited = 0; ///< thread or flag

  [[nodiscard]] bool finished() const noexcept {
    return in == state::ended || in == state::dead;
  }
};

scheduler::scheduler(std::span<std::byte> region)
  : region_{region}, model_{region}, main_{std::make_unique<fiber>()},
    touched_by_(region.size()), written_(region.size()) {
}

scheduler::~scheduler() = default;

scheduler* scheduler::current() noexcept {
  return in_run;
}

unsigned scheduler::add(std::function<void()> body, bool mortal) {
  if (count_ == max_threads)
    misuse("too many threads");
  if (count_ == fibers_.size()) {
    fibers_.push_back(std::make_unique<fiber>());
    fibers_.back()->stack = std::make_unique<std::byte[]>(stack_bytes);
  }
  auto& made = *fibers_[count_];
  made.body = std::move(body);
  made.in = fiber::state::ready;
  made.mortal = mortal;
  made.lagging = false;
  return count_++;
}

void scheduler::enter() noexcept {
  auto* here = in_run;
  auto& me = *here->fibers_[here->running_];
  me.body();
  me.in = fiber::state::ended;
  here->leave();
  misuse("an ended thread was resumed");
}

std::string scheduler::run(chooser& decide, std::uint64_t most_steps,
                           bool modelled) {
  modelled_ = modelled;
  model_.reset();
  chooser_ = &decide;
  everywhere_ = decide.asked_everywhere();
  ordinal_ = 0;
  steps_ = 0;
  most_steps_ = most_steps;
  weak_ = false;
  failure_.clear();
  raised_ = {};
  flag_clocks_ = {};
  for (unsigned i = 0; i < count_; ++i) {
    auto& each = *fibers_[i];
#if defined(__SANITIZE_ADDRESS__)
    // What an abandoned run left on the stack was never taken back.
    __asan_unpoison_memory_region(each.stack.get(), stack_bytes);
#endif
    ::getcontext(&each.context);
    each.context.uc_stack.ss_sp = each.stack.get();
    each.context.uc_stack.ss_size = stack_bytes;
    each.context.uc_link = nullptr;
    ::makecontext(&each.context, &scheduler::enter, 0);
  }
  in_run = this;
  running_ = max_threads; // nobody
  pick_next(true);
  in_run = nullptr;
  last_count_ = std::exchange(count_, 0);
  return failure_;
}

bool scheduler::died(unsigned thread) const noexcept {
  auto count = std::max(count_, last_count_);
  return thread < count && fibers_[thread]->in == fiber::state::dead;
}

// -- switching ----------------------------------------------------------------

bool scheduler::runnable(unsigned thread) const noexcept {
  const auto& each = *fibers_[thread];
  switch (each.in) {
    case fiber::state::ready:
      return true;
    case fiber::state::awaits_end:
      return fibers_[each.awaited]->finished();
    case fiber::state::awaits_flag:
      return raised_[each.awaited];
    default:
      return false;
  }
}

void scheduler::resume(unsigned thread) {
  auto& from =
    running_ == max_threads ? main_->context : fibers_[running_]->context;
  running_ = thread;
  auto& to = thread == max_threads ? main_->context : fibers_[thread]->context;
  ::swapcontext(&from, &to);
}

void scheduler::pick_next(bool forced) {
  choice_point point;
  point.ordinal = ordinal_++;
  point.forced = forced;
  if (!forced)
    point.threads[point.count++] = static_cast<std::uint8_t>(running_);
  bool all_finished = true;
  for (unsigned i = 0; i < count_; ++i) {
    all_finished = all_finished && fibers_[i]->finished();
    if ((forced || i != running_) && runnable(i))
      point.threads[point.count++] = static_cast<std::uint8_t>(i);
  }
  if (point.count == 0) {
    if (!all_finished)
      failure_ = "all threads wait for one another";
    resume(max_threads);
    return;
  }
  auto next = point.threads[point.count == 1 ? 0 : chooser_->choose(point)];
  if (next != running_)
    resume(next);
}

void scheduler::leave() {
  pick_next(true);
}

void scheduler::give_way() {
  pick_next(true);
  fibers_[running_]->in = fiber::state::ready;
}

void scheduler::fail(const std::string& what) {
  failure_ = what;
  resume(max_threads);
  misuse("a failed run was resumed");
}

// -- choices at an access -----------------------------------------------------

std::uint32_t scheduler::offset_of(const void* at) {
  auto offset = static_cast<const std::byte*>(at) - region_.data();
  if (offset < 0 || static_cast<std::size_t>(offset) >= region_.size())
    fail("an access leaves the region");
  return static_cast<std::uint32_t>(offset);
}

void scheduler::trace(std::function<std::string(std::uint32_t)> describe) {
  describe_ = std::move(describe);
}

void scheduler::show(const char* what, std::uint32_t offset,
                     std::uint64_t value, unsigned age) const {
  if (!describe_)
    return;
  std::printf("%6u  thread %u  %-11s  %-28s %#llx", ordinal_, running_, what,
              describe_(offset).c_str(),
              static_cast<unsigned long long>(value));
  if (age != 0)
    std::printf("  (%u old)", age);
  std::printf("\n");
}

unsigned scheduler::ask(choice_kind kind, unsigned count) {
  choice_point point;
  point.ordinal = ordinal_++;
  point.kind = kind;
  point.count = count;
  return chooser_->choose(point);
}

void scheduler::note(std::uint32_t offset, bool writes) noexcept {
  auto bit = static_cast<std::uint8_t>(1U << running_);
  auto& touched = touched_by_[offset];
  if ((touched & bit) != 0 && (!writes || written_[offset]))
    return;
  auto was_shared = written_[offset] && !std::has_single_bit(touched);
  touched |= bit;
  if (writes)
    written_[offset] = true;
  auto is_shared = written_[offset] && !std::has_single_bit(touched);
  shared_count_ += is_shared && !was_shared ? 1 : 0;
}

void scheduler::before_access(std::uint32_t offset, bool writes, bool may_die) {
  if (++steps_ > most_steps_)
    fail("no end after " + std::to_string(most_steps_) + " steps");
  if (!modelled_)
    return;
  note(offset, writes);
  if (everywhere_
      || (written_[offset] && !std::has_single_bit(touched_by_[offset])))
    pick_next(false);
  else
    ++ordinal_;
  if (!writes || !may_die || !fibers_[running_]->mortal)
    return;
  if (ask(choice_kind::death, 2) != 0) {
    fibers_[running_]->in = fiber::state::dead;
    leave();
    misuse("a dead thread was resumed");
  }
}

std::uint64_t scheduler::load(const void* at, unsigned size,
                              std::memory_order order) {
  auto offset = offset_of(at);
  before_access(offset, false, false);
  if (!modelled_)
    return raw_load(region_.data() + offset, size);
  auto count = model_.readable(running_, offset, size, order);
  unsigned age = 0;
  if (count > 1) {
    auto& me = *fibers_[running_];
    if (me.lagging)
      me.lagging = ask(choice_kind::catch_up, 2) == 0;
    else
      me.lagging = ask(choice_kind::lag, 2) != 0;
    if (me.lagging) {
      age = count - 1;
      if (count > 2)
        age -= ask(choice_kind::age, count);
    }
    weak_ = weak_ || age != 0;
  }
  auto value = model_.load(running_, offset, size, order, age);
  show("load", offset, value, age);
  return value;
}

void scheduler::store(void* at, unsigned size, std::uint64_t value,
                      std::memory_order order, bool may_die) {
  auto offset = offset_of(at);
  before_access(offset, true, may_die);
  if (modelled_)
    model_.store(running_, offset, size, value, order);
  else
    raw_store(region_.data() + offset, size, value);
  show("store", offset, value);
}

std::uint32_t scheduler::begin_update(void* at, unsigned) {
  auto offset = offset_of(at);
  before_access(offset, true, true);
  return offset;
}

bool scheduler::compare_exchange(void* at, unsigned size,
                                 std::uint64_t& expected, std::uint64_t desired,
                                 std::memory_order success,
                                 std::memory_order failure) {
  auto offset = begin_update(at, size);
  auto present = raw_load(region_.data() + offset, size);
  if (present == expected) {
    if (modelled_)
      model_.update(running_, offset, size, desired, success);
    else
      raw_store(region_.data() + offset, size, desired);
    show("exchange", offset, desired);
    return true;
  }
  expected = present;
  if (modelled_)
    (void)model_.load(running_, offset, size, failure, 0);
  show("no exchange", offset, present);
  return false;
}

void scheduler::set_with_bytes_before(void* at, std::uint32_t word,
                                      std::span<const std::uint8_t> bytes) {
  std::uint64_t none = 0;
  if (!compare_exchange(at, sizeof word, none, word, std::memory_order_seq_cst,
                        std::memory_order_seq_cst))
    return;
  auto offset = offset_of(at) - static_cast<std::uint32_t>(bytes.size());
  for (auto byte : bytes) {
    note(offset, true);
    if (modelled_)
      model_.update(running_, offset, sizeof byte, byte,
                    std::memory_order_seq_cst);
    else
      raw_store(region_.data() + offset, sizeof byte, byte);
    show("with it", offset, byte);
    ++offset;
  }
}

void scheduler::fence(std::memory_order order) {
  if (modelled_)
    model_.fence(running_, order);
}

void scheduler::catch_up() noexcept {
  fibers_[running_]->lagging = false;
}

// -- waiting ------------------------------------------------------------------

bool scheduler::await_end(unsigned thread) {
  auto& me = *fibers_[running_];
  if (!fibers_[thread]->finished()) {
    me.in = fiber::state::awaits_end;
    me.awaited = thread;
    give_way();
  }
  model_.learn(running_, model_.clock_of(thread));
  return died(thread);
}

void scheduler::raise(unsigned flag) {
  raised_[flag] = true;
  join(flag_clocks_[flag], now());
}

void scheduler::await(unsigned flag) {
  auto& me = *fibers_[running_];
  if (!raised_[flag]) {
    me.in = fiber::state::awaits_flag;
    me.awaited = flag;
    give_way();
  }
  model_.learn(running_, flag_clocks_[flag]);
}

} // namespace neuroplex::schedule
