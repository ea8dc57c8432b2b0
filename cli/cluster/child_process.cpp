#include "cli/cluster/child_process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace neuroplex::cli {

namespace {

constexpr std::chrono::milliseconds poll_interval{2};
constexpr std::string_view own_prefix = "NEUROPLEX_";
constexpr int exec_failed_status = 127;

std::string reason() {
  return std::strerror(errno);
}

// A descriptor that is closed when its scope ends.
class owned_descriptor {
public:
  explicit owned_descriptor(int number) : number_{number} {
  }

  owned_descriptor(const owned_descriptor&) = delete;
  owned_descriptor& operator=(const owned_descriptor&) = delete;

  ~owned_descriptor() {
    reset();
  }

  void reset() {
    if (number_ >= 0)
      ::close(std::exchange(number_, -1));
  }

  [[nodiscard]] int get() const {
    return number_;
  }

private:
  int number_;
};

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (auto& text : strings)
    result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> inherited_environment() {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (!std::string_view{*entry}.starts_with(own_prefix))
      result.emplace_back(*entry);
  return result;
}

int open_log(const std::string& path) {
  constexpr mode_t log_mode = 0600;
  return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                log_mode);
}

child_exit exit_of(int wait_status) {
  if (WIFSIGNALED(wait_status))
    return {0, WTERMSIG(wait_status)};
  return {WEXITSTATUS(wait_status), 0};
}

struct child_setup {
  char* const* arguments;
  char* const* environment;
  int input;
  int output;
  int error;
  int report; // takes errno when exec fails
  pid_t parent;
};

// Runs in the child between fork and exec: async-signal-safe calls only.
[[noreturn]] void become(const child_setup& setup) {
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  // The request is void when the parent died before it: look again.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != setup.parent)
    ::_exit(exec_failed_status);
  ::setpgid(0, 0);
  if (::dup2(setup.input, STDIN_FILENO) >= 0
      && ::dup2(setup.output, STDOUT_FILENO) >= 0
      && ::dup2(setup.error, STDERR_FILENO) >= 0)
    ::execve(setup.arguments[0], setup.arguments, setup.environment);
  const int code = errno;
  [[maybe_unused]] auto written = ::write(setup.report, &code, sizeof code);
  ::_exit(exec_failed_status);
}

} // namespace

std::string child_exit::to_string() const {
  return signal != 0 ? "signal " + std::to_string(signal)
                     : "exit status " + std::to_string(status);
}

expected<child_process> child_process::start(const child_command& command) {
  NEUROPLEX_ENSURE(!command.arguments.empty());
  const auto& program = command.arguments.front();
  owned_descriptor input{
    ::open(command.input_path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)};
  if (input.get() < 0)
    return failure{errc::bad_path,
                   command.input_path + ": cannot be opened: " + reason()};
  owned_descriptor output{open_log(command.output_path)};
  if (output.get() < 0)
    return failure{errc::bad_path,
                   command.output_path + ": cannot be opened: " + reason()};
  owned_descriptor error{command.error_path.empty()
                           ? ::fcntl(output.get(), F_DUPFD_CLOEXEC, 0)
                           : open_log(command.error_path)};
  if (error.get() < 0)
    return failure{errc::bad_path,
                   command.error_path + ": cannot be opened: " + reason()};
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    return failure{errc::io, program + ": no pipe: " + reason()};
  owned_descriptor report_from{ends[0]};
  owned_descriptor report_to{ends[1]};
  auto argument_texts = command.arguments;
  auto environment_texts = inherited_environment();
  auto arguments = pointers_to(argument_texts);
  auto environment = pointers_to(environment_texts);
  const child_setup setup{arguments.data(), environment.data(), input.get(),
                          output.get(),     error.get(),        report_to.get(),
                          ::getpid()};
  // Not posix_spawn: it cannot ask for the signal at the parent's death.
  const pid_t pid = ::fork();
  if (pid < 0)
    return failure{errc::io, program + ": cannot be started: " + reason()};
  if (pid == 0)
    become(setup);
  child_process child{pid};
  report_to.reset();
  int code = 0;
  ssize_t count = 0;
  do
    count = ::read(report_from.get(), &code, sizeof code);
  while (count < 0 && errno == EINTR);
  if (count == static_cast<ssize_t>(sizeof code))
    return failure{errc::bad_path,
                   program + ": cannot be run: " + std::strerror(code)};
  return child;
}

child_process::child_process(child_process&& other) noexcept
  : pid_{std::exchange(other.pid_, -1)}, asked_{other.asked_}, exit_{
                                                                 other.exit_} {
}

child_process& child_process::operator=(child_process&& other) noexcept {
  if (this != &other) {
    kill();
    pid_ = std::exchange(other.pid_, -1);
    asked_ = other.asked_;
    exit_ = other.exit_;
  }
  return *this;
}

child_process::~child_process() {
  kill();
}

std::optional<child_exit> child_process::poll() {
  if (exit_ || pid_ < 0)
    return exit_;
  int status = 0;
  pid_t reaped = 0;
  do
    reaped = ::waitpid(pid_, &status, WNOHANG);
  while (reaped < 0 && errno == EINTR);
  if (reaped == pid_)
    exit_ = exit_of(status);
  return exit_;
}

std::optional<child_exit>
child_process::wait(std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!poll() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(poll_interval);
  return exit_;
}

void child_process::ask_to_stop() {
  if (asked_ || pid_ < 0 || poll())
    return;
  asked_ = true;
  ::kill(pid_, SIGTERM);
}

child_exit child_process::stop(std::chrono::milliseconds grace) {
  ask_to_stop();
  if (auto ended = wait(pid_ >= 0 ? grace : std::chrono::milliseconds{0}))
    return *ended;
  return kill();
}

child_exit child_process::kill() {
  if (pid_ < 0)
    return {};
  if (!poll())
    ::kill(pid_, SIGKILL);
  return reap();
}

child_exit child_process::reap() {
  int status = 0;
  while (!exit_) {
    if (::waitpid(pid_, &status, 0) == pid_)
      exit_ = exit_of(status);
    else
      NEUROPLEX_ENSURE(errno == EINTR);
  }
  return *exit_;
}

expected<std::string> own_program_path() {
  std::array<char, 4096> path{};
  auto length = ::readlink("/proc/self/exe", path.data(), path.size());
  if (length <= 0 || static_cast<std::size_t>(length) == path.size())
    return failure{errc::io, "/proc/self/exe: cannot be read: " + reason()};
  return std::string{path.data(), static_cast<std::size_t>(length)};
}

} // namespace neuroplex::cli
