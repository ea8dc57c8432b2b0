#include "memory/bus_guard.hpp"

#include "memory/store.hpp"
#include "memory/temporary_directory.test.hpp"

#include <catch2/catch.hpp>

#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

using namespace neuroplex;
using namespace neuroplex::memory;
using neuroplex::memory::testing::temporary_directory;

namespace {

constexpr auto space = namespace_id::default_namespace;

struct ending {
  int status = 0;
  std::string said;
};

/// How a child ends that opens the segment, has its file cut and reads it.
ending cut_under_a_child(const std::string& path, bool with_words) {
  int said[2] = {-1, -1};
  REQUIRE(::pipe(said) == 0);
  auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::dup2(said[1], STDERR_FILENO);
    ::close(said[0]);
    ::close(said[1]);
    std::signal(SIGBUS, SIG_DFL); // not a sanitizer's
    if (with_words)
      end_with_words_when_cut();
    auto db = store::open(path);
    std::string value;
    if (!db || db->get(space, "key", value) != errc::ok)
      ::_exit(100);
    if (::truncate(path.c_str(), 0) != 0)
      ::_exit(101);
    (void)db->get(space, "key", value);
    ::_exit(102);
  }
  ::close(said[1]);
  ending result;
  char bytes[1024];
  for (ssize_t count = 0; (count = ::read(said[0], bytes, sizeof bytes)) > 0;)
    result.said.append(bytes, static_cast<std::size_t>(count));
  ::close(said[0]);
  REQUIRE(::waitpid(child, &result.status, 0) == child);
  return result;
}

} // namespace

TEST_CASE("a segment that is cut short ends a program with one clear line") {
  temporary_directory room;
  auto path = (room.path() / "seg\nment").string();
  {
    auto made = store::create(path, {.segment_bytes = 1U << 20});
    REQUIRE(made);
    REQUIRE(made->set(space, "key", "value") == errc::ok);
  }
  auto end = cut_under_a_child(path, true);
  REQUIRE(WIFEXITED(end.status));
  CHECK(WEXITSTATUS(end.status) == exit_segment_cut);
  CHECK(end.said.find("error[E-SEGBUS]: segment ") == 0);
  CHECK(end.said.find("seg?ment: its file was cut short") != std::string::npos);
  CHECK(end.said.find('\n') == end.said.size() - 1);
  // Who comes later is told by the length.
  CHECK(store::open(path).code() == errc::segment_size);
}

TEST_CASE("without the guard a cut segment has the signal's usual effect") {
  temporary_directory room;
  auto path = (room.path() / "segment").string();
  {
    auto made = store::create(path, {.segment_bytes = 1U << 20});
    REQUIRE(made);
    REQUIRE(made->set(space, "key", "value") == errc::ok);
  }
  auto end = cut_under_a_child(path, false);
  CHECK(WIFSIGNALED(end.status));
  CHECK(end.said.empty());
}

TEST_CASE("a bus error that no segment explains is not held up") {
  auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGBUS, SIG_DFL);
    end_with_words_when_cut();
    ::raise(SIGBUS);
    ::_exit(100);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
}
