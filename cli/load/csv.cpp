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
  : source_{std::move(source)}, options_{std::move(options)},
    block_(load_limits::read_block_bytes) {
  NEUROPLEX_ENSURE(source_ != nullptr);
}

failure csv_reader::refuse_row(std::string_view message) const {
  return failure_at(errc::protocol, source_->name(), row_line_, message);
}

expected<bool> csv_reader::read_byte(char& byte) {
  if (block_begin_ == block_end_) {
    auto count = source_->read(block_);
    if (!count)
      return count.error();
    block_begin_ = 0;
    block_end_ = *count;
    if (*count == 0)
      return false;
  }
  byte = block_[block_begin_++];
  ++bytes_read_;
  if (byte == '\n')
    ++line_;
  return true;
}

// Reads one row into fields_. False at the end of the input.
expected<bool> csv_reader::read_row() {
  enum class state { field_start, plain, quoted, quote_in_quoted, carriage };
  row_line_ = line_;
  field_count_ = 0;
  std::size_t row_bytes = 0;
  auto where = state::field_start;
  auto begin_field = [this] {
    if (field_count_ == fields_.size())
      fields_.emplace_back();
    fields_[field_count_++].clear();
  };
  begin_field();
  for (;;) {
    char byte = 0;
    auto more = read_byte(byte);
    if (!more)
      return more.error();
    if (!*more) {
      if (where == state::quoted)
        return refuse_row("the quoted field has no closing quote");
      if (where == state::carriage)
        return refuse_row("expected a line feed after the carriage return");
      return row_bytes > 0;
    }
    if (++row_bytes > load_limits::max_record_bytes)
      return refuse_row("the record is longer than "
                        + std::to_string(load_limits::max_record_bytes)
                        + " bytes: split it");
    auto& field = fields_[field_count_ - 1];
    if (where == state::quoted) {
      if (byte == '"')
        where = state::quote_in_quoted;
      else
        field += byte;
    } else if (where == state::carriage) {
      if (byte != '\n')
        return refuse_row("expected a line feed after the carriage return");
      return true;
    } else if (byte == options_.delimiter) {
      if (field_count_ == load_limits::max_csv_columns)
        return refuse_row("more than "
                          + std::to_string(load_limits::max_csv_columns)
                          + " columns");
      begin_field();
      where = state::field_start;
    } else if (byte == '\n') {
      return true;
    } else if (byte == '\r') {
      where = state::carriage;
    } else if (byte == '"') {
      if (where == state::plain)
        return refuse_row("a quote inside a field that is not quoted: quote "
                          "the field and double the quote");
      if (where == state::quote_in_quoted)
        field += '"';
      where = state::quoted;
    } else if (where == state::quote_in_quoted) {
      return refuse_row("text after the closing quote: double the quotes "
                        "inside a quoted field");
    } else {
      field += byte;
      where = state::plain;
    }
  }
}

expected<void> csv_reader::read_header() {
  auto more = read_row();
  if (!more)
    return more.error();
  if (!*more)
    return refuse_row("the file is empty: expected a header row");
  if (fields_[0].starts_with(byte_order_mark))
    fields_[0].erase(0, byte_order_mark.size());
  column_count_ = field_count_;
  auto find = [this](const std::string& name,
                     std::optional<std::size_t>& index) -> expected<void> {
    for (std::size_t i = 0; i < column_count_; ++i) {
      if (fields_[i] != name)
        continue;
      if (index)
        return refuse_row("the header names \"" + name + "\" twice");
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
      return failure_at(errc::config, source_->name(), row_line_,
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
  auto more = read_row();
  if (!more)
    return more.error();
  if (!*more)
    return read_step::end;
  if (field_count_ != column_count_)
    return refuse_row("the record has " + std::to_string(field_count_)
                      + (field_count_ == 1 ? " field" : " fields")
                      + ": expected " + std::to_string(column_count_)
                      + " as in the header");
  result.key = fields_[key_index_];
  result.value = fields_[value_index_];
  result.ttl_ms = 0;
  if (ttl_index_ && !fields_[*ttl_index_].empty()
      && !parse_ttl(fields_[*ttl_index_], result.ttl_ms))
    return refuse_row("\"" + options_.ttl_column
                      + "\" must be a whole number of milliseconds from 1, or "
                        "empty");
  auto checked = check_record(result, source_->name(), row_line_);
  if (!checked)
    return checked.error();
  return read_step::record;
}

std::uint64_t csv_reader::bytes_read() const noexcept {
  return bytes_read_;
}

std::uint64_t csv_reader::total_bytes() const noexcept {
  return source_->total_bytes();
}

} // namespace neuroplex::cli
