#include "tests/policy/reference_data.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>

namespace neuroplex::policy_test {

arguments read_arguments(int argc, char** argv) {
  arguments found;
  for (int i = 1; i < argc; ++i) {
    auto is = [&](const char* name) {
      return std::strcmp(argv[i], name) == 0 && i + 1 < argc;
    };
    if (is("--data"))
      found.data = argv[++i];
    else if (is("--max-requests"))
      found.max_requests = std::strtoull(argv[++i], nullptr, 10);
    else
      found.others.emplace_back(argv[i]);
  }
  return found;
}

std::vector<row> read_reference(const std::string& path) {
  std::vector<row> rows;
  std::ifstream in{path};
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    std::istringstream fields{line};
    std::vector<std::string> columns;
    for (std::string field; std::getline(fields, field, ',');)
      columns.push_back(field);
    if (columns.size() >= 7)
      rows.push_back({columns[0], columns[1], columns[2] == "byte",
                      std::stoull(columns[4]), std::stoull(columns[5]),
                      columns[6]});
  }
  return rows;
}

std::string cell_name(const row& at) {
  return at.trace + " " + std::to_string(at.size)
         + (at.by_bytes ? " bytes" : " objects");
}

std::map<std::string, std::pair<row, double>>
best_of_cells(const std::vector<row>& rows) {
  static const std::set<std::string> left_out = {"Belady", "BeladySize",
                                                 "Cacheus", "SLRU"};
  std::map<std::string, std::pair<row, double>> best;
  for (auto& each : rows) {
    if (left_out.contains(each.policy))
      continue;
    auto ratio = std::stod(each.hit_ratio);
    auto [cell, added] = best.try_emplace(cell_name(each), each, ratio);
    cell->second.second = std::max(cell->second.second, ratio);
  }
  return best;
}

const std::vector<cli::trace_record>& traces::of(const std::string& name) {
  if (name == name_)
    return records_;
  records_.clear();
  name_ = name;
  auto file = cli::trace_file::open(folder_ + "/" + name + ".atr.zst");
  for (bool more = static_cast<bool>(file); more;) {
    auto piece = file->next();
    NEUROPLEX_ENSURE(piece);
    records_.insert(records_.end(), piece->begin(), piece->end());
    more = !piece->empty();
  }
  return records_;
}

} // namespace neuroplex::policy_test
