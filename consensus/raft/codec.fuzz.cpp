// libFuzzer target: arbitrary bytes against the decoders of messages, of
// configurations and of tables of sessions. What is accepted must be written as
// the same bytes.
#include "consensus/raft/codec.hpp"
#include "consensus/raft/session_table.hpp"

using namespace neuroplex;
using namespace neuroplex::raft;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  std::string_view bytes{reinterpret_cast<const char*>(data), size};
  if (auto what = decode_message(slice::copy_of(bytes))) {
    std::string again;
    encode_message(*what, again);
    NEUROPLEX_ENSURE(again == bytes);
  }
  if (auto members = decode_configuration(bytes))
    NEUROPLEX_ENSURE(encode_configuration(*members).view() == bytes);
  if (auto meta = decode_snapshot_meta(bytes))
    NEUROPLEX_ENSURE(encode_snapshot_meta(*meta).view() == bytes);
  if (auto table = session_table::load(bytes)) {
    std::string again;
    table->save(again);
    NEUROPLEX_ENSURE(again == bytes);
  }
  return 0;
}
