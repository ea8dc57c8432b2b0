#include "tests/sim/history.hpp"

#include <algorithm>
#include <map>

namespace neuroplex::sim {

namespace {

std::string json_value(register_value value) {
  return value == absent ? "null" : "\"" + std::to_string(value) + "\"";
}

const char* json_verb(verb what) {
  switch (what) {
    case verb::get:
      return "get";
    case verb::put:
      return "put";
    case verb::cas:
      break;
  }
  return "cas";
}

} // namespace

std::string history::to_json_lines(std::uint64_t seed) const {
  std::string text = R"({"format":"hist-v1","clock":"simulated","seed":")"
                     + std::to_string(seed) + "\",\"init\":\"empty\"}\n";
  std::uint32_t next_process = 0;
  std::map<std::uint32_t, std::uint32_t> process_of;
  for (const auto& one : operations_) {
    next_process = std::max(next_process, one.client + 1);
  }
  for (const auto& one : operations_) {
    const auto process = process_of.try_emplace(one.client, one.client);
    text += "{\"process\":" + std::to_string(process.first->second)
            + ",\"op\":\"" + json_verb(one.what) + "\",\"key\":\"k"
            + std::to_string(one.key) + "\",\"value\":"
            + json_value(one.what == verb::get && one.result != outcome::ok
                           ? absent
                           : one.value);
    if (one.what == verb::cas) {
      text += ",\"expect\":" + json_value(one.expect);
    }
    text += ",\"call_ns\":" + std::to_string(one.call.count());
    const auto known = one.result != outcome::unknown;
    text += ",\"return_ns\":"
            + (known ? std::to_string(one.answered.count()) : "null");
    text += one.result == outcome::ok ? ",\"result\":\"ok\""
            : known                   ? ",\"result\":\"fail\""
                                      : ",\"result\":\"unknown\"";
    if (one.result == outcome::mismatch) {
      text += ",\"reason\":\"mismatch\"";
    }
    text += "}\n";
    if (!known) {
      process.first->second = next_process++;
    }
  }
  return text;
}

} // namespace neuroplex::sim
