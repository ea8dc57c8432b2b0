#include "cli/load/wordnet.hpp"

namespace neuroplex::cli {

expected<std::unique_ptr<wordnet_reader>>
wordnet_reader::open(const std::string& directory) {
  auto files = synset_files::open(directory);
  if (!files)
    return files.error();
  return std::make_unique<wordnet_reader>(std::move(*files));
}

expected<read_step> wordnet_reader::read_record(record& result) {
  if (!words_begun_) {
    auto more = files_.next();
    if (!more)
      return more.error();
    if (*more) {
      if (auto indexed = index_words(); !indexed)
        return files_.refuse(indexed.error());
      result.key = synset_key(files_.part_of_speech(), files_.current().offset);
      synset_value(files_.current(), result.value);
      result.ttl_ms = 0;
      return read_step::record;
    }
  }
  return next_word(result);
}

expected<void> wordnet_reader::index_words() {
  const auto& synset = files_.current();
  std::string address;
  append_synset_address(address, files_.part_of_speech(), synset.offset);
  for (const auto& word : synset.words) {
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
  ++totals_.synsets;
  totals_.senses += synset.words.size();
  totals_.pointers += synset.pointers.size();
  totals_.frames += synset.frames.size();
  for (const auto& pointer : synset.pointers) {
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

} // namespace neuroplex::cli
