#include "cli/load/synset_files.hpp"

#include "cli/load/record.hpp"

#include <charconv>
#include <filesystem>

namespace neuroplex::cli {

namespace {

constexpr std::array<std::string_view, 4> file_names{"data.noun", "data.verb",
                                                     "data.adj", "data.adv"};

} // namespace

expected<synset_files> synset_files::open(const std::string& directory) {
  sources opened;
  for (std::size_t i = 0; i < opened.size(); ++i) {
    auto path = (std::filesystem::path{directory} / file_names[i]).string();
    auto source = open_source(path);
    if (!source)
      return failure{errc::bad_path, source.error().message()
                                       + ": apt-get install wordnet-base"};
    opened[i] = std::move(*source);
  }
  return synset_files{std::move(opened)};
}

synset_files::synset_files(sources from) {
  for (auto& source : from) {
    total_bytes_ += source->total_bytes();
    files_.emplace_back(std::move(source));
  }
}

failure synset_files::refuse(const failure& why) const {
  const auto& file = files_[file_index_];
  return failure_at(why.code(), file.source().name(), file.line_number(),
                    why.message());
}

expected<bool> synset_files::next() {
  for (; file_index_ < files_.size(); ++file_index_) {
    auto& file = files_[file_index_];
    std::string_view line;
    for (;;) {
      auto more = file.next(line);
      if (!more)
        return more.error();
      if (!*more)
        break;
      if (line.starts_with("  ")) // the licence at the top
        continue;
      auto parsed = parse_synset(line, part_of_speech(), synset_);
      if (!parsed)
        return refuse({errc::protocol, parsed.error().message()});
      std::uint64_t offset = 0;
      std::from_chars(synset_.offset.data(),
                      synset_.offset.data() + synset_.offset.size(), offset);
      if (offset != file.line_offset())
        return refuse({errc::protocol,
                       "synset " + std::string{synset_.offset}
                         + " stands at byte "
                         + std::to_string(file.line_offset())
                         + ": expected it at its offset; the file was edited "
                           "or cut"});
      ++file_synsets_;
      return true;
    }
    if (file_synsets_ == 0)
      return refuse(
        {errc::protocol, "expected at least one synset, found none"});
    finished_bytes_ += file.bytes_read();
    file_synsets_ = 0;
  }
  return false;
}

std::uint64_t synset_files::bytes_read() const noexcept {
  return finished_bytes_
         + (file_index_ < files_.size() ? files_[file_index_].bytes_read() : 0);
}

} // namespace neuroplex::cli
