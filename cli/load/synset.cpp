#include "cli/load/synset.hpp"

#include "cli/load/json_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace neuroplex::cli {

namespace {

constexpr std::size_t offset_digits = 8;
constexpr unsigned max_frame_number = 35;

// The lexicographer files in the order of their numbers, lexnames(5).
constexpr std::array<std::string_view, 45> lexicographer_files{
  "adj.all",          "adj.pert",           "adv.all",
  "noun.Tops",        "noun.act",           "noun.animal",
  "noun.artifact",    "noun.attribute",     "noun.body",
  "noun.cognition",   "noun.communication", "noun.event",
  "noun.feeling",     "noun.food",          "noun.group",
  "noun.location",    "noun.motive",        "noun.object",
  "noun.person",      "noun.phenomenon",    "noun.plant",
  "noun.possession",  "noun.process",       "noun.quantity",
  "noun.relation",    "noun.shape",         "noun.state",
  "noun.substance",   "noun.time",          "verb.body",
  "verb.change",      "verb.cognition",     "verb.communication",
  "verb.competition", "verb.consumption",   "verb.contact",
  "verb.creation",    "verb.emotion",       "verb.motion",
  "verb.perception",  "verb.possession",    "verb.social",
  "verb.stative",     "verb.weather",       "adj.ppl"};

// The 26 pointer symbols of wninput(5).
constexpr std::array<std::string_view, 26> pointer_kinds{
  "!",  "@",  "@i", "~",  "~i", "#m", "#s", "#p", "%m", "%s", "%p", "=", "+",
  ";c", "-c", ";r", "-r", ";u", "-u", "*",  ">",  "^",  "$",  "&",  "<", "\\"};

// Takes the fields of a line one by one; blanks part them.
class field_cursor {
public:
  explicit field_cursor(std::string_view line) : rest_{line} {
  }

  // The next field, or an empty one at the end.
  std::string_view take() {
    auto blank = rest_.find(' ');
    auto field = rest_.substr(0, blank);
    rest_.remove_prefix(blank == std::string_view::npos ? rest_.size()
                                                        : blank + 1);
    return field;
  }

  // A number of exactly `digits` digits in `base`, at most `highest`.
  bool take_number(std::size_t digits, int base, unsigned highest,
                   unsigned& result) {
    auto field = take();
    if (field.size() != digits)
      return false;
    auto [end, code] =
      std::from_chars(field.data(), field.data() + field.size(), result, base);
    return code == std::errc{} && end == field.data() + field.size()
           && result <= highest;
  }

  [[nodiscard]] std::string_view rest() const {
    return rest_;
  }

private:
  std::string_view rest_;
};

bool is_offset(std::string_view text) {
  return text.size() == offset_digits
         && std::all_of(text.begin(), text.end(),
                        [](char c) { return c >= '0' && c <= '9'; });
}

bool type_fits(char type, char part_of_speech) {
  return type == part_of_speech || (type == 's' && part_of_speech == 'a');
}

failure expected_there(std::string_view what) {
  return {errc::protocol, "expected " + std::string{what}};
}

failure expected_there(std::string_view what, std::size_t number) {
  return {errc::protocol,
          "expected " + std::string{what} + " " + std::to_string(number)};
}

bool parse_word(field_cursor& fields, char part_of_speech, synset_word& word) {
  word = {};
  word.text = fields.take();
  if (part_of_speech == 'a' && word.text.ends_with(')')) {
    auto open = word.text.rfind('(');
    if (open == std::string_view::npos)
      return false;
    word.marker = word.text.substr(open + 1, word.text.size() - open - 2);
    word.text = word.text.substr(0, open);
    if (word.marker != "a" && word.marker != "p" && word.marker != "ip")
      return false;
  }
  unsigned lex_id = 0;
  if (word.text.empty() || !fields.take_number(1, 16, 15, lex_id))
    return false;
  word.lex_id = static_cast<std::uint8_t>(lex_id);
  return true;
}

bool parse_pointer(field_cursor& fields, std::size_t word_count,
                   synset_pointer& pointer) {
  pointer.kind = fields.take();
  if (std::find(pointer_kinds.begin(), pointer_kinds.end(), pointer.kind)
      == pointer_kinds.end())
    return false;
  pointer.offset = fields.take();
  auto part = fields.take();
  if (!is_offset(pointer.offset) || part.size() != 1
      || std::find(parts_of_speech.begin(), parts_of_speech.end(), part[0])
           == parts_of_speech.end())
    return false;
  pointer.part_of_speech = part[0];
  unsigned words = 0;
  if (!fields.take_number(4, 16, 0xffff, words))
    return false;
  pointer.source_word = static_cast<std::uint8_t>(words >> 8);
  pointer.target_word = static_cast<std::uint8_t>(words & 0xff);
  // Both words are named or none.
  return pointer.source_word <= word_count
         && (pointer.source_word == 0) == (pointer.target_word == 0);
}

bool parse_frame(field_cursor& fields, std::size_t word_count,
                 verb_frame& frame) {
  unsigned number = 0;
  unsigned word = 0;
  if (fields.take() != "+"
      || !fields.take_number(2, 10, max_frame_number, number) || number == 0
      || !fields.take_number(2, 16, 0xff, word) || word > word_count)
    return false;
  frame.number = static_cast<std::uint8_t>(number);
  frame.word = static_cast<std::uint8_t>(word);
  return true;
}

std::string_view without_blanks(std::string_view text) {
  auto first = text.find_first_not_of(' ');
  if (first == std::string_view::npos)
    return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

void append_number(std::string& result, unsigned value) {
  std::array<char, 10> digits{};
  auto* end =
    std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  result.append(digits.data(), end);
}

} // namespace

std::string_view lexicographer_file(std::uint8_t number) noexcept {
  return number < lexicographer_files.size() ? lexicographer_files[number]
                                             : std::string_view{};
}

expected<void> parse_synset(std::string_view line, char part_of_speech,
                            synset& result) {
  result.words.clear();
  result.pointers.clear();
  result.frames.clear();
  // A gloss may hold " | " itself, the fields before it never do.
  auto bar = line.find(" | ");
  if (bar == std::string_view::npos)
    return expected_there("\" | \" before the gloss");
  result.gloss = without_blanks(line.substr(bar + 3));
  if (result.gloss.empty())
    return expected_there("a gloss after \" | \"");
  auto head = line.substr(0, bar);
  if (head.ends_with(' '))
    return expected_there("one blank before the bar");
  field_cursor fields{head};
  result.offset = fields.take();
  if (!is_offset(result.offset))
    return expected_there("an offset of 8 digits at the start");
  unsigned number = 0;
  if (!fields.take_number(2, 10, lexicographer_files.size() - 1, number))
    return expected_there("a lexicographer file 00 to 44 in field 2");
  result.file = static_cast<std::uint8_t>(number);
  auto type = fields.take();
  if (type.size() != 1 || !type_fits(type[0], part_of_speech))
    return expected_there(std::string{"type "} + part_of_speech
                          + (part_of_speech == 'a' ? " or s" : "")
                          + " in field 3");
  result.type = type[0];
  unsigned word_count = 0;
  if (!fields.take_number(2, 16, 0xff, word_count) || word_count == 0)
    return expected_there("a count of words 01 to ff in field 4");
  for (unsigned i = 0; i < word_count; ++i)
    if (!parse_word(fields, part_of_speech, result.words.emplace_back()))
      return expected_there("a word and its lex id for word", i + 1);
  unsigned pointer_count = 0;
  if (!fields.take_number(3, 10, 999, pointer_count))
    return expected_there("a count of pointers 000 to 999 after the words");
  for (unsigned i = 0; i < pointer_count; ++i)
    if (!parse_pointer(fields, word_count, result.pointers.emplace_back()))
      return expected_there("symbol, offset, part of speech and word numbers "
                            "for pointer",
                            i + 1);
  if (part_of_speech == 'v') {
    unsigned frame_count = 0;
    if (!fields.take_number(2, 10, 99, frame_count))
      return expected_there("a count of frames 00 to 99 after the pointers");
    for (unsigned i = 0; i < frame_count; ++i)
      if (!parse_frame(fields, word_count, result.frames.emplace_back()))
        return expected_there("\"+ frame word\" for frame", i + 1);
  }
  if (!fields.rest().empty())
    return expected_there("\" | \" and the gloss after the last field");
  return {};
}

void append_synset_address(std::string& result, char part_of_speech,
                           std::string_view offset) {
  result += '"';
  result += part_of_speech;
  result += '/';
  result += offset;
  result += '"';
}

std::string synset_key(char part_of_speech, std::string_view offset) {
  std::string result = "synset/";
  result += part_of_speech;
  result += '/';
  result += offset;
  return result;
}

std::string lower_case_word(std::string_view text) {
  std::string result{text};
  for (auto& c : result)
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c - 'A' + 'a');
  return result;
}

std::string word_key(std::string_view lower_case_word) {
  std::string result = "word/";
  result += lower_case_word;
  return result;
}

void synset_value(const synset& from, std::string& result) {
  result = "{\"type\":\"";
  result += from.type;
  result += "\",\"file\":\"";
  result += lexicographer_file(from.file);
  result += "\",\"words\":[";
  for (const auto& word : from.words) {
    result += '[';
    append_json_string(result, word.text);
    result += ',';
    append_number(result, word.lex_id);
    if (!word.marker.empty()) {
      result += ',';
      append_json_string(result, word.marker);
    }
    result += "],";
  }
  result.back() = ']'; // a synset has at least one word
  result += ",\"pointers\":[";
  for (const auto& pointer : from.pointers) {
    result += '[';
    append_json_string(result, pointer.kind);
    result += ',';
    append_synset_address(result, pointer.part_of_speech, pointer.offset);
    if (pointer.source_word != 0) {
      result += ',';
      append_number(result, pointer.source_word);
      result += ',';
      append_number(result, pointer.target_word);
    }
    result += "],";
  }
  if (!from.pointers.empty())
    result.pop_back();
  result += ']';
  if (from.type == 'v') {
    result += ",\"frames\":[";
    for (const auto& frame : from.frames) {
      result += '[';
      append_number(result, frame.number);
      if (frame.word != 0) {
        result += ',';
        append_number(result, frame.word);
      }
      result += "],";
    }
    if (!from.frames.empty())
      result.pop_back();
    result += ']';
  }
  result += ",\"gloss\":";
  append_json_string(result, from.gloss);
  result += '}';
}

} // namespace neuroplex::cli
