// Replays scenarios that another implementation was tested with.
//
// usage: raft_scenarios --data FOLDER quorum|confchange|interaction
//        raft_scenarios --file FILE   quorum|confchange|interaction
//
// Every file of the suite's folder is replayed, but for those that left_out
// names. Status 0: all as expected; 1: not; 77: no data.
#include "tests/raft/suites.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace {

using namespace neuroplex::raft_scenarios;
namespace fs = std::filesystem;

struct omission {
  const char* file;
  const char* reason;
};

constexpr omission left_out[] = {
  {"async_storage_writes.txt",
   "a candidate's requests wait here until its vote is durable"},
  {"async_storage_writes_append_aba_race.txt",
   "the same; what it is about is a unit test here (durability.test.cpp)"},
  {"confchange_disable_validation.txt",
   "validation of changes cannot be switched off here"},
  {"confchange_v1_remove_leader_stepdown.txt",
   "a configuration is in force here when it is in the log, there when it is "
   "applied, so that another majority commits the removal"},
};

const char* reason_to_leave_out(const std::string& name) {
  for (const auto& one : left_out)
    if (name == one.file)
      return one.reason;
  return nullptr;
}

using replay_function = void (*)(const std::vector<script_step>&, verdict&);

replay_function replay_for(const std::string& suite) {
  if (suite == "quorum")
    return replay_quorum;
  if (suite == "confchange")
    return replay_confchange;
  return suite == "interaction" ? replay_interaction : nullptr;
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 4 || replay_for(argv[3]) == nullptr) {
    std::fprintf(stderr, "usage: raft_scenarios --data FOLDER | --file FILE "
                         "quorum|confchange|interaction\n");
    return 2;
  }
  std::string suite = argv[3];
  std::vector<fs::path> files;
  std::error_code error;
  if (std::strcmp(argv[1], "--file") == 0) {
    files.emplace_back(argv[2]);
  } else {
    for (const auto& one :
         fs::directory_iterator{fs::path{argv[2]} / suite, error})
      if (one.path().extension() == ".txt")
        files.push_back(one.path());
  }
  if (files.empty()) {
    std::printf("no scenarios in %s/%s\n", argv[2], suite.c_str());
    return 77;
  }
  std::sort(files.begin(), files.end());
  int wrong = 0;
  int replayed = 0;
  for (const auto& file : files) {
    auto name = file.filename().string();
    if (const auto* reason = reason_to_leave_out(name);
        reason != nullptr && suite == "interaction") {
      std::printf("%s: left out: %s\n", name.c_str(), reason);
      continue;
    }
    auto steps = read_script(file);
    if (!steps) {
      std::printf("%s: cannot be read\n", name.c_str());
      return 1;
    }
    verdict out{name};
    replay_for(suite)(*steps, out);
    std::printf("%s: %zu steps, %d compared, %d wrong\n", name.c_str(),
                steps->size(), out.compared(), out.wrong());
    wrong += out.wrong() + (out.compared() == 0 ? 1 : 0);
    ++replayed;
  }
  std::printf("%d files replayed, %zu left out, %d wrong\n", replayed,
              files.size() - static_cast<std::size_t>(replayed), wrong);
  return wrong == 0 ? 0 : 1;
}
