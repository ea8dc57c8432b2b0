// libFuzzer target: arbitrary bytes against the frame decoder and the readers
// of control frames.
#include "actors/tunnel/frame.hpp"

using namespace neuroplex::tunnel;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  std::span<const std::byte> input{reinterpret_cast<const std::byte*>(data),
                                   size};
  frame_decoder decoder;
  std::size_t data_bytes = 0;
  for (;;) {
    const auto event = decoder.next(input);
    if (event.kind == frame_decoder::step::need_more
        || event.kind == frame_decoder::step::error)
      break;
    if (event.kind == frame_decoder::step::data) {
      data_bytes += event.payload.size();
      continue;
    }
    NEUROPLEX_ENSURE(event.payload.size() <= limits::max_control_payload_bytes);
    hello_frame hello;
    refuse_frame refuse;
    (void)read_hello(event.payload, hello);
    (void)read_refuse(event.payload, refuse);
    NEUROPLEX_ENSURE(hello.cluster.size() <= limits::max_cluster_bytes);
    NEUROPLEX_ENSURE(refuse.text.size() <= limits::max_refusal_text_bytes);
  }
  NEUROPLEX_ENSURE(data_bytes <= size);
  return 0;
}
