#include "cli/doctor/checks.hpp"

#include "cli/target/segment_target.hpp"
#include "cli/terminal/units.hpp"
#include "config/byte_sizes.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace neuroplex::cli {

namespace {

using config::kib;
using config::mib;
using config::node_options;

// Descriptors a node needs beside its connections.
constexpr std::uint64_t base_descriptors = 128;

// Magic numbers of network file systems, from statfs(2).
constexpr std::uint64_t network_file_systems[] = {
  0x6969,     // NFS
  0x517B,     // SMB
  0xFE534D42, // SMB2
  0xFF534D42, // CIFS
  0x01021997, // 9P
  0x65735546, // FUSE
};

std::uint64_t wanted_bytes(const node_options& options) {
  return std::max(options.segment.segment_bytes,
                  options.segment.reserved_bytes);
}

std::string directory_of(const node_options& options) {
  return options.data_dir.empty() ? "/dev/shm" : options.data_dir;
}

bool exists(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

// The word in brackets of "always [madvise] never", or "" without a file.
std::string chosen_word(const char* path) {
  std::ifstream file{path};
  std::string word;
  while (file >> word)
    if (word.size() > 2 && word.front() == '[')
      return word.substr(1, word.size() - 2);
  return {};
}

// A line of /proc/meminfo in bytes; 0 when it lacks.
std::uint64_t memory_line(std::string_view name) {
  std::ifstream file{"/proc/meminfo"};
  std::string label;
  std::uint64_t value_kib = 0;
  std::string rest;
  while (file >> label >> value_kib && std::getline(file, rest))
    if (label == name)
      return value_kib * kib;
  return 0;
}

// The memory that our control group may take; 0 for no limit.
std::uint64_t group_limit_bytes() {
  std::ifstream file{"/sys/fs/cgroup/memory.max"};
  std::uint64_t bytes = 0;
  return file >> bytes ? bytes : 0;
}

// Whether the kernel makes huge pages when asked for them directly
// (MADV_COLLAPSE, Linux 6.1), whatever its settings for doing so by itself.
bool kernel_collapses_pages() {
  utsname system{};
  unsigned major = 0;
  unsigned minor = 0;
  return ::uname(&system) == 0
         && std::sscanf(system.release, "%u.%u", &major, &minor) == 2
         && (major > 6 || (major == 6 && minor >= 1));
}

finding check_port(const std::string& name, const std::string& host,
                   std::uint16_t port) {
  auto where = host + ":" + std::to_string(port);
  finding result{name, health::good, where + " is free", {}};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1)
    return {name, health::good, where + " is not tried: no IPv4 address", {}};
  auto fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return {name, health::bad, std::strerror(errno), "close other programs"};
  auto on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    result = {name, health::bad, where + ": " + std::strerror(errno),
              errno == EADDRINUSE
                ? "a node may be running here; else \"ss -ltnp\" tells who "
                  "has it, or choose another port"
                : "choose an address and port of this machine"};
  ::close(fd);
  return result;
}

} // namespace

finding check_space(const node_options& options) {
  auto directory = directory_of(options);
  finding result{"space", health::good, {}, {}};
  struct statvfs space {};
  if (::statvfs(directory.c_str(), &space) != 0)
    return {"space", health::bad, directory + ": " + std::strerror(errno),
            "mkdir -m 700 " + directory};
  auto free_bytes = std::uint64_t{space.f_bavail} * space.f_frsize;
  auto need = exists(options.segment_path()) ? 0 : wanted_bytes(options);
  result.found = directory + " has " + human_bytes(free_bytes) + " free, "
                 + (need == 0 ? "the segment is there already"
                              : human_bytes(need) + " needed");
  struct statfs kind {};
  if (::statfs(directory.c_str(), &kind) == 0
      && std::find(std::begin(network_file_systems),
                   std::end(network_file_systems),
                   static_cast<std::uint32_t>(kind.f_type))
           != std::end(network_file_systems)) {
    result.state = health::bad;
    result.found = directory + " is on a network file system";
    result.fix = "choose a local --data-dir";
  } else if (::access(directory.c_str(), W_OK | X_OK) != 0) {
    result.state = health::bad;
    result.found = directory + ": " + std::strerror(errno);
    result.fix = "chown it to the user that runs the node";
  } else if (free_bytes < need) {
    result.state = health::bad;
    result.fix = directory == "/dev/shm"
                   ? "mount -o remount,size=" + std::to_string(need / mib + 64)
                       + "M /dev/shm, or a smaller --segment-size"
                   : "a larger disk, or a smaller --segment-size";
  }
  return result;
}

finding check_huge_pages(const node_options& options) {
  auto general = chosen_word("/sys/kernel/mm/transparent_hugepage/enabled");
  auto shared =
    chosen_word("/sys/kernel/mm/transparent_hugepage/shmem_enabled");
  finding result{"huge-pages", health::good, {}, {}};
  if (!options.segment.huge_pages) {
    result.found = "not asked for (segment.huge_pages is false)";
    return result;
  }
  if (general.empty())
    return {"huge-pages", health::warning, "this kernel has none",
            "a kernel with CONFIG_TRANSPARENT_HUGEPAGE: lookups in large "
            "segments get about 1.5 times faster"};
  result.found = "enabled is " + general + ", shmem_enabled is " + shared;
  if (shared != "deny" && kernel_collapses_pages()) {
    result.found += ", and this kernel makes them when asked";
    return result;
  }
  if (general == "never" || shared == "never" || shared == "deny") {
    result.state = health::warning;
    result.fix =
      std::string{general == "never"
                    ? "echo madvise > "
                      "/sys/kernel/mm/transparent_hugepage/enabled; "
                    : ""}
      + "echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled";
  }
  return result;
}

finding check_memory_nodes(const node_options& options) {
  auto nodes = memory::numa_nodes();
  finding result{"memory-nodes", health::good, {}, {}};
  result.found = nodes.empty()
                   ? "the kernel tells of none"
                   : human_count(nodes.size(), "node", "nodes") + " (";
  for (auto& each : nodes) {
    if (&each != &nodes.front())
      result.found += "; ";
    result.found +=
      std::to_string(each.number) + ": " + human_bytes(each.memory_bytes) + ", "
      + (each.cpu_count == 0
           ? "no cpus"
           : human_count(each.cpu_count, "cpu", "cpus") + " " + each.cpus);
  }
  if (!nodes.empty())
    result.found += ")";
  const auto& wanted = options.segment.numa;
  auto is_set = wanted.policy != memory::numa_policy::system;
  // Where none is set, what one would do.
  auto tried = memory::try_placement(
    is_set ? wanted : memory::numa_options{memory::numa_policy::interleave, 0});
  result.found += is_set ? ", segment.numa is " : ", segment.numa could be ";
  result.found += tried.text;
  if (tried.applied && nodes.size() < 2)
    result.found += ", which changes nothing with one node";
  if (!tried.applied && is_set) {
    result.state = health::warning;
    result.fix = "segment.numa system, nodes that are here, or a sandbox that "
                 "allows mbind; until then memory lies as the machine has it";
  }
  return result;
}

finding check_memory(const node_options& options) {
  auto available = memory_line("MemAvailable:");
  auto limit = group_limit_bytes();
  if (limit != 0)
    available = std::min(available, limit);
  auto need = exists(options.segment_path()) ? 0 : wanted_bytes(options);
  finding result{"memory",
                 health::good,
                 human_bytes(available) + " available, " + human_bytes(need)
                   + " for the segment",
                 {}};
  if (available != 0 && need > available) {
    result.state = health::bad;
    result.fix = "a smaller --segment-size";
  } else if (available != 0 && need > available / 10 * 9) {
    result.state = health::warning;
    result.fix = "a smaller --segment-size leaves room for the rest";
  }
  return result;
}

finding check_descriptors(const node_options& options) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  auto need =
    base_descriptors + options.peers.size() * 2
    + (options.resp.port.enabled() ? options.resp.max_clients : 0)
    + (options.tunnel.enabled ? options.tunnel.max_connections * 2 : 0);
  finding result{"descriptors",
                 health::good,
                 std::to_string(limit.rlim_cur) + " files may be open, "
                   + std::to_string(need) + " wanted",
                 {}};
  if (limit.rlim_cur < need) {
    result.state = health::warning;
    result.fix =
      "ulimit -n " + std::to_string(need) + ", or fewer --resp-clients";
  }
  return result;
}

finding check_processor() {
#if defined(__x86_64__)
  finding result{"processor", health::good, "x86-64", {}};
  auto add = [&result](bool there, std::string_view name) {
    if (there)
      result.found += " " + std::string{name};
    return there;
  };
  auto has_baseline = add(__builtin_cpu_supports("sse4.2"), "sse4.2");
  add(__builtin_cpu_supports("avx2"), "avx2");
  add(__builtin_cpu_supports("avx512bw"), "avx512bw");
  if (!has_baseline) {
    result.state = health::bad;
    result.fix = "a processor with SSE4.2 (x86-64-v2, 2009 or later)";
  }
  return result;
#else
  return {"processor", health::good, "no SIMD paths are used here", {}};
#endif
}

std::vector<finding> check_ports(const node_options& options) {
  std::vector<finding> result;
  auto fixed = config::listen_port::kind::fixed;
  auto add = [&](const std::string& name, const std::string& host,
                 config::listen_port port) {
    if (port.mode == fixed)
      result.push_back(check_port(name, host, port.number));
  };
  add("actor-port", options.basp.host, options.basp.port);
  add("redis-port", options.resp.host, options.resp.port);
  if (options.tunnel.enabled)
    add("tunnel-port", options.tunnel.host, options.tunnel.port);
  return result;
}

finding check_segment(const std::string& path) {
  if (!exists(path))
    return {"segment", health::good, path + " is not made yet", {}};
  auto data = open_segment(path, memory::access_mode::read_write);
  if (!data)
    return {"segment", health::bad, data.error().message(),
            "\"neuroplex attach " + path
              + "\" tells more; remove the file only if its data may go"};
  auto recovered = data->recover();
  auto stats = data->stats();
  finding result{"segment", health::good, {}, {}};
  // We are one of the participants ourselves.
  auto others = stats.participants > 0 ? stats.participants - 1 : 0;
  result.found = path + ": " + human_entries(stats.entries) + ", "
                 + human_count(others, "other process", "other processes")
                 + " attached";
  if (!recovered) {
    result.state = health::bad;
    result.found = recovered.error().message();
    result.fix = "\"neuroplex attach " + path + " verify\" tells more";
  } else if (*recovered != 0) {
    result.found += ", " + std::to_string(*recovered)
                    + " threads of dead processes were cleaned up";
  }
  if (stats.participants * 4 > stats.max_participants * 3) {
    result.state = health::warning;
    result.fix = "detach processes: at most "
                 + std::to_string(stats.max_participants) + " may be attached";
  }
  return result;
}

std::vector<finding> run_checks(const node_options& options) {
  std::vector<finding> result{
    check_processor(),           check_space(options),
    check_memory(options),       check_huge_pages(options),
    check_memory_nodes(options), check_descriptors(options)};
  for (auto& port : check_ports(options))
    result.push_back(std::move(port));
  result.push_back(check_segment(options.segment_path()));
  return result;
}

} // namespace neuroplex::cli
