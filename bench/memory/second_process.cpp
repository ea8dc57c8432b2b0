#include "bench/memory/second_process.hpp"

#include "bench/memory/clock.hpp"
#include "bench/memory/exchange.hpp"
#include "bench/memory/lmdb_subject.hpp"
#include "bench/memory/machine.hpp"
#include "bench/memory/store_subject.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace neuroplex::bench {

namespace {

template <class T>
bool send_all(int socket, const T& what) {
  return ::send(socket, &what, sizeof what, MSG_NOSIGNAL)
         == static_cast<ssize_t>(sizeof what);
}

template <class T>
bool receive_all(int socket, T& what) {
  ssize_t got = 0;
  do {
    got = ::recv(socket, &what, sizeof what, MSG_WAITALL);
  } while (got < 0 && errno == EINTR);
  return got == static_cast<ssize_t>(sizeof what);
}

/// What the child has open.
class assistant {
public:
  explicit assistant(shared_page& page) : page_{page} {
  }

  sample carry_out(const order& what) {
    switch (what.action) {
      case order::kind::attach_store: {
        auto opened = memory::store::open(what.path);
        if (!opened)
          give_up("second process", opened.error().message());
        store_ = std::make_unique<store_subject>(std::move(*opened));
        // Every page of the mapping is touched once.
        sample result;
        entry_value value;
        for (std::uint64_t i = 0; i < what.count; ++i)
          result.wrong += store_->get(entry_key{i}, value) ? 0 : 1;
        result.operations = what.count;
        return result;
      }
      case order::kind::attach_lmdb: {
        lmdb_ = std::make_unique<lmdb_subject>(what.path, what.count);
        entry_value value;
        sample result;
        result.operations = 1;
        result.wrong = lmdb_->get(entry_key{0}, value) ? 0 : 1;
        return result;
      }
      case order::kind::detach:
        store_.reset();
        lmdb_.reset();
        return {};
      case order::kind::run_store:
        meet(page_);
        return run(*store_, what.what, {what.count, what.seed}, what.seconds);
      case order::kind::run_lmdb:
        meet(page_);
        return run(*lmdb_, what.what, {what.count, what.seed}, what.seconds);
      case order::kind::ball:
        meet(page_);
        return return_ball(page_, what.count);
      case order::kind::exchange:
        return answer_exchange(page_, what.path, what.count);
      case order::kind::quit:
        break;
    }
    return {};
  }

private:
  shared_page& page_;
  std::unique_ptr<store_subject> store_;
  std::unique_ptr<lmdb_subject> lmdb_;
};

[[noreturn]] void be_the_child(int socket, int cpu, shared_page& page) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  pin_to_cpu(cpu);
  {
    assistant self{page};
    order what;
    while (receive_all(socket, what) && what.action != order::kind::quit)
      if (!send_all(socket, self.carry_out(what)))
        break;
  }
  std::fflush(nullptr);
  ::_exit(EXIT_SUCCESS);
}

} // namespace

order make_order(order::kind action, const std::string& path) {
  order result;
  result.action = action;
  if (path.size() >= sizeof result.path)
    give_up("path too long", path);
  std::memcpy(result.path, path.c_str(), path.size() + 1);
  return result;
}

void meet(shared_page& page) {
  constexpr double patience_ns = 60e9;
  constexpr std::uint32_t both = 2;
  auto deadline = wall_ns() + patience_ns;
  auto turn = page.arrived.fetch_add(1) / both;
  while (page.arrived.load() < (turn + 1) * both)
    if (wall_ns() > deadline)
      give_up("second process", "did not come to the barrier");
}

second_process::second_process(int cpu) {
  void* memory = ::mmap(nullptr, sizeof(shared_page), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int sockets[2];
  if (memory == MAP_FAILED
      || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
    give_up("second process", std::strerror(errno));
  page_ = new (memory) shared_page{};
  child_ = ::fork();
  if (child_ < 0)
    give_up("second process", std::strerror(errno));
  if (child_ == 0) {
    ::close(sockets[0]);
    be_the_child(sockets[1], cpu, *page_);
  }
  ::close(sockets[1]);
  socket_ = sockets[0];
}

second_process::~second_process() {
  order quit;
  quit.action = order::kind::quit;
  send_all(socket_, quit);
  ::close(socket_);
  ::waitpid(child_, nullptr, 0);
  ::munmap(page_, sizeof(shared_page));
}

void second_process::start(const order& what) {
  if (!send_all(socket_, what))
    give_up("second process", "is gone");
}

sample second_process::finish() {
  sample result;
  if (!receive_all(socket_, result))
    give_up("second process", "is gone");
  return result;
}

sample second_process::carry_out(const order& what) {
  start(what);
  return finish();
}

} // namespace neuroplex::bench
