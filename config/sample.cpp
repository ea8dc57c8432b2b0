// Writing configuration files.
#include "config/layers.hpp"
#include "config/settings.hpp"

#include <algorithm>

namespace neuroplex::config {

namespace {

// Breaks `text` into comment lines of at most 80 columns.
std::string comment(std::string_view indent, std::string_view text) {
  constexpr std::size_t max_columns = 80;
  std::string result;
  std::string line;
  auto flush = [&] {
    if (!line.empty())
      result += line + "\n";
    line = std::string{indent} + "//";
  };
  flush();
  while (!text.empty()) {
    auto word = text.substr(0, text.find(' '));
    if (line.size() + 1 + word.size() > max_columns)
      flush();
    line += " ";
    line += word;
    text.remove_prefix(std::min(text.size(), word.size() + 1));
  }
  flush();
  return result;
}

// The settings in the table's order, section by section.
class writer {
public:
  explicit writer(bool with_comments) : with_comments_{with_comments} {
  }

  void write(const setting& row, const setting_value& value) {
    auto is_list = config::is_list(row.kind);
    auto begins_section = section_of(row.name) != section_;
    if (begins_section)
      begin_section(section_of(row.name), is_list);
    else
      text_ += with_comments_ ? ",\n\n" : ",\n";
    std::string indent(is_list ? 2 : 4, ' ');
    if (with_comments_)
      write_comments(indent, row);
    text_ += indent + "\"" + std::string{key_of(row.name)}
             + "\": " + file_value(row, value);
  }

  std::string finish() {
    end_section();
    return "{\n" + text_ + "\n}\n";
  }

private:
  void begin_section(std::string_view name, bool is_list) {
    end_section();
    if (!text_.empty())
      text_ += with_comments_ ? ",\n\n" : ",\n";
    if (!is_list)
      text_ += "  \"" + std::string{name} + "\": {\n";
    section_ = name;
    has_brace_ = !is_list;
  }

  void end_section() {
    if (has_brace_)
      text_ += "\n  }";
    has_brace_ = false;
  }

  void write_comments(const std::string& indent, const setting& row) {
    text_ +=
      comment(indent, std::string{row.doc} + ": " + range_text(row) + ".");
    if (row.kind == setting_kind::peers)
      text_ += comment(indent, "Here each is {\"replica_id\": 2, \"host\": "
                               "\"10.0.0.2\", \"port\": 7401}.");
    if (row.kind == setting_kind::namespaces)
      text_ +=
        comment(indent, "Here each is {\"name\": \"cache\", "
                        "\"policy\": \"lru\", \"priority\": "
                        "\"general\", \"quota_bytes\": \"64M\", "
                        "\"default_ttl_ms\": 0, \"compression\": \"off\", "
                        "\"share_from\": 0, \"consistency\": "
                        "\"single_copy\"}; all but the name may be left "
                        "out.");
    text_ += comment(indent, "Flag " + std::string{row.flag} + ", variable "
                               + environment_name(row) + ".");
  }

  bool with_comments_;
  bool has_brace_ = false;
  std::string text_;
  std::string_view section_;
};

} // namespace

std::string sample_file() {
  const auto defaults = node_options::of_server();
  writer out{true};
  for (auto& row : settings())
    out.write(row, row.get(defaults));
  return "// Every setting of a Neuroplex node, at its default. A file needs "
         "only what\n// differs. Check yours with: neuroplex config validate "
         "--config FILE\n"
         + out.finish();
}

std::string to_file(const layered_options& options) {
  writer out{false};
  for (auto& row : settings())
    out.write(row, options.value_of(row).value);
  return out.finish();
}

} // namespace neuroplex::config
