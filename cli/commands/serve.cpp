#include "cli/commands/serve.hpp"

#include "actors/node.hpp"
#include "cli/flags.hpp"
#include "cli/settings_flags.hpp"
#include "cli/terminal/interrupt.hpp"
#include "config/check.hpp"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <unistd.h>

namespace neuroplex::cli {

namespace {

struct serve_arguments {
  settings_flags settings;
  std::string ready_file;
};

failure ready_failure(const std::string& path) {
  return {errc::bad_path, "--ready-file: " + config::quote(path, 256) + ": "
                            + std::strerror(errno)
                            + ": expected a file that we may write"};
}

// The file that says that the node is ready; gone with this object.
class ready_mark {
public:
  explicit ready_mark(std::string path) : path_{std::move(path)} {
  }

  ready_mark(const ready_mark&) = delete;
  ready_mark& operator=(const ready_mark&) = delete;

  ~ready_mark() {
    if (written_)
      ::unlink(path_.c_str());
  }

  // Written beside and renamed, so that who sees it sees all of it.
  expected<void> write(const std::string& text) {
    auto beside = path_ + ".new";
    auto fd =
      ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
      return ready_failure(path_);
    auto count = ::write(fd, text.data(), text.size());
    ::close(fd);
    if (count != static_cast<ssize_t>(text.size())
        || std::rename(beside.c_str(), path_.c_str()) != 0)
      return ready_failure(path_);
    written_ = true;
    return {};
  }

private:
  std::string path_;
  bool written_ = false;
};

std::string ready_text(actors::node& running) {
  auto& options = running.options();
  auto& found = running.found();
  nlohmann::ordered_json object{
    {"cluster", options.cluster},
    {"replica_id", options.replica_id},
    {"process_id", ::getpid()},
    {"incarnation", running.incarnation()},
    {"basp_host", options.basp.host},
    {"basp_port", running.basp_port()},
    {"tunnel_port", running.tunnel_port()},
    {"resp_port", running.resp_port()},
    {"segment", options.segment_path()},
    {"found",
     {{"made", found.made},
      {"clean", found.clean},
      {"power_lost", found.power_lost},
      {"checked", found.checked},
      {"entries", found.entries},
      {"bytes", found.bytes},
      {"dropped", found.dropped},
      {"recovered_threads", found.recovered_threads}}},
  };
  return object.dump(2) + "\n";
}

void say_ready(context& ctx, actors::node& running) {
  auto& options = running.options();
  ctx.out << "node " << options.replica_id << " of cluster \""
          << options.cluster << "\" is ready\n"
          << "  actors   " << options.basp.host << ':' << running.basp_port()
          << '\n';
  if (running.tunnel_port() != 0)
    ctx.out << "  tunnel   " << options.tunnel.host << ':'
            << running.tunnel_port() << '\n';
  if (running.resp_port() != 0)
    ctx.out << "  redis    " << options.resp.host << ':' << running.resp_port()
            << '\n';
  ctx.out << "  segment  " << config::escape(options.segment_path()) << '\n'
          << "  found    " << running.found().text << '\n';
  if (options.segment.numa.policy != memory::numa_policy::system)
    ctx.out << "  memory   " << running.store().memory_placement().text << '\n';
  ctx.out << "  peers    " << options.peers.size() << '\n'
          << "Ctrl-C or SIGTERM ends it." << std::endl;
}

outcome run_serve(context& ctx, const serve_arguments& given) {
  config::node_options options;
  if (auto found = given.settings.load(options))
    return found;
  if (auto found = config::check_files(options))
    return found;
  // A peer or client that goes away must not take us with it.
  std::signal(SIGPIPE, SIG_IGN);
  interrupt_guard interrupts;
  auto started = actors::node::start(std::move(options));
  if (!started)
    return failed(started.error());
  auto& running = **started;
  ready_mark ready{given.ready_file};
  if (!given.ready_file.empty())
    if (auto written = ready.write(ready_text(running)); !written)
      return failed(written.error());
  say_ready(ctx, running);
  while (ctx.out && !interrupt_guard::requested()) {
    if (auto why = running.failed())
      return failed(*why);
    std::this_thread::sleep_for(watch_interval);
  }
  running.stop();
  if (ctx.out)
    ctx.out << "stopped\n";
  return std::nullopt;
}

} // namespace

void add_serve(CLI::App& app, context& ctx) {
  auto given = std::make_shared<serve_arguments>();
  auto& command = *app.add_subcommand(
    "serve", "Run a node in the foreground until Ctrl-C or SIGTERM");
  add_text(command, "--ready-file", given->ready_file,
           "Write ports and process id there once ready; removed at the end")
    ->type_name("FILE");
  given->settings.add_to(command);
  command.callback([&ctx, given] {
    ctx.action = [&ctx, given] { return run_serve(ctx, *given); };
  });
  add_examples(command,
               {"neuroplex serve", "neuroplex serve --config node.json",
                "neuroplex serve --segment-size 1G --data-dir /var/lib/x",
                "neuroplex serve --replica-id 1 --port 7400 --resp-port off "
                "--peer 2@127.0.0.1:7410"});
}

} // namespace neuroplex::cli
