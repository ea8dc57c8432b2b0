#include "actors/byzantine/membership.hpp"
#include "actors/byzantine/parties.hpp"
#include "actors/byzantine/replica_log.hpp"
#include "actors/byzantine/store_replica.hpp"

#include "memory/fixture.test.hpp"
#include "memory/temporary_directory.test.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <random>

using namespace neuroplex;
using namespace neuroplex::byzantine;

namespace {

using kind = store_machine::operation_kind;

std::unique_ptr<memory::disk_directory>
directory_of(const std::filesystem::path& path) {
  auto opened = memory::open_disk_directory(path, true, "test");
  REQUIRE(opened);
  return std::move(*opened);
}

// -- the log ------------------------------------------------------------------

class log_room {
public:
  replica_log::opened open() {
    checkpoints_ = directory_of(room_.path() / "state");
    auto opened =
      replica_log::open(directory_of(room_.path() / "log"), *checkpoints_,
                        {{}, 1}, {.segment_bytes = 65'536});
    if (!opened)
      FAIL(opened.error().message());
    return std::move(*opened);
  }

  [[nodiscard]] std::vector<std::filesystem::path> checkpoints() const {
    std::vector<std::filesystem::path> found;
    for (const auto& one :
         std::filesystem::directory_iterator{room_.path() / "state"})
      if (one.path().filename().string().starts_with("checkpoint-"))
        found.push_back(one.path());
    return found;
  }

  expected<replica_log::opened> try_open() {
    checkpoints_ = directory_of(room_.path() / "state");
    return replica_log::open(directory_of(room_.path() / "log"), *checkpoints_,
                             {{}, 1}, {.segment_bytes = 65'536});
  }

private:
  memory::testing::temporary_directory room_;
  std::unique_ptr<memory::disk_directory> checkpoints_;
};

// A digest that differs from sequence number to sequence number.
pbft::digest digest_for(pbft::sequence_number sequence) {
  pbft::digest of;
  of.bytes.fill(static_cast<std::uint8_t>(sequence));
  return of;
}

hybrid::disk_write accepted(hybrid::write_id id,
                            pbft::sequence_number sequence) {
  pbft::claim what{sequence, 0, digest_for(sequence)};
  return {id,
          {pbft::record{pbft::accepted_record{
             what, slice::copy_of(std::string(1'000, 'b'))}},
           pbft::record{pbft::prepared_record{what}}}};
}

hybrid::disk_write checkpoint(hybrid::write_id id,
                              pbft::sequence_number sequence,
                              const std::string& state) {
  pbft::stable_proof proof;
  proof.sequence = sequence;
  return {id,
          {pbft::record{pbft::checkpoint_record{
             sequence, {slice::copy_of("clients"), slice::copy_of(state)}}},
           pbft::record{pbft::stable_record{proof}}}};
}

const auto no_patience = [] { return false; };

} // namespace

TEST_CASE("a replica's log gives back what was written, and lets go of what a "
          "checkpoint covers") {
  log_room room;
  hybrid::write_id id = 0;
  {
    auto opened = room.open();
    CHECK(opened.state.agreement.slots.empty());
    hybrid::raft_record of_epoch{1, std::nullopt, {}};
    of_epoch.entries = {
      {1, 1, raft::entry_kind::command, slice::copy_of("entry")}};
    REQUIRE(opened.log->write(
      {{++id, {hybrid::began_record{1, digest_for(9)}, of_epoch}}},
      no_patience));
    for (pbft::sequence_number at = 1; at <= 400; ++at) {
      REQUIRE(opened.log->write({accepted(++id, at)}, no_patience));
      if (at % 100 == 0)
        REQUIRE(opened.log->write(
          {checkpoint(++id, at, std::string(100'000, 's'))}, no_patience));
    }
    for (pbft::sequence_number at = 401; at <= 420; ++at)
      REQUIRE(opened.log->write({accepted(++id, at)}, no_patience));
    // All that was written is several times what is needed.
    CHECK(opened.log->totals().bytes > 400'000);
    CHECK(opened.log->totals().segments <= 6);
    CHECK(room.checkpoints().size() == 1);
  }
  auto opened = room.open();
  const auto& state = opened.state;
  CHECK(state.agreement.stable.sequence == 400);
  CHECK(state.agreement.slots.size() == 20);
  CHECK(state.agreement.slots.at(410).prepared->of == digest_for(410));
  CHECK(state.agreement.slots.at(410).batches.at(digest_for(410)).size()
        == 1'000);
  CHECK(state.agreement.checkpoints.at(400).at(1).size() == 100'000);
  CHECK(state.agreement.executed == 420);
  // Written anew more than once, and there once.
  REQUIRE(state.epochs.at(1).entries.size() == 1);
  CHECK(state.epochs.at(1).entries.front().data.view() == "entry");
}

TEST_CASE("a checkpoint that is not what the log names is refused") {
  log_room room;
  {
    auto opened = room.open();
    REQUIRE(opened.log->write({checkpoint(1, 100, "state")}, no_patience));
    REQUIRE(opened.log->vouch());
  }
  {
    std::fstream file{room.checkpoints().at(0),
                      std::ios::in | std::ios::out | std::ios::binary};
    file.seekp(3);
    file.put('?');
  }
  auto opened = room.try_open();
  REQUIRE_FALSE(opened);
  CHECK(opened.code() == errc::corrupt);
}

// -- the state machine --------------------------------------------------------

namespace {

class replica_room {
public:
  replica_room() {
    memory::segment_options segment;
    segment.segment_bytes = std::uint64_t{8} << 20;
    segment.huge_pages = false;
    auto made = memory::store::create(room_.path() / "segment", segment);
    REQUIRE(made);
    store_.emplace(std::move(*made));
    auto replica =
      store_replica::make(*store_, {.faults = 1, .spaces = {"default"}}, board);
    REQUIRE(replica);
    machine = std::move(*replica);
  }

private:
  memory::testing::temporary_directory room_;
  std::optional<memory::store> store_;

public:
  std::shared_ptr<store_replica::board> board =
    std::make_shared<store_replica::board>();
  std::unique_ptr<store_replica> machine; // goes before the store
};

store_machine::result result_of(const slice& answer) {
  auto all = decode_answers(answer.view());
  REQUIRE(all.size() == 1);
  if (all.front().code != errc::ok)
    return {.status = all.front().code};
  return store_machine::decode_answer(all.front().bytes)->front();
}

slice operate(hybrid::state_machine& on, pbft::node_id node,
              std::int64_t time_ms, const store_machine::operation& what) {
  return on.execute(
    client_of(node, 0),
    encode_operation(time_ms, {store_machine::encode_batch({what})}));
}

slice look(const hybrid::state_machine& on, std::string_view key) {
  return on.read(
    encode_operation(0, {store_machine::encode_batch({{.key = key}})}));
}

} // namespace

TEST_CASE("a clock that lies moves the time of a group in no direction") {
  replica_room room;
  auto& machine = *room.machine;
  operate(machine, 1, 1'000, {.kind = kind::set, .key = "a", .value = "1"});
  CHECK(machine.machine().time_ms() == 0); // one clock is nobody's word
  operate(machine, 2, 900, {.kind = kind::set, .key = "b", .value = "1"});
  CHECK(machine.machine().time_ms() == 900);
  operate(machine, 3, 1'100,
          {.kind = kind::set, .key = "c", .value = "1", .ttl_ms = 500});
  CHECK(machine.machine().time_ms() == 1'000);
  operate(machine, 4, 1'000'000'000'000,
          {.kind = kind::set, .key = "d", .value = "1"});
  CHECK(machine.machine().time_ms() == 1'100);
  operate(machine, 4, 2'000'000'000'000,
          {.kind = kind::set, .key = "d", .value = "2"});
  CHECK(result_of(look(machine, "c")).found);
  static_cast<void>(
    machine.execute(client_of(2, 1), encode_operation(1'600, {})));
  CHECK_FALSE(result_of(look(machine, "c")).found);
}

TEST_CASE("equal operations lead to equal pieces, and pieces to the state") {
  replica_room first;
  replica_room second;
  for (auto* one : {&first, &second})
    for (pbft::node_id node = 1; node <= 4; ++node)
      operate(*one->machine, node, 1'000,
              {.kind = kind::increment, .key = "n", .delta = 3});
  CHECK(first.machine->pieces() == second.machine->pieces());
  replica_room third;
  REQUIRE(third.machine->load(first.machine->pieces()));
  CHECK(third.machine->pieces() == first.machine->pieces());
  CHECK(result_of(look(*third.machine, "n")).value == "12");
  CHECK_FALSE(third.machine->load({}));
  CHECK(first.board->trouble.empty());
}

TEST_CASE("a copy goes its own way and leaves nothing behind") {
  replica_room room;
  operate(*room.machine, 1, 1'000,
          {.kind = kind::set, .key = "k", .value = "settled"});
  {
    auto copy = room.machine->copy();
    operate(*copy, 1, 1'000,
            {.kind = kind::set, .key = "k", .value = "running"});
    CHECK(result_of(look(*copy, "k")).value == "running");
    CHECK(room.board->copy == copy.get());
  }
  CHECK(result_of(look(*room.machine, "k")).value == "settled");
  CHECK(room.board->copy == nullptr);
  auto copy = room.machine->copy();
  CHECK(result_of(look(*copy, "k")).value == "settled");
}

TEST_CASE("what a lying client asks for is refused, and what is too long to "
          "answer is told") {
  replica_room room;
  auto refused = room.machine->execute(client_of(1, 0), "nonsense");
  CHECK(decode_answers(refused.view()).at(0).code == errc::protocol);
  auto elsewhere = operate(*room.machine, 1, 1,
                           {.kind = kind::set, .space = "other", .key = "k"});
  CHECK(result_of(elsewhere).status == errc::bad_namespace);
  CHECK(decode_answers("nonsense").empty());
  const std::string value(std::size_t{1} << 20, 'v');
  operate(*room.machine, 1, 1, {.kind = kind::set, .key = "k", .value = value});
  auto batch = store_machine::encode_batch({{.key = "k"}});
  auto answers = decode_answers(
    room.machine->read(encode_operation(0, {batch, batch, batch})).view());
  REQUIRE(answers.size() == 3);
  CHECK(answers[0].code == errc::ok);
  CHECK(answers[2].code == errc::value_size);
  CHECK(room.board->trouble.empty());
}

TEST_CASE("changed bytes are refused or executed, never more") {
  replica_room room;
  std::mt19937_64 chance{11};
  const auto operation = encode_operation(
    1'000, {store_machine::encode_batch(
             {{.kind = kind::set, .key = "k", .value = "v"}})});
  const std::string answer{
    room.machine->execute(client_of(1, 0), operation).view()};
  for (int round = 0; round < 2'000; ++round) {
    auto asked = operation;
    asked[chance() % asked.size()] = static_cast<char>(chance());
    asked.resize(chance() % (asked.size() + 1));
    auto told = room.machine->execute(client_of(1 + chance() % 4, 0), asked);
    CHECK_FALSE((told.size() > 4 && decode_answers(told.view()).empty()));
    auto changed = answer;
    changed[chance() % changed.size()] = static_cast<char>(chance());
    static_cast<void>(decode_answers(changed));
  }
  CHECK(room.board->trouble.empty());
}

// -- keys ---------------------------------------------------------------------

TEST_CASE("nodes know each other by the keys of their first meeting") {
  memory::testing::temporary_directory room;
  auto where = directory_of(room.path() / "one");
  auto elsewhere = directory_of(room.path() / "two");
  auto text = [](const membership& of) {
    return std::string{reinterpret_cast<const char*>(of.own_key().bytes.data()),
                       of.own_key().bytes.size()};
  };
  std::string key;
  {
    auto one = membership::open(*where, 1, {2, 1});
    auto two = membership::open(*elsewhere, 2, {1, 2});
    REQUIRE(one);
    REQUIRE(two);
    key = text(*two);
    CHECK_FALSE(*one->settle());
    CHECK(one->heard(2, key));
    CHECK(one->heard(2, key));
    CHECK(one->heard(3, text(*one))); // no member
    CHECK(*one->settle());
    CHECK(one->complete());
    CHECK(one->crypto());
  }
  auto again = membership::open(*where, 1, {1, 2});
  REQUIRE(again);
  CHECK(again->complete());
  auto other = key;
  other.front() = static_cast<char>(other.front() ^ 1);
  CHECK(again->heard(2, other).code() == errc::denied);
  CHECK(again->heard(2, "short").code() == errc::bad_argument);
  CHECK(again->heard(2, key));
  CHECK(membership::open(*where, 1, {1, 2, 3, 4}).code() == errc::config);
  std::filesystem::resize_file(room.path() / "one" / "identity", 20);
  CHECK(membership::open(*where, 1, {1, 2}).code() == errc::corrupt);
  std::ofstream{room.path() / "two" / "formation"} << "raft";
  CHECK(membership::open(*elsewhere, 2, {1, 2}).code() == errc::config);
}
