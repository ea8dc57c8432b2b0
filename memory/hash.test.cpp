#include "memory/hash.hpp"

#include "memory/fixture.test.hpp"

#include <array>

using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

TEST_CASE("CRC-32C gives the numbers of RFC 3720, appendix B.4", "[checksum]") {
  std::array<unsigned char, 32> bytes{};
  CHECK(crc32c(0, bytes.data(), bytes.size()) == 0x8A9136AAU);
  bytes.fill(0xFF);
  CHECK(crc32c(0, bytes.data(), bytes.size()) == 0x62A8AB43U);
  for (unsigned i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<unsigned char>(i);
  CHECK(crc32c(0, bytes.data(), bytes.size()) == 0x46DD794EU);
  CHECK(crc32c(0, "123456789", 9) == 0xE3069283U);
  CHECK(crc32c_by_table(0, "123456789", 9) == 0xE3069283U);
}

TEST_CASE("instruction and table agree at every length, in parts as well",
          "[checksum]") {
  auto text = bytes_of(600, 3);
  for (std::size_t size = 0; size <= text.size(); ++size) {
    auto whole = crc32c_by_table(7, text.data(), size);
    REQUIRE(crc32c(7, text.data(), size) == whole);
    auto part = size / 3;
    REQUIRE(
      crc32c(crc32c(7, text.data(), part), text.data() + part, size - part)
      == whole);
  }
}

TEST_CASE("copying and summing in one pass does both at every length",
          "[checksum]") {
  auto text = bytes_of(600, 4);
  const auto* shared = reinterpret_cast<const std::byte*>(text.data());
  for (std::size_t size = 0; size <= text.size(); ++size) {
    std::string copy(size + 1, '.');
    auto seed = 0x9ABC'DEF0U + static_cast<std::uint32_t>(size);
    auto sum = read_summed<native_sync>(copy.data(), shared, size, seed);
    REQUIRE(sum == value_checksum(seed, {text.data(), size}));
    REQUIRE(copy.substr(0, size) == text.substr(0, size));
    REQUIRE(copy.back() == '.');
  }
}

TEST_CASE("a changed bit anywhere changes an entry's checksum", "[checksum]") {
  for (std::size_t size : {1U, 100U, 256U, 257U, 1000U}) {
    auto value = bytes_of(size, size);
    auto seed = checksum_seed(11, 22, 33);
    auto sum = value_checksum(seed, value);
    for (std::size_t bit = 0; bit < 8 * size; ++bit) {
      value[bit / 8] = static_cast<char>(value[bit / 8] ^ 1 << bit % 8);
      REQUIRE(value_checksum(seed, value) != sum);
      value[bit / 8] = static_cast<char>(value[bit / 8] ^ 1 << bit % 8);
    }
    CHECK(value_checksum(checksum_seed(12, 22, 33), value) != sum);
    CHECK(value_checksum(checksum_seed(11, 23, 33), value) != sum);
    CHECK(value_checksum(checksum_seed(11, 22, 34), value) != sum);
  }
}
