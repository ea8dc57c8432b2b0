// libFuzzer target: arbitrary bytes against the decoders of messages, of
// records and of tables of clients. What is accepted must be written as the
// same bytes.
#include "consensus/pbft/codec.hpp"
#include "consensus/pbft/client_table.hpp"
#include "consensus/pbft/durable.hpp"

using namespace neuroplex;
using namespace neuroplex::pbft;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  auto bytes = slice::copy_of({reinterpret_cast<const char*>(data), size});
  if (auto what = decode_message(bytes))
    NEUROPLEX_ENSURE(encode_message(*what) == bytes);
  if (auto what = decode_record(bytes)) {
    std::string again;
    encode_record(*what, again);
    NEUROPLEX_ENSURE(again == bytes.view());
  }
  if (auto table = client_table::load(bytes))
    NEUROPLEX_ENSURE(table->save() == bytes);
  return 0;
}
