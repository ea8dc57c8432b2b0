#include "cli/load/csv_rows.hpp"

#include "cli/load/record.hpp"

namespace neuroplex::cli {

csv_rows::csv_rows(std::unique_ptr<byte_source> source, char delimiter)
  : source_{std::move(source)}, delimiter_{delimiter},
    block_(load_limits::read_block_bytes) {
  NEUROPLEX_ENSURE(source_ != nullptr);
}

failure csv_rows::refuse(std::string_view message) const {
  return failure_at(errc::protocol, source_->name(), row_line_, message);
}

expected<bool> csv_rows::read_byte(char& byte) {
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
expected<bool> csv_rows::read_row() {
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
        return refuse("the quoted field has no closing quote");
      if (where == state::carriage)
        return refuse("expected a line feed after the carriage return");
      return row_bytes > 0;
    }
    if (++row_bytes > load_limits::max_record_bytes)
      return refuse("the record is longer than "
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
        return refuse("expected a line feed after the carriage return");
      return true;
    } else if (byte == delimiter_) {
      if (field_count_ == load_limits::max_csv_columns)
        return refuse("more than "
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
        return refuse("a quote inside a field that is not quoted: quote "
                      "the field and double the quote");
      if (where == state::quote_in_quoted)
        field += '"';
      where = state::quoted;
    } else if (where == state::quote_in_quoted) {
      return refuse("text after the closing quote: double the quotes "
                    "inside a quoted field");
    } else {
      field += byte;
      where = state::plain;
    }
  }
}

expected<void> csv_rows::read_header() {
  auto more = read_row();
  if (!more)
    return more.error();
  if (!*more)
    return refuse("the file is empty: expected a header row");
  if (fields_[0].starts_with(byte_order_mark))
    fields_[0].erase(0, byte_order_mark.size());
  columns_.assign(fields_.begin(),
                  fields_.begin() + static_cast<std::ptrdiff_t>(field_count_));
  return {};
}

expected<bool> csv_rows::next() {
  auto more = read_row();
  if (!more || !*more)
    return more;
  if (field_count_ != columns_.size())
    return refuse("the record has " + std::to_string(field_count_)
                  + (field_count_ == 1 ? " field" : " fields") + ": expected "
                  + std::to_string(columns_.size()) + " as in the header");
  return true;
}

} // namespace neuroplex::cli
