#include "actors/batch_split.hpp"

#include <unordered_map>
#include <utility>

namespace neuroplex::actors {

std::vector<batch_part>
split(batch_request whole,
      const std::function<std::uint64_t(std::string_view)>& group_of) {
  std::vector<batch_part> parts;
  std::unordered_map<std::uint64_t, std::size_t> part_of_group;
  for (std::uint32_t i = 0; i < whole.items.size(); ++i) {
    auto group = group_of(whole.items[i].key);
    auto [found, is_new] = part_of_group.try_emplace(group, parts.size());
    if (is_new) {
      auto& part = parts.emplace_back();
      part.group = group;
      part.batch.header = whole.header;
      part.batch.op = whole.op;
      part.batch.space = whole.space;
    }
    auto& part = parts[found->second];
    part.batch.items.push_back(std::move(whole.items[i]));
    part.positions.push_back(i);
  }
  for (auto& part : parts)
    part.batch.reply_budget_bytes = whole.reply_budget_bytes / parts.size();
  return parts;
}

batch_gathering::batch_gathering(std::size_t items, std::size_t parts)
  : missing_{parts} {
  whole_.answers.resize(items);
}

void batch_gathering::put(const std::vector<std::uint32_t>& positions,
                          batch_reply answer) {
  --missing_;
  if (answer.status == errc::ok && answer.answers.size() != positions.size())
    answer.status = errc::protocol;
  for (std::size_t i = 0; i < positions.size(); ++i) {
    auto& item = whole_.answers[positions[i]];
    if (answer.status == errc::ok)
      item = std::move(answer.answers[i]);
    else
      item.status = answer.status;
  }
}

} // namespace neuroplex::actors
