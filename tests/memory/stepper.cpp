#include "tests/memory/stepper.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <sys/mman.h>

namespace neuroplex::memory::testing {

namespace {

void protect(std::byte* address, std::size_t bytes, int protection) noexcept {
  if (::mprotect(address, bytes, protection) != 0)
    std::abort();
}

// What lies below the stack pointer belongs to the compiler.
void set_trap_flag() noexcept {
#if defined(__x86_64__)
  asm volatile("leaq -128(%%rsp), %%rsp\n\t"
               "pushfq\n\t"
               "orq $0x100, (%%rsp)\n\t"
               "popfq\n\t"
               "leaq 128(%%rsp), %%rsp"
               :
               :
               : "memory", "cc");
#endif
}

void clear_trap_flag() noexcept {
#if defined(__x86_64__)
  asm volatile("leaq -128(%%rsp), %%rsp\n\t"
               "pushfq\n\t"
               "andq $~0x100, (%%rsp)\n\t"
               "popfq\n\t"
               "leaq 128(%%rsp), %%rsp"
               :
               :
               : "memory", "cc");
#endif
}

} // namespace

stepper* stepper::current = nullptr;

bool stepper::available() noexcept {
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
  return true;
#else
  return false;
#endif
}

stepper::stepper(std::byte* begin, std::size_t bytes,
                 std::function<void(const change&)> changed)
  : begin_{begin}, bytes_{bytes}, changed_{std::move(changed)} {
  // SA_NODEFER: what is done at a change may be stepped as well.
  struct sigaction action {};
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  action.sa_sigaction = on_trap;
  ::sigaction(SIGTRAP, &action, nullptr);
  action.sa_sigaction = on_fault;
  ::sigaction(SIGSEGV, &action, nullptr);
  protect(begin_, bytes_, PROT_READ);
}

stepper::~stepper() {
  protect(begin_, bytes_, PROT_READ | PROT_WRITE);
}

void stepper::run(const std::function<void()>& body) {
  auto* outer = std::exchange(current, this);
  set_trap_flag();
  body();
  clear_trap_flag();
  current = outer;
}

void stepper::on_trap(int, siginfo_t*, void*) {
  auto error = errno;
  current->stepped();
  errno = error;
}

void stepper::stepped() {
  ++instructions_;
  if (open_count_ == 0)
    return;
  change seen{nullptr, nullptr};
  for (unsigned i = 0; i < open_count_; ++i) {
    note(open_[i], seen);
    protect(open_[i].address, page_bytes, PROT_READ);
  }
  open_count_ = 0;
  if (seen.begin != nullptr)
    changed_(seen);
}

void stepper::note(const open_page& page, change& seen) noexcept {
  if (std::memcmp(page.address, page.before.data(), page_bytes) == 0)
    return;
  const auto* begin = page.address;
  const auto* end = begin + page_bytes;
  const auto* first = std::mismatch(begin, end, page.before.begin()).first;
  while (*(end - 1) == page.before[static_cast<std::size_t>(end - 1 - begin)])
    --end;
  seen.begin = seen.begin == nullptr ? first : std::min(seen.begin, first);
  seen.end = seen.end == nullptr ? end : std::max(seen.end, end);
}

void stepper::on_fault(int, siginfo_t* info, void*) {
  auto error = errno;
  auto* address = static_cast<std::byte*>(info->si_addr);
  if (current == nullptr || !current->open(address)) {
    // Not ours: happens again, and ends the process.
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    ::sigaction(SIGSEGV, &action, nullptr);
  }
  errno = error;
}

bool stepper::open(std::byte* address) noexcept {
  if (address < begin_ || address >= begin_ + bytes_ || open_count_ == max_open)
    return false;
  auto offset = static_cast<std::size_t>(address - begin_);
  auto& page = open_[open_count_++];
  page.address = begin_ + offset / page_bytes * page_bytes;
  std::memcpy(page.before.data(), page.address, page_bytes);
  protect(page.address, page_bytes, PROT_READ | PROT_WRITE);
  return true;
}

} // namespace neuroplex::memory::testing
