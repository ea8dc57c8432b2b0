#include "cli/cluster/node_process.hpp"

#include "config/settings.hpp"

#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include <sys/stat.h>

namespace neuroplex::cli {

namespace {

constexpr std::chrono::milliseconds ready_poll_interval{5};
constexpr mode_t directory_mode = 0700;
constexpr std::size_t told_log_lines = 5;

std::string file_in(const std::string& directory, std::string_view name) {
  return (std::filesystem::path{directory} / name).string();
}

} // namespace

std::string config_file_of(const config::node_options& options) {
  nlohmann::ordered_json file;
  for (const auto& row : config::settings()) {
    auto value =
      nlohmann::ordered_json::parse(config::file_value(row, row.get(options)));
    auto section = std::string{config::section_of(row.name)};
    if (section == row.name)
      file[section] = std::move(value);
    else
      file[section][std::string{config::key_of(row.name)}] = std::move(value);
  }
  constexpr int indent = 2;
  return file.dump(indent) + '\n';
}

node_process::node_process(std::string program, config::node_options options)
  : program_{std::move(program)}, options_{std::move(options)} {
}

std::string node_process::ready_path() const {
  return file_in(options_.data_dir, "ready.json");
}

std::string node_process::log_path() const {
  return file_in(options_.data_dir, "node.log");
}

expected<void> node_process::start() {
  if (running())
    return failure{errc::busy, "node " + std::to_string(options_.replica_id)
                                 + " runs already"};
  if (::mkdir(options_.data_dir.c_str(), directory_mode) != 0
      && errno != EEXIST)
    return failure{errc::bad_path, options_.data_dir + ": cannot be made: "
                                     + std::strerror(errno)};
  std::error_code ignored; // it need not be there
  std::filesystem::remove(ready_path(), ignored);
  auto config_path = file_in(options_.data_dir, "node.json");
  std::ofstream file{config_path, std::ios::trunc};
  file << config_file_of(options_);
  file.close();
  if (!file)
    return failure{errc::io, config_path + ": cannot be written"};
  auto child = child_process::start(
    {.arguments = {program_, "serve", "--config", config_path, "--ready-file",
                   ready_path()},
     .output_path = log_path(),
     .error_path = {}});
  if (!child)
    return child.error();
  child_ = std::move(*child);
  return {};
}

failure node_process::not_ready(const std::string& what) const {
  return {errc::unavailable, "node " + std::to_string(options_.replica_id) + ' '
                               + what + "; the end of " + log_path() + ":\n"
                               + log_tail(told_log_lines, "  ")};
}

expected<void> node_process::wait_ready(std::chrono::milliseconds timeout,
                                        const std::function<bool()>& give_up) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  std::error_code ignored;
  for (;;) {
    if (!child_)
      return failure{errc::unavailable, "the node was not started"};
    if (auto ended = child_->poll())
      return not_ready("ended before it was ready (" + ended->to_string()
                       + ')');
    if (std::filesystem::exists(ready_path(), ignored))
      return {};
    if (give_up())
      return failure{errc::deadline, "given up while a node was starting"};
    if (std::chrono::steady_clock::now() >= deadline)
      return not_ready("was not ready after " + std::to_string(timeout.count())
                       + " ms");
    std::this_thread::sleep_for(ready_poll_interval);
  }
}

bool node_process::running() {
  return child_ && !child_->poll();
}

void node_process::ask_to_stop() {
  if (child_)
    child_->ask_to_stop();
}

child_exit node_process::stop(std::chrono::milliseconds grace) {
  return child_ ? child_->stop(grace) : child_exit{};
}

void node_process::kill() {
  if (child_)
    child_->kill();
}

std::string node_process::log_tail(std::size_t max_lines,
                                   std::string_view indent) const {
  std::ifstream file{log_path()};
  std::deque<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(std::move(line));
    if (lines.size() > max_lines)
      lines.pop_front();
  }
  std::string result;
  for (const auto& line : lines) {
    if (!result.empty())
      result += '\n';
    result += indent;
    result += line;
  }
  return result;
}

} // namespace neuroplex::cli
