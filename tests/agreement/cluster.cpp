#include "tests/agreement/cluster.hpp"

#include "memory/eventually.test.hpp"
#include "tests/agreement/checks.hpp"
#include "tests/agreement/resp_client.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include <signal.h>

namespace neuroplex::tests {

namespace {

network network_for(const cluster_options& how) {
  return how.hosts ? network::of_hosts(how.nodes)
                   : network::shared(how.own_network);
}

} // namespace

scratch::scratch() {
  auto pattern =
    (std::filesystem::temp_directory_path() / "agreement-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr)
    fail(pattern + ": cannot be made");
  path_ = pattern;
}

scratch::~scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

small_disk::small_disk(std::string path) : path_{std::move(path)} {
  must_run("mount -t tmpfs -o size=150m none " + path_);
}

small_disk::~small_disk() {
  run("umount " + path_);
}

agreeing_cluster::agreeing_cluster(const cluster_options& how)
  : how_{how}, network_{network_for(how)}, basp_(how.nodes), tunnel_(how.nodes),
    resp_(how.nodes), raft_(how.nodes), processes_(how.nodes) {
  if (how.hosts)
    make_certificates();
  for (std::size_t i = 0; i < how.nodes; ++i) {
    std::filesystem::create_directories(raft_directory(i));
    if (how.small_disks)
      disks_.push_back(std::make_unique<small_disk>(raft_directory(i)));
    start(i);
  }
}

void agreeing_cluster::make_certificates() const {
  std::filesystem::create_directories(certificates());
  const auto made = how_.program + " cert ";
  must_run(made + "ca --out " + certificates());
  for (std::size_t i = 0; i < how_.nodes; ++i)
    must_run(made + "node --out " + certificates() + " --replica-id "
             + std::to_string(i + 1));
}

void agreeing_cluster::start(std::size_t which) {
  auto home = home_of(which);
  const auto id = std::to_string(which + 1);
  std::vector<std::string> words{
    how_.program,       "serve",
    "--replica-id",     id,
    "--cluster",        "agreement",
    "--data-dir",       home,
    "--segment-size",   "16M",
    "--port",           std::to_string(basp_[which].number()),
    "--resp-port",      std::to_string(resp_port(which)),
    "--raft-dir",       raft_directory(which),
    "--raft-port",      std::to_string(raft_port(which)),
    "--raft-groups",    std::to_string(how_.groups),
    "--worker-threads", "1",
    "--space",          "default:consistency=linearizable",
    "--agreement",      how_.agreement,
    "--calm",           "500ms",
    "--snapshot-after", "64K",
    "--reconnect",      "100ms"};
  if (how_.hosts) {
    const auto files = certificates() + "/replica-" + id;
    for (const auto& [flag, value] :
         {std::pair<const char*, std::string>{"--tunnel", "true"},
          {"--tunnel-host", network_.address_of(which)},
          {"--tunnel-port", std::to_string(tunnel_[which].number())},
          {"--tunnel-ca", certificates() + "/ca.pem"},
          {"--tunnel-certificate", files + ".pem"},
          {"--tunnel-key", files + ".key"},
          {"--tunnel-idle-timeout", "5s"}}) {
      words.emplace_back(flag);
      words.push_back(value);
    }
  }
  const auto& reached = how_.hosts ? tunnel_ : basp_;
  for (std::size_t i = 0; i < size(); ++i)
    if (i != which) {
      words.emplace_back("--peer");
      words.push_back(std::to_string(i + 1) + "@" + network_.address_of(i) + ":"
                      + std::to_string(reached[i].number()));
    }
  auto there = network_.enter(which);
  auto started = cli::child_process::start(
    {.arguments = words, .output_path = home + "/output", .error_path = {}});
  if (!started)
    fail(started.error().message());
  processes_[which].emplace(std::move(*started));
}

void agreeing_cluster::send(std::size_t which, int number) {
  if (::kill(processes_[which]->pid(), number) != 0)
    fail("a node is gone that should be there: see its output: "
         + output(which));
  if (number == SIGKILL)
    processes_[which].reset(); // reaps it
}

void agreeing_cluster::stop(std::size_t which) {
  auto there = network_.enter(which);
  resp_client to{resp_port(which)};
  std::string text;
  if (!memory::testing::eventually(
        [&] { return to.ask({"PING"}, text) == resp_client::answer::value; }))
    fail("node " + std::to_string(which + 1)
         + " does not answer: " + output(which));
  auto how = processes_[which]->stop(std::chrono::seconds{20});
  if (!how.ok())
    fail("node " + std::to_string(which + 1) + " ended with " + how.to_string()
         + ": " + output(which));
  processes_[which].reset();
}

bool agreeing_cluster::raft(const std::string& words, std::size_t by) const {
  auto there = network_.enter(by);
  auto status = 0;
  run(how_.program + " raft " + words + " --timeout 10s --node 127.0.0.1:"
        + std::to_string(basp_[by].number()) + " >/dev/null 2>&1",
      &status);
  return status == 0;
}

std::string agreeing_cluster::status(std::size_t of) const {
  auto there = network_.enter(of);
  return run(how_.program + " raft status --timeout 2s --output json "
             + "--node 127.0.0.1:" + std::to_string(basp_[of].number())
             + " 2>/dev/null");
}

std::size_t agreeing_cluster::leader() const {
  for (std::size_t i = 0; i < size(); ++i) {
    auto text = status(i);
    auto at = text.find("\"leader\": ");
    if (at == std::string::npos)
      continue;
    auto id = std::strtoull(text.c_str() + at + 10, nullptr, 10);
    if (id >= 1 && id <= size())
      return id - 1;
  }
  return size();
}

std::string agreeing_cluster::output(std::size_t which) const {
  std::ifstream in{home_of(which) + "/output"};
  return {std::istreambuf_iterator<char>{in}, {}};
}

} // namespace neuroplex::tests
