#include "cli/concept/wordnet_learner.hpp"

#include "cli/load/record.hpp"
#include "storage/concept/attribute_list.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <unordered_map>

namespace neuroplex::cli {

namespace {

namespace attribute_list = concepts::attribute_list;
using concepts::association_type;
using concepts::concept_id;

struct named_pointer {
  std::string_view symbol;
  std::string_view name;
  std::string_view phrase;
};

constexpr std::array<named_pointer, 26> named_pointers{{
  {"!", "antonym", "is the opposite of"},
  {"@", "hypernym", "is a kind of"},
  {"@i", "instance_hypernym", "is an instance of"},
  {"~", "hyponym", "has as a kind"},
  {"~i", "instance_hyponym", "has as an instance"},
  {"#m", "member_holonym", "is a member of"},
  {"#s", "substance_holonym", "is a substance of"},
  {"#p", "part_holonym", "is a part of"},
  {"%m", "member_meronym", "has as a member"},
  {"%s", "substance_meronym", "has as a substance"},
  {"%p", "part_meronym", "has as a part"},
  {"=", "attribute", "shares an attribute with"},
  {"+", "derivation", "is derived from the same as"},
  {"*", "entailment", "entails"},
  {">", "cause", "causes"},
  {"^", "also_see", "is to be seen with"},
  {"$", "verb_group", "is grouped with"},
  {"&", "similar", "is similar to"},
  {"<", "participle", "is a participle of"},
  {"\\", "pertainym", "pertains to"},
  {";c", "topic", "belongs to the topic"},
  {"-c", "topic_member", "is the topic of"},
  {";r", "region", "is used in the region of"},
  {"-r", "region_member", "is the region of"},
  {";u", "usage", "is used as"},
  {"-u", "usage_member", "is the usage of"},
}};

/// Where a synset stands among the senses of its first word.
class sense_index {
public:
  /// Reads index.noun and its kin.
  static expected<sense_index> open(const std::string& directory) {
    constexpr std::array<std::string_view, 4> names{"index.noun", "index.verb",
                                                    "index.adj", "index.adv"};
    sense_index result;
    for (std::size_t i = 0; i < names.size(); ++i) {
      auto path = (std::filesystem::path{directory} / names[i]).string();
      auto source = open_source(path);
      if (!source)
        return failure{errc::bad_path, source.error().message()
                                         + ": apt-get install wordnet-base"};
      line_reader lines{std::move(*source)};
      if (auto read = result.read(lines, parts_of_speech[i]); !read)
        return read.error();
    }
    return result;
  }

  /// From 1; 0 when the index does not know the word with this synset.
  [[nodiscard]] std::size_t number(char part, std::string_view word,
                                   std::string_view offset) const {
    auto found = senses_.find(key_of(part, word));
    if (found == senses_.end())
      return 0;
    auto place = found->second.find(offset);
    return place == std::string::npos ? 0 : place / offset.size() + 1;
  }

private:
  static std::string key_of(char part, std::string_view word) {
    return std::string{part} + std::string{word};
  }

  /// A line of wndb(5): lemma, pos, synset_cnt, p_cnt, pointers, sense_cnt,
  /// tagsense_cnt, and the offsets in the order of senses.
  expected<void> read(line_reader& lines, char part) {
    constexpr std::size_t offset_digits = 8;
    for (std::string_view line;;) {
      auto more = lines.next(line);
      if (!more)
        return more.error();
      if (!*more)
        return {};
      if (line.starts_with("  "))
        continue;
      auto lemma = line.substr(0, line.find(' '));
      auto& offsets = senses_[key_of(part, lemma)];
      // Offsets are the only fields of eight digits, and stand at the end.
      auto rest = line;
      while (!rest.empty() && rest.back() == ' ')
        rest.remove_suffix(1);
      auto begin = rest.size();
      auto is_offset = [&](std::size_t at) {
        return std::all_of(rest.begin() + static_cast<std::ptrdiff_t>(at),
                           rest.begin()
                             + static_cast<std::ptrdiff_t>(at + offset_digits),
                           [](char c) { return c >= '0' && c <= '9'; });
      };
      while (begin > offset_digits && rest[begin - offset_digits - 1] == ' '
             && is_offset(begin - offset_digits)) {
        begin -= offset_digits + 1;
      }
      for (auto at = begin; at + offset_digits < rest.size();
           at += offset_digits + 1)
        offsets.append(rest.substr(at + 1, offset_digits));
      if (offsets.empty())
        return failure_at(errc::protocol, lines.source().name(),
                          lines.line_number(),
                          "expected offsets of 8 digits at the end");
    }
  }

  std::unordered_map<std::string, std::string> senses_; ///< offsets in a row
};

std::string with_blanks(std::string_view word) {
  std::string text{word};
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

std::string synset_name(const sense_index& senses, const synset& of,
                        char part) {
  auto word = lower_case_word(of.words.front().text);
  auto number = senses.number(part, word, of.offset);
  std::array<char, 32> tail{};
  std::snprintf(tail.data(), tail.size(), ".%c.%02zu", of.type, number);
  return word + tail.data();
}

/// "n/02084071" as a number, for a table.
std::uint64_t address_of(char part, std::string_view offset) {
  std::uint64_t number = 0;
  std::from_chars(offset.data(), offset.data() + offset.size(), number);
  return number << 8 | static_cast<unsigned char>(part);
}

class learner {
public:
  learner(concept_learner& to, const learn_progress& go_on)
    : to_{to}, go_on_{go_on} {
  }

  expected<learnt_totals> run(const std::string& directory) {
    auto senses = sense_index::open(directory);
    if (!senses)
      return senses.error();
    for (const auto& kind : named_pointers) {
      auto type = to_.type(kind.name, kind.phrase);
      if (!type)
        return type.error();
      types_.emplace(kind.symbol, *type);
    }
    // Both ends of a pointer must be known, so pointers come second.
    for (auto pass : {&learner::learn_synset, &learner::learn_pointers}) {
      auto files = synset_files::open(directory);
      if (!files)
        return files.error();
      if (auto done = each_synset(*files, *senses, pass); !done)
        return done.error();
    }
    return totals_;
  }

private:
  using pass = expected<void> (learner::*)(const synset_files&,
                                           const sense_index&);

  expected<void> each_synset(synset_files& files, const sense_index& senses,
                             pass take) {
    constexpr std::uint64_t synsets_a_look = 512;
    for (std::uint64_t count = 0;; ++count) {
      if (count % synsets_a_look == 0
          && !go_on_(bytes_before_ + files.bytes_read()))
        return failure{errc::deadline, "stopped while learning"};
      auto more = files.next();
      if (!more)
        return more.error();
      if (!*more)
        break;
      if (auto taken = (this->*take)(files, senses); !taken)
        return files.refuse(taken.error());
    }
    bytes_before_ += files.bytes_read();
    return {};
  }

  expected<void> learn_synset(const synset_files& files,
                              const sense_index& senses) {
    const auto& now = files.current();
    auto part = files.part_of_speech();
    if (now.words.empty())
      return failure{errc::protocol, "a synset without a word"};
    auto name = synset_name(senses, now, part);
    auto id = concept_id::of_name(name);
    ids_.emplace(address_of(part, now.offset), id);
    content_.clear();
    for (const auto& word : now.words)
      content_ += (content_.empty() ? "" : ", ") + with_blanks(word.text);
    content_.append(": ").append(now.gloss);
    attributes_.clear();
    std::string address;
    append_synset_address(address, part, now.offset);
    attribute_list::add(attributes_, "name", name);
    attribute_list::add(attributes_, "synset",
                        address.substr(1, address.size() - 2));
    attribute_list::add(attributes_, "file", lexicographer_file(now.file));
    ++totals_.concepts;
    return to_.learn_concept(id,
                             {.content = content_, .attributes = attributes_});
  }

  expected<void> learn_pointers(const synset_files& files, const sense_index&) {
    const auto& now = files.current();
    auto source = ids_.at(address_of(files.part_of_speech(), now.offset));
    for (const auto& pointer : now.pointers) {
      auto target =
        ids_.find(address_of(pointer.part_of_speech, pointer.offset));
      auto type = types_.find(pointer.kind);
      if (target == ids_.end() || type == types_.end())
        return failure{errc::protocol, "a pointer to no synset"};
      concepts::association learnt{source, target->second, type->second};
      learnt.qualifier = static_cast<std::uint16_t>(pointer.source_word << 8
                                                    | pointer.target_word);
      if (auto done = to_.learn_association(learnt); !done)
        return done;
      ++totals_.associations;
      ++totals_.by_type[std::string{pointer_name(pointer.kind)}];
    }
    return {};
  }

  concept_learner& to_;
  const learn_progress& go_on_;
  std::map<std::string_view, association_type> types_;
  std::unordered_map<std::uint64_t, concept_id> ids_; ///< by address
  std::uint64_t bytes_before_ = 0;
  learnt_totals totals_;
  std::string content_;
  std::string attributes_;
};

} // namespace

std::string_view pointer_name(std::string_view kind) noexcept {
  for (const auto& each : named_pointers)
    if (each.symbol == kind)
      return each.name;
  return {};
}

expected<learnt_totals> learn_wordnet(const std::string& directory,
                                      concept_learner& to,
                                      const learn_progress& go_on) {
  return learner{to, go_on}.run(directory);
}

} // namespace neuroplex::cli
