#include "memory/compression.hpp"
#include "memory/fixture.test.hpp"
#include "memory/layout.hpp"

#include <array>
#include <memory>
#include <vector>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

namespace {

/// Text that LZ4 makes a good deal shorter, and that differs for each number.
std::string text_of(std::size_t size, std::size_t number) {
  std::string result;
  while (result.size() < size)
    result += "entry " + std::to_string(number) + " of the compressed kind, ";
  result.resize(size);
  return result;
}

struct compressed_segment : segment {
  namespace_id ns;

  explicit compressed_segment(
    const segment_options& options = {.segment_bytes = 8 * mebibyte})
    : segment{options} {
    auto made = db.open_namespace("compressed");
    REQUIRE(made);
    ns = *made;
    REQUIRE(db.configure(ns, {.compression = compression_mode::adaptive}));
  }

  [[nodiscard]] entry_info info(std::string_view key) const {
    entry_info result;
    REQUIRE(db.info(ns, key, result) == errc::ok);
    return result;
  }
};

} // namespace

TEST_CASE("a packed value unpacks to what it was", "[compression]") {
  auto packer = std::make_unique<value_packer>();
  std::string packed;
  std::string plain;
  for (std::size_t size : {128UL, 129UL, 1000UL, 65'536UL, 1'000'000UL}) {
    auto value = text_of(size, size);
    REQUIRE(packer->pack(0, compression_mode::adaptive, value, packed));
    CHECK(packed.size() < size);
    CHECK(unpacked_bytes(packed) == size);
    REQUIRE(unpack(packed, size, plain));
    CHECK(plain == value);
    CHECK_FALSE(unpack(packed, size - 1, plain));
    CHECK_FALSE(packer->pack(0, compression_mode::off, value, packed));
  }
}

TEST_CASE("what is no packed value is refused", "[compression]") {
  std::string plain;
  CHECK_FALSE(unpack("", 1000, plain));
  CHECK_FALSE(unpack("abc", 1000, plain));
  auto packer = std::make_unique<value_packer>();
  std::string packed;
  REQUIRE(
    packer->pack(0, compression_mode::adaptive, text_of(5000, 1), packed));
  for (std::size_t cut = 0; cut < packed.size(); ++cut)
    CHECK_FALSE(unpack(std::string_view{packed}.substr(0, cut), 5000, plain));
  // Any bytes at all: bounded, whatever they say.
  for (std::size_t seed = 0; seed < 20'000; ++seed) {
    auto bytes = bytes_of(4 + seed % 100, seed);
    bytes[2] = bytes[3] = 0;
    if (unpack(bytes, 65'536, plain))
      CHECK(plain.size() == unpacked_bytes(bytes));
  }
}

TEST_CASE("what does not get shorter is tried now and then only",
          "[compression]") {
  auto packer = std::make_unique<value_packer>();
  std::string packed;
  for (std::size_t i = 0; i < 1000; ++i)
    CHECK_FALSE(
      packer->pack(3, compression_mode::adaptive, bytes_of(1000, i), packed));
  // Text of that size is refused now, but soon noticed.
  std::size_t until = 0;
  while (
    !packer->pack(3, compression_mode::adaptive, text_of(1000, until), packed)
    && until < 1000)
    ++until;
  CHECK(until > 0);
  CHECK(until < value_packer::try_every);
  // Other sizes and namespaces have their own experience.
  CHECK(packer->pack(3, compression_mode::adaptive, text_of(5000, 1), packed));
  CHECK(packer->pack(4, compression_mode::adaptive, text_of(1000, 1), packed));
}

TEST_CASE("compressed entries read like others", "[compression]") {
  compressed_segment s;
  auto value = text_of(5000, 1);
  REQUIRE(s.db.set(s.ns, "key", value) == errc::ok);
  CHECK(s.info("key").value_bytes == 5000);
  CHECK(s.info("key").block_bytes < 1000);
  CHECK(value_of(s.db, "key", s.ns) == value);

  std::vector<char> buffer(5000);
  std::size_t length = 0;
  REQUIRE(s.db.get(s.ns, "key", buffer, length) == errc::ok);
  CHECK(std::string_view{buffer.data(), length} == value);
  CHECK(s.db.get(s.ns, "key", std::span{buffer}.first(100), length)
        == errc::value_size);
  CHECK(length == 5000);

  value_view view;
  REQUIRE(s.db.view(s.ns, "key", view) == errc::ok);
  CHECK(view.bytes() == value);
  auto moved = std::move(view);
  CHECK(moved.bytes() == value);
  CHECK(moved.version() == s.info("key").version);
  moved.release();
  CHECK(moved.bytes().empty());

  std::array<get_request, 2> batch{
    {{"key", {}, errc::ok}, {"absent", {}, errc::ok}}};
  REQUIRE(s.db.get_many(s.ns, batch) == errc::ok);
  CHECK(batch[0].value == value);
  CHECK(batch[1].status == errc::not_found);

  std::string scanned;
  scan_cursor cursor;
  while (!cursor.done())
    REQUIRE(s.db.scan(s.ns, cursor, 10, [&](const scan_entry& entry) {
      scanned = entry.value;
    }) == errc::ok);
  CHECK(scanned == value);

  auto reader = s.attach(access_mode::read_only);
  CHECK(value_of(reader, "key", s.ns) == value);
  auto damaged = s.db.verify();
  REQUIRE(damaged);
  CHECK(*damaged == 0);
}

TEST_CASE("compressed entries change like others", "[compression]") {
  compressed_segment s;
  auto value = text_of(3000, 1);
  std::array<set_request, 1> batch{{{"key", value, {}, errc::ok}}};
  REQUIRE(s.db.set_many(s.ns, batch) == errc::ok);
  CHECK(s.info("key").block_bytes < 1000);

  std::size_t length = 0;
  REQUIRE(s.db.append(s.ns, "key", " and more", length) == errc::ok);
  CHECK(length == value.size() + 9);
  CHECK(value_of(s.db, "key", s.ns) == value + " and more");
  CHECK(s.info("key").block_bytes < 1000);

  std::string actual;
  CHECK(s.db.compare_and_swap(s.ns, "key", value, "x", &actual)
        == errc::mismatch);
  CHECK(actual == value + " and more");
  REQUIRE(s.db.compare_and_swap(s.ns, "key", actual, text_of(4000, 2))
          == errc::ok);

  REQUIRE(s.db.expire(s.ns, "key", 60'000) == errc::ok);
  CHECK(s.info("key").expires_at_ms != 0);
  REQUIRE(s.db.set(s.ns, "key", text_of(4000, 3), {.keep_ttl = true})
          == errc::ok);
  CHECK(s.info("key").expires_at_ms != 0);
  CHECK(s.info("key").block_bytes < 1000);
  REQUIRE(s.db.persist(s.ns, "key") == errc::ok);
  REQUIRE(s.db.pin(s.ns, "key") == errc::ok);
  CHECK(value_of(s.db, "key", s.ns) == text_of(4000, 3));
  CHECK(s.info("key").pinned);

  bool had = false;
  REQUIRE(s.db.exchange(s.ns, "key", "short", actual, had) == errc::ok);
  CHECK(actual == text_of(4000, 3));
  CHECK(value_of(s.db, "key", s.ns) == "short");
  REQUIRE(s.db.set(s.ns, "key", text_of(4000, 4)) == errc::ok);
  REQUIRE(s.db.take(s.ns, "key", actual) == errc::ok);
  CHECK(actual == text_of(4000, 4));
  CHECK(s.db.stats().entries == 0);
}

TEST_CASE("switching compression off leaves what is stored readable",
          "[compression]") {
  compressed_segment s;
  REQUIRE(s.db.set(s.ns, "packed", text_of(3000, 1)) == errc::ok);
  REQUIRE(s.db.configure(s.ns, {}));
  REQUIRE(s.db.set(s.ns, "plain", text_of(3000, 2)) == errc::ok);
  CHECK(s.info("plain").block_bytes > 3000);
  CHECK(value_of(s.db, "packed", s.ns) == text_of(3000, 1));
  std::size_t length = 0;
  REQUIRE(s.db.append(s.ns, "packed", "!", length) == errc::ok);
  CHECK(value_of(s.db, "packed", s.ns) == text_of(3000, 1) + "!");
  CHECK(s.info("packed").block_bytes > 3000);
}

TEST_CASE("the form of a value is covered by its checksum", "[compression]") {
  layout::entry_fields plain{.checksum = 0, .value_bytes = 77, .kind = 0};
  auto packed = plain;
  packed.kind = layout::make_entry_kind(1, 0, layout::flag_packed);
  CHECK(plain.length_and_form() == 77);
  CHECK(packed.length_and_form() != 77);
}

TEST_CASE("names of compression modes", "[compression]") {
  for (std::string_view name : {"off", "adaptive"})
    CHECK(to_string(*parse_compression_mode(name)) == name);
  CHECK_FALSE(parse_compression_mode("zstd"));
}
