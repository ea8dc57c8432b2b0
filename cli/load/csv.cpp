#include "cli/load/csv.hpp"

#include <charconv>

namespace neuroplex::cli {

namespace {

bool parse_ttl(std::string_view text, std::int64_t& ttl_ms) {
  auto [end, code] =
    std::from_chars(text.data(), text.data() + text.size(), ttl_ms);
  return code == std::errc{} && end == text.data() + text.size() && ttl_ms > 0;
}

} // namespace

csv_reader::csv_reader(std::unique_ptr<byte_source> source, csv_options options)
  : rows_{std::move(source), options.delimiter}, options_{std::move(options)} {
}

expected<void> csv_reader::read_header() {
  if (auto read = rows_.read_header(); !read)
    return read;
  auto find = [this](const std::string& name,
                     std::optional<std::size_t>& index) -> expected<void> {
    const auto& columns = rows_.columns();
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (columns[i] != name)
        continue;
      if (index)
        return rows_.refuse("the header names \"" + name + "\" twice");
      index = i;
    }
    return {};
  };
  std::optional<std::size_t> key;
  std::optional<std::size_t> value;
  for (auto [name, index] : {std::pair{&options_.key_column, &key},
                             std::pair{&options_.value_column, &value},
                             std::pair{&options_.ttl_column, &ttl_index_}}) {
    auto found = find(*name, *index);
    if (!found)
      return found;
    if (!*index && index != &ttl_index_)
      return failure_at(errc::config, rows_.source().name(), rows_.line(),
                        "the header has no column \"" + *name
                          + "\": name the column with --key-column or "
                            "--value-column");
  }
  key_index_ = *key;
  value_index_ = *value;
  header_read_ = true;
  return {};
}

expected<read_step> csv_reader::read_record(record& result) {
  if (!header_read_) {
    auto read = read_header();
    if (!read)
      return read.error();
  }
  auto more = rows_.next();
  if (!more)
    return more.error();
  if (!*more)
    return read_step::end;
  auto fields = rows_.fields();
  result.key = fields[key_index_];
  result.value = fields[value_index_];
  result.ttl_ms = 0;
  if (ttl_index_ && !fields[*ttl_index_].empty()
      && !parse_ttl(fields[*ttl_index_], result.ttl_ms))
    return rows_.refuse(
      "\"" + options_.ttl_column
      + "\" must be a whole number of milliseconds from 1, or "
        "empty");
  auto checked = check_record(result, rows_.source().name(), rows_.line());
  if (!checked)
    return checked.error();
  return read_step::record;
}

std::uint64_t csv_reader::bytes_read() const noexcept {
  return rows_.bytes_read();
}

std::uint64_t csv_reader::total_bytes() const noexcept {
  return rows_.source().total_bytes();
}

} // namespace neuroplex::cli
