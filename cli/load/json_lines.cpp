#include "cli/load/json_lines.hpp"

#include "cli/load/base64.hpp"
#include "cli/load/json_text.hpp"

#include <limits>
#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

constexpr std::size_t shown_name_bytes = 40;

// Receives the events of one line and accepts only the shape of a record.
class record_events final : public nlohmann::json_sax<nlohmann::json> {
public:
  explicit record_events(record& result) : result_{result} {
  }

  bool null() override {
    return wrong_type();
  }

  bool boolean(bool) override {
    return wrong_type();
  }

  bool number_integer(number_integer_t) override {
    // Only negative numbers come this way.
    return member_ == member::ttl
             ? refuse("\"ttl_ms\" must be 1 or more and fit 63 bits")
             : wrong_type();
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (member_ != member::ttl)
      return wrong_type();
    if (value == 0
        || value > static_cast<number_unsigned_t>(
             std::numeric_limits<std::int64_t>::max()))
      return refuse("\"ttl_ms\" must be 1 or more and fit 63 bits");
    result_.ttl_ms = static_cast<std::int64_t>(value);
    return true;
  }

  bool number_float(number_float_t, const string_t&) override {
    return wrong_type();
  }

  bool string(string_t& text) override {
    switch (member_) {
      case member::key:
        result_.key = std::move(text);
        return true;
      case member::value:
        result_.value = std::move(text);
        return true;
      case member::key_base64:
        return decode_base64(text, result_.key)
               || refuse("\"key_base64\" is not base64 with padding");
      case member::value_base64:
        return decode_base64(text, result_.value)
               || refuse("\"value_base64\" is not base64 with padding");
      case member::ttl:
      case member::none:
        break;
    }
    return wrong_type();
  }

  bool binary(binary_t&) override {
    return wrong_type();
  }

  bool start_object(std::size_t) override {
    if (in_object_)
      return wrong_type();
    in_object_ = true;
    return true;
  }

  bool key(string_t& name) override {
    if (name == "key")
      return begin(member::key, has_key_, "key");
    if (name == "key_base64")
      return begin(member::key_base64, has_key_, "key");
    if (name == "value")
      return begin(member::value, has_value_, "value");
    if (name == "value_base64")
      return begin(member::value_base64, has_value_, "value");
    if (name == "ttl_ms")
      return begin(member::ttl, has_ttl_, "ttl_ms");
    std::string shown;
    append_json_string(shown, name.substr(0, shown_name_bytes));
    return refuse("unknown member " + shown
                  + ": expected key, key_base64, value, value_base64, ttl_ms");
  }

  bool end_object() override {
    if (!has_key_)
      return refuse("no \"key\": give \"key\" or \"key_base64\"");
    if (!has_value_)
      return refuse("no \"value\": give \"value\" or \"value_base64\"");
    return true;
  }

  bool start_array(std::size_t) override {
    return wrong_type();
  }

  bool end_array() override {
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    return refuse("not valid JSON at column " + std::to_string(position));
  }

  [[nodiscard]] const std::string& reason() const {
    return reason_;
  }

private:
  enum class member { none, key, key_base64, value, value_base64, ttl };

  bool begin(member which, bool& seen, std::string_view name) {
    if (seen)
      return refuse(std::string{name} + " is given twice");
    seen = true;
    member_ = which;
    return true;
  }

  bool wrong_type() {
    switch (member_) {
      case member::none:
        return refuse("expected an object {\"key\":...,\"value\":...}");
      case member::key:
      case member::key_base64:
        return refuse("the key must be a string");
      case member::value:
      case member::value_base64:
        return refuse("the value must be a string");
      case member::ttl:
        return refuse("\"ttl_ms\" must be a whole number");
    }
    return false;
  }

  bool refuse(std::string reason) {
    reason_ = std::move(reason);
    return false;
  }

  record& result_;
  member member_ = member::none;
  bool in_object_ = false;
  bool has_key_ = false;
  bool has_value_ = false;
  bool has_ttl_ = false;
  std::string reason_;
};

} // namespace

expected<void> parse_json_line(std::string_view line, record& result) {
  result.key.clear();
  result.value.clear();
  result.ttl_ms = 0;
  record_events events{result};
  if (!nlohmann::json::sax_parse(line.begin(), line.end(), &events))
    return failure{errc::protocol, events.reason()};
  return {};
}

json_lines_reader::json_lines_reader(std::unique_ptr<byte_source> source)
  : lines_{std::move(source)} {
}

expected<read_step> json_lines_reader::read_record(record& result) {
  std::string_view line;
  do {
    auto more = lines_.next(line);
    if (!more)
      return more.error();
    if (!*more)
      return read_step::end;
    if (lines_.line_number() == 1 && line.starts_with(byte_order_mark))
      line.remove_prefix(byte_order_mark.size());
  } while (is_blank(line));
  const auto& name = lines_.source().name();
  auto parsed = parse_json_line(line, result);
  if (!parsed)
    return failure_at(errc::protocol, name, lines_.line_number(),
                      parsed.error().message());
  auto checked = check_record(result, name, lines_.line_number());
  if (!checked)
    return checked.error();
  return read_step::record;
}

std::uint64_t json_lines_reader::bytes_read() const noexcept {
  return lines_.bytes_read();
}

std::uint64_t json_lines_reader::total_bytes() const noexcept {
  return lines_.source().total_bytes();
}

} // namespace neuroplex::cli
