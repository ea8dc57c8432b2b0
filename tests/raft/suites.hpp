// The suites of scenarios, and how a deviation is told.
//
// Purpose: what the program and its suites share.
//
// Threads: one at a time.
//
// Failure behaviour: a deviation is printed and counted.
#pragma once

#include "consensus/raft/config_change.hpp"
#include "tests/raft/script.hpp"

#include <cstdio>
#include <string>

namespace neuroplex::raft_scenarios {

/// What a file came to.
class verdict {
public:
  explicit verdict(std::string file) : file_{std::move(file)} {
  }

  void compare(const script_step& step, const std::string& expected,
               const std::string& found) {
    ++compared_;
    if (expected == found)
      return;
    ++wrong_;
    std::printf("%s:%zu: %s\n  expected: %s\n  found:    %s\n", file_.c_str(),
                step.line, step.command.c_str(), expected.c_str(),
                found.c_str());
  }

  [[nodiscard]] int wrong() const noexcept {
    return wrong_;
  }

  [[nodiscard]] int compared() const noexcept {
    return compared_;
  }

private:
  std::string file_;
  int compared_ = 0;
  int wrong_ = 0;
};

void replay_quorum(const std::vector<script_step>& steps, verdict& out);
void replay_confchange(const std::vector<script_step>& steps, verdict& out);
void replay_interaction(const std::vector<script_step>& steps, verdict& out);

/// Changes written as "v1 l2 r3"; "u4" is no change of membership.
[[nodiscard]] std::vector<raft::member_change>
parse_changes(const std::vector<std::string>& lines);

/// "voters=(1 2)&&(1) learners=(3) learners_next=(2) autoleave".
[[nodiscard]] std::string describe(const raft::configuration& members);

} // namespace neuroplex::raft_scenarios
