#include "cli/load/segment_check.hpp"

#include "cli/terminal/units.hpp"
#include "config/diagnostic.hpp"

namespace neuroplex::cli {

expected<segment_check> segment_check::open(std::span<const std::string> paths,
                                            const std::string& space) {
  std::vector<attachment> attachments;
  for (const auto& path : paths) {
    auto segment = memory::store::open(path, memory::access_mode::read_only);
    if (!segment)
      return segment.error();
    auto found = segment->find_namespace(space);
    if (!found)
      return failure{found.code(), path + ": no namespace "
                                     + config::quote(space)
                                     + ": load something into it first"};
    attachments.push_back({std::move(*segment), *found});
  }
  return segment_check{std::move(attachments)};
}

segment_check::segment_check(std::vector<attachment> attachments)
  : attachments_{std::move(attachments)} {
  result_.equal_by_segment.resize(attachments_.size());
}

void segment_check::tell(const std::string& difference) {
  if (result_.first_difference.empty())
    result_.first_difference = difference;
}

void segment_check::compare(const record& entry) {
  ++result_.entries;
  result_.bytes += entry.key.size() + entry.value.size();
  std::size_t holders = 0;
  std::size_t equal_in = attachments_.size(); // none
  for (std::size_t i = 0; i < attachments_.size(); ++i) {
    auto& [segment, space] = attachments_[i];
    auto code = segment.get(space, entry.key, value_);
    if (code == errc::not_found)
      continue;
    ++holders;
    if (code == errc::ok && value_ == entry.value) {
      equal_in = i;
      continue;
    }
    ++result_.different;
    tell(config::quote(entry.key) + " differs in " + segment.path()
         + (code == errc::ok ? std::string{}
                             : ": " + std::string{describe(code)}));
  }
  if (holders == 0) {
    ++result_.missing;
    tell(config::quote(entry.key) + " is in no segment");
  } else if (holders > 1) {
    ++result_.repeated;
    tell(config::quote(entry.key) + " is in more than one segment");
  } else if (equal_in < attachments_.size()) {
    ++result_.equal;
    ++result_.equal_by_segment[equal_in];
  }
}

segment_comparison segment_check::finish() {
  result_.stored = 0;
  for (auto& [segment, space] : attachments_)
    for (const auto& facts : segment.namespaces())
      if (facts.id == space)
        result_.stored += facts.entries;
  if (result_.equal == result_.entries && result_.stored != result_.entries)
    tell("the segments hold " + human_entries(result_.stored)
         + ", the input has " + human_count(result_.entries));
  return result_;
}

} // namespace neuroplex::cli
