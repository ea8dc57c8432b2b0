#include "actors/tunnel/certificates.hpp"

#include <fstream>
#include <iterator>

#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "actors/tunnel/fixture.test.hpp"
#include "actors/tunnel/tls_context.hpp"

using namespace neuroplex;
using namespace neuroplex::tunnel;
using namespace neuroplex::tunnel::testing;

namespace {

mode_t mode_of(const std::filesystem::path& file) {
  struct stat facts {};
  REQUIRE(::stat(file.c_str(), &facts) == 0);
  return facts.st_mode & 07777;
}

std::string text_of(const std::filesystem::path& file) {
  std::ifstream input{file};
  return {std::istreambuf_iterator<char>{input}, {}};
}

std::size_t file_count(const std::filesystem::path& directory) {
  using iterator = std::filesystem::directory_iterator;
  return static_cast<std::size_t>(
    std::distance(iterator{directory}, iterator{}));
}

} // namespace

TEST_CASE("a replica's name is spelled in one way only", "[tunnel][identity]") {
  CHECK(replica_uri(7) == "neuroplex://replica/7");
  CHECK(parse_replica_uri("neuroplex://replica/0") == 0U);
  CHECK(parse_replica_uri("neuroplex://replica/4294967295") == 4294967295U);
  for (const char* wrong :
       {"", "neuroplex://replica/", "neuroplex://replica/4294967296",
        "neuroplex://replica/-1", "neuroplex://replica/+1",
        "neuroplex://replica/01", "neuroplex://replica/1 ",
        "neuroplex://replica/0x1", "neuroplex://replica/1/2",
        "Neuroplex://replica/1", "http://replica/1"})
    CHECK_FALSE(parse_replica_uri(wrong).has_value());
}

TEST_CASE("an authority and its node certificates have the right modes and "
          "facts",
          "[tunnel][certificates]") {
  const auto kind = GENERATE(key_kind::ed25519, key_kind::p256);
  temporary_directory directory;
  authority_options authority;
  authority.directory = directory.path();
  authority.cluster = "cells";
  authority.key = kind;
  auto made = create_authority(authority);
  REQUIRE(made);
  CHECK(made->certificate_file == directory.path() / "ca.pem");
  CHECK(mode_of(made->certificate_file) == 0644);
  CHECK(mode_of(made->key_file) == 0600);

  node_certificate_options node;
  node.authority_certificate_file = made->certificate_file;
  node.authority_key_file = made->key_file;
  node.directory = directory.path();
  node.id = 42;
  node.key = kind;
  node.dns_names = {"node-42.example"};
  node.ip_addresses = {"10.0.0.42", "fd00::42"};
  auto issued = issue_node_certificate(node);
  REQUIRE(issued);
  CHECK(mode_of(issued->certificate_file) == 0644);
  CHECK(mode_of(issued->key_file) == 0600);

  auto facts = inspect_certificate(issued->certificate_file);
  REQUIRE(facts);
  CHECK(facts->id == 42U);
  CHECK_FALSE(facts->authority);
  CHECK(facts->issuer == "CN=cells authority,O=cells");
  CHECK(facts->alternative_names
        == std::vector<std::string>{"URI:neuroplex://replica/42",
                                    "DNS:node-42.example", "IP:10.0.0.42",
                                    "IP:fd00::42"});
  CHECK(facts->seconds_left > 396LL * 86'400);
  CHECK(facts->seconds_left <= 397LL * 86'400);
  CHECK(facts->sha256.size() == 64);
  auto root = inspect_certificate(made->certificate_file);
  REQUIRE(root);
  CHECK(root->authority);
  CHECK_FALSE(root->id.has_value());

  CHECK(tls_context::load(
    {made->certificate_file, issued->certificate_file, issued->key_file}, 42));
}

TEST_CASE("existing files are replaced only by force, and nothing is left over",
          "[tunnel][certificates]") {
  temporary_directory directory;
  authority_options options;
  options.directory = directory.path();
  REQUIRE(create_authority(options));
  const auto before = text_of(directory.path() / "ca.key");
  auto again = create_authority(options);
  REQUIRE_FALSE(again);
  CHECK(again.error().code() == errc::exists);
  CHECK(text_of(directory.path() / "ca.key") == before);
  std::filesystem::remove(directory.path() / "ca.pem");
  CHECK(create_authority(options).code() == errc::exists);
  options.force = true;
  REQUIRE(create_authority(options));
  CHECK(text_of(directory.path() / "ca.key") != before);
  CHECK(file_count(directory.path()) == 2);
  options.directory = directory.path() / "missing";
  CHECK(create_authority(options).code() == errc::bad_path);
}

TEST_CASE("options out of their range are refused before anything is written",
          "[tunnel][certificates]") {
  test_authority authority;
  const auto files_before = file_count(authority.directory());
  auto refused = [&](auto change) {
    auto options = authority.options_for(1);
    change(options);
    auto result = issue_node_certificate(options);
    return result.code() == errc::bad_argument;
  };
  CHECK(refused([](auto& o) { o.validity_days = 0; }));
  CHECK(refused([](auto& o) { o.validity_days = 36'501; }));
  CHECK(refused([](auto& o) { o.starts_in_days = 40'000; }));
  CHECK(
    refused([](auto& o) { o.dns_names = {"a,URI:neuroplex://replica/2"}; }));
  CHECK(refused([](auto& o) { o.dns_names = {""}; }));
  CHECK(refused([](auto& o) { o.ip_addresses = {"10.0.0"}; }));
  CHECK(refused([](auto& o) { o.dns_names.assign(65, "a"); }));
  CHECK(file_count(authority.directory()) == files_before);
  authority_options unnamed;
  unnamed.directory = authority.directory();
  unnamed.cluster = "two words";
  CHECK(create_authority(unnamed).code() == errc::bad_argument);
}

TEST_CASE("a key that others may read is refused, and its text is not told",
          "[tunnel][certificates]") {
  test_authority authority;
  const auto files = authority.issue(1);
  const auto canary = text_of(files.key_file).substr(30, 20);
  REQUIRE(::chmod(files.key_file.c_str(), 0640) == 0);
  auto result = tls_context::load(files, 1);
  REQUIRE_FALSE(result);
  CHECK(result.error().code() == errc::config);
  CHECK(result.error().message().find("E-SECRETMODE") != std::string::npos);
  CHECK(result.error().message().find(canary) == std::string::npos);
}

TEST_CASE("credentials that peers would refuse are refused at the start",
          "[tunnel][certificates]") {
  test_authority authority;
  test_authority other;
  const auto good = authority.issue(1);
  const auto foreign = other.issue(1);
  auto load = [](const credentials& files, replica_id id = 1) {
    auto result = tls_context::load(files, id);
    return result ? std::string{} : result.error().message();
  };
  auto has = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  CHECK(load(good).empty());
  CHECK(has(load(good, 2), "names replica 1"));
  CHECK(
    has(load({good.authority_file, foreign.certificate_file, foreign.key_file}),
        "peers would refuse"));
  CHECK(
    has(load({good.authority_file, good.certificate_file, foreign.key_file}),
        "is not the key of"));
  CHECK(has(load({good.certificate_file, good.certificate_file, good.key_file}),
            "no authority"));
  CHECK(has(load({good.key_file, good.certificate_file, good.key_file}),
            "not a PEM file"));
  CHECK(has(load({authority.directory(), good.certificate_file, good.key_file}),
            "not a regular file"));
  CHECK(has(load({"/missing", good.certificate_file, good.key_file}),
            "No such file"));
  CHECK(has(load({"", good.certificate_file, good.key_file}), "not set"));
  auto expired = authority.options_for(1);
  expired.starts_in_days = -10;
  expired.validity_days = 5;
  CHECK(has(load(authority.issue(expired)), "expired"));
}
