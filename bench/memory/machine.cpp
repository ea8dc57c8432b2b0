#include "bench/memory/machine.hpp"

#include "bench/memory/clock.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>

#include <sched.h>
#include <sys/mman.h>
#include <sys/utsname.h>

namespace neuroplex::bench {

namespace {

/// The part behind the colon of the first line that begins with `name`.
std::string field_of(const std::string& path, const std::string& name) {
  std::ifstream file{path};
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with(name))
      continue;
    auto colon = line.find(':');
    if (colon == std::string::npos)
      continue;
    auto begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "unknown";
}

std::string first_line(const std::string& path) {
  std::ifstream file{path};
  std::string line;
  return std::getline(file, line) ? line : "unknown";
}

} // namespace

machine describe_machine() {
  machine result;
  result.cpu = field_of("/proc/cpuinfo", "model name");
  utsname name{};
  ::uname(&name);
  result.kernel = std::string{name.sysname} + " " + name.release;
  auto now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  result.date = text.data();
  result.cpu_count = static_cast<unsigned>(usable_cpus().size());
  const std::string folder = "/sys/kernel/mm/transparent_hugepage/";
  result.huge_pages = first_line(folder + "enabled");
  result.shmem_huge_pages = first_line(folder + "shmem_enabled");
  result.store_bypass =
    field_of("/proc/self/status", "Speculation_Store_Bypass");
  return result;
}

double load_average() {
  double load = 0;
  return ::getloadavg(&load, 1) == 1 ? load : 0;
}

std::vector<int> usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> result;
  if (::sched_getaffinity(0, sizeof set, &set) != 0)
    return result;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set))
      result.push_back(cpu);
  return result;
}

void pin_to_cpu(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0)
    std::fprintf(stderr, "bench: cannot stay on CPU %d: %s\n", cpu,
                 std::strerror(errno));
}

double percentile(std::vector<double> values, double fraction) {
  if (values.empty())
    return std::numeric_limits<double>::quiet_NaN();
  auto last = static_cast<double>(values.size() - 1);
  auto nth = values.begin() + static_cast<std::ptrdiff_t>(last * fraction);
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

double median(std::vector<double> values) {
  return percentile(std::move(values), 0.5);
}

huge_memory::huge_memory(std::size_t bytes) : bytes_{bytes} {
  constexpr std::size_t huge_page = std::size_t{2} << 20;
  mapped_bytes_ = (bytes + huge_page - 1) / huge_page * huge_page + huge_page;
  mapped_ = ::mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped_ == MAP_FAILED) {
    std::fprintf(stderr, "bench: no memory for %zu bytes\n", bytes);
    std::exit(EXIT_FAILURE);
  }
  auto start = reinterpret_cast<std::uintptr_t>(mapped_);
  auto aligned = (start + huge_page - 1) / huge_page * huge_page;
  data_ = reinterpret_cast<std::byte*>(aligned);
  ::madvise(data_, mapped_bytes_ - (aligned - start), MADV_HUGEPAGE);
  std::memset(data_, 0, bytes_);
}

huge_memory::~huge_memory() {
  ::munmap(mapped_, mapped_bytes_);
}

std::uint64_t anonymous_huge_bytes() {
  auto text = field_of("/proc/self/smaps_rollup", "AnonHugePages");
  return std::strtoull(text.c_str(), nullptr, 10) * 1024;
}

tick_scale measure_ticks() {
  constexpr double long_enough_ns = 50e6;
  auto wall = wall_ns();
  auto begin = ticks();
  while (wall_ns() - wall < long_enough_ns)
    ;
  auto end = ticks();
  auto elapsed = wall_ns() - wall;
  tick_scale result;
  result.ns_per_tick = elapsed / static_cast<double>(end - begin);
  std::vector<double> costs;
  constexpr int rounds = 10'000;
  for (int i = 0; i < rounds; ++i) {
    auto first = ticks();
    auto second = ticks();
    costs.push_back(static_cast<double>(second - first));
  }
  result.cost_ticks = median(std::move(costs));
  return result;
}

} // namespace neuroplex::bench
