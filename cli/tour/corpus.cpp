#include "cli/tour/corpus.hpp"

namespace neuroplex::cli {

namespace {

constexpr std::size_t records_between_reports = 512;

} // namespace

expected<corpus>
read_corpus(record_reader& reader,
            const std::function<bool(std::uint64_t bytes_read)>& advance) {
  corpus result;
  for (;;) {
    record entry;
    auto step = reader.next(entry);
    if (!step)
      return step.error();
    if (*step == read_step::end)
      break;
    result.key_bytes += entry.key.size();
    result.value_bytes += entry.value.size();
    result.entries.push_back(std::move(entry));
    if (result.entries.size() % records_between_reports == 0
        && !advance(reader.bytes_read()))
      return failure{errc::deadline, "stopped while reading the input"};
  }
  advance(reader.bytes_read());
  return result;
}

} // namespace neuroplex::cli
