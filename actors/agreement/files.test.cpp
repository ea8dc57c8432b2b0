#include "actors/agreement/formation.hpp"
#include "actors/agreement/snapshot_files.hpp"

#include "memory/temporary_directory.test.hpp"

#include <catch2/catch.hpp>

#include <fstream>

using namespace neuroplex;
using namespace neuroplex::agreement;

namespace {

class file_room {
public:
  file_room() {
    auto opened = memory::open_disk_directory(room_.path(), false, "test");
    REQUIRE(opened);
    directory_ = std::move(*opened);
  }

  memory::disk_directory& operator*() {
    return *directory_;
  }

  [[nodiscard]] std::filesystem::path path(const std::string& name) const {
    return room_.path() / name;
  }

private:
  memory::testing::temporary_directory room_;
  std::unique_ptr<memory::disk_directory> directory_;
};

raft::snapshot_meta meta_of(raft::log_index index, std::string_view state) {
  raft::snapshot_meta meta;
  meta.index = index;
  meta.term = 1;
  meta.members.voters = {{1, 7}};
  snapshot_files::describe(state, meta);
  return meta;
}

void flip_last_byte(const std::filesystem::path& path) {
  std::fstream file{path, std::ios::in | std::ios::out | std::ios::binary};
  file.seekg(-1, std::ios::end);
  auto last = static_cast<char>(file.get());
  file.seekp(-1, std::ios::end);
  file.put(static_cast<char>(last ^ 1));
}

formation open_formation(file_room& room, raft::node_id self,
                         raft::incarnation_number fresh) {
  auto opened = formation::open(*room, self, {1, 2, 3}, 1, fresh);
  REQUIRE(opened);
  return std::move(*opened);
}

} // namespace

TEST_CASE("the newest whole snapshot counts, and a damaged one is told of") {
  file_room room;
  std::vector<std::string> problems;
  REQUIRE(snapshot_files::write(*room, 1, meta_of(5, "old"), "old"));
  REQUIRE(snapshot_files::write(*room, 1, meta_of(9, "new"), "new"));
  auto files = snapshot_files::open(*room, 1, problems);
  REQUIRE(files);
  CHECK(files->latest()->index == 9);
  CHECK(*files->load() == "new");
  CHECK(files->read(9, 1, 100)->view() == "ew");
  CHECK(files->read(5, 0, 100).code() == errc::not_found);
  flip_last_byte(room.path("snapshot-1-00000000000000000009"));
  auto again = snapshot_files::open(*room, 1, problems);
  REQUIRE(again);
  CHECK(again->latest()->index == 5);
  CHECK(problems.size() == 1);
  // Another group's are another group's.
  auto other = snapshot_files::open(*room, 2, problems);
  REQUIRE(other);
  CHECK_FALSE(other->latest());
}

TEST_CASE("a snapshot that is received counts when it is whole") {
  file_room room;
  std::vector<std::string> problems;
  auto files = snapshot_files::open(*room, 1, problems);
  REQUIRE(files);
  auto meta = meta_of(4, "abcdef");
  CHECK_FALSE(files->receive(meta, 3, "def"));
  REQUIRE(files->receive(meta, 0, "abc"));
  CHECK_FALSE(files->complete(meta));
  REQUIRE(files->receive(meta, 3, "def"));
  CHECK(*files->complete(meta) == "abcdef");
  CHECK(files->latest()->index == 4);
  REQUIRE(files->receive(meta_of(6, "xyz"), 0, "xyy"));
  CHECK(files->complete(meta_of(6, "xyz")).code() == errc::corrupt);
  CHECK(files->latest()->index == 4);
}

TEST_CASE("nodes begin with the disks of all, once they have met") {
  file_room room;
  auto node = open_formation(room, 1, 100);
  node.heard(2, 200, std::nullopt);
  CHECK_FALSE(*node.begin(*room));
  node.heard(9, 900, std::nullopt); // no first member
  node.heard(3, 300, std::nullopt);
  CHECK(*node.begin(*room));
  const std::vector<raft::member> all{{1, 100}, {2, 200}, {3, 300}};
  CHECK(node.first()->voters == all);
  // It stays so, with the number of its disk.
  CHECK(formation::open(*room, 1, {1, 2, 3}, 2, 1).code() == errc::config);
  auto later = open_formation(room, 1, 777);
  CHECK(later.incarnation() == 100);
  CHECK(later.first()->voters == all);
  CHECK_FALSE(*later.begin(*room));
  flip_last_byte(room.path("formation"));
  CHECK(formation::open(*room, 1, {1, 2, 3}, 1, 1).code() == errc::corrupt);
}

TEST_CASE("who comes with another disk takes over what others began with") {
  file_room room;
  auto node = open_formation(room, 2, 999);
  raft::configuration theirs;
  theirs.voters = {{1, 100}, {2, 200}, {3, 300}};
  node.heard(1, 100, theirs);
  CHECK(*node.begin(*room));
  CHECK(*node.first() == theirs);
  CHECK(node.incarnation() == 999);
}
