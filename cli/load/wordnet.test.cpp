#include "cli/load/wordnet.hpp"

#include <catch2/catch.hpp>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

using namespace neuroplex;
using namespace neuroplex::cli;

namespace {

constexpr std::string_view drowse =
  "00016380 29 v 01 drowse 0 004 @ 00014405 v 0000 + 00858849 n 0102 ^ "
  "00017282 v 0108 ~ 00016573 v 0000 01 + 02 00 | be on the verge of "
  "sleeping; \"The students were drowsing in the 8 AM class\"  ";

std::array<std::unique_ptr<byte_source>, 4> sources_of(std::string noun,
                                                       std::string verb,
                                                       std::string adj,
                                                       std::string adv) {
  return {string_source("data.noun", std::move(noun)),
          string_source("data.verb", std::move(verb)),
          string_source("data.adj", std::move(adj)),
          string_source("data.adv", std::move(adv))};
}

// A small WordNet: offsets are those of the lines themselves.
const std::string small_noun =
  "  1 licence  \n"
  "00000014 05 n 02 dog 0 Dog_House 3 001 @ 00000014 n 0000 | an animal  \n";
const std::string small_verb =
  "00000000 29 v 01 dog 0 000 02 + 08 00 + 11 01 | follow | closely  \n";
const std::string small_adj =
  "00000000 00 s 01 afloat(p) 0 001 & 00000000 a 0000 | on water  \n";
const std::string small_adv = "00000000 02 r 01 well 0 000 | fine  \n";

std::string refusal_of(record_reader& reader) {
  record entry;
  for (;;) {
    auto step = reader.next(entry);
    if (!step)
      return step.error().message();
    if (*step == read_step::end)
      return {};
  }
}

// Rebuilds the line of the data file from an entry alone.
std::string line_of(const std::string& key, const nlohmann::json& value) {
  static const std::map<std::string, int> file_numbers = [] {
    std::map<std::string, int> numbers;
    for (std::uint8_t i = 0; i < 45; ++i)
      numbers.emplace(std::string{lexicographer_file(i)}, i);
    return numbers;
  }();
  char text[64];
  std::string line = key.substr(key.rfind('/') + 1);
  std::snprintf(text, sizeof text, " %02d ",
                file_numbers.at(value.at("file").get<std::string>()));
  line += text + value.at("type").get<std::string>();
  std::snprintf(text, sizeof text, " %02zx", value.at("words").size());
  line += text;
  for (const auto& word : value.at("words")) {
    line += ' ' + word.at(0).get<std::string>();
    if (word.size() > 2)
      line += '(' + word.at(2).get<std::string>() + ')';
    std::snprintf(text, sizeof text, " %x", word.at(1).get<unsigned>());
    line += text;
  }
  std::snprintf(text, sizeof text, " %03zu", value.at("pointers").size());
  line += text;
  for (const auto& pointer : value.at("pointers")) {
    auto target = pointer.at(1).get<std::string>();
    line += ' ' + pointer.at(0).get<std::string>() + ' ' + target.substr(2)
            + ' ' + target.substr(0, 1);
    bool lexical = pointer.size() > 2;
    std::snprintf(text, sizeof text, " %02x%02x",
                  lexical ? pointer.at(2).get<unsigned>() : 0,
                  lexical ? pointer.at(3).get<unsigned>() : 0);
    line += text;
  }
  if (value.contains("frames")) {
    std::snprintf(text, sizeof text, " %02zu", value.at("frames").size());
    line += text;
    for (const auto& frame : value.at("frames")) {
      std::snprintf(text, sizeof text, " + %02u %02x",
                    frame.at(0).get<unsigned>(),
                    frame.size() > 1 ? frame.at(1).get<unsigned>() : 0);
      line += text;
    }
  }
  return line + " | " + value.at("gloss").get<std::string>();
}

std::string address_key(const std::string& address) {
  return synset_key(address.at(0), std::string_view{address}.substr(2));
}

bool wordnet_is_installed() {
  return std::filesystem::exists(std::filesystem::path{wordnet_directory}
                                 / "data.noun");
}

} // namespace

TEST_CASE("a line of a data file becomes its fields") {
  synset fields;
  REQUIRE(parse_synset(drowse, 'v', fields));
  CHECK(fields.offset == "00016380");
  CHECK(lexicographer_file(fields.file) == "verb.body");
  REQUIRE(fields.words.size() == 1);
  CHECK(fields.words[0].text == "drowse");
  REQUIRE(fields.pointers.size() == 4);
  CHECK(fields.pointers[1].kind == "+");
  CHECK(fields.pointers[1].source_word == 1);
  CHECK(fields.pointers[1].target_word == 2);
  REQUIRE(fields.frames.size() == 1);
  CHECK(fields.frames[0].number == 2);
  CHECK(fields.gloss.ends_with("class\""));
}

TEST_CASE("the reader gives synsets, then the words of all files") {
  wordnet_reader reader{
    sources_of(small_noun, small_verb, small_adj, small_adv)};
  std::map<std::string, std::string> entries;
  record entry;
  for (;;) {
    auto step = reader.next(entry);
    REQUIRE(step);
    if (*step == read_step::end)
      break;
    CHECK(entries.emplace(entry.key, entry.value).second);
  }
  CHECK(entries.size() == 8);
  CHECK(entries.at("synset/n/00000014")
        == R"({"type":"n","file":"noun.animal","words":[["dog",0],)"
           R"(["Dog_House",3]],"pointers":[["@","n/00000014"]],)"
           R"("gloss":"an animal"})");
  CHECK(entries.at("synset/v/00000000")
        == R"({"type":"v","file":"verb.body","words":[["dog",0]],)"
           R"("pointers":[],"frames":[[8],[11,1]],)"
           R"("gloss":"follow | closely"})");
  CHECK(entries.at("synset/a/00000000")
        == R"({"type":"s","file":"adj.all","words":[["afloat",0,"p"]],)"
           R"("pointers":[["&","a/00000000"]],"gloss":"on water"})");
  CHECK(entries.at("word/dog") == R"(["n/00000014","v/00000000"])");
  CHECK(entries.at("word/dog_house") == R"(["n/00000014"])");
  CHECK(entries.at("word/afloat") == R"(["a/00000000"])");
  CHECK(reader.totals().senses == 5);
  CHECK(reader.totals().words == 4);
  CHECK(reader.bytes_read() == reader.total_bytes());
}

TEST_CASE("a malformed WordNet line is refused with file and line") {
  auto refused = [](std::string noun) {
    wordnet_reader reader{
      sources_of(std::move(noun), small_verb, small_adj, small_adv)};
    auto message = refusal_of(reader);
    CHECK(refusal_of(reader) == message); // and again
    return message;
  };
  CHECK(refused("  1 x\n00000006 05 n 01 dog 0 000 an animal\n")
        == "data.noun:2: expected \" | \" before the gloss");
  CHECK(refused("00000000 05 v 01 dog 0 000 | an animal\n")
        == "data.noun:1: expected type n in field 3");
  CHECK(refused("00000000 45 n 01 dog 0 000 | an animal\n")
        == "data.noun:1: expected a lexicographer file 00 to 44 in field 2");
  CHECK(refused("00000000 05 n 02 dog 0 000 | an animal\n")
        == "data.noun:1: expected a word and its lex id for word 2");
  CHECK(refused("00000000 05 n 01 dog 0 002 @ 00000000 n 0000 | an animal\n")
        == "data.noun:1: expected symbol, offset, part of speech and word "
           "numbers for pointer 2");
  CHECK(refused("00000000 05 n 01 dog 0 001 @@ 00000000 n 0000 | an animal\n")
        == "data.noun:1: expected symbol, offset, part of speech and word "
           "numbers for pointer 1");
  CHECK(refused("00000000 05 n 01 dog 0 000 x | an animal\n")
        == "data.noun:1: expected \" | \" and the gloss after the last field");
  CHECK(refused("00000001 05 n 01 dog 0 000 | an animal\n")
        == "data.noun:1: synset 00000001 stands at byte 0: expected it at its "
           "offset; the file was edited or cut");
  CHECK(refused("  1 only the licence\n")
        == "data.noun:1: expected at least one synset, found none");
}

TEST_CASE("a WordNet that is not installed names the package") {
  auto reader = wordnet_reader::open("/nonexistent");
  REQUIRE(!reader);
  CHECK(reader.code() == errc::bad_path);
  CHECK(reader.error().message()
        == "/nonexistent/data.noun: cannot be opened: No such file or "
           "directory: apt-get install wordnet-base");
}

TEST_CASE("mutated lines are refused or parsed, never half") {
  std::mt19937_64 random{20'061'206};
  std::uint64_t refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string line{drowse};
    auto changes = 1 + random() % 3;
    for (std::uint64_t i = 0; i < changes; ++i) {
      auto at = random() % line.size();
      switch (random() % 4) {
        case 0:
          line[at] = static_cast<char>(random());
          break;
        case 1:
          line.erase(at, 1 + random() % 8);
          break;
        case 2:
          line.insert(at, 1, "0 +|9f\\"[random() % 7]);
          break;
        default:
          line.resize(at);
          break;
      }
      if (line.empty())
        line.assign(1, ' ');
    }
    synset fields;
    auto parsed = parse_synset(line, 'v', fields);
    if (!parsed) {
      ++refused;
      CHECK(parsed.error().message().starts_with("expected "));
      continue;
    }
    std::string value;
    synset_value(fields, value);
    // What was accepted is well-formed, but for bytes that are not UTF-8.
    bool ascii = std::all_of(value.begin(), value.end(),
                             [](char c) { return (c & 0x80) == 0; });
    if (ascii)
      CHECK(nlohmann::json::accept(value));
  }
  CHECK(refused > 5'000);
}

TEST_CASE("all of WordNet is read and every line can be rebuilt from it") {
  if (!wordnet_is_installed()) {
    WARN("WordNet is not installed: apt-get install wordnet-base");
    return;
  }
  auto reader = wordnet_reader::open(std::string{wordnet_directory});
  REQUIRE(reader);
  std::map<std::string, std::string> entries;
  record entry;
  for (;;) {
    auto step = (*reader)->next(entry);
    REQUIRE(step);
    if (*step == read_step::end)
      break;
    entries.emplace(entry.key, entry.value);
  }
  const auto& totals = (*reader)->totals();
  CHECK(totals.synsets == 117'659);
  CHECK(totals.senses == 206'978);
  CHECK(totals.pointers == 377'592);
  CHECK(totals.pointer_kinds.size() == 26);
  CHECK(entries.size() == totals.synsets + totals.words);

  // An independent pass over the files: lines, blanks and nothing else.
  std::set<std::string> words;
  std::uint64_t lines = 0;
  std::uint64_t different = 0;
  std::uint64_t dangling = 0;
  for (auto [name, part] : {std::pair{"data.noun", 'n'},
                            {"data.verb", 'v'},
                            {"data.adj", 'a'},
                            {"data.adv", 'r'}}) {
    std::ifstream file{std::filesystem::path{wordnet_directory} / name};
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("  "))
        continue;
      ++lines;
      // Blanks around the gloss are all that a value does not keep.
      line.erase(line.find_last_not_of(' ') + 1);
      auto gloss = line.find(" | ") + 3;
      line.erase(gloss, line.find_first_not_of(' ', gloss) - gloss);
      auto key = std::string{"synset/"} + part + "/" + line.substr(0, 8);
      auto found = entries.find(key);
      REQUIRE(found != entries.end());
      auto value = nlohmann::json::parse(found->second);
      different += line_of(key, value) == line ? 0 : 1;
      for (const auto& pointer : value.at("pointers"))
        if (!entries.contains(address_key(pointer.at(1).get<std::string>())))
          ++dangling;
      for (const auto& word : value.at("words")) {
        auto text = lower_case_word(word.at(0).get<std::string>());
        words.insert(text);
        auto list = entries.find(word_key(text));
        REQUIRE(list != entries.end());
        REQUIRE(list->second.find(key.substr(7) + '"') != std::string::npos);
      }
    }
  }
  CHECK(lines == totals.synsets);
  CHECK(different == 0);
  CHECK(dangling == 0);
  CHECK(words.size() == totals.words);
}
