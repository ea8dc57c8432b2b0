#include "actors/resp/text.hpp"
#include "actors/resp/auth.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace neuroplex::resp;

TEST_CASE("Only canonical decimals are integers") {
  CHECK(parse_integer("0") == 0);
  CHECK(parse_integer("-1") == -1);
  CHECK(parse_integer("9223372036854775807") == INT64_MAX);
  CHECK(parse_integer("-9223372036854775808") == INT64_MIN);
  for (auto text : {"", "-", "+1", "01", "-0", "1 ", " 1", "1x", "0x10",
                    "9223372036854775808", "-9223372036854775809"})
    CHECK_FALSE(parse_integer(text));
}

TEST_CASE("Glob patterns match as Redis matches") {
  CHECK(glob_match("*", ""));
  CHECK(glob_match("h?llo", "hello"));
  CHECK_FALSE(glob_match("h?llo", "hllo"));
  CHECK(glob_match("h*llo", "heeeello"));
  CHECK(glob_match("h[ae]llo", "hallo"));
  CHECK_FALSE(glob_match("h[ae]llo", "hillo"));
  CHECK(glob_match("h[^e]llo", "hallo"));
  CHECK_FALSE(glob_match("h[^e]llo", "hello"));
  CHECK(glob_match("h[b-a]llo", "hallo"));
  CHECK(glob_match("\\*a", "*a"));
  CHECK_FALSE(glob_match("\\*a", "ba"));
  CHECK(glob_match("[\\]]", "]"));
  CHECK(glob_match("a[b", "ab"));
  CHECK(glob_match("*a*b*c", "xxaxxbxxc"));
  CHECK_FALSE(glob_match("*a*b*c", "xxaxxbxx"));
  CHECK(glob_match("HELLO", "hello", true));
  CHECK_FALSE(glob_match("a", "ab"));
  CHECK(glob_match("a**", "a"));
}

TEST_CASE("A pattern of many stars takes no exponential time") {
  std::string pattern;
  for (int i = 0; i < 1'000; ++i)
    pattern += "a*";
  CHECK_FALSE(glob_match(pattern + "b", std::string(10'000, 'a')));
}

TEST_CASE("Passwords match only whole and exactly") {
  auth_guard guard{"secret"};
  CHECK(guard.required());
  CHECK(guard.matches("secret"));
  for (std::string_view wrong : {"", "secre", "secret ", "Secret"})
    CHECK_FALSE(guard.matches(wrong));
  CHECK_FALSE(guard.matches(std::string_view{"secret\0", 7}));
  CHECK_FALSE(guard.matches("secret" + std::string(600, 'x')));
  CHECK_FALSE(auth_guard{""}.required());
}

TEST_CASE("Many failures make attempts wait, and quiet forgives") {
  auth_guard guard{"secret"};
  std::int64_t now_ms = 1'000'000;
  for (std::uint32_t i = 0; i < bounds::free_auth_failures; ++i) {
    CHECK(guard.delay_ms(now_ms) == 0);
    guard.count_failure(now_ms);
  }
  CHECK(guard.delay_ms(now_ms) == bounds::auth_delay_step_ms);
  for (int i = 0; i < 1'000; ++i)
    guard.count_failure(now_ms);
  CHECK(guard.delay_ms(now_ms) == bounds::max_auth_delay_ms);
  CHECK(guard.delay_ms(now_ms + 1'000 * bounds::auth_forgiveness_ms) == 0);
}
