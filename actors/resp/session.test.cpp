#include "actors/resp/session.hpp"
#include "actors/resp/store_fixture.test.hpp"

#include <catch2/catch.hpp>

#include <random>
#include <string>
#include <vector>

using namespace neuroplex;
using namespace neuroplex::resp;

namespace {

std::int64_t test_now_ms = 1'700'000'000'000;

// The store reads the real clock, so tests of expiry do as well; this one is
// for delays.
std::int64_t test_clock_ms() noexcept {
  return test_now_ms;
}

struct client {
  explicit client(service& shared) : talk{shared, {7, 3, "1.2.3.4:5", "x:1"}} {
  }

  std::string operator()(std::string_view input) {
    pending.append(input);
    byte_buffer output;
    pending.erase(0, talk.consume(pending, output));
    return std::string{output.view()};
  }

  session talk;
  std::string pending;
};

struct bench {
  explicit bench(service_options options = {})
    : data{testing::make_store()}, shared{data, std::move(options)}, say{
                                                                       shared} {
  }

  memory::store data;
  service shared;
  client say;
};

std::string command(std::initializer_list<std::string_view> arguments) {
  auto text = "*" + std::to_string(arguments.size()) + "\r\n";
  for (auto argument : arguments)
    text += "$" + std::to_string(argument.size()) + "\r\n"
            + std::string{argument} + "\r\n";
  return text;
}

} // namespace

TEST_CASE("A value set is the value got") {
  bench b;
  CHECK(b.say("SET k v\r\n") == "+OK\r\n");
  CHECK(b.say("GET k\r\n") == "$1\r\nv\r\n");
  CHECK(b.say("GET nothing\r\n") == "$-1\r\n");
  for (std::size_t bytes : {0U, 9U, 10U, 99U, 100U, 511U, 512U, 70'000U}) {
    std::string value(bytes, 'x');
    CHECK(b.say(command({"SET", "long", value})) == "+OK\r\n");
    CHECK(b.say("GET long\r\n")
          == "$" + std::to_string(bytes) + "\r\n" + value + "\r\n");
  }
}

TEST_CASE("Null and maps look different in RESP3") {
  bench b;
  auto greeting = b.say("HELLO 3\r\n");
  CHECK(greeting.starts_with("%7\r\n$6\r\nserver\r\n"));
  CHECK(b.say("GET nothing\r\n") == "_\r\n");
  CHECK(b.say("CONFIG GET save\r\n") == "%1\r\n$4\r\nsave\r\n$0\r\n\r\n");
  CHECK(b.say("RESET\r\n") == "+RESET\r\n");
  CHECK(b.say("GET nothing\r\n") == "$-1\r\n");
  CHECK(b.say("HELLO 4\r\n") == "-NOPROTO unsupported protocol version\r\n");
}

TEST_CASE("SET knows its conditions") {
  bench b;
  CHECK(b.say("SET k a XX\r\n") == "$-1\r\n");
  CHECK(b.say("SET k a NX\r\n") == "+OK\r\n");
  CHECK(b.say("SET k b NX\r\n") == "$-1\r\n");
  CHECK(b.say("SET k b NX GET\r\n") == "$1\r\na\r\n");
  CHECK(b.say("SET k b XX GET\r\n") == "$1\r\na\r\n");
  CHECK(b.say("SET k c GET\r\n") == "$1\r\nb\r\n");
  CHECK(b.say("SET new c GET\r\n") == "$-1\r\n");
  CHECK(b.say("SET k d NX XX\r\n") == "-ERR syntax error\r\n");
  CHECK(b.say("SET k d EX 10 PX 10\r\n") == "-ERR syntax error\r\n");
  CHECK(b.say("SET k d EX 10 KEEPTTL\r\n") == "-ERR syntax error\r\n");
  CHECK(b.say("SET k d EX 0\r\n")
        == "-ERR invalid expire time in 'set' command\r\n");
  CHECK(b.say("SET k d EX x\r\n")
        == "-ERR value is not an integer or out of range\r\n");
}

TEST_CASE("Expiry is kept, shown, changed and taken away") {
  bench b;
  CHECK(b.say("SET k v EX 100\r\nTTL k\r\n") == "+OK\r\n:100\r\n");
  CHECK(b.say("SET k w KEEPTTL\r\nTTL k\r\n") == "+OK\r\n:100\r\n");
  CHECK(b.say("PERSIST k\r\nTTL k\r\nPERSIST k\r\n") == ":1\r\n:-1\r\n:0\r\n");
  CHECK(b.say("EXPIRE k 50 XX\r\n") == ":0\r\n");
  CHECK(b.say("EXPIRE k 50 NX\r\nTTL k\r\n") == ":1\r\n:50\r\n");
  CHECK(b.say("EXPIRE k 40 GT\r\nEXPIRE k 40 LT\r\nTTL k\r\n")
        == ":0\r\n:1\r\n:40\r\n");
  CHECK(b.say("EXPIRE k 40 NX GT\r\n")
        == "-ERR NX and XX, GT or LT options at the same time are not "
           "compatible\r\n");
  CHECK(b.say("EXPIRE k -1\r\nEXISTS k\r\nTTL k\r\n") == ":1\r\n:0\r\n:-2\r\n");
  CHECK(b.say("EXPIRE x -9223372036854775808\r\n")
        == "-ERR invalid expire time in 'expire' command\r\n");
  CHECK(b.say("SET k v PXAT 1\r\nGET k\r\n") == "+OK\r\n$-1\r\n");
  CHECK(b.say("SET k v\r\nGETEX k EX 7\r\nTTL k\r\nGETEX k PERSIST\r\n"
              "TTL k\r\n")
        == "+OK\r\n$1\r\nv\r\n:7\r\n$1\r\nv\r\n:-1\r\n");
}

TEST_CASE("Counters add, and refuse to leave 64 bits") {
  bench b;
  CHECK(b.say("INCR n\r\nINCRBY n 41\r\nDECR n\r\nDECRBY n 2\r\n")
        == ":1\r\n:42\r\n:41\r\n:39\r\n");
  CHECK(b.say("SET n 9223372036854775807\r\nINCR n\r\n")
        == "+OK\r\n-ERR increment or decrement would overflow\r\n");
  CHECK(b.say("SET n abc\r\nINCR n\r\n")
        == "+OK\r\n-ERR value is not an integer or out of range\r\n");
  CHECK(b.say("DECRBY n -9223372036854775808\r\n")
        == "-ERR decrement would overflow\r\n");
}

TEST_CASE("Ranges are read and written within limits") {
  bench b;
  CHECK(b.say("SETRANGE k 2 ab\r\n") == ":4\r\n");
  CHECK(b.say("GET k\r\n") == std::string{"$4\r\n\0\0ab\r\n", 10});
  CHECK(b.say("GETRANGE k -2 -1\r\nGETRANGE k 3 100\r\nGETRANGE k 3 1\r\n")
        == "$2\r\nab\r\n$1\r\nb\r\n$0\r\n\r\n");
  CHECK(b.say("SETRANGE k -1 x\r\n") == "-ERR offset is out of range\r\n");
  CHECK(b.say("SETRANGE k 4294967296 x\r\n")
        == "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n");
  CHECK(b.say("SETRANGE none 5 \"\"\r\nEXISTS none\r\n") == ":0\r\n:0\r\n");
}

TEST_CASE("Many keys are read, written, counted and removed at once") {
  bench b;
  CHECK(b.say("MSET a 1 b 2\r\nMGET a x b\r\n")
        == "+OK\r\n*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n2\r\n");
  CHECK(b.say("MSET a 1 b\r\n")
        == "-ERR wrong number of arguments for 'mset' command\r\n");
  CHECK(b.say("EXISTS a b a x\r\nDEL a b a\r\nDBSIZE\r\n")
        == ":3\r\n:2\r\n:0\r\n");
}

TEST_CASE("Databases are separate namespaces") {
  bench b;
  CHECK(b.say("SET k zero\r\nSELECT 3\r\nGET k\r\nSET k three\r\n")
        == "+OK\r\n+OK\r\n$-1\r\n+OK\r\n");
  std::string value;
  auto space = b.data.find_namespace("db3");
  REQUIRE(space);
  CHECK(b.data.get(*space, "k", value) == errc::ok);
  CHECK(value == "three");
  CHECK(b.say("FLUSHDB\r\nDBSIZE\r\nSELECT 0\r\nGET k\r\n")
        == "+OK\r\n:0\r\n+OK\r\n$4\r\nzero\r\n");
  CHECK(b.say("SELECT 16\r\n") == "-ERR DB index is out of range\r\n");
  CHECK(b.say("SELECT x\r\n")
        == "-ERR value is not an integer or out of range\r\n");
}

TEST_CASE("A scan shows every key once the cursor is back at zero") {
  bench b;
  for (int i = 0; i < 500; ++i)
    b.say("SET key:" + std::to_string(i) + " v\r\n");
  std::string cursor = "0";
  std::size_t keys = 0;
  do {
    auto reply = b.say("SCAN " + cursor + " MATCH key:* COUNT 20\r\n");
    REQUIRE(reply.starts_with("*2\r\n$"));
    auto begin = reply.find("\r\n", 4) + 2;
    cursor = reply.substr(begin, reply.find("\r\n", begin) - begin);
    for (auto at = reply.find("key:"); at != std::string::npos;
         at = reply.find("key:", at + 1))
      ++keys;
  } while (cursor != "0");
  CHECK(keys == 500);
  CHECK(b.say("SCAN 0 TYPE list COUNT 1000\r\n") == "*2\r\n$1\r\n0\r\n*0\r\n");
  CHECK(b.say("SCAN x\r\n") == "-ERR invalid cursor\r\n");
  CHECK(b.say("KEYS key:49?\r\n").starts_with("*10\r\n"));
  CHECK(b.say("RANDOMKEY\r\n").find("key:") != std::string::npos);
}

TEST_CASE("Unknown commands and wrong arity get the words of Redis") {
  bench b;
  CHECK(b.say("nosuch a b\r\n")
        == "-ERR unknown command 'nosuch', with args beginning with: 'a' 'b' "
           "\r\n");
  CHECK(b.say("GET\r\n")
        == "-ERR wrong number of arguments for 'get' command\r\n");
  CHECK(b.say("CLIENT SETNAME\r\n")
        == "-ERR wrong number of arguments for 'client|setname' command\r\n");
  CHECK(b.say("CLIENT nosuch\r\n")
        == "-ERR unknown subcommand 'nosuch'. Try CLIENT HELP.\r\n");
  CHECK(b.say("CLIENT\r\n")
        == "-ERR wrong number of arguments for 'client' command\r\n");
}

TEST_CASE("A text cannot forge a second reply") {
  bench b;
  CHECK(b.say(command({"x\r\n+OK"}))
        == "-ERR unknown command 'x  +OK', with args beginning with: \r\n");
}

TEST_CASE("Keys that cannot be are refused with the reason") {
  bench b;
  CHECK(b.say(command({"SET", "", "v"}))
        == "-ERR the key is empty: give at least one byte\r\n");
  CHECK(b.say(command({"SET", std::string(65'536, 'k'), "v"}))
        == "-ERR the key is too long: at most 65535 bytes\r\n");
}

TEST_CASE("A full store says so and serves on") {
  bench b;
  std::string value(1U << 20, 'x');
  std::string reply;
  for (int i = 0; i < 32 && reply != "-"; ++i)
    reply = b.say(command({"SET", "k" + std::to_string(i), value}))[0] == '-'
              ? "-"
              : "";
  CHECK(reply == "-");
  CHECK(b.say(command({"SET", "last", value}))
        == "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
  CHECK(b.say("GETRANGE k0 0 1\r\n") == "$2\r\nxx\r\n");
}

TEST_CASE("Before AUTH only the door is open") {
  service_options options;
  options.password = "secret";
  bench b{options};
  CHECK(b.say("GET k\r\n") == "-NOAUTH Authentication required.\r\n");
  CHECK(
    b.say("AUTH wrong\r\n")
    == "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  CHECK(b.say("AUTH other secret\r\n").starts_with("-WRONGPASS"));
  CHECK(b.say("HELLO 3\r\n").starts_with("-NOAUTH HELLO"));
  CHECK(b.say("AUTH secret\r\nGET k\r\n") == "+OK\r\n$-1\r\n");
  CHECK(b.say("RESET\r\nGET k\r\n")
        == "+RESET\r\n-NOAUTH Authentication required.\r\n");
  CHECK(b.say("HELLO 3 AUTH default secret SETNAME me\r\n").starts_with("%7"));
  CHECK(b.say("CLIENT GETNAME\r\n") == "$2\r\nme\r\n");
}

TEST_CASE("Failed logins make the next ones wait, right or wrong") {
  service_options options;
  options.password = "secret";
  options.clock_ms = &test_clock_ms;
  bench b{options};
  for (std::uint32_t i = 0; i < bounds::free_auth_failures; ++i)
    CHECK(b.say("AUTH wrong\r\n").starts_with("-WRONGPASS"));
  CHECK(b.say("AUTH secret\r\nPING\r\n").empty());
  CHECK(b.say.talk.resume_at_ms() == test_now_ms + bounds::auth_delay_step_ms);
  client other{b.shared};
  CHECK(other("AUTH wrong\r\n").empty());
  test_now_ms += bounds::auth_delay_step_ms;
  CHECK(b.say("") == "+OK\r\n+PONG\r\n");
}

TEST_CASE("A protocol error is answered and ends the conversation") {
  bench b;
  CHECK(b.say("PING\r\n*1\r\n$-5\r\nPING\r\n")
        == "+PONG\r\n-ERR Protocol error: invalid bulk length\r\n");
  CHECK(b.say.talk.closing());
  CHECK(b.say("PING\r\n").empty());
}

TEST_CASE("QUIT is answered and nothing after it is executed") {
  bench b;
  CHECK(b.say("QUIT\r\nSET k v\r\n") == "+OK\r\n");
  CHECK(b.say.talk.closing());
  CHECK_FALSE(b.data.contains({}, "k"));
}

TEST_CASE("An HTTP request is cut off without an answer to its body") {
  bench b;
  b.say("POST / HTTP/1.1\r\nHost: x\r\n\r\nSET k v\r\n");
  CHECK(b.say.talk.cut_off());
  CHECK_FALSE(b.data.contains({}, "k"));
}

TEST_CASE("CLIENT REPLY mutes what it says") {
  bench b;
  CHECK(b.say("CLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY ON\r\nPING\r\n")
        == "+OK\r\n+PONG\r\n");
  CHECK(b.say("CLIENT REPLY SKIP\r\nPING\r\nECHO x\r\n") == "$1\r\nx\r\n");
}

TEST_CASE("A full output buffer makes commands wait, a huge reply cuts off") {
  service_options options;
  options.max_output_bytes = 1'000;
  bench b{options};
  b.say(command({"SET", "k", std::string(600, 'x')}));
  byte_buffer output;
  std::string input = "GET k\r\nGET k\r\nGET k\r\n";
  CHECK(b.say.talk.consume(input, output) == 14);
  output.clear();
  CHECK(b.say.talk.consume("GET k\r\n", output) == 7);
  CHECK_FALSE(b.say.talk.cut_off());

  std::string many = "MGET";
  b.say(command({"SET", "big", std::string(1U << 20, 'x')}));
  for (int i = 0; i < 300; ++i)
    many += " big";
  b.say(many + "\r\n");
  CHECK(b.say.talk.cut_off());
}

TEST_CASE("How a conversation is cut into pieces changes no reply") {
  auto transcript = command({"SET", "k", "v\r\n"}) + "GET k\r\n"
                    + command({"MSET", "a", "1", "b", "2"})
                    + "MGET a b c\r\nINCR a\r\nnosuch x\r\nHELLO 3\r\nGET c\r\n"
                    + command({"APPEND", "k", std::string(3'000, 'y')})
                    + "STRLEN k\r\n*1\r\n$-7\r\n";
  bench whole;
  auto expected = whole.say(transcript);
  std::mt19937 random{77};
  for (int round = 0; round < 50; ++round) {
    bench pieces;
    std::string replies;
    for (std::size_t at = 0; at < transcript.size();) {
      auto bytes = round == 0 ? 1 : 1 + random() % 30;
      replies += pieces.say(transcript.substr(at, bytes));
      at += bytes;
    }
    REQUIRE(replies == expected);
  }
}

TEST_CASE("Every command of the table can be found, in any case") {
  for (const auto& row : all_commands()) {
    std::string upper{row.name};
    for (auto& c : upper)
      c = static_cast<char>(std::toupper(c));
    CHECK(find_command(upper) == &row);
    CHECK((row.handler != nullptr || !row.subcommands.empty()));
  }
  CHECK(find_command("get ") == nullptr);
  CHECK(find_command(std::string_view{"get\0", 4}) == nullptr);
  CHECK(find_command("") == nullptr);
}

TEST_CASE("The policy of a database is shown and changed by its Redis name") {
  bench b;
  auto shown = [&b](const std::string& name) {
    return b.say("CONFIG GET maxmemory-policy\r\n")
           == command({"maxmemory-policy", name});
  };
  CHECK(shown("noeviction"));
  CHECK(b.say("CONFIG SET maxmemory-policy ALLKEYS-LRU\r\n") == "+OK\r\n");
  CHECK(shown("allkeys-lru"));
  CHECK(b.data.settings(memory::namespace_id::default_namespace)->policy
        == memory::policy_kind::lru);
  CHECK(b.say("CONFIG SET maxmemory-policy lfu\r\n") == "+OK\r\n");
  CHECK(shown("allkeys-lfu"));
  CHECK(b.say("CONFIG SET maxmemory-policy clock\r\n") == "+OK\r\n");
  CHECK(shown("clock"));
  CHECK(b.say("INFO memory\r\n").find("maxmemory_policy:clock\r\n")
        != std::string::npos);
  // What `adaptive` follows is shown as well.
  CHECK(b.say("CONFIG SET maxmemory-policy adaptive\r\n") == "+OK\r\n");
  CHECK(b.say("INFO memory\r\n").find("eviction_order:s3fifo\r\n")
        != std::string::npos);
  CHECK(b.say("MEMORY STATS\r\n").find("eviction.order\r\n$6\r\ns3fifo\r\n")
        != std::string::npos);
  CHECK(b.say("SELECT 3\r\n") == "+OK\r\n");
  CHECK(shown("noeviction"));
  CHECK(b.say("INFO memory\r\n").find("eviction_order:none\r\n")
        != std::string::npos);
}

TEST_CASE("A policy that there is not is refused as Redis refuses it") {
  bench b;
  auto refused = b.say("CONFIG SET maxmemory-policy volatile-ttl\r\n");
  CHECK(refused.starts_with(
    "-ERR CONFIG SET failed (possibly related to argument 'maxmemory-policy') "
    "- argument(s) must be one of the following: noeviction, clock, fifo, "));
  CHECK(b.say("CONFIG SET maxmemory-policy lru maxmemory-policy lfu\r\n")
        == "-ERR CONFIG SET failed (possibly related to argument "
           "'maxmemory-policy') - duplicate parameter\r\n");
  CHECK(b.say("CONFIG SET maxmemory-policy lru port 1\r\n")
        == "-ERR CONFIG SET failed (possibly related to argument 'port') - "
           "can't set immutable config\r\n");
  CHECK(b.say("CONFIG SET nothing 1\r\n")
        == "-ERR Unknown option or number of arguments for CONFIG SET - "
           "'nothing'\r\n");
  CHECK(b.data.settings(memory::namespace_id::default_namespace)->policy
        == memory::policy_kind::noeviction);
}

TEST_CASE("With a policy a full segment makes room, and tells how much") {
  auto data = testing::make_store(1U << 20);
  service shared{data, {}};
  client say{shared};
  CHECK(say("CONFIG SET maxmemory-policy allkeys-lru\r\n") == "+OK\r\n");
  std::string value(4'000, 'v');
  auto refused = 0;
  for (int i = 0; i < 1'000; ++i)
    refused +=
      say(command({"SET", "key" + std::to_string(i), value})) == "+OK\r\n" ? 0
                                                                           : 1;
  CHECK(refused == 0);
  CHECK(data.stats().evicted > 0);
  CHECK(say("INFO stats\r\n")
          .find("evicted_keys:" + std::to_string(data.stats().evicted) + "\r\n")
        != std::string::npos);
}
