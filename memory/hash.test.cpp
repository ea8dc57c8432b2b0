#include "memory/hash.hpp"

#include "memory/fixture.test.hpp"

#include <array>
#include <cstring>

using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

TEST_CASE("CRC-32C gives the numbers of RFC 3720, appendix B.4", "[checksum]") {
  std::array<unsigned char, 32> bytes{};
  CHECK(crc32c_by_table(0, bytes.data(), bytes.size()) == 0x8A9136AAU);
  bytes.fill(0xFF);
  CHECK(crc32c_by_table(0, bytes.data(), bytes.size()) == 0x62A8AB43U);
  for (unsigned i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<unsigned char>(i);
  CHECK(crc32c_by_table(0, bytes.data(), bytes.size()) == 0x46DD794EU);
  CHECK(crc32c_by_table(0, "123456789", 9) == 0xE3069283U);
}

TEST_CASE("instruction and table agree on words of every length",
          "[checksum]") {
  auto text = bytes_of(600, 3);
  auto agree = [&](auto word, std::size_t at) {
    std::memcpy(&word, text.data() + at, sizeof word);
    auto before = static_cast<std::uint32_t>(at * 2'654'435'761U);
    REQUIRE(static_cast<std::uint32_t>(crc32c_step(before, word))
            == ~crc32c_by_table(~before, text.data() + at, sizeof word));
  };
  for (std::size_t at = 0; at + 8 <= text.size(); ++at) {
    agree(std::uint64_t{}, at);
    agree(std::uint32_t{}, at);
    agree(std::uint16_t{}, at);
    agree(std::uint8_t{}, at);
  }
}

TEST_CASE("keys of 9 to 16 bytes are hashed as the library hashes them",
          "[hash]") {
  for (std::size_t size = 0; size <= 40; ++size) {
    auto key = bytes_of(size, size + 1);
    for (unsigned ns : {0U, 1U, 127U, 255U}) {
      auto expected = XXH3_64bits_withSeed(key.data(), size, ns);
      auto number = static_cast<std::uint8_t>(ns);
      REQUIRE(hash_key(number, key) == expected);
      if (short_key::fits(size))
        REQUIRE(hash_key(number, short_key{key}) == expected);
    }
    REQUIRE(short_key::fits(size) == (size >= 9 && size <= 16));
  }
}

TEST_CASE("a key is the same only if every byte of it is", "[hash]") {
  std::array<std::byte, 24> shared{};
  for (std::size_t size = 9; size <= 16; ++size) {
    auto key = bytes_of(size, size);
    write_key<native_sync>(shared.data() + 1, key);
    const auto* end = shared.data() + 1 + size;
    CHECK(same_key<native_sync>(end, short_key{key}));
    CHECK(same_key<native_sync>(end, std::string_view{key}));
    for (std::size_t i = 0; i < size; ++i) {
      auto other = key;
      other[i] = static_cast<char>(other[i] ^ 0x10);
      REQUIRE_FALSE(same_key<native_sync>(end, short_key{other}));
      REQUIRE_FALSE(same_key<native_sync>(end, std::string_view{other}));
    }
  }
}

TEST_CASE("copying and summing in one pass does both at every length",
          "[checksum]") {
  auto text = bytes_of(600, 4);
  const auto* shared = reinterpret_cast<const std::byte*>(text.data());
  for (std::size_t size = 0; size <= text.size(); ++size) {
    std::string copy(size + 1, '.');
    auto seed = 0x9ABC'DEF0U + static_cast<std::uint32_t>(size);
    auto sum = value_checksum(seed, {text.data(), size});
    REQUIRE(read_summed<native_sync>(copy.data(), shared, size, seed) == sum);
    REQUIRE(copy.substr(0, size) == text.substr(0, size));
    REQUIRE(copy.back() == '.');
    std::string stored(size + 1, '.');
    REQUIRE(
      write_summed<native_sync>(reinterpret_cast<std::byte*>(stored.data()),
                                {text.data(), size}, seed)
      == sum);
    REQUIRE(stored == copy);
  }
}

TEST_CASE("a changed bit anywhere changes an entry's checksum", "[checksum]") {
  for (std::size_t size :
       {1U, 3U, 6U, 13U, 16U, 31U, 100U, 256U, 257U, 1000U}) {
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
