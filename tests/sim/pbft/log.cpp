#include "tests/sim/pbft/log.hpp"

#include "consensus/wire.hpp"

#include <span>
#include <string>
#include <xxhash.h>

namespace neuroplex::sim {

namespace {

constexpr const char* file_name = "replica";
constexpr std::size_t head_bytes = 12;

bool apply_all(std::string_view payload, pbft::durable_state& state) {
  wire_reader in{payload};
  for (auto left = in.take<std::uint32_t>(); left > 0; --left) {
    const auto read =
      pbft::decode_record(slice::copy_of(in.take_bytes(payload.size())));
    if (in.failed() || !read) {
      return false;
    }
    state.apply(*read);
  }
  return in.complete();
}

} // namespace

pbft::durable_state pbft_log::load() {
  const auto& bytes = box_.storage().read(file_name);
  const std::string_view all{reinterpret_cast<const char*>(bytes.data()),
                             bytes.size()};
  durable_ = {};
  end_ = 0;
  last_checksum_ = 0;
  while (end_ + head_bytes <= all.size()) {
    wire_reader head{all.substr(end_, head_bytes)};
    const auto checksum = head.take<std::uint64_t>();
    const auto size = head.take<std::uint32_t>();
    const auto payload = all.substr(end_ + head_bytes, size);
    if (payload.size() != size
        || checksum
             != XXH3_64bits_withSeed(payload.data(), payload.size(),
                                     last_checksum_)
        || !apply_all(payload, durable_)) {
      break;
    }
    last_checksum_ = checksum;
    end_ += head_bytes + size;
  }
  return durable_;
}

errc pbft_log::write_again(std::function<void(errc)> done) {
  const auto valid = std::span{box_.storage().read(file_name)}.first(end_);
  const std::vector<std::byte> copy{valid.begin(), valid.end()};
  const auto code = box_.storage().write(file_name, 0, copy);
  if (code == errc::ok) {
    box_.storage().sync(file_name, std::move(done));
  }
  return code;
}

errc pbft_log::store(const pbft::disk_write& write,
                     std::function<void(errc)> done) {
  std::string payload;
  wire_writer out{payload};
  out.put(static_cast<std::uint32_t>(write.records.size()));
  for (const auto& one : write.records) {
    std::string encoded;
    pbft::encode_record(one, encoded);
    out.put_bytes(encoded);
  }
  const auto checksum =
    XXH3_64bits_withSeed(payload.data(), payload.size(), last_checksum_);
  std::string framed;
  wire_writer frame{framed};
  frame.put(checksum);
  frame.put_bytes(payload);
  const auto code =
    box_.storage().write(file_name, end_, std::as_bytes(std::span{framed}));
  if (code != errc::ok) {
    return code;
  }
  end_ += framed.size();
  last_checksum_ = checksum;
  box_.storage().sync(file_name, [this, records = write.records,
                                  done = std::move(done)](errc result) {
    if (result == errc::ok) {
      for (const auto& one : records) {
        durable_.apply(one);
      }
    }
    done(result);
  });
  return errc::ok;
}

} // namespace neuroplex::sim
