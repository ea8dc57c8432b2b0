#include "cli/trace/replay.hpp"

#include <ctime>

namespace neuroplex::cli {

namespace {

double ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0
                    : static_cast<double>(part) / static_cast<double>(whole);
}

// Of this thread alone: others on a busy machine do not count.
std::uint64_t processor_ns() {
  constexpr std::uint64_t ns_a_second = 1'000'000'000;
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * ns_a_second
         + static_cast<std::uint64_t>(now.tv_nsec);
}

void play(const trace_record& record, memory::policy::cache& cache,
          replay_result& result) {
  for (std::uint64_t i = 0; i < record.run; ++i) {
    ++result.requests;
    result.requested_bytes += record.size_bytes;
    if (cache.request(record.key + i, record.size_bytes)) {
      ++result.hits;
      result.hit_bytes += record.size_bytes;
    }
  }
}

} // namespace

double replay_result::hit_ratio() const noexcept {
  return ratio(hits, requests);
}

double replay_result::byte_hit_ratio() const noexcept {
  return ratio(hit_bytes, requested_bytes);
}

double replay_result::ns_per_request() const noexcept {
  return ratio(policy_ns, requests);
}

expected<replay_result>
replay(trace_file& file, memory::policy::cache& cache,
       const std::function<bool(const replay_result&)>& step) {
  replay_result result;
  for (;;) {
    auto records = file.next();
    if (!records)
      return records.error();
    if (records->empty())
      return result;
    auto began = processor_ns();
    for (auto& record : *records)
      play(record, cache, result);
    result.policy_ns += processor_ns() - began;
    if (!step(result))
      return failure{errc::deadline, "trace: interrupted: nothing to tell"};
  }
}

} // namespace neuroplex::cli
