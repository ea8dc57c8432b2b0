#include "actors/replica/service.hpp"

#include "actors/replica/question.hpp"
#include "memory/temporary_directory.test.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

namespace neuroplex::replica {

namespace {

using memory::testing::temporary_directory;

constexpr moment start{milliseconds{1'000}, milliseconds{1'700'000'000'000}};

const shard_name the_shard{"default", 0};

// A node that is alone, with its disk.
struct lone_node {
  std::unique_ptr<disk> files;
  std::unique_ptr<service> replica;
};

disk_options disk_in(const temporary_directory& where) {
  return {.directory = (where.path() / "replicas").string(),
          .node = 1,
          .segment_bytes = 1U << 20,
          .snapshot_after_bytes = 1U << 16,
          .seed = 7};
}

expected<lone_node> open(const temporary_directory& where,
                         service_options options = {}) {
  lone_node result;
  auto files = disk::open(disk_in(where), {the_shard});
  if (!files)
    return files.error();
  result.files = std::move(*files);
  options.name = the_shard;
  options.core.self = 1;
  auto made = service::open(options, *result.files, start);
  if (!made)
    return made.error();
  result.replica = std::move(*made);
  return result;
}

// Hands a command over; the code of its end and its reply come later.
struct asked {
  std::optional<errc> code{};
  std::shared_ptr<resp::byte_buffer> output =
    std::make_shared<resp::byte_buffer>();

  [[nodiscard]] std::string reply() const {
    return std::string{output->view()};
  }
};

std::shared_ptr<asked> ask(service& replica, const command_words& words,
                           milliseconds patience = milliseconds{1'000}) {
  auto result = std::make_shared<asked>();
  auto nature = nature_of(words);
  REQUIRE(nature.refusal.empty());
  static_cast<void>(replica.submit(
    {.changes = nature.changes,
     .bytes = nature.bytes,
     .deadline = start.steady + patience,
     .run =
       [result, words](core& on, const moment& now) {
         execute(on, now, words, concurrent_values::last, 2, *result->output);
       },
     .question =
       [words] { return encode(question{.protocol = 2, .words = words}); },
     .take_answer =
       [result](std::string_view reply) {
         result->output->append(reply);
         return !reply.empty();
       },
     .finish = [result](errc code) { result->code = code; }}));
  return result;
}

// One round of the disk.
void write(lone_node& here) {
  auto written = here.files->write_waiting();
  REQUIRE(written);
  for (const auto& part : *written)
    here.replica->written(part, start);
  here.replica->step(start);
}

} // namespace

TEST_CASE("a write is answered when it is on the disk, a read at once") {
  temporary_directory where;
  auto here = open(where);
  REQUIRE(here);
  auto set = ask(*here->replica, {"SET", "k", "v"});
  auto get = ask(*here->replica, {"GET", "k"});
  CHECK(here->replica->step(start));
  CHECK_FALSE(set->code);
  CHECK(get->code == errc::ok);
  CHECK(get->reply() == "$1\r\nv\r\n");
  write(*here);
  CHECK(set->code == errc::ok);
  CHECK(here->replica->waiting() == 0);
}

TEST_CASE("a write that the disk has not confirmed in time has no outcome") {
  temporary_directory where;
  auto here = open(where);
  REQUIRE(here);
  auto set = ask(*here->replica, {"SET", "k", "v"}, milliseconds{10});
  here->replica->step(start);
  here->replica->step({start.steady + milliseconds{11}, start.unix_time});
  CHECK(set->code == errc::unknown_outcome);
  auto late = ask(*here->replica, {"SET", "k", "v"}, milliseconds{-1});
  here->replica->step(start);
  CHECK(late->code == errc::unavailable);
}

TEST_CASE("after the disk has failed nothing more is written") {
  temporary_directory where;
  auto here = open(where);
  REQUIRE(here);
  auto set = ask(*here->replica, {"SET", "k", "v"});
  here->replica->step(start);
  here->replica->disk_failed("it is broken");
  here->replica->step(start);
  CHECK(set->code == errc::unknown_outcome);
  auto next = ask(*here->replica, {"SET", "k", "w"});
  auto get = ask(*here->replica, {"GET", "k"});
  here->replica->step(start);
  CHECK(next->reply().find("it is broken") != std::string::npos);
  CHECK(get->reply() == "$1\r\nv\r\n");
}

TEST_CASE("a read that would be too old waits or is refused") {
  temporary_directory where;
  service_options options;
  options.core.peers = {2};
  options.core.gives = promise::bounded_staleness;
  options.core.staleness = milliseconds{100};
  options.when_stale = GENERATE(stale_reads::wait, stale_reads::refuse);
  auto here = open(where, options);
  REQUIRE(here);
  auto get = ask(*here->replica, {"GET", "k"}, milliseconds{50});
  here->replica->step(start);
  if (options.when_stale == stale_reads::refuse) {
    CHECK(get->code == errc::unavailable);
    return;
  }
  CHECK_FALSE(get->code);
  here->replica->step({start.steady + milliseconds{51}, start.unix_time});
  CHECK(get->code == errc::unavailable);
}

TEST_CASE("a read that would be too old is answered by a node that is not") {
  temporary_directory where;
  service_options options;
  options.core.peers = {2, 3};
  options.core.gives = promise::bounded_staleness;
  options.core.staleness = milliseconds{100};
  options.when_stale = stale_reads::forward;
  auto here = open(where, options);
  REQUIRE(here);
  auto& asking = here->replica->replica();
  asking.peer_met(2, start);
  asking.peer_met(3, start);
  // What node `from` says to node 1, or node 1 to it, is there at once.
  std::map<std::uint32_t, core> others;
  for (std::uint32_t id : {2U, 3U}) {
    auto& one = others
                  .try_emplace(id, core_options{.self = id, .peers = {1}},
                               recovered_state{}, 5U)
                  .first->second;
    one.peer_met(1, start);
    auto records = one.take_records();
    one.written(records.back().sequence, start);
    auto how = one.writer(start);
    REQUIRE(how);
    REQUIRE(set_text(*how, "k", "of node " + std::to_string(id)) == errc::ok);
    static_cast<void>(one.take_messages());
  }
  auto deliver_questions = [&] {
    std::vector<std::pair<std::uint32_t, forwarded_read>> result;
    for (const auto& message : asking.take_messages()) {
      auto& to = others.at(message.to);
      CHECK(to.receive(1, message.bytes, start));
      for (auto& one : to.take_questions())
        result.emplace_back(message.to, std::move(one));
    }
    return result;
  };
  auto reply_of = [&](std::uint32_t id, const forwarded_read& asked,
                      std::optional<std::string> body) {
    auto& from = others.at(id);
    static_cast<void>(from.take_messages());
    from.answer_question(asked, std::move(body));
    for (const auto& message : from.take_messages())
      CHECK(asking.receive(id, message.bytes, start));
    here->replica->step(start);
  };

  SECTION("by the first that is fresh") {
    auto get = ask(*here->replica, {"GET", "k"});
    here->replica->step(start);
    auto asked = deliver_questions();
    REQUIRE(asked.size() == 1);
    REQUIRE(asked[0].first == 2);
    CHECK_FALSE(get->code);
    SECTION("which is not the first that is there") {
      reply_of(2, asked[0].second, std::nullopt);
      CHECK_FALSE(get->code);
      asked = deliver_questions();
      REQUIRE(asked.size() == 1);
      REQUIRE(asked[0].first == 3);
    }
    SECTION("and not one that is lost meanwhile") {
      asking.peer_lost(2);
      here->replica->step(start);
      asked = deliver_questions();
      REQUIRE(asked.size() == 1);
      REQUIRE(asked[0].first == 3);
    }
    auto id = asked[0].first;
    reply_of(id, asked[0].second,
             answer(others.at(id), start, *asked[0].second.body));
    CHECK(get->code == errc::ok);
    CHECK(get->reply() == "$9\r\nof node " + std::to_string(id) + "\r\n");
    CHECK(here->replica->waiting() == 0);
  }
  SECTION("and refused when all are too old") {
    auto get = ask(*here->replica, {"GET", "k"});
    here->replica->step(start);
    for (std::uint32_t id : {2U, 3U}) {
      auto asked = deliver_questions();
      REQUIRE(asked.size() == 1);
      reply_of(id, asked[0].second, std::nullopt);
    }
    CHECK(get->code == errc::unavailable);
    CHECK(get->reply().empty());
  }
  SECTION("within its time") {
    auto get = ask(*here->replica, {"GET", "k"}, milliseconds{50});
    here->replica->step(start);
    auto asked = deliver_questions();
    REQUIRE(asked.size() == 1);
    here->replica->step({start.steady + milliseconds{51}, start.unix_time});
    CHECK(get->code == errc::unavailable);
    // An answer that comes later is for nobody.
    reply_of(2, asked[0].second, "+late\r\n");
    CHECK(get->reply().empty());
  }
  SECTION("but a write is done here") {
    auto set = ask(*here->replica, {"SET", "k", "here"});
    here->replica->step(start);
    CHECK(deliver_questions().empty());
    write(*here);
    CHECK(set->code == errc::ok);
  }
}

TEST_CASE("another node's question is answered when it is a read") {
  temporary_directory where;
  auto here = open(where);
  REQUIRE(here);
  auto& replica = here->replica->replica();
  auto how = replica.writer(start);
  REQUIRE(how);
  REQUIRE(set_text(*how, "k", "v") == errc::ok);
  REQUIRE(add_members(*how, "s", std::vector<std::string>{"m"}));
  auto answered = [&](const question& what) {
    return answer(replica, start, encode(what));
  };
  CHECK(answered({.protocol = 2, .words = {"GET", "k"}}) == "$1\r\nv\r\n");
  CHECK(answered({.protocol = 3, .words = {"GET", "none"}}) == "_\r\n");
  auto values = answered({.words = {"k", "none", "s"}});
  REQUIRE(values);
  auto decoded = decode_plain_values(*values);
  REQUIRE(decoded);
  CHECK(*decoded
        == std::vector<plain_value>{
          {errc::ok, "v"}, {errc::not_found, ""}, {errc::wrong_type, ""}});
  for (const auto& words : std::vector<command_words>{{},
                                                      {"GET"},
                                                      {"GET", "k", "k"},
                                                      {"SET", "k", "w"},
                                                      {"SADD", "s", "n"},
                                                      {"FLUSHDB"},
                                                      {"SESSION.TOKEN"},
                                                      {"SESSION.AFTER", "00"},
                                                      {"SETNX", "k", "w"},
                                                      {"NONSENSE"}})
    CHECK_FALSE(answered({.protocol = 2, .words = words}));
  CHECK_FALSE(
    answered({.words = command_words(limits::max_question_words + 1, "k")}));
  CHECK(answered({.words = command_words(limits::max_question_words, "k")}));
  // Longer than a message.
  REQUIRE(set_text(*how, "k", std::string(limits::part_bytes / 3, 'v'))
          == errc::ok);
  CHECK_FALSE(answered({.words = command_words(4, "k")}));
  CHECK_FALSE(answered({.protocol = 2, .words = {"MGET", "k", "k", "k", "k"}}));
  CHECK_FALSE(answer(replica, start, "what is this?"));
  CHECK_FALSE(decode_question(encode(question{.protocol = 4, .words = {"x"}})));
  CHECK(replica.state().keys().size() == 2);
}

TEST_CASE("what was written is there after a start, from log and snapshot") {
  temporary_directory where;
  crdt::state_digest before;
  {
    auto here = open(where);
    REQUIRE(here);
    const std::string value(1'000, 'v');
    for (auto i = 0; i < 3'000; ++i) {
      static_cast<void>(
        ask(*here->replica, {"SET", "k" + std::to_string(i % 100), value}));
      here->replica->step(start);
      if (i % 50 == 49)
        write(*here);
    }
    write(*here);
    // The log was let go: 3 MB went through it.
    CHECK(here->files->report().snapshots > 0);
    before = here->replica->replica().state().digest();
  }
  auto again = open(where);
  REQUIRE(again);
  CHECK(again->replica->replica().state().digest() == before);
  auto get = ask(*again->replica, {"DBSIZE"});
  again->replica->step(start);
  CHECK(get->reply() == ":100\r\n");
}

TEST_CASE("a damaged snapshot is named, and nothing is served") {
  temporary_directory where;
  {
    auto here = open(where);
    REQUIRE(here);
    const std::string value(100'000, 'v');
    static_cast<void>(ask(*here->replica, {"SET", "k", value}));
    for (auto i = 0; i < 3; ++i) {
      here->replica->step(start);
      write(*here);
    }
    write(*here);
    REQUIRE(here->files->report().snapshots > 0);
  }
  std::filesystem::path path;
  for (const auto& one :
       std::filesystem::directory_iterator{where.path() / "replicas/states"})
    if (one.path().filename().string().starts_with("state-"))
      path = one.path();
  REQUIRE_FALSE(path.empty());
  {
    std::fstream file{path, std::ios::in | std::ios::out | std::ios::binary};
    file.seekp(1'000);
    file.put('x');
  }
  auto again = open(where);
  REQUIRE_FALSE(again);
  CHECK(again.code() == errc::corrupt);
  CHECK(again.error().message().find("state-") != std::string::npos);
}

} // namespace neuroplex::replica
