#include "cli/trace/replay.hpp"

#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <unistd.h>
#include <vector>
#include <zstd.h>

using namespace neuroplex;
using namespace neuroplex::cli;

namespace {

// A file of its own, gone with the object.
class scratch_file {
public:
  scratch_file(const std::string& suffix, const std::string& content)
    : path_{"/tmp/neuroplex-trace-" + std::to_string(::getpid()) + suffix} {
    std::ofstream{path_, std::ios::binary} << content;
  }

  scratch_file(const scratch_file&) = delete;
  scratch_file& operator=(const scratch_file&) = delete;

  ~scratch_file() {
    std::remove(path_.c_str());
  }

  [[nodiscard]] const std::string& path() const {
    return path_;
  }

private:
  std::string path_;
};

std::string packed(const std::string& plain) {
  std::string result(ZSTD_compressBound(plain.size()), '\0');
  auto size =
    ZSTD_compress(result.data(), result.size(), plain.data(), plain.size(), 3);
  result.resize(size);
  return result;
}

std::string bytes_of(std::uint64_t number, int count) {
  std::string result;
  for (int i = 0; i < count; ++i, number >>= 8)
    result.push_back(static_cast<char>(number & 0xFF));
  return result;
}

std::string bytes_of(const trace_record& record) {
  return bytes_of(record.key, 8) + bytes_of(record.size_bytes, 4)
         + bytes_of(record.operation, 1) + bytes_of(0, 1)
         + bytes_of(record.run, 2);
}

std::string long_trace(std::size_t records) {
  std::string result;
  for (std::size_t i = 0; i < records; ++i)
    result += bytes_of(trace_record{i * 77, 10, 0, 1});
  return result;
}

expected<std::uint64_t> count_records(const std::string& path) {
  auto file = trace_file::open(path);
  if (!file)
    return file.error();
  std::uint64_t count = 0;
  for (;;) {
    auto records = file->next();
    if (!records)
      return records.error();
    if (records->empty())
      return count;
    for (auto& each : *records)
      if (each.key != 77 * count++)
        return errc::mismatch;
  }
}

} // namespace

TEST_CASE("a trace is read whole, packed or not, whatever its length") {
  for (std::size_t records : {0, 1, 16'383, 16'384, 16'385, 100'000}) {
    auto plain = long_trace(records);
    CHECK(*count_records(scratch_file{".atr", plain}.path()) == records);
    CHECK(*count_records(scratch_file{".atr.zst", packed(plain)}.path())
          == records);
  }
}

TEST_CASE("two packed parts one after the other are one trace") {
  auto plain = long_trace(1000);
  scratch_file file{".atr.zst",
                    packed(plain.substr(0, 777)) + packed(plain.substr(777))};
  CHECK(*count_records(file.path()) == 1000);
}

TEST_CASE("a trace that was cut anywhere but between records is refused") {
  auto plain = long_trace(20);
  auto whole = packed(plain);
  for (std::size_t bytes = 0; bytes < plain.size(); ++bytes) {
    auto found =
      count_records(scratch_file{".atr", plain.substr(0, bytes)}.path());
    CHECK(found.code() == (bytes % 16 == 0 ? errc::ok : errc::corrupt));
  }
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes)
    CHECK(count_records(scratch_file{".atr.zst", whole.substr(0, bytes)}.path())
            .code()
          == errc::corrupt);
}

TEST_CASE("garbage is refused with the place that is wrong") {
  auto plain = long_trace(30'000);
  plain[16 * 20'000 + 12] = 3; // the operation
  auto found = count_records(scratch_file{".atr", plain}.path());
  REQUIRE(found.code() == errc::corrupt);
  CHECK(found.error().message().find("byte 320000") != std::string::npos);

  plain = long_trace(2);
  plain[16 + 14] = 0; // a run of no key
  CHECK(count_records(scratch_file{".atr", plain}.path()).code()
        == errc::corrupt);
  CHECK(count_records(scratch_file{".atr.zst", long_trace(9)}.path()).code()
        == errc::corrupt);
}

TEST_CASE("what is no file is no trace") {
  CHECK(count_records("/tmp").code() == errc::bad_path);
  CHECK(count_records("/tmp/neuroplex-no-such-trace").code() == errc::bad_path);
}

TEST_CASE("a run is an access to each of its keys") {
  auto plain = bytes_of(trace_record{100, 512, 0, 3})
               + bytes_of(trace_record{101, 512, 1, 1})
               + bytes_of(trace_record{103, 100, 2, 1});
  scratch_file file{".atr", plain};
  auto trace = trace_file::open(file.path());
  REQUIRE(trace);
  auto cache = memory::policy::make_cache(memory::policy_kind::lru, {10});
  auto result = replay(*trace, *cache, [](auto&) { return true; });
  REQUIRE(result);
  CHECK(result->requests == 5);
  CHECK(result->hits == 1);
  CHECK(result->misses() == 4);
  CHECK(result->byte_hit_ratio() == Approx(512.0 / (4 * 512 + 100)));
}
