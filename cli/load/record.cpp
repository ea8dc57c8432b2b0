#include "cli/load/record.hpp"

#include "memory/limits.hpp"

#include <utility>

namespace neuroplex::cli {

expected<read_step> strict_reader::next(record& result) {
  if (refused_)
    return *refused_;
  auto step = read_record(pending_);
  if (!step)
    refused_ = step.error();
  else if (*step == read_step::record)
    std::swap(result, pending_);
  return step;
}

failure failure_at(errc code, std::string_view file, std::uint64_t line,
                   std::string_view message) {
  std::string text{file};
  text += ':';
  text += std::to_string(line);
  text += ": ";
  text += message;
  return {code, std::move(text)};
}

expected<void> check_record(const record& entry, std::string_view file,
                            std::uint64_t line) {
  if (entry.key.empty())
    return failure_at(errc::bad_key, file, line,
                      "the key is empty: give at least one byte");
  if (entry.key.size() > limits::max_key_bytes)
    return failure_at(errc::key_size, file, line,
                      "the key has " + std::to_string(entry.key.size())
                        + " bytes: at most "
                        + std::to_string(limits::max_key_bytes));
  if (entry.value.size() > limits::max_value_bytes)
    return failure_at(errc::value_size, file, line,
                      "the value has " + std::to_string(entry.value.size())
                        + " bytes: at most "
                        + std::to_string(limits::max_value_bytes));
  if (entry.ttl_ms < 0 || entry.ttl_ms > limits::max_ttl_ms)
    return failure_at(errc::bad_ttl, file, line,
                      "ttl_ms is " + std::to_string(entry.ttl_ms)
                        + ": give 1 to " + std::to_string(limits::max_ttl_ms)
                        + ", or leave it out");
  return {};
}

} // namespace neuroplex::cli
