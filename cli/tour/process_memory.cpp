#include "cli/tour/process_memory.hpp"

#include <fstream>
#include <sstream>
#include <string>

namespace neuroplex::cli {

expected<process_memory> memory_of_process(pid_t pid) {
  const auto path = "/proc/" + std::to_string(pid) + "/status";
  std::ifstream file{path};
  if (!file)
    return failure{errc::not_found, path + ": no such process"};
  process_memory result;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words{line};
    std::string name;
    std::uint64_t kibibytes = 0;
    words >> name >> kibibytes;
    if (name == "RssAnon:" || name == "RssFile:")
      result.own_bytes += kibibytes << 10;
    else if (name == "RssShmem:")
      result.shared_bytes += kibibytes << 10;
  }
  return result;
}

} // namespace neuroplex::cli
