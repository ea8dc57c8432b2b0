// libFuzzer target: arbitrary bytes against the request parser, whole and in
// two pieces, and against the reader of other nodes' replies.
#include "actors/resp/parser.hpp"
#include "actors/resp/reply_merge.hpp"
#include "actors/resp/text.hpp"

#include <string>

using namespace neuroplex::resp;

namespace {

// Everything a parser says of a stream, as one text.
std::string heard(std::string_view stream, std::size_t cut) {
  parser under_test;
  std::string result;
  std::size_t used = 0;
  auto end = cut;
  for (;;) {
    switch (under_test.next(stream.substr(used, end - used), {})) {
      case parser::outcome::need_more:
        if (end == stream.size())
          return result;
        end = stream.size();
        continue;
      case parser::outcome::failed:
        return result + under_test.problem();
      case parser::outcome::command:
        for (auto argument : under_test.arguments())
          result.append("<").append(argument).append(">");
        break;
      case parser::outcome::empty:
        break;
    }
    NEUROPLEX_ENSURE(under_test.used_bytes() != 0);
    used += under_test.used_bytes();
    NEUROPLEX_ENSURE(used <= end);
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  std::string_view stream{reinterpret_cast<const char*>(data), size};
  NEUROPLEX_ENSURE(heard(stream, size) == heard(stream, size / 2));
  if (auto length = reply_length(stream))
    NEUROPLEX_ENSURE(*length <= size);
  static_cast<void>(reply_elements(stream));
  auto half = stream.substr(0, size / 2);
  static_cast<void>(glob_match(half, stream.substr(size / 2)));
  return 0;
}
