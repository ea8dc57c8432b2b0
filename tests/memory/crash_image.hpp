// A segment as it is at one moment, apart from the file, and a survivor who
// comes to it after the deaths.
//
// Purpose: what a kill leaves behind is the bytes of the segment. They are
// copied, recovered and looked at thousands of times a second, so only those
// parts are copied that a segment of this size has in use.
//
// Threads: one. Nothing here touches the segment that was copied.
#pragma once

#include "tests/memory/audit.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace neuroplex::memory::testing {

/// Copies all of a segment that can differ between two moments of one run, or
/// that somebody wrote to in either. What lies in a page that is free in both
/// means nothing.
void copy_used(const geometry& shape, const std::byte* from, std::byte* to);

/// Memory for a copy of a segment: its own, or a file's.
class segment_image {
public:
  /// With a path, the copy is a file of that name, to be attached to.
  explicit segment_image(const geometry& shape, const std::string& path = {});
  segment_image(const segment_image&) = delete;
  segment_image& operator=(const segment_image&) = delete;
  ~segment_image();

  void take(const std::byte* segment) {
    copy_used(shape_, segment, base_);
  }

  [[nodiscard]] std::byte* base() const noexcept {
    return base_;
  }

private:
  geometry shape_;
  std::string path_;
  std::byte* base_;
};

struct key_id {
  std::uint8_t ns = 0;
  std::string name;

  friend auto operator<=>(const key_id&, const key_id&) = default;
};

/// The value of a key, or nothing.
using content = std::optional<std::string>;

/// What a key may hold.
struct expectation {
  key_id key;
  std::uint64_t hash = 0;
  std::vector<content> allowed;
  /// What it held when its mark was last taken away; none: nobody can tell.
  std::optional<content> backed_up{};
};

/// Somebody who recovers the dead of an image, and looks.
class survivor {
public:
  survivor(const geometry& shape, std::byte* base);

  /// Reads every key as anybody can before the dead are noticed.
  std::vector<content> read_all(const std::vector<expectation>& expected);

  /// Recovers the participants in this order, as `store::recover` does.
  void recover(const std::vector<unsigned>& participants);

  /// What is wrong: with the parts, or with the content. `before` is what
  /// `read_all` saw: recovery changes nothing that a reader sees.
  std::vector<std::string> examine(const std::vector<expectation>& expected,
                                   const std::vector<content>& before);

  /// Writes and removes keys, after which everything must still agree.
  std::vector<std::string> use();

private:
  using engine_type = basic_engine<native_sync>;

  void join();
  [[nodiscard]] content read_inline(const expectation& wanted) const;
  [[nodiscard]] errc unfold(std::uint8_t ns, std::uint8_t form,
                            std::string& value);

  engine_type engine_;
  auditor auditor_;
  engine_type::context self_;
};

} // namespace neuroplex::memory::testing
