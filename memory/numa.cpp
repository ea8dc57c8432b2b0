#include "memory/numa.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>

#include <linux/magic.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace neuroplex::memory {

namespace {

constexpr std::array<std::string_view, numa_policy_count> policy_names{
  "system", "local", "interleave", "bind"};

std::string first_line(const std::string& path) {
  std::ifstream file{path};
  std::string line;
  std::getline(file, line);
  return line;
}

// Calls `visit(first, last)` for each range of "0-1,3"; false for other text.
template <class Visit>
bool visit_ranges(std::string_view text, Visit&& visit) {
  while (!text.empty()) {
    auto comma = text.find(',');
    auto range = text.substr(0, comma);
    auto* end = range.data() + range.size();
    unsigned first = 0;
    auto parsed = std::from_chars(range.data(), end, first);
    if (parsed.ec != std::errc{})
      return false;
    auto last = first;
    if (parsed.ptr != end) {
      if (*parsed.ptr != '-')
        return false;
      parsed = std::from_chars(parsed.ptr + 1, end, last);
      if (parsed.ec != std::errc{} || parsed.ptr != end || last < first)
        return false;
    }
    visit(first, last);
    if (comma == std::string_view::npos)
      return true;
    text.remove_prefix(comma + 1);
    if (text.empty())
      return false;
  }
  return true;
}

// "Node 0 MemTotal:  16384 kB" in bytes; 0 when it is not there.
std::uint64_t memory_of(const std::string& folder) {
  std::ifstream file{folder + "/meminfo"};
  std::string node;
  std::string number;
  std::string label;
  std::uint64_t kibibytes = 0;
  std::string rest;
  while (file >> node >> number >> label >> kibibytes
         && std::getline(file, rest))
    if (label == "MemTotal:")
      return kibibytes * 1024;
  return 0;
}

numa_node_set all_nodes() {
  numa_node_set result = 0;
  for (auto& each : numa_nodes())
    if (each.number < limits::max_numa_nodes)
      result |= numa_node_set{1} << each.number;
  // Node 0 is what a kernel without the directory has.
  return result == 0 ? 1 : result;
}

std::string over(numa_node_set nodes) {
  return std::string{std::has_single_bit(nodes) ? "node " : "nodes "}
         + node_set_text(nodes);
}

std::string refusal(int error, numa_node_set nodes) {
  switch (error) {
    case ENOSYS:
      return "this kernel has no memory policies";
    case EPERM:
    case EACCES:
      return "this sandbox does not allow mbind";
    case EINVAL:
      return over(nodes) + " cannot be had here (see neuroplex doctor)";
    default:
      return std::strerror(error);
  }
}

placement_report ask_kernel(void* base, std::size_t bytes,
                            const numa_options& options) {
  placement_report report{options.policy, false,
                          std::string{to_string(options.policy)}};
  auto nodes = options.nodes == 0 ? all_nodes() : options.nodes;
  int mode = MPOL_LOCAL;
  if (options.policy == numa_policy::local)
    nodes = 0;
  else
    mode = options.policy == numa_policy::bind ? MPOL_BIND : MPOL_INTERLEAVE;
  // The kernel takes one bit less than it is told.
  unsigned long mask = nodes;
  constexpr unsigned long mask_bits = limits::max_numa_nodes + 1;
  auto answer =
    ::syscall(SYS_mbind, base, bytes, mode, nodes == 0 ? nullptr : &mask,
              nodes == 0 ? 0UL : mask_bits, 0U);
  report.applied = answer == 0;
  if (!report.applied)
    report.text += " refused: " + refusal(errno, nodes);
  else if (nodes != 0)
    report.text += " over " + over(nodes);
  return report;
}

} // namespace

// In memory, pages belong to the file and follow its policy; elsewhere they
// are the page cache's.
bool lies_in_memory(int fd) noexcept {
  struct statfs info {};
  if (::fstatfs(fd, &info) != 0)
    return false;
  auto type = static_cast<std::uint32_t>(info.f_type);
  return type == TMPFS_MAGIC || type == static_cast<std::uint32_t>(RAMFS_MAGIC)
         || type == static_cast<std::uint32_t>(HUGETLBFS_MAGIC);
}

std::string_view to_string(numa_policy policy) noexcept {
  return policy_names[static_cast<std::size_t>(policy)];
}

std::vector<numa_node> numa_nodes(const std::string& root) {
  std::vector<numa_node> result;
  auto add = [&](unsigned first, unsigned last) {
    constexpr unsigned most_of_any_kernel = 1024;
    for (auto i = first; i <= std::min(last, most_of_any_kernel); ++i) {
      auto folder = root + "/node" + std::to_string(i);
      numa_node node{i, first_line(folder + "/cpulist"), 0, memory_of(folder)};
      visit_ranges(node.cpus, [&](unsigned from, unsigned to) {
        node.cpu_count += to - from + 1;
      });
      result.push_back(std::move(node));
    }
  };
  if (!visit_ranges(first_line(root + "/has_memory"), add))
    result.clear();
  return result;
}

expected<numa_node_set> parse_node_set(std::string_view text) {
  numa_node_set result = 0;
  bool fits = true;
  auto add = [&](unsigned first, unsigned last) {
    fits = fits && last < limits::max_numa_nodes;
    for (auto i = first; fits && i <= last; ++i)
      result |= numa_node_set{1} << i;
  };
  if (!visit_ranges(text, add) || !fits)
    return failure{errc::bad_argument, "memory nodes 0 to 63, as 0-1,3"};
  return result;
}

std::string node_set_text(numa_node_set nodes) {
  std::string result;
  for (unsigned i = 0; i < limits::max_numa_nodes; ++i) {
    auto has = [&](unsigned node) {
      return node < limits::max_numa_nodes && (nodes >> node & 1) != 0;
    };
    if (!has(i))
      continue;
    auto last = i;
    while (has(last + 1))
      ++last;
    if (!result.empty())
      result += ',';
    result += std::to_string(i);
    if (last != i)
      result += '-' + std::to_string(last);
    i = last;
  }
  return result;
}

placement_report place_memory(void* base, std::size_t bytes, int fd,
                              const numa_options& options) {
  if (options.policy == numa_policy::system)
    return {numa_policy::system, false, "system"};
  if (!lies_in_memory(fd))
    return {options.policy, false,
            std::string{to_string(options.policy)}
              + " without effect: the file is not in memory (/dev/shm)"};
  return ask_kernel(base, bytes, options);
}

placement_report try_placement(const numa_options& options) {
  if (options.policy == numa_policy::system)
    return {numa_policy::system, false, "system"};
  constexpr std::size_t some_bytes = std::size_t{1} << 16;
  void* page = ::mmap(nullptr, some_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED)
    return {options.policy, false, std::strerror(errno)};
  auto report = ask_kernel(page, some_bytes, options);
  ::munmap(page, some_bytes);
  return report;
}

} // namespace neuroplex::memory
