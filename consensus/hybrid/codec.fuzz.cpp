// libFuzzer target: arbitrary bytes against the decoders of messages, records,
// orders and results. What is accepted must be written as the same bytes.
#include "consensus/hybrid/codec.hpp"

using namespace neuroplex;
using namespace neuroplex::hybrid;

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
  if (auto what = decode_order(bytes))
    NEUROPLEX_ENSURE(encode_order(*what) == bytes);
  if (auto what = decode_result(bytes))
    NEUROPLEX_ENSURE(encode_result(*what) == bytes);
  return 0;
}
