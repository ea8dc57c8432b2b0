// What a figure must be read with: the machine, the hour, the load; and the
// means to keep a process on one CPU and its memory on huge pages.
//
// Threads: `pin_to_cpu` acts on the calling thread; the rest is free of state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace neuroplex::bench {

struct machine {
  std::string cpu;
  std::string kernel;
  std::string date; ///< UTC, ISO 8601
  unsigned cpu_count = 0;
  std::string huge_pages;       ///< transparent huge pages, as the kernel says
  std::string shmem_huge_pages; ///< the same for shared memory
  std::string store_bypass;     ///< state of speculative store bypass
};

[[nodiscard]] machine describe_machine();

/// Load average of the last minute.
[[nodiscard]] double load_average();

/// CPUs this process may run on.
[[nodiscard]] std::vector<int> usable_cpus();

void pin_to_cpu(int cpu);

[[nodiscard]] double median(std::vector<double> values);

/// `fraction` of the values are at most the answer.
[[nodiscard]] double percentile(std::vector<double> values, double fraction);

/// Anonymous memory on huge pages where the kernel grants them, all of it
/// present. Freed with the object; ends the program when there is none.
class huge_memory {
public:
  explicit huge_memory(std::size_t bytes);
  huge_memory(const huge_memory&) = delete;
  huge_memory& operator=(const huge_memory&) = delete;
  ~huge_memory();

  [[nodiscard]] std::byte* data() const noexcept {
    return data_;
  }

  [[nodiscard]] std::size_t bytes() const noexcept {
    return bytes_;
  }

private:
  void* mapped_ = nullptr;
  std::size_t mapped_bytes_ = 0;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Huge pages of anonymous memory this process has, in bytes.
[[nodiscard]] std::uint64_t anonymous_huge_bytes();

} // namespace neuroplex::bench
