#include "cli/load/wordnet.hpp"

#include <charconv>
#include <filesystem>

namespace neuroplex::cli {

namespace {

constexpr std::array<std::string_view, 4> file_names{"data.noun", "data.verb",
                                                     "data.adj", "data.adv"};

} // namespace

expected<std::unique_ptr<wordnet_reader>>
wordnet_reader::open(const std::string& directory) {
  std::array<std::unique_ptr<byte_source>, 4> sources;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    auto path = (std::filesystem::path{directory} / file_names[i]).string();
    auto source = open_source(path);
    if (!source)
      return failure{errc::bad_path, source.error().message()
                                       + ": apt-get install wordnet-base"};
    sources[i] = std::move(*source);
  }
  return std::make_unique<wordnet_reader>(std::move(sources));
}

wordnet_reader::wordnet_reader(
  std::array<std::unique_ptr<byte_source>, 4> sources) {
  for (auto& source : sources) {
    total_bytes_ += source->total_bytes();
    files_.emplace_back(std::move(source));
  }
}

expected<read_step> wordnet_reader::read_record(record& result) {
  if (file_index_ < files_.size()) {
    auto step = next_synset(result);
    if (!step || *step == read_step::record)
      return step;
  }
  return next_word(result);
}

expected<read_step> wordnet_reader::next_synset(record& result) {
  for (; file_index_ < files_.size(); ++file_index_) {
    auto& file = files_[file_index_];
    const auto& name = file.source().name();
    std::string_view line;
    for (;;) {
      auto more = file.next(line);
      if (!more)
        return more.error();
      if (!*more)
        break;
      if (line.starts_with("  ")) // the licence at the top
        continue;
      auto part = parts_of_speech[file_index_];
      auto parsed = parse_synset(line, part, synset_);
      if (!parsed)
        return failure_at(errc::protocol, name, file.line_number(),
                          parsed.error().message());
      std::uint64_t offset = 0;
      std::from_chars(synset_.offset.data(),
                      synset_.offset.data() + synset_.offset.size(), offset);
      if (offset != file.line_offset())
        return failure_at(errc::protocol, name, file.line_number(),
                          "synset " + std::string{synset_.offset}
                            + " stands at byte "
                            + std::to_string(file.line_offset())
                            + ": expected it at its offset; the file was "
                              "edited or cut");
      auto indexed = index_words();
      if (!indexed)
        return failure_at(indexed.code(), name, file.line_number(),
                          indexed.error().message());
      result.key = synset_key(part, synset_.offset);
      synset_value(synset_, result.value);
      result.ttl_ms = 0;
      return read_step::record;
    }
    if (file_synsets_ == 0)
      return failure_at(errc::protocol, name, file.line_number(),
                        "expected at least one synset, found none");
    finished_bytes_ += file.bytes_read();
    file_synsets_ = 0;
  }
  return read_step::end;
}

expected<void> wordnet_reader::index_words() {
  auto part = parts_of_speech[file_index_];
  std::string address;
  append_synset_address(address, part, synset_.offset);
  for (const auto& word : synset_.words) {
    auto& list = words_[lower_case_word(word.text)];
    if (words_.size() > load_limits::max_wordnet_words)
      return failure{errc::no_space,
                     "more than "
                       + std::to_string(load_limits::max_wordnet_words)
                       + " different words"};
    // A synset may hold a word twice that differs in case only.
    if (list.ends_with(address))
      continue;
    list += list.empty() ? '[' : ',';
    list += address;
  }
  ++file_synsets_;
  ++totals_.synsets;
  totals_.senses += synset_.words.size();
  totals_.pointers += synset_.pointers.size();
  totals_.frames += synset_.frames.size();
  for (const auto& pointer : synset_.pointers) {
    auto found = totals_.pointer_kinds.find(pointer.kind);
    if (found == totals_.pointer_kinds.end())
      found = totals_.pointer_kinds.emplace(pointer.kind, 0).first;
    ++found->second;
  }
  return {};
}

read_step wordnet_reader::next_word(record& result) {
  if (!words_begun_) {
    words_begun_ = true;
    word_ = words_.begin();
  }
  if (word_ == words_.end())
    return read_step::end;
  result.key = word_key(word_->first);
  result.value = word_->second;
  result.value += ']';
  result.ttl_ms = 0;
  ++word_;
  ++totals_.words;
  return read_step::record;
}

std::uint64_t wordnet_reader::bytes_read() const noexcept {
  return finished_bytes_
         + (file_index_ < files_.size() ? files_[file_index_].bytes_read() : 0);
}

std::uint64_t wordnet_reader::total_bytes() const noexcept {
  return total_bytes_;
}

} // namespace neuroplex::cli
